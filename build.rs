//! Compresses the debug sections of release binaries, so that what a backtrace reads is a third of its size. And names what
//! `ringpost --version` says of the build.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RINGPOST_COMMIT");
    let is_release = env::var("PROFILE").as_deref() == Ok("release");
    if is_release {
        println!("cargo::rustc-link-arg-bins=-Wl,--compress-debug-sections=zlib");
    }
    let commit = env::var("RINGPOST_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty());
    let commit = commit.or_else(|| is_release.then(of_git).flatten());
    let facts = [
        ("COMMIT", commit.unwrap_or_else(|| "unknown".to_owned())),
        (
            "TARGET",
            env::var("TARGET").expect("cargo names the target"),
        ),
        ("RUSTC", rustc()),
        ("OPENSSL", openssl()),
    ];
    // Not RINGPOST_…: `cargo run` hands them to the program, which would take them for options.
    for (name, value) in facts {
        println!("cargo::rustc-env=BUILT_{name}={value}");
    }
}

/// The commit of the sources, with `-modified` where they differ from it. In release builds only: elsewhere each commit would
/// compile the library again.
fn of_git() -> Option<String> {
    for place in ["HEAD", "logs/HEAD"] {
        let path = said_by("git", &["rev-parse", "--git-path", place])?;
        println!("cargo::rerun-if-changed={path}");
    }
    for place in SOURCES {
        println!("cargo::rerun-if-changed={place}");
    }
    let commit = said_by("git", &["rev-parse", "--short=12", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let modified = match said_by("git", &status)?.is_empty() {
        true => "",
        false => "-modified",
    };
    Some(format!("{commit}{modified}"))
}

/// What a binary is made of.
const SOURCES: [&str; 4] = ["src", "proto/src", "Cargo.toml", "Cargo.lock"];

fn rustc() -> String {
    let rustc = env::var("RUSTC").expect("cargo names the compiler");
    said_by(&rustc, &["--version"]).unwrap_or_else(|| "an unknown rustc".to_owned())
}

/// Version 3.5.4 is 0x30500040; openssl-sys reads it from the headers that librdkafka is compiled with.
fn openssl() -> String {
    let number = env::var("DEP_OPENSSL_VERSION_NUMBER").expect("openssl-sys names the version");
    let number = u64::from_str_radix(&number, 16).expect("a hexadecimal number");
    let (major, minor, patch) = (number >> 28, number >> 20 & 0xff, number >> 4 & 0xffff);
    match env::var_os("CARGO_FEATURE_VENDORED_OPENSSL") {
        Some(_) => format!("{major}.{minor}.{patch}, built in"),
        None => format!("the system's, compiled with the headers of {major}.{minor}.{patch}"),
    }
}

/// The line that a program prints; nothing where it cannot run, or fails.
fn said_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = output.status.success().then_some(output.stdout)?;
    Some(String::from_utf8(text).ok()?.trim().to_owned())
}
