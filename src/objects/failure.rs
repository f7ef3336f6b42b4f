//! Why a store does not take or give an object, in an operator's words.
//!
//! Owns: the kinds, and what an error of a store means. Must not know: what was asked of the store.
//!
//! Invariant: no text holds a credential. An answer of a store is quoted by its code and its sentence alone, since others of its
//! elements repeat what was sent, and values of options that may be secrets are cut out of whatever is shown.

use std::error::Error as _;
use std::fmt;
use std::io;

use object_store::client::{HttpError, HttpErrorKind};

use super::place::Place;
use crate::config::Scheme;

/// What kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The store cannot be reached, or has a trouble of its own.
    Unavailable,
    /// It did not answer in time.
    TimedOut,
    /// The credentials are refused, or a right is missing.
    Denied,
    /// The bucket, the directory or the object does not exist.
    Missing,
    /// There is no space left.
    Full,
    /// Something else.
    Other,
}

impl Kind {
    /// All of them, in the order of their declaration.
    pub const ALL: [Kind; 6] = [
        Kind::Unavailable,
        Kind::TimedOut,
        Kind::Denied,
        Kind::Missing,
        Kind::Full,
        Kind::Other,
    ];

    /// The value of a label.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Unavailable => "unavailable",
            Kind::TimedOut => "timed_out",
            Kind::Denied => "denied",
            Kind::Missing => "missing",
            Kind::Full => "full",
            Kind::Other => "other",
        }
    }
}

/// A failure, and what an operator reads of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its kind.
    pub kind: Kind,
    /// What is wrong and, where that is known, the fix.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// The time for an answer is over.
    pub fn timed_out(place: &Place) -> Self {
        let (url, seconds) = (&place.url, place.timeout.as_secs_f64());
        Self {
            kind: Kind::TimedOut,
            text: format!("{url} did not answer within {seconds} s (objects.timeout)"),
        }
    }

    /// What an error of the store means.
    pub fn of(place: &Place, error: &object_store::Error) -> Self {
        let kind = kind(error);
        let words = place.without_secrets(&words(error));
        let url = &place.url;
        let is_file = url.scheme == Scheme::File;
        let text = match kind {
            Kind::Unavailable => format!("{url} cannot be reached: {words}"),
            Kind::TimedOut => format!("{url} did not answer in time: {words}"),
            Kind::Denied if is_file => format!(
                "{url}: {words}: give the user of ringpost the right to write in this directory"
            ),
            Kind::Denied => format!(
                "{url} refuses access: {words}: give the right to write, read and delete objects there to the credentials of \
                 objects.options or of the environment, or correct them"
            ),
            Kind::Missing if is_file => {
                format!("{url}: {words}: create the directory, or correct objects.url")
            }
            Kind::Missing => {
                format!("{url}: {words}: create the bucket, or correct objects.url")
            }
            Kind::Full => format!("{url} is full: {words}: free some space"),
            Kind::Other => format!("{url}: {words}"),
        };
        Self { kind, text }
    }
}

fn kind(error: &object_store::Error) -> Kind {
    use object_store::Error;
    match error {
        Error::NotFound { .. } => return Kind::Missing,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => return Kind::Denied,
        _ => {}
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return of_kernel(error);
        }
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return match error.kind() {
                HttpErrorKind::Timeout => Kind::TimedOut,
                HttpErrorKind::Connect | HttpErrorKind::Request | HttpErrorKind::Interrupted => {
                    Kind::Unavailable
                }
                _ => Kind::Other,
            };
        }
        cause = error.source();
    }
    // Only the text has the status: 5xx is the store's own trouble.
    let text = error.to_string();
    if text.contains("status code: 5") || text.contains("SlowDown") {
        Kind::Unavailable
    } else if text.contains("InvalidAccessKeyId") || text.contains("SignatureDoesNotMatch") {
        Kind::Denied
    } else {
        Kind::Other
    }
}

fn of_kernel(error: &io::Error) -> Kind {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::Denied,
        io::ErrorKind::NotFound => Kind::Missing,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Full,
        io::ErrorKind::TimedOut => Kind::TimedOut,
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Kind::Unavailable,
        _ => Kind::Other,
    }
}

/// The code and the sentence of an answer in XML; else the last error of the chain, which is the one closest to the cause.
fn words(error: &object_store::Error) -> String {
    let whole = error.to_string();
    let element = |name: &str| {
        let (_, rest) = whole.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => return format!("{code} ({message})"),
        (Some(code), None) => return code,
        (None, _) => {}
    }
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    let text = last.to_string();
    // A body that is no XML may hold anything.
    let first = text.lines().next().unwrap_or_default();
    first
        .chars()
        .take(200)
        .collect::<String>()
        .trim_end_matches([':', ' '])
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Texts;

    fn place(url: &str, options: &[(&str, &str)]) -> Place {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let options: Texts = options.iter().map(pair).collect();
        Place::new(url.parse().unwrap(), Duration::from_secs(30), &options)
    }

    fn generic(source: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: Box::new(source),
        }
    }

    #[test]
    fn an_answer_is_quoted_without_what_it_repeats_of_the_request() {
        let place = place("s3://bucket/mail", &[("secret_access_key", "hunter2")]);
        let body = "Client error: <?xml?><Error><Code>SignatureDoesNotMatch</Code><Message>It does not match hunter2.</Message>\
                    <AWSAccessKeyId>AKIAHUNTER</AWSAccessKeyId></Error>";
        let failure = Failure::of(&place, &generic(io::Error::other(body)));
        let refused = object_store::Error::PermissionDenied {
            path: "x".into(),
            source: body.into(),
        };
        let denied = Failure::of(&place, &refused);
        for failure in [failure, denied.clone()] {
            assert!(failure.text.contains("SignatureDoesNotMatch"), "{failure}");
            assert!(failure.text.contains("s3://bucket/mail"), "{failure}");
            for secret in ["hunter2", "AKIAHUNTER"] {
                assert!(!failure.text.contains(secret), "{failure}");
            }
        }
        assert_eq!(denied.kind, Kind::Denied);
        assert!(denied.text.contains("objects.options"), "{denied}");
    }

    #[test]
    fn errors_of_the_kernel_have_their_kinds_and_their_fix() {
        let place = place("file:///srv/objects", &[]);
        for (kernel, kind, fix) in [
            (io::ErrorKind::StorageFull, Kind::Full, "free some space"),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                Kind::Denied,
                "right to write",
            ),
            (
                io::ErrorKind::NotFound,
                Kind::Missing,
                "create the directory",
            ),
            (
                io::ErrorKind::ConnectionRefused,
                Kind::Unavailable,
                "reached",
            ),
        ] {
            let failure = Failure::of(&place, &generic(io::Error::from(kernel)));
            assert_eq!(failure.kind, kind, "{failure}");
            assert!(failure.text.contains(fix), "{failure}");
        }
    }

    #[test]
    fn labels_are_unique() {
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(at, kind as usize);
            let same = Kind::ALL
                .iter()
                .filter(|other| other.label() == kind.label());
            assert_eq!(same.count(), 1);
        }
    }
}
