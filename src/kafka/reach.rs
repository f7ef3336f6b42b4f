//! Why no broker answers, in an operator's words.
//!
//! Owns: what librdkafka says of its connections, and what that means. Must not know: topics, records.
//!
//! Invariant: a reason is given once for each broker, the last one.
//!
//! BUGS: librdkafka tells most of it in prose alone, so the words decide. It says nothing of a broker that is silent or hangs
//! up, so that [`Said::probe`] looks for itself; where TLS is configured, at the connection alone.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Mutex;
use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode as Code;

use super::lock::lock;
use super::name::{error_name, named};

/// Longest wait of a probe for a connection, and for the first octets of an answer.
const PROBE_WAIT: Duration = Duration::from_millis(600);
/// A request for ApiVersions, version 0, which every broker answers before any login: the length of what follows, the
/// request's number and version, a number of ours, and the client's name.
const PROBE: &[u8] = b"\0\0\0\x12\0\x12\0\0rp01\0\x08ringpost";

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

/// Whether brokers are spoken to in clear, by the value of `security.protocol`.
pub fn in_clear(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| !protocol.to_ascii_lowercase().ends_with("ssl"))
}

/// Remembers what is known of the way to each broker, the last of it.
#[derive(Default)]
pub struct Said {
    reasons: Mutex<BTreeMap<String, Reason>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Reason {
    text: String,
    /// Whether more waiting is of no use.
    hopeless: bool,
}

impl Said {
    /// Notes an error; false for one that says nothing of its own.
    pub fn note(&self, code: Code, text: &str) -> bool {
        // "1/1 brokers are down" adds nothing to the reason of each.
        if code == Code::AllBrokersDown {
            return false;
        }
        let (broker, words) = split(text);
        let reason = Reason {
            text: plain(code, words),
            hopeless: true,
        };
        let mut reasons = lock(&self.reasons);
        // The end of a connection says less than what has been said of one before it.
        match reasons.contains_key(broker) && ends(words) {
            true => {}
            false => {
                reasons.insert(broker.to_owned(), reason);
            }
        }
        true
    }

    /// Looks for itself at the brokers of which nothing is known; `speaks` says whether they are to be spoken to in clear.
    pub fn probe(&self, list: &str, speaks: bool) {
        let unknown: Vec<String> = {
            let known = lock(&self.reasons);
            let brokers = list.split(',').map(address);
            brokers
                .filter(|broker| !known.contains_key(broker))
                .collect()
        };
        let found: Vec<_> = std::thread::scope(|scope| {
            let probes: Vec<_> = unknown
                .iter()
                .map(|broker| scope.spawn(move || probe(broker, speaks)))
                .collect();
            probes
                .into_iter()
                .map(|probe| probe.join().unwrap_or(None))
                .collect()
        });
        let mut reasons = lock(&self.reasons);
        for (broker, reason) in unknown.into_iter().zip(found) {
            if let Some(reason) = reason {
                reasons.entry(broker).or_insert(reason);
            }
        }
    }

    /// Forgets all, as the brokers answer again.
    pub fn forget(&self) {
        lock(&self.reasons).clear();
    }

    /// Whether each broker of the list is known to be out of reach, so that waiting is of no use.
    pub fn hopeless(&self, list: &str) -> bool {
        let reasons = lock(&self.reasons);
        let hopeless = reasons.values().filter(|reason| reason.hopeless);
        hopeless.count() >= list.split(',').count()
    }

    /// All reasons in one line; for none, what the code says.
    pub fn reason(&self, code: Code) -> String {
        let reasons = lock(&self.reasons);
        let mut all: Vec<String> = reasons
            .iter()
            .map(|(broker, reason)| match broker.as_str() {
                "" => reason.text.clone(),
                broker => format!("{broker} {}", reason.text),
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
    pub fn so_far(&self, list: &str) -> String {
        let reasons = lock(&self.reasons);
        let known: Vec<String> = reasons
            .iter()
            .map(|(broker, reason)| format!("{broker} {}", reason.text))
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

/// What a look at one broker shows; `None` where it is well, or where nothing can be said.
fn probe(broker: &str, speaks: bool) -> Option<Reason> {
    let hopeless = |text: &str| {
        Some(Reason {
            text: text.to_owned(),
            hopeless: true,
        })
    };
    let silent = |text: &str| {
        Some(Reason {
            text: text.to_owned(),
            hopeless: false,
        })
    };
    let address = match broker.to_socket_addrs() {
        Ok(mut found) => found.next()?,
        Err(_) => return hopeless(UNRESOLVED),
    };
    let mut stream = match TcpStream::connect_timeout(&address, PROBE_WAIT) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return hopeless(REFUSED),
        Err(error) if error.kind() == ErrorKind::TimedOut => return silent(UNANSWERED),
        Err(error) => return silent(&format!("cannot be connected to: {error}")),
    };
    if !speaks {
        return silent(MUTE_IN_TLS);
    }
    let mut octets = [0; 8];
    stream.set_read_timeout(Some(PROBE_WAIT)).ok()?;
    let answer = stream
        .write_all(PROBE)
        .and_then(|()| first_octets(&mut stream, &mut octets))
        .or_else(|error| match is_late(&error) {
            true => ask_for_lines(&mut stream, &mut octets),
            false => Err(error),
        });
    match (answer, octets) {
        (Ok(0), _) => hopeless(HANGS_UP),
        // A TLS record: an alert, or a handshake.
        (Ok(_), [0x15 | 0x16, 3, ..]) => hopeless(SPEAKS_TLS),
        (Ok(_), [0, _, _, _, b'r', b'p', b'0', b'1']) => None,
        (Ok(_), _) => hopeless(NOT_KAFKA),
        (Err(error), _) if is_late(&error) => silent(MUTE),
        (Err(_), _) => hopeless(HANGS_UP),
    }
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A server that reads lines, as one of HTTP does, answers once there is the end of one. A broker that is slow, and takes this
/// for garbage and hangs up, says no more than that it is slow.
fn ask_for_lines(stream: &mut TcpStream, octets: &mut [u8]) -> std::io::Result<usize> {
    let late = || std::io::Error::from(ErrorKind::TimedOut);
    stream.write_all(b"\r\n\r\n").map_err(|_| late())?;
    match first_octets(stream, octets) {
        Ok(0) | Err(_) => Err(late()),
        answer => answer,
    }
}

/// Reads until the octets are full, or tell enough: a broker's answer begins with a zero.
fn first_octets(stream: &mut TcpStream, octets: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    loop {
        match stream.read(&mut octets[filled..]) {
            Ok(0) => return Ok(filled),
            Ok(count) => filled += count,
            Err(_) if filled > 0 => return Ok(filled),
            Err(error) => return Err(error),
        }
        if filled == octets.len() || octets[0] != 0 {
            return Ok(filled);
        }
    }
}

const UNRESOLVED: &str = "does not resolve: correct the name, or the resolver of this machine";
const REFUSED: &str = "refuses the connection (Connection refused): nothing listens there";
const UNANSWERED: &str =
    "does not answer: the connection timed out; check the address, and what is on the way to it";
const MUTE: &str =
    "takes the connection and does not answer (timed out): is it a broker, and is it well?";
const MUTE_IN_TLS: &str = "takes the connection and does not answer (timed out): is it a broker, and is it well? One that wants a login \
    needs security.protocol = sasl_ssl in [kafka.properties]";
const NO_TLS: &str = "does not speak TLS: set security.protocol to plaintext or sasl_plaintext in [kafka.properties]";
const NO_LOGIN: &str = "takes no login: set security.protocol in [kafka.properties] to plaintext, or to ssl where it speaks TLS";
const UNFIT: &str = "it is being stopped, or security.protocol in [kafka.properties] does not fit it (where it wants a login: \
    sasl_plaintext, or sasl_ssl in TLS; where it wants none: plaintext or ssl)";
const HANGS_UP: &str = "closes the connection at the first request: it speaks TLS alone (then set security.protocol to ssl or \
    sasl_ssl in [kafka.properties]), or it is not Kafka";
const SPEAKS_TLS: &str =
    "speaks TLS: set security.protocol to ssl or sasl_ssl in [kafka.properties]";
const NOT_KAFKA: &str = "answers something that is not Kafka: check the address, and security.protocol in [kafka.properties]";

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
        return UNRESOLVED.to_owned();
    }
    if has("not valid in current SASL state") {
        return NO_LOGIN.to_owned();
    }
    if code == Code::Authentication {
        let words = short.trim_start_matches("SASL authentication error: ");
        return format!("refuses the login: {words}; check sasl.* in [kafka.properties]");
    }
    if has("Connection refused") {
        return REFUSED.to_owned();
    }
    if has("setup timed out") || has("state CONNECT") && has("timed out") {
        return UNANSWERED.to_owned();
    }
    if has("PLAINTEXT broker listener") || has("wrong version number") {
        return NO_TLS.to_owned();
    }
    if has("SSL handshake failed") || code == Code::SSL {
        return format!("TLS failed: {short}");
    }
    if has("Invalid response size") || has("Protocol parse") {
        return match tls_record(words) {
            true => SPEAKS_TLS.to_owned(),
            false => NOT_KAFKA.to_owned(),
        };
    }
    if has("connecting to a SSL listener") {
        return HANGS_UP.to_owned();
    }
    if has("ApiVersionRequest failed") || has("APIVERSION") {
        return MUTE.to_owned();
    }
    if ends(words) {
        return format!("ends the connection ({short}): {UNFIT}");
    }
    format!("{}: {short}", error_name(code))
}

/// Whether it says that a connection that was there has ended, and no more.
fn ends(words: &str) -> bool {
    let of_tls = words.contains("handshake") || words.contains("broker listener");
    let parts = [
        "Disconnected",
        "Broken pipe",
        "Connection reset",
        "closed by peer",
    ];
    !of_tls && parts.iter().any(|part| words.contains(part))
}

/// Whether the size of an answer that librdkafka calls invalid is the beginning of a TLS record: an alert or a handshake of
/// version 3.x.
fn tls_record(words: &str) -> bool {
    let digits = words
        .split("size ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let size: Option<i64> = digits.and_then(|digits| digits.parse().ok());
    size.is_some_and(|size| matches!(size >> 16, 0x1503 | 0x1603))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What is said of a listener that does this to a connection whose request it has read.
    fn said_of(act: fn(TcpStream)) -> (String, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let said = Said::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; PROBE.len()];
                stream.read_exact(&mut request).unwrap();
                act(stream);
            });
            said.probe(&address, true);
        });
        (
            said.reason(Code::OperationTimedOut),
            said.hopeless(&address),
        )
    }

    #[test]
    fn a_probe_tells_what_listens_there() {
        for (act, words, hopeless) in [
            (
                (|mut stream| stream.write_all(b"\x15\x03\x03\0\x02\x02\x0a").unwrap())
                    as fn(TcpStream),
                SPEAKS_TLS,
                true,
            ),
            (
                |mut stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap(),
                NOT_KAFKA,
                true,
            ),
            (drop, HANGS_UP, true),
            // Held until the probe has given up.
            (
                |mut stream| {
                    let mut rest = Vec::new();
                    stream.read_to_end(&mut rest).unwrap();
                },
                MUTE,
                false,
            ),
            // One that reads lines.
            (
                |mut stream| {
                    stream.read_exact(&mut [0; 4]).unwrap();
                    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
                },
                NOT_KAFKA,
                true,
            ),
            (
                |mut stream| stream.write_all(b"\0\0\x01\0rp01\0\0").unwrap(),
                "no broker answers",
                false,
            ),
        ] {
            let (reason, known) = said_of(act);
            assert!(reason.contains(words), "{reason}");
            assert_eq!(known, hopeless, "{reason}");
        }
        let closed = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let list = format!("PLAINTEXT://{closed}, no-such-host.invalid");
        let said = Said::default();
        said.probe(&list, false);
        let reason = said.reason(Code::OperationTimedOut);
        assert!(reason.contains(&format!("{closed} {REFUSED}")), "{reason}");
        assert!(reason.contains("no-such-host.invalid:9092"), "{reason}");
        assert!(said.hopeless(&list));
    }

    #[test]
    fn a_line_of_librdkafka_is_put_in_plain_words() {
        for (code, line, plain) in [
            (
                Code::BrokerTransportFailure,
                "127.0.0.1:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state \
                 CONNECT)",
                format!("127.0.0.1:9092 {REFUSED}"),
            ),
            (
                Code::BrokerTransportFailure,
                "sasl_ssl://kafka:9093/bootstrap: Connection setup timed out in state CONNECT (after 30029ms in state CONNECT)",
                format!("kafka:9093 {UNANSWERED}"),
            ),
            (
                Code::BadMessage,
                "kafka:9092/bootstrap: Receive failed: Invalid response size 352518912 (0..100000000): increase \
                 receive.message.max.bytes",
                format!("kafka:9092 {SPEAKS_TLS}"),
            ),
            (
                Code::Authentication,
                "sasl_plaintext://kafka:9092/bootstrap: SASL PLAIN mechanism handshake failed: Broker: Request not valid in \
                 current SASL state: broker's supported mechanisms:  (after 3ms in state AUTH_HANDSHAKE)",
                format!("kafka:9092 {NO_LOGIN}"),
            ),
            (
                Code::SSL,
                "ssl://kafka:9092/bootstrap: SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to \
                 a PLAINTEXT broker listener? (after 2ms in state SSL_HANDSHAKE)",
                format!("kafka:9092 {NO_TLS}"),
            ),
            (
                Code::BrokerTransportFailure,
                "kafka:9092/bootstrap: Send failed: Broken pipe (after 1ms in state UP)",
                format!("kafka:9092 ends the connection (Send failed: Broken pipe): {UNFIT}"),
            ),
        ] {
            let said = Said::default();
            assert!(said.note(code, line));
            assert_eq!(said.reason(code), plain);
        }
        let said = Said::default();
        assert!(!said.note(Code::AllBrokersDown, "1/1 brokers are down"));
        // The reason stays when the next connection ends without one.
        said.note(
            Code::SSL,
            "k:1/bootstrap: connecting to a PLAINTEXT broker listener?",
        );
        said.note(Code::BrokerTransportFailure, "k:1/bootstrap: Disconnected");
        assert_eq!(said.reason(Code::SSL), format!("k:1 {NO_TLS}"));
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
