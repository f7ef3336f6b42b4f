//! What the quick start says: the lines that send a mail, read it and show the metrics, and what it is not.
//!
//! Owns: these texts. Must not know: how they are written; `announce` writes them to standard error.
//!
//! Invariants: a line with a label is a command that works as it is pasted (.ci/run does that); a line without a label is not
//! a command.
//!
//! BUGS: which port of the machine a container's port was published as cannot be seen from inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::container::{self, Container};
use crate::config::Recipients;
use crate::limits::{EMBEDDED_PARTITION_OCTETS, EMBEDDED_PARTITIONS};
use crate::server;

/// What the texts are made of.
struct Facts<'a> {
    /// Where SMTP is served.
    pub smtp: SocketAddr,
    /// Where metrics are.
    pub admin: SocketAddr,
    /// The broker's address.
    pub brokers: &'a str,
    /// The topic.
    pub topic: &'a str,
    /// This program, as a command.
    pub program: &'a str,
    /// Whom mail is taken for.
    pub recipients: &'a Recipients,
    /// The largest mail that is taken, and the one that the configuration asks for.
    pub message_size: u64,
    pub message_size_wanted: u64,
    /// Where it runs, if that is a container.
    pub container: Option<Container>,
}

/// What is said of this server by this process.
pub(super) fn banner_here(server: &server::Facts) -> String {
    // A binary that cargo built is not on PATH; the lines have to work as they are pasted.
    let program = std::env::current_exe()
        .map_or_else(|_| "ringpost".to_owned(), |path| path.display().to_string());
    banner(&Facts {
        smtp: server.smtp[0].address,
        admin: server.admin,
        brokers: &server.sink.address,
        topic: server.sink.first_topic(),
        program: &program,
        recipients: &server.config.recipients,
        message_size: server.sink.message_size,
        message_size_wanted: server.config.limits.message_size,
        container: container::detect(),
    })
}

/// Everything that is said, lines with their ends.
fn banner(facts: &Facts<'_>) -> String {
    let mut lines = vec![
        "ringpost: quick start. The broker is in this process and in memory only: it is not storage. Ctrl-C stops it, and all \
         mail is gone then."
            .to_owned(),
    ];
    let outside = facts
        .container
        .as_ref()
        .filter(|container| container.ours_alone);
    if outside.is_some() {
        lines.extend(of_a_container(facts));
    }
    lines.extend(commands(facts, outside));
    lines.push(format!(
        "ringpost: {}. A mail may have {} bytes (SIZE{}); some {} MiB are kept, then the oldest mails are dropped.",
        whose(facts.recipients),
        facts.message_size,
        lowered(facts),
        EMBEDDED_PARTITION_OCTETS * EMBEDDED_PARTITIONS / (1024 * 1024)
    ));
    if let (Some(container), None) = (&facts.container, outside) {
        lines.push(format!(
            "ringpost: this runs in a container. From outside of it, publish its ports (docker run --publish 127.0.0.1:{0}:{0}) \
             and listen on 0.0.0.0; read mail with: {1} {2}",
            facts.smtp.port(),
            container.exec,
            consume(facts)
        ));
    }
    lines.push(format!(
        "ringpost: how it goes, in a browser: http://{}/",
        reachable(facts.admin)
    ));
    lines.push(
        "ringpost: next: keep mail in Kafka (--brokers), name your domains (--domain), port 25, MX record, TLS: \
         docs/getting-started.md"
            .to_owned(),
    );
    lines.join("\n") + "\n"
}

fn commands(facts: &Facts<'_>, outside: Option<&Container>) -> Vec<String> {
    let (smtp, admin) = (reachable(facts.smtp), reachable(facts.admin));
    let to = format!("me@{}", domain(facts.recipients));
    let mut lines = vec![
        format!("  send a mail:  swaks --server {smtp} --from you@example.com --to {to}"),
        format!(
            "  or with curl: printf 'Subject: hello\\r\\n\\r\\nIt works.\\r\\n' | curl -sS -w '%{{response_code}}\\n' -T - \
             --mail-from you@example.com --mail-rcpt {to} smtp://{smtp}"
        ),
    ];
    match outside {
        Some(container) => lines.push(format!(
            "  read it:      {} {}",
            container.exec,
            consume(facts)
        )),
        None => {
            lines.push(format!("  read it:      {}", consume(facts)));
            lines.push(format!(
                "  or with kcat: kcat -q -b {} -t {} -C -e -f '%o %h\\n%s\\n'",
                facts.brokers, facts.topic
            ));
        }
    }
    lines.push(format!("  the metrics:  curl http://{admin}/metrics"));
    lines
}

/// What is needed before lines that are pasted outside work.
fn of_a_container(facts: &Facts<'_>) -> Vec<String> {
    let (smtp, admin) = (facts.smtp.port(), facts.admin.port());
    let mut lines = vec![format!(
        "ringpost: this is a container: run these lines on its machine, where its ports have to be published: --publish \
         127.0.0.1:{smtp}:{smtp} --publish 127.0.0.1:{admin}:{admin}"
    )];
    for (option, variable, address) in [
        ("server.listen", "RINGPOST_SERVER_LISTEN", facts.smtp),
        ("admin.listen", "RINGPOST_ADMIN_LISTEN", facts.admin),
    ] {
        if address.ip().is_loopback() {
            lines.push(format!(
                "ringpost: {option} = {address} can be reached only from inside the container: add --env {variable}=0.0.0.0:{}",
                address.port()
            ));
        }
    }
    lines
}

fn consume(facts: &Facts<'_>) -> String {
    format!(
        "{} consume --brokers {} --topic {} --until-end",
        facts.program, facts.brokers, facts.topic
    )
}

/// An address to connect to in place of one that means every address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// A domain that mail is taken for; one without a list of recipients, if there is one.
fn domain(recipients: &Recipients) -> String {
    let mut domains = recipients.domains.iter();
    let open = domains.find(|domain| !recipients.lists.contains_key(*domain));
    let Some(domain) = open.or(recipients.domains.first()) else {
        return "example.com".to_owned();
    };
    match domain.strip_prefix("*.") {
        Some(below) => format!("mx.{below}"),
        None if domain == "*" => "example.com".to_owned(),
        None => domain.clone(),
    }
}

/// Why SIZE is not what the configuration says.
fn lowered(facts: &Facts<'_>) -> String {
    match facts.message_size_wanted {
        wanted if wanted > facts.message_size => format!(
            ", lowered from limits.message_size = {wanted}: this broker could lose larger ones"
        ),
        _ => String::new(),
    }
}

fn whose(recipients: &Recipients) -> String {
    match recipients.domains.iter().any(|domain| domain == "*") {
        true => "Mail is taken for every domain".to_owned(),
        false => format!("Mail is taken for {}", recipients.domains.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn text(
        smtp: &str,
        change: impl FnOnce(&mut Recipients),
        container: Option<Container>,
    ) -> String {
        let mut recipients = Config::default().recipients;
        change(&mut recipients);
        banner(&Facts {
            smtp: smtp.parse().unwrap(),
            admin: "0.0.0.0:9925".parse().unwrap(),
            brokers: "127.0.0.1:4000",
            topic: "mail",
            program: "/bin/ringpost",
            recipients: &recipients,
            message_size: 2_555_904,
            message_size_wanted: 26_214_400,
            container,
        })
    }

    fn labelled<'a>(text: &'a str, label: &str) -> Option<&'a str> {
        let mut lines = text.lines();
        lines.find_map(|line| {
            Some(
                line.trim_start()
                    .strip_prefix(label)?
                    .strip_prefix(':')?
                    .trim(),
            )
        })
    }

    #[test]
    fn it_says_what_to_paste_what_it_is_not_and_what_is_next() {
        let text = text("127.0.0.1:2525", |_| {}, None);
        let swaks = "swaks --server 127.0.0.1:2525 --from you@example.com --to me@example.com";
        assert_eq!(labelled(&text, "send a mail"), Some(swaks));
        let read = "/bin/ringpost consume --brokers 127.0.0.1:4000 --topic mail --until-end";
        assert_eq!(labelled(&text, "read it"), Some(read));
        assert_eq!(
            labelled(&text, "the metrics"),
            Some("curl http://127.0.0.1:9925/metrics")
        );
        assert!(
            labelled(&text, "or with curl")
                .unwrap()
                .contains("smtp://127.0.0.1:2525")
        );
        assert!(labelled(&text, "or with kcat").is_some());
        for words in [
            "not storage",
            "Ctrl-C stops it",
            "all mail is gone",
            "every domain",
            "2555904 bytes (SIZE, lowered from limits.message_size = 26214400",
            "320 MiB are kept, then the oldest",
            "http://127.0.0.1:9925/\n",
            "docs/getting-started.md",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn the_recipient_is_one_that_is_taken_and_the_address_one_that_is_reached() {
        let to = |domains: &[&str], lists: &[&str]| {
            let text = text(
                "[::]:2525",
                |recipients| {
                    recipients.domains = domains.iter().map(|&domain| domain.to_owned()).collect();
                    for list in lists {
                        recipients
                            .lists
                            .insert((*list).to_owned(), "a.txt".to_owned());
                    }
                },
                None,
            );
            let line = labelled(&text, "send a mail").unwrap();
            assert!(line.contains("--server [::1]:2525 "), "{line}");
            line.rsplit_once("--to ").unwrap().1.to_owned()
        };
        assert_eq!(to(&["*"], &[]), "me@example.com");
        assert_eq!(to(&["a.example", "b.example"], &[]), "me@a.example");
        assert_eq!(to(&["*.a.example"], &[]), "me@mx.a.example");
        assert_eq!(
            to(&["a.example", "b.example"], &["a.example"]),
            "me@b.example"
        );
        assert_eq!(to(&["a.example"], &["a.example"]), "me@a.example");
    }

    #[test]
    fn in_a_container_the_lines_work_outside_or_say_how() {
        let container = |ours_alone| {
            Some(Container {
                exec: "docker exec 3f2a9c".to_owned(),
                ours_alone,
            })
        };
        let image = text("0.0.0.0:2525", |_| {}, container(true));
        let read = labelled(&image, "read it").unwrap();
        assert!(
            read.starts_with("docker exec 3f2a9c /bin/ringpost consume "),
            "{image}"
        );
        assert_eq!(
            labelled(&image, "or with kcat"),
            None,
            "the broker is inside: {image}"
        );
        assert!(
            image.contains("--publish 127.0.0.1:2525:2525 --publish 127.0.0.1:9925:9925"),
            "{image}"
        );
        assert!(!image.contains("RINGPOST_SERVER_LISTEN"), "{image}");
        let closed = text("127.0.0.1:2525", |_| {}, container(true));
        assert!(
            closed.contains("--env RINGPOST_SERVER_LISTEN=0.0.0.0:2525"),
            "{closed}"
        );
        // A shell in a container: the reader of this is inside.
        let shell = text("127.0.0.1:2525", |_| {}, container(false));
        assert!(
            labelled(&shell, "read it")
                .unwrap()
                .starts_with("/bin/ringpost"),
            "{shell}"
        );
        assert!(
            shell.contains("read mail with: docker exec 3f2a9c /bin/ringpost consume"),
            "{shell}"
        );
    }
}
