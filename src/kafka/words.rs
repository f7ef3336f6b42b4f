//! librdkafka's prose about its connections, read as a type: the one place where its words decide.
//!
//! Owns: what each of its phrases means, and an operator's words for that. Must not know: who asks, what follows.
//!
//! librdkafka gives a code and a sentence, and the code is nearly always the same one for a name that does not resolve, a port
//! where nothing listens and a broker that speaks TLS. So the sentence has to be read. The tests hold the phrases to what the
//! librdkafka of this build says, of listeners that do the same.
//!
//! BUGS: another release may phrase a sentence differently. Then it is shown as it is, as [`Trouble::Other`].

use std::fmt;

use jiff::Timestamp;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::name::error_name;

/// Dates of a certificate that do not include this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It is over since then.
    Over(Timestamp),
    /// It begins then.
    Ahead(Timestamp),
}

/// What keeps us from talking to a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Its name does not resolve.
    Unresolved,
    /// Nothing listens there.
    Refused,
    /// The connection is not answered.
    Unanswered,
    /// There is no connection, for this reason of the kernel's.
    Unconnectable(String),
    /// It takes the connection, and says nothing.
    Mute,
    /// The same, where TLS is spoken and a login may be missing.
    MuteInTls,
    /// It ends the connection at the first request.
    HangsUp,
    /// It speaks TLS, and we do not.
    SpeaksTls,
    /// It does not speak TLS, and we do.
    NoTls,
    /// TLS fails for this reason.
    TlsFailed(String),
    /// It accepts no login.
    NoLogin,
    /// It refuses the login for this reason.
    LoginRefused(String),
    /// It does not take logins of this kind, in these words.
    OtherLogins(String),
    /// It refuses the token, in these words.
    TokenRefused(String),
    /// There is no token to log in with, for this reason.
    NoToken(String),
    /// Its certificate does not hold, for a reason that librdkafka does not tell.
    Unverified,
    /// Nobody that is trusted has signed its certificate.
    Unsigned,
    /// Its certificate is not valid at this time.
    OutOfDate(Validity),
    /// Its certificate is for other names than this.
    Misnamed(String),
    /// It wants a certificate of ours.
    WantsCertificate,
    /// It refuses our certificate, with this alert; its dates, where they say why.
    CertificateRefused(String, Option<Validity>),
    /// It answers something else.
    NotKafka,
    /// It ends a connection, in these words.
    Ended(String),
    /// Something else, in these words.
    Other(Code, String),
}

impl Trouble {
    /// From librdkafka's code and its words.
    pub(super) fn new(code: Code, words: &str) -> Self {
        let has = |part: &str| words.contains(part);
        // How often and how long adds nothing, and differs each time.
        let short = || words.split(" (after ").next().unwrap_or(words).to_owned();
        if code == Code::Resolve || has("Failed to resolve") {
            Self::Unresolved
        } else if has("not valid in current SASL state") {
            Self::NoLogin
        } else if code == Code::Authentication {
            Self::of_login(short().trim_start_matches("SASL authentication error: "))
        } else if has("Connection refused") {
            Self::Refused
        } else if has("setup timed out") || has("state CONNECT") && has("timed out") {
            Self::Unanswered
        } else if has("PLAINTEXT broker listener") || has("wrong version number") {
            Self::NoTls
        } else if has("certificate verify failed") {
            Self::Unverified
        } else if has("SSL handshake failed") || code == Code::SSL {
            Self::TlsFailed(short())
        } else if has("Invalid response size") || has("Protocol parse") {
            match tls_record(words) {
                true => Self::SpeaksTls,
                false => Self::NotKafka,
            }
        } else if has("connecting to a SSL listener") {
            Self::HangsUp
        } else if has("ApiVersionRequest failed") || has("APIVERSION") {
            Self::Mute
        } else if ENDS.iter().any(|part| has(part)) {
            Self::Ended(short())
        } else {
            Self::Other(code, short())
        }
    }

    fn of_login(words: &str) -> Self {
        let taken = words.split_once("Unsupported SASL mechanism: broker's supported mechanisms:");
        match taken {
            Some((_, taken)) => Self::OtherLogins(taken.trim().to_owned()),
            // The connection has ended while it logged in: that says nothing of the login.
            None if words.contains("Broker transport failure") => Self::Ended(words.to_owned()),
            None if words.contains("\"status\":\"invalid_token\"") => {
                Self::TokenRefused(words.to_owned())
            }
            None => Self::LoginRefused(words.to_owned()),
        }
    }

    /// Whether a look of ours may say more.
    pub(super) fn is_vague(&self) -> bool {
        matches!(self, Self::Unverified | Self::Mute | Self::MuteInTls)
    }

    /// Whether it is what a look at TLS has shown.
    pub(super) fn is_seen(&self) -> bool {
        matches!(
            self,
            Self::Unsigned
                | Self::OutOfDate(_)
                | Self::Misnamed(_)
                | Self::WantsCertificate
                | Self::CertificateRefused(..)
        )
    }

    /// Whether it says that a connection has ended but hardly why, so that what was known before says more.
    pub(super) fn is_an_end(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::HangsUp)
    }
}

/// Phrases for a connection that was there and has ended.
const ENDS: [&str; 4] = [
    "Disconnected",
    "Broken pipe",
    "Connection reset",
    "closed by peer",
];

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unresolved => UNRESOLVED,
            Self::Refused => REFUSED,
            Self::Unanswered => UNANSWERED,
            Self::Unconnectable(error) => return write!(f, "cannot be connected to: {error}"),
            Self::Mute => MUTE,
            Self::MuteInTls => MUTE_IN_TLS,
            Self::HangsUp => HANGS_UP,
            Self::SpeaksTls => SPEAKS_TLS,
            Self::NoTls => NO_TLS,
            Self::TlsFailed(words) => return write!(f, "TLS failed: {words}"),
            Self::NoLogin => NO_LOGIN,
            Self::LoginRefused(words) => {
                return write!(
                    f,
                    "refuses the login: {words}; check sasl.* in [kafka.properties]"
                );
            }
            Self::OtherLogins(taken) => {
                return write!(
                    f,
                    "does not take the login of sasl.mechanism, but {taken}: set sasl.mechanism in [kafka.properties]"
                );
            }
            Self::TokenRefused(words) => {
                return write!(
                    f,
                    "refuses the token of OAUTHBEARER ({words}): it has expired, or its signature, audience or issuer is not what the \
                     broker expects; the broker's log says which"
                );
            }
            Self::NoToken(why) => return write!(f, "there is no token to log in with: {why}"),
            Self::Unverified => UNVERIFIED,
            Self::Unsigned => UNSIGNED,
            Self::OutOfDate(validity) => {
                return write!(
                    f,
                    "has a certificate that {validity}: renew it at the broker, or correct the clock"
                );
            }
            Self::Misnamed(host) => {
                return write!(
                    f,
                    "has a certificate that is not for {host}: name the broker in kafka.brokers and in its advertised.listeners as its \
                     certificate does, or give it one for this name"
                );
            }
            Self::WantsCertificate => WANTS_CERTIFICATE,
            Self::CertificateRefused(_, Some(validity)) => {
                return write!(
                    f,
                    "refuses our certificate, which {validity}: renew the file of ssl.certificate.location and restart ringpost"
                );
            }
            Self::CertificateRefused(alert, None) => {
                return write!(
                    f,
                    "refuses our certificate ({alert}): one in ssl.certificate.location is needed that an authority of the broker's \
                     truststore has signed, with its key in ssl.key.location"
                );
            }
            Self::NotKafka => NOT_KAFKA,
            Self::Ended(words) => return write!(f, "ends the connection ({words}): {UNFIT}"),
            Self::Other(code, words) => return write!(f, "{}: {words}", error_name(*code)),
        })
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over(when) => write!(f, "expired at {when:.0}"),
            Self::Ahead(when) => write!(f, "is not valid before {when:.0}"),
        }
    }
}

const UNRESOLVED: &str = "does not resolve: correct the name, or the resolver of this machine";
const REFUSED: &str = "refuses the connection (Connection refused): nothing listens there";
const UNANSWERED: &str =
    "does not answer: the connection timed out; check the address and the network in between";
const MUTE: &str =
    "takes the connection and does not answer (timed out): is it a broker, and is it healthy?";
const MUTE_IN_TLS: &str = "takes the connection and does not answer as it should (timed out): is it a broker, and is it healthy? One that wants a login \
    needs security.protocol = sasl_ssl in [kafka.properties]";
const NO_TLS: &str = "does not speak TLS: set security.protocol to plaintext or sasl_plaintext in [kafka.properties]";
const NO_LOGIN: &str = "accepts no login: set security.protocol in [kafka.properties] to plaintext, or to ssl where it speaks TLS";
const UNVERIFIED: &str = "has a certificate that does not hold: check ssl.ca.location in [kafka.properties], and the certificate's names and dates";
const UNSIGNED: &str = "has a certificate that no trusted authority has signed: set ssl.ca.location in [kafka.properties] to the certificate, in \
    PEM, of the authority that has";
const WANTS_CERTIFICATE: &str = "wants a certificate of ours: set ssl.certificate.location and ssl.key.location in [kafka.properties]";
const UNFIT: &str = "it is being stopped, or security.protocol in [kafka.properties] does not fit it (where it wants a login: \
    sasl_plaintext, or sasl_ssl in TLS; where it wants none: plaintext or ssl)";
const HANGS_UP: &str = "closes the connection at the first request: it speaks only TLS (then set security.protocol to ssl or \
    sasl_ssl in [kafka.properties]), or it is not Kafka";
const SPEAKS_TLS: &str =
    "speaks TLS: set security.protocol to ssl or sasl_ssl in [kafka.properties]";
const NOT_KAFKA: &str = "answers something that is not Kafka: check the address, and security.protocol in [kafka.properties]";

/// The broker that librdkafka's line is of, and what it says: `127.0.0.1:9092/bootstrap: Connect to …`, with
/// `sasl_ssl://` and the like in front.
pub(super) fn split(text: &str) -> (&str, &str) {
    let text = without_thread(text);
    match text.split_once(": ") {
        Some((broker, words)) if broker.contains('/') && broker.contains(':') => {
            let address = broker.rsplit_once("://").map_or(broker, |(_, rest)| rest);
            (address.split('/').next().unwrap_or(address), words)
        }
        _ => ("", text),
    }
}

/// A line without the name of librdkafka's thread in front, `[thrd:app]: `.
pub fn without_thread(text: &str) -> &str {
    match text.split_once("]: ") {
        Some((thread, rest)) if thread.starts_with("[thrd:") => rest,
        _ => text,
    }
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
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use rdkafka::client::ClientContext;
    use rdkafka::config::ClientConfig;
    use rdkafka::error::KafkaError;
    use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

    use super::*;

    /// Ends a test that would hang; nothing is measured against it.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Keeps what librdkafka says.
    #[derive(Default)]
    struct Heard(Mutex<Vec<Trouble>>);

    impl ClientContext for Heard {
        fn error(&self, error: KafkaError, reason: &str) {
            let code = error.rdkafka_error_code().expect("a code");
            if code != Code::AllBrokersDown {
                let trouble = Trouble::new(code, split(reason).1);
                self.0.lock().unwrap().push(trouble);
            }
        }
    }

    impl ProducerContext for Heard {
        type DeliveryOpaque = ();
        fn delivery(&self, _: &rdkafka::producer::DeliveryResult<'_>, (): ()) {}
    }

    /// Waits until librdkafka says this of these brokers. It tries again and again, and depending on how far a connection got it
    /// may put one trouble in other words first.
    fn hear(brokers: &str, properties: &[(&str, &str)], expected: &Trouble) {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", brokers);
        settings.set("reconnect.backoff.max.ms", "100");
        for (name, value) in properties {
            settings.set(*name, *value);
        }
        let client: BaseProducer<Heard> = settings.create_with_context(Heard::default()).unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            client.poll(Duration::from_millis(10));
            let heard = client.context().0.lock().unwrap();
            if heard.contains(expected) {
                return;
            }
            assert!(Instant::now() < end, "of {brokers}: {heard:?}");
        }
    }

    /// The same of a listener that does this to each connection, once there are bytes on it. Of one that only hangs up, or
    /// stays silent, librdkafka says nothing: that is what `probe` is for.
    fn hear_of(act: fn(&mut TcpStream), properties: &[(&str, &str)], expected: &Trouble) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        // It ends with the process: nothing interrupts an accept.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut stream = stream;
                    // All that is there: a socket that is closed with unread bytes is reset.
                    if stream.read(&mut [0; 16 * 1024]).is_ok() {
                        act(&mut stream);
                    }
                });
            }
        });
        hear(&address, properties, expected);
    }

    #[test]
    fn the_words_of_this_librdkafka_are_known() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = closed.local_addr().unwrap().to_string();
        drop(closed);
        hear(&address, &[], &Trouble::Refused);
        hear("no-such-host.invalid:9092", &[], &Trouble::Unresolved);
        let ssl = &[("security.protocol", "ssl")][..];
        for (act, properties, expected) in [
            // Two alerts: the beginning of an answer has eight bytes.
            (
                (|stream| {
                    let alerts = b"\x15\x03\x03\0\x02\x02\x0a\x15\x03\x03\0\x02\x01\0";
                    stream.write_all(alerts).unwrap();
                }) as fn(&mut TcpStream),
                &[][..],
                Trouble::SpeaksTls,
            ),
            (
                |stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap(),
                &[],
                Trouble::NotKafka,
            ),
            (|_| (), ssl, Trouble::NoTls),
            (
                |stream| stream.write_all(b"\0\0\0\x04what").unwrap(),
                ssl,
                Trouble::NoTls,
            ),
        ] {
            hear_of(act, properties, &expected);
        }
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
                Code::Authentication,
                "sasl_plaintext://kafka:9092/bootstrap: SASL OAUTHBEARER mechanism handshake failed: Broker: Unsupported SASL \
                 mechanism: broker's supported mechanisms: PLAIN,SCRAM-SHA-256 (after 3ms in state AUTH_HANDSHAKE)",
                "kafka:9092 does not take the login of sasl.mechanism, but PLAIN,SCRAM-SHA-256: set sasl.mechanism in \
                 [kafka.properties]"
                    .to_owned(),
            ),
            (
                Code::SSL,
                "ssl://kafka:9092/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker \
                 certificate could not be verified (after 2ms in state SSL_HANDSHAKE)",
                format!("kafka:9092 {UNVERIFIED}"),
            ),
            (
                Code::BrokerTransportFailure,
                "kafka:9092/bootstrap: Send failed: Broken pipe (after 1ms in state UP)",
                format!("kafka:9092 ends the connection (Send failed: Broken pipe): {UNFIT}"),
            ),
        ] {
            let (broker, words) = split(line);
            assert_eq!(format!("{broker} {}", Trouble::new(code, words)), plain);
        }
    }
}
