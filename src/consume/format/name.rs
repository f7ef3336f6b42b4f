//! The names of `.eml` files.
//!
//! Owns: which names a record may give a file. Must not know: the folder.
//!
//! Invariant: a name has no slash and does not begin with a dot, whatever the record holds.

use crate::consume::received::Received;

/// The name of the record's `.eml` file: its `ce_id`, or `topic-partition-offset` where that is missing.
///
/// An id that is no file name is made one, and the record's place added to keep such ids apart.
pub fn eml_name(received: &Received) -> String {
    let id = received.attributes().id.unwrap_or_default();
    if !id.is_empty() && file_name(id) == id {
        format!("{id}.eml")
    } else {
        eml_name_of_place(received)
    }
}

/// The name of a record whose id alone does not tell it from others.
pub fn eml_name_of_place(received: &Received) -> String {
    let place = format!(
        "{}-{}-{}",
        received.topic, received.partition, received.offset
    );
    match file_name(received.attributes().id.unwrap_or_default()) {
        id if id.is_empty() => format!("{place}.eml"),
        id => format!("{id}-{place}.eml"),
    }
}

/// Letters, digits, `-`, `_` and dots that are not the first; all else becomes `_`.
fn file_name(text: &str) -> String {
    const OCTETS_MAX: usize = 120;
    text.chars()
        .take(OCTETS_MAX)
        .enumerate()
        .map(|(at, character)| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => character,
            '.' if at > 0 => character,
            _ => '_',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::format::sample::received;

    #[test]
    fn eml_names_stay_inside_the_folder_and_do_not_collide() {
        let named = |id: &str| {
            let mut record = received();
            record.headers = vec![("ce_id".into(), id.into())];
            eml_name(&record)
        };
        assert_eq!(named("0A-1b"), "0A-1b.eml");
        assert_eq!(named(""), "mail-3-42.eml");
        assert_eq!(named("../../etc/passwd"), "_._.._etc_passwd-mail-3-42.eml");
        assert_eq!(named(".hidden"), "_hidden-mail-3-42.eml");
        assert!(named(&"x".repeat(4000)).len() < 255 - 16);
        assert_eq!(eml_name(&Received::default()), "-0-0.eml");
    }
}
