//! Domains (RFC 5321 4.1.2, RFC 5890, RFC 6531 3.3): which texts are one, and the one form that all spellings of a domain share.
//!
//! Owns: the syntax and the lengths of a domain, and its normal form: A-labels in lower case, without a dot at the end. Must not
//! know: whose mail is taken.
//!
//! What is in ASCII is decided by its letters alone. Anything else goes through UTS 46 (non-transitional, all checks on). That
//! maps more than a domain may be written with: it removes U+200B, for one. So a domain counts only where the mapping changed
//! nothing but case and composition (RFC 5890 2.3.2.1: a U-label is what conversion to an A-label and back leaves as it is).
//!
//! Invariant: two spellings of one domain have the same normal form, and a normal form is its own.
//!
//! BUGS: UTS 46 takes symbols such as U+2603 that RFC 5892 does not; such names are in use. The rules of RFC 5892 for a character
//! that needs certain neighbours (CONTEXTO, such as U+00B7) are not looked at. An A-label in ASCII is not decoded:
//! one that stands for nothing is a name like any other.

use std::borrow::Cow;
use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::octet::{self, INTERNATIONAL, LABEL, UPPER, WORD};
use crate::limits::{DOMAIN_LABEL_OCTETS, DOMAIN_OCTETS};

/// Whether `input` is a domain: labels of letters, digits and hyphens that begin and end with no hyphen, or U-labels. An
/// underscore is taken, since names in use have it, and so is one dot at the end.
pub fn is_domain(input: &[u8]) -> bool {
    check(input).is_ok()
}

/// Why a text is not a domain. The text of an error is a clause about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotADomain {
    /// It is empty.
    Empty,
    /// It is longer than [`DOMAIN_OCTETS`].
    TooLong,
    /// Nothing stands between two dots.
    EmptyLabel,
    /// A label is longer than [`DOMAIN_LABEL_OCTETS`].
    LongLabel,
    /// A character is in it that no name has.
    Character,
    /// A label begins or ends with a hyphen.
    Hyphen,
    /// A label outside of ASCII is no U-label, or its A-label is too long.
    ULabel,
}

impl fmt::Display for NotADomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::TooLong => "it is too long",
            Self::EmptyLabel => "it has nothing between two dots",
            Self::LongLabel => "a part between dots is longer than 63 characters",
            Self::Character => "only letters, digits, hyphens and dots are allowed",
            Self::Hyphen => "a part between dots begins or ends with a hyphen",
            Self::ULabel => {
                "a part with letters outside of ASCII is no U-label (RFC 5890), or too long"
            }
        })
    }
}

impl std::error::Error for NotADomain {}

/// Whether `input` is a domain, as [`is_domain`] has it.
///
/// # Errors
/// The first reason why it is none.
pub fn check(input: &[u8]) -> Result<(), NotADomain> {
    if input.is_ascii() {
        return check_ascii(without_root(input));
    }
    let text = std::str::from_utf8(input).map_err(|_| NotADomain::ULabel)?;
    international(text).map(drop).ok_or(NotADomain::ULabel)
}

/// The normal form of a domain or address literal that is well-formed; of anything else, its lower case.
pub fn normal(text: &str) -> Cow<'_, str> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let classes = octet::classes_among(text.as_bytes());
    if classes & INTERNATIONAL != 0 {
        return international(text).map_or_else(|| Cow::Owned(text.to_lowercase()), Cow::Owned);
    }
    if classes & UPPER != 0 {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether each label of a domain in ASCII that claims to be an A-label is one.
pub fn has_valid_a_labels(domain: &str) -> bool {
    let claims = |label: &str| {
        label
            .get(..4)
            .is_some_and(|tag| tag.eq_ignore_ascii_case("xn--"))
    };
    domain
        .split('.')
        .filter(|label| claims(label))
        .all(|label| {
            let uts46 = Uts46::new();
            uts46
                .to_unicode(label.as_bytes(), DENIED, Hyphens::Check)
                .1
                .is_ok()
        })
}

/// What ASCII a domain with U-labels may not have: all but letters, digits, hyphens, dots and underscores.
const DENIED: AsciiDenyList = AsciiDenyList::new(true, "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

/// The normal form of a domain that is not in ASCII, if it is one.
fn international(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let uts46 = Uts46::new();
    let ascii = uts46
        .to_ascii(text.as_bytes(), DENIED, Hyphens::Check, DnsLength::Verify)
        .ok()?;
    let kept = |label: &str| label.is_ascii() || is_u_label(&uts46, label);
    assert!(
        ascii.is_ascii(),
        "A-labels are what UTS 46 makes of U-labels"
    );
    (text.split('.').all(kept) && check_ascii(ascii.as_bytes()).is_ok()).then(|| ascii.into_owned())
}

/// Whether UTS 46 leaves a label as it is, but for case and composition.
fn is_u_label(uts46: &Uts46, label: &str) -> bool {
    let lower: String = label.chars().flat_map(char::to_lowercase).collect();
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(&lower);
    let (mapped, valid) = uts46.to_unicode(label.as_bytes(), DENIED, Hyphens::Check);
    valid.is_ok() && mapped == composed
}

fn check_ascii(input: &[u8]) -> Result<(), NotADomain> {
    if input.is_empty() {
        return Err(NotADomain::Empty);
    }
    if input.len() > DOMAIN_OCTETS {
        return Err(NotADomain::TooLong);
    }
    if is_plain(input) {
        return Ok(());
    }
    input
        .split(|&octet| octet == b'.')
        .try_for_each(check_label)
}

/// Whether it has the form that nearly all domains have: labels without a hyphen, which are together no longer than one may be.
fn is_plain(input: &[u8]) -> bool {
    let mut label_begins = true;
    for &octet in input {
        if octet::is(octet, WORD) {
            label_begins = false;
        } else if octet == b'.' && !label_begins {
            label_begins = true;
        } else {
            return false;
        }
    }
    !label_begins && input.len() <= DOMAIN_LABEL_OCTETS
}

fn check_label(label: &[u8]) -> Result<(), NotADomain> {
    let (Some(first), Some(last)) = (label.first(), label.last()) else {
        return Err(NotADomain::EmptyLabel);
    };
    if label.len() > DOMAIN_LABEL_OCTETS {
        return Err(NotADomain::LongLabel);
    }
    if !label.iter().all(|&octet| octet::is(octet, LABEL)) {
        return Err(NotADomain::Character);
    }
    if *first == b'-' || *last == b'-' {
        return Err(NotADomain::Hyphen);
    }
    Ok(())
}

/// Without the dot of the root.
fn without_root(input: &[u8]) -> &[u8] {
    input.strip_suffix(b".").unwrap_or(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_domain_share_their_normal_form() {
        for (text, form) in [
            ("example.com", "example.com"),
            ("Example.COM.", "example.com"),
            ("_dmarc.example.com", "_dmarc.example.com"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("B\u{dc}CHER.example.", "xn--bcher-kva.example"),
            ("bu\u{308}cher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("stra\u{df}e.example", "xn--strae-oqa.example"),
            ("xn--bcher-kva.b\u{fc}cher", "xn--bcher-kva.xn--bcher-kva"),
            ("a_b.\u{fc}.example", "a_b.xn--tda.example"),
            (
                "\u{4f8b}\u{5b50}.\u{6d4b}\u{8bd5}",
                "xn--fsqu00a.xn--0zwm56d",
            ),
            (
                "\u{3b2}\u{3cc}\u{3bb}\u{3bf}\u{3c2}.com",
                "xn--nxasmm1c.com",
            ),
            ("\u{5d0}\u{5d1}.example", "xn--4dbc.example"),
        ] {
            assert!(is_domain(text.as_bytes()), "{text}");
            assert_eq!(normal(text), form, "{text}");
            assert_eq!(normal(form), form, "{text}");
        }
    }

    #[test]
    fn what_is_no_domain() {
        let long = "x".repeat(64);
        let longest = ["x"; 129].join(".");
        for text in [
            "",
            ".",
            "..",
            "a..",
            ".a",
            "a..b",
            "-a",
            "a-",
            "a b",
            "a,b",
            "a@b",
            &long,
            &longest,
            // Mapped away, mapped to something else, or disallowed: no U-labels.
            "exam\u{2060}ple.com",
            "exam\u{200b}ple.com",
            "exam\u{ad}ple.com",
            "a\u{85}b.com",
            "a\u{a0}b.com",
            "\u{ff45}xample.com",
            "a\u{3002}com",
            "\u{2460}.com",
            "\u{fb01}.com",
            "a\u{200d}b.com",
            "a\u{202e}b.com",
            "\u{308}a.com",
            "a\u{fe0f}b.com",
            "\u{e000}.com",
            "a\u{feff}.com",
            // An A-label holds no other letters; hyphens and directions have their rules.
            "xn--\u{f1}.com",
            "xn--bcher-kva\u{f1}.com",
            "-\u{fc}.com",
            "\u{fc}-.com",
            "\u{fc}\u{fc}--\u{fc}.com",
            "\u{5d0}a.com",
            "b\u{fc}cher..com",
            "b\u{fc} cher.com",
            "b\u{fc}ch$er.com",
        ] {
            assert!(!is_domain(text.as_bytes()), "{}", text.escape_unicode());
        }
        assert!(!is_domain(b"\xff.com"));
    }

    #[test]
    fn a_u_label_is_as_long_as_its_a_label() {
        let label = |count: usize| format!("{}.example", "\u{fc}".repeat(count));
        assert!(is_domain(label(57).as_bytes()));
        assert!(normal(&label(57)).split('.').next().unwrap().len() <= 63);
        assert!(!is_domain(label(70).as_bytes()));
    }

    #[test]
    fn a_labels_are_checked_where_somebody_asks() {
        assert!(has_valid_a_labels("xn--bcher-kva.example") && has_valid_a_labels("example.com"));
        assert!(!has_valid_a_labels("xn--\u{f1}.com") && !has_valid_a_labels("xn--a.example"));
    }
}
