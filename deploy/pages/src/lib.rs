//! Manual pages and completions, made of the flags of the programs and of the table of options.
//!
//! Owns: which files there are: a folder for each program, and in it `man1`, `man5` and `completions`. Must not know: a flag, a command or an option in particular.
//!
//! Invariant: the same sources and the same SOURCE_DATE_EPOCH make the same files.

mod commands;
mod configuration;

use std::io;
use std::path::Path;

use clap_complete::Shell;
use jiff::Timestamp;

/// A file of a package.
struct File {
    /// Such as `ringpost/man1/ringpost-serve.1`.
    path: String,
    text: Vec<u8>,
}

/// Writes all of them below a folder.
///
/// # Errors
/// What the kernel says, with the path.
pub fn write(folder: &Path) -> io::Result<()> {
    for file in files() {
        let path = folder.join(&file.path);
        let parent = path.parent().expect("every file is in a folder");
        std::fs::create_dir_all(parent)?;
        std::fs::write(&path, &file.text).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
    }
    Ok(())
}

/// The command lines of the programs.
pub fn programs() -> [clap::Command; 2] {
    [
        ringpost::command::line::command(),
        ringpost_loadtest::command(),
    ]
}

fn files() -> Vec<File> {
    let date = date();
    let mut files = vec![configuration::page(&date)];
    for program in programs() {
        files.extend(completions(&program));
        files.extend(commands::pages(program, &date));
    }
    files
}

/// The day of the sources, where a build says it.
fn date() -> String {
    let seconds = std::env::var("SOURCE_DATE_EPOCH").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let time = time.unwrap_or_else(Timestamp::now);
    time.strftime("%Y-%m-%d").to_string()
}

/// Under the names that the shells look for.
fn completions(program: &clap::Command) -> [File; 3] {
    let name = program.get_name().to_owned();
    let of = |shell, file: String| {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut program.clone(), &name, &mut text);
        let path = format!("{name}/completions/{file}");
        File { path, text }
    };
    [
        of(Shell::Bash, name.clone()),
        of(Shell::Zsh, format!("_{name}")),
        of(Shell::Fish, format!("{name}.fish")),
    ]
}
