//! The load tester. BUGS: not built yet.
fn main() -> std::process::ExitCode {
    eprintln!("ringpost-loadtest: not built yet");
    std::process::ExitCode::FAILURE
}
