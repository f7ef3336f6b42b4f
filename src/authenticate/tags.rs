//! Tag lists of RFC 6376 section 3.2: `v=1; a=rsa-sha256; …`.
//!
//! Owns: the syntax. Must not know: what a tag means.
//!
//! mail-auth reads a list as well as it can; what is no list, or names a tag twice, is found here first.

/// A tag list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tags(Vec<(String, String)>);

impl Tags {
    /// Parses a list; none where it is not one, or a tag is in it twice.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut tags: Vec<(String, String)> = Vec::new();
        let text = text.trim_matches(is_blank);
        let text = text.strip_suffix(';').unwrap_or(text);
        for tag in text.split(';') {
            let (name, value) = tag.split_once('=')?;
            let name = name.trim_matches(is_blank);
            let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
            if !begins
                || !name.chars().all(is_inside)
                || tags.iter().any(|(known, _)| known == name)
            {
                return None;
            }
            tags.push((name.to_owned(), value.trim_matches(is_blank).to_owned()));
        }
        Some(Self(tags))
    }

    /// The value of a tag.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut tags = self.0.iter();
        tags.find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether all of these tags are there and not empty.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        let is_there = |name: &&str| self.get(name).is_some_and(|value| !value.is_empty());
        names.iter().all(is_there)
    }

    /// The value of a tag without any blanks.
    pub(super) fn compact(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.replace(is_blank, ""))
    }

    /// The parts of a value between colons; none where the tag is not there.
    pub(super) fn parts(&self, name: &str) -> Option<impl Iterator<Item = &str>> {
        self.get(name)
            .map(|value| value.split(':').map(|part| part.trim_matches(is_blank)))
    }

    /// Name and value of the first tag.
    pub(super) fn first(&self) -> Option<(&str, &str)> {
        self.0
            .first()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_its_tags() {
        let tags =
            Tags::parse(b" v=1; a = rsa-sha256 ;\r\n\th=From : To:\r\n Subject; b=ab\r\n c=;\r\n")
                .unwrap();
        assert_eq!(tags.first(), Some(("v", "1")));
        assert_eq!(tags.get("a"), Some("rsa-sha256"));
        assert_eq!(
            tags.parts("h").unwrap().collect::<Vec<_>>(),
            ["From", "To", "Subject"]
        );
        assert_eq!(tags.compact("b").unwrap(), "abc=");
        assert_eq!(tags.get("A"), None);
    }

    #[test]
    fn what_is_no_list() {
        for text in [
            &b""[..],
            b";",
            b"v",
            b"v=1;;a=2",
            b"v=1;v=1",
            b"=1",
            b"1=1",
            b"a b=1",
            b"\xff=1",
        ] {
            assert_eq!(Tags::parse(text), None, "{}", text.escape_ascii());
        }
    }
}
