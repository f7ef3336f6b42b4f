//! Runs that fail: what they say, how soon they end, and that a server which goes away in the middle ends nothing.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use support::{Behaviour, Server, number, report, run, tls_settings};

/// Where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
}

/// A server that treats each connection as it is told, with the connection's number from 1.
fn serve(treat: impl Fn(TcpStream, u64) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let (treat, count) = (Arc::new(treat), AtomicU64::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let treat = Arc::clone(&treat);
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            std::thread::spawn(move || treat(stream, number));
        }
    });
    address
}

/// Says a banner, then answers each line by what it begins with; a reply of 221 or 421 ends the connection.
fn dialogue(stream: TcpStream, banner: &str, answer: impl Fn(&str, u64) -> &'static str) {
    stream.set_nodelay(true).expect("a socket");
    let mut stream = BufReader::new(stream);
    let say = |stream: &mut BufReader<TcpStream>, text: &str| {
        let sent = stream.get_mut().write_all(format!("{text}\r\n").as_bytes());
        sent.is_ok()
            && !["221", "421", "554-"]
                .iter()
                .any(|end| text.starts_with(end))
    };
    let (mut go_on, mut lines, mut in_data) = (say(&mut stream, banner), 0, false);
    while go_on {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if in_data && line != ".\r\n" {
            continue;
        }
        lines += 1;
        let reply = answer(if in_data { "." } else { line.trim_end() }, lines);
        in_data = reply.starts_with("354");
        go_on = say(&mut stream, reply);
    }
}

/// Takes everything.
fn willing(line: &str) -> &'static str {
    match line.get(..4).unwrap_or(line) {
        "EHLO" => "250-mx.example\r\n250 PIPELINING",
        "DATA" => "354 Go on",
        "QUIT" => "221 2.0.0 Bye",
        _ => "250 2.0.0 Ok",
    }
}

/// A run that does not begin: exit status 1, one line on standard error, nothing else.
fn one_line(address: impl ToString, words: &[&str]) -> String {
    let address = address.to_string();
    let words: Vec<&str> = [&address[..]].iter().chain(words).copied().collect();
    let Output {
        status,
        stdout,
        stderr,
    } = run(&words);
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{words:?}: {said}");
    assert_eq!(String::from_utf8_lossy(&stdout), "", "{words:?}");
    assert_eq!(said.lines().count(), 1, "{words:?}: {said}");
    said
}

#[test]
fn nobody_listening_ends_every_kind_of_run_with_one_line() {
    let address = nobody();
    for words in [
        &[][..],
        &["--duration", "1h"],
        &["--rate", "100", "--duration", "1h", "--threads", "2"],
        &["--connection-rate", "100", "--duration", "1h"],
        &["--messages", "0", "--idle", "50", "--duration", "1h"],
        &["--misbehave", "garbage=100%", "--duration", "1h"],
        &["--max-errors", "5"],
        &["--rate", "100", "--duration", "1h", "--search", "p99<1s"],
        &[
            "--mix",
            "50% --tls starttls",
            "--mix",
            "50% --transfer bdat",
        ],
    ] {
        assert_eq!(
            one_line(address, words),
            format!("ringpost-loadtest: connection refused by {address}: is the server running?\n")
        );
    }
}

#[test]
fn a_name_that_does_not_resolve_and_a_target_without_a_port_are_told_apart() {
    let said = one_line("no-such-host.invalid:2525", &[]);
    assert!(said.contains("does not resolve"), "{said}");
    let usage = run(&["127.0.0.1"]);
    assert_eq!(usage.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&usage.stderr).contains("host:port"));
}

#[test]
fn a_server_that_cannot_be_talked_to_is_told_and_ends_the_run() {
    let talks = serve(|mut stream, _| {
        let _ = stream.write_all(b"SSH-2.0-Open\x1b[31mSSH\r\n");
    });
    let silent = serve(|stream, _| dialogue_of_nothing(&stream));
    let hangs_up = serve(|stream, _| drop(stream));
    let refuses = serve(|stream, _| dialogue(stream, "554 5.7.1 Not from\x07 you", |_, _| "221 x"));
    let is_full = serve(|stream, _| dialogue(stream, "421 4.3.2 Too many connections", |_, _| ""));
    let no_ehlo = serve(|stream, _| dialogue(stream, "220 mx", |_, _| "550 5.7.1 Bad name"));
    let clear = serve(|stream, _| dialogue(stream, "220 mx", |line, _| willing(line)));
    let proxied = serve(|stream, _| {
        dialogue(stream, "220 mx", |line, _| match line.get(..5) {
            Some("PROXY") => "500 5.5.2 What?",
            _ => willing(line),
        });
    });
    let no_tls = serve(|stream, _| {
        dialogue(stream, "220 mx", |line, _| match &line[..4] {
            "EHLO" => "250-mx\r\n250 STARTTLS",
            _ => "454 4.7.0 TLS is not available",
        });
    });
    let bad_tls = serve(|stream, _| {
        dialogue(stream, "220 mx", |line, _| match line.get(..4) {
            Some("EHLO") => "250-mx\r\n250 STARTTLS",
            Some("STAR") => "220 go on",
            _ => "nonsense",
        });
    });
    for (address, words, part) in [
        (
            talks,
            &[][..],
            "does not speak SMTP: it said \"SSH-2.0-Open?[31mSSH\"",
        ),
        (silent, &["--timeout", "300ms"], "sends no banner"),
        (hangs_up, &[], "sends no banner: the server"),
        (
            refuses,
            &[],
            "refuses every connection: 554 5.7.1 Not from? you",
        ),
        (
            is_full,
            &[],
            "refuses every connection: 421 4.3.2 Too many connections",
        ),
        (no_ehlo, &[], "refuses EHLO and HELO: 550 5.7.1 Bad name"),
        (clear, &["--tls", "starttls"], "does not offer STARTTLS"),
        (
            proxied,
            &["--proxy", "v1"],
            "does not take the PROXY header: 500 5.5.2 What?",
        ),
        (clear, &["--tls", "implicit"], "TLS handshake with"),
        (clear, &["--transfer", "bdat"], "does not offer CHUNKING"),
        (clear, &["--body", "8bit"], "does not offer 8BITMIME"),
        (
            no_tls,
            &["--tls", "starttls"],
            "refuses STARTTLS: 454 4.7.0 TLS is not available",
        ),
        (bad_tls, &["--tls", "starttls"], "TLS handshake with"),
    ] {
        let words: Vec<&str> = ["--duration", "1h"].iter().chain(words).copied().collect();
        let said = one_line(address, &words);
        assert!(said.contains(part), "{part}: {said}");
        assert!(said.contains(&address.to_string()), "{said}");
    }
}

/// Holds the connection until the client goes.
fn dialogue_of_nothing(stream: &TcpStream) {
    let mut line = String::new();
    let _ = BufReader::new(stream).read_line(&mut line);
}

#[test]
fn a_server_that_comes_late_or_serves_one_shape_of_a_mixture_is_enough() {
    let late = serve(|stream, number| match number {
        1 => drop(stream),
        _ => dialogue(stream, "220 mx", |line, _| willing(line)),
    });
    let report_late = report(late, &["--messages", "20"]);
    assert_eq!(number(&report_late, "/messages/accepted"), 20);
    assert_eq!(number(&report_late, "/errors_total"), 1, "{report_late}");
    let clear = serve(|stream, _| dialogue(stream, "220 mx", |line, _| willing(line)));
    let words = [
        "--duration",
        "300ms",
        "--mix",
        "50% --tls starttls",
        "--mix",
        "50% --per-connection 3",
    ];
    let mixed = report(clear, &words);
    assert!(number(&mixed, "/messages/accepted") > 0, "{mixed}");
    assert!(number(&mixed, "/errors/unsupported") > 0, "{mixed}");
}

#[test]
fn the_first_connection_is_used_and_not_one_more() {
    for words in [
        &["--messages", "50"][..],
        &["--idle", "7", "--messages", "50"],
    ] {
        let server = Server::start(Behaviour {
            extensions: vec!["PIPELINING"],
            ..Behaviour::default()
        });
        let report = report(server.address, words);
        let idle = report
            .pointer("/idle/opened")
            .and_then(|opened| opened.as_u64());
        assert_eq!(
            server.taken.connections.load(Ordering::Relaxed),
            number(&report, "/connections_opened") + idle.unwrap_or(0),
            "{words:?}"
        );
    }
}

#[test]
fn a_server_that_goes_away_in_the_middle_is_counted_and_shown() {
    for (words, ended_by) in [
        (&["--duration", "1500ms"][..], "duration"),
        (&["--duration", "1500ms", "--rate", "200"], "duration"),
        (&["--messages", "100000", "--max-errors", "20"], "errors"),
    ] {
        let gone = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&gone);
        let address = serve(move |stream, _| {
            if shared.load(Ordering::Relaxed) {
                return;
            }
            let shared = Arc::clone(&shared);
            dialogue(stream, "220 mx", move |line, lines| {
                if lines > 200 {
                    shared.store(true, Ordering::Relaxed);
                }
                if shared.load(Ordering::Relaxed) {
                    return "421 4.3.2 Going down";
                }
                willing(line)
            });
        });
        let words: Vec<&str> = ["--connections", "2"]
            .iter()
            .chain(words)
            .copied()
            .collect();
        let report = report(address, &words);
        assert_eq!(report["ended_by"], ended_by, "{report}");
        assert!(report["start_error"].is_null(), "{report}");
        assert!(number(&report, "/messages/accepted") > 10, "{report}");
        assert!(number(&report, "/errors/421") > 0, "{report}");
        assert!(number(&report, "/errors/closed") > 2, "{report}");
        let reasons = report["reasons"].as_array().expect("a list");
        let said = |error: &str, text: &str| {
            reasons.iter().any(|reason| {
                reason["error"] == error
                    && reason["text"].as_str().is_some_and(|is| is.contains(text))
            })
        };
        assert!(said("421", "Going down"), "{report}");
        assert!(said("closed", "the connection"), "{report}");
    }
}

#[test]
fn a_server_that_greets_and_never_answers_a_message_ends_the_run_soon() {
    for (answer, kind) in [
        ("421 4.3.2 Not now", "421"),
        ("Hello there", "protocol"),
        ("250 2.1.0 Ok\r\n354 Too early", "protocol"),
    ] {
        let address = serve(move |stream, _| {
            dialogue(stream, "220 mx", move |line, _| {
                if line.starts_with("MAIL") {
                    answer
                } else {
                    willing(line)
                }
            });
        });
        for load in [&["--rate", "100"][..], &[]] {
            let words: Vec<&str> = ["--duration", "1h"].iter().chain(load).copied().collect();
            let report = report(address, &words);
            assert_eq!(report["ended_by"], "errors", "{answer}: {report}");
            assert!(
                number(&report, &format!("/errors/{kind}")) >= 20,
                "{report}"
            );
            assert_eq!(report["passed"], false);
        }
    }
}

/// Refuses every recipient, and ends a connection after twenty of them, as ringpost does.
fn refuser() -> SocketAddr {
    serve(|stream, _| {
        let refused = AtomicU64::new(0);
        dialogue(stream, "220 mx", move |line, _| match line.get(..4) {
            Some("RCPT") if refused.fetch_add(1, Ordering::Relaxed) < 20 => {
                "550-5.7.1 Relaying denied:\r\n550 5.7.1 \x1b]0;evil\x07 not \u{202e}here"
            }
            Some("RCPT") => "421 4.7.0 Too many errors",
            Some("DATA") => "554 5.5.1 No valid recipients",
            _ => willing(line),
        });
    })
}

#[test]
fn refusals_show_their_codes_their_text_how_often_and_a_hint() {
    for words in [&[][..], &["--no-pipeline"], &["--rate", "5000"]] {
        let base = [
            "--messages",
            "200",
            "--connections",
            "2",
            "--to",
            "x@load.example",
        ];
        let words: Vec<&str> = base.iter().chain(words).copied().collect();
        let address = refuser();
        let result = report(address, &words);
        let reasons = result["reasons"].as_array().expect("a list");
        let first = &reasons[0];
        assert_eq!(first["kind"], "refused", "{result}");
        assert_eq!(first["code"], 550);
        assert_eq!(first["enhanced"], "5.7.1");
        assert_eq!(first["step"], "RCPT");
        assert_eq!(first["text"], "Relaying denied: ?]0;evil? not ?here");
        assert_eq!(first["count"], result["refused_by_code"]["550"]);
        assert!(
            first["hint"]
                .as_str()
                .is_some_and(|hint| hint.contains("load.example") && hint.contains("--to")),
            "{first}"
        );
        let closing: Vec<_> = reasons
            .iter()
            .filter(|reason| reason["code"] == 421)
            .collect();
        assert_eq!(closing.len(), 1, "{result}");
        assert_eq!(closing[0]["error"], "421");
        assert_eq!(closing[0]["text"], "Too many errors");
        assert_eq!(closing[0]["count"], result["errors"]["421"]);

        let address = address.to_string();
        let words: Vec<&str> = [&address[..], "--quiet"]
            .iter()
            .chain(&words)
            .copied()
            .collect();
        let output = run(&words);
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stdout);
        for part in [
            " x 550 5.7.1 after RCPT: Relaying denied: ?]0;evil? not ?here\n",
            "hint: the server takes no mail for load.example: name a recipient it takes with --to\n",
            " x 421 4.7.0 after RCPT: Too many errors\n",
            "result       failed: ",
            "messages were refused",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("shutdown"), "{text}");
        assert!(
            text.chars()
                .all(|letter| letter == '\n' || !letter.is_control()),
            "{text:?}"
        );
    }
}

#[test]
fn a_recipient_that_is_refused_within_a_message_is_told_with_its_text() {
    let address = serve(|stream, _| {
        dialogue(stream, "220 mx", |line, _| {
            if line.starts_with("RCPT") && line.contains("+2@") {
                "450 4.2.0 Come back later"
            } else {
                willing(line)
            }
        });
    });
    let words = ["--messages", "40", "--recipients", "3"];
    let report = report(address, &words);
    assert_eq!(number(&report, "/messages/accepted"), 40, "{report}");
    assert_eq!(number(&report, "/recipients_refused"), 40);
    let reason = &report["reasons"][0];
    assert_eq!(reason["kind"], "recipient", "{report}");
    assert_eq!(reason["text"], "Come back later");
    assert_eq!(reason["count"], 40);
}

/// Runs with a page; its HTML and the exit status.
fn page(address: SocketAddr, words: &[&str]) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("page.html");
    let json = folder.path().join("report.json");
    let address = address.to_string();
    let base = [
        &address[..],
        "--quiet",
        "--html",
        path.to_str().expect("UTF-8"),
        "--json-file",
        json.to_str().expect("UTF-8"),
    ];
    let words: Vec<&str> = base.iter().chain(words).copied().collect();
    let code = run(&words).status.code();
    let text = std::fs::read_to_string(json).expect("written");
    serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
    (std::fs::read_to_string(path).expect("written"), code)
}

#[test]
fn the_page_of_a_failed_run_says_why_before_anything_else_and_draws_nothing_empty() {
    let address = nobody();
    let (html, code) = page(address, &["--duration", "1h", "--rate", "100"]);
    assert_eq!(code, Some(1));
    let why = format!("connection refused by {address}: is the server running?");
    assert!(html.contains(&why), "{html}");
    for absent in [
        "<svg",
        "class=\"tiles\"",
        "0 \u{b5}s",
        "limit was",
        "Phases",
    ] {
        assert!(!html.contains(absent), "{absent}: {html}");
    }

    let (html, code) = page(refuser(), &["--duration", "2500ms", "--connections", "1"]);
    assert_eq!(code, Some(1));
    let place = |part: &str| html.find(part).unwrap_or_else(|| panic!("{part}: {html}"));
    assert!(place("Relaying denied") < place("class=\"tiles\""));
    assert!(place("messages were refused") < place("class=\"tiles\""));
    place("refused");
    for absent in ["\u{b5}s</b>", "limit was", "Latency", "\u{1b}", "\u{202e}"] {
        assert!(!html.contains(absent), "{absent}: {html}");
    }
}

#[test]
fn the_page_of_a_good_run_says_whose_cpus_and_no_sentence_breaks() {
    let server = Server::start(Behaviour {
        extensions: vec!["PIPELINING"],
        ..Behaviour::default()
    });
    let words = [
        "--rate",
        "2000",
        "--duration",
        "2500ms",
        "--connections",
        "5",
    ];
    let (html, code) = page(server.address, &words);
    assert_eq!(code, Some(0), "{html}");
    for part in [
        "\u{2713} passed",
        "CPUs in use by the load tester",
        "The limit was ",
        "5,000",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("was the rate was"), "{html}");
    assert!(
        !html.contains('\u{202f}'),
        "one way of writing thousands: {html}"
    );
}

#[test]
fn a_search_writes_its_page_and_its_steps_and_repeats_what_breaks() {
    let server = Server::start(Behaviour {
        extensions: vec!["PIPELINING"],
        ..Behaviour::default()
    });
    let folder = tempfile::tempdir().expect("a folder");
    let (html, json) = (folder.path().join("s.html"), folder.path().join("s.json"));
    let address = server.address.to_string();
    let words = [
        &address[..],
        "--rate",
        "100",
        "--duration",
        "300ms",
        "--search",
        "p99<0s",
        "--html",
        html.to_str().expect("UTF-8"),
        "--json-file",
        json.to_str().expect("UTF-8"),
        "--quiet",
    ];
    let output = run(&words);
    assert_eq!(output.status.code(), Some(1), "no rate holds it");
    let text = String::from_utf8_lossy(&output.stdout);
    for part in [
        "asked/s",
        "p99",
        "does not hold at any rate",
        "2 of up to 3 runs",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let unit = text.lines().nth(1).expect("a step");
    assert!(unit.contains(" \u{b5}s") || unit.contains(" ms"), "{unit}");
    let found: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(json).expect("written")).expect("JSON");
    assert_eq!(found["unit"], "microseconds");
    let steps = found["steps"].as_array().expect("steps");
    assert_eq!(steps.len() % 2, 0, "each breaks twice: {found}");
    for pair in steps.chunks(2) {
        assert_eq!(pair[0]["rate"], pair[1]["rate"]);
        assert_eq!(
            (&pair[0]["attempt"], &pair[1]["attempt"]),
            (&1.into(), &2.into())
        );
        assert!(
            number(&pair[0], "/accepted") > 0,
            "no line of zeros: {found}"
        );
    }
    let page = std::fs::read_to_string(html).expect("written");
    assert!(page.contains("does not hold at any rate"), "{page}");
    assert!(page.contains("p99&lt;0s"), "{page}");
}

#[test]
fn a_search_that_cannot_begin_writes_why_and_what_nobody_measures_is_refused() {
    let address = nobody();
    let (html, code) = page(address, &["--rate", "100", "--search", "p99<1s"]);
    assert_eq!(code, Some(1));
    assert!(html.contains("is the server running?"), "{html}");
    assert!(
        !html.contains("<svg") && !html.contains("does not hold"),
        "{html}"
    );
    for (bound, option) in [("lost=0", "--verify"), ("server_cpu<1ms", "--pid")] {
        let words = [&address.to_string()[..], "--rate", "100", "--search", bound];
        let output = run(&words);
        assert_eq!(output.status.code(), Some(2), "{bound}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(option),
            "{bound}"
        );
    }
}

#[test]
fn a_server_that_dies_of_a_search_leaves_its_steps_and_no_zeros() {
    let gone = Arc::new(AtomicU64::new(0));
    let address = serve(move |stream, _| {
        // Room for two steps, then nobody is served any more.
        let gone = Arc::clone(&gone);
        if gone.load(Ordering::Relaxed) >= 60 {
            return;
        }
        dialogue(stream, "220 mx", move |line, _| {
            if line == "." {
                gone.fetch_add(1, Ordering::Relaxed);
            }
            willing(line)
        });
    });
    let words = ["--rate", "100", "--duration", "300ms", "--search", "p99<1h"];
    let found = report(address, &words);
    assert!(
        found["ended_early"]
            .as_str()
            .is_some_and(|why| why.contains("no banner")),
        "{found}"
    );
    for step in found["steps"].as_array().expect("steps") {
        assert!(number(step, "/accepted") > 0, "{found}");
    }
}

#[test]
fn tls_works_where_the_server_has_it() {
    let server = Server::start(Behaviour {
        extensions: vec!["PIPELINING", "STARTTLS"],
        tls: Some((tls_settings(), false)),
        ..Behaviour::default()
    });
    let report = report(server.address, &["--tls", "starttls", "--messages", "10"]);
    assert_eq!(number(&report, "/messages/accepted"), 10, "{report}");
    assert_eq!(number(&report, "/errors_total"), 0);
}

/// Greets so many connections at the same time, and leaves the others without a word.
fn holds(most: u64) -> SocketAddr {
    let open = AtomicU64::new(0);
    serve(move |stream, _| {
        if open.fetch_add(1, Ordering::SeqCst) < most {
            dialogue(stream, "220 mx", |line, _| willing(line));
        } else {
            dialogue_of_nothing(&stream);
        }
        open.fetch_sub(1, Ordering::SeqCst);
    })
}

#[test]
fn more_idle_sessions_than_the_server_holds_end_with_how_many_it_took() {
    for more in [
        &[][..],
        &["--duration", "1h"],
        &["--threads", "2", "--rate", "10"],
    ] {
        let words = [&["--quiet", "--idle", "200", "--timeout", "1s"][..], more].concat();
        let said = one_line(holds(30), &words);
        for part in [
            "--idle 200",
            "took 30 sessions",
            "the server is full",
            "--max-errors 0",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let refuses = serve(move |stream, number| match number {
        0..=5 => dialogue(stream, "220 mx", |line, _| willing(line)),
        _ => dialogue(stream, "421 4.3.2 Too many connections", |_, _| ""),
    });
    let said = one_line(refuses, &["--idle", "200"]);
    assert!(said.contains("took 5 sessions"), "{said}");
    assert!(
        said.contains("421 4.3.2 instead of the banner: Too many"),
        "{said}"
    );
    let words = [
        "--idle",
        "200",
        "--timeout",
        "300ms",
        "--max-errors",
        "0",
        "--messages",
        "0",
        "--duration",
        "100ms",
    ];
    let begun = report(holds(30), &words);
    assert_eq!(number(&begun, "/idle/opened"), 30, "{begun}");
    assert!(begun["start_error"].is_null(), "{begun}");
}

#[test]
fn one_signal_ends_a_run_that_waits_for_the_server_with_a_report() {
    // While idle sessions are opened, and while a reply is awaited.
    let (said, waits) = std::sync::mpsc::channel();
    let silent = serve(move |stream, _| {
        let said = said.clone();
        dialogue(stream, "220 mx", move |line, _| {
            if line == "." {
                let _ = said.send(());
                std::thread::park();
            }
            willing(line)
        });
    });
    let (full, is_full) = std::sync::mpsc::channel();
    let holds_one = serve(move |stream, number| match number {
        1 => dialogue(stream, "220 mx", |line, _| willing(line)),
        _ => {
            let _ = full.send(());
            dialogue_of_nothing(&stream);
        }
    });
    for (address, waits, words) in [
        (holds_one, is_full, &["--idle", "20"][..]),
        (silent, waits, &[]),
    ] {
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_ringpost-loadtest"))
            .args([&[&address.to_string()[..], "--timeout", "1h"], words].concat())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("it runs");
        waits.recv().expect("it waits");
        let pid = child.id().to_string();
        let killed = std::process::Command::new("/bin/sh")
            .args(["-c", &format!("kill -INT {pid}")])
            .status();
        assert!(killed.expect("a shell").success());
        let output = child.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("stopped by a signal"), "{text}");
    }
}

#[test]
fn a_shape_that_never_works_is_given_up_and_time_counts_to_the_end() {
    let clear = serve(|stream, _| dialogue(stream, "220 mx", |line, _| willing(line)));
    let mix = [
        "--mix",
        "50% --tls starttls",
        "--mix",
        "50% --per-connection 1",
    ];
    for load in [
        &["--messages", "100"][..],
        &["--messages", "100", "--rate", "1000", "--threads", "2"],
    ] {
        let report = report(clear, &[&mix[..], load].concat());
        assert_eq!(
            report["shapes_given_up"][0]["shape"], "50% --tls starttls",
            "{report}"
        );
        assert_eq!(report["ended_by"], "messages", "{report}");
        assert_eq!(report["passed"], false, "{report}");
        assert!(
            (20..100).contains(&number(&report, "/errors_total")),
            "{report}"
        );
        // The back-off between twenty failures of five connections takes its time, though the good half was soon done.
        let (elapsed, cpu) = (&report["elapsed_seconds"], &report["own"]["cpu_seconds"]);
        assert!(
            elapsed.as_f64() > Some(0.05) && cpu.as_f64() < elapsed.as_f64().map(|wall| 2.5 * wall),
            "{report}"
        );
    }
    let output = run(&[&[&clear.to_string()[..], "--messages", "100"], &mix[..]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("gave up      --mix '50% --tls starttls', which never worked, after 2"),
        "{text}"
    );
}

#[test]
fn a_bound_without_a_unit_or_of_the_wrong_kind_is_wrong_usage() {
    for (words, parts) in [
        (
            &["--assert", "p99<20"][..],
            &["\"p99<20\"", "unit is missing", "p99<20ms"][..],
        ),
        (
            &["--search", "p99<20", "--rate", "10"],
            &["--search", "unit is missing"],
        ),
        (
            &["--search", "p99>20ms", "--rate", "10"],
            &["--search p99>20ms", "upper bound"],
        ),
        (&["--search", "p99>=20ms", "--rate", "10"], &["upper bound"]),
        (
            &["--search", "accepted=5", "--rate", "10"],
            &["upper bound"],
        ),
    ] {
        let output = run(&[&[&nobody().to_string()[..]], words].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(
            parts.iter().all(|part| said.contains(part)),
            "{words:?}: {said}"
        );
    }
}

#[test]
fn a_rate_that_was_not_reached_is_no_limit_and_holds_no_bound() {
    let slow = Server::start(Behaviour {
        keep: Some(Arc::new(|_, _| {
            std::thread::sleep(std::time::Duration::from_millis(20))
        })),
        ..Behaviour::default()
    });
    // One connection takes at most fifty a second.
    for bound in [&["--messages", "60"][..], &["--duration", "500ms"]] {
        let words = [&["--rate", "500", "--connections", "1"][..], bound].concat();
        let report = report(slow.address, &words);
        assert_eq!(report["rate_reached"], false, "{report}");
        assert_ne!(report["limit"]["by"], "rate", "{report}");
    }
    let words = [
        "--rate",
        "500",
        "--connections",
        "1",
        "--duration",
        "200ms",
        "--search",
        "p99<1h",
    ];
    let found = report(slow.address, &words);
    let steps = found["steps"].as_array().expect("steps");
    assert_eq!(steps[0]["holds"], false, "{found}");
    assert_eq!(steps[0]["rate_reached"], false, "{found}");
}

#[test]
fn a_server_that_was_away_for_a_while_is_the_limit() {
    let dropped = Arc::new(AtomicU64::new(0));
    let (gone, shared) = (Arc::new(AtomicBool::new(false)), Arc::clone(&dropped));
    let address = serve(move |stream, _| {
        // Two senders wait 10, 20, 40 ... 200 ms between these: half a second or more.
        if gone.load(Ordering::SeqCst) && shared.fetch_add(1, Ordering::SeqCst) < 14 {
            return;
        }
        let gone = Arc::clone(&gone);
        dialogue(stream, "220 mx", move |line, lines| {
            if lines == 60 {
                gone.store(true, Ordering::SeqCst);
            }
            if gone.load(Ordering::SeqCst) && lines == 60 {
                return "421 4.3.2 Going down";
            }
            willing(line)
        });
    });
    let words = ["--connections", "2", "--rate", "100", "--messages", "200"];
    let report = report(address, &words);
    assert!(number(&report, "/messages/accepted") > 100, "{report}");
    assert!(dropped.load(Ordering::SeqCst) >= 14);
    assert_eq!(report["limit"]["by"], "server", "{report}");
    let text = report["limit"]["text"].as_str().expect("a text");
    assert!(
        text.contains("away for about") && text.contains("connections failed"),
        "{text}"
    );
}

#[test]
fn files_are_written_also_where_the_run_cannot_begin() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| {
        folder
            .path()
            .join(name)
            .to_str()
            .expect("a text")
            .to_owned()
    };
    let (json, html, address) = (file("r.json"), file("r.html"), nobody().to_string());
    let files = ["--json-file", &json, "--html", &html, "--quiet"];
    let verify = [
        "--verify",
        "--brokers",
        "127.0.0.1:1",
        "--topic",
        "mail",
        "--kafka",
        "no.such=1",
    ];
    let search = ["--search", "p99<1s", "--rate", "5"];
    for (target, words, part) in [
        ("no-such-host.invalid:25", &[][..], "does not resolve"),
        ("no-such-host.invalid:25", &search, "does not resolve"),
        (&address, &verify, "no.such"),
        (&address, &search, "connection refused"),
    ] {
        let output = run(&[&[target], &files[..], words].concat());
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        for path in [&json, &html] {
            let text = std::fs::read_to_string(path)
                .unwrap_or_else(|error| panic!("{words:?} {path}: {error}"));
            assert!(text.contains(part), "{words:?} {path}: {text}");
            assert!(!text.contains("?."), "{words:?} {path}: {text}");
            std::fs::remove_file(path).expect("it is there");
        }
    }
}

#[test]
fn a_file_that_cannot_be_written_is_found_before_the_run() {
    let server = Server::start(Behaviour::default());
    let address = server.address.to_string();
    for option in ["--html", "--json-file"] {
        for search in [&[][..], &["--search", "p99<1s", "--rate", "5"]] {
            let output = run(&[&[&address[..], option, "/no/such/folder/r"], search].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(
                said.contains(option) && said.contains("/no/such/folder/r"),
                "{said}"
            );
        }
    }
    assert_eq!(server.taken.connections.load(Ordering::Relaxed), 0);
}

#[test]
fn a_search_in_which_everything_is_refused_says_why() {
    let refusing = Server::start(Behaviour {
        refuses: true,
        ..Behaviour::default()
    });
    let folder = tempfile::tempdir().expect("a folder");
    let html = folder
        .path()
        .join("r.html")
        .to_str()
        .expect("a text")
        .to_owned();
    let address = refusing.address.to_string();
    let words = [
        &address[..],
        "--search",
        "p99<1s",
        "--rate",
        "100",
        "--duration",
        "200ms",
        "--html",
        &html,
    ];
    let output = run(&words);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in [
        "550 5.1.1 after RCPT: No such user",
        "hint: ",
        "refuses every message",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = std::fs::read_to_string(&html).expect("a page");
    assert!(page.contains("<b class=\"failed\">"), "{page}");
    let found = report(refusing.address, &words[1..7]);
    assert_eq!(found["reasons"][0]["text"], "No such user", "{found}");
    assert!(found["reasons"][0]["hint"].is_string(), "{found}");
}

#[test]
fn a_refusal_of_the_first_connection_has_its_hint() {
    for (banner, hint) in [
        ("421 4.3.2 Too many connections", "limit of connections"),
        ("554 5.7.1 Not from you", "let its address in"),
    ] {
        let address = serve(move |stream, _| dialogue(stream, banner, |_, _| "221 x"));
        let said = one_line(address, &[]);
        assert!(said.contains(banner) && said.contains(hint), "{said}");
    }
}

#[test]
fn a_message_larger_than_size_is_said_before_the_run() {
    let server = Server::start(Behaviour {
        extensions: vec!["SIZE 5000"],
        ..Behaviour::default()
    });
    let address = server.address.to_string();
    for (size, told) in [("5000", false), ("6000", true)] {
        let output = run(&[&address[..], "--messages", "1", "--size", size]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            said.contains("up to 6,000 bytes") && said.contains("SIZE 5,000"),
            told,
            "{said}"
        );
    }
}

#[test]
fn wrong_words_are_told_with_the_right_ones() {
    let address = nobody().to_string();
    let with = |scheme: &str| format!("{scheme}://{address}/");
    for (words, parts) in [
        (
            &[&with("http")[..]][..],
            &["leave the scheme http:// out", &address[..]][..],
        ),
        (&[&with("smtp")], &["leave the scheme smtp:// out"]),
        (&["127.0.0.1"], &["the port is missing"]),
        (&["localhost:smtp"], &["the port is no number"]),
        (&[":25"], &["the host is missing"]),
        (
            &[&address, "-c", "5"],
            &["--connections", "Usage: ringpost-loadtest"],
        ),
        (&["sink", "--bogus"], &["Usage: ringpost-loadtest sink"]),
        (
            &["compare", "--bogus"],
            &["Usage: ringpost-loadtest compare"],
        ),
    ] {
        let output = run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(
            parts.iter().all(|part| said.contains(part)),
            "{words:?}: {said}"
        );
    }
}

#[test]
fn a_line_of_progress_comes_once() {
    let server = Server::start(Behaviour::default());
    let output = run(&[
        &server.address.to_string(),
        "--rate",
        "50",
        "--duration",
        "2s",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    let mut times: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let all = times.len();
    times.dedup();
    assert_eq!(times.len(), all, "{said}");
    assert!(all > 0, "{said}");
}

#[test]
fn one_signal_ends_the_wait_for_brokers() {
    let (server, brokers) = (Server::start(Behaviour::default()), nobody().to_string());
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_ringpost-loadtest"))
        .args([
            &server.address.to_string()[..],
            "--verify",
            "--topic",
            "mail",
            "--brokers",
            &brokers,
        ])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let said = lines.next().expect("a line").expect("a text");
    assert!(said.contains(&format!("waiting for {brokers}")), "{said}");
    let kill = format!("kill -INT {}", child.id());
    let killed = std::process::Command::new("/bin/sh")
        .args(["-c", &kill])
        .status();
    assert!(killed.expect("a shell").success());
    let said = lines.next().expect("a line").expect("a text");
    assert!(said.contains("stopped by a signal"), "{said}");
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
}

#[test]
fn a_run_that_sent_all_its_messages_before_its_time_took_no_longer_than_that() {
    let server = Server::start(Behaviour::default());
    for load in [&[][..], &["--rate", "1000"]] {
        let words = [&["--messages", "50", "--duration", "1h"][..], load].concat();
        let report = report(server.address, &words);
        assert_eq!(report["ended_by"], "messages", "{report}");
        assert!(
            report["elapsed_seconds"].as_f64() < Some(1800.0),
            "{report}"
        );
    }
}
