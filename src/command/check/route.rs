//! `ringpost check --route ADDRESS`: which topic mail for an address would go to, and why.
//!
//! Owns: these lines, and what is wrong with the two flags. Must not know: how a route is found (`sink::routing`).
//!
//! Invariant: no broker is asked.

use std::net::SocketAddr;

use crate::config::{Config, Loaded};
use crate::failure::{Blame, Blamed, Failure};
use crate::server::rules;
use crate::sink::routing::Routing;
use crate::smtp::address;
use crate::smtp::policy::Beside;
use crate::smtp::refusal::Refusal;
use crate::verdict::{Line, Verdict};

const NAME: &str = "route";

/// What is wrong with a flag.
#[derive(Debug, thiserror::Error)]
enum Mistake {
    #[error("--route {0}: is not an address: write one such as joe@example.com")]
    NotAMailbox(String),
    #[error(
        "--listener {given}: is not an address that SMTP is served on: {served} can be given, as in the configuration"
    )]
    NotAListener {
        given: String,
        /// The addresses that there are.
        served: String,
    },
}

impl Blamed for Mistake {
    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

/// Where mail for this address would go that comes in on this listener, or on any.
pub(super) fn lines(
    loaded: &Loaded,
    given: &str,
    listener: Option<&str>,
) -> Result<Vec<Line>, Failure> {
    let config = &loaded.config;
    let mailbox =
        address::mailbox(given.as_bytes()).map_err(|_| Mistake::NotAMailbox(given.to_owned()))?;
    let listeners = listeners(config, listener)?;
    let taken = rules::taken(config)?;
    // Whom a topic names is not known without asking brokers.
    let beside = match config.recipients.topic {
        None => Beside::Nobody,
        Some(_) => Beside::Unread,
    };
    let refused = taken.check(&mailbox, beside).err();
    if let Some(refusal) = refused.filter(|refusal| *refusal != Refusal::DirectoryUnread) {
        let row = refusal.row();
        let (code, enhanced, text) = (row.code, row.enhanced, row.text);
        let text = format!("mail for {given} is refused: {code} {enhanced} {text}");
        return Ok(vec![(Verdict::Warning, NAME, text)]);
    }
    let routing = Routing::new(config);
    let domain = mailbox.normal_domain();
    let routes: Vec<(SocketAddr, Option<usize>)> = listeners
        .into_iter()
        .map(|(place, address)| (address, routing.route(&domain, place)))
        .collect();
    let alike = routes.iter().all(|(_, route)| *route == routes[0].1);
    let said = if alike { &routes[..1] } else { &routes[..] };
    let line = |&(address, route): &(SocketAddr, Option<usize>)| {
        let comes_in = if alike {
            String::new()
        } else {
            format!(" that comes in on {address}")
        };
        let goes = goes(loaded, &routing, route);
        let text = format!("mail for {given}{comes_in} goes to {goes}");
        (Verdict::Ok, NAME, text)
    };
    Ok(said.iter().map(line).collect())
}

/// The listeners that are meant, each with its place.
fn listeners(config: &Config, given: Option<&str>) -> Result<Vec<(usize, SocketAddr)>, Mistake> {
    let all: Vec<(usize, SocketAddr)> = config.listening().into_iter().enumerate().collect();
    let Some(given) = given else { return Ok(all) };
    let parsed = given.parse().ok();
    let meant = all.iter().find(|(_, address)| Some(*address) == parsed);
    match meant {
        Some(listener) => Ok(vec![*listener]),
        None => {
            let served: Vec<String> = all.iter().map(|(_, address)| address.to_string()).collect();
            Err(Mistake::NotAListener {
                given: given.to_owned(),
                served: served.join(", "),
            })
        }
    }
}

/// The topics of a route, and where it is.
fn goes(loaded: &Loaded, routing: &Routing, route: Option<usize>) -> String {
    let topics = loaded.config.topics();
    let topic = |octets| topics.name(routing.topic(route, octets));
    let (small, large) = (topic(0), topic(usize::MAX));
    let mut text = format!("topic {small}");
    if small != large {
        let from = loaded.config.kafka.large_size;
        text.push_str(&format!(", and from {from} bytes on to topic {large}"));
    }
    match route {
        Some(route) => {
            let (number, place) = (route + 1, &loaded.routes[route]);
            text.push_str(&format!(": route {number}, {place}"));
        }
        None => text.push_str(": no route matches"),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const TEXT: &str = r#"
        [server]
        listen = ["127.0.0.1:25", "127.0.0.1:26"]
        [recipients]
        domains = ["*.example"]
        [kafka]
        large_topic = "large"
        [[routes]]
        recipients = ["*.a.example"]
        topic = "a"
        [[routes]]
        listen = ["127.0.0.1:26"]
        topic = "b"
        large_topic = "b.large"
    "#;

    fn loaded() -> Loaded {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), TEXT).unwrap();
        config::load(Some(file.path()), [], &[]).unwrap()
    }

    fn said(address: &str, listener: Option<&str>) -> Vec<String> {
        let loaded = loaded();
        let file = loaded.routes[0].to_string();
        let (file, _) = file.split_once(':').unwrap();
        let lines = lines(&loaded, address, listener);
        let lines = match lines {
            Ok(lines) => lines,
            Err(failure) => return vec![failure.to_string()],
        };
        lines
            .into_iter()
            .map(|(verdict, _, text)| format!("{verdict} {}", text.replace(file, "FILE")))
            .collect()
    }

    #[test]
    fn an_address_is_told_its_topic_and_its_route() {
        assert_eq!(
            said("joe@X.A.Example", None),
            ["ok mail for joe@X.A.Example goes to topic a: route 1, FILE:8:9"]
        );
        assert_eq!(
            said("joe@b.example", None),
            [
                "ok mail for joe@b.example that comes in on 127.0.0.1:25 goes to topic mail, and from 1048576 bytes on to \
                 topic large: no route matches",
                "ok mail for joe@b.example that comes in on 127.0.0.1:26 goes to topic b, and from 1048576 bytes on to \
                 topic b.large: route 2, FILE:11:9",
            ]
        );
        assert_eq!(
            said("joe@b.example", Some("127.0.0.1:25")).len(),
            1,
            "one listener is meant"
        );
    }

    #[test]
    fn what_is_refused_and_what_is_misspelt_is_told() {
        assert_eq!(
            said("joe@b.test", None),
            [
                "warning mail for joe@b.test is refused: 550 5.7.1 Relaying denied: not a domain we accept mail for"
            ]
        );
        assert_eq!(
            said("joe@", None),
            ["--route joe@: is not an address: write one such as joe@example.com"]
        );
        assert_eq!(
            said("joe@b.example", Some("127.0.0.1:27")),
            [
                "--listener 127.0.0.1:27: is not an address that SMTP is served on: 127.0.0.1:25, 127.0.0.1:26 can be given, as in \
              the configuration"
            ]
        );
    }
}
