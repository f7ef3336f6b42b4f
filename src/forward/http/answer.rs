//! What an application's answer means for a mail.
//!
//! Owns: the verdict of each status, Retry-After, and the text that is kept of an answer. Must not know: how it was read, the clock.
//!
//! | status | verdict |
//! |---|---|
//! | 2xx | accepted |
//! | 408, 425, 429, 5xx | later |
//! | 1xx, 3xx, other 4xx | refused |
//! | beyond 599 | later: RFC 9110 15 has a client take an invalid status as 5xx |
//!
//! A redirect is not followed. Most turn a POST into a GET, and a new address should not get mail before an operator has named it.
//!
//! Invariant: a text is one line of bounded length without control characters.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use reqwest::StatusCode;
use reqwest::header::HeaderValue;

use crate::forward::delivery::{Answer, Verdict};
use crate::limits::{WEBHOOK_RETRY_AFTER_SECONDS, WEBHOOK_WORDS};

/// The obsolete forms of a date that RFC 9110 5.6.7 has everybody read.
const OBSOLETE_DATES: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// What an application answered.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Its status.
    pub status: StatusCode,
    /// The beginning of what it said, on one line.
    pub words: String,
    /// When it wants to be asked again.
    pub not_before: Option<Duration>,
    /// Where a redirect points to.
    pub location: Option<String>,
}

impl Answered {
    /// What becomes of the mail.
    pub fn verdict(self) -> Verdict {
        match self.status.as_u16() {
            200..=299 => Verdict::Accepted,
            408 | 425 | 429 | 500.. => Verdict::Later {
                not_before: self.not_before,
                answer: self.answer(),
            },
            ..=199 | 300..=499 => Verdict::Refused(self.answer()),
        }
    }

    fn answer(self) -> Answer {
        let reason = self.status.canonical_reason();
        let redirect = self.status.is_redirection();
        let redirect = redirect.then(|| match self.location {
            Some(location) => format!("to {location}, and redirects are not followed"),
            None => "redirects are not followed".to_owned(),
        });
        let parts = [reason.map(str::to_owned), redirect, Some(self.words)];
        let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
        Answer {
            code: Some(self.status.as_u16()),
            text: parts.collect::<Vec<_>>().join(": "),
        }
    }
}

/// There is no answer, for this reason: the mail is posted again.
pub fn unanswered(why: &str) -> Verdict {
    Verdict::Later {
        answer: Answer {
            code: None,
            text: line(why),
        },
        not_before: None,
    }
}

/// A text as one line: blanks are one space, control characters are escaped, and its end is cut.
pub fn line(text: &str) -> String {
    let mut line = String::new();
    for character in text
        .split_whitespace()
        .flat_map(|word| [" ", word])
        .flat_map(str::chars)
        .skip(1)
    {
        if line.len() >= WEBHOOK_WORDS {
            line.push('…');
            break;
        }
        match character.is_control() || is_invisible(character) {
            true => line.extend(character.escape_unicode()),
            false => line.push(character),
        }
    }
    line
}

/// Characters that change how a terminal shows the others.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// How long Retry-After asks to wait, at most [`WEBHOOK_RETRY_AFTER_SECONDS`]; none where it cannot be read, or has passed.
pub fn retry_after(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let seconds = match text.bytes().all(|octet| octet.is_ascii_digit()) {
        // More digits than fit a number are a long time too.
        true if !text.is_empty() => text.parse().unwrap_or(u64::MAX),
        _ => u64::try_from(date(text)?.as_second() - now.as_second()).ok()?,
    };
    let seconds = seconds.min(WEBHOOK_RETRY_AFTER_SECONDS);
    (seconds > 0).then_some(Duration::from_secs(seconds))
}

fn date(text: &str) -> Option<Timestamp> {
    if let Ok(date) = DateTimeParser::new().parse_timestamp(text) {
        return Some(date);
    }
    OBSOLETE_DATES.iter().find_map(|form| {
        let date = strtime::parse(form, text).ok()?.to_datetime().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16) -> Verdict {
        let answered = Answered {
            status: StatusCode::from_u16(status).unwrap(),
            words: "words".to_owned(),
            not_before: Some(Duration::from_secs(7)),
            location: None,
        };
        answered.verdict()
    }

    #[test]
    fn every_status_has_its_verdict() {
        for status in 100..=999 {
            let verdict = verdict(status);
            let answer = match &verdict {
                Verdict::Accepted => {
                    assert!((200..300).contains(&status), "{status}");
                    continue;
                }
                Verdict::Later { answer, not_before } => {
                    let is_temporary = matches!(status, 408 | 425 | 429) || status >= 500;
                    assert!(is_temporary, "{status}");
                    assert_eq!(*not_before, Some(Duration::from_secs(7)));
                    answer
                }
                Verdict::Refused(answer) => {
                    let is_final = matches!(status, 100..=199 | 300..=499);
                    assert!(is_final && !matches!(status, 408 | 425 | 429), "{status}");
                    answer
                }
            };
            assert_eq!(answer.code, Some(status));
            assert!(answer.text.ends_with("words"), "{}", answer.text);
        }
    }

    #[test]
    fn an_answer_is_its_reason_and_its_words() {
        let text = |status, words: &str, location: Option<&str>| {
            let answered = Answered {
                status: StatusCode::from_u16(status).unwrap(),
                words: words.to_owned(),
                not_before: None,
                location: location.map(str::to_owned),
            };
            answered.answer().text
        };
        assert_eq!(text(404, "no such list", None), "Not Found: no such list");
        assert_eq!(text(410, "", None), "Gone");
        assert_eq!(text(499, "closed", None), "closed");
        assert_eq!(text(499, "", None), "");
        assert_eq!(
            text(308, "", Some("https://b.example/")),
            "Permanent Redirect: to https://b.example/, and redirects are not followed"
        );
        assert_eq!(
            text(302, "<html>", None),
            "Found: redirects are not followed: <html>"
        );
    }

    #[test]
    fn a_text_is_one_bounded_line() {
        for (text, expected) in [
            ("", ""),
            ("  \r\n ", ""),
            (" a\r\n\r\n b\tc ", "a b c"),
            ("\u{1b}[2J\u{0}", "\\u{1b}[2J\\u{0}"),
            ("a\u{202e}b\u{2028}c", "a\\u{202e}b c"),
            ("j\u{f6}rg", "j\u{f6}rg"),
        ] {
            assert_eq!(line(text), expected);
        }
        for long in [
            "x".repeat(10_000),
            "\u{1}".repeat(10_000),
            "x ".repeat(10_000),
        ] {
            let line = line(&long);
            assert!(line.len() < WEBHOOK_WORDS + 16 && line.ends_with('…'));
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        let most = Some(WEBHOOK_RETRY_AFTER_SECONDS);
        for (text, seconds) in [
            ("0", None),
            ("1", Some(1)),
            (" 120 ", Some(120)),
            ("3601", most),
            ("99999999999999999999999999", most),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37)),
            ("Sun Nov  6 08:49:37 1994", Some(37)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", None),
            ("Fri, 06 Nov 2026 08:49:37 GMT", most),
        ] {
            let value = HeaderValue::from_str(text).unwrap();
            let found = retry_after(&value, now);
            assert_eq!(found, seconds.map(Duration::from_secs), "{text}");
        }
        let value = HeaderValue::from_bytes(b"\xff").unwrap();
        assert_eq!(retry_after(&value, now), None);
    }
}
