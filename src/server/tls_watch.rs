//! The files of `[tls]` while the server runs: when a tool renews them, they are loaded again.
//!
//! Owns: what a look at the files finds, how often the log says it, and when keys in memory turn. Must not know: what is wrong with
//! a certificate or a key.
//!
//! Invariant: the log names trouble when it begins, once a day while it lasts, and when it ends.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::config::certificate;
use crate::limits::TICKET_KEY_MILLISECONDS;
use crate::net::certificates::{self, Certificates};
use crate::net::handshake::Material;
use crate::net::tickets::{self, Ring, Tickets};
use crate::telemetry::metrics::{Metrics, TlsFiles};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(10);

/// Pause between two reports of what stays as it is: files that do not load, certificates that are unfit.
const REPORT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a key in memory encrypts.
const TURN: Duration = Duration::from_millis(TICKET_KEY_MILLISECONDS);

/// Looks at the files forever, says once a day what is unfit, and shows when certificates expire.
pub(super) async fn watch(material: Option<Material>, hostname: &str, counters: &Metrics) {
    let Some(material) = material else {
        return std::future::pending().await;
    };
    let Material {
        certificates,
        tickets,
    } = &material;
    let mut certificate_files = Files::of(Arc::clone(certificates));
    let mut ticket_files = Files::of(Arc::clone(tickets));
    let (mut told, mut turned) = (Instant::now(), Instant::now());
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = Instant::now();
        if now.duration_since(told) >= REPORT {
            material.tell(hostname);
            told = now;
        }
        if now.duration_since(turned) >= TURN {
            match tickets.turn() {
                Ok(()) => turned = now,
                Err(error) => tracing::error!("{error}; the current keys stay in use"),
            }
        }
        if certificate_files.look_and_say(now) {
            certificates.tell(hostname);
            certificates.show(counters);
        }
        if ticket_files.look_and_say(now) {
            tickets.tell();
        }
        for (files, unusable) in [
            (TlsFiles::Certificates, certificate_files.trouble.is_some()),
            (TlsFiles::TicketKeys, ticket_files.trouble.is_some()),
        ] {
            counters
                .tls_files_unusable
                .set(files, f64::from(u8::from(unusable)));
        }
    }
}

/// What is loaded from files.
trait Source {
    /// What its plural is in the log.
    const MANY: &'static str;
    /// What one file of it is.
    const ONE: &'static str;
    /// Why its files do not load.
    type Error: Clone + PartialEq + Display;
    /// The files that are in use.
    fn files(&self) -> Vec<PathBuf>;
    /// Loads them; how many things they hold.
    fn load(&self) -> Result<usize, Self::Error>;
}

impl Source for Certificates {
    const MANY: &'static str = "certificates";
    const ONE: &'static str = "certificate";
    type Error = certificate::Error;

    fn files(&self) -> Vec<PathBuf> {
        let pairs = self.pairs().into_iter();
        pairs
            .flat_map(|pair| [pair.certificate, pair.key])
            .collect()
    }

    fn load(&self) -> Result<usize, Self::Error> {
        self.exchange(certificates::Loaded::read(self.pairs())?);
        Ok(self.count())
    }
}

impl Source for Tickets {
    const MANY: &'static str = "ticket keys";
    const ONE: &'static str = "ticket key";
    type Error = tickets::Error;

    fn files(&self) -> Vec<PathBuf> {
        self.file().into_iter().collect()
    }

    fn load(&self) -> Result<usize, Self::Error> {
        self.exchange(Ring::read(self.file().as_deref())?);
        Ok(self.count())
    }
}

/// What the log says of a look.
#[derive(Debug, PartialEq)]
enum News<E> {
    /// This many were loaded; `again` where they could not be before.
    Loaded { count: usize, again: bool },
    /// The files changed and do not load.
    Trouble(E),
    /// After trouble, the files that are in use are back.
    AsBefore,
}

/// Trouble that has been logged.
#[derive(Debug)]
struct Told<E> {
    error: E,
    at: Instant,
}

/// The files of what is in use.
struct Files<S: Source> {
    source: Arc<S>,
    /// When they were changed last before they were loaded.
    known: Vec<Option<SystemTime>>,
    trouble: Option<Told<S::Error>>,
}

impl<S: Source> Files<S> {
    fn of(source: Arc<S>) -> Self {
        let known = changed(&source.files());
        Self {
            source,
            known,
            trouble: None,
        }
    }

    /// Looks, loads them if they have changed, and says so; whether they were loaded.
    fn look_and_say(&mut self, now: Instant) -> bool {
        let (many, one) = (S::MANY, S::ONE);
        match self.look(now) {
            None => false,
            Some(News::Loaded { count, again }) => {
                if again {
                    tracing::info!("the {one} files can be loaded again");
                }
                tracing::info!(count, "{many} changed and were loaded");
                true
            }
            Some(News::AsBefore) => {
                tracing::info!(
                    "the {one} files can be loaded again, and are those that are in use"
                );
                false
            }
            Some(News::Trouble(error)) => {
                tracing::error!(
                    "{error}; keeping the current {many}; the files are tried again every 10 seconds, and this is logged once a \
                     day"
                );
                false
            }
        }
    }

    /// Loads them if they have changed.
    fn look(&mut self, now: Instant) -> Option<News<S::Error>> {
        let files = self.source.files();
        let found = changed(&files);
        if found == self.known || files.is_empty() {
            self.known = found;
            return self.trouble.take().map(|_| News::AsBefore);
        }
        match self.source.load() {
            Ok(count) => {
                self.known = found;
                let again = self.trouble.take().is_some();
                Some(News::Loaded { count, again })
            }
            // Perhaps it is being written: the next look tries again.
            Err(error) => {
                let is_told = self.trouble.as_ref().is_some_and(|told| {
                    told.error == error && now.saturating_duration_since(told.at) < REPORT
                });
                if is_told {
                    return None;
                }
                self.trouble = Some(Told {
                    error: error.clone(),
                    at: now,
                });
                Some(News::Trouble(error))
            }
        }
    }
}

/// When the files were changed last; a file that is missing counts as a change.
fn changed(files: &[PathBuf]) -> Vec<Option<SystemTime>> {
    let modified = |path: &PathBuf| std::fs::metadata(path).and_then(|facts| facts.modified());
    files.iter().map(|path| modified(path).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::certificates::{Loaded, Pair};
    use rcgen::{CertificateParams, KeyPair};
    use std::path::Path;

    /// A certificate and its key.
    fn made() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes a file that was changed at this second.
    fn write(path: &Path, text: &str, second: u64) {
        std::fs::write(path, text).unwrap();
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second))
            .unwrap();
    }

    #[test]
    fn trouble_is_told_when_it_begins_once_a_day_and_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let pair = Pair {
            certificate: folder.path().join("mx.pem"),
            key: folder.path().join("mx.key"),
        };
        let (pem, key) = made();
        write(&pair.certificate, &pem, 1);
        write(&pair.key, &key, 1);
        let served = Certificates::new(Loaded::read(vec![pair.clone()]).unwrap());
        let mut files = Files::of(Arc::new(served));
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(files.look(start), None);

        write(&pair.certificate, "nothing", 2);
        let Some(News::Trouble(error)) = files.look(start) else {
            panic!("the file holds no certificate")
        };
        assert!(error.to_string().contains("mx.pem"), "{error}");
        for look in 1..8640 {
            assert_eq!(files.look(after(10 * look)), None, "{look}");
        }
        assert_eq!(files.look(after(86_400)), Some(News::Trouble(error)));
        assert_eq!(files.look(after(86_410)), None);
        // Other trouble is news.
        std::fs::remove_file(&pair.key).unwrap();
        write(&pair.certificate, &pem, 3);
        let Some(News::Trouble(error)) = files.look(after(86_420)) else {
            panic!("the key is not there")
        };
        assert!(error.to_string().contains("mx.key"), "{error}");

        let (pem, key) = made();
        write(&pair.certificate, &pem, 4);
        write(&pair.key, &key, 4);
        let (count, again) = (1, true);
        assert_eq!(
            files.look(after(86_430)),
            Some(News::Loaded { count, again })
        );
        assert_eq!(files.look(after(86_440)), None);
        // The next trouble is logged again, and so is the return of the files as they were.
        write(&pair.key, "nothing", 5);
        assert!(matches!(files.look(after(86_450)), Some(News::Trouble(_))));
        write(&pair.key, &key, 4);
        assert_eq!(files.look(after(86_460)), Some(News::AsBefore));
        assert_eq!(files.look(after(86_470)), None);
    }
    #[test]
    fn ticket_keys_are_exchanged_when_their_file_changes_and_stay_when_it_is_broken() {
        use base64::Engine as _;
        let key = |number| base64::engine::general_purpose::STANDARD.encode([number; 32]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ticket.keys");
        write(&path, &key(1), 1);
        let tickets = Arc::new(Tickets::new(Ring::read(Some(&path)).unwrap()));
        let mut files = Files::of(Arc::clone(&tickets));
        let (now, first) = (Instant::now(), tickets.first());
        assert_eq!(files.look(now), None);
        write(&path, &format!("{}\n{}", key(1), key(2)), 2);
        let (count, again) = (2, false);
        assert_eq!(files.look(now), Some(News::Loaded { count, again }));
        assert_eq!((tickets.count(), tickets.first()), (2, first.clone()));
        write(&path, &key(1)[1..], 3);
        let Some(News::Trouble(error)) = files.look(now) else {
            panic!("the file holds no key")
        };
        assert!(error.to_string().contains("line 1"), "{error}");
        assert_eq!((tickets.count(), tickets.first()), (2, first.clone()));
        write(&path, &key(2), 4);
        let (count, again) = (1, true);
        assert_eq!(files.look(now), Some(News::Loaded { count, again }));
        assert_ne!(tickets.first(), first);
        // Keys in memory have no file to look at.
        let tickets = Arc::new(Tickets::new(Ring::read(None).unwrap()));
        assert_eq!(Files::of(tickets).look(now), None);
    }
}
