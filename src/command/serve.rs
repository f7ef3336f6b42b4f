//! `ringpost serve`: configuration, start, "ready", signals, drain.

use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::SignalKind;

use crate::config::{self, Brokers, Config, Loaded};
use crate::limits::RECORD_OVERHEAD_OCTETS;
use crate::net::certificates::{Certificates, Pair, changed};
use crate::net::probe;
use crate::server::Server;
use crate::sink::kafka;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{admin, log};

/// Flags of `serve`.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address that SMTP is served on, IP:port; may be given several times
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<String>,
    /// This server's name
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Domain that mail is taken for; may be given several times
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Vec<String>,
    /// Kafka's bootstrap brokers, or "embedded", or "discard"
    #[arg(long, value_name = "LIST")]
    pub brokers: Option<String>,
    /// Topic that records go to
    #[arg(long, value_name = "NAME")]
    pub topic: Option<String>,
    /// Address of /metrics, /healthz and /readyz
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
    /// Certificate chain (PEM)
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
}

impl Options {
    fn load(&self) -> Result<Loaded, config::Error> {
        let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        let flags = [
            ("server.listen", self.listen.clone()),
            ("server.hostname", one(&self.hostname)),
            ("recipients.domains", self.domain.clone()),
            ("kafka.brokers", one(&self.brokers)),
            ("kafka.topic", one(&self.topic)),
            ("admin.listen", one(&self.admin)),
            ("tls.certificate", one(&self.tls_cert)),
            ("tls.key", one(&self.tls_key)),
        ];
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        config::load(self.config.as_deref(), environment, &flags)
    }
}

/// Runs until a signal: 0 after a drain, 1 failed at run time, 2 wrong configuration.
pub fn run(options: &Options) -> ExitCode {
    let loaded = match options.load() {
        Ok(loaded) => loaded,
        Err(error) => return failed(2, &error.to_string()),
    };
    let certificates = match ServedCertificates::load(&loaded.config.tls) {
        Ok(certificates) => certificates,
        Err(error) => return failed(2, &error),
    };
    for warning in &loaded.warnings {
        eprintln!("ringpost: warning: {warning}");
    }
    if let Err(error) = probe::io_uring() {
        return failed(1, &error);
    }
    let log = match log::install(&loaded.config.log) {
        Ok(guard) => guard,
        Err(error) => return failed(2, &error),
    };
    let mut config = loaded.config;
    if let Err(error) = agree_with_cluster(&mut config) {
        return failed(1, &error);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(serve(config, certificates, &log)))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(1, &error),
    }
}

/// Asks the cluster what it takes, before anything listens: a list of which no name resolves is a mistake, and SIZE is
/// never advertised above the topic's `max.message.bytes`. A cluster that does not answer is no reason not to start: mail
/// gets 451 until it does.
fn agree_with_cluster(config: &mut Config) -> Result<(), String> {
    let Brokers::List(list) = &config.kafka.brokers else {
        return Ok(());
    };
    let resolves = |broker: &str| {
        broker
            .to_socket_addrs()
            .is_ok_and(|mut found| found.next().is_some())
    };
    let with_port = |broker: &str| match broker
        .rsplit_once("://")
        .map_or(broker, |(_, rest)| rest)
        .trim()
    {
        host if host.contains(':') => host.to_owned(),
        host => format!("{host}:9092"),
    };
    if !list.split(',').any(|broker| resolves(&with_port(broker))) {
        return Err(format!(
            "kafka.brokers: {list}: no name in it resolves; correct the list, or the resolver of this machine"
        ));
    }
    match kafka::topic_max_message_bytes(&config.kafka, CLUSTER_WAIT) {
        Ok(Some(most)) => lower_size(config, most),
        Ok(None) => tracing::warn!(
            "the cluster does not tell the topic's max.message.bytes; SIZE is not held against it"
        ),
        Err(error) => tracing::warn!("{error}; SIZE is not held against it"),
    }
    Ok(())
}

/// Longest wait for the cluster's answer at start.
const CLUSTER_WAIT: Duration = Duration::from_secs(5);

fn lower_size(config: &mut Config, topic_most: u64) {
    let (topic, wanted) = (&config.kafka.topic, config.limits.message_size);
    let takes = topic_most.saturating_sub(RECORD_OVERHEAD_OCTETS as u64);
    if takes < wanted {
        let needed = wanted + RECORD_OVERHEAD_OCTETS as u64;
        tracing::warn!(
            "topic {topic:?} takes records of {topic_most} octets, so SIZE is {takes} instead of {wanted}; raise it with: \
             kafka-configs.sh --bootstrap-server {} --alter --topic {topic} --add-config max.message.bytes={needed}",
            config.kafka.brokers
        );
        config.limits.message_size = takes;
    }
}

fn failed(code: u8, error: &str) -> ExitCode {
    for line in error.lines() {
        eprintln!("ringpost: {line}");
    }
    ExitCode::from(code)
}

/// The certificates that are served and the files that they come from.
struct ServedCertificates {
    served: Arc<Certificates>,
    pairs: Vec<Pair>,
}

impl ServedCertificates {
    fn load(tls: &config::Tls) -> Result<Option<Self>, String> {
        let first = tls.certificate.iter().zip(&tls.key);
        let pairs: Vec<Pair> = first
            .chain(tls.sni_certificates.iter().zip(&tls.sni_keys))
            .map(|(certificate, key)| Pair {
                certificate: certificate.clone(),
                key: key.clone(),
            })
            .collect();
        if pairs.is_empty() {
            return Ok(None);
        }
        let served = Arc::new(Certificates::load(&pairs)?);
        Ok(Some(Self { served, pairs }))
    }

    fn reload(&self) {
        match self.served.reload(&self.pairs) {
            Ok(()) => tracing::info!(count = self.pairs.len(), "certificates were loaded again"),
            Err(error) => tracing::error!("{error}; the certificates from before are served on"),
        }
    }
}

/// Pause between two looks at the certificates' files.
const CERTIFICATE_WATCH: Duration = Duration::from_secs(10);

/// Loads the certificates again when their files change, as tools that renew them do. For ever.
async fn watch_certificates(certificates: Option<ServedCertificates>) {
    let Some(certificates) = certificates else {
        return std::future::pending().await;
    };
    let mut known = changed(&certificates.pairs);
    loop {
        tokio::time::sleep(CERTIFICATE_WATCH).await;
        let now = changed(&certificates.pairs);
        if now != known {
            certificates.reload();
            known = now;
        }
    }
}

/// Lines that a slow standard error cost, every few seconds.
async fn watch_log(log: &log::LogHandle, counters: &Metrics) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        counters.log_lines_dropped(log.lines_dropped());
    }
}

async fn serve(
    config: Config,
    certificates: Option<ServedCertificates>,
    log: &log::LogHandle,
) -> Result<(), String> {
    let (topic, quick_start) = (
        config.kafka.topic.clone(),
        config.kafka.brokers == Brokers::Embedded,
    );
    let wanted = config.admin.listen;
    let listener = tokio::net::TcpListener::bind(wanted)
        .await
        .map_err(|error| {
            format!("admin.listen: {wanted}: cannot listen there: {error}; choose another address")
        })?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    if config.kafka.brokers == Brokers::Discard {
        eprintln!(
            "ringpost: warning: kafka.brokers is \"discard\": every message gets its 250 and is LOST; for measuring only"
        );
    }
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let served = certificates.as_ref().map(|own| Arc::clone(&own.served));
    let server = Server::start(config, served)?;
    let smtp: Vec<String> = server.smtp.iter().map(ToString::to_string).collect();
    if quick_start {
        hints(&smtp[0], &server.brokers, &topic, &address.to_string());
    }
    println!(
        "ready smtp={} admin={address} kafka={} topic={topic}",
        smtp.join(","),
        server.brokers
    );
    let counters = server.counters();
    let (metrics, health) = (server.metrics.clone(), server.health());
    let admin = tokio::spawn(admin::serve(
        listener,
        metrics,
        health,
        std::future::pending(),
    ));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = watch_log(log, &counters) => {}
        () = watch_certificates(certificates) => {}
    }
    tracing::info!("draining; a second signal ends at once");
    let drained = tokio::task::spawn_blocking(move || server.stop());
    tokio::select! {
        result = drained => {
            admin.abort();
            result.map_err(|error| error.to_string())?
        }
        _ = terminate.recv() => std::process::exit(1),
        _ = interrupt.recv() => std::process::exit(1),
    }
}

fn signal(kind: SignalKind) -> Result<tokio::signal::unix::Signal, String> {
    tokio::signal::unix::signal(kind)
        .map_err(|error| format!("signals cannot be waited for: {error}"))
}

fn hints(smtp: &str, brokers: &str, topic: &str, admin: &str) {
    eprintln!(
        "ringpost: quick start. The broker is in this process and in memory only: it is not storage."
    );
    eprintln!("  send a mail:  swaks --server {smtp} --from you@example.com --to me@example.com");
    // A binary of cargo's is on nobody's PATH; the lines are to work as they are pasted.
    let program = std::env::current_exe()
        .map_or_else(|_| "ringpost".to_owned(), |path| path.display().to_string());
    eprintln!("  read it:      {program} consume --brokers {brokers} --topic {topic} --until-end");
    eprintln!("  or with kcat: kcat -b {brokers} -t {topic} -C -e -f '%o %h\\n%s\\n'");
    eprintln!("  the metrics:  curl http://{admin}/metrics");
}
