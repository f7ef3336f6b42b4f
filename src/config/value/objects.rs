//! What names a store of objects, one object in it, and the options of a store.
//!
//! Owns: the form of an address, which options there are. Must not know: what a store is asked; whether an option is one of the
//! store that is named is found out when it is opened.
//!
//! Invariants: an address that was read is written as it was read, without a slash at its end; no text shows an option's value,
//! which may be a secret.

use std::fmt;
use std::str::FromStr;

use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;

use super::scalar::size;
use crate::config::reason::{ObjectsFault, Reason};
use crate::config::suggest;
use crate::limits::MESSAGE_FLOOR_OCTETS;

/// Which kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `s3`: Amazon S3, or what speaks its protocol.
    S3,
    /// `gs`: Google Cloud Storage.
    Gcs,
    /// `az`: Azure Blob Storage.
    Azure,
    /// `file`: a directory.
    File,
}

impl Scheme {
    const ALL: [(Scheme, &'static str); 4] = [
        (Scheme::S3, "s3"),
        (Scheme::Gcs, "gs"),
        (Scheme::Azure, "az"),
        (Scheme::File, "file"),
    ];

    /// As an address begins.
    pub fn word(self) -> &'static str {
        let known = Self::ALL.iter().find(|(scheme, _)| *scheme == self);
        known.expect("every scheme has a word").1
    }
}

/// The address of a store, or of an object: `s3://bucket/a/b`, `file:///a/b`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectsUrl {
    /// The kind of store.
    pub scheme: Scheme,
    /// The bucket or container; empty for a directory.
    pub bucket: String,
    /// What follows, without a slash at either end; it may be empty.
    pub path: String,
}

impl ObjectsUrl {
    /// The address of an object beneath this one.
    pub fn join(&self, path: &str) -> Self {
        let path = if self.path.is_empty() {
            path.to_owned()
        } else {
            format!("{}/{path}", self.path)
        };
        Self {
            path,
            ..self.clone()
        }
    }

    /// Whether this is the address of something in that store.
    pub fn is_beneath(&self, store: &Self) -> bool {
        let rest = self.path.strip_prefix(&store.path);
        self.scheme == store.scheme
            && self.bucket == store.bucket
            && rest.is_some_and(|rest| store.path.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for ObjectsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.word(), self.bucket)?;
        if self.path.is_empty() {
            return Ok(());
        }
        write!(f, "/{}", self.path)
    }
}

impl FromStr for ObjectsUrl {
    type Err = ObjectsFault;

    fn from_str(text: &str) -> Result<Self, ObjectsFault> {
        let (word, rest) = text.split_once("://").ok_or(ObjectsFault::NotAUrl)?;
        let known = Scheme::ALL.iter().find(|(_, known)| *known == word);
        let &(scheme, _) = known.ok_or(ObjectsFault::NotAUrl)?;
        let (bucket, path) = match rest.split_once('/') {
            Some((bucket, path)) => (bucket, path.strip_suffix('/').unwrap_or(path)),
            None => (rest, ""),
        };
        let in_bucket = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        match scheme {
            Scheme::File if !bucket.is_empty() || path.is_empty() => {
                return Err(ObjectsFault::NotADirectory);
            }
            Scheme::File => {}
            Scheme::S3 | Scheme::Gcs | Scheme::Azure => {
                if bucket.is_empty() || !bucket.bytes().all(in_bucket) {
                    return Err(ObjectsFault::NotABucket);
                }
            }
        }
        if !path.is_empty() && !path.split('/').all(is_segment) {
            return Err(ObjectsFault::NotAPath);
        }
        Ok(Self {
            scheme,
            bucket: bucket.to_owned(),
            path: path.to_owned(),
        })
    }
}

/// What is written the same way in a URL, in a path of every store and in a file name.
fn is_segment(segment: &str) -> bool {
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.=@+,".contains(&octet);
    !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(legal)
}

/// The address of a store; nothing is the empty text.
pub(in crate::config) fn objects_url(text: &str) -> Result<Option<ObjectsUrl>, Reason> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(text.parse()?))
}

/// The size above which messages are objects; nothing is the empty text.
pub(in crate::config) fn objects_above(text: &str) -> Result<Option<u64>, Reason> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let octets = size(text)?;
    if octets < MESSAGE_FLOOR_OCTETS as u64 {
        return Err(ObjectsFault::AboveTooSmall.into());
    }
    Ok(Some(octets))
}

/// The name of an option that some store has.
pub(in crate::config) fn objects_option(name: &str) -> Result<String, Reason> {
    if NAMED_BY_THE_URL.contains(&name) {
        return Err(ObjectsFault::NamedByTheUrl.into());
    }
    let known = name.parse::<AmazonS3ConfigKey>().is_ok()
        || name.parse::<GoogleConfigKey>().is_ok()
        || name.parse::<AzureConfigKey>().is_ok();
    if known {
        return Ok(name.to_owned());
    }
    let near = suggest::nearest(name, COMMON);
    Err(ObjectsFault::UnknownOption { near }.into())
}

/// Whether an option can have this value. Which values it takes is known to the store alone.
pub(in crate::config) fn objects_option_value(_name: &str, value: &str) -> Result<(), Reason> {
    if value.chars().any(char::is_control) {
        return Err(ObjectsFault::ControlCharacter.into());
    }
    Ok(())
}

/// Options that `objects.url` says already.
const NAMED_BY_THE_URL: [&str; 8] = [
    "bucket",
    "bucket_name",
    "aws_bucket",
    "aws_bucket_name",
    "google_bucket",
    "google_bucket_name",
    "container_name",
    "azure_container_name",
];

/// Names to suggest for one that is misspelt.
const COMMON: [&str; 18] = [
    "access_key_id",
    "secret_access_key",
    "session_token",
    "region",
    "endpoint",
    "allow_http",
    "virtual_hosted_style_request",
    "unsigned_payload",
    "checksum_algorithm",
    "server_side_encryption",
    "sse_kms_key_id",
    "proxy_url",
    "connect_timeout",
    "service_account",
    "application_credentials",
    "account_name",
    "account_key",
    "sas_token",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_was_read() {
        for text in [
            "s3://bucket",
            "s3://bucket/mail/in",
            "gs://b.example/mail",
            "az://container/mail",
            "file:///var/lib/ringpost/objects",
        ] {
            let url = text.parse::<ObjectsUrl>().unwrap();
            assert_eq!(url.to_string(), text);
            assert_eq!(format!("{text}/").parse(), Ok(url.clone()));
            let object = url.join("2026/01/02/ID.eml");
            assert_eq!(object.to_string(), format!("{text}/2026/01/02/ID.eml"));
            assert!(object.is_beneath(&url) && !url.is_beneath(&object));
            assert_eq!(object.to_string().parse(), Ok(object));
        }
        let read = |text: &str| text.parse::<ObjectsUrl>().unwrap();
        for other in [
            "s3://other/mail/x",
            "s3://bucket/mailbox/x",
            "gs://bucket/mail/x",
        ] {
            assert!(
                !read(other).is_beneath(&read("s3://bucket/mail")),
                "{other}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        for (text, words) in [
            ("bucket", "s3://bucket/prefix"),
            ("http://bucket", "s3://bucket/prefix"),
            ("s3://", "bucket"),
            ("s3://a b/c", "bucket"),
            ("file://relative/x", "file:///"),
            ("file:///", "file:///"),
            ("s3://bucket/a//b", "letters"),
            ("s3://bucket/../b", "letters"),
            ("s3://bucket/a%20b", "letters"),
            ("s3://bucket/a?b", "letters"),
        ] {
            let why = objects_url(text).expect_err(text).to_string();
            assert!(why.contains(words), "{text}: {why}");
        }
        assert_eq!(objects_url(" "), Ok(None));
    }

    #[test]
    fn sizes_have_a_floor() {
        assert_eq!(objects_above(""), Ok(None));
        assert_eq!(objects_above("64KiB"), Ok(Some(65_536)));
        let why = objects_above("65535").unwrap_err().to_string();
        assert!(why.contains("64KiB"), "{why}");
    }

    #[test]
    fn options_are_those_of_a_store_and_no_value_is_shown() {
        for name in COMMON {
            assert_eq!(objects_option(name), Ok(name.to_owned()));
        }
        for (name, words) in [
            ("acess_key_id", "did you mean access_key_id?"),
            ("bucket", "objects.url"),
            ("zzzzzzzz", "object_store"),
        ] {
            let why = objects_option(name).expect_err(name).to_string();
            assert!(why.contains(words), "{name}: {why}");
        }
        let why = objects_option_value("region", "hunter2\n").unwrap_err();
        assert!(!why.to_string().contains("hunter2"), "{why}");
    }
}
