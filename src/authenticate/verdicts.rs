//! One mail's verdicts: SPF, DKIM, DMARC, ARC and the client's name together.
//!
//! Owns: which checks there are, what each is given, and their order. Must not know: how a question gets its answer, what is written.
//!
//! Invariant: a check that is done is not done again while another waits for answers.

use std::net::IpAddr;

use mail_auth::MessageAuthenticator;
use ringpost_proto::smtp::domain;

use super::chain::Chain;
use super::dmarc::{self, Aligned, Author, Identity};
use super::dns::{Answers, Need};
use super::message::Message;
use super::reverse::{self, Reverse};
use super::signature::{Signatures, Signed};
use super::spf::check::{Claim, check_host};
use super::word::Word;

/// A mail, as far as checks need it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mail<'a> {
    /// The client.
    pub client: IpAddr,
    /// The name in HELO or EHLO.
    pub helo: &'a str,
    /// The envelope's sender; empty for the null sender.
    pub sender: &'a str,
    /// The message as it was received.
    pub message: &'a [u8],
    /// Whether its body is there; without it no signature can be verified.
    pub is_whole: bool,
}

/// Whose name SPF was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claimed {
    /// The envelope's sender.
    Sender(String),
    /// The name in HELO or EHLO, in A-labels.
    Helo(String),
}

/// All verdicts of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdicts {
    /// The client that SPF and the name are about.
    pub client: IpAddr,
    /// SPF of the sender, if there is one, and of the HELO name.
    pub spf: Vec<(Claimed, Word)>,
    /// DKIM, in the order of the signatures.
    pub dkim: Vec<Signed>,
    /// DMARC.
    pub dmarc: Aligned,
    /// ARC.
    pub arc: Chain,
    /// The client's name.
    pub iprev: Reverse,
}

impl Verdicts {
    /// The word of the attribute for SPF: the sender's, or that of HELO where the sender is null.
    pub(super) fn spf_word(&self) -> Word {
        self.spf.first().map_or(Word::None, |(_, word)| *word)
    }

    /// The word of the attribute for DKIM.
    pub(super) fn dkim_word(&self) -> Word {
        Word::of_several(self.dkim.iter().map(|signed| signed.word))
    }
}

/// A mail under way.
pub(super) struct Work<'a> {
    mail: Mail<'a>,
    signatures: Signatures<'a>,
    author: Author,
    spf: Option<Vec<(Claimed, Word)>>,
    dkim: Option<Vec<Signed>>,
    arc: Option<Chain>,
    iprev: Option<Reverse>,
}

impl<'a> Work<'a> {
    /// Reads the message.
    pub(super) fn begin(mail: Mail<'a>) -> Self {
        let message = Message::parse(mail.message);
        let signatures = Signatures::read(&message);
        let (dkim, arc) = if mail.is_whole {
            (None, None)
        } else {
            signatures.unverified()
        };
        Self {
            mail,
            signatures,
            author: dmarc::author(&message),
            spf: None,
            dkim,
            arc,
            iprev: None,
        }
    }

    /// Goes on with these answers.
    ///
    /// # Errors
    /// Answers are missing; those of all checks are noted.
    pub(super) fn advance(
        &mut self,
        checker: &MessageAuthenticator,
        answers: &Answers,
    ) -> Result<Verdicts, Need> {
        if self.spf.is_none() {
            self.spf = spf(&self.mail, answers).ok();
        }
        if self.dkim.is_none() {
            self.dkim = self.signatures.verify(checker, answers).ok();
        }
        if self.arc.is_none() {
            self.arc = self.signatures.verify_chain(checker, answers).ok();
        }
        if self.iprev.is_none() {
            self.iprev = reverse::check(self.mail.client, answers).ok();
        }
        let (Some(spf), Some(dkim)) = (&self.spf, &self.dkim) else {
            return Err(Need);
        };
        let dmarc = dmarc::check(&self.author, &identities(spf, dkim), answers)?;
        let (Some(arc), Some(iprev)) = (&self.arc, &self.iprev) else {
            return Err(Need);
        };
        Ok(Verdicts {
            client: self.mail.client.to_canonical(),
            spf: spf.clone(),
            dkim: dkim.clone(),
            dmarc,
            arc: arc.clone(),
            iprev: iprev.clone(),
        })
    }
}

/// SPF of the sender, and of the HELO name (RFC 7208 2.3, 2.4).
fn spf(mail: &Mail<'_>, answers: &Answers) -> Result<Vec<(Claimed, Word)>, Need> {
    let helo = domain::normal(mail.helo);
    let helo_claim = Claim {
        client: mail.client,
        domain: &helo,
        local_part: "postmaster",
        helo: &helo,
    };
    let of_helo = check_host(&helo_claim, answers);
    let of_sender = mail.sender.rsplit_once('@').map(|(local_part, domain)| {
        let claim = Claim {
            domain: &domain::normal(domain),
            local_part: if local_part.is_empty() {
                "postmaster"
            } else {
                local_part
            },
            ..helo_claim
        };
        check_host(&claim, answers)
    });
    let mut found = Vec::new();
    match of_sender {
        Some(word) => found.push((Claimed::Sender(mail.sender.to_owned()), word?)),
        // A sender without a domain has nobody who could speak for it.
        None if !mail.sender.is_empty() => {
            found.push((Claimed::Sender(mail.sender.to_owned()), Word::None))
        }
        None => {}
    }
    found.push((Claimed::Helo(helo.clone().into_owned()), of_helo?));
    Ok(found)
}

/// The domains that DMARC compares with the author's.
fn identities(spf: &[(Claimed, Word)], dkim: &[Signed]) -> Vec<Identity> {
    let counts = |word: Word| matches!(word, Word::Pass | Word::TempError);
    let mut identities = Vec::new();
    if let Some((claimed, word)) = spf.first().filter(|(_, word)| counts(*word)) {
        let domain = match claimed {
            Claimed::Sender(sender) => sender.rsplit_once('@').map_or("", |(_, domain)| domain),
            Claimed::Helo(helo) => helo,
        };
        identities.push(Identity {
            domain: domain.to_owned(),
            word: *word,
            by_spf: true,
        });
    }
    let signed = dkim.iter().filter(|signed| counts(signed.word));
    identities.extend(signed.map(|signed| Identity {
        domain: signed.domain.clone(),
        word: signed.word,
        by_spf: false,
    }));
    identities
}

#[cfg(test)]
mod tests;
