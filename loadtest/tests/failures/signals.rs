//! One signal ends a run, whatever it waits for.

use std::io::{BufRead, BufReader};

use crate::support::{Behaviour, Server, dialogue, hold, interrupt, nobody, serve, start, willing};

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
            hold(&stream);
        }
    });
    for (address, waits, words) in [
        (holds_one, is_full, &["--idle", "20"][..]),
        (silent, waits, &[]),
    ] {
        let target = address.to_string();
        let child = start(&[&[&target[..], "--timeout", "1h"], words].concat());
        waits.recv().expect("it waits");
        interrupt(&child);
        let output = child.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("stopped by a signal"), "{text}");
    }
}

#[test]
fn one_signal_ends_the_wait_for_brokers() {
    let (server, brokers) = (Server::start(Behaviour::default()), nobody().to_string());
    let target = server.address.to_string();
    let verify = ["--verify", "--topic", "mail", "--brokers", &brokers];
    let mut child = start(&[&[&target[..]], &verify[..]].concat());
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let said = lines.next().expect("a line").expect("a text");
    assert!(said.contains(&format!("waiting for {brokers}")), "{said}");
    interrupt(&child);
    let said = lines.next().expect("a line").expect("a text");
    assert!(said.contains("stopped by a signal"), "{said}");
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
}
