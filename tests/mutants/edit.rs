//! A change of one place in a file, named by its text. White space does not count, so that the place is found again where
//! lines have moved or were broken differently.

use std::ops::Range;

use serde::Deserialize;

/// See the module.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file.
    pub file: String,
    /// The text that is there, once.
    find: String,
    /// The text in the mutant.
    replace: String,
}

impl Edit {
    /// The source with the change.
    ///
    /// # Errors
    /// Why the place is not clear.
    pub fn apply(&self, source: &str) -> Result<String, &'static str> {
        let mut places = (0..source.len())
            .filter(|&at| source.is_char_boundary(at))
            .filter_map(|at| place(source, at, &self.find));
        let place = places.next().ok_or("its text is no longer there")?;
        if places.next().is_some() {
            return Err("its text is there more than once");
        }
        let (front, back) = (&source[..place.start], &source[place.end..]);
        Ok([front, &self.replace, back].concat())
    }
}

/// Where `text` is in `source` from `at`, but for white space.
fn place(source: &str, at: usize, text: &str) -> Option<Range<usize>> {
    let mut rest = source[at..].char_indices();
    let mut end = at;
    for wanted in text.chars().filter(|c| !c.is_whitespace()) {
        let mut seen = rest
            .by_ref()
            .filter(|(_, c)| !c.is_whitespace() || end == at);
        let (offset, c) = seen.next()?;
        if c != wanted {
            return None;
        }
        end = at + offset + c.len_utf8();
    }
    (end > at).then_some(at..end)
}

#[test]
fn a_place_is_found_in_spite_of_white_space_and_has_to_be_one() {
    let edit = |find: &str| Edit {
        file: String::new(),
        find: find.to_owned(),
        replace: "drop(x)".to_owned(),
    };
    let source = "a(b);\n    x.take(\n        1,\n    );\nc(b);\n";
    let changed = edit("x.take(1,)").apply(source);
    assert_eq!(changed.as_deref(), Ok("a(b);\n    drop(x);\nc(b);\n"));
    assert!(edit("x.take(2,)").apply(source).is_err());
    assert!(edit("(b);").apply(source).is_err(), "it is there twice");
}
