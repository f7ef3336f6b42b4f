//! Posts mails to an application.
//!
//! Owns: the client, one POST, and what is read of its answer. Must not know: how often a mail is posted, how many at once.
//!
//! The status decides; an answer that breaks off after its status has been given all the same. What comes after it is read for
//! its words and so that the connection can be used again, within bounds of size and time.
//!
//! The message is not copied: its bytes stay in the record until the POST has ended.
//!
//! Invariants: mail goes to the place alone, never to where it points, nor to a proxy that an environment variable names; a
//! certificate is always checked; no secret gets into a text, not even if the application repeats it.
//!
//! BUGS: HTTP/1.1 alone, and no proxy. An application that answers early and closes the connection before it has read the message
//! may lose its own answer to a reset; the mail is then posted again.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, redirect};
use tower::util::MapResponseLayer;

use super::answer::{Answered, line, retry_after, unanswered};
use super::binding;
use super::place::Place;
use super::settings::{Authorities, Settings};
use crate::consume::received::Received;
use crate::failure::{Blame, Blamed, chain};
use crate::forward::delivery::{Answer, Delivery, Verdict};
use crate::forward::tls::is_no_tls;
use crate::limits::{WEBHOOK_ANSWER_OCTETS, WEBHOOK_WORDS_OCTETS};

/// How we name ourselves.
const AGENT: &str = concat!("ringpost/", env!("CARGO_PKG_VERSION"));
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection without work is kept. Node closes one after five seconds, most others later; a POST on a connection that
/// the other side is closing is a repeat.
const IDLE: Duration = Duration::from_secs(4);
/// How long the rest of an answer may take once its status is known.
const REST: Duration = Duration::from_secs(1);

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} cannot be asked over TLS: {1}; install the authorities' certificates (Debian: ca-certificates), or name a file with --tls-ca"
)]
pub struct NoClient(Place, String);

impl Blamed for NoClient {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// An application that gets mail by POST.
#[derive(Debug)]
pub struct Webhook {
    settings: Settings,
    client: Client,
    opened: Arc<AtomicU64>,
}

impl Webhook {
    /// A webhook that can be posted to; nothing is asked yet.
    ///
    /// # Errors
    /// The machine has no certificates that the place could be held against.
    pub fn new(settings: Settings) -> Result<Self, NoClient> {
        // reqwest takes the provider of the process. One that was installed before is the same one: no other is built in.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let opened = Arc::default();
        let builder = Client::builder()
            .user_agent(AGENT)
            .http1_only()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT.min(settings.timeout))
            .pool_idle_timeout(IDLE)
            .connector_layer(MapResponseLayer::new(counted(&opened)));
        let builder = match &settings.authorities {
            Authorities::These(certificates) => builder.tls_certs_only(certificates.clone()),
            Authorities::System if settings.place.is_encrypted() => builder,
            // Nobody is checked, so it does not matter whether the machine has any.
            Authorities::System => builder.tls_certs_only([]),
        };
        match builder.build() {
            Ok(client) => Ok(Self {
                settings,
                client,
                opened,
            }),
            Err(error) => Err(NoClient(settings.place, chain(&error))),
        }
    }

    /// Where mail is posted to.
    pub fn place(&self) -> &Place {
        &self.settings.place
    }

    /// Connections that were opened so far.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Posts a mail once; the verdict is the same for all its recipients.
    pub async fn deliver(&self, delivery: &Delivery) -> Vec<Verdict> {
        let verdict = match binding::fields(delivery) {
            Ok(fields) => self.post(fields, delivery).await,
            Err(too_large) => Verdict::Refused(Answer {
                code: None,
                text: too_large.to_string(),
            }),
        };
        delivery.all(&verdict)
    }

    async fn post(&self, mut fields: HeaderMap, delivery: &Delivery) -> Verdict {
        let message = &delivery.record.value;
        if !self.settings.secrets.is_empty() {
            self.sign(&mut fields, binding::id(delivery), message);
        }
        for (name, value) in self.settings.fields.iter() {
            fields.insert(name.clone(), value.clone());
        }
        // Of an empty message, the library says none, and some applications need one.
        fields.insert(CONTENT_LENGTH, message.len().into());
        let time = self.settings.time_for(message.len());
        let request = self
            .client
            .post(self.settings.place.url().clone())
            .headers(fields)
            .timeout(time)
            .body(Bytes::from_owner(Message(Arc::clone(&delivery.record))));
        match request.send().await {
            Ok(response) => self.answered(response).await.verdict(),
            Err(error) => {
                let (why, hint) = why(error, time, self.settings.place.is_encrypted());
                unanswered(&(self.hidden(why) + hint))
            }
        }
    }

    fn sign(&self, fields: &mut HeaderMap, id: HeaderValue, message: &[u8]) {
        let seconds = Timestamp::now().as_second();
        let text = id.to_str().expect("an encoded id is ASCII");
        let signature = self.settings.secrets.sign(text, seconds, message);
        let signature = HeaderValue::try_from(signature).expect("base64 fits a header field");
        fields.insert(WEBHOOK_ID, id);
        fields.insert(WEBHOOK_TIMESTAMP, seconds.into());
        fields.insert(WEBHOOK_SIGNATURE, signature);
    }

    async fn answered(&self, mut response: Response) -> Answered {
        let mut begin = Vec::new();
        // The words of an answer that does not come, or breaks off, are missing; its status is there.
        let _ = tokio::time::timeout(REST, read_rest(&mut response, &mut begin)).await;
        let headers = response.headers();
        let retry = headers.get(RETRY_AFTER);
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.and_then(|location| self.settings.place.joined(location));
        Answered {
            status: response.status(),
            words: line(&self.hidden(String::from_utf8_lossy(&begin).into_owned())),
            not_before: retry.and_then(|value| retry_after(value, Timestamp::now())),
            location: location.map(|location| line(&location)),
        }
    }

    /// A text without what only the application is to know.
    fn hidden(&self, text: String) -> String {
        self.settings
            .place
            .hidden(self.settings.fields.hidden(text))
    }
}

/// Passes a connection on and counts it.
fn counted<C>(opened: &Arc<AtomicU64>) -> impl Fn(C) -> C + Clone + Send + Sync + use<C> {
    let opened = Arc::clone(opened);
    move |connection| {
        opened.fetch_add(1, Ordering::Relaxed);
        connection
    }
}

/// Reads an answer to its end, if it is not too far away, and keeps the beginning.
async fn read_rest(response: &mut Response, begin: &mut Vec<u8>) {
    let mut octets = 0;
    while octets < WEBHOOK_ANSWER_OCTETS {
        let Ok(Some(part)) = response.chunk().await else {
            return;
        };
        octets += part.len();
        let room = WEBHOOK_WORDS_OCTETS - begin.len();
        begin.extend_from_slice(&part[..part.len().min(room)]);
    }
}

/// Why there is no answer, and a hint where the text alone says little.
fn why(error: reqwest::Error, time: Duration, encrypted: bool) -> (String, &'static str) {
    let error = error.without_url();
    if error.is_connect() {
        let hint = match encrypted && is_no_tls(&error) {
            true => "; this port does not seem to speak TLS: then write http://",
            false => "",
        };
        return (format!("no connection: {}", chain(innermost(&error))), hint);
    }
    if error.is_timeout() {
        return (format!("no answer within {} s", time.as_secs_f64()), "");
    }
    let hint = match encrypted {
        true => "",
        false => "; if this port speaks TLS, write https://",
    };
    (format!("no answer: {}", chain(innermost(&error))), hint)
}

/// What is inside the two errors around it, which say no more than that there is no connection.
fn innermost(error: &reqwest::Error) -> &dyn Error {
    let inside = error.source().and_then(Error::source);
    inside.unwrap_or(error)
}

/// The message of a record, as a body that needs no copy.
struct Message(Arc<Received>);

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0.value
    }
}
