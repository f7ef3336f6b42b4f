//! A domain-spec of RFC 7208 section 7: text with macros, parsed and expanded.
//!
//! Owns: its syntax and what it becomes. Must not know: mechanisms, the DNS.
//!
//! Invariant: what is expanded has at most 253 characters; labels on the left are dropped until it has (section 7.3).

use std::fmt::Write as _;
use std::net::IpAddr;

/// Longest name that results.
const NAME_OCTETS: usize = 253;

/// A text with macros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MacroString(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Macro(Macro),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Macro {
    letter: Letter,
    /// Parts on the right that are kept; 0 for all.
    keep: usize,
    reverse: bool,
    escape: bool,
    delimiters: String,
}

/// What a macro stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letter {
    /// `s`
    Sender,
    /// `l`
    LocalPart,
    /// `o`
    SenderDomain,
    /// `d`
    Domain,
    /// `i`
    Address,
    /// `p`
    ValidatedName,
    /// `v`
    Version,
    /// `h`
    Helo,
}

/// What macros are expanded to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a> {
    pub local_part: &'a str,
    pub sender_domain: &'a str,
    pub domain: &'a str,
    pub address: IpAddr,
    pub helo: &'a str,
    /// Known only where [`MacroString::names_client`] asks for it.
    pub validated_name: &'a str,
}

impl MacroString {
    /// Parses a macro-string; none where it is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first != '%' {
                if !first.is_ascii_graphic() {
                    return None;
                }
                literal.push(first);
                rest = &rest[1..];
                continue;
            }
            let (text, length) = match rest.as_bytes().get(1)? {
                b'%' => ("%", 2),
                b'_' => (" ", 2),
                b'-' => ("%20", 2),
                b'{' => {
                    let end = rest.find('}')?;
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Macro(Macro::parse(&rest[2..end])?));
                    ("", end + 1)
                }
                _ => return None,
            };
            literal.push_str(text);
            rest = &rest[length..];
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Some(Self(parts))
    }

    /// Parses a domain-spec: a macro-string that ends in a macro or in a dot and a top label.
    pub(super) fn parse_domain(text: &str) -> Option<Self> {
        let parsed = Self::parse(text)?;
        match parsed.0.last()? {
            Part::Macro(_) => Some(parsed),
            Part::Literal(_) => {
                let text = text.strip_suffix('.').unwrap_or(text);
                let (before, top) = text.rsplit_once('.')?;
                (!before.is_empty() && is_top_label(top)).then_some(parsed)
            }
        }
    }

    /// Whether it needs the client's validated name.
    pub(super) fn names_client(&self) -> bool {
        let needs =
            |part: &Part| matches!(part, Part::Macro(one) if one.letter == Letter::ValidatedName);
        self.0.iter().any(needs)
    }

    /// The domain that it becomes, without a dot at its end.
    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        let mut expanded = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(text) => expanded.push_str(text),
                Part::Macro(one) => one.expand(values, &mut expanded),
            }
        }
        let mut name = expanded.strip_suffix('.').unwrap_or(&expanded);
        while name.len() > NAME_OCTETS {
            name = name.split_once('.').map_or("", |(_, right)| right);
        }
        name.to_owned()
    }
}

/// Whether it is a toplabel: letters, digits and hyphens, not all digits, no hyphen at an end.
fn is_top_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let is_inside = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-';
    bytes.iter().all(is_inside)
        && bytes.iter().any(|octet| !octet.is_ascii_digit())
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl Macro {
    /// Parses what is between the braces.
    fn parse(text: &str) -> Option<Self> {
        let mut characters = text.chars();
        let letter = characters.next()?;
        let escape = letter.is_ascii_uppercase();
        let letter = Letter::parse(letter.to_ascii_lowercase())?;
        let rest = characters.as_str();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = rest.split_at(digits);
        let keep = match number {
            "" => 0,
            // More parts than a name has are all of them.
            number => number.parse().map_or(usize::MAX, |keep: usize| keep),
        };
        if !number.is_empty() && keep == 0 {
            return None;
        }
        let stripped = rest.strip_prefix(['r', 'R']);
        let delimiters = stripped.unwrap_or(rest);
        let is_delimiter = |c: char| ".-+,/_=".contains(c);
        delimiters.chars().all(is_delimiter).then(|| Self {
            letter,
            keep,
            reverse: stripped.is_some(),
            escape,
            delimiters: if delimiters.is_empty() {
                "."
            } else {
                delimiters
            }
            .to_owned(),
        })
    }

    fn expand(&self, values: &Values<'_>, into: &mut String) {
        let value = self.letter.value(values);
        let is_delimiter = |c: char| self.delimiters.contains(c);
        let mut parts: Vec<&str> = value.split(is_delimiter).collect();
        if self.reverse {
            parts.reverse();
        }
        if self.keep > 0 {
            parts.drain(..parts.len().saturating_sub(self.keep));
        }
        let text = parts.join(".");
        if !self.escape {
            into.push_str(&text);
            return;
        }
        for octet in text.bytes() {
            if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
                into.push(char::from(octet));
            } else {
                write!(into, "%{octet:02X}").expect("a String takes every write");
            }
        }
    }
}

impl Letter {
    /// The letter in lower case. `c`, `r` and `t` are for explanations alone.
    fn parse(letter: char) -> Option<Self> {
        Some(match letter {
            's' => Self::Sender,
            'l' => Self::LocalPart,
            'o' => Self::SenderDomain,
            'd' => Self::Domain,
            'i' => Self::Address,
            'p' => Self::ValidatedName,
            'v' => Self::Version,
            'h' => Self::Helo,
            _ => return None,
        })
    }

    fn value(self, values: &Values<'_>) -> String {
        match self {
            Self::Sender => format!("{}@{}", values.local_part, values.sender_domain),
            Self::LocalPart => values.local_part.to_owned(),
            Self::SenderDomain => values.sender_domain.to_owned(),
            Self::Domain => values.domain.to_owned(),
            Self::Address => match values.address {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => {
                    let digits = address.octets().map(|octet| [octet >> 4, octet & 15]);
                    let digits = digits.as_flattened().iter();
                    let digits: Vec<String> = digits.map(|digit| format!("{digit:x}")).collect();
                    digits.join(".")
                }
            },
            Self::ValidatedName => values.validated_name.to_owned(),
            Self::Version => match values.address {
                IpAddr::V4(_) => "in-addr",
                IpAddr::V6(_) => "ip6",
            }
            .to_owned(),
            Self::Helo => values.helo.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of RFC 7208 7.4.
    fn values() -> Values<'static> {
        Values {
            local_part: "strong-bad",
            sender_domain: "email.example.com",
            domain: "email.example.com",
            address: "192.0.2.3".parse().unwrap(),
            helo: "mx.example.org",
            validated_name: "mx.example.org",
        }
    }

    #[test]
    fn the_examples_of_the_rfc() {
        for (text, expanded) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d3}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            (
                "%{ir}.%{v}._spf.%{d2}",
                "3.2.0.192.in-addr._spf.example.com",
            ),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            (
                "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
                "bad.strong.lp.3.2.0.192.in-addr._spf.example.com",
            ),
            (
                "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
                "3.2.0.192.in-addr.strong.lp._spf.example.com",
            ),
            (
                "%{d2}.trusted-domains.example.net",
                "example.com.trusted-domains.example.net",
            ),
        ] {
            let parsed = MacroString::parse_domain(text).unwrap();
            assert_eq!(parsed.expand(&values()), expanded, "{text}");
        }
        let mut values = values();
        values.address = "2001:db8::cb01".parse().unwrap();
        let parsed = MacroString::parse_domain("%{ir}.%{v}._spf.%{d2}").unwrap();
        assert_eq!(
            parsed.expand(&values),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
        );
        let escaped = MacroString::parse("%{S}%%%_%-").unwrap();
        assert_eq!(
            escaped.expand(&values),
            "strong-bad%40email.example.com% %20"
        );
    }

    #[test]
    fn what_is_no_domain_spec() {
        for text in [
            "",
            "example",
            "example.",
            ".com",
            "a.1",
            "a.-b",
            "a.b-",
            "%",
            "%a",
            "%{",
            "%{}",
            "%{x}",
            "%{c}",
            "%{r}",
            "%{t}",
            "%{d0}",
            "%{dr2}",
            "%{d:}",
            "a b.com",
            "\u{e9}.com",
            "a.b:80",
        ] {
            assert_eq!(MacroString::parse_domain(text), None, "{text}");
        }
        for text in [
            "a.b",
            "a.b.",
            "_spf.1a",
            "%{d}",
            "a/b.example",
            "a.%{D2r-+,/_=}",
            "a.c-d",
        ] {
            assert!(MacroString::parse_domain(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_long_name_loses_labels_on_the_left() {
        let long = vec!["a".repeat(50); 6].join(".");
        let values = Values {
            domain: &long,
            ..values()
        };
        let name = MacroString::parse_domain("%{d}.example")
            .unwrap()
            .expand(&values);
        assert_eq!(
            name,
            format!("{}.example", vec!["a".repeat(50); 4].join("."))
        );
    }
}
