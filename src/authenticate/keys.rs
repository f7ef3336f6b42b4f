//! Public keys of signatures, from answers to where mail-auth looks for them.
//!
//! Owns: which text is a key that counts, and the seam to mail-auth, which asks a cache before it asks the DNS: this one has an answer
//! to everything. Must not know: how a question gets its answer, what a signature says.
//!
//! Invariant: mail-auth never asks the DNS itself. Its checks are futures, which therefore are ready at once.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::common::cache::NoCache;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::{
    DnsError, Error, MX, MessageAuthenticator, Parameters, RecordSet, ResolverCache, Txt,
};

use super::dns::{Answer, Answers, Kind, Need};
use super::tags::Tags;

/// Shortest RSA key that counts (RFC 8301 3.2).
const RSA_BITS_LEAST: usize = 1024;

/// The keys of a message, by the name in which mail-auth asks for them.
#[derive(Default)]
pub(super) struct Keys(HashMap<Box<str>, Txt>);

/// Parameters of a check by mail-auth.
pub(super) type Asked<'x, P> = Parameters<
    'x,
    P,
    Keys,
    NoCache<Box<str>, RecordSet<MX>>,
    NoCache<Box<str>, RecordSet<Ipv4Addr>>,
    NoCache<Box<str>, RecordSet<Ipv6Addr>>,
    NoCache<IpAddr, RecordSet<Box<str>>>,
>;

/// What mail-auth calls its checks on. Its resolver has no server, as it is never asked.
///
/// # Errors
/// There are no authorities for TLS to a server that there is not.
pub(super) fn checker() -> Result<MessageAuthenticator, NetError> {
    let (nobody, provider) = (ResolverConfig::default(), TokioRuntimeProvider::default());
    let resolver = TokioResolver::builder_with_config(nobody, provider).build()?;
    Ok(MessageAuthenticator(resolver))
}

/// The result of a check that waits for nothing.
pub(super) fn at_once<T>(check: impl Future<Output = T>) -> T {
    match pin!(check).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("a check has asked for what the answers do not hold"),
    }
}

impl Keys {
    /// Keys for all of these names.
    ///
    /// # Errors
    /// Answers are missing; all of them are noted.
    pub(super) fn find(
        names: impl IntoIterator<Item = String>,
        answers: &Answers,
    ) -> Result<Self, Need> {
        let mut keys = Self::default();
        let mut complete = Ok(());
        for name in names {
            match answers.look(&name, Kind::Txt) {
                Ok(answer) => {
                    keys.0.insert(asked_name(&name), key(answer));
                }
                Err(need) => complete = Err(need),
            }
        }
        complete.map(|()| keys)
    }

    /// Parameters for a check with these keys.
    pub(super) fn parameters<P>(&self, of: P) -> Asked<'_, P> {
        Parameters::new(of).with_txt_cache(self)
    }
}

/// A name as mail-auth asks for it.
fn asked_name(name: &str) -> Box<str> {
    let mut name = name.to_lowercase();
    if !name.ends_with('.') {
        name.push('.');
    }
    name.into_boxed_str()
}

fn key(answer: &Answer) -> Txt {
    match answer {
        Answer::Txt(texts) => of_texts(texts),
        Answer::Trouble => Txt::Error(Error::Dns(DnsError::Resolver(String::new()))),
        Answer::Empty
        | Answer::NoName
        | Answer::Addresses(_)
        | Answer::Mx(_)
        | Answer::Names(_)
        | Answer::Tlsa(_) => Txt::Error(Error::Dns(DnsError::InvalidRecordType)),
    }
}

/// The first text that is a key, else why the last is none (RFC 6376 3.6.2.2: which of several is used is undefined).
fn of_texts(texts: &[Vec<u8>]) -> Txt {
    let mut last = Error::Dns(DnsError::InvalidRecordType);
    for text in texts {
        match usable(text) {
            Ok(key) => return Txt::DomainKey(Arc::new(key)),
            Err(error) => last = error,
        }
    }
    Txt::Error(last)
}

/// A key for mail and SHA-256 that is long enough (RFC 6376 3.6.1).
fn usable(text: &[u8]) -> Result<DomainKey, Error> {
    let tags = Tags::parse(text).ok_or(Error::ParseError)?;
    let is_version = |version: &str| version == "DKIM1" && tags.first() == Some(("v", "DKIM1"));
    let mut services = tags.parts("s").into_iter().flatten();
    let mut hashes = tags.parts("h").into_iter().flatten();
    let suits = tags.get("v").is_none_or(is_version)
        && (tags.get("s").is_none() || services.any(|service| matches!(service, "*" | "email")))
        && (tags.get("h").is_none() || hashes.any(|hash| hash == "sha256"));
    if !suits {
        return Err(Error::Dns(DnsError::InvalidRecordType));
    }
    let key = DomainKey::parse(text)?;
    if key.p.public_key_bits() < RSA_BITS_LEAST {
        return Err(Error::ParseError);
    }
    Ok(key)
}

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let missing = || Txt::Error(Error::Dns(DnsError::Resolver(String::new())));
        Some(self.0.get(name).cloned().unwrap_or_else(missing))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {
        unreachable!("what is known is not asked for");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_mail_and_long_enough() {
        let ed25519 = "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        for (text, good) in [
            ("v=DKIM1; k=ed25519; ", true),
            ("k=ed25519; ", true),
            ("k=ed25519; s=*; h=sha1:sha256; t=y; ", true),
            ("k=ed25519; s=email:x; ", true),
            ("v=DKIM2; k=ed25519; ", false),
            ("k=ed25519; v=DKIM1; ", false),
            ("k=ed25519; s=tlsrpt; ", false),
            ("k=ed25519; h=sha1; ", false),
            ("k=dsa; ", false),
            ("k=ed25519; k=ed25519; ", false),
            // 256 bits are no RSA key.
            ("k=rsa; ", false),
        ] {
            assert_eq!(
                usable(format!("{text}{ed25519}").as_bytes()).is_ok(),
                good,
                "{text}"
            );
        }
        assert!(usable(b"v=DKIM1; p=").is_err());
    }

    #[test]
    fn the_resolver_of_mail_auth_is_made_and_never_asked() {
        let checker = checker().unwrap();
        let keys = Keys::default();
        let unknown =
            at_once(checker.txt_lookup::<DomainKey>("a._domainkey.b.example.", Some(&keys)));
        assert!(matches!(unknown, Err(Error::Dns(DnsError::Resolver(_)))));
    }
}
