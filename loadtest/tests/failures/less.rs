//! A run that sent less than was asked for fails, unless that is allowed.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Behaviour, Server, assert_parts, report, run};

/// One connection takes at most fifty messages a second.
fn slow() -> Server {
    Server::start(Behaviour {
        keep: Some(Arc::new(|_, _| {
            std::thread::sleep(Duration::from_millis(20))
        })),
        ..Behaviour::default()
    })
}

const LOAD: [&str; 6] = ["--rate", "500", "--connections", "1", "--duration", "500ms"];

#[test]
fn less_than_was_asked_for_fails_and_says_how_to_allow_it() {
    let server = slow();
    let address = server.address.to_string();
    let code = |more: &[&str]| {
        let words = [&[&address[..], "--quiet"], &LOAD[..], more].concat();
        let output = run(&words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    for more in [&[][..], &["--assert", "p99<1h"]] {
        let (code, text) = code(more);
        assert_eq!(code, Some(1), "{more:?}: {text}");
        let last = text.lines().last().expect("a line");
        assert_parts(
            last,
            &[
                "result       failed: ",
                " messages of those that were asked for were not sent (",
                " of 500 messages/s); --allow-less takes that",
            ],
        );
    }
    for more in [
        &["--allow-less"][..],
        &["--allow-less", "--assert", "p99<1h"],
        &["--assert", "p99<1h,unsent<1000000"],
        &["--assert", "rate>0"],
    ] {
        let (code, text) = code(more);
        assert_eq!(code, Some(0), "{more:?}: {text}");
    }
    let (code, text) = code(&["--allow-less", "--assert", "p99<1us"]);
    assert_eq!(code, Some(1), "{text}");
}

#[test]
fn a_rate_that_was_not_reached_is_less_though_all_was_sent_in_the_end() {
    let server = slow();
    let words = ["--rate", "500", "--connections", "1", "--messages", "60"];
    let late = report(server.address, &words);
    assert_eq!(late["messages"]["accepted"], 60, "{late}");
    assert_eq!(
        (&late["rate_reached"], &late["passed"]),
        (&false.into(), &false.into())
    );
    let allowed = report(server.address, &[&words[..], &["--allow-less"]].concat());
    assert_eq!(allowed["passed"], true, "{allowed}");
    assert_eq!(allowed["options"]["allow_less"], true);
}
