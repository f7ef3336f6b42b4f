//! What is in the files of a run, and what the figures are to be read with.

use crate::support::{Behaviour, Server, assert_parts, number, page, report, run};

fn server() -> Server {
    Server::start(Behaviour {
        extensions: vec!["PIPELINING", "SIZE 5000000"],
        ..Behaviour::default()
    })
}

#[test]
fn the_intervals_are_a_table_with_units_in_its_headings() {
    let server = server();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.csv");
    let pid = std::process::id().to_string();
    let words = [
        "--rate",
        "100",
        "--duration",
        "2500ms",
        "--pid",
        &pid,
        "--csv",
        path.to_str().expect("UTF-8"),
    ];
    let report = report(server.address, &words);
    let text = std::fs::read_to_string(&path).expect("written");
    let mut rows = text
        .lines()
        .map(|line| line.split(',').collect::<Vec<&str>>());
    let headings = rows.next().expect("headings");
    let column = |name: &str| {
        let found = headings.iter().position(|heading| *heading == name);
        found.unwrap_or_else(|| panic!("{name}: {headings:?}"))
    };
    let rows: Vec<Vec<&str>> = rows.collect();
    assert_eq!(
        rows.len(),
        report["series"].as_array().expect("points").len()
    );
    assert!(rows.len() >= 2, "{text}");
    let accepted: u64 = rows
        .iter()
        .map(|row| {
            row[column("accepted_messages")]
                .parse::<u64>()
                .expect("a number")
        })
        .sum();
    assert_eq!(accepted, number(&report, "/messages/accepted"));
    for row in &rows {
        assert_eq!(row.len(), headings.len(), "{text}");
        for name in ["end_seconds", "p99_microseconds", "server_memory_bytes"] {
            assert!(row[column(name)].parse::<f64>().is_ok(), "{name}: {text}");
        }
    }
    let nobody = run(&[
        "127.0.0.1:1",
        "--quiet",
        "--csv",
        path.to_str().expect("UTF-8"),
    ]);
    assert_eq!(nobody.status.code(), Some(1));
    let text = std::fs::read_to_string(&path).expect("written");
    assert_eq!(text.lines().count(), 1, "headings alone: {text}");
}

#[test]
fn the_machine_and_the_server_are_in_every_view() {
    let server = server();
    let found = report(server.address, &["--messages", "20"]);
    assert_eq!(found["greeting"]["banner"], "mx.example", "{found}");
    assert_eq!(
        found["greeting"]["extensions"],
        serde_json::json!(["PIPELINING", "SIZE 5000000", "HELP"])
    );
    let cpu = found["machine"]["cpu"].as_str().expect("a CPU");
    assert!(
        !cpu.is_empty() && number(&found, "/machine/memory_bytes") > 0,
        "{found}"
    );
    let address = server.address.to_string();
    let output = run(&[&address[..], "--quiet", "--messages", "20"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let kernel = found["machine"]["kernel"].as_str().expect("a kernel");
    let parts = [cpu, kernel, "mx.example", "PIPELINING, SIZE 5000000, HELP"];
    assert_parts(&text, &parts);
    assert_parts(&text, &["p50 \u{b5}s", "max \u{b5}s", "\u{b5}s a message"]);
    let (html, code) = page(server.address, &["--messages", "20"]);
    assert_eq!(code, Some(0));
    assert_parts(&html, &parts);
    assert_parts(&html, &["No plot: the run was shorter than two intervals"]);
}
