//! An example as a process: the command of its README, in a copy of its folder.
//!
//! Owns: the command, what it prints, its end. Must not know: what it is to print.
//!
//! Invariant: the process and its children end with the value that represents them.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::stage::Stage;
use super::support::{skips, tools};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(300);
/// What packages may take to come, before the example is skipped.
const FETCH: Duration = Duration::from_secs(300);
/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(100);
/// A compiler that says this has found a fault of the example's: its packages have come.
const FAULTS: [&str; 2] = ["COMPILATION ERROR", "npm error code EUSAGE"];

/// A running example.
pub struct Program {
    child: Child,
    printed: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    name: &'static str,
    copy: Option<TempDir>,
}

impl Program {
    /// Installs and starts it; none where that cannot be done here.
    pub fn start(name: &'static str, toolchain: &[&str], stage: &Stage) -> Option<Self> {
        for tool in toolchain {
            if tools::find_or_say(tool).is_none() {
                assert!(!required(), "{name}: {tool} is not installed");
                return None;
            }
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples")
            .join(name);
        let command = command_of(&source.join("README.md"));
        // The last part is the example; what comes before installs it.
        let (install, run) = match command.rsplit_once(" && ") {
            Some((install, run)) => (Some(install), run),
            None => (None, &*command),
        };
        // A member of the workspace is built where it is, into the workspace's target folder.
        let copy = install.map(|_| copy(&source));
        let folder = copy.as_ref().map_or(&*source, TempDir::path);
        if let Some(install) = install
            && let Err(reason) = fetch(install, folder)
        {
            assert!(!required(), "{name}: {install}: {reason}");
            let fault = FAULTS.iter().any(|fault| reason.contains(fault));
            assert!(!fault, "{name}: {install}: {reason}");
            skips::say(&format!(
                "{name} cannot be installed: {}",
                first_lines(&reason)
            ));
            return None;
        }
        let mut shell = shell(run, folder);
        shell.env("BROKERS", &stage.brokers).env("GROUP", name);
        // The one that writes files writes them at once.
        shell.env("EVERY", "1");
        Some(Self::watch(shell, name, copy))
    }

    fn watch(mut shell: Command, name: &'static str, copy: Option<TempDir>) -> Self {
        let mut child = shell.spawn().expect("/bin/sh runs");
        let printed = Arc::new(Mutex::new(Vec::new()));
        let errors = Arc::new(Mutex::new(String::new()));
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let said = BufReader::new(child.stderr.take().expect("a pipe"));
        let readers = vec![
            each_line(
                output,
                Arc::clone(&printed),
                |all: &mut Vec<String>, line| {
                    all.push(line);
                },
            ),
            each_line(said, Arc::clone(&errors), |all: &mut String, line| {
                *all += &line;
                all.push('\n');
            }),
        ];
        Self {
            child,
            printed,
            errors,
            readers,
            name,
            copy,
        }
    }

    /// The lines that it has printed.
    pub fn lines(&self) -> Vec<String> {
        self.printed.lock().unwrap().clone()
    }

    /// The lines of another command in its folder, run to its end.
    pub fn also(&self, command: &str) -> Vec<String> {
        let folder = self.copy.as_ref().expect("it runs in a copy").path();
        let output = tools::run(&mut shell(command, folder), b"");
        let text = String::from_utf8(output.stdout).expect("text in UTF-8");
        text.lines().map(str::to_owned).collect()
    }

    /// What it has said on standard error.
    pub fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// Looks until this holds.
    ///
    /// # Panics
    /// If the program ends first, or it takes too long.
    pub fn wait_until(&mut self, what: &str, holds: impl Fn(&[String]) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(&self.lines()) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < end,
                "{} before {what}: {ended:?}: {:?}\n{}",
                self.name,
                self.lines(),
                self.errors()
            );
            std::thread::sleep(POLL);
        }
    }

    /// Ends it as Ctrl-C in a service's terminal would, and reads it to its end.
    pub fn stop(&mut self) {
        signal(&self.child, "TERM");
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader of a pipe");
        }
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.readers.is_empty() {
            signal(&self.child, "KILL");
            let _ = self.child.wait();
        }
    }
}

/// Whether a missing toolchain or package is a failure.
fn required() -> bool {
    std::env::var("RINGPOST_REQUIRE_EXAMPLES").is_ok_and(|value| value == "1")
}

/// The one command of a README: its first block of shell.
fn command_of(readme: &Path) -> String {
    let text = fs::read_to_string(readme).unwrap();
    let (_, block) = text.split_once("```sh\n").expect("a block of shell");
    let (command, _) = block.split_once("\n```").expect("its end");
    assert!(!command.contains('\n'), "one command: {command}");
    command.to_owned()
}

/// A copy of an example, without what a run in the source tree may have left there.
fn copy(source: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_into(source, copy.path());
    copy
}

fn copy_into(source: &Path, target: &Path) {
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let to = target.join(&name);
        if [".venv", "node_modules", "target"]
            .iter()
            .any(|left| name == *left)
        {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy_into(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A command in a folder, as the leader of its own group of processes.
fn shell(command: &str, folder: &Path) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).current_dir(folder);
    // No other release of Go is fetched for this, and pip asks for no newer pip.
    shell.env("GOTOOLCHAIN", "local");
    shell.env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    shell
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    shell.process_group(0);
    shell
}

/// Runs what installs an example; an error is what it said.
fn fetch(command: &str, folder: &Path) -> Result<(), String> {
    let mut child = shell(command, folder).spawn().expect("/bin/sh runs");
    let said = Arc::new(Mutex::new(String::new()));
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let take = |all: &mut String, line: String| {
        *all += &line;
        all.push('\n');
    };
    let readers = [
        each_line(
            BufReader::new(output.expect("a pipe")),
            Arc::clone(&said),
            take,
        ),
        each_line(
            BufReader::new(errors.expect("a pipe")),
            Arc::clone(&said),
            take,
        ),
    ];
    let end = Instant::now() + FETCH;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            signal(&child, "KILL");
        }
        std::thread::sleep(POLL);
    };
    for reader in readers {
        reader.join().expect("a reader of a pipe");
    }
    if status.success() {
        return Ok(());
    }
    Err(format!("{status}\n{}", said.lock().unwrap()))
}

/// Reads lines until the end, on a thread.
fn each_line<T: Send + 'static>(
    from: BufReader<impl Read + Send + 'static>,
    into: Arc<Mutex<T>>,
    take: impl Fn(&mut T, String) + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in from.lines() {
            take(&mut into.lock().unwrap(), line.expect("text in UTF-8"));
        }
    })
}

/// Signals the group of processes that this one leads.
fn signal(child: &Child, name: &str) {
    let _ = Command::new("/bin/sh")
        .args(["-c", "kill -s \"$0\" -- \"-$1\"", name])
        .arg(child.id().to_string())
        .stderr(Stdio::null())
        .status();
}

fn first_lines(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.take(3).collect::<Vec<_>>().join(" | ")
}
