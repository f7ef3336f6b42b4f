//! ARC (RFC 8617): the chain of those who forwarded a message.
//!
//! Owns: its fields, and what mail-auth's finding means. Must not know: how a question gets its answer.
//!
//! Found before mail-auth is asked: tag lists with a mistake or without a tag that they have to have, a signature that covers seals, SHA-1,
//! an `l=`.

use mail_auth::common::crypto::Algorithm;
use mail_auth::common::headers::Header;
use mail_auth::common::verify::VerifySignature;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, arc};

use super::dns::{Answers, Need};
use super::hash;
use super::keys::{Keys, at_once};
use super::message::Message;
use super::tags::Tags;
use super::word::Word;

/// Sets of a chain (4.2.1).
const SETS_MOST: usize = 50;

/// What was found of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    /// The result.
    pub word: Word,
    /// How many sets there are, and who sealed last.
    pub last: Option<(usize, String)>,
}

/// Reads the fields of a chain into `chain`, each kind in the order of the sets, and hashes the body as the last signature wants it.
pub(super) fn read<'a>(message: &Message<'a>, chain: &mut AuthenticatedMessage<'a>) {
    for (name, value) in message.all("ARC-Seal") {
        match seal(value) {
            Some(seal) => chain.as_headers.push(Header::new(name, value, seal)),
            None => chain.has_arc_errors = true,
        }
    }
    for (name, value) in message.all("ARC-Message-Signature") {
        match signature(value) {
            Some(signature) => chain.ams_headers.push(Header::new(name, value, signature)),
            None => chain.has_arc_errors = true,
        }
    }
    for (name, value) in message.all("ARC-Authentication-Results") {
        match arc::Results::parse(value) {
            Ok(results) => chain.aar_headers.push(Header::new(name, value, results)),
            Err(_) => chain.has_arc_errors = true,
        }
    }
    chain.as_headers.sort_by_key(|field| field.header.i);
    chain.ams_headers.sort_by_key(|field| field.header.i);
    chain.aar_headers.sort_by_key(|field| field.header.i);
    let last = chain.ams_headers.last();
    if let Some((form, algorithm)) = last.map(|last| (last.header.cb, last.header.a)) {
        hash::add(&mut chain.body_hashes, message.body, form, algorithm);
    }
}

/// A seal (4.1.3).
fn seal(value: &[u8]) -> Option<arc::Seal> {
    let tags = Tags::parse(value)?;
    let is_complete = tags.has(&["i", "a", "b", "cv", "d", "s"]);
    let seal = arc::Seal::parse(value).ok()?;
    (is_complete && seal.a != Algorithm::RsaSha1).then_some(seal)
}

/// A signature (4.1.2): it covers no seal.
fn signature(value: &[u8]) -> Option<arc::Signature> {
    let tags = Tags::parse(value)?;
    let is_complete = tags.has(&["i", "a", "b", "bh", "d", "h", "s"]);
    let mut signed = tags.parts("h").into_iter().flatten();
    let covers_seals = signed.any(|name| name.eq_ignore_ascii_case("arc-seal"));
    let signature = arc::Signature::parse(value).ok()?;
    let is_taken = is_complete && !covers_seals && tags.get("l").is_none();
    (is_taken && signature.a != Algorithm::RsaSha1).then_some(signature)
}

/// What is known of a chain whose body is not there.
pub(super) fn unverified(chain: &AuthenticatedMessage<'_>) -> Chain {
    let last = last_seal(chain);
    let word = if last.is_some() {
        Word::TempError
    } else {
        Word::None
    };
    Chain { word, last }
}

/// How many seals there are, and who made the last.
fn last_seal(chain: &AuthenticatedMessage<'_>) -> Option<(usize, String)> {
    let seals = &chain.as_headers;
    seals
        .last()
        .map(|last| (seals.len(), last.header.d.clone()))
}

/// Verifies a chain.
///
/// # Errors
/// Keys are missing.
pub(super) fn verify(
    chain: &AuthenticatedMessage<'_>,
    checker: &MessageAuthenticator,
    answers: &Answers,
) -> Result<Chain, Need> {
    let sets = chain.as_headers.len();
    let others = [chain.ams_headers.len(), chain.aar_headers.len()];
    let last = last_seal(chain);
    if !chain.has_arc_errors && sets == 0 && others == [0; 2] {
        let word = Word::None;
        return Ok(Chain { word, last });
    }
    // What has not the form of a chain needs no key.
    if chain.has_arc_errors || others != [sets; 2] || sets > SETS_MOST {
        let word = Word::Fail;
        return Ok(Chain { word, last });
    }
    let seals = chain
        .as_headers
        .iter()
        .map(|field| field.header.domain_key());
    let signature = chain
        .ams_headers
        .last()
        .map(|field| field.header.domain_key());
    let keys = Keys::find(seals.chain(signature), answers)?;
    let output = at_once(checker.verify_arc(keys.parameters(chain)));
    let word = match output.result() {
        DkimResult::Pass => Word::Pass,
        DkimResult::TempError(_) => Word::TempError,
        // A chain holds or does not (4.4).
        DkimResult::None
        | DkimResult::Neutral(_)
        | DkimResult::Fail(_)
        | DkimResult::PermError(_) => Word::Fail,
    };
    Ok(Chain { word, last })
}

#[cfg(test)]
mod tests;
