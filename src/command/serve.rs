//! `ringpost serve`: flags, the log, and what is said of a server at each step. The steps are those of [`crate::server`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use super::{announce, environment, help, output};
use crate::config::{self, Loaded, LogFormat};
use crate::failure::Failure;
use crate::server::{Checked, Prepared, Read, Stopped};
use crate::telemetry::log::{self, LogHandle};
use crate::telemetry::metrics::Metrics;

/// Flags of `serve`.
#[derive(Debug, Default, Clone, clap::Args)]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "the help of flags, not links"
)]
pub struct Options {
    /// Configuration file (TOML)
    ///
    /// ringpost.toml(5) has all options. A file that sets nothing is an error, unless variables or flags set
    /// recipients.domains or kafka.brokers.
    ///
    /// [environment: RINGPOST_CONFIG] [default: no file]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// SMTP address; repeatable [default: 127.0.0.1:2525]
    #[arg(long, value_name = "ADDR", long_help = help::option("server.listen"))]
    pub listen: Vec<String>,
    /// Name of this server, as in its MX record
    #[arg(long, value_name = "NAME", long_help = help::option("server.hostname"))]
    pub hostname: Option<String>,
    /// Domain to take mail for; repeatable [default: all]
    #[arg(long, value_name = "DOMAIN", long_help = help::option("recipients.domains"))]
    pub domain: Vec<String>,
    /// Kafka brokers, host:port,… [default: in memory]
    #[arg(long, value_name = "LIST", long_help = help::option("kafka.brokers"))]
    pub brokers: Option<String>,
    /// Topic that mail goes to [default: mail]
    #[arg(long, value_name = "NAME", long_help = help::option("kafka.topic"))]
    pub topic: Option<String>,
    /// File of librdkafka properties: passwords
    #[arg(long, value_name = "FILE", long_help = help::option("kafka.properties_file"), hide_short_help = true)]
    pub properties_file: Option<String>,
    /// Topic that names recipients, live
    #[arg(long, value_name = "NAME", long_help = help::option("recipients.topic"), hide_short_help = true)]
    pub recipients_topic: Option<String>,
    /// Where large messages go as objects
    #[arg(long, value_name = "URL", long_help = help::option("objects.url"), hide_short_help = true)]
    pub objects: Option<String>,
    /// What serves: auto, io_uring, epoll
    #[arg(long, value_name = "ENGINE", long_help = help::option("server.io"), hide_short_help = true)]
    pub io: Option<String>,
    /// Admin and metrics address [default: 127.0.0.1:9925]
    #[arg(long, value_name = "ADDR", long_help = help::option("admin.listen"))]
    pub admin: Option<String>,
    /// Take over from the running instance
    ///
    /// Its listening sockets are passed to this one, and it drains and exits with 0. Where no instance runs, this is a usual
    /// start. docs/upgrade.md describes it.
    #[arg(long, hide_short_help = true)]
    pub takeover: bool,
    /// Certificate chain (PEM); allows STARTTLS
    #[arg(long, value_name = "FILE", long_help = help::option("tls.certificate"))]
    pub tls_cert: Option<String>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", long_help = help::option("tls.key"))]
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
            ("server.io", one(&self.io)),
            ("recipients.domains", self.domain.clone()),
            ("recipients.topic", one(&self.recipients_topic)),
            ("kafka.brokers", one(&self.brokers)),
            ("kafka.topic", one(&self.topic)),
            ("kafka.properties_file", one(&self.properties_file)),
            ("objects.url", one(&self.objects)),
            ("admin.listen", one(&self.admin)),
            ("tls.certificate", one(&self.tls_cert)),
            ("tls.key", one(&self.tls_key)),
        ];
        config::load(self.config.as_deref(), environment(), &flags)
    }
}

/// Runs until a signal: 0 after a drain, 1 failed at run time, 2 wrong configuration.
pub fn run(options: &Options) -> ExitCode {
    let began = Instant::now();
    let (options, takeover) = (options.clone(), options.takeover);
    let read: Read = Arc::new(move || options.load());
    let (checked, log) = match begin(read, takeover) {
        Ok(begun) => begun,
        Err(failure) => return output::fail(&failure),
    };
    let format = checked.loaded.config.log.format;
    let mut metrics = None::<Metrics>;
    let stopped = serve(checked, &log, &mut metrics);
    // What never served has not stopped: the error says why.
    if let Some(metrics) = &metrics {
        let end = announce::End {
            stopped: stopped.as_ref(),
            began,
            done: metrics.done(),
        };
        end.say(&log.lines());
    }
    let failure = match stopped {
        Ok(stopped) => return ExitCode::from(announce::exit_code(Ok(&stopped))),
        Err(failure) => failure,
    };
    match format {
        // What was logged is printed before the error that ended it.
        LogFormat::Text => {
            drop(log);
            output::fail(&failure)
        }
        // With JSON logs the error is JSON too: a reader can parse every line.
        LogFormat::Json => {
            let text = failure.to_string();
            text.lines().for_each(|line| tracing::error!("{line}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// What comes before the log, and the log.
fn begin(read: Read, takeover: bool) -> Result<(Checked, LogHandle), Failure> {
    let checked = Checked::new(read, takeover)?;
    let log = log::install(&checked.loaded.config.log)?;
    Ok((checked, log))
}

/// The line from a checked configuration to the end of its server, whose counts are left in `metrics`.
fn serve(
    checked: Checked,
    log: &LogHandle,
    metrics: &mut Option<Metrics>,
) -> Result<Stopped, Failure> {
    let lines = log.lines();
    announce::starting(&checked, &lines);
    let prepared = Prepared::new(checked, log)?;
    *metrics = Some(prepared.metrics());
    let serving = prepared.serve()?;
    serving.run(|facts| announce::ready(facts, &lines))
}
