//! What a package of ringpost brings besides the program: the help of every command, manual pages, completions. All of it is made of
//! the flags, so what is held here is that the flags say enough, and that man, bash, zsh and fish take what is made.

#[path = "package/shells.rs"]
mod shells;
mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use ringpost::command::line;
use support::tools::{find_or_say, run};

/// A terminal that everybody has.
const COLUMNS: usize = 80;
const LINES: usize = 36;

fn ringpost(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(arguments)
        .env_clear()
        .output()
        .expect("the binary starts")
}

/// Every command that the help shows, by its words; the program itself is the first.
fn commands() -> Vec<(String, clap::Command)> {
    let mut program = line::command();
    program.build();
    let mut found = Vec::new();
    collect(program, String::new(), &mut found);
    assert!(found.len() > 10, "{}", found.len());
    found
}

fn collect(command: clap::Command, words: String, found: &mut Vec<(String, clap::Command)>) {
    for inner in command.get_subcommands() {
        if !inner.is_hide_set() && inner.get_name() != "help" {
            let words = format!("{words} {}", inner.get_name());
            collect(inner.clone(), words.trim_start().to_owned(), found);
        }
    }
    found.insert(0, (words, command));
}

fn help_of(flag: &clap::Arg) -> String {
    let help = flag.get_long_help().or_else(|| flag.get_help());
    help.map_or(String::new(), ToString::to_string)
}

/// The flags of a command that are not clap's.
fn flags(command: &clap::Command) -> impl Iterator<Item = &clap::Arg> {
    let ours = |flag: &&clap::Arg| !["help", "version"].contains(&flag.get_id().as_str());
    command
        .get_opts()
        .chain(command.get_arguments().filter(|flag| !takes_value(flag)))
        .filter(ours)
}

fn takes_value(flag: &clap::Arg) -> bool {
    flag.get_num_args()
        .is_some_and(|range| range.takes_values())
}

#[test]
fn every_flag_says_its_default() {
    let mut silent = BTreeSet::new();
    for (words, command) in commands() {
        for flag in flags(&command).filter(|flag| takes_value(flag)) {
            let help = help_of(flag);
            let is_said = flag.is_required_set()
                || !flag.get_default_values().is_empty()
                || help.contains("[default: ");
            if !is_said {
                silent.insert(format!("{words} --{}", flag.get_long().unwrap_or_default()));
            }
        }
    }
    assert!(
        silent.is_empty(),
        "no [default: …] in the help of: {silent:#?}"
    );
}

#[test]
fn every_flag_of_an_option_names_its_variable() {
    use ringpost::config::options::SETTINGS;
    let (_, serve) = commands()
        .into_iter()
        .find(|(words, _)| words == "serve")
        .unwrap();
    for setting in SETTINGS.iter() {
        let Some(name) = setting.flag else { continue };
        let flag = flags(&serve).find(|flag| flag.get_long() == name.strip_prefix("--"));
        let help = help_of(flag.unwrap_or_else(|| panic!("serve has no flag {name}")));
        for part in [
            setting.variable(),
            setting.allowed().replace('`', ""),
            setting.key.to_owned(),
        ] {
            assert!(help.contains(&part), "{name}: {part}: {help}");
        }
    }
}

/// Of what is refused, the range is in the help as it is in the error.
#[test]
fn a_range_in_an_error_is_in_the_help() {
    let range = regex_lite::Regex::new(r"from (\S+) to (\S+) is allowed").unwrap();
    let mut seen = 0;
    for (words, command) in commands() {
        for flag in flags(&command).filter(|flag| takes_value(flag)) {
            let Some(long) = flag.get_long() else {
                continue;
            };
            for wrong in ["x", "9999999h", "99999999999"] {
                let given = format!("--{long}={wrong}");
                let line = ["ringpost"]
                    .into_iter()
                    .chain(words.split_whitespace())
                    .chain([&given[..]]);
                let Err(error) = line::command().try_get_matches_from(line) else {
                    continue;
                };
                let error = error.to_string();
                let Some(found) = range.captures(&error) else {
                    continue;
                };
                let stated = format!("{} to {}", &found[1], &found[2]);
                let help = help_of(flag);
                assert!(help.contains(&stated), "{words} --{long}: {stated}: {help}");
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "{seen} ranges were looked at");
}

#[test]
fn every_command_ends_with_examples_that_parse_and_exit_codes() {
    for (words, command) in commands() {
        let end = command.get_after_long_help();
        let end = end
            .unwrap_or_else(|| panic!("{words}: no row in src/command/endings.rs"))
            .to_string();
        let (examples, codes) = end.split_once("\n\nExit status:\n").expect("both parts");
        assert!(codes.contains("wrong usage"), "{words}: {codes}");
        let mut tried = 0;
        for example in examples.lines().filter(|line| line.starts_with("    ")) {
            for line in lines_of_ringpost(example) {
                let parsed = line::command().try_get_matches_from(&line);
                assert!(parsed.is_ok(), "{line:?}: {}", parsed.unwrap_err());
                tried += 1;
            }
        }
        assert!(tried > 1, "{words}: {examples}");
    }
}

/// The commands of ringpost in a line of a shell, word by word.
fn lines_of_ringpost(line: &str) -> Vec<Vec<String>> {
    let ours = line.split("&&").filter_map(|part| {
        part.find("ringpost ")
            .or_else(|| part.trim().eq("ringpost").then_some(0))
            .map(|at| &part[at..])
    });
    // The shell itself says what the words are.
    let words = |part: &str| {
        let (command, _) = part.split_once(" >").unwrap_or((part, ""));
        let mut shell = Command::new("sh");
        let said = run(
            shell.arg("-c").arg(format!("printf '%s\\n' {command}")),
            b"",
        );
        String::from_utf8(said.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    };
    ours.map(words).collect()
}

#[test]
fn the_short_help_fits_a_screen() {
    for (words, command) in commands() {
        let text = command.term_width(COLUMNS).render_help().to_string();
        assert!(
            text.lines().count() <= LINES,
            "{words}: {} lines:\n{text}",
            text.lines().count()
        );
    }
}

#[test]
fn a_wrong_word_is_one_error_with_the_near_name() {
    for (arguments, near) in [
        (&["serve", "--listn", "127.0.0.1:0"][..], "--listen"),
        (&["--brokrs", "k:9092"], "--brokers"),
        (&["cosume"], "consume"),
        (&["check", "--strickt"], "--strict"),
        (
            &[
                "forward",
                "--group",
                "g",
                "--to",
                "smtp://x",
                "--concurency",
                "1",
            ],
            "--concurrency",
        ),
        (&["recipients", "ad", "joe@example.com"], "add"),
    ] {
        let output = ringpost(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.matches("error:").count(), 1, "{said}");
        assert!(said.contains(&format!("'{near}'")), "{arguments:?}: {said}");
    }
}

#[test]
fn the_version_names_what_the_binary_is_made_of() {
    let text = |flag| String::from_utf8(ringpost(&[flag]).stdout).unwrap();
    assert_eq!(
        text("-V"),
        format!("ringpost {}\n", env!("CARGO_PKG_VERSION"))
    );
    let long = text("--version");
    for part in [
        concat!("ringpost ", env!("CARGO_PKG_VERSION"), "\n"),
        "\ncommit      ",
        "\nengines     io_uring, epoll; here ",
        "\nlibrdkafka  2.",
        "\nOpenSSL     3.",
    ] {
        assert!(long.contains(part), "{part}: {long}");
    }
}

/// A folder with manual pages and completions.
fn made() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    ringpost_pages::write(folder.path()).unwrap();
    folder
}

fn pages(folder: &Path) -> Vec<String> {
    let sections = ["ringpost/man1", "ringpost/man5", "ringpost-loadtest/man1"]
        .map(|section| std::fs::read_dir(folder.join(section)).unwrap());
    let mut names: Vec<String> = sections
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn there_is_a_manual_page_for_each_command_and_the_configuration() {
    let folder = made();
    let name = |words: &str| {
        format!(
            "ringpost/man1/{}.1",
            format!("ringpost {words}").trim().replace(' ', "-")
        )
    };
    let mut expected: Vec<String> = commands().iter().map(|(words, _)| name(words)).collect();
    expected.push("ringpost/man5/ringpost.toml.5".to_owned());
    for name in [
        "ringpost-loadtest",
        "ringpost-loadtest-compare",
        "ringpost-loadtest-sink",
    ] {
        expected.push(format!("ringpost-loadtest/man1/{name}.1"));
    }
    expected.sort();
    let prefix = format!("{}/", folder.path().display());
    let made: Vec<String> = pages(folder.path())
        .iter()
        .map(|page| page.replace(&prefix, ""))
        .collect();
    assert_eq!(made, expected);
}

#[test]
fn man_and_mandoc_have_nothing_to_complain_of() {
    let folder = made();
    let mut complaints = String::new();
    for (program, arguments) in [
        (
            "man",
            &["--warnings", "--encoding=utf8", "--local-file"][..],
        ),
        ("mandoc", &["-T", "lint", "-W", "warning"]),
    ] {
        let Some(program) = find_or_say(program) else {
            continue;
        };
        for page in pages(folder.path()) {
            let output = Command::new(&program)
                .args(arguments)
                .arg(&page)
                .env("MANWIDTH", "80")
                .env("LC_ALL", "C.UTF-8")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let shown = String::from_utf8_lossy(&output.stdout).into_owned();
            if !output.status.success() || !said.is_empty() {
                complaints += &format!("{page}: {said}{shown}\n");
            }
        }
    }
    assert!(complaints.is_empty(), "{complaints}");
}
