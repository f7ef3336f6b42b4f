//! `ringpost serve`: flags, the log, and what is said of a server at each step. The steps are those of [`crate::server`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::{announce, environment, output};
use crate::config::{self, Loaded, LogFormat};
use crate::failure::Failure;
use crate::server::{Checked, Prepared, Read, Stopped};
use crate::telemetry::log::{self, LogHandle};

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
    /// File of librdkafka properties, name=value a line: passwords, which do not belong on a command line
    #[arg(long, value_name = "FILE")]
    pub properties_file: Option<String>,
    /// Topic that names recipients, live
    #[arg(long, value_name = "NAME")]
    pub recipients_topic: Option<String>,
    /// Where large messages go as objects: s3://bucket/prefix, gs://…, az://… or file:///directory
    #[arg(long, value_name = "URL")]
    pub objects: Option<String>,
    /// What serves connections: auto, io_uring or epoll
    #[arg(long, value_name = "ENGINE")]
    pub io: Option<String>,
    /// Address of /metrics, /healthz and /readyz
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
    /// Take the listening sockets of the running instance of the same configuration, which then drains and exits 0; where none runs,
    /// start as usual
    #[arg(long)]
    pub takeover: bool,
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
    let (options, takeover) = (options.clone(), options.takeover);
    let read: Read = Arc::new(move || options.load());
    let (checked, log) = match begin(read, takeover) {
        Ok(begun) => begun,
        Err(failure) => return output::fail(&failure),
    };
    let format = checked.loaded.config.log.format;
    let failure = match serve(checked, &log) {
        Ok(Stopped::Drained(_)) => return ExitCode::SUCCESS,
        Ok(Stopped::AtOnce) => return ExitCode::FAILURE,
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

/// The line from a checked configuration to the end of its server.
fn serve(checked: Checked, log: &LogHandle) -> Result<Stopped, Failure> {
    announce::starting(&checked);
    let prepared = Prepared::new(checked, log)?;
    let serving = prepared.serve()?;
    let stopped = serving.run(announce::ready)?;
    announce::stopped(stopped);
    Ok(stopped)
}
