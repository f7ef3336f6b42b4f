//! DMARC (RFC 9989): whether an authenticated domain is that of the author.
//!
//! Owns: the author's domain, the tree walk to policies and organizational domains, and alignment. Must not know: how SPF and DKIM came
//! to their results, how a question gets its answer.
//!
//! A record itself is parsed by mail-auth.
//!
//! Invariant: a walk asks eight questions at most.

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::dmarc::{Alignment, Dmarc, Policy, Psd};
use mail_auth::{DnsError, Error};
use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderValue};
use ringpost_proto::smtp::domain;

use super::dns::{Answer, Answers, Kind, Need, is_name};
use super::message::Message;
use super::word::Word;

/// Labels of the second name that is asked for, where the first has more.
const LABELS_MOST: usize = 7;

/// The author of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Author {
    /// Nobody that can be read: no `From`, several of them, or one without a domain.
    Unclear,
    /// Several domains in one `From`; RFC 9989 exempts them.
    Several,
    /// One domain, in A-labels and lower case.
    Domain(String),
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aligned {
    /// The result.
    pub word: Word,
    /// Why, where a reader may wonder.
    pub why: Option<&'static str>,
    /// The author's domain; empty where there is none.
    pub domain: String,
    /// What the owner asks to do with what fails; none without a record.
    pub policy: Option<&'static str>,
}

/// A domain that was authenticated, or could not be for want of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// The domain.
    pub domain: String,
    /// Pass or temperror.
    pub word: Word,
    /// Whether SPF says so; else DKIM does.
    pub by_spf: bool,
}

/// Why a walk has no result.
enum Stop {
    Need,
    Trouble,
    Unreadable,
}

impl From<Need> for Stop {
    fn from(_: Need) -> Self {
        Self::Need
    }
}

/// Records by the names that have them, the longest name first.
type Walk<'d> = Vec<(&'d str, Dmarc)>;

/// The author of a message.
pub(super) fn author(message: &Message<'_>) -> Author {
    let mut fields = message.all("From");
    let (Some((_, value)), None) = (fields.next(), fields.next()) else {
        return Author::Unclear;
    };
    let mut domains = Vec::new();
    if let HeaderValue::Address(addresses) = MessageStream::new(value).parse_address() {
        let each: Vec<_> = match addresses {
            Address::List(list) => list,
            Address::Group(groups) => groups
                .into_iter()
                .flat_map(|group| group.addresses)
                .collect(),
        };
        for address in each {
            let domain = address
                .address
                .as_deref()
                .and_then(|text| text.rsplit_once('@'));
            let Some((_, domain)) = domain else {
                return Author::Unclear;
            };
            domains.push(domain::normal(domain.trim()).into_owned());
        }
    }
    domains.dedup();
    match domains.as_slice() {
        [one] if is_name(one) => Author::Domain(one.clone()),
        [_, _, ..] => Author::Several,
        _ => Author::Unclear,
    }
}

/// Whether one of these identities is aligned with the author.
///
/// # Errors
/// Answers are missing.
pub(super) fn check(
    author: &Author,
    identities: &[Identity],
    answers: &Answers,
) -> Result<Aligned, Need> {
    let mut aligned = Aligned {
        word: Word::None,
        why: None,
        domain: String::new(),
        policy: None,
    };
    let domain = match author {
        Author::Domain(domain) => domain,
        Author::Several => {
            aligned.why = Some("several author domains");
            return Ok(aligned);
        }
        Author::Unclear => {
            aligned.word = Word::PermError;
            aligned.why = Some("no single author");
            return Ok(aligned);
        }
    };
    aligned.domain.clone_from(domain);
    match evaluate(domain, identities, answers) {
        Ok(Some((word, policy))) => {
            aligned.word = word;
            aligned.policy = Some(policy);
        }
        Ok(None) => {}
        Err(Stop::Need) => return Err(Need),
        Err(Stop::Trouble) => aligned.word = Word::TempError,
        Err(Stop::Unreadable) => {
            aligned.word = Word::PermError;
            aligned.why = Some("unreadable record");
        }
    }
    Ok(aligned)
}

/// Result and policy; none where no record applies.
fn evaluate(
    author: &str,
    identities: &[Identity],
    answers: &Answers,
) -> Result<Option<(Word, &'static str)>, Stop> {
    let walk = walk(author, answers)?;
    let organization = organization(&walk, author);
    let of = |name: &str| {
        walk.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, record)| record)
    };
    let own = of(author);
    let Some(record) = own
        .or_else(|| of(organization))
        .or(walk.last().map(|(_, record)| record))
    else {
        return Ok(None);
    };
    let policy = match (record.p, own.is_some()) {
        (Policy::Unspecified, _) if record.rua.is_empty() => return Ok(None),
        (Policy::Unspecified, _) => Policy::None,
        (p, true) => p,
        (_, false) if record.np != record.sp && is_missing(author, answers)? => record.np,
        (_, false) => record.sp,
    };
    let mut word = Word::Fail;
    for identity in identities {
        let alignment = if identity.by_spf {
            record.aspf
        } else {
            record.adkim
        };
        let aligned = is_aligned(&identity.domain, author, organization, alignment, answers);
        match (aligned, identity.word) {
            (Ok(true), Word::Pass) => {
                word = Word::Pass;
                break;
            }
            (Ok(true), _) | (Err(Stop::Trouble), _) => word = Word::TempError,
            (Ok(false), _) | (Err(Stop::Unreadable), _) => {}
            (Err(Stop::Need), _) => return Err(Stop::Need),
        }
    }
    Ok(Some((word, policy_word(policy, record.t))))
}

/// The policy as it is applied: one step less in test mode (4.7).
fn policy_word(policy: Policy, is_test: bool) -> &'static str {
    match (policy, is_test) {
        (Policy::Reject, false) => "reject",
        (Policy::Reject, true) | (Policy::Quarantine, false) => "quarantine",
        (Policy::Quarantine, true) | (Policy::None | Policy::Unspecified, _) => "none",
    }
}

/// Whether there is no such name at all.
fn is_missing(name: &str, answers: &Answers) -> Result<bool, Need> {
    Ok(*answers.look(name, Kind::A)? == Answer::NoName)
}

fn is_aligned(
    domain: &str,
    author: &str,
    organization: &str,
    alignment: Alignment,
    answers: &Answers,
) -> Result<bool, Stop> {
    let domain = domain::normal(domain);
    if domain == author {
        return Ok(true);
    }
    // The organizational domain of a name is a part of the name, so others need no walk.
    let is_below = domain
        .strip_suffix(organization)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if alignment == Alignment::Strict || !is_below {
        return Ok(false);
    }
    let walk = walk(&domain, answers)?;
    Ok(self::organization(&walk, &domain) == organization)
}

/// The tree walk from a domain (4.10).
fn walk<'d>(domain: &'d str, answers: &Answers) -> Result<Walk<'d>, Stop> {
    let mut found = Walk::new();
    let mut name = Some(domain).filter(|domain| domain.contains('.'));
    while let Some(current) = name {
        if let Some(record) = record(current, answers)? {
            let is_last = matches!(record.psd, Psd::Yes | Psd::No);
            found.push((current, record));
            if is_last {
                break;
            }
        }
        name = next(current);
    }
    Ok(found)
}

/// The name after this one in a walk.
fn next(name: &str) -> Option<&str> {
    let labels = name.split('.').count();
    let drop = labels.saturating_sub(LABELS_MOST).max(1);
    let dot = name.match_indices('.').nth(drop - 1);
    dot.map(|(at, _)| &name[at + 1..])
}

/// The record of a name: the one text that is a record; several are none (4.10).
fn record(name: &str, answers: &Answers) -> Result<Option<Dmarc>, Stop> {
    let texts = match answers.look(&format!("_dmarc.{name}"), Kind::Txt)? {
        Answer::Txt(texts) => texts,
        Answer::Trouble => return Err(Stop::Trouble),
        _ => return Ok(None),
    };
    let is_record = |parsed: &mail_auth::Result<Dmarc>| {
        !matches!(parsed, Err(Error::Dns(DnsError::InvalidRecordType)))
    };
    let mut records = texts
        .iter()
        .map(|text| Dmarc::parse(text))
        .filter(is_record);
    match (records.next(), records.next()) {
        (Some(Ok(record)), None) => Ok(Some(record)),
        (Some(Err(_)), None) => Err(Stop::Unreadable),
        (None, _) | (Some(_), Some(_)) => Ok(None),
    }
}

/// The organizational domain of the name that a walk began at (4.10.2).
fn organization<'d>(walk: &Walk<'d>, start: &'d str) -> &'d str {
    for (name, record) in walk {
        match record.psd {
            Psd::No => return name,
            Psd::Yes if *name != start => return one_below(name, start),
            Psd::Yes | Psd::Default => {}
        }
    }
    walk.last().map_or(start, |(name, _)| name)
}

/// The part of `name` that has one label more than `above`.
fn one_below<'d>(above: &str, name: &'d str) -> &'d str {
    let Some(rest) = name.len().checked_sub(above.len() + 1) else {
        return name;
    };
    let at = name[..rest].rfind('.').map_or(0, |dot| dot + 1);
    &name[at..]
}

#[cfg(test)]
mod tests;
