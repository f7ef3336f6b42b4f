//! Completions in the shells themselves.
//!
//! BUGS: zsh is driven through a terminal of its own module; a zsh without zsh/zpty is not tried.

use std::path::Path;
use std::process::Command;

use crate::made;
use crate::support::tools::{find_or_say, run};

/// What a script prints in a shell that reads no file of its user's.
fn said(shell: &Path, arguments: &[&str], script: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(shell);
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .env("HOME", home.path())
        .env("TERM", "dumb");
    let output = run(&mut command, script.as_bytes());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let Some(bash) = find_or_say("bash") else {
        return;
    };
    let folder = made();
    for (words, expected) in [
        ("ringpost con", "consume"),
        ("ringpost consume --unt", "--until-end"),
        ("ringpost consume --format maild", "maildir"),
        ("ringpost recipients im", "import"),
        ("ringpost --lis", "--listen"),
    ] {
        let script = format!(
            "source {}/ringpost/completions/ringpost\nCOMP_WORDS=({words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             _ringpost ringpost \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            folder.path().display()
        );
        let said = said(&bash, &["--norc"], &script);
        assert_eq!(said.lines().collect::<Vec<_>>(), [expected], "{words}");
    }
}

#[test]
fn fish_completes_commands_flags_and_values() {
    let Some(fish) = find_or_say("fish") else {
        return;
    };
    let folder = made();
    for (words, expected) in [
        ("ringpost con", "consume"),
        ("ringpost consume --unt", "--until-end"),
        ("ringpost consume --format maild", "maildir"),
        ("ringpost recipients im", "import"),
    ] {
        let script = format!(
            "source {}/ringpost/completions/ringpost.fish\ncomplete -C '{words}'\n",
            folder.path().display()
        );
        let said = said(&fish, &["--no-config"], &script);
        let offered: Vec<&str> = said
            .lines()
            .filter_map(|line| line.split('\t').next())
            .collect();
        assert_eq!(offered, [expected], "{words}");
    }
}

#[test]
fn zsh_completes_commands_and_flags() {
    let Some(zsh) = find_or_say("zsh") else {
        return;
    };
    let folder = made();
    for (words, expected) in [
        ("ringpost con", "consume"),
        ("ringpost consume --unt", "--until-end"),
    ] {
        // A shell in a terminal of the outer one: the tab completes the line, and the line is shown.
        let script = format!(
            "zmodload zsh/zpty || exit 1\n\
             zpty inner zsh -f -i\n\
             zpty -w inner 'PS1=; fpath=({}/ringpost/completions $fpath); autoload -Uz compinit; compinit -u -D; print -r -- re\"\"ady'\n\
             zpty -r -m inner shown '*ready*'\n\
             zpty -w -n inner $'{words}\\t'\n\
             zpty -r -m inner shown '*{expected}*'\n\
             print -r -- $shown\n\
             zpty -d inner\n",
            folder.path().display()
        );
        let said = said(&zsh, &["-f"], &script);
        assert!(said.contains(expected), "{words}: {said}");
    }
}
