//! Builds the simulation in a copy of the tree and runs its seeds.
//!
//! Owns: the copy, and what a run of the seeds came to. Must not know: what a mutant is about.
//!
//! Invariant: after each trial the copy is the tree as it is again.

use std::collections::HashSet;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::list::Mutant;

/// The seeds of `cargo test --test simulation`.
const SEEDS: &str = "1..501";

/// How long the seeds may take; a mutant that comes to no end is found by that.
const LONGEST: Duration = Duration::from_secs(120);

/// What became of a mutant.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A seed found it.
    Killed {
        /// Which; the seeds begin at 1, so it is their number as well.
        seed: u64,
        /// What did not hold, and the file that says so.
        check: String,
    },
    /// The seeds came to no end.
    Endless,
    /// No seed found anything.
    Survived,
    /// It does not compile, so nothing was tried.
    NotCompiled,
}

impl Verdict {
    /// Whether the simulation has found it.
    pub fn is_kill(&self) -> bool {
        match self {
            Self::Killed { .. } | Self::Endless => true,
            Self::Survived | Self::NotCompiled => false,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed { seed, check } => write!(f, "killed by seed {seed}: {check}"),
            Self::Endless => f.write_str("killed: the seeds come to no end"),
            Self::Survived => f.write_str("SURVIVED"),
            Self::NotCompiled => f.write_str("DOES NOT COMPILE"),
        }
    }
}

/// A copy of the tree, with its own build.
pub struct Tree {
    root: PathBuf,
    target: PathBuf,
}

impl Tree {
    /// Copies what git knows of the tree at `root`. What is in the copy and the same is left alone, so that it is not built
    /// again.
    pub fn copy(root: &Path) -> Self {
        let folder = std::env::var_os("RINGPOST_MUTANTS_FOLDER");
        let folder = folder.map_or(root.join("target/mutants"), PathBuf::from);
        let tree = Self {
            root: folder.join("tree"),
            target: folder.join("target"),
        };
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(root)
            .output()
            .expect("git");
        let names = String::from_utf8(listed.stdout).expect("names are UTF-8");
        let names: HashSet<&str> = names.split_terminator('\0').collect();
        remove_others(&tree.root, &tree.root, &names);
        for name in names {
            let Ok(contents) = std::fs::read(root.join(name)) else {
                // Deleted and not yet committed, or a link to a folder.
                continue;
            };
            tree.put(name, &contents);
        }
        tree.leave_program_out();
        tree
    }

    /// A test is built with the program, which the simulation does not use, and linking it takes longer than all the rest.
    fn leave_program_out(&self) {
        let manifest = std::fs::read_to_string(self.root.join("Cargo.toml")).expect("a manifest");
        let without = manifest.replace("default-run = \"ringpost\"", "autobins = false");
        assert_ne!(manifest, without, "the manifest names its program");
        self.put("Cargo.toml", without.as_bytes());
    }

    fn put(&self, name: &str, contents: &[u8]) {
        let path = self.root.join(name);
        if std::fs::read(&path).is_ok_and(|before| before == contents) {
            return;
        }
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        std::fs::write(path, contents).expect("a copy");
    }

    /// Makes the mutant, tries it, and takes it back.
    pub fn judge_mutant(&self, mutant: &Mutant) -> Verdict {
        let mut before: Vec<(&str, String)> = Vec::new();
        for edit in &mutant.edit {
            let source = std::fs::read_to_string(self.root.join(&edit.file)).expect("a source");
            let changed = edit
                .apply(&source)
                .unwrap_or_else(|why| panic!("{}: {why}", mutant.name));
            before.push((&edit.file, source));
            self.put(&edit.file, changed.as_bytes());
        }
        let verdict = self.judge();
        for (file, source) in before.iter().rev() {
            self.put(file, source.as_bytes());
        }
        verdict
    }

    /// Builds the simulation and runs the seeds until one finds something.
    pub fn judge(&self) -> Verdict {
        let Some(executable) = self.build() else {
            return Verdict::NotCompiled;
        };
        let mut seeds = Command::new(executable)
            .args(["--ignored", "--exact", "--nocapture", "many"])
            .env("RINGPOST_SEEDS", SEEDS)
            .env_remove("RUST_BACKTRACE")
            .current_dir(&self.root)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the simulation");
        let verdict = watch(&mut seeds);
        // It may run on: one finding is enough.
        let _ = seeds.kill();
        let status = seeds.wait().expect("it has ended");
        assert!(
            verdict != Verdict::Survived || status.success(),
            "the simulation failed without a finding: {status}"
        );
        verdict
    }

    /// The executable of the simulation.
    fn build(&self) -> Option<PathBuf> {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--test", "simulation"])
            .args(["--message-format", "json-render-diagnostics"])
            .args(quickly_built())
            .env("CARGO_TARGET_DIR", &self.target)
            .current_dir(&self.root)
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo");
        let text = String::from_utf8_lossy(&built.stdout);
        let mut executables = text.lines().filter_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            let of_test = message["target"]["name"] == "simulation";
            let path = message["executable"].as_str().filter(|_| of_test)?;
            Some(PathBuf::from(path))
        });
        built.status.success().then(|| executables.next_back())?
    }
}

/// Options of cargo: what a mutant changes is built in the shortest time, its dependencies as always.
fn quickly_built() -> impl Iterator<Item = String> {
    let packages = ["ringpost", "ringpost-proto", "ringpost-fuzz"];
    packages.into_iter().flat_map(|package| {
        let setting = |what| format!("profile.dev.package.{package}.{what}");
        let (level, debug) = (setting("opt-level=0"), setting("debug=false"));
        ["--config".to_owned(), level, "--config".to_owned(), debug]
    })
}

/// Removes from the copy at `root` what is not among `names` any more, in this folder and below.
fn remove_others(root: &Path, folder: &Path, names: &HashSet<&str>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path
            .strip_prefix(root)
            .expect("it is below")
            .to_string_lossy();
        if path.is_dir() {
            remove_others(root, &path, names);
        } else if !names.contains(&*name) {
            std::fs::remove_file(&path).expect("a file of ours");
        }
    }
}

/// Reads what the simulation says until a seed has found something, or until its end.
fn watch(seeds: &mut Child) -> Verdict {
    let said = BufReader::new(seeds.stderr.take().expect("piped"));
    let (lines, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for line in said.lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let end = Instant::now() + LONGEST;
    let (mut seed, mut place) = (0, None);
    loop {
        let line = match heard.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Verdict::Endless,
            Err(RecvTimeoutError::Disconnected) => return Verdict::Survived,
        };
        if let Some(place) = place {
            let check = format!("{} ({place})", shortened(&line));
            return Verdict::Killed { seed, check };
        }
        seed = seed_of(&line).unwrap_or(seed);
        place = line.split_once(" panicked at ").map(|(_, at)| {
            let file = at.split(':').next().unwrap_or_default();
            file.to_owned()
        });
    }
}

/// The seed of `while seed 7 ran:`, which precedes what a panic says.
fn seed_of(line: &str) -> Option<u64> {
    let seed = line.strip_prefix("while seed ")?.strip_suffix(" ran:")?;
    seed.parse().ok()
}

/// As much of a message as fits into a table.
fn shortened(line: &str) -> String {
    let mut short: String = line.chars().take(100).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}
