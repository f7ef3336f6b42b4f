//! The real binary under the filters of container engines: the profile in deploy/, the default one, and others that refuse io_uring.
//!
//! Owns: which engine serves under which filter, what is said about it, and that mail is taken. Must not know: how an engine works.
//!
//! BUGS: a filter is tried, not an engine: capabilities, namespaces and limits are those of the test.

mod support;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::filter::{self, ENTER, Filter, REGISTER, SETUP};
use support::ringpost::Ringpost;
use support::tools;

const BINARY: &str = env!("CARGO_BIN_EXE_ringpost");

/// A server under the filter, whose log can be read.
fn serve(filter: &Filter, flags: &[&str]) -> Ringpost {
    let mut command = filter.command(BINARY);
    command.env("RINGPOST_LOG_MESSAGES", "false");
    // A record is as long as its mail.
    command.env("RINGPOST_SERVER_TRACE", "false");
    command.stderr(File::create(log(filter)).unwrap());
    let ringpost = Ringpost::launch_heard(command, flags);
    let process = Path::new("/proc").join(ringpost.child.id().to_string());
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    assert!(status.contains("Seccomp:\t2"), "the filter is on: {status}");
    ringpost
}

fn log(filter: &Filter) -> PathBuf {
    filter.folder().join("log")
}

/// The lines of the last server's log that say why it is not io_uring.
fn why_not_io_uring(filter: &Filter) -> Vec<String> {
    let log = std::fs::read_to_string(log(filter)).unwrap();
    let about = log
        .lines()
        .filter(|line| line.contains("io_uring is unavailable"));
    about.map(str::to_owned).collect()
}

fn run(filter: &Filter, arguments: &[&str]) -> Output {
    filter.command(BINARY).args(arguments).output().unwrap()
}

/// A server that does not start: its one line.
fn refused(filter: &Filter, flags: &[&str]) -> String {
    let free = ["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let output = run(filter, &[&free, flags].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// What `check` says about the engine: its verdict, and why.
fn check(mut command: Command, flags: &[&str]) -> (String, String) {
    command.args(["check", "--hostname", "mx.example"]);
    let output = command.args(flags).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let about = lines.lines().filter_map(|line| {
        let (verdict, rest) = line.split_once(' ')?;
        let text = rest.trim_start().strip_prefix("io ")?.trim_start();
        Some((verdict.to_owned(), text.to_owned()))
    });
    let [line] = &about.collect::<Vec<_>>()[..] else {
        panic!("{lines}");
    };
    let failed = output.status.code() == Some(1);
    assert_eq!(failed, line.0 == "failed", "{lines}");
    line.clone()
}

fn serves_by(ringpost: &Ringpost, io: &str) {
    let ready = ringpost.ready.trim_end();
    assert!(ready.ends_with(&format!(" io={io}")), "{ready}");
    let metrics = ringpost.metrics();
    for engine in ["io_uring", "epoll"] {
        let shown = metrics[&format!("ringpost_io_info{{io=\"{engine}\"}}")];
        assert_eq!(shown == 1.0, engine == io, "{engine}: {shown}");
    }
}

/// Takes two mails, gives them back, reloads and drains.
fn works(filter: &Filter, mut ringpost: Ringpost) {
    let mut client = ringpost.client().unwrap();
    // One that fits its first buffer, and one that is read in pieces.
    for octets in [10, 1_000_000] {
        let mut message = vec![b'x'; octets];
        message.extend_from_slice(b"\r\n");
        client.deliver(&message).unwrap();
    }
    let read = run(
        filter,
        &[
            "consume",
            "--brokers",
            &ringpost.kafka,
            "--from",
            "beginning",
            "--until-end",
            "--format",
            "json",
        ],
    );
    let said = String::from_utf8_lossy(&read.stderr);
    assert_eq!(read.status.code(), Some(0), "{said}");
    let lines = String::from_utf8(read.stdout).unwrap();
    let sizes: BTreeSet<u64> = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["size"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(sizes, BTreeSet::from([12, 1_000_002]));
    ringpost.signal("HUP");
    while ringpost.metric("ringpost_reloads_total{result=\"applied\"}") < 1.0 {
        std::thread::yield_now();
    }
    ringpost.signal("TERM");
    assert_eq!(ringpost.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_profile_of_ours_allows_all_that_the_server_does_on_either_engine() {
    let Some(filter) = Filter::new(&filter::ours()) else {
        return;
    };
    let ringpost = serve(&filter, &["--io", "epoll"]);
    serves_by(&ringpost, "epoll");
    works(&filter, ringpost);
    let without_filter = check(Command::new(BINARY), &["--io", "io_uring"]);
    if without_filter.0 == "failed" {
        return tools::say_skipped(&without_filter.1);
    }
    let ringpost = serve(&filter, &[]);
    serves_by(&ringpost, "io_uring");
    assert_eq!(why_not_io_uring(&filter), [""; 0]);
    works(&filter, ringpost);
}

#[test]
fn under_the_default_profile_the_quick_start_takes_mail_and_gives_it_back() {
    let Some(filter) = Filter::new(&filter::default()) else {
        return;
    };
    let ringpost = serve(&filter, &[]);
    serves_by(&ringpost, "epoll");
    works(&filter, ringpost);
    // Once, with the cause, what serves instead, and what would allow it.
    let [line] = &why_not_io_uring(&filter)[..] else {
        panic!("{:?}", why_not_io_uring(&filter));
    };
    for part in [
        "WARN",
        "io_uring is unavailable",
        "Operation not permitted",
        "epoll serves",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(allows_it(line), "{line}");
}

/// Whether a line names what would allow io_uring here: the profile, or the kernel's setting where that forbids it as well.
fn allows_it(line: &str) -> bool {
    line.contains("--security-opt seccomp=deploy/seccomp.json")
        || line.contains("sysctl -w kernel.io_uring_disabled=0")
}

#[test]
fn under_the_default_profile_epoll_can_be_asked_for_and_io_uring_is_refused() {
    let Some(filter) = Filter::new(&filter::default()) else {
        return;
    };
    let ringpost = serve(&filter, &["--io", "epoll"]);
    serves_by(&ringpost, "epoll");
    assert_eq!(why_not_io_uring(&filter), [""; 0], "it was not asked for");
    works(&filter, ringpost);
    let said = refused(&filter, &["--io", "io_uring"]);
    for part in [
        "io_uring is unavailable",
        "Operation not permitted",
        "--io epoll",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(allows_it(&said), "{said}");
}

#[test]
fn check_warns_of_the_other_engine_and_fails_without_the_one_that_was_asked_for() {
    let Some(filter) = Filter::new(&filter::default()) else {
        return;
    };
    for (flags, wanted) in [(&[][..], "warning"), (&["--io", "io_uring"], "failed")] {
        let (verdict, text) = check(filter.command(BINARY), flags);
        assert_eq!(verdict, wanted, "{text}");
        assert!(allows_it(&text), "{text}");
    }
    let (verdict, text) = check(filter.command(BINARY), &["--io", "epoll"]);
    assert_eq!(verdict, "ok", "{text}");
}

#[test]
fn only_a_refusal_of_io_uring_leads_to_epoll() {
    const ENOMEM: u32 = 12;
    const EINVAL: u32 = 22;
    const EMFILE: u32 = 24;
    const ENOSYS: u32 = 38;
    let refusals = [
        // Podman's default profile, gVisor, kernels without io_uring.
        ("ENOSYS", filter::default_answering(&[SETUP], ENOSYS)),
        // Kernels that do not know a flag.
        ("EINVAL", filter::default_answering(&[SETUP], EINVAL)),
        // A ring that can be made and not be used.
        ("EPERM", filter::default_with(&[SETUP, REGISTER])),
    ];
    for (errno, profile) in refusals {
        let Some(filter) = Filter::new(&profile) else {
            return;
        };
        let ringpost = serve(&filter, &[]);
        serves_by(&ringpost, "epoll");
        works(&filter, ringpost);
        assert_eq!(why_not_io_uring(&filter).len(), 1, "{errno}");
        let said = refused(&filter, &["--io", "io_uring"]);
        assert!(said.contains("io_uring is unavailable"), "{errno}: {said}");
    }
    for (errno, words) in [(ENOMEM, "ulimit -l"), (EMFILE, "ulimit -n")] {
        let filter = Filter::new(&filter::default_answering(&[SETUP], errno)).unwrap();
        let said = refused(&filter, &["--io", "io_uring"]);
        assert!(said.contains(words), "{errno}: {said}");
        if errno == ENOMEM {
            // Locked memory is counted for all processes of a user: an instance more is to serve as well.
            serves_by(&serve(&filter, &[]), "epoll");
        } else {
            let said = refused(&filter, &[]);
            assert!(said.contains(words), "{errno}: {said}");
        }
        let ringpost = serve(&filter, &["--io", "epoll"]);
        serves_by(&ringpost, "epoll");
    }
}

#[test]
fn epoll_needs_no_call_that_linux_3_10_does_not_have() {
    let without = filter::default_answering(&filter::SINCE_LINUX_3_10, 38);
    let Some(filter) = Filter::new(&without) else {
        return;
    };
    let ringpost = serve(&filter, &[]);
    serves_by(&ringpost, "epoll");
    works(&filter, ringpost);
}

/// What a profile allows: the name of a call, with its condition where it has one.
fn allowed(profile: &Value) -> BTreeSet<(String, String)> {
    let rules = profile["syscalls"].as_array().unwrap().iter();
    let allowing = rules.filter(|rule| rule["action"] == "SCMP_ACT_ALLOW");
    let named = allowing.flat_map(|rule| {
        let names = rule["names"].as_array().unwrap().iter();
        names.map(|name| (name.as_str().unwrap().to_owned(), rule["args"].to_string()))
    });
    named.collect()
}

#[test]
fn the_profile_of_ours_allows_io_uring_and_otherwise_less_than_the_default_one() {
    let (ours, default) = (allowed(&filter::ours()), allowed(&filter::default()));
    let (more, same): (Vec<_>, Vec<_>) = ours
        .iter()
        .filter(|(name, _)| name != "socket")
        .partition(|call| !default.contains(*call));
    let more: BTreeSet<&str> = more.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(more, BTreeSet::from([SETUP, ENTER, REGISTER]));
    assert!(
        same.len() < default.len() / 2,
        "{} of {}",
        same.len(),
        default.len()
    );
    // Named one by one in ours; in the default one all below AF_ALG (38), and more.
    let families = ours.iter().filter(|(name, _)| name == "socket");
    for (_, condition) in families {
        let condition: Value = serde_json::from_str(condition).unwrap();
        assert_eq!(condition[0]["op"], "SCMP_CMP_EQ");
        assert!(condition[0]["value"].as_u64().unwrap() < 38, "{condition}");
    }
}
