//! Runs that cannot begin, and what they say: one line, and the exit status.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{
    Behaviour, Server, assert_parts, assert_usage, dialogue, hold, nobody, number, one_line,
    pipelining, report, run, serve, tls_settings, willing,
};

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
            format!(
                "ringpost-loadtest: connection refused by {address}: nobody listens there; is the server running?\n"
            )
        );
    }
}

#[test]
fn a_name_that_does_not_resolve_and_a_target_without_a_port_are_told_apart() {
    let said = one_line("no-such-host.invalid:2525", &[]);
    assert!(said.contains("does not resolve"), "{said}");
    assert_usage(&["127.0.0.1"], &["host:port"]);
}

#[test]
fn a_server_that_cannot_be_talked_to_is_told_and_ends_the_run() {
    let talks = serve(|mut stream, _| {
        let _ = stream.write_all(b"SSH-2.0-Open\x1b[31mSSH\r\n");
    });
    let silent = serve(|stream, _| hold(&stream));
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
        let words = [&["--duration", "1h"][..], words].concat();
        let said = one_line(address, &words);
        assert!(said.contains(part), "{part}: {said}");
        assert!(said.contains(&address.to_string()), "{said}");
    }
}

#[test]
fn a_listener_that_waits_for_the_client_is_called_what_it_is() {
    let http = serve(|mut stream, _| {
        let mut line = String::new();
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        if reader.read_line(&mut line).unwrap_or(0) > 0 {
            let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
        }
    });
    let eager = serve(|mut stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n");
    });
    let encrypted = Server::start(Behaviour {
        tls: Some((tls_settings(), true)),
        ..Behaviour::default()
    });
    let silent = serve(|stream, _| hold(&stream));
    for (address, part) in [
        (
            http,
            "does not speak SMTP: it is an HTTP server; give the host and the port",
        ),
        (
            eager,
            "does not speak SMTP: it is an HTTP server; give the host and the port",
        ),
        (
            encrypted.address,
            "expects TLS from the first byte; add --tls implicit",
        ),
        (silent, "takes connections and sends no banner"),
    ] {
        let said = one_line(address, &["--timeout", "300ms"]);
        assert!(said.contains(part), "{part}: {said}");
    }
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
        let server = pipelining();
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

/// Greets so many connections at the same time, and leaves the others without a word.
fn holds(most: u64) -> SocketAddr {
    let open = AtomicU64::new(0);
    serve(move |stream, _| {
        if open.fetch_add(1, Ordering::SeqCst) < most {
            dialogue(stream, "220 mx", |line, _| willing(line));
        } else {
            hold(&stream);
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
        assert_parts(
            &said,
            &[
                "--idle 200",
                "took 30 sessions",
                "the server is full",
                "--max-errors 0",
            ],
        );
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
