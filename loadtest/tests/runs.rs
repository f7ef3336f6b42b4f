//! The program against a server whose counts it must share: shapes, content, misbehaviour, exit codes.

mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;

use support::crc32::crc32;
use support::{Behaviour, Server, number, report, run, tls_settings};

const ALL: [&str; 4] = ["PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME"];

fn server() -> Server {
    Server::start(Behaviour {
        extensions: ALL.to_vec(),
        ..Behaviour::default()
    })
}

/// Each body as the server has it: the fields that name it agree with the rest.
fn assert_bodies(server: &Server, size: usize) {
    let bodies = server.taken.bodies.lock().expect("no panic");
    let mut names: Vec<Vec<u8>> = Vec::new();
    for body in bodies.iter() {
        assert_eq!(body.len(), size);
        let field = body.split(|octet| *octet == b'\n').next().expect("a line");
        names.push(
            field[b"X-Loadtest: ".len()..b"X-Loadtest: id=0123456789abcdef.000000000000".len()]
                .to_vec(),
        );
        let text = String::from_utf8_lossy(field);
        let value = |name: &str| {
            let rest = text.split(&format!("{name}=")).nth(1).expect("a value");
            rest.split_ascii_whitespace()
                .next()
                .expect("a word")
                .to_owned()
        };
        let size: usize = value("size").parse().expect("a number");
        let rest = &body[body.len() - size..];
        assert_eq!(value("crc32"), format!("{:08x}", crc32(rest)));
    }
    names.sort();
    names.dedup();
    assert_eq!(
        names.len(),
        bodies.len(),
        "every message has a number of its own"
    );
}

#[test]
fn every_shape_delivers_every_message_once_and_whole() {
    for (words, connections) in [
        (&[][..], 5),
        (&["--no-pipeline"], 5),
        (&["--per-connection", "1"], 60),
        (&["--per-connection", "1", "--no-pipeline"], 60),
        (&["--per-connection", "7", "--threads", "2"], 0),
        (&["--transfer", "bdat"], 5),
        (
            &[
                "--transfer",
                "bdat",
                "--no-pipeline",
                "--per-connection",
                "3",
            ],
            0,
        ),
        (&["--transfer", "bdat", "--chunk", "700"], 5),
        (
            &["--transfer", "bdat", "--chunk", "700", "--no-pipeline"],
            5,
        ),
        (&["--transfer", "bdat", "--body", "binary"], 5),
        (&["--body", "8bit", "--recipients", "3"], 5),
        (&["--rate", "2000"], 5),
        (
            &["--rate", "2000", "--per-connection", "1", "--threads", "2"],
            60,
        ),
        (&["--connection-rate", "500", "--per-connection", "6"], 10),
    ] {
        let server = server();
        let base = ["--messages", "60", "--connections", "5", "--size", "3000"];
        let words: Vec<&str> = base.iter().chain(words).copied().collect();
        let report = report(server.address, &words);
        assert_eq!(
            number(&report, "/messages/accepted"),
            60,
            "{words:?}: {report}"
        );
        assert_eq!(number(&report, "/errors_total"), 0, "{words:?}: {report}");
        assert_eq!(server.messages(), 60, "{words:?}");
        let opened = number(&report, "/connections_opened");
        assert_eq!(
            server.taken.connections.load(Ordering::Relaxed),
            opened,
            "{words:?}"
        );
        assert!(
            connections == 0 || opened <= connections,
            "{words:?}: {opened} connections"
        );
        let each = if words.contains(&"--recipients") {
            3
        } else {
            1
        };
        assert_eq!(server.taken.recipients.load(Ordering::Relaxed), 60 * each);
        assert_bodies(&server, 3000);
    }
}

#[test]
fn large_messages_are_whole_in_every_layout() {
    for words in [
        &["--size", "200000"][..],
        &["--size", "200000", "--transfer", "bdat"],
        &["--size", "200000", "--transfer", "bdat", "--chunk", "70000"],
        &[
            "--size",
            "200000",
            "--transfer",
            "bdat",
            "--chunk",
            "70000",
            "--no-pipeline",
        ],
    ] {
        let server = server();
        let words: Vec<&str> = ["--messages", "12", "--connections", "3"]
            .iter()
            .chain(words)
            .copied()
            .collect();
        let report = report(server.address, &words);
        assert_eq!(
            number(&report, "/messages/accepted"),
            12,
            "{words:?}: {report}"
        );
        assert_bodies(&server, 200_000);
    }
}

#[test]
fn tls_by_starttls_and_from_the_first_octet_with_resumption() {
    for (mode, implicit) in [("starttls", false), ("implicit", true)] {
        let server = Server::start(Behaviour {
            extensions: vec!["PIPELINING", "STARTTLS"],
            tls: Some((tls_settings(), implicit)),
            ..Behaviour::default()
        });
        let words = [
            "--tls",
            mode,
            "--messages",
            "40",
            "--connections",
            "2",
            "--per-connection",
            "4",
            "--size",
            "90000",
        ];
        let first = report(server.address, &words);
        assert_eq!(number(&first, "/messages/accepted"), 40, "{mode}: {first}");
        assert_eq!(
            number(&first, "/tls/handshakes"),
            number(&first, "/connections_opened")
        );
        assert!(number(&first, "/tls/resumed") >= 6, "{mode}: {first}");
        assert_bodies(&server, 90_000);
        let words: Vec<&str> = words.iter().copied().chain(["--no-resumption"]).collect();
        assert_eq!(number(&report(server.address, &words), "/tls/resumed"), 0);
    }
}

#[test]
fn what_the_server_does_not_offer_is_counted_where_errors_end_nothing() {
    let server = Server::start(Behaviour::default());
    for words in [
        &["--tls", "starttls"][..],
        &["--transfer", "bdat"],
        &["--body", "8bit"],
    ] {
        let words: Vec<&str> = ["--duration", "1s", "--max-errors", "0"]
            .iter()
            .chain(words)
            .copied()
            .collect();
        let report = report(server.address, &words);
        assert!(
            number(&report, "/errors/unsupported") > 10,
            "{words:?}: {report}"
        );
        assert_eq!(report["ended_by"], "duration");
        assert_eq!(report["passed"], false, "nothing was accepted: {report}");
    }
    assert_eq!(server.messages(), 0);
}

#[test]
fn mixtures_files_and_the_proxy_header() {
    let server = Server::start(Behaviour {
        extensions: ALL.to_vec(),
        proxy: true,
        ..Behaviour::default()
    });
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("a.eml"),
        "Subject: a\nMessage-ID: <old@x>\n\n.dots\n..\nend",
    )
    .expect("written");
    std::fs::write(folder.path().join("b.eml"), "Subject: b\r\n\r\nb\r\n").expect("written");
    let path = folder.path().to_str().expect("UTF-8");
    let corpus = format!("50% --corpus {path} --per-connection 2");
    let words = [
        "--messages",
        "80",
        "--proxy",
        "v1",
        "--mix",
        &corpus,
        "--mix",
        "50% --transfer bdat --per-connection 1",
    ];
    let report = report(server.address, &words);
    assert_eq!(number(&report, "/messages/accepted"), 80, "{report}");
    assert_eq!(server.messages(), 80);
    assert_eq!(
        server.taken.proxies.load(Ordering::Relaxed),
        server.taken.connections.load(Ordering::Relaxed)
    );
    let bodies = server.taken.bodies.lock().expect("no panic");
    let dotted = bodies
        .iter()
        .filter(|body| body.ends_with(b"Subject: a\r\n\r\n.dots\r\n..\r\nend\r\n"))
        .count();
    let plain = bodies
        .iter()
        .filter(|body| body.ends_with(b"Subject: b\r\n\r\nb\r\n"))
        .count();
    let generated = bodies.iter().filter(|body| body.len() == 4096).count();
    assert!(
        dotted > 5 && plain > 5 && generated > 5,
        "{dotted} {plain} {generated}"
    );
    assert_eq!(dotted + plain + generated, 80);
}

#[test]
fn misbehaviour_has_its_share_and_smuggling_is_told() {
    for (lenient, smuggled) in [(false, false), (true, true)] {
        let server = Server::start(Behaviour {
            extensions: vec!["PIPELINING", "SIZE 1000000"],
            lenient_end: lenient,
            ..Behaviour::default()
        });
        let list =
            "smuggle=20%,garbage=5%,abort:data=5%,abort:body=5%,abort:end=5%,oversize=2%,drip=2%";
        let words = [
            "--messages",
            "200",
            "--misbehave",
            list,
            "--drip-every",
            "1ms",
            "--drip-for",
            "20ms",
            "--timeout",
            "5s",
        ];
        let report = report(server.address, &words);
        let (accepted, bad) = (
            number(&report, "/messages/accepted"),
            number(&report, "/messages/misbehaved"),
        );
        assert_eq!(accepted + bad, 200, "{report}");
        assert!(
            (76..=100).contains(&bad),
            "{bad} of 200 misbehaved: {report}"
        );
        assert_eq!(number(&report, "/smuggled") > 0, smuggled, "{report}");
        assert_eq!(
            number(&report, "/errors_total"),
            0,
            "what misbehaves counts by itself"
        );
        assert_eq!(
            report["misbehaviour"]["abort:data"]
                .as_object()
                .map(serde_json::Map::len),
            Some(1),
            "{report}"
        );
    }
}

#[test]
fn exit_codes_and_refusals() {
    let server = server();
    let address = server.address.to_string();
    let code = |words: &[&str]| {
        let words: Vec<&str> = [&address[..], "--quiet", "--messages", "20"]
            .into_iter()
            .chain(words.iter().copied())
            .collect();
        run(&words).status.code()
    };
    assert_eq!(code(&[]), Some(0));
    assert_eq!(
        code(&["--assert", "p99<60s,errors=0,accepted=20,rate>0"]),
        Some(0)
    );
    assert_eq!(code(&["--assert", "accepted>20"]), Some(1));
    assert_eq!(
        code(&["--assert", "server_cpu<1s"]),
        Some(1),
        "what was not measured does not hold"
    );
    assert_eq!(code(&["--assert", "nonsense<1"]), Some(2));
    assert_eq!(code(&["--assert", "lost=0"]), Some(2), "nobody looks");
    assert_eq!(code(&["--pid", "1", "--pid", "4000000000"]), Some(2));
    let remote = run(&["192.0.2.1:25"]);
    assert_eq!(remote.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&remote.stderr).contains("--allow-remote"));
    let closed = run(&[
        "127.0.0.1:1",
        "--quiet",
        "--messages",
        "3",
        "--max-errors",
        "5",
    ]);
    assert_eq!(closed.status.code(), Some(1));
}

#[test]
fn a_search_ends_and_reports_its_steps() {
    let server = server();
    let words = ["--rate", "50", "--duration", "300ms", "--search", "p99<0s"];
    let found = report(server.address, &words);
    assert!(found["highest_rate"].is_null(), "{found}");
    assert!(
        found["steps"]
            .as_array()
            .is_some_and(|steps| steps.len() > 1),
        "{found}"
    );
}

/// The built-in sink as a process.
struct Sink {
    child: Child,
    address: SocketAddr,
}

impl Sink {
    fn start() -> Sink {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringpost-loadtest"))
            .args(["sink", "--listen", "127.0.0.1:0", "--threads", "2"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped"))
            .read_line(&mut line)
            .expect("a line");
        let address = line
            .trim()
            .strip_prefix("ready smtp=")
            .expect("the ready line")
            .parse()
            .expect("an address");
        Sink { child, address }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_sink_takes_everything_and_idle_sessions_stay() {
    let sink = Sink::start();
    let pid = sink.child.id().to_string();
    let words = [
        "--idle",
        "300",
        "--source",
        "127.0.0.2-127.0.0.5",
        "--messages",
        "500",
        "--duration",
        "10s",
        "--transfer",
        "bdat",
        "--sizes",
        "mailbox-2002",
        "--pid",
        &pid,
    ];
    let words: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| *word != "--duration" && *word != "10s")
        .collect();
    let report = report(sink.address, &words);
    assert_eq!(number(&report, "/messages/accepted"), 500, "{report}");
    assert_eq!(number(&report, "/idle/opened"), 300);
    assert_eq!(number(&report, "/idle/closed_by_server"), 0);
    assert!(number(&report, "/server/rss_bytes") > 0);
}

#[test]
fn memory_that_a_used_server_had_already_is_no_false_zero() {
    let sink = Sink::start();
    let pid = sink.child.id().to_string();
    let words = ["--idle", "400", "--messages", "10", "--pid", &pid];
    for _ in 0..3 {
        let report = report(sink.address, &words);
        assert_eq!(number(&report, "/idle/opened"), 400);
        let each = report["idle"]["server_rss_bytes_per_session"].as_f64();
        let note = report["idle"]["server_rss_note"].as_str();
        match (each, note) {
            (Some(each), None) => assert!(each >= 128.0, "{each}"),
            (None, Some(note)) => assert!(note.contains("no growth seen above the"), "{note}"),
            _ => panic!("a figure or a reason: {report}"),
        }
    }
}

/// Compares two servers with so many messages a turn, which has to succeed; its JSON.
fn compared(options: &[&str], messages: &str) -> serde_json::Value {
    let load = ["--json", "--", "--messages", messages];
    let words: Vec<&str> = ["compare"]
        .iter()
        .chain(options)
        .chain(&load)
        .copied()
        .collect();
    let output = run(&words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn two_servers_are_compared_in_turn() {
    let (one, two) = (Sink::start(), Sink::start());
    let (a, b) = (one.address.to_string(), two.address.to_string());
    let (a_pid, b_pid) = (one.child.id().to_string(), two.child.id().to_string());
    let words = [
        "--a", &a, "--b", &b, "--a-pid", &a_pid, "--b-pid", &b_pid, "--rounds", "2", "--warmup",
        "1",
    ];
    let compared = compared(&words, "300");
    for side in ["a", "b"] {
        assert_eq!(compared[side]["turns"].as_array().map(Vec::len), Some(2));
        assert_eq!(number(&compared, &format!("/{side}/turns/1/accepted")), 300);
    }
    assert!(
        compared["throughput_ratio"]["median"]
            .as_f64()
            .is_some_and(|ratio| ratio > 0.0)
    );
}

#[test]
fn compare_starts_and_stops_a_server() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let other = Sink::start();
    let (a, b) = (free.to_string(), other.address.to_string());
    let command = format!(
        "{} sink --listen {a}",
        env!("CARGO_BIN_EXE_ringpost-loadtest")
    );
    let words = [
        "--a",
        &a,
        "--b",
        &b,
        "--a-start",
        &command,
        "--rounds",
        "1",
        "--warmup",
        "0",
    ];
    compared(&words, "50");
    assert!(
        std::net::TcpStream::connect(free).is_err(),
        "it was stopped"
    );
    let fails = run(&["compare", "--a", &a, "--b", &b, "--a-start", "false"]);
    assert_eq!(fails.status.code(), Some(1));
    let text = String::from_utf8_lossy(&fails.stderr);
    assert!(text.contains("ended before it greeted"), "{text}");
}

#[test]
fn what_a_compared_server_says_goes_to_a_file_and_its_end_is_shown_when_it_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let other = Sink::start();
    let (a, b) = (free.to_string(), other.address.to_string());
    let compare = |command: &str| {
        Command::new(env!("CARGO_BIN_EXE_ringpost-loadtest"))
            .env("TMPDIR", folder.path())
            .args(["compare", "--a", &a, "--b", &b, "--a-name", "mine"])
            .args(["--a-start", command, "--rounds", "1", "--warmup", "0"])
            .args(["--", "--messages", "20"])
            .output()
            .expect("it runs")
    };
    let path_of = |said: &str| {
        let line = said
            .lines()
            .find(|line| line.starts_with("what mine says goes to "));
        let path = line
            .and_then(|line| line.split(' ').nth(5))
            .expect("a path");
        std::path::PathBuf::from(path.trim_end_matches(','))
    };
    let sink = env!("CARGO_BIN_EXE_ringpost-loadtest");
    let output = compare(&format!(
        "/bin/sh -c 'echo on stdout; echo on stderr >&2; exec {sink} sink --listen {a}'"
    ));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("on std"), "{said}");
    let path = path_of(&said);
    assert!(path.starts_with(folder.path()), "{said}");
    let kept = std::fs::read_to_string(path).expect("it is there");
    assert!(
        kept.contains("on stdout") && kept.contains("on stderr"),
        "{kept}"
    );

    let output = compare(
        "/bin/sh -c 'i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo $i; done; printf \"cannot \\033[31mbind\\n\" >&2; exit 3'",
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ended before it greeted"), "{said}");
    assert!(said.contains("exit status: 3"), "{said}");
    assert!(said.contains("cannot ?[31mbind"), "{said}");
    assert!(
        said.contains("\n  500\n") && !said.contains("\n  400\n"),
        "the end: {said}"
    );

    let nobody = run(&["compare", "--a", &a, "--b", &b, "--", "--messages", "20"]);
    assert_eq!(nobody.status.code(), Some(1));
    let said = String::from_utf8_lossy(&nobody.stderr);
    assert!(said.contains("A: connection refused by"), "{said}");
}
