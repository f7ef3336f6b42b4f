//! One module of a crate: what it names, what it brings into scope, and what it defines.
//!
//! Owns the reading of `use` trees and paths. Must not know files, layers or circles.
//!
//! # BUGS
//! - A definition inside a function counts as one of the module.
//! - A path that begins with a variable's or a type's name is not followed.

use std::collections::{BTreeMap, BTreeSet};

use crate::tokens::{Token, closing};

/// Segments from the root of the crate on, or as in the source.
pub type Path = Vec<String>;

/// What a module's source says.
#[derive(Debug, Default)]
pub struct Module {
    /// Modules inside it, with a file or without.
    pub children: BTreeSet<String>,
    /// Those that only tests compile.
    pub test_children: BTreeSet<String>,
    /// Names that `use` brings into scope: the path that each means.
    pub imports: BTreeMap<String, Path>,
    /// Modules and enums whose names are all brought into scope.
    pub globs: Vec<Path>,
    /// Paths in its code, as written.
    pub paths: BTreeSet<Path>,
    /// Items, macros among them.
    pub items: BTreeSet<String>,
}

/// The modules of one file: itself under an empty name, and those that are in braces inside it, by their path from it.
pub fn modules(tokens: &[Token]) -> BTreeMap<Path, Module> {
    let mut found = BTreeMap::new();
    read(tokens, &Path::new(), &mut found);
    found
}

fn read(tokens: &[Token], own: &Path, found: &mut BTreeMap<Path, Module>) {
    let mut module = Module::default();
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        let before = at.checked_sub(1).map_or("", |before| &tokens[before]);
        at += match rest[0].as_str() {
            "use" if before != "::" => {
                let end = rest.iter().position(|token| token == ";");
                let end = end.unwrap_or(rest.len());
                tree(&rest[1..end], &Path::new(), &mut module);
                end
            }
            "mod" if rest.len() > 2 => child(rest, before == "test", own, &mut module, found),
            "fn" | "struct" | "enum" | "trait" | "const" | "static" | "type" | "union"
                if rest.len() > 1 =>
            {
                module.items.insert(rest[1].clone());
                1
            }
            "macro_rules" if rest.len() > 2 => {
                module.items.insert(rest[2].clone());
                3
            }
            _ => path(rest, before, &mut module),
        };
    }
    found.insert(own.clone(), module);
}

/// `mod name;` or `mod name { … }`.
fn child(
    rest: &[Token],
    of_tests: bool,
    own: &Path,
    module: &mut Module,
    found: &mut BTreeMap<Path, Module>,
) -> usize {
    let name = rest[1].clone();
    let names = if of_tests {
        &mut module.test_children
    } else {
        &mut module.children
    };
    names.insert(name.clone());
    if rest[2] != "{" {
        return 2;
    }
    let length = closing(&rest[2..]);
    let inner = [own.as_slice(), &[name]].concat();
    read(&rest[3..(2 + length).saturating_sub(1)], &inner, found);
    2 + length
}

/// One branch of a `use`: `a::b`, `a::{b, c as d}`, `a::*`.
fn tree(tokens: &[Token], before: &Path, module: &mut Module) {
    let mut path = before.clone();
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "::" => {}
            "*" => return module.globs.push(path),
            "{" => {
                let inner = &tokens[at + 1..at + closing(&tokens[at..]).saturating_sub(1)];
                return branches(inner).for_each(|branch| tree(branch, &path, module));
            }
            "as" => {
                let name = tokens.get(at + 1).cloned().unwrap_or_default();
                module.imports.insert(name, path);
                return;
            }
            "self" if at == 0 && !before.is_empty() => {}
            _ => path.push(token.clone()),
        }
    }
    if let Some(name) = path.last().cloned() {
        module.imports.insert(name, path);
    }
}

/// What commas outside of braces separate.
fn branches(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    let mut depth = 0_usize;
    let parts = tokens.split(move |token| {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && token == ","
    });
    parts.filter(|part| !part.is_empty())
}

/// A path of two segments or more, from its first one on. `pub(in a::b)` is none: it says who may look, not what is looked at.
fn path(rest: &[Token], before: &str, module: &mut Module) -> usize {
    let segments: Path = rest
        .chunks(2)
        .take_while(|pair| is_name(&pair[0]))
        .scan(true, |more, pair| {
            let segment = more.then(|| pair[0].clone());
            *more = pair.get(1).is_some_and(|token| token == "::");
            segment
        })
        .collect();
    if segments.len() > 1 && !["::", ".", "in"].contains(&before) {
        let length = segments.len() * 2 - 1;
        module.paths.insert(segments);
        return length;
    }
    1
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
