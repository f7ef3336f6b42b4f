//! Writes the manual pages and completions into a folder: `cargo run --release -p ringpost-pages -- FOLDER`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: ringpost-pages FOLDER");
        return ExitCode::from(2);
    };
    match ringpost_pages::write(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringpost-pages: {error}");
            ExitCode::FAILURE
        }
    }
}
