//! What `serve` says to its operator on standard error, and what it does with addresses and certificates that are not as they
//! should be.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use support::forwarder::wait_until;
use support::ringpost::{Client, Ringpost};
use support::topic::read_topic;
use support::{mails, tools};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server whose log is read.
struct Server {
    child: Child,
    /// What it said before it was ready.
    said: String,
    ready: String,
    log: BufReader<ChildStderr>,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts it with this configuration; `FOLDER` becomes the folder, which `prepare` may fill.
    fn start(text: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        configure(folder.path(), text);
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .arg("--config")
            .arg(folder.path().join("ringpost.toml"))
            .env("RINGPOST_ADMIN_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        // The log is a pipe that a thread writes: a reload's line comes after all that was said before.
        let mut said = String::new();
        hang_up(&child);
        while !said.contains("reloaded") {
            assert!(log.read_line(&mut said).unwrap() > 0, "{said}{ready}");
        }
        Self {
            child,
            said,
            ready,
            log,
            folder,
        }
    }

    fn value(&self, name: &str) -> String {
        let mut words = self.ready.split_whitespace();
        let found = words.find_map(|word| word.strip_prefix(name));
        found.expect(&self.ready).to_owned()
    }

    fn smtp(&self) -> Vec<String> {
        self.value("smtp=").split(',').map(str::to_owned).collect()
    }

    /// The lines of the log up to one that has this part.
    fn log_until(&mut self, part: &str) -> String {
        let mut lines = String::new();
        loop {
            let from = lines.len();
            assert!(
                self.log.read_line(&mut lines).unwrap() > 0,
                "no {part:?} in {lines}"
            );
            if lines[from..].contains(part) {
                return lines;
            }
        }
    }

    fn reload(&mut self) -> String {
        hang_up(&self.child);
        self.log_until("reloaded")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configure(folder: &Path, text: &str) {
    let text = text.replace("FOLDER", &folder.display().to_string());
    std::fs::write(folder.join("ringpost.toml"), text).unwrap();
}

fn hang_up(child: &Child) {
    tools::signal(child.id(), "HUP");
}

/// Writes a self-signed certificate and its key, valid from the first of this year to that of the other.
fn certificate(folder: &Path, names: &[&str], from: i32, until: i32) {
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(names).unwrap();
    parameters.not_before = rcgen::date_time_ymd(from, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
    std::fs::write(folder.join("mx.key"), key.serialize_pem()).unwrap();
    let own = parameters.self_signed(&key).unwrap();
    std::fs::write(folder.join("mx.pem"), own.pem()).unwrap();
}

const TLS: &str = "[tls]\ncertificate = \"FOLDER/mx.pem\"\nkey = \"FOLDER/mx.key\"\n";

/// The command after a label of the banner.
fn labelled<'a>(said: &'a str, label: &str) -> &'a str {
    let mut lines = said.lines();
    let found = lines.find_map(|line| line.trim_start().strip_prefix(label)?.strip_prefix(':'));
    found.expect(said).trim()
}

/// Runs a printed line as a shell does.
fn paste(line: &str) -> String {
    let output = tools::run(Command::new("/bin/sh").args(["-e", "-c", line]), b"");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_lines_of_the_quick_start_work_as_they_are_pasted() {
    let text =
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[recipients]\ndomains = [\"tickets.example\"]\n";
    let server = Server::start(text, |_| {});
    let said = &server.said;
    for words in [
        "not storage",
        "Ctrl-C",
        "all mail is gone",
        "docs/getting-started.md",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    if tools::find_or_skip("curl").is_none() {
        return;
    }
    assert_eq!(paste(labelled(said, "or with curl")), "250\n");
    let read = paste(labelled(said, "read it"));
    assert!(
        read.contains("me@tickets.example") && read.contains("hello"),
        "{read}"
    );
    let metrics = paste(labelled(said, "the metrics"));
    assert!(
        metrics.contains("\nringpost_messages_total{outcome=\"accepted\"} 1\n"),
        "{metrics}"
    );
}

#[test]
fn a_quick_start_that_drops_mail_says_so_once() {
    let text = "[server]\nlisten = [\"127.0.0.1:0\"]\nhostname = \"mx.example\"\n[kafka]\nkey = \"recipient\"\n";
    let mut server = Server::start(text, |_| {});
    let mut client = Client::connect(&server.smtp()[0]).unwrap();
    client.say("EHLO client.example").unwrap();
    // All go to the partition of their one key, which holds two of them.
    let mail = "x".repeat(98).into_bytes();
    let mail = [&mail[..], b"\r\n"].concat().repeat(20_000);
    for _ in 0..4 {
        assert!(client.deliver(&mail).unwrap().len() > 10);
    }
    let line = server.log_until("drops the oldest mails");
    assert!(
        line.contains("WARN") && line.contains("--brokers"),
        "{line}"
    );
    let more = server.reload();
    assert!(!more.contains("drops the oldest"), "{more}");
}

#[test]
fn certificates_that_are_unfit_are_served_and_told() {
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nhostname = \"mx.corp.example\"\n[kafka]\nbrokers = \"discard\"\n{TLS}"
    );
    let mut server = Server::start(&text, |folder| {
        certificate(folder, &["mx.corp.example"], 2001, 2002)
    });
    let said = server.said.clone();
    let (before, after) = said.split_at(said.find("ringpost: warning").unwrap_or(0));
    let all = format!("{before}{after}");
    let line = all
        .lines()
        .find(|line| line.contains("expired"))
        .expect(&all);
    for words in [
        "ERROR",
        "tls.certificate: ",
        "mx.pem",
        "2002-01-01",
        "renew it",
    ] {
        assert!(line.contains(words), "{words}: {line}");
    }
    let mut client = Client::connect(&server.smtp()[0]).unwrap();
    client.say("EHLO client.example").unwrap();
    assert!(client.say("STARTTLS").unwrap().starts_with("220"));
    for (names, from, until, words) in [
        (
            &["mx.corp.example"][..],
            3001,
            3002,
            "is not valid before 3001-01-01",
        ),
        (
            &["mail.example.org"],
            2001,
            3002,
            "is for mail.example.org, not for server.hostname",
        ),
        (
            &["*.mx.corp.example"],
            2001,
            3002,
            "is for *.mx.corp.example, not for server.hostname",
        ),
    ] {
        certificate(server.folder.path(), names, from, until);
        let log = server.reload();
        assert!(log.contains(words), "{words}: {log}");
    }
    certificate(server.folder.path(), &["*.corp.example"], 2001, 3002);
    let log = server.reload();
    assert!(!log.contains("tls.certificate"), "{log}");
}

#[test]
fn every_ipv6_address_takes_ipv4_as_well_and_the_log_says_so() {
    let text = "[server]\nlisten = [\"[::]:0\"]\nhostname = \"mx.example\"\n";
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return tools::say_skipped("this machine has no IPv6");
    }
    let server = Server::start(text, |_| {});
    let said = &server.said;
    assert!(
        said.contains("server.listen: [::]:0 takes IPv4 clients as well"),
        "{said}"
    );
    let smtp = server.smtp()[0].clone();
    let port = smtp.rsplit_once(':').unwrap().1;
    for host in ["127.0.0.1", "[::1]"] {
        let mut client = Client::connect(&format!("{host}:{port}")).unwrap();
        client.say("EHLO client.example").unwrap();
        client
            .deliver(&mails::stuffed(b"Subject: x\r\n\r\nx\r\n"))
            .unwrap();
    }
    let clients: Vec<String> = read_topic(&server.value("kafka="), "mail")
        .iter()
        .map(|record| {
            let client = record.header("ce_smtpclient");
            client.rsplit_once(':').unwrap().0.to_owned()
        })
        .collect();
    assert!(clients.contains(&"127.0.0.1".to_owned()), "{clients:?}");
    assert!(clients.contains(&"[::1]".to_owned()), "{clients:?}");
}

#[test]
fn both_wildcards_with_one_port_have_a_listener_each() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return tools::say_skipped("this machine has no IPv6");
    }
    // One that the kernel chooses would be another for each, and it gives a free one of its own range to whoever asks next.
    let from = std::process::id() as usize % 10_000;
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = (20_000..30_000_u16).cycle().skip(from).find(is_free);
    let port = port.expect("a free port");
    let text = format!(
        "[server]\nlisten = [\"0.0.0.0:{port}\", \"[::]:{port}\"]\n[kafka]\nbrokers = \"discard\"\n"
    );
    let server = Server::start(&text, |_| {});
    assert!(!server.said.contains("takes IPv4"), "{}", server.said);
    for host in ["127.0.0.1", "[::1]"] {
        Client::connect(&format!("{host}:{port}")).unwrap();
    }
}

#[test]
fn a_handshake_that_fails_names_its_client() {
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nlisten_tls = [\"127.0.0.1:0\"]\nhostname = \"mx.example\"\n\
         [kafka]\nbrokers = \"discard\"\n{TLS}"
    );
    let mut server = Server::start(&text, |folder| {
        certificate(folder, &["mx.example"], 2001, 3002)
    });
    let [_, implicit] = &server.smtp()[..] else {
        panic!("two listeners: {}", server.ready)
    };
    let mut stream = TcpStream::connect(implicit).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let client = stream.local_addr().unwrap().to_string();
    stream
        .write_all(b"this is no handshake at all\r\n")
        .unwrap();
    // The alert, then the end.
    let _ = stream.read_to_end(&mut Vec::new());
    let line = server.log_until("the TLS handshake failed");
    for words in ["INFO", &client, "protocol"] {
        assert!(line.contains(words), "{words}: {line}");
    }
}

/// Root has every capability, so it is taken away; another user has none anyway.
#[test]
fn a_port_of_the_machine_without_the_capability_says_what_is_missing() {
    let Some(setpriv) = tools::find_or_say("setpriv") else {
        return;
    };
    let low = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if low.trim().parse::<u16>().unwrap() <= 1 {
        return tools::say_skipped("every port of this machine is for everybody");
    }
    for (command, listen, admin, option) in [
        ("127.0.0.1:1", "127.0.0.1:0", "server.listen: 127.0.0.1:1"),
        ("127.0.0.1:0", "127.0.0.1:1", "admin.listen: 127.0.0.1:1"),
    ]
    .into_iter()
    .flat_map(|case| [("serve", case), ("check", case)])
    .map(|(command, (listen, admin, option))| (command, listen, admin, option))
    {
        let output = Command::new(&setpriv)
            .args([
                "--bounding-set",
                "-net_bind_service",
                "--inh-caps",
                "-net_bind_service",
            ])
            .arg(env!("CARGO_BIN_EXE_ringpost"))
            .args([command, "--listen", listen, "--admin", admin])
            .output()
            .unwrap();
        let mut error = String::from_utf8(output.stderr).unwrap();
        error += std::str::from_utf8(&output.stdout).unwrap();
        if error.starts_with("setpriv: ") {
            return tools::say_skipped(&error);
        }
        assert_eq!(output.status.code(), Some(1), "{error}");
        let line = error
            .lines()
            .find(|line| line.contains(option))
            .expect(&error);
        assert_eq!(command == "check", line.starts_with("failed "), "{line}");
        for words in ["CAP_NET_BIND_SERVICE", "AmbientCapabilities=", "setcap"] {
            assert!(line.contains(words), "{words}: {line}");
        }
    }
}

/// With fewer and fewer files that may be open, some worker has no ring: then there is no "ready" but one line and exit code 1, and
/// where "ready" is said, each worker has its thread.
#[test]
fn ready_is_said_when_every_worker_serves_and_not_before() {
    const WORKERS: usize = 8;
    let (mut refused, mut served) = (0, 0);
    // Fewer are not enough for the runtime of the start, which ends the process with its own error.
    for files in (30..160).step_by(10) {
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_ringpost"))
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(["--brokers", "discard", "--hostname", "mx.example"])
            .env("RINGPOST_SERVER_WORKERS", WORKERS.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        if ready.is_empty() {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{files}: {said}");
            let errors = said.lines().filter(|line| line.starts_with("ringpost: "));
            assert_eq!(errors.count(), 1, "{files}: {said}");
            refused += 1;
        } else {
            let threads = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
            let workers = threads.filter(|thread| {
                let name = thread.as_ref().unwrap().path().join("comm");
                std::fs::read_to_string(name).is_ok_and(|name| name.starts_with("worker-"))
            });
            assert_eq!(workers.count(), WORKERS, "{files}: {ready}");
            served += 1;
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    assert!(
        refused > 0 && served > 0,
        "both were seen: {refused} {served}"
    );
}

/// Clients wait until a file can be opened again, and the operator learns why.
#[test]
fn connections_that_cannot_be_accepted_are_counted() {
    const FILES: usize = 80;
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &format!("ulimit -n {FILES} && exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_ringpost"))
        .env("RINGPOST_SERVER_WORKERS", "1");
    let ringpost = Ringpost::launch(command, &["--brokers", "discard"]);
    let files = format!("/proc/{}/fd", ringpost.child.id());
    let series = "ringpost_accept_errors_total{error=\"too_many_open_files\"}";
    let errors = || {
        let clients: Vec<TcpStream> = (0..FILES)
            .map(|_| TcpStream::connect(&ringpost.smtp).unwrap())
            .collect();
        wait_until("all files to be open", || {
            std::fs::read_dir(&files).unwrap().count() >= FILES
        });
        drop(clients);
        // The admin listener needs a file as well.
        wait_until("the end of the connections", || {
            std::fs::read_dir(&files).unwrap().count() < FILES / 2
        });
        ringpost.metric(series)
    };
    wait_until("an error", || errors() > 0.0);
    assert!(ringpost.client().is_ok(), "it serves again");
}

/// Rings lock memory, which the kernel counts for all processes of a user. With too little of it, epoll serves and the log says what to
/// raise, whether the first ring fails or that of a worker.
#[test]
fn without_memory_for_rings_epoll_serves_and_says_so() {
    if !rustix::process::geteuid().is_root() {
        return tools::say_skipped("a user without processes needs root");
    }
    let (Some(setpriv), Some(prlimit)) = (
        tools::find_or_skip("setpriv"),
        tools::find_or_skip("prlimit"),
    ) else {
        return;
    };
    let mut served = std::collections::BTreeMap::new();
    for kib in [16, 1024, 8192] {
        let mut child = Command::new(&prlimit)
            .arg(format!("--memlock={0}:{0}", kib * 1024))
            .arg(&setpriv)
            .args(["--reuid=64987", "--regid=64987", "--clear-groups", "--"])
            .arg(env!("CARGO_BIN_EXE_ringpost"))
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(["--brokers", "discard", "--hostname", "mx.example"])
            .env("RINGPOST_SERVER_WORKERS", "2")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        // A drain writes what is still to be logged.
        let process = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("Permission denied") {
            return tools::say_skipped("another user cannot read the binary");
        }
        if said.contains("io_uring_disabled") || said.contains("seccomp filter") {
            return tools::say_skipped("io_uring is forbidden here");
        }
        assert!(ready.starts_with("ready "), "{kib} KiB: {said}");
        let by_epoll = ready.contains(" io=epoll");
        assert_eq!(
            by_epoll,
            said.contains("WARN epoll serves, because "),
            "{said}"
        );
        assert_eq!(by_epoll, said.contains("LimitMEMLOCK="), "{said}");
        served.insert(kib, by_epoll);
    }
    assert!(!served[&8192], "that is enough: {served:?}");
    if !served[&16] {
        tools::say_skipped("this kernel does not count the memory of rings");
    }
}

/// A drain waits for a message that its client never ends; a second signal does not.
#[test]
fn a_second_signal_ends_at_once_and_says_so() {
    let text = "[server]\nlisten = [\"127.0.0.1:0\"]\n[kafka]\nbrokers = \"discard\"\n";
    let mut server = Server::start(text, |_| {});
    let mut client = Client::connect(&server.smtp()[0]).unwrap();
    for line in [
        "EHLO client.example",
        "MAIL FROM:<>",
        "RCPT TO:<b@mx.example>",
        "DATA",
    ] {
        let reply = client.say(line).unwrap();
        assert!(matches!(&reply[..1], "2" | "3"), "{line}: {reply}");
    }
    tools::signal(server.child.id(), "TERM");
    server.log_until("draining; a second signal ends at once");
    tools::signal(server.child.id(), "INT");
    server.log_until("stopped by a second signal; what was open is cut off");
    assert_eq!(server.child.wait().unwrap().code(), Some(1));
    assert!(client.reply().is_err(), "nothing was promised");
}

/// A supervisor may close standard output: the line "ready" cannot be written, the log says so, and mail is taken.
#[test]
fn a_server_that_cannot_say_ready_says_so_and_serves() {
    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--brokers", "discard"])
        .stdout(full.unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut smtp = None;
    let told = lines.any(|line| {
        let line = line.unwrap();
        assert!(!line.contains("panicked"), "{line}");
        if let Some((_, rest)) = line.split_once(" ready smtp=\"") {
            smtp = rest.split_once(' ').map(|(address, _)| address.to_owned());
        }
        line.contains("WARN the line \"ready\" cannot be written to standard output: No space left")
    });
    assert!(told, "the log ended without it");
    let mut client = Client::connect(&smtp.expect("the log names the address")).unwrap();
    assert!(
        client
            .say("EHLO client.example")
            .unwrap()
            .starts_with("250")
    );
    tools::signal(child.id(), "TERM");
    // Read on, so that the log's pipe stays open.
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reload_without_tls_names_both_options_and_counts_what_is_served() {
    let text = "[server]\nlisten = [\"127.0.0.1:0\"]\n[kafka]\nbrokers = \"discard\"\n";
    let mut server = Server::start(&format!("{text}{TLS}"), |folder| {
        certificate(folder, &["mx.corp.example"], 2001, 3002);
    });
    assert!(server.said.contains("certificates=1"), "{}", server.said);
    configure(server.folder.path(), text);
    let log = server.reload();
    let warning = log.lines().find(|line| line.contains("need a restart"));
    let warning = warning.expect(&log);
    for option in ["tls.certificate from ", "tls.key from "] {
        assert!(warning.contains(option), "{option}: {warning}");
    }
    assert!(log.contains("certificates=1"), "{log}");
    let mut client = Client::connect(&server.smtp()[0]).unwrap();
    let offered = client.say("EHLO client.example").unwrap();
    assert!(offered.contains("STARTTLS"), "{offered}");
}

#[test]
fn a_certificate_without_its_chain_is_served_and_told() {
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nhostname = \"mx.corp.example\"\n[kafka]\nbrokers = \"discard\"\n{TLS}"
    );
    let server = Server::start(&text, |folder| {
        let key = || rcgen::KeyPair::generate().unwrap();
        let names = || rcgen::CertificateParams::new(vec!["mx.corp.example".to_owned()]).unwrap();
        let (mut of_issuer, own_key) = (names(), key());
        of_issuer.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = rcgen::Issuer::new(of_issuer, key());
        let own = names().signed_by(&own_key, &issuer).unwrap();
        std::fs::write(folder.join("mx.key"), own_key.serialize_pem()).unwrap();
        std::fs::write(folder.join("mx.pem"), own.pem()).unwrap();
    });
    let line = server.said.lines().find(|line| line.contains("mx.pem"));
    let line = line.expect(&server.said);
    assert!(
        line.contains("WARN") && line.contains("alone, and it is not self-signed"),
        "{line}"
    );
    let mut client = Client::connect(&server.smtp()[0]).unwrap();
    let offered = client.say("EHLO client.example").unwrap();
    assert!(offered.contains("STARTTLS"), "{offered}");
}
