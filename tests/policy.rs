//! Who may speak to the real binary, whom it takes mail for, and how SIGHUP changes both while mail flows.

#[path = "support/engine.rs"]
mod engine;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

struct Ringpost {
    child: Child,
    smtp: String,
    admin: String,
    log: BufReader<ChildStderr>,
    folder: tempfile::TempDir,
}

impl Ringpost {
    /// A server that discards, with these lines after its `[server]`; `FOLDER` becomes its own folder.
    fn start(text: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        configure(folder.path(), text);
        let mut child = command(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        engine::assert_named(&ready);
        let value = |name: &str| {
            let found = ready
                .split_whitespace()
                .find_map(|word| word.strip_prefix(name));
            found
                .unwrap_or_else(|| panic!("{name} in {ready:?}"))
                .to_owned()
        };
        Self {
            smtp: value("smtp="),
            admin: value("admin="),
            log: BufReader::new(child.stderr.take().unwrap()),
            child,
            folder,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn connect(&self) -> Client {
        Client::connect(&self.smtp)
    }

    /// Sends SIGHUP and waits for the line of the log that answers it.
    fn reload(&mut self) -> String {
        hang_up(&self.child);
        self.log_line("reloaded")
    }

    /// The next line of the log that has this part.
    fn log_line(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(
                self.log.read_line(&mut line).unwrap() > 0,
                "the log ended without {part:?}"
            );
            if line.contains(part) {
                return line;
            }
        }
    }

    fn metric(&self, series: &str) -> f64 {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series} in {text}"))
            .parse()
            .unwrap()
    }
}

/// By the shell's own command: no other program is needed.
fn hang_up(child: &Child) {
    let status = Command::new("/bin/sh")
        .args(["-c", "kill -s HUP \"$0\"", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

impl Drop for Ringpost {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configure(folder: &Path, text: &str) {
    let text = text.replace("FOLDER", &folder.display().to_string());
    std::fs::write(folder.join("ringpost.toml"), text).unwrap();
}

fn command(folder: &Path) -> Command {
    let mut command = engine::ringpost();
    command
        .arg("--config")
        .arg(folder.join("ringpost.toml"))
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--hostname", "mx.example", "--brokers", "discard"])
        .env("RINGPOST_LOG_MESSAGES", "false");
    command
}

struct Client(BufReader<TcpStream>);

impl Client {
    /// A connection, before its banner.
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn greeted(address: &str) -> Self {
        let mut client = Self::connect(address);
        assert_eq!(code(&client.reply()), "220");
        assert_eq!(code(&client.say("EHLO client.example")), "250");
        client
    }

    /// The last line of the next reply; nothing at the end.
    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).unwrap();
            if read == 0 || line.as_bytes().get(3) == Some(&b' ') {
                return line.trim_end().to_owned();
            }
        }
    }

    fn say(&mut self, line: &str) -> String {
        let line = format!("{line}\r\n");
        self.0.get_mut().write_all(line.as_bytes()).unwrap();
        self.reply()
    }

    fn rcpt(&mut self, mailbox: &str) -> String {
        self.say(&format!("RCPT TO:<{mailbox}>"))
    }

    /// Reads to the end of the connection.
    fn ends(&mut self) {
        assert_eq!(self.reply(), "", "the connection ends");
    }
}

fn code(reply: &str) -> &str {
    reply.split(' ').next().unwrap_or_default()
}

/// Reply code and enhanced status code.
fn codes(reply: &str) -> String {
    reply.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

const LISTS: &str = r#"
[recipients]
domains = ["example.com", "*.example.org", "open.example"]
[recipients.lists]
"example.com" = "FOLDER/com.txt"
"*.example.org" = "FOLDER/org.txt"
"#;

#[test]
fn recipients_are_taken_by_domain_and_list() {
    let files = [
        ("com.txt", "# people\njoe\nAnn@example.com\n"),
        ("org.txt", "info\nbob@b.example.org\n"),
    ];
    let server = Ringpost::start(LISTS, &files);
    let mut client = Client::greeted(&server.smtp);
    client.say("MAIL FROM:<>");
    for (mailbox, expected) in [
        ("joe@example.com", "250 2.1.5"),
        ("ANN+tag@Example.COM", "250 2.1.5"),
        ("bob@example.com", "550 5.1.1"),
        ("postmaster@example.com", "250 2.1.5"),
        ("postmaster", "250 2.1.5"),
        ("info@a.example.org", "250 2.1.5"),
        ("bob@b.example.org", "250 2.1.5"),
        ("bob@a.example.org", "550 5.1.1"),
        ("info@example.org", "550 5.7.1"),
        ("anybody@open.example", "250 2.1.5"),
        ("postmaster@other.example", "550 5.7.1"),
    ] {
        assert_eq!(codes(&client.rcpt(mailbox)), expected, "{mailbox}");
    }
    assert_eq!(
        server.metric("ringpost_refusals_total{reason=\"unknown_recipient\"}"),
        2.0
    );
}

#[test]
fn both_forms_of_a_domain_are_one_in_domains_and_lists() {
    for domain in [
        "b\u{fc}cher.example",
        "xn--bcher-kva.example",
        "B\u{dc}CHER.Example.",
    ] {
        let text = format!(
            "[recipients]\ndomains = [\"{domain}\", \"*.{domain}\"]\n[recipients.lists]\n\"{domain}\" = \"FOLDER/list.txt\"\n"
        );
        let list = "joe\nann@b\u{fc}cher.example\nbob@xn--bcher-kva.example\n";
        let server = Ringpost::start(&text, &[("list.txt", list)]);
        let mut client = Client::greeted(&server.smtp);
        assert_eq!(code(&client.say("MAIL FROM:<> SMTPUTF8")), "250");
        for taken in [
            "joe@b\u{fc}cher.example",
            "joe@xn--bcher-kva.example",
            "ann@BU\u{308}CHER.example.",
            "bob@b\u{fc}cher.example",
            "any@x.b\u{fc}cher.example",
        ] {
            assert_eq!(code(&client.rcpt(taken)), "250", "{domain}: {taken}");
        }
        for unknown in ["eve@b\u{fc}cher.example", "eve@xn--bcher-kva.example"] {
            assert_eq!(
                codes(&client.rcpt(unknown)),
                "550 5.1.1",
                "{domain}: {unknown}"
            );
        }
        assert_eq!(codes(&client.rcpt("joe@bucher.example")), "550 5.7.1");
    }
}

/// Thirty good mails, each with one dead recipient.
#[test]
fn dead_recipients_among_good_mails_end_no_session() {
    let server = Ringpost::start("[recipients]\ndomains = [\"mx.example\"]\n", &[]);
    let mut client = Client::greeted(&server.smtp);
    for _ in 0..30 {
        assert_eq!(code(&client.say("MAIL FROM:<a@b.example>")), "250");
        assert_eq!(code(&client.rcpt("dead@elsewhere.example")), "550");
        assert_eq!(code(&client.rcpt("x@mx.example")), "250");
        assert_eq!(code(&client.say("DATA")), "354");
        assert_eq!(code(&client.say("x\r\n.")), "250");
    }
}

#[test]
fn a_list_with_a_mistake_keeps_the_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("com.txt"), "joe\njoe ann\n").unwrap();
    configure(folder.path(), LISTS);
    let check = engine::ringpost()
        .args(["check", "--brokers", "discard", "--config"])
        .arg(folder.path().join("ringpost.toml"))
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(1));
    let text = String::from_utf8(check.stdout).unwrap();
    assert_eq!(text.matches("failed   lists").count(), 2, "{text}");
    let output = command(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("recipients.lists.example.com: ") && text.contains("com.txt:2: \"joe ann\""),
        "{text}"
    );
    assert!(text.contains("org.txt: cannot be read"), "{text}");
}

#[test]
fn a_denied_network_gets_554_in_place_of_the_banner() {
    let text = "[access]\nallow = [\"127.0.0.2/32\"]\n";
    let mut server = Ringpost::start(text, &[]);
    let mut client = server.connect();
    assert_eq!(codes(&client.reply()), "554 5.7.1");
    client.ends();
    let series = "ringpost_connections_refused_total{reason=\"access_denied\"}";
    assert_eq!(server.metric(series), 1.0);
    let text = "[access]\ndeny = [\"127.0.0.2/32\"]\n";
    configure(server.folder.path(), text);
    server.reload();
    Client::greeted(&server.smtp);
    configure(server.folder.path(), "[access]\ndeny = [\"127.0.0.0/8\"]\n");
    let mut before = Client::greeted(&server.smtp);
    server.reload();
    assert_eq!(code(&server.connect().reply()), "554");
    assert_eq!(
        code(&before.say("NOOP")),
        "250",
        "a connected client stays connected"
    );
}

#[test]
fn a_client_that_speaks_before_the_greeting_is_answered_554() {
    let server = Ringpost::start("[server]\ngreeting_delay = \"1s\"\n", &[]);
    let mut hasty = Client::connect(&server.smtp);
    hasty
        .0
        .get_mut()
        .write_all(b"EHLO client.example\r\n")
        .unwrap();
    assert_eq!(codes(&hasty.reply()), "554 5.5.1");
    hasty.ends();
    let series = "ringpost_connections_refused_total{reason=\"early_talker\"}";
    assert_eq!(server.metric(series), 1.0);
    Client::greeted(&server.smtp);
}

/// In clear, before the server says anything.
fn speak_at_once(address: &str) -> Client {
    let mut client = Client::connect(address);
    let said =
        b"EHLO client.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@mx.example>\r\nDATA\r\n";
    client.0.get_mut().write_all(said).unwrap();
    client
}

#[test]
fn without_a_delay_nobody_speaks_too_early() {
    let server = Ringpost::start("", &[]);
    let clients: Vec<Client> = (0..100).map(|_| speak_at_once(&server.smtp)).collect();
    for mut client in clients {
        for expected in ["220", "250", "250", "250", "354"] {
            assert_eq!(code(&client.reply()), expected);
        }
    }
    let series = "ringpost_connections_refused_total{reason=\"early_talker\"}";
    assert_eq!(server.metric(series), 0.0);
}

#[test]
fn a_refusal_can_be_read_whatever_the_client_still_sends() {
    let server = Ringpost::start(
        "[server]\ngreeting_delay = \"100ms\"\n[limits]\nerrors = 2\n",
        &[],
    );
    let clients: Vec<Client> = (0..50).map(|_| speak_at_once(&server.smtp)).collect();
    for mut client in clients {
        // More bytes for a socket that has been refused.
        client.0.get_mut().write_all(&[b'x'; 3000]).unwrap();
        assert_eq!(codes(&client.reply()), "554 5.5.1");
        client.ends();
    }
    for said in ["BDAT x LAST\r\n", "FOO\r\nFOO\r\n", "GET / HTTP/1.1\r\n"] {
        let mut client = Client::greeted(&server.smtp);
        client.0.get_mut().write_all(said.as_bytes()).unwrap();
        for _ in 0..20 {
            client.0.get_mut().write_all(&[b'x'; 50_000]).unwrap();
        }
        let mut last = client.reply();
        while code(&last) == "500" {
            last = client.reply();
        }
        assert!(matches!(code(&last), "421" | "521"), "{said:?}: {last}");
        client.ends();
    }
}

#[test]
fn limits_of_connections_are_answered_421() {
    for (limit, expected) in [
        ("connections = 2", "421 4.3.2"),
        ("connections_per_ip = 2", "421 4.7.0"),
        ("connections_per_network = 2", "421 4.7.0"),
    ] {
        let server = Ringpost::start(&format!("[limits]\n{limit}\n"), &[]);
        let (first, _second) = (Client::greeted(&server.smtp), Client::greeted(&server.smtp));
        let mut third = server.connect();
        assert_eq!(codes(&third.reply()), expected, "{limit}");
        third.ends();
        drop(first);
        // The server learns of it when it reads the end of the connection.
        let deadline = Instant::now() + PATIENCE;
        while code(&server.connect().reply()) != "220" {
            assert!(Instant::now() < deadline, "{limit}: there is room again");
        }
    }
}

const PROXY: &str = r#"
[server]
listen_proxy = ["127.0.0.1:0"]
[limits]
connections_per_ip = 1
messages_per_minute_per_ip = 1
[access]
deny = ["192.0.2.0/24"]
"#;

/// The address of the listener for the PROXY protocol.
fn proxied(server: &Ringpost) -> &str {
    server.smtp.rsplit(',').next().unwrap()
}

/// A connection of a proxy that says this first.
fn behind(address: &str, header: &[u8]) -> Client {
    let mut client = Client::connect(address);
    client.0.get_mut().write_all(header).unwrap();
    client
}

#[test]
fn limits_and_networks_are_those_of_the_client_behind_a_proxy() {
    let server = Ringpost::start(PROXY, &[]);
    let from = |client: &str| {
        let header = format!("PROXY TCP4 {client} 198.51.100.25 4711 25\r\n");
        behind(proxied(&server), header.as_bytes())
    };
    let mut denied = from("192.0.2.7");
    assert_eq!(codes(&denied.reply()), "554 5.7.1");
    denied.ends();
    let mut first = from("198.51.100.1");
    assert_eq!(code(&first.reply()), "220");
    let mut second = from("198.51.100.1");
    assert_eq!(codes(&second.reply()), "421 4.7.0");
    second.ends();
    let mut other = from("198.51.100.2");
    assert_eq!(code(&other.reply()), "220");
    for expected in ["250 2.1.0", "451 4.7.1"] {
        first.say("EHLO client.example");
        assert_eq!(codes(&first.say("MAIL FROM:<a@client.example>")), expected);
    }
    let text = "ringpost_connections_refused_total";
    for reason in ["access_denied", "too_many_connections_from_client"] {
        assert_eq!(
            server.metric(&format!("{text}{{reason=\"{reason}\"}}")),
            1.0
        );
    }
}

#[test]
fn a_health_check_of_a_proxy_is_served_and_a_bad_header_is_closed_without_a_word() {
    let server = Ringpost::start(PROXY, &[]);
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
    let mut check = behind(proxied(&server), local);
    assert_eq!(code(&check.reply()), "220");
    assert_eq!(code(&check.say("QUIT")), "221");
    for header in ["EHLO client.example\r\n", "PROXY TCP4 nobody\r\n"] {
        behind(proxied(&server), header.as_bytes()).ends();
    }
}

#[test]
fn a_proxy_of_another_network_is_not_believed() {
    let text = "[server]\nlisten_proxy = [\"127.0.0.1:0\"]\nproxy_networks = [\"192.0.2.0/24\"]\n";
    let mut server = Ringpost::start(text, &[]);
    let header = b"PROXY TCP6 2001:db8::1 2001:db8::25 4711 25\r\n";
    // It is closed at once, with the header unread: that may be a reset.
    let mut closed = behind(proxied(&server), header);
    let mut octets = Vec::new();
    let _ = closed.0.read_to_end(&mut octets);
    assert!(
        octets.is_empty(),
        "a proxy that is not trusted hears nothing"
    );
    let text = "[server]\nlisten_proxy = [\"127.0.0.1:0\"]\nproxy_networks = [\"127.0.0.1\"]\n";
    configure(server.folder.path(), text);
    server.reload();
    assert_eq!(code(&behind(proxied(&server), header).reply()), "220");
}

#[test]
fn mail_beyond_the_rate_is_answered_451() {
    let text = "[limits]\nmessages_per_minute_per_ip = 3\n";
    let server = Ringpost::start(text, &[]);
    for connection in 0..4 {
        let mut client = Client::greeted(&server.smtp);
        let reply = client.say("MAIL FROM:<a@client.example>");
        let expected = if connection < 3 {
            "250 2.1.0"
        } else {
            "451 4.7.1"
        };
        assert_eq!(codes(&reply), expected);
        if connection == 3 {
            assert_eq!(codes(&client.rcpt("b@mx.example")), "503 5.5.1");
        }
    }
    let series = "ringpost_refusals_total{reason=\"message_rate\"}";
    assert_eq!(server.metric(series), 1.0);
}

#[test]
fn a_reload_that_fails_changes_nothing_and_says_why() {
    let files = [("com.txt", "joe\n"), ("org.txt", "")];
    let mut server = Ringpost::start(LISTS, &files);
    let mut client = Client::greeted(&server.smtp);
    std::fs::write(server.file("com.txt"), "ann\nbob bob\n").unwrap();
    let line = server.reload();
    assert!(
        line.contains("ERROR") && line.contains("the current settings stay"),
        "{line}"
    );
    assert!(line.contains("com.txt:2: \"bob bob\" is no"), "{line}");
    configure(server.folder.path(), "[recipients]\ndomain = [\"x\"]\n");
    let line = server.reload();
    assert!(line.contains("ringpost.toml:2:1"), "{line}");
    assert_eq!(
        server.metric("ringpost_reloads_total{result=\"failed\"}"),
        2.0
    );
    client.say("MAIL FROM:<>");
    assert_eq!(codes(&client.rcpt("joe@example.com")), "250 2.1.5");
    assert_eq!(codes(&client.rcpt("ann@example.com")), "550 5.1.1");
}

/// Whatever the file looks like while it is being written, no further domain's mail is accepted, and no further client.
#[test]
fn a_reload_that_lost_what_the_file_had_is_refused_and_the_old_rules_stay() {
    let whole = "[recipients]\ndomains = [\"example.com\", \"example.org\"]\n\
                 lists = { \"example.com\" = \"FOLDER/com.txt\" }\n\
                 [access]\nallow = [\"127.0.0.0/8\"]\n";
    let mut server = Ringpost::start(whole, &[("com.txt", "joe\n")]);
    let refused = |server: &mut Ringpost, words: &[&str]| {
        let line = server.reload();
        for word in ["ERROR", "the current settings stay"].iter().chain(words) {
            assert!(line.contains(word), "{word}: {line}");
        }
        let mut client = Client::greeted(&server.smtp);
        client.say("MAIL FROM:<>");
        assert_eq!(codes(&client.rcpt("joe@example.com")), "250 2.1.5");
        assert_eq!(codes(&client.rcpt("ann@example.com")), "550 5.1.1");
        assert_eq!(codes(&client.rcpt("joe@example.net")), "550 5.7.1");
    };
    // Empty, cut after each section, only the domains gone, a key written otherwise.
    let lists = "lists = { \"example.com\" = \"FOLDER/com.txt\" }\n";
    let access = "[access]\nallow = [\"127.0.0.0/8\"]\n";
    for (text, words) in [
        (
            "",
            &["recipients.domains", "every domain", "domains = [\"*\"]"][..],
        ),
        ("# nothing\n", &["recipients.domains"]),
        (
            "[recipients]\n",
            &["recipients.domains", "recipients.lists"],
        ),
        (
            "[recipients]\ndomains = [\"example.com\", \"example.org\"]\n",
            &["recipients.lists is no longer set", "access.allow"],
        ),
        (whole.strip_suffix(access).unwrap(), &["access.allow"]),
        (
            &whole.replace(lists, ""),
            &["recipients.lists is no longer set", "lists = {}"],
        ),
        (&whole.replace("domains", "domain"), &["did you mean"]),
        (&whole[..30], &["is not TOML"]),
    ] {
        configure(server.folder.path(), text);
        refused(&mut server, words);
    }
    std::fs::remove_file(server.file("ringpost.toml")).unwrap();
    refused(&mut server, &["there is no such file"]);
    configure(server.folder.path(), whole);
    // A list that was truncated: every recipient would be refused, permanently.
    std::fs::write(server.file("com.txt"), "").unwrap();
    refused(
        &mut server,
        &["recipients.lists.example.com", "names nobody"],
    );
    std::fs::remove_file(server.file("com.txt")).unwrap();
    refused(&mut server, &["com.txt", "cannot be read"]);
    // What is written is what is wanted.
    configure(
        server.folder.path(),
        "[recipients]\ndomains = [\"*\"]\nlists = {}\n[access]\nallow = [\"0.0.0.0/0\"]\n",
    );
    let line = server.reload();
    assert!(
        line.contains("INFO") && line.contains("domain_count=1"),
        "{line}"
    );
    let mut client = Client::greeted(&server.smtp);
    client.say("MAIL FROM:<>");
    assert_eq!(codes(&client.rcpt("joe@example.net")), "250 2.1.5");
}

/// Stops the senders also when the test fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sessions that send mail all the time; each transaction sees one state of the lists, and no session ends.
#[test]
fn a_reload_under_traffic_drops_no_session_and_takes_new_recipients() {
    let files = [("com.txt", "joe\n"), ("org.txt", "")];
    // Until the first reload every session asks for an unknown recipient.
    let text = format!("{LISTS}[limits]\nerrors = 10000\n");
    let mut server = Ringpost::start(&text, &files);
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let smtp = server.smtp.clone();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::greeted(&smtp);
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(code(&client.say("MAIL FROM:<a@client.example>")), "250");
                    let first = client.rcpt("new0@example.com");
                    for _ in 0..3 {
                        assert_eq!(client.rcpt("new0@example.com"), first);
                    }
                    assert_eq!(code(&client.rcpt("joe@example.com")), "250");
                    assert_eq!(code(&client.say("DATA")), "354");
                    assert_eq!(code(&client.say("Subject: x\r\n\r\nx\r\n.")), "250");
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                assert_eq!(code(&client.say("QUIT")), "221");
            });
        }
        let _stop = StopAtEnd(&stop);
        let mut idle = Client::greeted(&server.smtp);
        for round in 0..20 {
            let mut names = String::from("joe\n");
            (0..=round).for_each(|n| writeln!(names, "new{n}").unwrap());
            std::fs::write(server.file("com.txt"), names).unwrap();
            let line = server.reload();
            assert!(
                line.contains("INFO") && line.contains(&format!(" addresses={} ", round + 2)),
                "{line}"
            );
            idle.say("MAIL FROM:<>");
            assert_eq!(
                codes(&idle.rcpt(&format!("new{round}@example.com"))),
                "250 2.1.5"
            );
            assert_eq!(
                codes(&idle.rcpt(&format!("new{}@example.com", round + 1))),
                "550 5.1.1"
            );
            idle.say("RSET");
            let before = sent.load(Ordering::Relaxed);
            let deadline = Instant::now() + PATIENCE;
            while sent.load(Ordering::Relaxed) < before + 20 {
                assert!(Instant::now() < deadline, "mail flows");
                std::thread::yield_now();
            }
        }
        // A transaction that has begun keeps the lists that it began with.
        idle.say("MAIL FROM:<>");
        std::fs::write(server.file("com.txt"), "joe\n").unwrap();
        server.reload();
        assert_eq!(code(&idle.rcpt("new0@example.com")), "250");
        idle.say("RSET");
        idle.say("MAIL FROM:<>");
        assert_eq!(code(&idle.rcpt("new0@example.com")), "550");
    });
    assert_eq!(
        server.metric("ringpost_reloads_total{result=\"applied\"}"),
        21.0
    );
    assert_eq!(server.metric("ringpost_sessions_total{end=\"error\"}"), 0.0);
    assert!(sent.load(Ordering::Relaxed) >= 400);
}

#[test]
fn the_log_level_follows_and_what_needs_a_restart_is_said() {
    let mut server = Ringpost::start("[log]\nlevel = \"info\"\n", &[]);
    configure(
        server.folder.path(),
        "[log]\nlevel = \"debug\"\n[limits]\nerrors = 3\n",
    );
    hang_up(&server.child);
    let line = server.log_line("need a restart");
    assert!(
        line.contains("limits.errors from 20 to 3") && !line.contains("server."),
        "{line}"
    );
    let line = server.log_line("reloaded");
    assert!(line.contains("log_level=\"debug\""), "{line}");
    assert!(
        line.contains(r#"changed="log.level from info to debug""#),
        "{line}"
    );
    assert!(server.reload().contains("changed=\"nothing\""));
    configure(server.folder.path(), "[log]\nlevel = \"warn\"\n");
    assert!(server.reload().contains("log_level=\"warn\""));
    configure(server.folder.path(), "[log]\nlevel = \"info\"\n");
    assert!(server.reload().contains("log_level=\"info\""));
}
