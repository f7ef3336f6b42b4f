//! The whole message of a record whose value is its header section alone.
//!
//! Owns: which records are completed, and what is said of those that cannot be. Must not know: how an object is read, the output.
//!
//! Invariants: a record is given on whole or not at all, unless records alone are asked for; the first that is left out is named,
//! all are counted at the end.

use super::line::{Say, counted};
use super::received::Received;
use crate::config;
use crate::objects::fetch::{Fetch, FetchError};

/// See the module.
pub struct Objects {
    /// None: records are given on as they are.
    fetch: Option<Fetch>,
    say: Say,
    skipped: u64,
}

impl Objects {
    /// Records are given on as they are.
    pub fn ignored(say: Say) -> Self {
        Self {
            fetch: None,
            say,
            skipped: 0,
        }
    }

    /// Objects are read from where this says, or, where it names no store, from where their records say.
    ///
    /// # Errors
    /// There is no runtime for it.
    pub fn followed(objects: &config::Objects, say: Say) -> Result<Self, FetchError> {
        Ok(Self {
            fetch: Some(Fetch::new(objects)?),
            ..Self::ignored(say)
        })
    }

    /// Puts the whole message into the record; whether it is to be given on.
    ///
    /// # Errors
    /// The object cannot be read now, and may be later.
    pub(super) fn complete(&mut self, received: &mut Received) -> Result<bool, FetchError> {
        let attributes = received.attributes();
        let (Some(fetch), Some(dataref)) = (&mut self.fetch, attributes.dataref) else {
            return Ok(true);
        };
        match fetch.fetch(dataref, attributes.sha256, attributes.size) {
            Ok(message) => {
                received.complete(message);
                Ok(true)
            }
            Err(FetchError::Unreadable(why)) => {
                self.skipped += 1;
                if self.skipped == 1 {
                    let (partition, offset) = (received.partition, received.offset);
                    (self.say)(&format!(
                        "partition {partition}, offset {offset}: {why}; the record is skipped, and so are others of which the \
                         message is not there; --no-objects shows what they hold"
                    ));
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Says the count, where there is something to say.
    pub(super) fn end(&self) {
        if self.skipped > 0 {
            (self.say)(&format!(
                "{} skipped whose object cannot be read",
                counted(self.skipped, "record")
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::hexadecimal;
    use ring::digest::{SHA256, digest};

    fn quiet(_line: &str) {}

    fn received(dataref: &str, sha256: &str, size: usize) -> Received {
        let size = size.to_string();
        let headers = [
            ("ce_dataref", dataref),
            ("ce_smtpsha256", sha256),
            ("ce_smtpsize", &size),
        ];
        let header = |(name, value): (&str, &str)| (name.to_owned(), value.as_bytes().to_vec());
        Received {
            headers: headers.map(header).to_vec(),
            value: b"Subject: x\r\n\r\n".to_vec(),
            ..Received::default()
        }
    }

    #[test]
    fn a_record_has_its_whole_message_or_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let (message, path) = (b"Subject: x\r\n\r\nbody\r\n", folder.path().join("one.eml"));
        std::fs::write(&path, message).unwrap();
        let dataref = format!("file://{}", path.display());
        let hash = hexadecimal(digest(&SHA256, message).as_ref());
        let mut objects = Objects::followed(&config::Objects::default(), quiet).unwrap();
        let mut complete = |dataref: &str, hash: &str, size| {
            let mut received = received(dataref, hash, size);
            let given = objects.complete(&mut received).unwrap();
            (given, received.value == message)
        };
        assert_eq!(complete(&dataref, &hash, message.len()), (true, true));
        let missing = dataref.replace("one.eml", "two.eml");
        let nowhere = dataref.replace("one.eml", "a/b.eml");
        let (other, folder) = ("0".repeat(64), dataref.replace("/one.eml", ""));
        for (dataref, hash, size) in [
            (&missing, &hash, message.len()),
            (&nowhere, &hash, message.len()),
            (&dataref, &other, message.len()),
            (&dataref, &hash, message.len() + 1),
            (&dataref, &hash, 0),
            (&folder, &hash, message.len()),
            (&"/etc/passwd".to_owned(), &hash, message.len()),
            (&dataref, &String::new(), message.len()),
        ] {
            let skipped = complete(dataref, hash, size);
            let is_whole = size == 0 && hash != &other;
            assert_eq!(skipped, (is_whole, is_whole), "{dataref} {hash} {size}");
        }
        assert_eq!(objects.skipped, 7);
    }

    #[test]
    fn only_objects_of_the_store_are_read_where_one_is_configured() {
        let folder = tempfile::tempdir().unwrap();
        let message = b"x";
        std::fs::write(folder.path().join("one.eml"), message).unwrap();
        let hash = hexadecimal(digest(&SHA256, message).as_ref());
        let root = format!("file://{}", folder.path().display());
        let elsewhere = config::Objects {
            url: Some(format!("{root}/elsewhere").parse().unwrap()),
            ..config::Objects::default()
        };
        let here = config::Objects {
            url: Some(root.parse().unwrap()),
            ..config::Objects::default()
        };
        for (objects, given) in [(&here, true), (&elsewhere, false)] {
            let mut objects = Objects::followed(objects, quiet).unwrap();
            let mut received = received(&format!("{root}/one.eml"), &hash, 1);
            assert_eq!(objects.complete(&mut received).unwrap(), given);
        }
        let mut ignored = Objects::ignored(quiet);
        assert!(ignored.complete(&mut received("x", "y", 1)).unwrap());
    }
}
