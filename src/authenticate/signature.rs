//! DKIM (RFC 6376, 8301, 8463) and ARC (RFC 8617): the signatures of a message.
//!
//! Owns: which signatures are looked at, and what mail-auth's findings mean in the words of RFC 8601. Must not know: how a question
//! gets its answer.
//!
//! What mail-auth lets pass and the RFCs do not is found before it is asked: a tag list with a mistake or without a tag that it has to
//! have, a signature that leaves a `From` out, SHA-1, an `l=` that leaves a part of the body unsigned.
//!
//! Invariant: at most [`SIGNATURES_MOST`] signatures are verified, from the top; a body is hashed twice at most for each way to write it.

use mail_auth::common::crypto::{Algorithm, HashAlgorithm};
use mail_auth::common::headers::{Header, Writable, Writer};
use mail_auth::dkim::{Canonicalization, DkimError, Signature};
use mail_auth::{AuthenticatedMessage, DkimOutput, DkimResult, Error, MessageAuthenticator, arc};

use super::dns::{Answers, Need};
use super::keys::{Keys, at_once};
use super::message::{Field, Message};
use super::tags::Tags;
use super::word::Word;
use mail_auth::common::verify::VerifySignature;

/// Signatures that are verified; the ones at the top were added last.
pub(super) const SIGNATURES_MOST: usize = 10;
/// Sets of a chain (RFC 8617 4.2.1).
const ARC_SETS_MOST: usize = 50;

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

/// What was found of a chain of ARC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    /// The result.
    pub word: Word,
    /// How many sets there are, and who sealed last.
    pub last: Option<(usize, String)>,
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
        signatures.add_chain(message);
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
                self.hash(body, signature.cb, signature.a);
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

    fn hash(&mut self, body: &[u8], canonicalization: Canonicalization, algorithm: Algorithm) {
        let algorithm = HashAlgorithm::from(algorithm);
        let hashes = &mut self.message.body_hashes;
        let is_known = |known: &(Canonicalization, HashAlgorithm, u64, Vec<u8>)| {
            known.0 == canonicalization && known.1 == algorithm
        };
        if !hashes.iter().any(is_known) {
            let hash = algorithm.hash(canonicalization.canonical_body(body, 0));
            hashes.push((canonicalization, algorithm, 0, hash.as_ref().to_vec()));
        }
    }

    fn add_chain(&mut self, message: &Message<'a>) {
        for (name, value) in message.all("ARC-Seal") {
            match arc::Seal::parse(value) {
                Ok(seal) if seal.a != Algorithm::RsaSha1 => {
                    self.message.as_headers.push(Header::new(name, value, seal));
                }
                Ok(_) | Err(_) => self.message.has_arc_errors = true,
            }
        }
        for (name, value) in message.all("ARC-Message-Signature") {
            match arc::Signature::parse(value) {
                Ok(signature) if signature.l == 0 && signature.a != Algorithm::RsaSha1 => {
                    self.message
                        .ams_headers
                        .push(Header::new(name, value, signature));
                }
                Ok(_) | Err(_) => self.message.has_arc_errors = true,
            }
        }
        for (name, value) in message.all("ARC-Authentication-Results") {
            match arc::Results::parse(value) {
                Ok(results) => self
                    .message
                    .aar_headers
                    .push(Header::new(name, value, results)),
                Err(_) => self.message.has_arc_errors = true,
            }
        }
        self.message
            .as_headers
            .sort_by_key(|header| header.header.i);
        self.message
            .ams_headers
            .sort_by_key(|header| header.header.i);
        self.message
            .aar_headers
            .sort_by_key(|header| header.header.i);
        let last = self.message.ams_headers.last();
        if let Some((canonicalization, algorithm)) =
            last.map(|last| (last.header.cb, last.header.a))
        {
            self.hash(message.body, canonicalization, algorithm);
        }
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
        let last = self.last_seal();
        let word = if last.is_some() {
            Word::TempError
        } else {
            Word::None
        };
        (Some(signed.collect()), Some(Chain { word, last }))
    }

    /// How many seals there are, and who made the last.
    fn last_seal(&self) -> Option<(usize, String)> {
        let seals = &self.message.as_headers;
        seals
            .last()
            .map(|last| (seals.len(), last.header.d.clone()))
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
        let message = &self.message;
        let sets = message.as_headers.len();
        let last = self.last_seal();
        let is_empty =
            sets == 0 && message.ams_headers.is_empty() && message.aar_headers.is_empty();
        if message.has_arc_errors || is_empty {
            let word = if message.has_arc_errors {
                Word::Fail
            } else {
                Word::None
            };
            return Ok(Chain { word, last });
        }
        // What has not the form of a chain needs no key.
        let counts = [message.ams_headers.len(), message.aar_headers.len()];
        if counts != [sets; 2] || sets > ARC_SETS_MOST {
            return Ok(Chain {
                word: Word::Fail,
                last,
            });
        }
        let seals = message
            .as_headers
            .iter()
            .map(|header| header.header.domain_key());
        let signature = message
            .ams_headers
            .last()
            .map(|header| header.header.domain_key());
        let keys = Keys::find(seals.chain(signature), answers)?;
        let output = at_once(checker.verify_arc(keys.parameters(message)));
        let word = match output.result() {
            DkimResult::Pass => Word::Pass,
            DkimResult::TempError(_) => Word::TempError,
            // A chain holds or does not (RFC 8617 4.4).
            DkimResult::None
            | DkimResult::Neutral(_)
            | DkimResult::Fail(_)
            | DkimResult::PermError(_) => Word::Fail,
        };
        Ok(Chain { word, last })
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
    let has = |tag: &&str| tags.get(tag).is_some_and(|value| !value.is_empty());
    if !["v", "a", "b", "bh", "d", "h", "s"].iter().all(has) {
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
        let whole = canonical_length(signature.cb, body);
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

/// Bytes of a body as it is signed.
fn canonical_length(canonicalization: Canonicalization, body: &[u8]) -> u64 {
    struct Length(u64);
    impl Writer for Length {
        fn write(&mut self, bytes: &[u8]) {
            self.0 += bytes.len() as u64;
        }
    }
    let mut length = Length(0);
    canonicalization.canonical_body(body, 0).write(&mut length);
    length.0
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
