//! Shapes of sessions and messages, misbehaviour, exit codes.

use std::sync::atomic::Ordering;

use crate::support::crc32::crc32;
use crate::support::{Behaviour, Server, number, report, run, tls_settings};

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
        let words = [&base[..], words].concat();
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
        let words = [&["--messages", "12", "--connections", "3"][..], words].concat();
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
        let words = [&["--duration", "1s", "--max-errors", "0"][..], words].concat();
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
