//! The line at the end of a run of the tests that says what was skipped, and why.

mod support;

use std::process::{Command, Stdio};

/// Runs this as the child of a new shell, which takes the part of a run's cargo, once with each of these values of the variable
/// by which a test here skips, and then the target that prints the sum.
fn sum(reasons: &[(&str, &str)]) -> String {
    let this = std::env::current_exe().unwrap();
    let mut script = String::new();
    for (test, reason) in reasons {
        script += &format!("SKIP_REASON='{reason}' \"$0\" --exact {test} --ignored >&2\n");
    }
    // What a shell would exec in its own place is not its child.
    script += "SKIP_SUM=1 \"$0\" --exact the_sum --ignored --nocapture\n:\n";
    let output = Command::new("/bin/sh")
        .args(["-c", &script])
        .arg(this)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("skipped"))
        .collect();
    let [line] = *lines else { panic!("{said}") };
    line.to_owned()
}

#[test]
#[ignore = "run by the_end_of_a_run_counts_what_it_skipped, as another process"]
fn the_sum() {
    if std::env::var_os("SKIP_SUM").is_some() {
        support::skips::report();
    }
}

#[test]
#[ignore = "run by the_end_of_a_run_counts_what_it_skipped, as another process"]
fn one_that_skips() {
    if let Ok(reason) = std::env::var("SKIP_REASON") {
        support::tools::say_skipped(&reason);
    }
}

#[test]
#[ignore = "run by the_end_of_a_run_counts_what_it_skipped, as another process"]
fn another_that_skips() {
    one_that_skips();
}

#[test]
fn the_end_of_a_run_counts_what_it_skipped() {
    let (one, another) = ("one_that_skips", "another_that_skips");
    assert_eq!(sum(&[]), "skipped: no test");
    assert_eq!(
        sum(&[
            (one, "no java"),
            (one, "no java"),
            (another, "no java"),
            (another, "no exim4: none")
        ]),
        "skipped, in whole or in part: 2 of the tests: no java (2); no exim4: none (1)"
    );
    // Each run counts for itself.
    assert_eq!(
        sum(&[(one, "no swaks")]),
        "skipped, in whole or in part: 1 of the tests: no swaks (1)"
    );
}
