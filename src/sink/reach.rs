//! Why no broker answers, in an operator's words.
//!
//! Owns: what librdkafka says of its connections, and what that means. Must not know: topics, records.
//!
//! Invariant: a reason is given once for each broker, the last one.
//!
//! BUGS: librdkafka tells most of it in prose alone, so the words decide.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::sync::Mutex;

use rdkafka::types::RDKafkaErrorCode as Code;

use super::librdkafka::Events;
use super::lock;
use super::topic::named;

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

/// Remembers what librdkafka said of its connections, the last of each broker.
#[derive(Default)]
pub(super) struct Said {
    reasons: Mutex<BTreeMap<String, String>>,
}

impl Said {
    /// Notes an error; false for one that says nothing of its own.
    pub(super) fn note(&self, code: Code, text: &str) -> bool {
        // "1/1 brokers are down" adds nothing to the reason of each.
        if code == Code::AllBrokersDown {
            return false;
        }
        let (broker, words) = split(text);
        lock(&self.reasons).insert(broker.to_owned(), plain(code, words));
        true
    }

    /// Forgets all, as the brokers answer again.
    pub(super) fn forget(&self) {
        lock(&self.reasons).clear();
    }

    /// Whether each broker of the list is known to be out of reach, so that waiting is of no use.
    pub(super) fn hopeless(&self, list: &str) -> bool {
        lock(&self.reasons).len() >= list.split(',').count()
    }

    /// All reasons in one line; for none, what the code says.
    pub(super) fn reason(&self, code: Code) -> String {
        let reasons = lock(&self.reasons);
        let mut all: Vec<String> = reasons
            .iter()
            .map(|(broker, reason)| match broker.as_str() {
                "" => reason.clone(),
                broker => format!("{broker} {reason}"),
            })
            .collect();
        if all.is_empty() {
            all.push(match code {
                Code::BrokerTransportFailure | Code::OperationTimedOut | Code::RequestTimedOut => {
                    "no broker answers: timed out; check the addresses, and what is on the way to them".to_owned()
                }
                code => named(code),
            });
        }
        all.join("; ")
    }

    /// What is known while somebody waits.
    pub(super) fn so_far(&self, list: &str) -> String {
        let reasons = lock(&self.reasons);
        let known: Vec<String> = reasons
            .iter()
            .map(|(broker, reason)| format!("{broker} {reason}"))
            .collect();
        match known.is_empty() {
            true => list.to_owned(),
            false => format!("{list} ({})", known.join("; ")),
        }
    }
}

impl Events for std::sync::Arc<Said> {
    fn error(&self, code: Code, text: &str) {
        tracing::debug!(target: "librdkafka", ?code, "{text}");
        self.note(code, text);
    }
}

/// The broker that librdkafka's line is of, and what it says: `127.0.0.1:9092/bootstrap: Connect to …`, with
/// `sasl_ssl://` and the like in front.
fn split(text: &str) -> (&str, &str) {
    // A producer's line begins with its own name, `client#producer-1`, in some releases.
    let text = match text.split_once("]: ") {
        Some((thread, rest)) if thread.starts_with("[thrd:") => rest,
        _ => text,
    };
    match text.split_once(": ") {
        Some((broker, words)) if broker.contains('/') && broker.contains(':') => {
            let address = broker.rsplit_once("://").map_or(broker, |(_, rest)| rest);
            (address.split('/').next().unwrap_or(address), words)
        }
        _ => ("", text),
    }
}

/// What it means, and what helps.
fn plain(code: Code, words: &str) -> String {
    let has = |part: &str| words.contains(part);
    // How often and how long adds nothing, and differs each time.
    let short = words.split(" (after ").next().unwrap_or(words);
    if code == Code::Resolve || has("Failed to resolve") {
        return "does not resolve: correct the name, or the resolver of this machine".to_owned();
    }
    if code == Code::Authentication {
        let words = short.trim_start_matches("SASL authentication error: ");
        return format!("refuses the login: {words}; check sasl.* in [kafka.properties]");
    }
    if has("Connection refused") {
        return "refuses the connection (Connection refused): nothing listens there".to_owned();
    }
    if has("setup timed out") || has("state CONNECT") && has("timed out") {
        return "does not answer: the connection timed out; check the address, and what is on the way to it".to_owned();
    }
    if has("SSL handshake failed") || code == Code::SSL {
        return format!("TLS failed: {short}");
    }
    if has("connecting to a SSL listener") || has("Invalid response size") || has("Protocol parse")
    {
        return "closes the connection or answers something that is not Kafka: does it speak TLS (security.protocol = ssl or \
                sasl_ssl in [kafka.properties]), and is it a broker?"
            .to_owned();
    }
    if has("ApiVersionRequest failed") || has("APIVERSION") {
        return "takes the connection and does not answer (timed out): is it a broker, and is it well?".to_owned();
    }
    format!("{}: {short}", super::librdkafka::error_name(code))
}

#[cfg(test)]
mod tests {
    use super::*;

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
