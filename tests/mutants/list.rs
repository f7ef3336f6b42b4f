//! The list of the mutants, as `tests/simulation/mutants.toml` has it.

use std::path::Path;

use serde::Deserialize;

use crate::edit::Edit;

/// One fault, made on purpose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// What is wrong with it.
    pub name: String,
    /// What is changed for that.
    pub edit: Vec<Edit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    mutant: Vec<Mutant>,
}

/// The mutants of the tree at `root`.
///
/// # Panics
/// If the list cannot be read.
pub fn mutants(root: &Path) -> Vec<Mutant> {
    let path = root.join("tests/simulation/mutants.toml");
    let text = std::fs::read_to_string(&path).expect("the list of mutants");
    let list: List = toml::from_str(&text).unwrap_or_else(|error| panic!("mutants.toml: {error}"));
    list.mutant
}
