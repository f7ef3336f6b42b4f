//! The order of the layers holds: no module imports what is above it, and no files import each other in a circle.
//!
//! The order is what the documentation of each crate's root says: "From the bottom up: [`a`], [`b`] …". Sources are read as
//! text, without their tests: an import is a `use` or a path in the code, followed through re-exports to the file that
//! defines what it names.

#[path = "layers/graph.rs"]
mod graph;
#[path = "layers/module.rs"]
mod module;
#[path = "layers/tokens.rs"]
mod tokens;

use std::fs;
use std::path::Path as FilePath;

use graph::{Crate, against_order, circles};
use module::Path;

/// Folder of the sources, their root, and the name of the crate.
const CRATES: [(&str, &str, &str); 3] = [
    ("src", "lib.rs", "ringpost"),
    ("proto/src", "lib.rs", "ringpost_proto"),
    ("loadtest/src", "lib.rs", "ringpost_loadtest"),
];

#[test]
fn imports_go_down() {
    let mut found = Vec::new();
    for (folder, root, name) in CRATES {
        let text =
            fs::read_to_string(in_repository(folder).join(root)).expect("the root of a crate");
        let order = order(&text)
            .unwrap_or_else(|| panic!("{folder}/{root} says no order: \"From the bottom up: …\""));
        let problems = against_order(&crate_in(folder, root, name), &order);
        found.extend(
            problems
                .into_iter()
                .map(|problem| format!("{folder}: {problem}")),
        );
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for (folder, root, name) in CRATES {
        let problems = circles(&crate_in(folder, root, name).edges());
        found.extend(
            problems
                .into_iter()
                .map(|problem| format!("{folder}: {problem}")),
        );
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

fn in_repository(path: &str) -> std::path::PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn crate_in(folder: &str, root: &str, name: &str) -> Crate {
    let mut sources = Vec::new();
    collect(&in_repository(folder), &Path::new(), root, &mut sources);
    Crate::new(name, &sources)
}

/// The files of a folder of modules. A library's main.rs is a separate crate, which only uses it.
fn collect(folder: &FilePath, at: &Path, root: &str, sources: &mut Vec<(Path, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry of it").path();
        let stem = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let inside = [at.as_slice(), std::slice::from_ref(&stem)].concat();
        if path.is_dir() {
            collect(&path, &inside, root, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let of_folder = stem == "mod" || (at.is_empty() && path.ends_with(root));
            if at.is_empty() && stem == "main" && !of_folder {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source file");
            sources.push((if of_folder { at.clone() } else { inside }, text));
        }
    }
}

/// The links between "From the bottom up:" and the end of that sentence.
fn order(text: &str) -> Option<Vec<Path>> {
    let lines = text.lines().skip_while(|line| !line.starts_with("//!"));
    let documentation: Vec<&str> = lines.map_while(|line| line.strip_prefix("//!")).collect();
    let documentation = documentation.join(" ");
    let (_, sentence) = documentation.split_once("From the bottom up:")?;
    let sentence = sentence.split(". ").next()?;
    let links = sentence
        .split("[`")
        .skip(1)
        .filter_map(|rest| rest.split_once("`]"));
    Some(
        links
            .map(|(link, _)| link.split("::").map(str::to_owned).collect())
            .collect(),
    )
}

// ---- the checker itself, on bad input ----

fn made(files: &[(&str, &str)]) -> Crate {
    let sources: Vec<(Path, String)> = files
        .iter()
        .map(|(path, text)| (path_of(path), (*text).to_owned()))
        .collect();
    Crate::new("made", &sources)
}

fn path_of(text: &str) -> Path {
    text.split("::")
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect()
}

fn edges_of(files: &[(&str, &str)]) -> Vec<String> {
    let edges = made(files).edges();
    edges
        .keys()
        .map(|(from, to)| format!("{} -> {}", from.join("::"), to.join("::")))
        .collect()
}

fn problems(files: &[(&str, &str)]) -> Vec<String> {
    against_order(&made(files), &[path_of("low"), path_of("high")])
}

#[test]
fn an_import_against_the_order_is_found() {
    let root = ("", "pub mod low; pub mod high;");
    let high = ("high", "pub struct High; use crate::low::Low;");
    assert_eq!(problems(&[root, high, ("low", "pub struct Low;")]), [""; 0]);
    for low in [
        "use crate::high::High;",
        "use crate::{high::{High as H}, other};",
        "use super::high::*;",
        "pub fn low(_: crate::high::High) {}",
        "pub fn low() { let _ = super::high::High; }",
        "use made::high;",
        "mod inner { use super::super::high::High; }",
        "macro_rules! low { () => { $crate::high::High } }",
    ] {
        let low = format!("pub struct Low; {low}");
        let found = problems(&[root, high, ("low", &low)]);
        assert_eq!(found.len(), 1, "{low}: {found:?}");
        assert!(
            found[0].starts_with("low imports high, which is above it"),
            "{found:?}"
        );
    }
}

#[test]
fn what_imports_nothing_is_passed_over() {
    let root = ("", "pub mod low; pub mod high;");
    let high = ("high", "pub struct High;");
    for low in [
        "// use crate::high::High;",
        "/* /* use crate::high::High; */ crate::high::High */",
        "const A: &str = \"use crate::high::High;\"; const B: &str = r#\"crate::high::High \" \"#;",
        "const A: char = '\"'; const B: char = '\\''; const C: &str = \"crate::high::High\"; fn f<'a>(_: &'a str) {}",
        "#[cfg(test)] mod tests { use crate::high::High; }",
        "#[cfg(test)] #[path = \"x\"] mod tests;",
        "#[cfg(all(test, unix))] use crate::high::High;",
        "pub(in crate::high) fn low() {}",
        "use other::high::High;",
    ] {
        assert_eq!(problems(&[root, high, ("low", low)]), [""; 0], "{low}");
    }
    let tests = ("low::tests", "use crate::high::High;");
    let low = ("low", "#[cfg(test)] mod tests;");
    assert_eq!(problems(&[root, high, low, tests]), [""; 0]);
}

#[test]
fn a_module_without_a_layer_is_found_and_so_is_an_import_of_the_root() {
    let found = problems(&[("", "pub mod new; pub fn f() {}"), ("new", "")]);
    assert_eq!(found, ["new is in no layer"]);
    let found = problems(&[("", "pub mod low; pub fn f() {}"), ("low", "use crate::f;")]);
    assert_eq!(found, ["low imports the root, which is above it: crate::f"]);
}

#[test]
fn an_import_leads_through_re_exports_to_the_file_that_defines() {
    let parent = "mod a; mod b; pub use a::A; pub use b::*; pub mod inline { pub use super::a::A as Other; }";
    let files = [
        ("", "pub mod p; pub mod user;"),
        ("p", parent),
        ("p::a", "pub struct A; use super::B;"),
        ("p::b", "pub struct B;"),
        (
            "user",
            "use crate::p; fn f(_: p::A, _: p::inline::Other) {}",
        ),
    ];
    let wanted = [
        "p -> p::a",
        "p -> p::b",
        "p::a -> p::b",
        "user -> p",
        "user -> p::a",
    ];
    assert_eq!(edges_of(&files), wanted);
}

#[test]
fn a_circle_is_found_with_its_files() {
    let files = [
        ("", "pub mod a; pub mod b; pub mod c; pub mod d;"),
        ("a", "use crate::b::B; pub struct A;"),
        ("b", "use crate::c::C; pub struct B;"),
        ("c", "pub struct C; fn f(_: &crate::a::A) {}"),
        ("d", "use crate::a::A;"),
    ];
    let found = circles(&made(&files).edges());
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("3 files in a circle"), "{}", found[0]);
    assert!(found[0].contains("c -> a: crate::a::A"), "{}", found[0]);
    let parent_and_child = [
        ("", "pub mod p;"),
        ("p", "mod child; pub use child::X; pub struct P;"),
        ("p::child", "use super::P; pub struct X;"),
    ];
    assert_eq!(circles(&made(&parent_and_child).edges()).len(), 1);
    let straight = [
        ("", "pub mod p;"),
        ("p", "mod child; pub use child::X;"),
        ("p::child", "pub struct X;"),
    ];
    assert_eq!(circles(&made(&straight).edges()), [""; 0]);
}

#[test]
fn the_order_is_read_from_the_documentation() {
    let text = "//! A crate.\n//!\n//! From the bottom up: [`low`] and [`high::part`],\n//! the rest of [`high`]. `other`\n\npub mod low;\n";
    assert_eq!(
        order(text).expect("an order"),
        [path_of("low"), path_of("high::part"), path_of("high")]
    );
    assert_eq!(order("//! Nothing.\n"), None);
}
