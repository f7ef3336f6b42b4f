//! Links of the pages to files and headings of the repository.
//!
//! Owns: what a link is, and how a heading becomes an anchor, as GitHub makes it. Must not know: what pages say.
//!
//! BUGS: Links to other hosts are not followed. A second heading with the same text has an anchor of its own there (`-1`), which is
//! not known here.

use std::path::{Path, PathBuf};

/// Where pages are.
const FOLDERS: [&str; 8] = [
    "docs", "deploy", "examples", "benches", "loadtest", "proto", "tests", "fuzz",
];

/// Folders below them that hold what others wrote.
const FOREIGN: [&str; 3] = ["node_modules", "target", "vendor"];

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    let Ok(entries) = folder.read_dir() else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !FOREIGN.contains(&name.as_str()) {
            collect(&path, pages);
        } else if name.ends_with(".md") {
            pages.push(path);
        }
    }
}

/// Every page, from the root of the repository.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ]
    .map(PathBuf::from)
    .into();
    for folder in FOLDERS {
        collect(Path::new(folder), &mut pages);
    }
    pages
}

/// The lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// The anchor of a heading: lower case, hyphens for spaces, without punctuation.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn has_anchor(page: &str, wanted: &str) -> bool {
    let headings = prose(page).filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .any(|found| found == wanted)
}

/// The targets of a page's links: `](…)`, outside of code.
fn targets(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(page) {
        // Every second part is between backticks.
        let text: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let links = text.split("](").skip(1);
        found
            .extend(links.filter_map(|rest| rest.split_once(')').map(|(link, _)| link.to_owned())));
    }
    found
}

/// What is wrong with a link of a page; none if nothing is.
fn wrong(page: &Path, text: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => page.to_owned(),
        path => page.parent().unwrap().join(path),
    };
    if !target.exists() {
        return Some(format!("{}: {link}: no such file", page.display()));
    }
    let is_page = target
        .extension()
        .is_some_and(|extension| extension == "md");
    if anchor.is_empty() || !is_page {
        return None;
    }
    let there = if path.is_empty() {
        has_anchor(text, anchor)
    } else {
        has_anchor(&std::fs::read_to_string(&target).unwrap(), anchor)
    };
    (!there).then(|| format!("{}: {link}: no such heading", page.display()))
}

#[test]
fn every_link_of_a_page_leads_to_a_file_and_a_heading() {
    let pages = pages();
    assert!(pages.len() > 20, "{pages:?}");
    let mut mistakes = Vec::new();
    let mut checked = 0;
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        let links = targets(&text);
        checked += links.len();
        mistakes.extend(links.iter().filter_map(|link| wrong(page, &text, link)));
    }
    assert!(checked > 100, "{checked}");
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn the_index_names_every_page_of_its_folder() {
    let index = std::fs::read_to_string("docs/README.md").unwrap();
    let named: Vec<PathBuf> = targets(&index)
        .iter()
        .map(|link| Path::new("docs").join(link))
        .collect();
    let mut pages = Vec::new();
    collect(Path::new("docs"), &mut pages);
    pages.retain(|page| page != Path::new("docs/README.md") && !named.contains(page));
    assert!(pages.is_empty(), "docs/README.md does not name {pages:?}");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = Path::new("docs/promise.md");
    let text = "# A page: of `mine`\n[a](promise.md) [b](#a-page-of-mine)\n```\n# no heading\n[c](none.md)\n```\n`[d](x)`\n";
    assert_eq!(targets(text), ["promise.md", "#a-page-of-mine"]);
    assert_eq!(wrong(page, text, "promise.md"), None);
    assert_eq!(wrong(page, text, "#a-page-of-mine"), None);
    assert_eq!(wrong(page, text, "https://example.com/none.md#none"), None);
    for link in ["none.md", "#no-heading", "promise.md#none"] {
        assert!(wrong(page, text, link).is_some(), "{link}");
    }
}
