//! MTA-STS (RFC 8461): what a domain's TXT record and its policy say.
//!
//! Owns: reading both, and whether this server fits them. Must not know: how the policy was fetched.

use super::ask::Found;
use super::records::{bad, good, is_same, texts, unanswered, without_dot};
use super::secured::Security;
use crate::command::check::report::Answer;
use crate::verdict::Verdict;

const NAME: &str = "mta_sts";
/// A policy that is kept for less protects little: RFC 8461 3.2 has weeks in mind.
const AGE_LEAST: u64 = 86_400;

/// A policy.
#[derive(Debug, Default, PartialEq, Eq)]
struct Policy {
    mode: String,
    max_age: Option<u64>,
    servers: Vec<String>,
}

/// Whether the domain has a policy to be fetched.
///
/// # Errors
/// What is said where it has none.
pub(super) fn record(domain: &str, hostname: &str, found: &Found) -> Result<(), Answer> {
    let texts = match found {
        Err(why) => {
            return Err(unanswered(
                NAME,
                &format!("the MTA-STS record of {domain}"),
                why,
            ));
        }
        Ok(found) => texts(found, "v=STSv1"),
    };
    let wanted = format!("`_mta-sts.{domain}. IN TXT \"v=STSv1; id=1\"`");
    match &texts[..] {
        [] => Err(good(
            Verdict::Skipped,
            NAME,
            format!(
                "{domain} has no MTA-STS, so that senders fall back to clear text where encryption fails; it is two things, {wanted} \
                 and a policy with `mx: {}` at {}",
                without_dot(hostname),
                place(domain)
            ),
        )),
        [text] if text.split(';').any(|part| is_id(part.trim())) => Ok(()),
        [text] => Err(bad(
            Verdict::Failed,
            NAME,
            format!(
                "the MTA-STS record {text:?} has no id of letters and digits, so that senders pass it over"
            ),
            format!("publish {wanted}"),
        )),
        several => Err(bad(
            Verdict::Failed,
            NAME,
            format!(
                "{domain} has {} MTA-STS records, so that none counts",
                several.len()
            ),
            "remove all but one".to_owned(),
        )),
    }
}

fn is_id(part: &str) -> bool {
    let id = part.strip_prefix("id=").map(str::trim_end);
    id.is_some_and(|id| {
        (1..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric())
    })
}

/// Where a domain's policy is.
pub(super) fn place(domain: &str) -> String {
    format!("https://mta-sts.{domain}/.well-known/mta-sts.txt")
}

/// Whether the policy lets senders deliver to this server.
pub(super) fn judge(
    domain: &str,
    hostname: &str,
    text: Result<String, String>,
    security: &Security,
) -> Answer {
    let place = place(domain);
    let policy = match text.and_then(|text| read(&text)) {
        Ok(policy) => policy,
        Err(why) => {
            return bad(
                Verdict::Warning,
                NAME,
                format!(
                    "{place} cannot be used: {why}; senders that do not know the policy deliver without it"
                ),
                format!(
                    "serve the policy as text/plain at {place}, with a certificate for mta-sts.{domain}"
                ),
            );
        }
    };
    let verdict = match policy.mode.as_str() {
        "enforce" => Verdict::Failed,
        _ => Verdict::Warning,
    };
    let harm = match verdict {
        Verdict::Failed => "senders that follow it do not deliver here",
        _ => "senders that follow it would not deliver here if its mode were enforce",
    };
    let changed = "and then change the id in the TXT record";
    if policy.mode == "none" {
        let text = format!("the policy of {domain} has the mode none: it protects nothing");
        return good(Verdict::Ok, NAME, text);
    }
    if !policy
        .servers
        .iter()
        .any(|pattern| is_of(pattern, hostname))
    {
        return bad(
            verdict,
            NAME,
            format!(
                "the policy of {domain} has {} for mx, and not {hostname}: {harm}",
                policy.servers.join(", ")
            ),
            format!("add `mx: {}` to {place}, {changed}", without_dot(hostname)),
        );
    }
    if let Some(why) = &security.unverified {
        return bad(
            verdict,
            NAME,
            format!(
                "the policy of {domain} wants a certificate that can be verified ({why}): {harm}"
            ),
            "see starttls".to_owned(),
        );
    }
    match policy.max_age {
        Some(age) if age < AGE_LEAST => bad(
            Verdict::Warning,
            NAME,
            format!(
                "the policy of {domain} has max_age: {age}, so that senders forget it within a day"
            ),
            format!("write `max_age: 604800` or more in {place}, {changed}"),
        ),
        _ => good(
            Verdict::Ok,
            NAME,
            format!(
                "the policy of {domain} has the mode {} and names {hostname}",
                policy.mode
            ),
        ),
    }
}

/// Reads a policy.
fn read(text: &str) -> Result<Policy, String> {
    let mut policy = Policy::default();
    let mut version = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some((key, value)) = line.split_once(':') else {
            return Err(format!("the line {line:?} is no `name: value`"));
        };
        let value = value.trim();
        match key.trim() {
            "version" => version = Some(value.to_owned()),
            "mode" => value.clone_into(&mut policy.mode),
            "max_age" => {
                policy.max_age = Some(
                    value
                        .parse()
                        .map_err(|_| format!("max_age: {value:?} is no number"))?,
                )
            }
            "mx" => policy.servers.push(value.to_owned()),
            // RFC 8461 3.2: others may follow.
            _ => {}
        }
    }
    match (version.as_deref(), policy.mode.as_str(), policy.max_age) {
        (Some("STSv1"), "none", Some(_)) => Ok(policy),
        (Some("STSv1"), "enforce" | "testing", Some(_)) if !policy.servers.is_empty() => Ok(policy),
        (Some("STSv1"), "enforce" | "testing", Some(_)) => Err("it has no line mx".to_owned()),
        (Some("STSv1"), _, Some(_)) => {
            Err("its mode is none of enforce, testing and none".to_owned())
        }
        (Some("STSv1"), _, None) => Err("it has no max_age".to_owned()),
        (_, _, _) => Err("it has no line `version: STSv1`".to_owned()),
    }
}

/// Whether a pattern of a policy names a server. A star is one label (RFC 8461 4.1).
fn is_of(pattern: &str, hostname: &str) -> bool {
    match pattern.strip_prefix("*.") {
        None => is_same(pattern, hostname),
        Some(rest) => hostname
            .split_once('.')
            .is_some_and(|(_, parent)| is_same(rest, parent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticate::dns::Answer as Records;

    const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: mx.example.net\r\nmx: *.b.example\r\nmax_age: 604800\r\n";

    fn judged(text: &str, hostname: &str, security: &Security) -> Answer {
        judge("example.com", hostname, Ok(text.to_owned()), security)
    }

    #[test]
    fn a_record_has_an_id() {
        let of = |texts: &[&str]| {
            let texts = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
            record("example.com", "mx.example", &Ok(Records::Txt(texts)))
                .err()
                .map(|answer| answer.verdict)
        };
        assert_eq!(of(&["v=STSv1; id=20260101T000000;"]), None);
        assert_eq!(of(&["v=spf1 -all", "v=STSv1;id=1"]), None);
        assert_eq!(of(&[]), Some(Verdict::Skipped));
        assert_eq!(of(&["v=STSv1;"]), Some(Verdict::Failed));
        assert_eq!(of(&["v=STSv1; id=a-b"]), Some(Verdict::Failed));
        assert_eq!(
            of(&["v=STSv1; id=1", "v=STSv1; id=2"]),
            Some(Verdict::Failed)
        );
    }

    #[test]
    fn a_policy_has_to_name_this_server() {
        let fine = Security::default();
        for (policy, hostname, verdict, words) in [
            (
                POLICY,
                "mx.example.net",
                Verdict::Ok,
                "mode enforce and names",
            ),
            (POLICY, "MX.b.example", Verdict::Ok, "names"),
            (
                POLICY,
                "a.mx.b.example",
                Verdict::Failed,
                "do not deliver here",
            ),
            (
                POLICY,
                "b.example",
                Verdict::Failed,
                "mx.example.net, *.b.example",
            ),
            (
                &POLICY.replace("enforce", "testing"),
                "c.example",
                Verdict::Warning,
                "if its mode were enforce",
            ),
            (
                &POLICY.replace("enforce", "none"),
                "c.example",
                Verdict::Ok,
                "protects nothing",
            ),
            (
                &POLICY.replace("604800", "60"),
                "mx.example.net",
                Verdict::Warning,
                "within a day",
            ),
            (
                &POLICY.replace("STSv1", "STSv2"),
                "mx.example.net",
                Verdict::Warning,
                "version: STSv1",
            ),
            (
                &POLICY.replace("mx: ", "my: "),
                "mx.example.net",
                Verdict::Warning,
                "no line mx",
            ),
            (
                &POLICY.replace("mode: enforce", "mode: on"),
                "mx.example.net",
                Verdict::Warning,
                "none of enforce",
            ),
            (
                &POLICY.replace("max_age: 604800", ""),
                "mx.example.net",
                Verdict::Warning,
                "no max_age",
            ),
            (
                "<html>",
                "mx.example.net",
                Verdict::Warning,
                "no `name: value`",
            ),
        ] {
            let answer = judged(policy, hostname, &fine);
            assert_eq!(answer.verdict, verdict, "{answer:?}");
            assert!(answer.text.contains(words), "{answer:?}");
        }
        let why = "192.0.2.1: STARTTLS is not offered".to_owned();
        let unverified = Security {
            unverified: Some(why),
            ..Security::default()
        };
        let answer = judged(POLICY, "mx.example.net", &unverified);
        assert_eq!(answer.verdict, Verdict::Failed);
        assert!(
            answer.text.contains("STARTTLS is not offered"),
            "{answer:?}"
        );
    }
}
