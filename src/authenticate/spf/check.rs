//! `check_host` of RFC 7208 section 4: the result for a client and a domain.
//!
//! Owns: the evaluation and its limits. Must not know: how a question gets its answer.
//!
//! Invariants: at most `LOOKUPS_MOST` terms that ask the DNS and `VOID_LOOKUPS_MOST` answers without records are evaluated in
//! all records of one check together; beyond that it is `permerror`.

use std::net::IpAddr;

use super::macros::{MacroString, Values};
use super::record::{Mechanism, NoRecord, Prefix, Record, select};
use crate::authenticate::dns::{Answer, Answers, Kind, Need, Question, is_name};
use crate::authenticate::word::Word;

/// Terms that ask the DNS (4.6.4).
const LOOKUPS_MOST: usize = 10;
/// Answers without records.
const VOID_LOOKUPS_MOST: usize = 2;
/// Names of MX or PTR records that are looked at.
const NAMES_MOST: usize = 10;

/// Who asks to send in whose name.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The client.
    pub client: IpAddr,
    /// The domain that is asked about.
    pub domain: &'a str,
    /// The local-part of the sender; `postmaster` where it has none.
    pub local_part: &'a str,
    /// The name in HELO or EHLO.
    pub helo: &'a str,
}

/// What ends an evaluation before its end.
enum Stop {
    /// An answer is missing.
    Need,
    /// The result, whatever else is in the records.
    Ended(Word),
}

impl From<Need> for Stop {
    fn from(_: Need) -> Self {
        Self::Need
    }
}

/// The result for a claim.
///
/// # Errors
/// Answers are missing.
pub fn check_host(claim: &Claim<'_>, answers: &Answers) -> Result<Word, Need> {
    let mut run = Run {
        client: claim.client.to_canonical(),
        claim: *claim,
        answers,
        lookups: 0,
        voids: 0,
    };
    match run.check(claim.domain) {
        Ok(word) | Err(Stop::Ended(word)) => Ok(word),
        Err(Stop::Need) => Err(Need),
    }
}

struct Run<'a> {
    claim: Claim<'a>,
    /// In IPv4 where it is an IPv4 address in IPv6 (5).
    client: IpAddr,
    answers: &'a Answers,
    lookups: usize,
    voids: usize,
}

impl Run<'_> {
    fn check(&mut self, domain: &str) -> Result<Word, Stop> {
        if !is_domain(domain) {
            return Ok(Word::None);
        }
        let texts = match self.answers.look(domain, Kind::Txt)? {
            Answer::Txt(texts) => texts.as_slice(),
            Answer::Trouble => return Err(Stop::Ended(Word::TempError)),
            _ => &[],
        };
        match select(texts) {
            Ok(record) => self.evaluate(&record, domain),
            Err(NoRecord::None) => Ok(Word::None),
            Err(NoRecord::Wrong) => Err(Stop::Ended(Word::PermError)),
        }
    }

    fn evaluate(&mut self, record: &Record, domain: &str) -> Result<Word, Stop> {
        for directive in &record.directives {
            if self.matches(&directive.mechanism, domain)? {
                return Ok(directive.result);
            }
        }
        let Some(target) = &record.redirect else {
            return Ok(Word::Neutral);
        };
        self.count_lookup()?;
        let target = self.expand(target, domain)?;
        match self.check(&target)? {
            Word::None => Err(Stop::Ended(Word::PermError)),
            word => Ok(word),
        }
    }

    fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Stop> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, bits) => Ok(is_in(self.client, IpAddr::V4(*network), *bits)),
            Mechanism::Ip6(network, bits) => Ok(is_in(self.client, IpAddr::V6(*network), *bits)),
            Mechanism::Include(target) => {
                self.count_lookup()?;
                let target = self.expand(target, domain)?;
                match self.check(&target)? {
                    Word::Pass => Ok(true),
                    Word::None => Err(Stop::Ended(Word::PermError)),
                    _ => Ok(false),
                }
            }
            Mechanism::A(target, prefix) => {
                self.count_lookup()?;
                let target = self.target(target.as_ref(), domain)?;
                self.has_client(&target, *prefix)
            }
            Mechanism::Mx(target, prefix) => {
                self.count_lookup()?;
                let target = self.target(target.as_ref(), domain)?;
                self.mx_has_client(&target, *prefix)
            }
            Mechanism::Ptr(target) => {
                self.count_lookup()?;
                let target = self.target(target.as_ref(), domain)?;
                let names = self.validated_names()?;
                Ok(names.iter().any(|name| is_below(name, &target)))
            }
            Mechanism::Exists(target) => {
                self.count_lookup()?;
                let target = self.expand(target, domain)?;
                Ok(!self.addresses(&target, Kind::A)?.is_empty())
            }
        }
    }

    fn count_lookup(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MOST {
            return Err(Stop::Ended(Word::PermError));
        }
        Ok(())
    }

    fn count_void(&mut self) -> Result<(), Stop> {
        self.voids += 1;
        if self.voids > VOID_LOOKUPS_MOST {
            return Err(Stop::Ended(Word::PermError));
        }
        Ok(())
    }

    fn target(&self, given: Option<&MacroString>, domain: &str) -> Result<String, Stop> {
        given.map_or_else(|| Ok(domain.to_owned()), |given| self.expand(given, domain))
    }

    fn expand(&self, text: &MacroString, domain: &str) -> Result<String, Stop> {
        let mut values = Values {
            local_part: self.claim.local_part,
            sender_domain: self.claim.domain,
            domain,
            address: self.client,
            helo: self.claim.helo,
            validated_name: "unknown",
        };
        if !text.names_client() {
            return Ok(text.expand(&values));
        }
        let names = self.validated_names()?;
        let is_domain = |name: &&String| name.eq_ignore_ascii_case(domain);
        let exact = names.iter().find(is_domain);
        let below = || names.iter().find(|name| is_below(name, domain));
        if let Some(name) = exact.or_else(below).or(names.first()) {
            values.validated_name = name;
        }
        Ok(text.expand(&values))
    }

    /// Addresses of a name; a name without any counts as void.
    fn addresses(&mut self, name: &str, kind: Kind) -> Result<Vec<IpAddr>, Stop> {
        match self.answers.look(name, kind)? {
            Answer::Addresses(addresses) => Ok(addresses.clone()),
            Answer::Trouble => Err(Stop::Ended(Word::TempError)),
            _ => {
                self.count_void()?;
                Ok(Vec::new())
            }
        }
    }

    fn address_kind(&self) -> Kind {
        match self.client {
            IpAddr::V4(_) => Kind::A,
            IpAddr::V6(_) => Kind::Aaaa,
        }
    }

    fn has_client(&mut self, name: &str, prefix: Prefix) -> Result<bool, Stop> {
        let addresses = self.addresses(name, self.address_kind())?;
        let bits = match self.client {
            IpAddr::V4(_) => prefix.ip4,
            IpAddr::V6(_) => prefix.ip6,
        };
        Ok(addresses
            .iter()
            .any(|address| is_in(self.client, *address, bits)))
    }

    fn mx_has_client(&mut self, name: &str, prefix: Prefix) -> Result<bool, Stop> {
        let servers = match self.answers.look(name, Kind::Mx)? {
            Answer::Mx(servers) => servers,
            Answer::Trouble => return Err(Stop::Ended(Word::TempError)),
            _ => {
                self.count_void()?;
                return Ok(false);
            }
        };
        for (at, (_, server)) in servers.iter().enumerate() {
            if at == NAMES_MOST {
                return Err(Stop::Ended(Word::PermError));
            }
            if self.has_client(server, prefix)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Names of the client that have its address (5.5); trouble leaves a name out.
    fn validated_names(&self) -> Result<Vec<String>, Need> {
        let Answer::Names(names) = self.answers.answer(Question::names_of(self.client))? else {
            return Ok(Vec::new());
        };
        let mut validated = Vec::new();
        for name in names.iter().take(NAMES_MOST) {
            if let Answer::Addresses(addresses) = self.answers.look(name, self.address_kind())?
                && addresses.contains(&self.client)
            {
                let name = name.strip_suffix('.').unwrap_or(name);
                validated.push(name.to_ascii_lowercase());
            }
        }
        Ok(validated)
    }
}

/// Whether a check begins with this domain: several labels that the DNS can have (4.3).
fn is_domain(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let ascii = ringpost_proto::smtp::domain::normal(name);
    is_name(&ascii) && ascii.contains('.')
}

/// Whether a name is this domain or below it.
fn is_below(name: &str, domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let Some(at) = name.len().checked_sub(domain.len()) else {
        return false;
    };
    name.is_char_boundary(at)
        && name[at..].eq_ignore_ascii_case(domain)
        && (at == 0 || name[..at].ends_with('.'))
}

/// Whether the first bits of two addresses of one kind agree.
fn is_in(client: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (client, network) {
        (IpAddr::V4(client), IpAddr::V4(network)) => {
            let differ = client.to_bits() ^ network.to_bits();
            differ.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(client), IpAddr::V6(network)) => {
            let differ = client.to_bits() ^ network.to_bits();
            differ.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests;
