//! Keeps one client of librdkafka supplied with tokens, on its own thread.
//!
//! Owns: when a token is asked for, and the one call that gives it to librdkafka. Must not know: what the client does, how a
//! token is asked for.
//!
//! librdkafka asks for a token as well, by an event that nobody answers: it would come on a thread that carries delivery reports,
//! and only while that polls.
//!
//! Invariants: a token is asked for again when four fifths of its life are over, so that the rest of it covers an endpoint that is
//! down; the thread has ended when the [`Keeper`] is gone, and gives the client nothing after that.
//!
//! BUGS: each client asks for its own token.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::ops::Deref;
use std::ptr::NonNull;
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use rdkafka::bindings as ffi;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::oneshot;

use super::endpoint::{Endpoint, Failed};
use super::settings::Settings;
use super::token::Token;

/// Pause after the first failure, and the longest one: mail flows soon after the endpoint is back.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Pause after a refusal that an operator has to mend: an endpoint may count them.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(30);
/// The shortest time between two tokens.
const LEAST_BETWEEN: Duration = Duration::from_secs(1);
/// Bytes of librdkafka's texts.
const ERROR_OCTETS: usize = 512;

/// See the module. Dropping it ends the thread.
pub struct Keeper {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A client of librdkafka's.
struct Handle(NonNull<ffi::rd_kafka_t>);

// SAFETY: librdkafka's client handles may be used from any thread, several at once (its introduction, "Threads and callbacks").
unsafe impl Send for Handle {}

impl Keeper {
    /// Starts the thread. `told` learns why a token could not be had, and that one was.
    ///
    /// # Errors
    /// The thread does not start.
    ///
    /// # Safety
    /// `client` is alive as long as the keeper.
    pub unsafe fn start(
        client: NonNull<ffi::rd_kafka_t>,
        settings: Settings,
        told: impl Fn(Option<&str>) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let client = Handle(client);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let body = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = keep(client, settings, told) => {}
                }
            });
            // A look-up of a name that is under way is not waited for.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("kafka-token".into());
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread.spawn(body)?),
        })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already.
            let _ = thread.join();
        }
    }
}

/// A client of rdkafka's.
///
/// # Safety
/// The client that `native` gives lives as long as the value, wherever that is moved to.
pub unsafe trait Native {
    /// librdkafka's client.
    fn native(&self) -> *mut ffi::rd_kafka_t;
}

// SAFETY: a consumer has its client on librdkafka's heap, and destroys it when it is dropped.
unsafe impl<C: ConsumerContext> Native for BaseConsumer<C> {
    fn native(&self) -> *mut ffi::rd_kafka_t {
        self.client().native_ptr()
    }
}

// SAFETY: as above, for a producer.
unsafe impl<C: ProducerContext> Native for BaseProducer<C> {
    fn native(&self) -> *mut ffi::rd_kafka_t {
        self.client().native_ptr()
    }
}

/// A client, and the keeper of its tokens, if it needs any.
pub struct Kept<T> {
    // The order of the fields is that in which they are dropped.
    _keeper: Option<Keeper>,
    client: T,
}

impl<T: Native> Kept<T> {
    /// Sees that a client has tokens; without settings it needs none. `told` learns why a token could not be had, and that one
    /// was.
    ///
    /// # Errors
    /// The thread does not start.
    pub fn new(
        client: T,
        settings: Option<Settings>,
        told: impl Fn(Option<&str>) + Send + 'static,
    ) -> io::Result<Self> {
        let native = NonNull::new(client.native()).expect("a client is somewhere");
        let keeper = settings.map(|settings| {
            // SAFETY: the native client lives as long as `client` (`Native`), which is dropped after the keeper.
            unsafe { Keeper::start(native, settings, told) }
        });
        Ok(Self {
            _keeper: keeper.transpose()?,
            client,
        })
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.client
    }
}

async fn keep(client: Handle, settings: Settings, told: impl Fn(Option<&str>)) {
    let place = settings.place();
    let say = |why: String| {
        tracing::debug!("no token: {place} {why}");
        told(Some(&format!("{place} {why}")));
    };
    let endpoint = match Endpoint::new(settings) {
        Ok(endpoint) => endpoint,
        Err(unaskable) => return say(unaskable.to_string()),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let wait = match endpoint.ask().await {
            Ok(token) => match client.give(&token, &endpoint.settings().extensions) {
                Ok(()) => {
                    let wait = until_the_next(&token, Timestamp::now().as_millisecond());
                    tracing::debug!("{place} has given a token; the next in {wait:?}");
                    told(None);
                    pause = FIRST_PAUSE;
                    wait
                }
                Err(words) => {
                    say(format!("gives a token that librdkafka refuses: {words}"));
                    PAUSE_AFTER_REFUSAL
                }
            },
            Err(why) => {
                say(why.to_string());
                after(&why, &mut pause)
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// How long to wait after a failure; the next pause is longer.
fn after(why: &Failed, pause: &mut Duration) -> Duration {
    if why.is_final() {
        return PAUSE_AFTER_REFUSAL;
    }
    let wait = *pause;
    *pause = (wait * 2).min(LONGEST_PAUSE);
    wait
}

/// How long a token is used before the next one is asked for.
fn until_the_next(token: &Token, now: i64) -> Duration {
    let left = u64::try_from(token.ends - now).unwrap_or(0);
    (Duration::from_millis(left) * 4 / 5).max(LEAST_BETWEEN)
}

impl Handle {
    /// Gives librdkafka a token, or says why it refuses it, without the token.
    fn give(&self, token: &Token, extensions: &[(String, String)]) -> Result<(), String> {
        let text = |text: &str| CString::new(text).map_err(|_| "it has a NUL".to_owned());
        let (value, principal) = (text(&token.value)?, text(&token.principal)?);
        let mut owned = Vec::new();
        for (name, value) in extensions {
            owned.extend([text(name)?, text(value)?]);
        }
        let mut pointers: Vec<*const c_char> = owned.iter().map(|text| text.as_ptr()).collect();
        let mut error: [c_char; ERROR_OCTETS] = [0; ERROR_OCTETS];
        // SAFETY: the client lives (the promise of `start`); all texts end with NUL and outlive the call, which copies them; the
        // array of pointers and the buffer have the lengths that are passed.
        let code = unsafe {
            ffi::rd_kafka_oauthbearer_set_token(
                self.0.as_ptr(),
                value.as_ptr(),
                token.ends,
                principal.as_ptr(),
                pointers.as_mut_ptr(),
                pointers.len(),
                error.as_mut_ptr(),
                error.len(),
            )
        };
        if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Ok(());
        }
        // SAFETY: librdkafka ends what it writes into the buffer with NUL, and it was all NUL before.
        let words = unsafe { CStr::from_ptr(error.as_ptr()) }.to_string_lossy();
        Err(words.replace(&token.value, "…"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_token_is_asked_for_before_the_last_one_ends() {
        let token = |ends| Token {
            value: "t".to_owned(),
            principal: "p".to_owned(),
            ends,
        };
        for (ends, milliseconds) in [
            (3_600_000, 2_880_000),
            (10_000, 8_000),
            (500, 1_000),
            (0, 1_000),
        ] {
            let wait = until_the_next(&token(ends), 0);
            assert_eq!(wait, Duration::from_millis(milliseconds));
        }
    }

    #[test]
    fn pauses_grow_and_a_refusal_has_a_long_one() {
        let mut pause = FIRST_PAUSE;
        let away = Failed::Unreachable("x".to_owned());
        let pauses: Vec<u128> = (0..5)
            .map(|_| after(&away, &mut pause).as_millis())
            .collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 2000]);
        let unaskable = Failed::Unaskable("x".to_owned());
        assert_eq!(after(&unaskable, &mut pause), PAUSE_AFTER_REFUSAL);
    }
}
