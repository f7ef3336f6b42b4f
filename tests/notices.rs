//! THIRD-PARTY.md names everything that the binary `ringpost` contains, with its licence and the text that it asks to be passed on.
//! `RINGPOST_UPDATE_PAGES=1 cargo test --test notices` writes it.
//!
//! What the binary contains are its normal dependencies on Linux, as Cargo.lock has them, and the C libraries that some of them
//! build. A crate that may be used under Apache-2.0 needs no text but ringpost's own LICENSE; of the others all texts are here.
//!
//! # BUGS
//! - That LICENSE holds each copyright line of an Apache-2.0 crate is not checked: that licence asks for NOTICE files only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const PAGE: &str = "THIRD-PARTY.md";

/// A C library: its name, the crate that brings its source, its licence, and the file with its text inside of that crate.
const LIBRARIES: [(&str, &str, &str, &str); 4] = [
    (
        "OpenSSL",
        "openssl-src",
        "Apache-2.0",
        "openssl/LICENSE.txt",
    ),
    (
        "librdkafka, with what it bundles",
        "rdkafka-sys",
        "BSD-2-Clause and others",
        "librdkafka/LICENSES.txt",
    ),
    ("Zstandard", "zstd-sys", "BSD-3-Clause", "zstd/LICENSE"),
    ("zlib", "libz-sys", "Zlib", "src/zlib/LICENSE"),
];

/// A package without a text: the one of the same repository that has it.
const TEXT_ELSEWHERE: [(&str, &str); 1] = [("rdkafka-sys", "rdkafka")];

struct Package {
    name: String,
    version: String,
    licence: String,
    folder: PathBuf,
}

#[test]
fn the_notices_are_up_to_date() {
    let page = page(&metadata());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os("RINGPOST_UPDATE_PAGES").is_some() {
        fs::write(&path, &page).expect("the page is writable");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "{PAGE} differs from what Cargo.lock makes of it; RINGPOST_UPDATE_PAGES=1 cargo test --test notices writes it"
    );
}

#[test]
fn only_a_free_choice_of_apache_needs_no_text() {
    for (licence, free) in [
        ("Apache-2.0", true),
        ("MIT OR Apache-2.0", true),
        ("MIT/Apache-2.0", true),
        ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
        ("MIT", false),
        ("Apache-2.0 AND ISC", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
        ("Apache-2.0 WITH LLVM-exception", false),
    ] {
        assert_eq!(is_apache(licence), free, "{licence}");
    }
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

fn page(metadata: &Value) -> String {
    let packages = array(metadata, "packages");
    let by_id: BTreeMap<&str, &Value> = packages.iter().map(|one| (text(one, "id"), one)).collect();
    let contained = contained(metadata, &by_id);
    let mut crates: Vec<Package> = contained.iter().map(|id| package(by_id[id])).collect();
    crates.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let bringing = |name: &str| {
        let found = packages.iter().find(|one| text(one, "name") == name);
        package(found.unwrap_or_else(|| panic!("no package {name}: LIBRARIES names it")))
    };
    let mut page = "# Third-party notices\n\n\
        ringpost itself is licensed under [Apache-2.0](LICENSE). Its binary also contains what is listed here, and Rust's\n\
        standard library (MIT OR Apache-2.0). Written by `RINGPOST_UPDATE_PAGES=1 cargo test --test notices` from Cargo.lock.\n\n\
        A build with `--no-default-features` links the system's OpenSSL and does not contain it.\n\n\
        ## C libraries\n\n| library | from the package | licence |\n|---|---|---|\n"
        .to_owned();
    for (library, name, licence, _) in LIBRARIES {
        let version = bringing(name).version;
        page += &format!("| {library} | {name} {version} | {licence} |\n");
    }
    page += "\n## Crates\n\nWhere Apache-2.0 can be chosen, it is; its text is [LICENSE](LICENSE). The texts of the others follow.\n\n\
        | crate | version | licence |\n|---|---|---|\n";
    for one in &crates {
        page += &format!("| {} | {} | {} |\n", one.name, one.version, one.licence);
    }
    page += "\n## Texts\n";
    for (library, name, _, file) in LIBRARIES {
        let text = fs::read_to_string(bringing(name).folder.join(file));
        let text = text.unwrap_or_else(|error| panic!("{library}: {file} of {name}: {error}"));
        page += &quoted(library, &text);
    }
    for (text, names) in texts(&crates) {
        let names: Vec<&str> = names.into_iter().collect();
        page += &quoted(&names.join(", "), &text);
    }
    page
}

/// The packages whose code is in the binary: normal dependencies, without macros, which run at build time.
fn contained<'a>(metadata: &'a Value, by_id: &BTreeMap<&'a str, &'a Value>) -> BTreeSet<&'a str> {
    let nodes = array(&metadata["resolve"], "nodes");
    let node = |id: &str| {
        nodes
            .iter()
            .find(|node| text(node, "id") == id)
            .expect("a node per package")
    };
    let root = text(&metadata["resolve"], "root");
    let (mut found, mut open) = (BTreeSet::new(), vec![root]);
    while let Some(id) = open.pop() {
        for dependency in array(node(id), "deps") {
            let normal = array(dependency, "dep_kinds")
                .iter()
                .any(|kind| kind["kind"].is_null());
            let id = text(dependency, "pkg");
            if normal && !is_macro(by_id[id]) && found.insert(id) {
                open.push(id);
            }
        }
    }
    // Those of the workspace are ringpost.
    found.retain(|id| !by_id[id]["source"].is_null());
    found
}

fn is_macro(package: &Value) -> bool {
    let targets = array(package, "targets");
    targets.iter().any(|target| {
        array(target, "kind")
            .iter()
            .any(|kind| kind == "proc-macro")
    })
}

fn package(value: &Value) -> Package {
    let manifest = Path::new(text(value, "manifest_path"));
    Package {
        name: text(value, "name").to_owned(),
        version: text(value, "version").to_owned(),
        licence: text(value, "license").to_owned(),
        folder: manifest
            .parent()
            .expect("a manifest is in a folder")
            .to_owned(),
    }
}

/// Whether the expression lets one choose Apache-2.0 alone.
fn is_apache(licence: &str) -> bool {
    !licence.contains(" AND ")
        && licence
            .replace('/', " OR ")
            .split(" OR ")
            .any(|choice| choice == "Apache-2.0")
}

/// Each text once, with the crates that have it; and the NOTICE files of those under Apache-2.0.
fn texts(crates: &[Package]) -> BTreeMap<String, BTreeSet<&str>> {
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for one in crates {
        let elsewhere = TEXT_ELSEWHERE.iter().find(|(name, _)| *name == one.name);
        let other = elsewhere.and_then(|(_, other)| crates.iter().find(|one| one.name == *other));
        let wanted: &[&str] = if is_apache(&one.licence) {
            &["NOTICE"]
        } else {
            &["NOTICE", "LICEN", "COPYI", "UNLIC"]
        };
        let files = files(&other.unwrap_or(one).folder, wanted);
        assert!(
            is_apache(&one.licence) || !files.is_empty(),
            "{} {} has no text of its licence, {}: find it and add it to TEXT_ELSEWHERE",
            one.name,
            one.version,
            one.licence
        );
        for file in files {
            let text = fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            found.entry(text).or_default().insert(&one.name);
        }
    }
    found
}

fn files(folder: &Path, wanted: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a package has a folder");
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    found.retain(|path| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_uppercase();
        path.is_file() && wanted.iter().any(|wanted| name.starts_with(wanted))
    });
    found.sort();
    found
}

/// A text under its heading; the fence is longer than any inside of it.
fn quoted(heading: &str, text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!(
        "\n### {heading}\n\n````text\n{}\n````\n",
        lines.join("\n").trim_matches('\n')
    )
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} is a text"))
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("{key} is a list"))
}
