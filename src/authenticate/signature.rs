//! DKIM (RFC 6376, 8301, 8463): the signatures of a message; the chain of ARC is verified with what was read here.
//!
//! Owns: which signatures are looked at, and what mail-auth's findings mean in the words of RFC 8601. Must not know: how a question
//! gets its answer.
//!
//! What mail-auth lets pass and the RFCs do not is found before it is asked: a tag list with a mistake or without a tag that it has to
//! have, a signature that leaves a `From` out, SHA-1, an `l=` that leaves a part of the body unsigned.
//!
//! Invariant: at most [`SIGNATURES_MOST`] signatures are verified, from the top; a body is hashed twice at most for each way to write it.

use mail_auth::common::crypto::Algorithm;
use mail_auth::common::headers::Header;
use mail_auth::common::verify::VerifySignature;
use mail_auth::dkim::{DkimError, Signature};
use mail_auth::{AuthenticatedMessage, DkimOutput, DkimResult, Error, MessageAuthenticator};

use super::chain::{self, Chain};
use super::dns::{Answers, Need};
use super::hash;
use super::keys::{Keys, at_once};
use super::message::{Field, Message};
use super::tags::Tags;
use super::word::Word;

/// Signatures that are verified; the ones at the top were added last.
pub(super) const SIGNATURES_MOST: usize = 10;

/// What was found of one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    /// The result.
    pub word: Word,
    /// Why, where it is no pass.
    pub why: Option<&'static str>,
    /// The domain that signed; empty where it cannot be read.
    pub domain: String,
    /// The selector.
    pub selector: String,
    /// The first characters of the signature (RFC 6008).
    pub start: String,
}

/// The signatures of a message, read once.
pub(super) struct Signatures<'a> {
    found: Vec<Found>,
    /// For mail-auth: what can be verified of DKIM, and the chain of ARC.
    message: AuthenticatedMessage<'a>,
}

/// A field that is a signature.
struct Found {
    signed: Signed,
    /// Its place among those that mail-auth verifies; none where the result is known.
    place: Option<usize>,
}

impl<'a> Signatures<'a> {
    /// Reads the signatures of a message, and hashes its body as they want it.
    pub(super) fn read(message: &Message<'a>) -> Self {
        let mut signatures = Self {
            found: Vec::new(),
            message: AuthenticatedMessage {
                headers: message.fields.clone(),
                ..AuthenticatedMessage::default()
            },
        };
        let authors = message.all("From").count();
        for field in message.all("DKIM-Signature").take(SIGNATURES_MOST) {
            signatures.add(field, message.body, authors);
        }
        chain::read(message, &mut signatures.message);
        signatures
    }

    fn add(&mut self, (name, value): Field<'a>, body: &[u8], authors: usize) {
        let tags = Tags::parse(value);
        let get = |tag| {
            tags.as_ref()
                .and_then(|tags| tags.compact(tag))
                .unwrap_or_default()
        };
        let mut found = Found {
            signed: Signed {
                word: Word::Neutral,
                why: None,
                domain: get("d"),
                selector: get("s"),
                start: get("b").chars().take(8).collect(),
            },
            place: None,
        };
        match usable(tags.as_ref(), value, body, authors) {
            Ok(signature) => {
                hash::add(
                    &mut self.message.body_hashes,
                    body,
                    signature.cb,
                    signature.a,
                );
                found.place = Some(self.message.dkim_headers.len());
                self.message
                    .dkim_headers
                    .push(Header::new(name, value, signature));
            }
            Err((word, why)) => {
                found.signed.word = word;
                found.signed.why = Some(why);
            }
        }
        self.found.push(found);
    }

    /// What is known of signatures whose body is not there.
    pub(super) fn unverified(&self) -> (Option<Vec<Signed>>, Option<Chain>) {
        let signed = self.found.iter().map(|found| {
            let mut signed = found.signed.clone();
            if found.place.is_some() {
                (signed.word, signed.why) = (Word::TempError, Some("the body is not there"));
            }
            signed
        });
        (
            Some(signed.collect()),
            Some(chain::unverified(&self.message)),
        )
    }

    /// Verifies the signatures of DKIM; the results are in the order of the fields.
    ///
    /// # Errors
    /// Keys are missing.
    pub(super) fn verify(
        &self,
        checker: &MessageAuthenticator,
        answers: &Answers,
    ) -> Result<Vec<Signed>, Need> {
        let names = self
            .message
            .dkim_headers
            .iter()
            .map(|header| header.header.domain_key());
        let keys = Keys::find(names, answers)?;
        let outputs = at_once(checker.verify_dkim(keys.parameters(&self.message)));
        assert_eq!(
            outputs.len(),
            self.message.dkim_headers.len(),
            "one result for each signature"
        );
        let signed = self.found.iter().map(|found| {
            let mut signed = found.signed.clone();
            if let Some(place) = found.place {
                (signed.word, signed.why) = meaning(&outputs[place]);
            }
            signed
        });
        Ok(signed.collect())
    }

    /// Verifies the chain of ARC.
    ///
    /// # Errors
    /// Keys are missing.
    pub(super) fn verify_chain(
        &self,
        checker: &MessageAuthenticator,
        answers: &Answers,
    ) -> Result<Chain, Need> {
        chain::verify(&self.message, checker, answers)
    }
}

/// A signature that can be verified, in a message with this many `From` fields.
///
/// # Errors
/// What the result is without that.
fn usable(
    tags: Option<&Tags>,
    value: &[u8],
    body: &[u8],
    authors: usize,
) -> Result<Signature, (Word, &'static str)> {
    let tags = tags.ok_or((Word::Neutral, "not a tag list"))?;
    if !tags.has(&["v", "a", "b", "bh", "d", "h", "s"]) {
        return Err((Word::Neutral, "a required tag is missing"));
    }
    if tags.get("v") != Some("1") {
        return Err((Word::Neutral, "unknown version"));
    }
    let signed = tags.parts("h").into_iter().flatten();
    let signed = signed
        .filter(|name| name.eq_ignore_ascii_case("from"))
        .count();
    if signed == 0 {
        return Err((Word::PermError, "From is not signed"));
    }
    // One that was added later would be shown in place of the one that was signed (RFC 6376 8.15).
    if signed < authors {
        return Err((Word::Policy, "a From field is not signed"));
    }
    let mut queries = tags.parts("q").into_iter().flatten();
    if tags.get("q").is_some() && !queries.any(|query| query == "dns/txt") {
        return Err((Word::Neutral, "unknown query method"));
    }
    let mut signature = Signature::parse(value).map_err(|_| (Word::Neutral, "unreadable"))?;
    if signature.a == Algorithm::RsaSha1 {
        return Err((Word::Policy, "rsa-sha1 is not accepted"));
    }
    if tags.get("x").is_some() && signature.x <= signature.t {
        return Err((Word::PermError, "it expired before it was made"));
    }
    if let Some(length) = tags.get("l") {
        let length: u64 = length
            .parse()
            .map_err(|_| (Word::Neutral, "unreadable length"))?;
        let whole = hash::canonical_length(signature.cb, body);
        if length > whole {
            return Err((Word::PermError, "the body is shorter than was signed"));
        }
        if length < whole {
            return Err((Word::Policy, "a part of the body is not signed"));
        }
        signature.l = 0;
    }
    // Extensions that would ask the DNS for more: reports, and signatures of third parties.
    signature.r = false;
    signature.atps = None;
    Ok(signature)
}

/// What a finding of mail-auth is called.
fn meaning(output: &DkimOutput<'_>) -> (Word, Option<&'static str>) {
    match output.result() {
        DkimResult::Pass => (Word::Pass, None),
        DkimResult::TempError(_) => (Word::TempError, Some("no answer for the key")),
        DkimResult::Neutral(error) | DkimResult::Fail(error) | DkimResult::PermError(error) => {
            of_error(error)
        }
        DkimResult::None => (Word::Neutral, None),
    }
}

fn of_error(error: &Error) -> (Word, Option<&'static str>) {
    match error {
        Error::Dkim(DkimError::FailedBodyHashMatch) => (Word::Fail, Some("the body was changed")),
        Error::Dkim(DkimError::SignatureExpired) => (Word::Policy, Some("it has expired")),
        Error::Dkim(DkimError::FailedAuidMatch) => (Word::PermError, Some("i= is not in d=")),
        Error::Dkim(DkimError::RevokedPublicKey) => (Word::PermError, Some("the key is revoked")),
        Error::Crypto(_) => (Word::Fail, Some("it does not verify")),
        Error::Dns(_) => (Word::PermError, Some("there is no key")),
        _ => (Word::PermError, Some("the key cannot be used")),
    }
}

#[cfg(test)]
mod tests;
