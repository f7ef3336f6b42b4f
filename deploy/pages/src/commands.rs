//! The manual pages of the commands, in section 1, made of their flags and of the text after their help.
//!
//! Owns: the sections of such a page. Must not know: a flag or a command in particular.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::File;

const VARIABLES: &str = "A flag beats its variable, which beats the configuration file. Each option of the file has a variable: \
                         RINGPOST_, its table, its name, such as RINGPOST_KAFKA_BROKERS.";
const CONFIGURATION: &str = "The configuration that the systemd unit names. Without --config and RINGPOST_CONFIG no file is read.";

/// The page of each command that the help of a program shows.
pub(crate) fn pages(program: Command, date: &str) -> Vec<File> {
    // Every page would list `help` as a command.
    let mut program = program.disable_help_subcommand(true);
    // Fills in the names of the commands below.
    program.build();
    let mut pages = Vec::new();
    collect(&program, program.get_name(), date, &mut pages);
    pages
}

fn collect(command: &Command, program: &str, date: &str, pages: &mut Vec<File>) {
    pages.push(page(command, program, date));
    for inner in shown(command) {
        collect(inner, program, date, pages);
    }
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
}

fn page(command: &Command, program: &str, date: &str) -> File {
    let source = format!("{program} {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone())
        .date(date)
        .source(source)
        .manual(program);
    let mut text = Vec::new();
    sections(&man, command, program, &mut text).expect("a Vec takes every write");
    let text = String::from_utf8(text).expect("a page is text");
    File {
        path: format!("{program}/man1/{}", man.get_filename()),
        text: without_empty_lines(&text).into_bytes(),
    }
}

/// Paragraphs inside of a flag's help are parted by empty lines, which are no part of the language. A break beside one is of no use.
fn without_empty_lines(text: &str) -> String {
    let parted = text.replace("\n\n", "\n.sp\n");
    parted
        .replace("\n.br\n.sp\n", "\n.sp\n")
        .replace("\n.sp\n.br\n", "\n.sp\n")
}

fn sections(man: &Man, command: &Command, program: &str, text: &mut Vec<u8>) -> io::Result<()> {
    man.render_title(text)?;
    man.render_name_section(text)?;
    man.render_synopsis_section(text)?;
    man.render_description_section(text)?;
    man.render_options_section(text)?;
    if shown(command).next().is_some() {
        man.render_subcommands_section(text)?;
    }
    let mut more = Roff::new();
    let ending = command.get_after_long_help().or(command.get_after_help());
    if let Some(ending) = ending {
        ended(&ending.to_string(), &mut more);
    }
    if program == "ringpost" {
        surroundings(&mut more);
    }
    see_also(command, program, &mut more);
    more.to_writer(text)
}

/// What is after the help: each paragraph is a section if its first line begins with a title and a colon.
fn ended(text: &str, more: &mut Roff) {
    for paragraph in text.split("\n\n") {
        match paragraph.split_once(':') {
            Some((title, rest)) if !title.contains(['\n', ',', '.']) => {
                more.control("SH", [&*title.to_uppercase()]);
                lines(
                    rest.trim_matches('\n').trim_start_matches(' '),
                    rest.starts_with('\n'),
                    more,
                );
            }
            _ => lines(paragraph, false, more),
        }
    }
}

/// As they are, or as prose.
fn lines(text: &str, as_they_are: bool, more: &mut Roff) {
    if as_they_are {
        more.control("nf", []);
    }
    for line in text.lines() {
        more.text([roman(line)]);
    }
    if as_they_are {
        more.control("fi", []);
    }
}

/// Variables and files of the server and its consumers.
fn surroundings(more: &mut Roff) {
    more.control("SH", ["ENVIRONMENT"]);
    more.text([roman(VARIABLES)]);
    more.control("SH", ["FILES"]);
    more.control("TP", []);
    more.text([bold("/etc/ringpost/ringpost.toml")]);
    more.text([roman(CONFIGURATION)]);
}

fn see_also(command: &Command, program: &str, more: &mut Roff) {
    let is_program = command.get_name() == program;
    let mut pages = Vec::new();
    pages.extend((!is_program).then(|| format!("{program}(1)")));
    pages.extend((program == "ringpost").then(|| "ringpost.toml(5)".to_owned()));
    if !pages.is_empty() {
        more.control("SH", ["SEE ALSO"]);
        more.text([roman(pages.join(", "))]);
    }
}
