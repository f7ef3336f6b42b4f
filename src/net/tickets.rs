//! Session tickets (RFC 5077, RFC 8446 4.6.1): what a client keeps of a TLS session, to resume it later without a signature.
//!
//! Owns: their form, their keys, their lifetime. Must not know: what rustls puts into one; the syntax of a file of keys
//! ([`crate::config::ticket_keys`] does); when keys are exchanged.
//!
//! ```text
//! name (16) | salt (24) | AES-256-GCM( issued (8) | session ) | tag (16)        authenticated as well: name, salt
//! name = HKDF-SHA256(secret, "name")        key of this one ticket = HKDF-SHA256(secret, "ticket" + salt), nonce 0
//! ```
//!
//! A ticket has a key of its own, because its secret is shared by instances that cannot agree on a counter, and may be used
//! for long. Random nonces of 96 bits under one key would repeat too soon: NIST SP 800-38D allows 2^32 of them, which is five
//! days of 10,000 handshakes a second, and a nonce that repeats reveals the key of the tags. A salt has 192 bits: among 2^48
//! tickets, a million a second for nine years, any two have the same one with a probability of 2^-97. No key encrypts twice,
//! so its nonce may be the same for all. HKDF is used as RFC 5869 describes it, and the two labels differ in their first byte.
//!
//! rustls resumes a session only for the same name (SNI), cipher suite and version, and in TLS 1.3 always with a fresh key
//! exchange. There are no client certificates and no ALPN that it could depend on, and no early data. It leaves expiry to
//! this file. A ticket does not depend on the certificate: a client that resumes trusts the one that it saw in the full
//! handshake.
//!
//! Invariants: the first key encrypts and all decrypt; a ticket is refused [`TICKET_LIFETIME_SECONDS`] after it was issued,
//! whoever has its key; what a client sends costs at most one derivation and one decryption, by its name, and nothing where
//! the name is unknown or the length is that of no ticket; no text has anything of a key in it but its name, which every ticket
//! shows in clear.
//!
//! BUGS: a TLS 1.2 client that resumes again and again keeps one secret for as long as it does: rustls issues a ticket with it
//! each time, and does not say since when the session lasts. Keys are not overwritten when they are dropped.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::server::ProducesTickets;

use crate::config::ticket_keys::{self, TicketKey, TicketKeys};
use crate::failure::{Blame, Blamed};
use crate::limits::{
    TICKET_KEY_MILLISECONDS, TICKET_KEY_OCTETS, TICKET_KEYS_MOST, TICKET_LIFETIME_SECONDS,
    TICKET_OCTETS, TICKET_SKEW_SECONDS,
};
use crate::telemetry::metrics::{Metrics, TicketRefused};

const NAME: usize = 16;
const SALT: usize = 24;
const ISSUED: usize = 8;
const TAG: usize = 16;

/// What a ticket has beside the session.
const OVERHEAD: usize = NAME + SALT + ISSUED + TAG;

/// Keys in memory: the one that encrypts, and those of which a ticket may still be valid.
const KEPT_IN_MEMORY: usize =
    1 + (TICKET_LIFETIME_SECONDS as u64 * 1000).div_ceil(TICKET_KEY_MILLISECONDS) as usize;

/// See the module. Shared by all workers, without a lock.
pub struct Tickets {
    ring: ArcSwap<Ring>,
    /// Tickets of clients that were not opened, by why.
    refused: [AtomicU64; TicketRefused::ALL.len()],
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

/// Keys, not in use yet.
pub struct Ring {
    keys: Vec<Key>,
    /// Where they are from; none: they were made here, and this process alone has them.
    file: Option<Origin>,
}

/// A file of keys.
struct Origin {
    path: PathBuf,
    exposed: bool,
}

/// One key, as it is used.
#[derive(Clone)]
struct Key {
    name: [u8; NAME],
    secret: Prk,
}

/// Why there are no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file of `tls.ticket_keys`.
    #[error(transparent)]
    File(#[from] ticket_keys::Error),
    /// For a key in memory.
    #[error("the kernel returns no random numbers for the keys of TLS session tickets")]
    NoRandom,
}

impl Blamed for Error {
    fn blame(&self) -> Blame {
        match self {
            Self::File(error) => error.blame(),
            Self::NoRandom => Blame::Machine,
        }
    }
}

impl Ring {
    /// Reads the keys of this file; without one, makes a key.
    ///
    /// # Errors
    /// The file is no file of keys.
    pub fn read(file: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = file else {
            let keys = vec![Key::random()?];
            return Ok(Self { keys, file: None });
        };
        let TicketKeys { keys, exposed } = ticket_keys::read(path)?;
        Ok(Self {
            keys: keys.iter().map(Key::of).collect(),
            file: Some(Origin {
                path: path.to_owned(),
                exposed,
            }),
        })
    }

    /// How many keys a file gave; 0 where there is none.
    pub fn count(&self) -> usize {
        self.file.as_ref().map_or(0, |_| self.keys.len())
    }

    /// The first digits of the name of the key that encrypts, by which an operator compares instances.
    pub fn first(&self) -> String {
        let name = &self.keys[0].name[..4];
        name.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// What is wrong with the file although it can be used, and what helps.
    pub fn warning(&self) -> Option<String> {
        let origin = self.file.as_ref().filter(|origin| origin.exposed)?;
        let path = origin.path.display();
        Some(format!(
            "tls.ticket_keys: {path} can be read by every user of this machine, and recorded TLS 1.2 sessions can be decrypted \
             with it: chmod o-r {path}, and use new keys"
        ))
    }

    fn seal(&self, session: &[u8], issued: u64, salt: [u8; SALT]) -> Option<Vec<u8>> {
        if session.len() + OVERHEAD > TICKET_OCTETS {
            return None;
        }
        let key = &self.keys[0];
        let mut ticket = Vec::with_capacity(session.len() + OVERHEAD);
        ticket.extend_from_slice(&key.name);
        ticket.extend_from_slice(&salt);
        ticket.extend_from_slice(&issued.to_be_bytes());
        ticket.extend_from_slice(session);
        let (head, body) = ticket.split_at_mut(NAME + SALT);
        let tag = key
            .of_ticket(&salt)
            .seal_in_place_separate_tag(once(), Aad::from(&*head), body)
            .ok()?;
        ticket.extend_from_slice(tag.as_ref());
        assert_eq!(ticket.len(), session.len() + OVERHEAD, "of its form");
        Some(ticket)
    }

    fn open(&self, ticket: &[u8], now: u64) -> Result<Vec<u8>, TicketRefused> {
        if ticket.len() < OVERHEAD || ticket.len() > TICKET_OCTETS {
            return Err(TicketRefused::UnknownKey);
        }
        let (head, body) = ticket.split_at(NAME + SALT);
        let (name, salt) = head.split_at(NAME);
        // A name is no secret: every ticket shows it.
        let key = self.keys.iter().find(|key| key.name == name);
        let key = key.ok_or(TicketRefused::UnknownKey)?;
        let mut body = body.to_vec();
        let plain = key
            .of_ticket(salt)
            .open_in_place(once(), Aad::from(head), &mut body)
            .map_err(|_| TicketRefused::Damaged)?
            .len();
        body.truncate(plain);
        let (issued, _) = body
            .split_first_chunk::<ISSUED>()
            .ok_or(TicketRefused::Damaged)?;
        let issued = u64::from_be_bytes(*issued);
        let is_valid = now.saturating_sub(issued) < u64::from(TICKET_LIFETIME_SECONDS)
            && issued.saturating_sub(now) <= TICKET_SKEW_SECONDS;
        body.drain(..ISSUED);
        is_valid.then_some(body).ok_or(TicketRefused::Expired)
    }
}

/// The nonce of a key that encrypts once.
fn once() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// The length of a name, for HKDF.
struct NameLength;

impl KeyType for NameLength {
    fn len(&self) -> usize {
        NAME
    }
}

impl Key {
    fn of(key: &TicketKey) -> Self {
        let salt = Salt::new(HKDF_SHA256, b"ringpost TLS session tickets, version 1");
        let secret = salt.extract(key.secret());
        let mut name = [0; NAME];
        secret
            .expand(&[b"name"], NameLength)
            .and_then(|derived| derived.fill(&mut name))
            .expect("a name is shorter than what HKDF derives at most");
        Self { name, secret }
    }

    fn random() -> Result<Self, Error> {
        let mut bytes = [0; TICKET_KEY_OCTETS];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| Error::NoRandom)?;
        Ok(Self::of(&TicketKey::new(bytes)))
    }

    /// The key of the ticket with this salt.
    fn of_ticket(&self, salt: &[u8]) -> LessSafeKey {
        let info = [b"ticket", salt];
        let derived = self
            .secret
            .expand(&info, &AES_256_GCM)
            .expect("a key is shorter than what HKDF derives at most");
        LessSafeKey::new(UnboundKey::from(derived))
    }
}

impl Tickets {
    /// With these keys.
    pub fn new(ring: Ring) -> Self {
        assert!(!ring.keys.is_empty(), "one key encrypts");
        assert!(
            ring.keys.len() <= TICKET_KEYS_MOST,
            "a file has no more than that"
        );
        Self {
            ring: ArcSwap::from_pointee(ring),
            refused: Default::default(),
        }
    }

    /// Uses these from the next handshake on. Keys in memory stay if those are no file's either.
    pub fn exchange(&self, ring: Ring) {
        if ring.file.is_some() || self.file().is_some() {
            self.ring.store(Arc::new(ring));
        }
    }

    /// Where no file gives keys, a new one encrypts from now on, and the oldest goes. To be called each
    /// [`TICKET_KEY_MILLISECONDS`], by one thread.
    ///
    /// # Errors
    /// [`Error::NoRandom`]; the keys stay as they are.
    pub fn turn(&self) -> Result<(), Error> {
        let current = self.ring.load();
        if current.file.is_some() {
            return Ok(());
        }
        let kept = current.keys.iter().take(KEPT_IN_MEMORY - 1).cloned();
        let keys = std::iter::once(Key::random()?).chain(kept).collect();
        self.ring.store(Arc::new(Ring { keys, file: None }));
        Ok(())
    }

    /// Shows how many tickets of clients were not opened.
    pub fn show(&self, metrics: &Metrics) {
        for (cause, count) in TicketRefused::ALL.iter().zip(&self.refused) {
            let so_far = count.load(Ordering::Relaxed);
            metrics.tickets_refused.absolute(*cause, so_far);
        }
    }

    /// The file that the keys are from.
    pub fn file(&self) -> Option<PathBuf> {
        let current = self.ring.load();
        current.file.as_ref().map(|origin| origin.path.clone())
    }

    /// See [`Ring::count`].
    pub fn count(&self) -> usize {
        self.ring.load().count()
    }

    /// See [`Ring::first`].
    pub fn first(&self) -> String {
        self.ring.load().first()
    }

    /// Says in the log which key of a file encrypts, and what is wrong with the file.
    pub fn tell(&self) {
        let current = self.ring.load();
        if current.file.is_some() {
            let (ticket_keys, first_key) = (current.count(), current.first());
            tracing::info!(
                ticket_keys,
                first_key,
                "session tickets have the keys of tls.ticket_keys"
            );
        }
        if let Some(warning) = current.warning() {
            tracing::warn!("{warning}");
        }
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        TICKET_LIFETIME_SECONDS
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let mut salt = [0; SALT];
        SystemRandom::new().fill(&mut salt).ok()?;
        self.ring.load().seal(session, now(), salt)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        match self.ring.load().open(ticket, now()) {
            Ok(session) => Some(session),
            Err(cause) => {
                self.refused[cause as usize].fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

/// Seconds since 1970; instances that share keys have no other clock in common.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const LIFETIME: u64 = TICKET_LIFETIME_SECONDS as u64;
    const SALTED: [u8; SALT] = [9; SALT];
    const UNKNOWN: Result<Vec<u8>, TicketRefused> = Err(TicketRefused::UnknownKey);

    fn ring(numbers: &[u8]) -> Ring {
        let keys = numbers
            .iter()
            .map(|&number| Key::of(&TicketKey::new([number; TICKET_KEY_OCTETS])));
        Ring {
            keys: keys.collect(),
            file: None,
        }
    }

    #[test]
    fn what_was_sealed_comes_back_while_its_key_is_there() {
        let session = b"a session";
        let ticket = ring(&[1]).seal(session, NOW, SALTED).unwrap();
        assert_eq!(ticket.len(), session.len() + OVERHEAD);
        for numbers in [&[1][..], &[2, 1], &[3, 2, 1]] {
            assert_eq!(ring(numbers).open(&ticket, NOW).unwrap(), session);
        }
        assert_eq!(ring(&[2, 3]).open(&ticket, NOW), UNKNOWN);
        // The first key encrypts, whatever others there are.
        let ticket = ring(&[2, 1]).seal(session, NOW, SALTED).unwrap();
        assert_eq!(ring(&[1]).open(&ticket, NOW), UNKNOWN);
        assert_eq!(ring(&[2]).open(&ticket, NOW).unwrap(), session);
        // The session is not in it in clear, nor is when it began.
        let hidden = |part: &[u8]| !ticket.windows(part.len()).any(|piece| piece == part);
        assert!(hidden(session) && hidden(&NOW.to_be_bytes()));
    }

    #[test]
    fn each_ticket_has_its_own_key() {
        let (one, other) = ([1; SALT], [2; SALT]);
        let sealed = |salt| ring(&[1]).seal(b"a session", NOW, salt).unwrap();
        let (first, second) = (sealed(one), sealed(other));
        assert_ne!(first[NAME + SALT..], second[NAME + SALT..]);
        // The body of one under the salt of the other.
        let mut mixed = first.clone();
        mixed[NAME..NAME + SALT].copy_from_slice(&other);
        assert_eq!(ring(&[1]).open(&mixed, NOW), Err(TicketRefused::Damaged));
        let tickets = Tickets::new(ring(&[1]));
        let drawn = || tickets.encrypt(b"a session").unwrap()[NAME..NAME + SALT].to_vec();
        assert_ne!(drawn(), drawn());
    }

    #[test]
    fn it_is_refused_when_its_lifetime_is_over_or_has_not_begun() {
        let ticket = ring(&[1]).seal(b"a session", NOW, SALTED).unwrap();
        let opens = |now| ring(&[1]).open(&ticket, now).is_ok();
        assert!(opens(NOW) && opens(NOW + LIFETIME - 1));
        assert!(opens(NOW - TICKET_SKEW_SECONDS));
        for then in [NOW + LIFETIME, u64::MAX, NOW - TICKET_SKEW_SECONDS - 1, 0] {
            let expired = Err(TicketRefused::Expired);
            assert_eq!(ring(&[1]).open(&ticket, then), expired, "{then}");
        }
    }

    #[test]
    fn no_bit_can_be_changed_and_no_byte_left_out_or_added() {
        let keys = ring(&[2, 1]);
        let ticket = ring(&[1]).seal(b"a session", NOW, SALTED).unwrap();
        for bit in 0..ticket.len() * 8 {
            let mut changed = ticket.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(keys.open(&changed, NOW).is_err(), "bit {bit}");
        }
        for length in 0..ticket.len() {
            assert!(keys.open(&ticket[..length], NOW).is_err(), "{length}");
            assert!(keys.open(&ticket[length + 1..], NOW).is_err(), "{length}");
        }
        for longer in [1, 16, TICKET_OCTETS, 70_000] {
            let mut changed = ticket.clone();
            changed.resize(ticket.len() + longer, 0);
            assert!(keys.open(&changed, NOW).is_err(), "{longer}");
        }
    }

    #[test]
    fn garbage_of_any_length_is_refused_with_a_known_name_and_without() {
        let keys = ring(&[1, 2, 3]);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..20_000 {
            let length = random() as usize % (TICKET_OCTETS + 40);
            let mut garbage: Vec<u8> = (0..length).map(|_| random() as u8).collect();
            if round % 2 == 0 && length >= NAME {
                garbage[..NAME].copy_from_slice(&keys.keys[round % 3].name);
            }
            assert!(keys.open(&garbage, NOW).is_err());
        }
    }

    #[test]
    fn a_session_of_any_length_has_a_ticket_or_none() {
        let keys = ring(&[1]);
        let most = TICKET_OCTETS - OVERHEAD;
        for length in [0, 1, most] {
            let session = vec![5; length];
            let ticket = keys.seal(&session, NOW, SALTED).unwrap();
            assert_eq!(keys.open(&ticket, NOW), Ok(session));
        }
        assert_eq!(keys.seal(&vec![5; most + 1], NOW, SALTED), None);
    }

    #[test]
    fn keys_in_memory_turn_and_outlast_their_tickets() {
        assert_eq!(KEPT_IN_MEMORY, 3);
        let tickets = Tickets::new(Ring::read(None).unwrap());
        let ticket = tickets.encrypt(b"a session").unwrap();
        for turn in 1..=KEPT_IN_MEMORY {
            let before = tickets.first();
            tickets.turn().unwrap();
            assert_ne!(tickets.first(), before, "another key encrypts");
            let expected = (turn < KEPT_IN_MEMORY).then(|| b"a session".to_vec());
            assert_eq!(tickets.decrypt(&ticket), expected, "{turn}");
        }
        // A reload does not take them away.
        let ticket = tickets.encrypt(b"a session").unwrap();
        tickets.exchange(Ring::read(None).unwrap());
        assert!(tickets.decrypt(&ticket).is_some());
        assert_eq!((tickets.count(), tickets.file()), (0, None));
    }

    #[test]
    fn keys_of_a_file_stay_until_they_are_exchanged() {
        use base64::Engine as _;
        let folder = tempfile::tempdir().unwrap();
        let write = |numbers: &[u8]| {
            let engine = base64::engine::general_purpose::STANDARD;
            let lines = numbers
                .iter()
                .map(|&number| engine.encode([number; TICKET_KEY_OCTETS]) + "\n");
            let path = folder.path().join("ticket.keys");
            std::fs::write(&path, lines.collect::<String>()).unwrap();
            path
        };
        let path = write(&[1]);
        let tickets = Tickets::new(Ring::read(Some(&path)).unwrap());
        let other = Tickets::new(Ring::read(Some(&path)).unwrap());
        let ticket = tickets.encrypt(b"a session").unwrap();
        tickets.turn().unwrap();
        assert_eq!(tickets.first(), ring(&[1]).first());
        assert_eq!(other.decrypt(&ticket).as_deref(), Some(&b"a session"[..]));
        for (numbers, is_taken) in [(&[1, 2][..], true), (&[2, 1], true), (&[2], false)] {
            other.exchange(Ring::read(Some(&write(numbers))).unwrap());
            assert_eq!(
                (other.count(), other.file()),
                (numbers.len(), Some(path.clone()))
            );
            assert_eq!(other.decrypt(&ticket).is_some(), is_taken, "{numbers:?}");
        }
        // From a file to none: what is in memory are other keys.
        tickets.exchange(Ring::read(None).unwrap());
        assert_eq!((tickets.decrypt(&ticket), tickets.count()), (None, 0));
        let (metrics, scrape) = Metrics::new(1);
        tickets.show(&metrics);
        let refused = "ringpost_tls_tickets_refused_total{cause=\"unknown_key\"} 1\n";
        assert!(scrape.render().contains(refused));
    }
}
