//! An object read back: the whole message of a record that has only its header section.
//!
//! Owns: which addresses are followed, and the check of what comes. Must not know: how a record is read, what becomes of a mail.
//!
//! Anybody who may write to a topic can write a record that names any object. So with `objects.url` set only objects beneath it are
//! read; and nothing is given out whose SHA-256 is not the one in the record, so that a record reveals nothing of an object to
//! somebody who does not know it already.
//!
//! BUGS: an object is in memory as a whole.

use std::collections::HashMap;
use std::time::Duration;

use object_store::ObjectStoreExt;
use ring::digest::{SHA256, digest};
use tokio::runtime::{Builder, Runtime};

use super::failure::{Failure, Kind};
use super::open::{OpenError, Opened, Wanted};
use super::seam::hexadecimal;
use crate::config::{Objects, ObjectsUrl, Scheme, Texts};
use crate::failure::{Blame, Blamed};
use crate::limits::RECORD_OVERHEAD_OCTETS;

/// Why a record's object is not there.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// `ce_dataref` is not an address that ringpost writes.
    #[error("ce_dataref is not the address of an object of ringpost's")]
    NotAnAddress,
    /// The record does not say what the object is.
    #[error("ce_smtpsha256 or ce_smtpsize is missing, so its object cannot be checked")]
    Unchecked,
    /// It is not beneath `objects.url`.
    #[error("its object {object} is not beneath objects.url ({url})")]
    Elsewhere {
        /// The object.
        object: ObjectsUrl,
        /// What is configured.
        url: ObjectsUrl,
    },
    /// There is none.
    #[error("its object {0} does not exist")]
    Missing(ObjectsUrl),
    /// It is another one.
    #[error("its object {0} is not the one that the record names: its size or its SHA-256 differs")]
    Another(ObjectsUrl),
}

/// Why an object cannot be read now.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Reading it again will not help.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store does not give it.
    #[error("the object of a record cannot be read: {0}")]
    Store(#[from] Failure),
    /// No runtime.
    #[error("a runtime for reading objects: {0}")]
    Runtime(#[from] std::io::Error),
}

impl Blamed for FetchError {
    fn blame(&self) -> Blame {
        match self {
            Self::Unreadable(_) | Self::Store(_) => Blame::Cluster,
            Self::Open(error) => error.blame(),
            Self::Runtime(_) => Blame::Machine,
        }
    }
}

/// Reads objects.
pub struct Fetch {
    runtime: Runtime,
    url: Option<ObjectsUrl>,
    options: Texts,
    timeout: Duration,
    /// The stores that were opened, by scheme and bucket; of a directory by its path.
    opened: HashMap<(Scheme, String), Opened>,
}

impl Fetch {
    /// With the options of a configuration. Without an address in it, the environment has the credentials of every store.
    ///
    /// # Errors
    /// [`FetchError::Runtime`].
    pub fn new(objects: &Objects) -> Result<Self, FetchError> {
        Ok(Self {
            runtime: Builder::new_current_thread().enable_all().build()?,
            url: objects.url.clone(),
            options: objects.options.clone(),
            timeout: objects.timeout,
            opened: HashMap::new(),
        })
    }

    /// The object at this address, which has this SHA-256 and is a message of this size with what ringpost puts in front.
    ///
    /// # Errors
    /// Why not.
    pub fn fetch(
        &mut self,
        dataref: &str,
        sha256: Option<&str>,
        size: Option<u64>,
    ) -> Result<Vec<u8>, FetchError> {
        let object: ObjectsUrl = dataref.parse().map_err(|_| Unreadable::NotAnAddress)?;
        let (Some(sha256), Some(size)) = (sha256, size) else {
            return Err(Unreadable::Unchecked.into());
        };
        if let Some(url) = self.url.clone().filter(|url| !object.is_beneath(url)) {
            return Err(Unreadable::Elsewhere { object, url }.into());
        }
        let (store, path) = self.store(&object)?;
        let path = store.path(&path);
        let read = async {
            let meta = store.within(store.store.head(&path)).await?;
            let sizes = size..=size.saturating_add(RECORD_OVERHEAD_OCTETS as u64);
            if !sizes.contains(&meta.size) {
                return Ok(None);
            }
            let get = async { store.store.get(&path).await?.bytes().await };
            store.within(get).await.map(Some)
        };
        let octets = match self.runtime.block_on(read) {
            Ok(Some(octets)) => octets,
            Ok(None) => return Err(Unreadable::Another(object).into()),
            Err(failure) if failure.kind == Kind::Missing => {
                return Err(Unreadable::Missing(object).into());
            }
            Err(failure) => return Err(failure.into()),
        };
        let found = digest(&SHA256, &octets);
        if hexadecimal(found.as_ref()) != sha256 {
            return Err(Unreadable::Another(object).into());
        }
        Ok(octets.into())
    }

    /// The store of an object, and its path there.
    fn store(&mut self, object: &ObjectsUrl) -> Result<(Opened, String), FetchError> {
        let (directory, name) = object.path.rsplit_once('/').unwrap_or(("", &object.path));
        let (root, beneath, key) = match object.scheme {
            Scheme::File => (directory, name, directory),
            Scheme::S3 | Scheme::Gcs | Scheme::Azure => {
                ("", object.path.as_str(), object.bucket.as_str())
            }
        };
        let key = (object.scheme, key.to_owned());
        if let Some(opened) = self.opened.get(&key) {
            return Ok((opened.clone(), beneath.to_owned()));
        }
        let url = ObjectsUrl {
            path: root.to_owned(),
            ..object.clone()
        };
        let opened = Opened::new(&Wanted {
            url: &url,
            options: &self.options,
            timeout: self.timeout,
            fsync: false,
        });
        let opened = match opened {
            Ok(opened) => opened,
            Err(OpenError::Unusable(failure))
                if object.scheme == Scheme::File && failure.kind == Kind::Missing =>
            {
                return Err(Unreadable::Missing(object.clone()).into());
            }
            Err(error) => return Err(error.into()),
        };
        // A directory a day, and no more than a few buckets.
        self.opened.insert(key, opened.clone());
        Ok((opened, beneath.to_owned()))
    }
}
