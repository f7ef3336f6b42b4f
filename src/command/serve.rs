//! `ringpost serve`: configuration, start, "ready", signals, drain.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::signal::unix::SignalKind;

use super::quick_start::{self, Facts};
use super::{announce, certificate_watch, container, environment, open_files, output};
use crate::config::{self, Config, Loaded, LogFormat};
use crate::net::certificates::{self, Certificates};
use crate::net::listen::{self, Wanted};
use crate::net::probe;
use crate::reload::{Read, Reload};
use crate::server::{Server, find_free, listened};
use crate::sink::{self, Keeps};
use crate::smtp::policy::Recipients;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{admin, log};

/// Flags of `serve`.
#[derive(Debug, Default, Clone, clap::Args)]
pub struct Options {
    /// Configuration file (TOML); one that sets nothing is an error, unless variables or flags set recipients.domains or
    /// kafka.brokers [environment: RINGPOST_CONFIG]
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
    /// The configuration that these flags, the environment and the file make together.
    ///
    /// # Errors
    /// Every mistake of it.
    pub(super) fn load(&self) -> Result<Loaded, config::Error> {
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
        config::load(self.config.as_deref(), environment(), &flags)
    }
}

/// Runs until a signal: 0 after a drain, 1 failed at run time, 2 wrong configuration.
pub fn run(options: &Options) -> ExitCode {
    let loaded = match options.load() {
        Ok(loaded) => loaded,
        Err(error) => return failed(2, &error.to_string()),
    };
    let certificates = match load_certificates(&loaded.config.tls) {
        Ok(certificates) => certificates,
        Err(error) => return failed(2, &error),
    };
    let sink_warnings = match sink::configured(&loaded.config).check() {
        Ok(warnings) => warnings,
        Err(error) => return failed(error.exit_code(), &error.to_string()),
    };
    if let Err(error) = probe::io_uring() {
        return failed(1, &error);
    }
    let log = match log::install(&loaded.config.log) {
        Ok(guard) => guard,
        Err(error) => return failed(2, &error),
    };
    let format = loaded.config.log.format;
    let ended = run_logged(options, loaded, certificates, &sink_warnings, &log);
    let Err((code, error)) = ended else {
        return ExitCode::SUCCESS;
    };
    match format {
        // What was logged stands before the error that ended it.
        LogFormat::Text => {
            drop(log);
            failed(code, &error)
        }
        // Who reads JSON reads the error in it too: no line of the log is anything else.
        LogFormat::Json => {
            error.lines().for_each(|line| tracing::error!("{line}"));
            ExitCode::from(code)
        }
    }
}

/// The rest of [`run`], once there is a log; an error comes with its exit code.
fn run_logged(
    options: &Options,
    loaded: Loaded,
    certificates: Option<Arc<Certificates>>,
    sink_warnings: &[String],
    log: &log::LogHandle,
) -> Result<(), (u8, String)> {
    announce::starting(&loaded.config);
    for warning in loaded.warnings.iter().chain(sink_warnings) {
        tracing::warn!("{warning}");
    }
    let taken = config::recipients::load(&loaded.config.recipients).map_err(|error| (2, error))?;
    let started = loaded.clone();
    let config = loaded.config;
    let (needed, allowed) = open_files::raise(&config);
    if let (Keeps::Replicas, Some(text)) = (
        sink::configured(&config).keeps(),
        open_files::shortage(&config, needed, allowed),
    ) {
        tracing::warn!("open files: {text}");
    }
    let failed = |error| (1, error);
    find_free(&config).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let again = options.clone();
    let read: Read = Arc::new(move || again.load());
    let served = serve(config, taken, certificates, read, started, log);
    runtime.block_on(served).map_err(failed)
}

pub(super) fn failed(code: u8, error: &str) -> ExitCode {
    for line in error.lines() {
        output::complain(&format!("ringpost: {line}"));
    }
    ExitCode::from(code)
}

/// The certificates to serve; none where TLS is not offered.
fn load_certificates(tls: &config::Tls) -> Result<Option<Arc<Certificates>>, String> {
    let pairs = certificates::pairs(tls);
    if pairs.is_empty() {
        return Ok(None);
    }
    let loaded = certificates::Loaded::read(pairs)?;
    Ok(Some(Arc::new(Certificates::new(loaded))))
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
    taken: Recipients,
    certificates: Option<Arc<Certificates>>,
    read: Read,
    started: Loaded,
    log: &log::LogHandle,
) -> Result<(), String> {
    if let Some(certificates) = &certificates {
        certificates.tell(&config.server.hostname);
    }
    let (listener, address) = listen_for_admin(&config)?;
    let (mut terminate, mut interrupt, hangup) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
    );
    let messages = config.log.messages.then(|| log.messages());
    let mut server = Server::start(config.clone(), taken, certificates.clone(), messages)?;
    if server.sink.keeps == Keeps::Memory {
        say_quick_start(&server, &config, address);
    }
    say_ready(&server, &config, address);
    let counters = server.counters();
    let reload = Reload {
        read,
        started: started.config.clone(),
        applied: started,
        exchange: server.exchange(),
        certificates: certificates.clone(),
        log,
        counters: counters.clone(),
    };
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
        () = certificate_watch::watch(certificates, &config.server.hostname) => {}
        () = reload.serve(hangup) => {}
        failure = server.one_failed() => return Err(failure),
    }
    tracing::info!("draining; a second signal ends at once");
    let began = Instant::now();
    let drained = tokio::task::spawn_blocking(move || server.stop());
    tokio::select! {
        result = drained => {
            admin.abort();
            let cut_off = result.map_err(|error| error.to_string())??;
            announce::stopped(began.elapsed(), cut_off);
            Ok(())
        }
        _ = terminate.recv() => end_at_once(log),
        _ = interrupt.recv() => end_at_once(log),
    }
}

/// The second signal.
fn end_at_once(log: &log::LogHandle) -> ! {
    tracing::warn!("stopped by a second signal; what was open is cut off");
    log.finish();
    std::process::exit(1)
}

/// Where metrics and health are asked for, the port resolved.
fn listen_for_admin(config: &Config) -> Result<(TcpListener, SocketAddr), String> {
    let address = config.admin.listen;
    let cannot = |error: std::io::Error| listen::explain("admin.listen", address, &error);
    let listener = Wanted::beside(address, &listened(config))
        .listen(false)
        .map_err(cannot)?;
    listener.set_nonblocking(true).map_err(cannot)?;
    let listener = TcpListener::from_std(listener).map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    Ok((listener, address))
}

/// The one line on standard output, and the same in the log.
fn say_ready(server: &Server, config: &Config, admin: SocketAddr) {
    let (smtp, brokers) = (&server.smtp, &server.sink.address);
    announce::ready(config, smtp, admin, brokers);
    let line = announce::ready_line(config, smtp, admin, brokers);
    // Supervisors that close standard output exist, and mail needs none.
    if let Err(error) = output::print(&line) {
        tracing::warn!(
            "the line \"ready\" cannot be written to standard output: {error}; ringpost serves nevertheless, and the log says \
             ready as well"
        );
    }
}

/// What a newcomer can do now.
fn say_quick_start(server: &Server, config: &Config, admin: SocketAddr) {
    // A binary of cargo's is on nobody's PATH; the lines are to work as they are pasted.
    let program = std::env::current_exe()
        .map_or_else(|_| "ringpost".to_owned(), |path| path.display().to_string());
    let banner = quick_start::banner(&Facts {
        smtp: server.smtp[0],
        admin,
        brokers: &server.sink.address,
        topic: &config.kafka.topic,
        program: &program,
        recipients: &config.recipients,
        message_size: server.sink.message_size,
        message_size_wanted: config.limits.message_size,
        container: container::detect(),
    });
    output::complain_text(&banner);
}

fn signal(kind: SignalKind) -> Result<tokio::signal::unix::Signal, String> {
    tokio::signal::unix::signal(kind)
        .map_err(|error| format!("signals cannot be waited for: {error}"))
}
