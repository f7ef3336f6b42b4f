//! The certificates' files while the server runs: when a tool renews them, they are loaded again.
//!
//! Owns: what a look at the files finds, and how often the log says it. Must not know: what is wrong with a certificate.
//!
//! Invariant: the log names trouble when it begins, once a day while it lasts, and when it ends.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::net::certificates::{self, Certificates};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(10);

/// Pause between two reports of what stays as it is: files that do not load, certificates that are unfit.
const REPORT: Duration = Duration::from_secs(24 * 60 * 60);

/// Looks at the files forever, and says once a day which certificates are unfit.
pub(super) async fn watch(served: Option<Arc<Certificates>>, hostname: &str) {
    let Some(served) = served else {
        return std::future::pending().await;
    };
    let mut files = Files::of(Arc::clone(&served));
    let mut told = Instant::now();
    loop {
        tokio::time::sleep(PAUSE).await;
        if told.elapsed() >= REPORT {
            served.tell(hostname);
            told = Instant::now();
        }
        match files.look(Instant::now()) {
            None => {}
            Some(News::Loaded { count, again }) => {
                if again {
                    tracing::info!("the certificate files can be loaded again");
                }
                tracing::info!(count, "certificates changed and were loaded");
                served.tell(hostname);
            }
            Some(News::AsBefore) => tracing::info!(
                "the certificate files can be loaded again, and are those that are served"
            ),
            Some(News::Trouble(error)) => tracing::error!(
                "{error}; keeping the current certificates; the files are tried again every 10 seconds, and this is logged once \
                 a day"
            ),
        }
    }
}

/// What the log says of a look.
#[derive(Debug, PartialEq)]
enum News {
    /// This many were loaded; `again` where they could not be before.
    Loaded { count: usize, again: bool },
    /// The files changed and do not load.
    Trouble(certificates::Error),
    /// After trouble, the files that are served are back.
    AsBefore,
}

/// Trouble that has been logged.
#[derive(Debug)]
struct Told {
    error: certificates::Error,
    at: Instant,
}

/// The files of what is served.
struct Files {
    served: Arc<Certificates>,
    /// When they were changed last before they were loaded.
    known: Vec<Option<SystemTime>>,
    trouble: Option<Told>,
}

impl Files {
    fn of(served: Arc<Certificates>) -> Self {
        let known = certificates::changed(&served.pairs());
        Self {
            served,
            known,
            trouble: None,
        }
    }

    /// Loads them if they have changed.
    fn look(&mut self, now: Instant) -> Option<News> {
        let pairs = self.served.pairs();
        let found = certificates::changed(&pairs);
        if found == self.known {
            return self.trouble.take().map(|_| News::AsBefore);
        }
        match certificates::Loaded::read(pairs) {
            Ok(loaded) => {
                let count = loaded.count();
                self.served.exchange(loaded);
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
}
