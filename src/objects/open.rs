//! From the configuration to a store, as far as that works without asking it.
//!
//! Owns: which options a store gets, and its place. Must not know: what is stored, when.
//!
//! Invariants: options of the configuration beat those of the environment; a store is opened over HTTPS unless `allow_http`
//! says otherwise; no error shows an option's value.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use super::failure::Failure;
use super::place::Place;
use crate::config::{ObjectsUrl, Scheme, Texts};
use crate::failure::{Blame, Blamed};

/// How long a connection to a store may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Tries again within `objects.timeout`: a store that is overloaded for a moment costs no refusal.
const RETRIES: usize = 4;

/// A store, and where objects are in it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// Where it is.
    pub place: Place,
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Its address.
    pub url: &'a ObjectsUrl,
    /// Its options.
    pub options: &'a Texts,
    /// How long a request may take.
    pub timeout: Duration,
    /// Whether files are on the disk before they count as stored.
    pub fsync: bool,
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An option that this kind of store does not have.
    #[error(
        "objects.options: {name} is not an option of a store at {scheme}://…: remove it, or correct objects.url"
    )]
    NotOfThisStore {
        /// The option.
        name: String,
        /// The kind of store.
        scheme: &'static str,
    },
    /// The store cannot be made of its options, or its directory is no good.
    #[error("objects.url: {0}")]
    Unusable(Failure),
    /// The thread of the uploads does not run.
    #[error("the thread of objects.url: {0}")]
    Thread(#[source] std::io::Error),
}

impl Blamed for OpenError {
    fn blame(&self) -> Blame {
        match self {
            Self::NotOfThisStore { .. } | Self::Unusable(_) => Blame::Operator,
            Self::Thread(_) => Blame::Machine,
        }
    }
}

impl Opened {
    /// Opens a store. A directory has to exist; nothing else is asked for.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn new(wanted: &Wanted<'_>) -> Result<Self, OpenError> {
        let place = Place::new(wanted.url.clone(), wanted.timeout, wanted.options);
        let store = match wanted.url.scheme {
            Scheme::S3 => s3(wanted),
            Scheme::Gcs => gcs(wanted),
            Scheme::Azure => azure(wanted),
            Scheme::File => file(wanted),
        };
        let store = store.map_err(|why| match why {
            Why::Option(name) => OpenError::NotOfThisStore {
                name,
                scheme: wanted.url.scheme.word(),
            },
            Why::Store(error) => OpenError::Unusable(Failure::of(&place, &error)),
        })?;
        Ok(Self { store, place })
    }

    /// The path of an object in the store, of its place beneath the store's address. A directory is the root of its store.
    pub fn path(&self, beneath: &str) -> Path {
        let prefix = &self.place.url.path;
        if self.place.url.scheme == Scheme::File || prefix.is_empty() {
            return Path::from(beneath);
        }
        Path::from(format!("{prefix}/{beneath}"))
    }
}

enum Why {
    Option(String),
    Store(object_store::Error),
}

impl From<object_store::Error> for Why {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

/// Sets every option that the configuration has.
fn with_options<B, K: std::str::FromStr>(
    builder: B,
    options: &Texts,
    set: impl Fn(B, K, &str) -> B,
) -> Result<B, Why> {
    options.iter().try_fold(builder, |builder, (name, value)| {
        let key = name.parse().map_err(|_| Why::Option(name.clone()))?;
        Ok(set(builder, key, value))
    })
}

fn s3(wanted: &Wanted<'_>) -> Result<Arc<dyn ObjectStore>, Why> {
    let builder = AmazonS3Builder::from_env()
        .with_bucket_name(&wanted.url.bucket)
        .with_retry(retry(wanted.timeout));
    let builder = client(wanted.timeout)
        .into_iter()
        .fold(builder, |builder, (key, value)| {
            builder.with_config(AmazonS3ConfigKey::Client(key), value)
        });
    let builder = with_options(builder, wanted.options, |builder, key, value| {
        builder.with_config(key, value)
    })?;
    Ok(Arc::new(builder.build()?))
}

fn gcs(wanted: &Wanted<'_>) -> Result<Arc<dyn ObjectStore>, Why> {
    let builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(&wanted.url.bucket)
        .with_retry(retry(wanted.timeout));
    let builder = client(wanted.timeout)
        .into_iter()
        .fold(builder, |builder, (key, value)| {
            builder.with_config(GoogleConfigKey::Client(key), value)
        });
    let builder = with_options(builder, wanted.options, |builder, key, value| {
        builder.with_config(key, value)
    })?;
    Ok(Arc::new(builder.build()?))
}

fn azure(wanted: &Wanted<'_>) -> Result<Arc<dyn ObjectStore>, Why> {
    let builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(&wanted.url.bucket)
        .with_retry(retry(wanted.timeout));
    let builder = client(wanted.timeout)
        .into_iter()
        .fold(builder, |builder, (key, value)| {
            builder.with_config(AzureConfigKey::Client(key), value)
        });
    let builder = with_options(builder, wanted.options, |builder, key, value| {
        builder.with_config(key, value)
    })?;
    Ok(Arc::new(builder.build()?))
}

fn file(wanted: &Wanted<'_>) -> Result<Arc<dyn ObjectStore>, Why> {
    if let Some(name) = wanted.options.keys().next() {
        return Err(Why::Option(name.clone()));
    }
    let directory = PathBuf::from(format!("/{}", wanted.url.path));
    let store = LocalFileSystem::new_with_prefix(directory)?;
    Ok(Arc::new(store.with_fsync(wanted.fsync)))
}

/// What every client over HTTP has, unless an option says otherwise; the rest is the environment's.
fn client(timeout: Duration) -> [(ClientConfigKey, String); 3] {
    // reqwest takes its cryptography from rustls, which may have none yet; one that another part has chosen stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let milliseconds = |time: Duration| format!("{}ms", time.as_millis());
    [
        (ClientConfigKey::Timeout, milliseconds(timeout)),
        (
            ClientConfigKey::ConnectTimeout,
            milliseconds(CONNECT.min(timeout)),
        ),
        (
            ClientConfigKey::DefaultContentType,
            "message/rfc822".to_owned(),
        ),
    ]
}

fn retry(timeout: Duration) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: timeout / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(url: &str, options: &[(&str, &str)]) -> Result<Opened, String> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let (url, options) = (url.parse().unwrap(), options.iter().map(pair).collect());
        let opened = Opened::new(&Wanted {
            url: &url,
            options: &options,
            timeout: Duration::from_secs(1),
            fsync: true,
        });
        opened.map_err(|error| {
            assert_eq!(error.blame(), Blame::Operator);
            error.to_string()
        })
    }

    #[test]
    fn a_store_is_opened_without_being_asked() {
        let keys = [
            ("access_key_id", "hunter2"),
            ("secret_access_key", "hunter3"),
        ];
        let opened = open("s3://bucket/mail", &keys).unwrap();
        assert_eq!(opened.path("2026/x.eml").as_ref(), "mail/2026/x.eml");
        assert_eq!(opened.place.without_secrets("a hunter3 b"), "a … b");
        assert!(!format!("{:?}", opened.place).contains("hunter"));
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}", folder.path().display());
        let opened = open(&url, &[]).unwrap();
        assert_eq!(opened.path("2026/x.eml").as_ref(), "2026/x.eml");
        let account = [("account_name", "a"), ("account_key", "aHVudGVyMg==")];
        open("az://container", &account).unwrap();
    }

    #[test]
    fn what_is_wrong_is_named_without_a_value() {
        for (url, options, words) in [
            (
                "s3://bucket",
                [("account_name", "hunter2")],
                "account_name is not an option of a store at s3",
            ),
            (
                "file:///tmp",
                [("region", "hunter2")],
                "region is not an option of a store at file",
            ),
            (
                "s3://bucket",
                [("unsigned_payload", "hunter2")],
                "objects.url: s3://bucket",
            ),
        ] {
            let why = open(url, &options).err().unwrap();
            assert!(why.contains(words) && !why.contains("hunter2"), "{why}");
        }
        let why = open("file:///nowhere/ringpost", &[]).err().unwrap();
        assert!(why.contains("create the directory"), "{why}");
    }
}
