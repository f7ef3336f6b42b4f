//! Wrong usage is answered with what would be right.

use crate::support::{assert_usage, nobody};

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
        let target = nobody().to_string();
        assert_usage(&[&[&target[..]], words].concat(), parts);
    }
}

#[test]
fn wrong_words_are_answered_with_the_right_ones() {
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
        assert_usage(words, parts);
    }
}
