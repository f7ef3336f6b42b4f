//! What can be wrong with the store of large messages, as it is configured.
//!
//! Invariant: no variant holds the value of an option, which may be a secret.

use thiserror::Error;

/// What is wrong with the address of a store of objects, or with one of its options.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ObjectsFault {
    /// Not an address that is known.
    #[error(
        "is not the address of a store: write s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or \
         file:///directory"
    )]
    NotAUrl,
    /// Not a bucket.
    #[error(
        "names no bucket: letters, digits, dots, hyphens and underscores follow the two slashes, as in s3://bucket/prefix"
    )]
    NotABucket,
    /// Not a directory.
    #[error(
        "names no directory: write its whole path after three slashes, as in file:///var/lib/ringpost/objects"
    )]
    NotADirectory,
    /// Not a path.
    #[error(
        "has a path that is not the same in every store: each part has letters, digits and -_.=@+, and is neither empty nor \
         one or two dots"
    )]
    NotAPath,
    /// The threshold is too low.
    #[error("is too small: 64KiB or more is allowed, or nothing for what the topic does not take")]
    AboveTooSmall,
    /// An option that the address says.
    #[error("is not for objects.options: objects.url names it")]
    NamedByTheUrl,
    /// No store has it.
    #[error("is not an option of a store: {}", meant_option(*.near))]
    UnknownOption {
        /// The one that was probably meant.
        near: Option<&'static str>,
    },
    /// A value with a line feed or the like.
    #[error("has a control character in its value")]
    ControlCharacter,
}

fn meant_option(near: Option<&str>) -> String {
    match near {
        Some(near) => format!("did you mean {near}?"),
        None => "the documentation of the Rust crate object_store lists them".to_owned(),
    }
}
