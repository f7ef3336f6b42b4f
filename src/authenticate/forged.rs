//! `Authentication-Results` fields that others wrote in our name.
//!
//! Owns: which fields claim to be ours, and their new name. Must not know: what our own field says.
//!
//! RFC 8601 section 5: such a field must not reach a reader that trusts ours. It is renamed, not removed: nothing is lost, and the
//! message stays as long as it was but for the prefix. A value of which the authserv-id cannot be read with certainty counts as
//! claimed too, since a reader may read it in another way.
//!
//! Invariant: nothing else of the message changes.

use ringpost_proto::smtp::domain;

use super::message::{is_named, line_starts};

/// The name of such fields.
const NAME: &str = "Authentication-Results";
/// What is put before the name of one that is not ours.
pub(super) const PREFIX: &[u8] = b"X-Untrusted-";

/// The message with forged fields renamed, and how many there were; none where there are none.
pub(super) fn renamed(message: &[u8], hostname: &str) -> Option<(Vec<u8>, usize)> {
    let forged: Vec<usize> = line_starts(message)
        .filter(|at| is_forged(&message[*at..], hostname))
        .collect();
    if forged.is_empty() {
        return None;
    }
    let mut changed = Vec::with_capacity(message.len() + forged.len() * PREFIX.len());
    let mut done = 0;
    for at in &forged {
        changed.extend_from_slice(&message[done..*at]);
        changed.extend_from_slice(PREFIX);
        done = *at;
    }
    changed.extend_from_slice(&message[done..]);
    Some((changed, forged.len()))
}

/// Whether a field begins here that claims to be ours.
fn is_forged(message: &[u8], hostname: &str) -> bool {
    // The name is short; its colon is not far, whatever blanks are between.
    let line = memchr::memchr2(b'\r', b'\n', message).map_or(message, |end| &message[..end]);
    let Some(colon) = memchr::memchr(b':', line) else {
        return false;
    };
    // A line that begins with a blank continues the one before.
    if line.starts_with(b" ") || line.starts_with(b"\t") || !is_named(&line[..colon], NAME) {
        return false;
    }
    match authserv_id(value(&message[colon + 1..])) {
        None => true,
        Some(id) => domain::normal(&id) == domain::normal(hostname),
    }
}

/// The value that begins here, up to a line that does not continue it. The ends of its lines count as blanks.
fn value(message: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'\r', b'\n', &message[at..]) {
        let end = at + found;
        let lines = message[end..]
            .iter()
            .take_while(|octet| b"\r\n".contains(octet))
            .count();
        match message.get(end + lines) {
            Some(b' ' | b'\t') => at = end + lines,
            _ => return &message[..end],
        }
    }
    message
}

/// The authserv-id of a value; none where what it is cannot be said.
fn authserv_id(value: &[u8]) -> Option<String> {
    let rest = after_comments(value)?;
    let (id, rest) = match rest.first()? {
        b'"' => quoted(&rest[1..])?,
        _ => {
            let is_end = |octet: &u8| octet.is_ascii_whitespace() || b";(\"".contains(octet);
            let end = rest.iter().position(is_end).unwrap_or(rest.len());
            (rest[..end].to_vec(), &rest[end..])
        }
    };
    // After it is the end, a version, or the first result; anything else is an id that goes on in some way.
    let rest = after_comments(rest)?;
    let is_known_end = rest.is_empty() || rest[0] == b';' || rest[0].is_ascii_digit();
    let id = String::from_utf8(id).ok()?;
    let is_plain = !id.is_empty() && !id.contains(|c: char| c.is_whitespace() || c.is_control());
    // A reader that decodes encoded words sees another id.
    (is_known_end && is_plain && !id.contains("=?")).then_some(id)
}

/// What follows blanks and comments; none where a comment does not end.
fn after_comments(mut text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0usize;
    loop {
        let Some((first, rest)) = text.split_first() else {
            return (depth == 0).then_some(text);
        };
        text = match first {
            b'(' => {
                depth += 1;
                rest
            }
            b')' if depth > 0 => {
                depth -= 1;
                rest
            }
            b'\\' if depth > 0 => rest.get(1..)?,
            _ if depth > 0 || first.is_ascii_whitespace() => rest,
            _ => return Some(text),
        };
    }
}

/// The content of a quoted string, and what follows it; none where it does not end.
fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut content = Vec::new();
    let mut octets = text.iter().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'"' => return Some((content, &text[at + 1..])),
            b'\\' => content.push(*octets.next()?.1),
            b'\r' | b'\n' => {}
            _ => content.push(*octet),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "mx.example.com";

    fn count(field: &str) -> usize {
        let message = format!("Subject: x\r\n{field}\r\nTo: y\r\n\r\nbody\r\n");
        renamed(message.as_bytes(), HOST).map_or(0, |(_, count)| count)
    }

    #[test]
    fn fields_in_our_name_are_found_in_every_spelling() {
        for field in [
            "Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=bank.example",
            "authentication-results:mx.example.com;spf=pass",
            "AUTHENTICATION-RESULTS: MX.Example.COM; none",
            "Authentication-Results : mx.example.com; none",
            "Authentication-Results\t \t: mx.example.com; none",
            "Authentication-Results: mx.example.com 1; none",
            "Authentication-Results: mx.example.com. ; none",
            "Authentication-Results: (a comment) mx.example.com (another (nested) \\) one) 1 (x) ; none",
            "Authentication-Results:\r\n mx.example.com;\r\n\tspf=pass",
            "Authentication-Results:\r\n\t\r\n mx.example.com; none",
            "Authentication-Results: \"mx.example.com\"; none",
            "Authentication-Results: \"mx\\.example.com\"; none",
            "Authentication-Results: mx.example.com",
            // What the id is cannot be said.
            "Authentication-Results: (mx.example.com; spf=pass",
            "Authentication-Results: \"mx.example.com; spf=pass",
            "Authentication-Results: ; spf=pass",
            "Authentication-Results:",
            "Authentication-Results: =?utf-8?q?mx.example.com?=; spf=pass",
            "Authentication-Results: mx.example .com; spf=pass",
            "Authentication-Results: mx.example.com\u{0}; none",
            "Authentication-Results: other.example\"x\"; none",
            // Lines that only some readers see.
            "X: y\nAuthentication-Results: mx.example.com; none",
            "X: y\rAuthentication-Results: mx.example.com; none",
            "X: y\n\nAuthentication-Results: mx.example.com; none",
            "no field\r\nAuthentication-Results: mx.example.com; none",
        ] {
            assert_eq!(count(field), 1, "{field}");
        }
    }

    #[test]
    fn fields_of_others_stay() {
        for field in [
            "Authentication-Results: other.example; spf=pass",
            "Authentication-Results: other.example 1; spf=pass",
            "Authentication-Results: xmx.example.com; none",
            "Authentication-Results: mx.example.com.evil.example; none",
            "Authentication-Results: other.example (mx.example.com); none",
            "ARC-Authentication-Results: i=1; mx.example.com; spf=pass",
            "X-Authentication-Results: mx.example.com; none",
            "Subject: Authentication-Results: mx.example.com; none",
            "Subject: a\r\n Authentication-Results: mx.example.com; none",
        ] {
            assert_eq!(count(field), 0, "{field}");
        }
    }

    #[test]
    fn names_of_one_domain_are_one_name() {
        let message = "Authentication-Results: m\u{fc}x.example; none\r\n\r\n".as_bytes();
        assert!(renamed(message, "xn--mx-xka.example").is_some());
        assert!(renamed(message, "mx.example").is_none());
    }

    #[test]
    fn nothing_else_changes_and_bodies_are_left_alone() {
        let message = b"Authentication-Results: mx.example.com; a=b\r\nA: 1\r\nauthentication-results : mx.example.com;\r\n c=d\r\n\r\nAuthentication-Results: mx.example.com; e=f\r\n";
        let (changed, count) = renamed(message, HOST).unwrap();
        assert_eq!(count, 2);
        let expected = b"X-Untrusted-Authentication-Results: mx.example.com; a=b\r\nA: 1\r\nX-Untrusted-authentication-results : mx.example.com;\r\n c=d\r\n\r\nAuthentication-Results: mx.example.com; e=f\r\n";
        assert_eq!(changed, expected);
        assert_eq!(renamed(&changed, HOST), None);
    }
}
