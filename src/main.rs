//! The program. BUGS: no command is built yet.
fn main() -> std::process::ExitCode {
    eprintln!("ringpost: no command is built yet");
    std::process::ExitCode::FAILURE
}
