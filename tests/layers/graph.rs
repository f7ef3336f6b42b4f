//! A crate as files that import each other: which file a path leads to, what is imported against the order of the layers, and
//! which files import each other in a circle.
//!
//! Owns the rules. Must not know where sources come from, so that bad ones can be made for its own tests.
//! Invariant: an edge leads from a file to the file that defines what is named, through all re-exports.
//!
//! # BUGS
//! - What a glob of an enum or of another crate brings in is not known.
//! - Methods and fields are not followed: calling a method of a type is no import.

use std::collections::{BTreeMap, BTreeSet};

use crate::module::{Module, Path, modules};
use crate::tokens::tokens;

/// Re-exports that lead to each other end somewhere.
const MOST_STEPS: usize = 64;

/// The modules of a crate.
pub struct Crate {
    modules: BTreeMap<Path, Module>,
    /// The module whose file a module is in: itself, or one above it.
    home: BTreeMap<Path, Path>,
    /// The crate's own name, by which its binaries name it.
    name: String,
}

/// A file imports another: by the modules whose files they are, with a path that says why.
pub type Edges = BTreeMap<(Path, Path), String>;

impl Crate {
    /// From (path of the module, source text); the root has the empty path. Files that only tests compile are left out.
    pub fn new(name: &str, sources: &[(Path, String)]) -> Crate {
        let mut of_crate = Crate {
            modules: BTreeMap::new(),
            home: BTreeMap::new(),
            name: name.to_owned(),
        };
        for (file, text) in sources {
            for (inside, module) in modules(&tokens(text)) {
                let path = [file.as_slice(), &inside].concat();
                of_crate.home.insert(path.clone(), file.clone());
                of_crate.modules.insert(path, module);
            }
        }
        of_crate.leave_out_tests();
        of_crate
    }

    fn leave_out_tests(&mut self) {
        let mut tests = BTreeSet::new();
        for (path, module) in &self.modules {
            for name in &module.test_children {
                tests.insert([path.as_slice(), std::slice::from_ref(name)].concat());
            }
        }
        self.modules
            .retain(|path, _| !tests.iter().any(|test| path.starts_with(test)));
    }

    /// The files, by module.
    pub fn files(&self) -> BTreeSet<&Path> {
        self.modules.keys().map(|path| &self.home[path]).collect()
    }

    /// Every import of one file by another.
    pub fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (at, module) in &self.modules {
            let named = module.imports.values().chain(&module.paths);
            for path in named.chain(&module.globs) {
                let Some(target) = self.absolute(at, path).and_then(|path| self.leads_to(path))
                else {
                    continue;
                };
                let (from, to) = (&self.home[at], &self.home[&target]);
                // `mod name;` and what a module says of those inside it by their name alone is structure; a path is an import.
                if from != to {
                    let edge = (from.clone(), to.clone());
                    edges.entry(edge).or_insert_with(|| path.join("::"));
                }
            }
        }
        edges
    }

    /// A path from the root of the crate on; `None` where it leads out of it.
    fn absolute(&self, at: &Path, path: &Path) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        let mut from = match first.as_str() {
            "crate" => Path::new(),
            "self" => at.clone(),
            "super" => at[..at.len().checked_sub(1)?].to_vec(),
            _ if *first == self.name => Path::new(),
            _ => {
                let module = &self.modules[at];
                if module.children.contains(first) {
                    [at.as_slice(), std::slice::from_ref(first)].concat()
                } else {
                    // What `use` brought in, unless it names itself: `use serde;`.
                    let meant = module
                        .imports
                        .get(first)
                        .filter(|meant| meant[0] != *first)?;
                    self.absolute(at, meant)?
                }
            }
        };
        let mut rest = rest.iter().peekable();
        while rest.next_if(|segment| *segment == "super").is_some() {
            from.pop()?;
        }
        from.extend(rest.cloned());
        Some(from)
    }

    /// The module that defines what an absolute path names.
    fn leads_to(&self, mut path: Path) -> Option<Path> {
        for _ in 0..MOST_STEPS {
            let at = self.longest(&path);
            let Some(name) = path.get(at.len()) else {
                return Some(at);
            };
            let module = &self.modules[&at];
            let rest = path[at.len() + 1..].to_vec();
            path = if module.items.contains(name) {
                return Some(at);
            } else if let Some(target) =
                module.imports.get(name).filter(|target| target[0] != *name)
            {
                [self.absolute(&at, target)?, rest].concat()
            } else if let Some(target) = self.by_glob(&at, name) {
                [target, rest].concat()
            } else if at.is_empty() {
                // An exported macro is named as if the root had it.
                return self
                    .modules
                    .iter()
                    .find(|(_, module)| module.items.contains(name))
                    .map(|(at, _)| at.clone());
            } else {
                return Some(at);
            };
        }
        panic!("{}: re-exports that lead to each other", path.join("::"));
    }

    fn longest(&self, path: &Path) -> Path {
        let lengths = (0..=path.len()).rev();
        let found = lengths
            .map(|length| path[..length].to_vec())
            .find(|at| self.modules.contains_key(at));
        found.expect("every crate has a root")
    }

    fn by_glob(&self, at: &Path, name: &String) -> Option<Path> {
        let globs = self.modules[at].globs.iter();
        let mut targets = globs
            .filter_map(|glob| self.absolute(at, glob))
            .filter(|target| target != at);
        let target = targets.find(|target| {
            self.modules.get(target).is_some_and(|module| {
                module.items.contains(name) || module.imports.contains_key(name)
            })
        })?;
        Some([target, vec![name.clone()]].concat())
    }
}

/// What is imported against the order, which is from the bottom up; the longest entry that fits a module is its layer.
pub fn against_order(of_crate: &Crate, order: &[Path]) -> Vec<String> {
    let layer = |file: &Path| {
        let fitting = order
            .iter()
            .enumerate()
            .filter(|(_, entry)| file.starts_with(entry));
        fitting
            .max_by_key(|(_, entry)| entry.len())
            .map(|(at, _)| at)
    };
    let mut found = Vec::new();
    // The root is above all: it is the map.
    for file in of_crate.files().into_iter().filter(|file| !file.is_empty()) {
        if layer(file).is_none() {
            found.push(format!("{} is in no layer", shown(file)));
        }
    }
    for ((from, to), path) in of_crate.edges() {
        if from.is_empty() {
            continue;
        }
        let allowed = !to.is_empty() && layer(&to) <= layer(&from);
        if !allowed {
            found.push(format!(
                "{} imports {}, which is above it: {path}",
                shown(&from),
                shown(&to)
            ));
        }
    }
    found
}

/// Files that import each other, each group with its imports.
pub fn circles(edges: &Edges) -> Vec<String> {
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = edges
        .keys()
        .map(|(from, _)| (from, reachable(edges, from)))
        .collect();
    let mut groups: BTreeSet<BTreeSet<&Path>> = BTreeSet::new();
    for (from, there) in &reached {
        if there.contains(from) {
            let back = |to: &&&Path| reached.get(**to).is_some_and(|back| back.contains(from));
            groups.insert(there.iter().filter(back).copied().collect());
        }
    }
    groups.iter().map(|group| circle(edges, group)).collect()
}

fn reachable<'a>(edges: &'a Edges, from: &Path) -> BTreeSet<&'a Path> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for (_, to) in edges.keys().filter(|(from, _)| from == at) {
            if found.insert(to) {
                open.push(to);
            }
        }
    }
    found
}

fn circle(edges: &Edges, group: &BTreeSet<&Path>) -> String {
    let inside = edges
        .iter()
        .filter(|((from, to), _)| group.contains(from) && group.contains(to));
    let lines: Vec<String> = inside
        .map(|((from, to), path)| format!("  {} -> {}: {path}", shown(from), shown(to)))
        .collect();
    format!("{} files in a circle:\n{}", group.len(), lines.join("\n"))
}

fn shown(file: &Path) -> String {
    if file.is_empty() {
        "the root".to_owned()
    } else {
        file.join("::")
    }
}
