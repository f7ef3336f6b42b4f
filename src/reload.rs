//! SIGHUP: the configuration is read again, and what can change while the server runs is exchanged: recipients, networks,
//! certificates, log level. Certificates also when their files change.
//!
//! Owns: the order of a reload, and what the log says of it. Must not know: how rules reach the workers, and what is in
//! them.
//!
//! Invariants: a reload is applied as a whole, or not at all and everything stays as it was; it reads files on a thread of
//! its own, so that nobody waits for it; reloads follow one another, and signals that come during one make one more.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::signal::unix::Signal;

use crate::config::{self, Config, Loaded};
use crate::net::certificates::{Certificates, Pair, changed};
use crate::server::Exchange;
use crate::smtp::policy::Recipients;
use crate::telemetry::log::LogHandle;
use crate::telemetry::metrics::Metrics;

/// Reads the configuration as it was read at the start: file, environment, flags.
pub type Read = Arc<dyn Fn() -> Result<Loaded, config::Error> + Send + Sync>;

/// What reloads.
pub struct Reload<'a> {
    /// Reads the configuration.
    pub read: Read,
    /// The configuration that the server was started with, as it was read.
    pub started: Config,
    /// The certificates, where TLS is offered.
    pub certificates: Option<Arc<ServedCertificates>>,
    /// Takes the new rules.
    pub exchange: Exchange,
    /// Takes the new level.
    pub log: &'a LogHandle,
    /// Counts.
    pub counters: Metrics,
}

impl Reload<'_> {
    /// Reloads at each hangup; never ends, unless signals do.
    pub async fn serve(mut self, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            let (read, began) = (Arc::clone(&self.read), Instant::now());
            let certificates = self.certificates.clone();
            let result = tokio::task::spawn_blocking(move || fetch(&read, certificates.as_deref()))
                .await
                .unwrap_or_else(|error| Err(error.to_string()));
            self.counters.reloaded(result.is_ok());
            match result {
                Ok((loaded, taken)) => self.apply(loaded, taken, began),
                Err(error) => tracing::error!(
                    "nothing was reloaded, and what was there stays: {}",
                    error.replace('\n', "; ")
                ),
            }
        }
    }

    fn apply(&mut self, loaded: Loaded, taken: Recipients, began: Instant) {
        let Loaded { config, warnings } = loaded;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let restart = self.started.sections_that_need_a_restart(&config);
        if !restart.is_empty() {
            tracing::warn!(
                "options that need a restart have changed, in {}: they stay as they were",
                restart.join(", ")
            );
        }
        let (domains, recipients) = (taken.domains(), taken.listed());
        self.exchange.apply(&config, taken);
        let say = || {
            tracing::info!(
                domains,
                lists = config.recipients.lists.len(),
                recipients,
                networks_allowed = config.access.allow.len(),
                networks_denied = config.access.deny.len(),
                certificates = self
                    .certificates
                    .as_ref()
                    .map_or(0, |own| own.pairs().len()),
                log_level = config.log.level,
                milliseconds = began.elapsed().as_secs_f64() * 1e3,
                "reloaded"
            );
        };
        // Said under the level that says more of the two.
        let wordier = rank(&config.log.level) > rank(&self.started.log.level);
        if !wordier {
            say();
        }
        if let Err(error) = self.log.set_level(&config.log.level) {
            tracing::error!("{error}");
        }
        if wordier {
            say();
        }
        self.started.log.level = config.log.level;
    }
}

/// The configuration and the lists that it names; the certificates are exchanged once nothing else can fail.
fn fetch(
    read: &Read,
    certificates: Option<&ServedCertificates>,
) -> Result<(Loaded, Recipients), String> {
    let loaded = read().map_err(|error| error.to_string())?;
    let taken = config::recipients::load(&loaded.config.recipients)?;
    if let Some(certificates) = certificates {
        certificates.exchange(&loaded.config.tls)?;
    }
    Ok((loaded, taken))
}

/// The certificates that are served and the files that they come from.
pub struct ServedCertificates {
    served: Arc<Certificates>,
    pairs: Mutex<Vec<Pair>>,
}

impl ServedCertificates {
    /// Those of a configuration; none where it has none.
    ///
    /// # Errors
    /// One line that names key, file, cause and fix.
    pub fn load(tls: &config::Tls) -> Result<Option<Self>, String> {
        let pairs = pairs(tls);
        if pairs.is_empty() {
            return Ok(None);
        }
        let served = Arc::new(Certificates::load(&pairs)?);
        Ok(Some(Self {
            served,
            pairs: Mutex::new(pairs),
        }))
    }

    /// What handshakes take them from.
    pub fn served(&self) -> Arc<Certificates> {
        Arc::clone(&self.served)
    }

    fn pairs(&self) -> MutexGuard<'_, Vec<Pair>> {
        self.pairs.lock().expect("nothing panics under this lock")
    }

    /// Serves those of another configuration. Where it has none, those from before stay: to offer TLS no more needs a restart.
    fn exchange(&self, tls: &config::Tls) -> Result<(), String> {
        let pairs = pairs(tls);
        if !pairs.is_empty() {
            self.served.reload(&pairs)?;
            *self.pairs() = pairs;
        }
        Ok(())
    }

    fn load_again(&self) {
        let pairs = self.pairs();
        match self.served.reload(&pairs) {
            Ok(()) => tracing::info!(count = pairs.len(), "certificates were loaded again"),
            Err(error) => tracing::error!("{error}; the certificates from before are served on"),
        }
    }
}

/// The files of the default certificate, then those of further ones.
fn pairs(tls: &config::Tls) -> Vec<Pair> {
    let first = tls.certificate.iter().zip(&tls.key);
    let further = tls.sni_certificates.iter().zip(&tls.sni_keys);
    let pair = |(certificate, key): (&PathBuf, &PathBuf)| Pair {
        certificate: certificate.clone(),
        key: key.clone(),
    };
    first.chain(further).map(pair).collect()
}

/// Pause between two looks at the certificates' files.
const CERTIFICATE_WATCH: Duration = Duration::from_secs(10);

/// Loads the certificates again when their files change, as tools that renew them do. For ever.
pub async fn watch_certificates(certificates: Option<&ServedCertificates>) {
    let Some(certificates) = certificates else {
        return std::future::pending().await;
    };
    let look = || changed(&certificates.pairs());
    let mut known = look();
    loop {
        tokio::time::sleep(CERTIFICATE_WATCH).await;
        let now = look();
        if now != known {
            certificates.load_again();
            known = now;
        }
    }
}

/// How much a level says.
fn rank(level: &str) -> Option<usize> {
    let levels = ["error", "warn", "info", "debug", "trace"];
    levels.iter().position(|known| *known == level)
}
