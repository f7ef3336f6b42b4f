//! The lists of recipients that `[recipients]` names: read, and put together with its domains.
//!
//! Owns the way from the files to what the policy matches, and the operator's texts for every way that it fails. Must not
//! know: when to reload, and what a line may say (the list does).
//!
//! Invariant: what [`load`] returns holds every domain and every list of the configuration, or there is an error that names
//! each file that cannot be used.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};

use ringpost_proto::smtp::list::{List, Mistake, Reading};
use ringpost_proto::smtp::policy;

use super::options::Recipients;
use crate::failure::{Blame, Blamed};

/// Lists that cannot be used: one line for each, with option, file, line, cause and fix. Never empty.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Unusable(Vec<Problem>);

impl Unusable {
    /// One for each list.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl Blamed for Unusable {
    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

/// A list that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("recipients.lists.{pattern}: {path}{fault}")]
pub struct Problem {
    /// The pattern of domains that it is for.
    pub pattern: String,
    /// Its path.
    pub path: String,
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a list. The text follows its path.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It cannot be read.
    #[error(": cannot be read: {source}; {}", how_to_read(.source.kind()))]
    Unreadable {
        /// What the kernel says.
        source: io::Error,
    },
    /// A line of it is no recipient.
    #[error(":{}: {}", .mistake.line, .mistake.reason)]
    Line {
        /// Which, and what to write instead.
        mistake: Mistake,
    },
}

fn how_to_read(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => "correct the path, or create the file",
        io::ErrorKind::PermissionDenied => {
            "give the user of ringpost permission to read it and to enter its folder"
        }
        _ => "it has to be a text file that can be read to its end",
    }
}

/// Reads all lists.
///
/// # Errors
/// Every list that cannot be used.
pub fn load(recipients: &Recipients) -> Result<policy::Recipients, Unusable> {
    let mut taken = policy::Recipients::new(&recipients.delimiter, recipients.case_sensitive);
    let mut problems = Vec::new();
    // A number that senders do not know.
    let seed = RandomState::new().hash_one(0);
    for pattern in &recipients.domains {
        let Some(path) = recipients.lists.get(pattern) else {
            taken.take(pattern, None);
            continue;
        };
        let reading = Reading {
            pattern,
            case_sensitive: recipients.case_sensitive,
            seed,
        };
        match list(path, reading) {
            Ok(list) => taken.take(pattern, Some(list)),
            Err(fault) => problems.push(Problem {
                pattern: pattern.clone(),
                path: path.clone(),
                fault,
            }),
        }
    }
    if !problems.is_empty() {
        return Err(Unusable(problems));
    }
    assert!(
        taken.domains() <= recipients.domains.len(),
        "each pattern of the configuration is one, or one that is there already"
    );
    Ok(taken)
}

fn list(path: &str, reading: Reading<'_>) -> Result<List, Fault> {
    let octets = read(path).map_err(|source| Fault::Unreadable { source })?;
    List::parse(octets, reading).map_err(|mistake| Fault::Line { mistake })
}

/// The bytes of a file, with room for the line end that the last line may lack, so that a list of a million lines is not
/// copied for it.
fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    let mut octets = Vec::new();
    octets
        .try_reserve_exact(length + 1)
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    file.read_to_end(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;
    use crate::smtp::address;
    use crate::smtp::refusal::Refusal;

    fn recipients(domains: &[&str], lists: &[(&str, &str)]) -> Recipients {
        let text = |text: &&str| (*text).to_owned();
        let lists = lists
            .iter()
            .map(|(pattern, path)| (text(pattern), text(path)));
        Recipients {
            domains: domains.iter().map(text).collect(),
            lists: lists.collect(),
            ..Config::default().recipients
        }
    }

    #[test]
    fn domains_and_lists_are_put_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list").display().to_string();
        std::fs::write(&path, "joe\nann").unwrap();
        let taken = load(&recipients(
            &["example.com", "example.org"],
            &[("example.com", &path)],
        ));
        let taken = taken.unwrap();
        assert_eq!((taken.domains(), taken.listed()), (2, 2));
        let check = |text: &str| {
            let mailbox = address::mailbox(text.as_bytes()).unwrap();
            taken.check(&mailbox, policy::Beside::Nobody)
        };
        assert_eq!(check("Ann+x@example.com"), Ok(()));
        assert_eq!(check("bob@example.com"), Err(Refusal::UnknownRecipient));
        assert_eq!(check("bob@example.org"), Ok(()));
        assert_eq!(check("bob@example.net"), Err(Refusal::RelayDenied));
    }

    #[test]
    fn each_file_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("bad"), "joe\nann bob\n").unwrap();
        let error = load(&recipients(
            &["a.example", "b.example", "c.example"],
            &[
                ("a.example", &path("missing")),
                ("b.example", &path("bad")),
                ("c.example", &path("")),
            ],
        ))
        .unwrap_err()
        .to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines.len(), 3, "{error}");
        assert!(lines[0].starts_with(&format!(
            "recipients.lists.a.example: {}: ",
            path("missing")
        )));
        assert!(lines[0].ends_with("; correct the path, or create the file"));
        assert!(
            lines[1].starts_with(&format!(
                "recipients.lists.b.example: {}:2: \"ann bob\" is no",
                path("bad")
            )),
            "{error}"
        );
        assert!(lines[2].contains("it has to be a text file"), "{error}");
    }
}
