//! `ringpost check`: would `serve` work with this configuration on this machine? One line a question.
//!
//! Owns: which questions are asked, their order, the verdicts, the exit code. Must not know: how each answer is found
//! (`net::probe`, `net::certificates`), nor what is asked of the place where mail goes (`sink`).
//!
//! Invariants: nothing is changed, neither here nor in the cluster, but this process's own limit of open files; every
//! question gets its line on standard output, also after one that failed, and that line begins with its verdict; the
//! sum of them is on standard error; exit code 0 where mail would be taken and stored, 1 where not, or not from everybody,
//! or where the lines could not be written, 2 where the configuration itself is wrong.
//!
//! BUGS: an address that is in use is a warning, as the server that is to be checked may be running on it; who has it is
//! not known.

use std::io;
use std::process::ExitCode;

use jiff::Timestamp;

use super::output::{self, Printed};
use super::serve::{Options, failed};
use super::{environment, open_files};
use crate::config::certificate::fitness::Severity;
use crate::config::{self, Config, recipients};
use crate::net::certificates::{self, Loaded};
use crate::net::{listen, probe};
use crate::server::try_addresses;
use crate::sink::{self, Keeps};
use crate::verdict::{Line, Verdict};

/// Ends of names that are of one network, or of one machine.
const LOCAL_NAMES: [&str; 4] = [".local", ".localdomain", ".localhost", ".internal"];

/// The name of the lines about certificates.
const CERTIFICATE: &str = "certificate";

/// Asks everything and prints the answers to standard output.
pub fn run(options: &Options) -> ExitCode {
    let loaded = match options.load() {
        Ok(loaded) => loaded,
        Err(error) => return failed(2, &error.to_string()),
    };
    let kafka_warnings = match sink::configured(&loaded.config).check() {
        Ok(warnings) => warnings,
        Err(error) => return failed(error.exit_code(), &error.to_string()),
    };
    let source = match config::file_of(options.config.as_deref(), environment()) {
        Some(path) => format!("{} is valid", path.display()),
        None => "no file; defaults, environment and flags are valid".to_owned(),
    };
    let (mut printed, mut sum) = (Printed::default(), Sum::default());
    let mut print = |(verdict, name, text): Line| {
        printed.line(&format!("{verdict:<8} {name:<12} {text}"));
        sum.add(verdict, name);
    };
    print((Verdict::Ok, "config", source));
    for warning in loaded.warnings.into_iter().chain(kafka_warnings) {
        print((Verdict::Warning, "config", warning));
    }
    let config = loaded.config;
    print(io_uring());
    print(open_file_limit(&config));
    print(hostname(&config, loaded.set.contains("server.hostname")));
    for line in addresses(&config) {
        print(line);
    }
    for line in tls(&config, Timestamp::now()) {
        print(line);
    }
    print(domains(&config));
    for line in lists(&config) {
        print(line);
    }
    for line in kafka(&config) {
        print(line);
    }
    if let Some(error) = printed.loss() {
        return failed(1, &format!("check: standard output: {error}"));
    }
    let closing = sum.text(sink::configured(&config).keeps());
    output::complain(&format!("ringpost check: {closing}"));
    ExitCode::from(u8::from(sum.failures > 0))
}

/// What all answers come to.
#[derive(Debug, Default)]
struct Sum {
    failures: usize,
    warnings: usize,
    /// Failures of certificates, with which mail in clear and from senders that do not verify still comes.
    of_certificates: usize,
}

impl Sum {
    fn add(&mut self, verdict: Verdict, name: &str) {
        let failed = verdict == Verdict::Failed;
        self.failures += usize::from(failed);
        self.of_certificates += usize::from(failed && name == CERTIFICATE);
        self.warnings += usize::from(verdict == Verdict::Warning);
    }

    /// How many there are, and whether mail would be stored.
    fn text(&self, keeps: Keeps) -> String {
        let outcome = match keeps {
            _ if self.failures > self.of_certificates => "mail would not be stored",
            _ if self.failures > 0 => "mail would not be stored, or not that of every sender",
            Keeps::Nothing => "mail would be taken and lost",
            Keeps::Memory => "mail would be stored, in memory only",
            Keeps::Replicas => "mail would be stored",
        };
        let warnings = counted(self.warnings, "warning");
        match (self.failures, self.warnings) {
            (0, 0) => format!("no warning: {outcome}"),
            (0, _) => format!("{warnings}: {outcome}"),
            (_, 0) => format!("{}: {outcome}", counted(self.failures, "failure")),
            _ => format!(
                "{}, {warnings}: {outcome}",
                counted(self.failures, "failure")
            ),
        }
    }
}

/// Whether `serve` could listen where it is to. This process's rights are asked for: those of another user, or of a unit,
/// may be others.
fn addresses(config: &Config) -> Vec<Line> {
    let tried = try_addresses(config).into_iter();
    tried
        .map(|(key, address, result)| {
            let (verdict, text) = match result {
                Ok(()) if address.port() == 0 => {
                    let text =
                        format!("{key}: {address} can be listened on; the kernel chooses the port");
                    (Verdict::Ok, text)
                }
                Ok(()) => (Verdict::Ok, format!("{key}: {address} can be listened on")),
                Err(error) => {
                    let text = listen::explain(key, address, &error);
                    match error.kind() {
                        io::ErrorKind::AddrInUse => {
                            let own = "it may be the running ringpost itself, and then all is well";
                            (Verdict::Warning, format!("{text}; {own}"))
                        }
                        _ => (Verdict::Failed, text),
                    }
                }
            };
            (verdict, "addresses", text)
        })
        .collect()
}

fn io_uring() -> Line {
    match probe::io_uring() {
        Ok(()) => (
            Verdict::Ok,
            "io_uring",
            "io_uring works, with all that the workers use".to_owned(),
        ),
        Err(error) => (Verdict::Failed, "io_uring", error),
    }
}

fn open_file_limit(config: &Config) -> Line {
    let (needed, allowed) = open_files::raise(config);
    match open_files::shortage(config, needed, allowed) {
        None => (
            Verdict::Ok,
            "open files",
            format!("{allowed} are allowed, {needed} may be needed"),
        ),
        Some(text) => (Verdict::Warning, "open files", text),
    }
}

fn tls(config: &Config, now: Timestamp) -> Vec<Line> {
    const NAME: &str = CERTIFICATE;
    let pairs = certificates::pairs(&config.tls);
    if pairs.is_empty() {
        let text = "tls.certificate is not set: mail comes in clear".to_owned();
        return vec![(Verdict::Skipped, NAME, text)];
    }
    let each = pairs.iter().map(|pair| Loaded::read(vec![pair.clone()]));
    let problems: Vec<Line> = each
        .filter_map(Result::err)
        .map(|problem| (Verdict::Failed, NAME, problem))
        .collect();
    if !problems.is_empty() {
        return problems;
    }
    let findings = match Loaded::read(pairs) {
        Ok(loaded) => loaded.findings(&config.server.hostname, now),
        Err(problem) => return vec![(Verdict::Failed, NAME, problem)],
    };
    let verdict = |severity| match severity {
        Severity::Fine => Verdict::Ok,
        Severity::Warning => Verdict::Warning,
        Severity::Error => Verdict::Failed,
    };
    findings
        .into_iter()
        .map(|finding| (verdict(finding.severity), NAME, finding.text))
        .collect()
}

/// The name of this server, as others see it.
fn hostname(config: &Config, is_set: bool) -> Line {
    const NAME: &str = "hostname";
    let name = &config.server.hostname;
    let wrong = if name.starts_with('[') {
        None
    } else if !name.contains('.') {
        Some("has one label")
    } else if LOCAL_NAMES.iter().any(|local| name.ends_with(local)) {
        Some("means nothing outside of this machine's network")
    } else {
        None
    };
    let whose = match is_set {
        true => "",
        false => ", the name of this machine",
    };
    match wrong {
        None => (
            Verdict::Ok,
            NAME,
            format!("{name:?}{whose} is used in the greeting"),
        ),
        Some(wrong) => (
            Verdict::Warning,
            NAME,
            format!(
                "server.hostname = {name:?}{whose} {wrong}: it is not a fully qualified name, so other servers do not know this one by it; set server.hostname \
                 (or --hostname) to the full name that the MX record points to, such as mx.example.net"
            ),
        ),
    }
}

/// Whose mail is taken.
fn domains(config: &Config) -> Line {
    const NAME: &str = "domains";
    let recipients = &config.recipients;
    if recipients.domains.iter().any(|domain| domain == "*") && !recipients.lists.contains_key("*")
    {
        let text = "recipients.domains has \"*\": mail is taken for every domain, from anybody, so that this server is an open \
                    sink and gets the spam of open relays; name yours: recipients.domains = [\"example.com\"], or --domain \
                    example.com";
        return (Verdict::Warning, NAME, text.to_owned());
    }
    let names: Vec<&str> = recipients
        .domains
        .iter()
        .take(5)
        .map(String::as_str)
        .collect();
    let more = match recipients.domains.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!("mail is taken for {}{more}", names.join(", "));
    (Verdict::Ok, NAME, text)
}

fn lists(config: &Config) -> Vec<Line> {
    const NAME: &str = "lists";
    let count = config.recipients.lists.len();
    if count == 0 {
        let text = "recipients.lists is not set: every recipient at recipients.domains is taken";
        return vec![(Verdict::Skipped, NAME, text.to_owned())];
    }
    match recipients::load(&config.recipients) {
        Ok(taken) => {
            let text = format!("{} recipients on {count} lists", taken.listed());
            vec![(Verdict::Ok, NAME, text)]
        }
        Err(problems) => problems
            .lines()
            .map(|problem| (Verdict::Failed, NAME, problem.to_owned()))
            .collect(),
    }
}

/// What is asked of the place where mail goes.
fn kafka(config: &Config) -> Vec<Line> {
    sink::configured(config).examine(&|what| {
        output::complain(&format!(
            "ringpost check: still waiting for kafka.brokers {what}"
        ));
    })
}

/// `1 warning`, `3 warnings`.
fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn certificates_are_judged_as_serve_judges_them() {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2026, 4, 1);
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.hostname = "mx.example".to_owned();
        let (pem, private) = (folder.path().join("mx.pem"), folder.path().join("mx.key"));
        std::fs::write(&pem, parameters.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        let verdicts = |config: &Config, now| -> Vec<Verdict> {
            tls(config, at(now)).iter().map(|line| line.0).collect()
        };
        assert_eq!(
            verdicts(&config, "2026-02-01T00:00:00Z"),
            [Verdict::Skipped]
        );
        (config.tls.certificate, config.tls.key) = (Some(pem.clone()), Some(private.clone()));
        for (now, verdict) in [
            ("2025-12-31T23:59:59Z", Verdict::Failed),
            ("2026-03-18T00:00:00Z", Verdict::Ok),
            ("2026-03-18T00:00:01Z", Verdict::Warning),
            ("2026-04-01T00:00:01Z", Verdict::Failed),
        ] {
            assert_eq!(verdicts(&config, now), [verdict], "{now}");
        }
        config.server.hostname = "other.example".to_owned();
        let now = "2026-02-01T00:00:00Z";
        assert_eq!(verdicts(&config, now), [Verdict::Ok, Verdict::Warning]);
        // Each pair that cannot be loaded has its line.
        config.tls.key = Some(pem.clone());
        (config.tls.sni_certificates, config.tls.sni_keys) = (vec![private], vec![pem]);
        assert_eq!(verdicts(&config, now), [Verdict::Failed, Verdict::Failed]);
    }

    #[test]
    fn names_that_nobody_else_knows_are_warned_of() {
        let mut config = Config::default();
        for (name, verdict) in [
            ("mx.example.net", Verdict::Ok),
            ("[192.0.2.1]", Verdict::Ok),
            ("localhost", Verdict::Warning),
            ("mx", Verdict::Warning),
            ("3f2a9c", Verdict::Warning),
            ("localhost.localdomain", Verdict::Warning),
            ("printer.local", Verdict::Warning),
        ] {
            config.server.hostname = name.to_owned();
            let line = hostname(&config, false);
            assert_eq!(line.0, verdict, "{line:?}");
            assert!(line.2.contains(name), "{line:?}");
        }
    }

    #[test]
    fn mail_for_every_domain_is_warned_of_unless_a_list_says_whose() {
        let mut config = Config::default();
        assert_eq!(domains(&config).0, Verdict::Warning);
        assert!(domains(&config).2.contains("open sink"));
        let lists = &mut config.recipients.lists;
        lists.insert("*".to_owned(), "all.txt".to_owned());
        assert_eq!(domains(&config).0, Verdict::Ok);
        config.recipients.lists.clear();
        config.recipients.domains = (0..7).map(|n| format!("{n}.example")).collect();
        let text = domains(&config).2;
        assert!(text.ends_with("3.example, 4.example and 2 more"), "{text}");
        config.recipients.domains.push("*".to_owned());
        assert_eq!(domains(&config).0, Verdict::Warning);
    }
}
