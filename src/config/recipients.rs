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

use super::Recipients;
use crate::smtp::list::{List, Reading};
use crate::smtp::policy;

/// Reads all lists.
///
/// # Errors
/// A line for each file that cannot be used: option, file, line, cause and fix.
pub fn load(recipients: &Recipients) -> Result<policy::Recipients, String> {
    let mut taken = policy::Recipients::new(&recipients.delimiter, recipients.case_sensitive);
    let mut problems = Vec::new();
    // A number that senders do not know.
    let seed = RandomState::new().hash_one(0);
    for pattern in &recipients.domains {
        let path = recipients.lists.get(pattern);
        let reading = Reading {
            pattern,
            case_sensitive: recipients.case_sensitive,
            seed,
        };
        match path.map(|path| list(path, reading)).transpose() {
            Ok(list) => taken.take(pattern, list),
            Err(problem) => problems.push(format!("recipients.lists.{pattern}: {problem}")),
        }
    }
    if problems.is_empty() {
        Ok(taken)
    } else {
        Err(problems.join("\n"))
    }
}

fn list(path: &str, reading: Reading<'_>) -> Result<List, String> {
    let octets = read(path).map_err(|error| {
        let fix = match error.kind() {
            io::ErrorKind::NotFound => "correct the path, or create the file",
            io::ErrorKind::PermissionDenied => {
                "give the user of ringpost permission to read it and to enter its folder"
            }
            _ => "it has to be a text file that can be read to its end",
        };
        format!("{path}: cannot be read: {error}; {fix}")
    })?;
    List::parse(octets, reading)
        .map_err(|mistake| format!("{path}:{}: {}", mistake.line, mistake.reason))
}

/// The octets of a file, with room for the line end that the last line may lack: a list of a million lines is not to be
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
        let check = |text: &str| taken.check(&address::mailbox(text.as_bytes()).unwrap());
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
        .unwrap_err();
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
