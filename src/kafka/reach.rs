//! Why no broker answers, in an operator's words.
//!
//! Owns: the last trouble with each broker. Must not know: topics, records; what librdkafka's words mean is `words`'s, and
//! what a look of ours shows is `probe`'s.
//!
//! Invariant: a reason is given once for each broker, the last one.
//!
//! BUGS: librdkafka says nothing of a broker that is silent, hangs up or refuses our certificate, and not why it does not trust a
//! broker's, so [`Said::probe`] looks for itself.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::sync::Mutex;

use rdkafka::types::RDKafkaErrorCode as Code;

use super::lock::lock;
use super::name::named;
use super::probe::probe;
use super::way::Way;
use super::words::{Trouble, split};

/// The entries of a list of brokers whose name does not resolve, and how many there are in all.
pub fn unresolved(list: &str) -> (Vec<&str>, usize) {
    // As librdkafka reads it: a protocol in front is passed over, and 9092 is the port where none is given.
    let resolves = |broker: &str| {
        let address = broker.rsplit_once("://").map_or(broker, |(_, rest)| rest);
        let found = if address.rsplit_once(':').is_some() {
            address.to_socket_addrs()
        } else {
            (address, 9092).to_socket_addrs()
        };
        found.is_ok_and(|mut found| found.next().is_some())
    };
    let brokers: Vec<&str> = list.split(',').map(str::trim).collect();
    let unresolved = brokers.iter().copied().filter(|broker| !resolves(broker));
    (unresolved.collect(), brokers.len())
}

/// Remembers what is known of the way to each broker, the last of it.
#[derive(Default)]
pub struct Said {
    reasons: Mutex<BTreeMap<String, Reason>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Reason {
    trouble: Trouble,
    /// Whether more waiting is of no use.
    hopeless: bool,
    /// What librdkafka has said last, if [`Said::probe`] may find out more about it.
    doubt: Option<Trouble>,
}

impl Reason {
    fn is_of_tokens(&self) -> bool {
        matches!(self.trouble, Trouble::NoToken(_))
    }
}

/// Where the reason is that is of no broker.
const TOKENS: &str = "";

impl Said {
    /// Notes an error; false for one that adds nothing.
    pub fn note(&self, code: Code, text: &str) -> bool {
        // "1/1 brokers are down" adds nothing to the reason of each.
        if code == Code::AllBrokersDown {
            return false;
        }
        let (broker, words) = split(text);
        let trouble = Trouble::new(code, words);
        let doubt = trouble.is_vague().then(|| trouble.clone());
        let mut reasons = lock(&self.reasons);
        match reasons.get_mut(broker) {
            // The end of a connection says less than what has been said of one before it.
            Some(_) if trouble.is_an_end() => {}
            // What a look has shown says more, until another one shows something else.
            Some(known) if doubt.is_some() && known.trouble.is_seen() => known.doubt = doubt,
            _ => {
                let reason = Reason {
                    trouble,
                    hopeless: true,
                    doubt,
                };
                reasons.insert(broker.to_owned(), reason);
            }
        }
        true
    }

    /// Looks for itself at the brokers of which nothing is known, or too little.
    pub fn probe(&self, list: &str, way: &Way) {
        let looked_at: Vec<(String, bool)> = {
            let known = lock(&self.reasons);
            let brokers = list.split(',').map(address).filter_map(|broker| {
                let reason = known.get(&broker);
                let doubt = reason.and_then(|reason| reason.doubt.as_ref());
                let unverified = doubt == Some(&Trouble::Unverified);
                let looks = reason.is_none() || doubt.is_some();
                looks.then_some((broker, unverified))
            });
            brokers.collect()
        };
        let found: Vec<_> = std::thread::scope(|scope| {
            let probes: Vec<_> = looked_at
                .iter()
                .map(|(broker, unverified)| scope.spawn(move || probe(broker, way, *unverified)))
                .collect();
            probes
                .into_iter()
                .map(|probe| probe.join().unwrap_or(None))
                .collect()
        });
        let mut reasons = lock(&self.reasons);
        for ((broker, _), found) in looked_at.into_iter().zip(found) {
            let known = reasons.get(&broker);
            // librdkafka may have said more meanwhile.
            if known.is_some_and(|known| known.doubt.is_none()) {
                continue;
            }
            let doubted = known.and_then(|known| known.doubt.clone());
            let was_hopeless = doubted.is_some();
            if let Some((trouble, hopeless)) = found.or(doubted.map(|doubted| (doubted, true))) {
                let reason = Reason {
                    trouble,
                    hopeless: hopeless || was_hopeless,
                    doubt: None,
                };
                reasons.insert(broker, reason);
            }
        }
    }

    /// Whether a look may find out more about a broker that librdkafka has spoken of.
    pub fn is_vague(&self) -> bool {
        lock(&self.reasons)
            .values()
            .any(|reason| reason.doubt.is_some())
    }

    /// Notes why there is no token to log in with, or that there is one.
    pub fn note_token(&self, why: Option<&str>) {
        let mut reasons = lock(&self.reasons);
        reasons.retain(|_, reason| !reason.is_of_tokens());
        if let Some(why) = why {
            let reason = Reason {
                trouble: Trouble::NoToken(why.to_owned()),
                hopeless: true,
                doubt: None,
            };
            reasons.insert(TOKENS.to_owned(), reason);
        }
    }

    /// Why there is no token to log in with, if there is none.
    pub fn no_token(&self) -> Option<String> {
        let reasons = lock(&self.reasons);
        let token = reasons.values().find(|reason| reason.is_of_tokens());
        token.map(|reason| reason.trouble.to_string())
    }

    /// Forgets all, as the brokers answer again. That there is no new token stays known: they take the last one as long as it
    /// lives.
    pub fn forget(&self) {
        lock(&self.reasons).retain(|_, reason| reason.is_of_tokens());
    }

    /// Whether each broker of the list is known to be unreachable, so that waiting cannot help.
    pub fn hopeless(&self, list: &str) -> bool {
        let reasons = lock(&self.reasons);
        let hopeless = reasons.values().filter(|reason| reason.hopeless);
        // Without a token there is no login at any.
        reasons.values().any(Reason::is_of_tokens) || hopeless.count() >= list.split(',').count()
    }

    /// All reasons in one line; for none, what the code says.
    pub fn reason(&self, code: Code) -> String {
        let reasons = lock(&self.reasons);
        let mut all: Vec<String> = reasons
            .iter()
            .map(|(broker, reason)| match broker.as_str() {
                TOKENS => reason.trouble.to_string(),
                broker => format!("{broker} {}", reason.trouble),
            })
            .collect();
        if all.is_empty() {
            all.push(match code {
                Code::BrokerTransportFailure | Code::OperationTimedOut | Code::RequestTimedOut => {
                    "no broker answers: timed out; check the addresses and the network in between"
                        .to_owned()
                }
                code => named(code),
            });
        }
        all.join("; ")
    }

    /// What is known while a caller waits.
    pub fn so_far(&self, list: &str) -> String {
        let reasons = lock(&self.reasons);
        let known: Vec<String> = reasons
            .iter()
            .map(|(broker, reason)| format!("{broker} {}", reason.trouble).trim().to_owned())
            .collect();
        match known.is_empty() {
            true => list.to_owned(),
            false => format!("{list} ({})", known.join("; ")),
        }
    }
}

/// An entry of a list of brokers as librdkafka names it: without its protocol, with its port.
fn address(broker: &str) -> String {
    let broker = broker.trim();
    let address = broker.rsplit_once("://").map_or(broker, |(_, rest)| rest);
    match address.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => address.to_owned(),
        _ => format!("{address}:9092"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn brokers_that_nothing_is_known_of_are_looked_at() {
        let closed = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let list = format!("PLAINTEXT://{closed}, no-such-host.invalid");
        let said = Said::default();
        said.probe(&list, &Way::in_clear());
        let reason = said.reason(Code::OperationTimedOut);
        let refused = format!("{closed} {}", Trouble::Refused);
        assert!(reason.contains(&refused), "{reason}");
        assert!(reason.contains("no-such-host.invalid:9092"), "{reason}");
        assert!(said.hopeless(&list));
    }

    #[test]
    fn a_reason_stays_when_the_next_connection_ends_without_one() {
        let said = Said::default();
        assert!(!said.note(Code::AllBrokersDown, "1/1 brokers are down"));
        said.note(
            Code::SSL,
            "k:1/bootstrap: connecting to a PLAINTEXT broker listener?",
        );
        for line in [
            "k:1/bootstrap: Disconnected",
            "k:1/bootstrap: Disconnected while requesting ApiVersion: might be caused by incorrect security.protocol \
             configuration (connecting to a SSL listener?) or broker version is < 0.10",
        ] {
            said.note(Code::BrokerTransportFailure, line);
            let known = format!("k:1 {}", Trouble::NoTls);
            assert_eq!(said.reason(Code::SSL), known);
        }
    }

    #[test]
    fn that_there_is_no_token_is_known_until_there_is_one() {
        let said = Said::default();
        said.note_token(Some("https://idp.example/ answers 503"));
        said.forget();
        assert!(said.hopeless("k:1,k:2"));
        let reason = said.reason(Code::OperationTimedOut);
        assert_eq!(
            reason,
            "there is no token to log in with: https://idp.example/ answers 503"
        );
        said.note_token(None);
        assert!(!said.hopeless("k:1,k:2"));
        assert!(said.reason(Code::OperationTimedOut).contains("timed out"));
    }

    #[test]
    fn what_a_look_has_shown_stays_until_another_one() {
        let said = Said::default();
        let line = "ssl://127.0.0.1:1/bootstrap: SSL handshake failed: certificate verify failed";
        said.note(Code::SSL, line);
        assert!(said.is_vague());
        // Nothing listens there.
        said.probe("127.0.0.1:1", &Way::default());
        assert!(!said.is_vague());
        let refused = format!("127.0.0.1:1 {}", Trouble::Refused);
        assert_eq!(said.reason(Code::SSL), refused);
        assert!(said.hopeless("127.0.0.1:1"));
    }

    #[test]
    fn names_that_do_not_resolve_are_told_apart() {
        let list =
            "127.0.0.1:9092, no-such-host.invalid:9092,PLAINTEXT://localhost,[::1]:1,x.invalid";
        let (bad, all) = unresolved(list);
        assert_eq!(
            (bad, all),
            (vec!["no-such-host.invalid:9092", "x.invalid"], 5)
        );
    }
}
