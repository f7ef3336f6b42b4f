//! `ringpost health` beside a running server: what a container's health check sees.

mod support;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use support::ringpost::Ringpost;

fn health(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    command.arg("health").args(arguments);
    command.envs(variables.iter().copied()).output().unwrap()
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

#[test]
fn it_asks_where_the_configuration_says() {
    let server = Ringpost::start(&[]);
    // A listener of every interface is asked on loopback.
    let address = server.admin.replace("127.0.0.1", "0.0.0.0");
    let variables = [("RINGPOST_ADMIN_LISTEN", address.as_str())];
    // The broker has not answered yet at the first look.
    let end = Instant::now() + Duration::from_secs(30);
    while health(&["--ready"], &variables).status.code() != Some(0) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    for (arguments, answer) in [(&[][..], "ok\n"), (&["--ready"], "ready\n")] {
        let output = health(arguments, &variables);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(text(&output.stdout), answer);
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn a_flag_names_another_instance_and_one_that_is_gone_is_not_well() {
    let mut server = Ringpost::start(&[]);
    let admin = server.admin.clone();
    assert_eq!(health(&["--admin", &admin], &[]).status.code(), Some(0));

    server.signal("TERM");
    server.child.wait().unwrap();
    let output = health(&["--admin", &admin], &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert!(
        said.starts_with(&format!("ringpost: http://{admin}/healthz: ")),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_mistake_in_the_configuration_is_wrong_usage() {
    let output = health(&[], &[("RINGPOST_ADMIN_LISTEN", "9925")]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = health(&[], &[("RINGPOST_ADMIN_LISTEN", "127.0.0.1:0")]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        text(&output.stderr).contains("name it with --admin"),
        "{output:?}"
    );
}
