//! Pages, files, lines of progress.

use std::sync::atomic::Ordering;

use crate::support::{
    Behaviour, Server, assert_parts, assert_usage, nobody, page, pipelining, run,
};

#[test]
fn the_page_of_a_good_run_says_whose_cpus_and_no_sentence_breaks() {
    let server = pipelining();
    let words = [
        "--rate",
        "2000",
        "--duration",
        "2500ms",
        "--connections",
        "5",
        // A busy machine may send less.
        "--allow-less",
    ];
    let (html, code) = page(server.address, &words);
    assert_eq!(code, Some(0), "{html}");
    assert_parts(
        &html,
        &[
            "\u{2713} passed",
            "CPUs in use by the load tester",
            "The limit was ",
            "5,000",
        ],
    );
    assert!(!html.contains("was the rate was"), "{html}");
    assert!(
        !html.contains('\u{202f}'),
        "one way of writing thousands: {html}"
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
            let words = [&[&address[..], option, "/no/such/folder/r"], search].concat();
            assert_usage(&words, &[option, "/no/such/folder/r"]);
        }
    }
    assert_eq!(server.taken.connections.load(Ordering::Relaxed), 0);
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
