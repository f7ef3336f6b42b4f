//! The score of the simulation: mutants of the production code, each of which its ordinary seeds have to find.
//!
//! `cargo test --test mutants -- --ignored --nocapture` makes each mutant of `simulation/mutants.toml` in a copy of the tree,
//! builds the simulation there, runs its seeds until one finds something, and says which check that was. A mutant that no seed
//! finds fails the run: it is a hole in the simulation. `RINGPOST_MUTANTS=charge` takes those with this in their name;
//! `RINGPOST_UPDATE_PAGES=1` writes the table of `simulation/README.md`. Copy and build stay in `target/mutants`, or in the
//! folder that `RINGPOST_MUTANTS_FOLDER` names: the first run builds everything, a later one only what a mutant changes.

#[path = "mutants/edit.rs"]
mod edit;
#[path = "mutants/list.rs"]
mod list;
#[path = "mutants/trial.rs"]
mod trial;

use std::fmt::Write as _;
use std::path::Path;

use list::{Mutant, mutants};
use trial::{Tree, Verdict};

/// The tree that this test is of.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The list is of the code as it is: a text that has changed is to be adapted, or its mutant is of nothing.
#[test]
fn every_mutant_changes_one_place() {
    let mutants = mutants(root());
    assert!(mutants.len() >= 20, "{} mutants", mutants.len());
    for (at, mutant) in mutants.iter().enumerate() {
        let twice = mutants[..at].iter().any(|other| other.name == mutant.name);
        assert!(!twice, "{}: two mutants of one name", mutant.name);
        for edit in &mutant.edit {
            let source = std::fs::read_to_string(root().join(&edit.file)).unwrap_or_default();
            if let Err(why) = edit.apply(&source) {
                panic!(
                    "{}: {}: {why}; adapt tests/simulation/mutants.toml",
                    mutant.name, edit.file
                );
            }
        }
    }
}

#[test]
#[ignore = "builds the simulation once for each mutant: some ten seconds each"]
fn all_are_killed() {
    let wanted = std::env::var("RINGPOST_MUTANTS").unwrap_or_default();
    let mutants = mutants(root());
    let chosen: Vec<&Mutant> = mutants
        .iter()
        .filter(|mutant| mutant.name.contains(&wanted))
        .collect();
    let tree = Tree::copy(root());
    assert_eq!(
        tree.judge(),
        Verdict::Survived,
        "the seeds find nothing in the code as it is"
    );
    let verdicts: Vec<Verdict> = chosen
        .iter()
        .map(|mutant| {
            let verdict = tree.judge_mutant(mutant);
            println!("{}: {verdict}", mutant.name);
            verdict
        })
        .collect();
    let killed = verdicts.iter().filter(|verdict| verdict.is_kill()).count();
    println!("{killed} of {} killed", chosen.len());
    if chosen.len() == mutants.len() && std::env::var_os("RINGPOST_UPDATE_PAGES").is_some() {
        write_table(&chosen, &verdicts);
    }
    let survivors: Vec<&str> = chosen
        .iter()
        .zip(&verdicts)
        .filter(|(_, verdict)| !verdict.is_kill())
        .map(|(mutant, _)| &*mutant.name)
        .collect();
    assert!(survivors.is_empty(), "not killed: {survivors:#?}");
}

/// Writes the table of the page between its two marks.
fn write_table(mutants: &[&Mutant], verdicts: &[Verdict]) {
    let path = root().join("tests/simulation/README.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (front, rest) = page.split_once("<!-- score -->\n").expect("a mark");
    let (_, back) = rest
        .split_once("<!-- end of the score -->")
        .expect("a mark");
    let mut table = String::from("| mutant | what finds it | seeds until then |\n|---|---|---:|\n");
    for (mutant, verdict) in mutants.iter().zip(verdicts) {
        let (what, seeds) = match verdict {
            Verdict::Killed { seed, check } => (check.replace('|', "\\|"), seed.to_string()),
            other => (other.to_string(), String::new()),
        };
        writeln!(table, "| {} | {what} | {seeds} |", mutant.name).expect("a String takes all");
    }
    let page = format!("{front}<!-- score -->\n{table}<!-- end of the score -->{back}");
    std::fs::write(path, page).expect("the page can be written");
}
