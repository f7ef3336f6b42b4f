//! The receiver that flags, files and the environment name.
//!
//! Owns: what of them goes together. Must not know: what is sent.

use super::options::Options;
use super::usage::{Usage, shown};
use super::webhook;
use crate::command::environment;
use crate::config::{PASSWORD_VARIABLE, SECRET_VARIABLE};
use crate::failure::Failure;
use crate::forward::destination::Destination;
use crate::forward::http::file;
use crate::forward::http::webhook::Webhook;
use crate::forward::smtp::address::{Address, Security};
use crate::forward::smtp::receiver::Receiver;
use crate::forward::smtp::settings::{Secret, Settings, Timeouts};
use crate::forward::tls;

/// Recipients in one transaction, where nothing else is said.
const RECIPIENTS: u16 = 100;

/// A receiver, and how it is named in texts.
pub(super) struct Named {
    pub destination: Destination,
    pub name: String,
    /// What an operator should know.
    pub warnings: Vec<String>,
}

/// Makes it; nothing is connected yet. `hostname` is ours.
///
/// # Errors
/// What does not go together, or is not there.
pub(super) fn make(options: &Options, hostname: &str) -> Result<Named, Failure> {
    let scheme = options.to.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => web(options),
        _ => mail(options, hostname),
    }
}

fn web(options: &Options) -> Result<Named, Failure> {
    if let Some(flag) = options.mail.first() {
        let scheme = "smtp, smtps and lmtp";
        return Err(Usage::OtherScheme { flag, scheme }.into());
    }
    let shared = webhook::Shared {
        to: &options.to,
        tls_ca: options.tls_ca.as_deref(),
    };
    let loaded = options.web.load(shared, environment())?;
    let mut warnings = loaded.warnings;
    warnings.extend(idle(PASSWORD_VARIABLE, "smtp, smtps and lmtp"));
    Ok(Named {
        name: loaded.settings.place.to_string(),
        destination: Destination::Web(Box::new(Webhook::new(loaded.settings)?)),
        warnings,
    })
}

fn mail(options: &Options, hostname: &str) -> Result<Named, Failure> {
    if let Some(flag) = options.web.first() {
        let scheme = "http and https";
        return Err(Usage::OtherScheme { flag, scheme }.into());
    }
    let read: Result<Address, _> = options.to.parse();
    let address = read.map_err(|fault| Usage::NoAddress {
        to: shown(&options.to),
        fault,
    })?;
    let mut warnings = Vec::from_iter(idle(SECRET_VARIABLE, "http and https"));
    let password = password(options, &mut warnings)?;
    let url = || address.to_string();
    match (&address.user, &password) {
        (Some(_), None) => return Err(Usage::NoPassword { url: url() }.into()),
        (None, Some(_)) => return Err(Usage::NoUser.into()),
        (Some(_), Some(_)) if address.may_be_in_clear() => {
            return Err(Usage::PasswordInClear { url: url() }.into());
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    let tls = match address.security {
        Security::Never => None,
        Security::Opportunistic => Some(tls::unverified()),
        Security::Implicit | Security::Required | Security::Offered => {
            Some(tls::verified(options.tls_ca.as_deref())?)
        }
    };
    let name = address.to_string();
    let (mail, usual) = (&options.mail, Timeouts::default());
    let settings = Settings {
        address,
        helo: mail.helo.clone().unwrap_or_else(|| hostname.to_owned()),
        password,
        tls,
        recipients: usize::from(mail.recipients.unwrap_or(RECIPIENTS)),
        timeouts: Timeouts {
            connect: mail.connect_timeout.unwrap_or(usual.connect),
            command: mail.command_timeout.unwrap_or(usual.command),
            data: mail.data_timeout.unwrap_or(usual.data),
            last: mail.final_timeout.unwrap_or(usual.last),
            idle: mail.idle_timeout.unwrap_or(usual.idle),
        },
    };
    Ok(Named {
        destination: Destination::Mail(Receiver::new(settings)),
        name,
        warnings,
    })
}

/// What a variable is set to.
fn variable(name: &str) -> Option<String> {
    let mut variables = environment();
    let set = variables.find(|(set, value)| set == name && !value.is_empty());
    set.map(|(_, value)| value)
}

/// What to say of a variable that is for other receivers.
fn idle(name: &str, scheme: &str) -> Option<String> {
    variable(name)?;
    Some(format!(
        "{name} is for {scheme}, and --to is something else: it has no effect"
    ))
}

fn password(options: &Options, warnings: &mut Vec<String>) -> Result<Option<Secret>, Usage> {
    let Some(path) = &options.mail.password_file else {
        return Ok(variable(PASSWORD_VARIABLE).map(Secret));
    };
    let unreadable = |fault| Usage::Password {
        path: path.clone(),
        fault,
    };
    let content = file::read(path).map_err(unreadable)?;
    if content.exposed {
        let path = path.display();
        warnings.push(format!(
            "--password-file {path} can be read by every user of this machine: chmod o-r {path}, and change the password"
        ));
    }
    match content.text().map_err(unreadable)?.lines().next() {
        Some(line) if !line.is_empty() => Ok(Some(Secret(line.to_owned()))),
        Some(_) | None => Err(Usage::EmptyPassword { path: path.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn refused(to: &str, flags: &[&str]) -> String {
        let line = ["forward", "--group", "g", "--to", to];
        let parsed = Line::try_parse_from(line.iter().chain(flags)).unwrap();
        let made = make(&parsed.options, "mx.example");
        let failure = made.err().expect("it is refused");
        assert_eq!(failure.exit_code(), 2);
        failure.to_string()
    }

    #[test]
    fn flags_for_other_receivers_are_refused() {
        for (to, flags) in [
            ("smtp://127.0.0.1", ["--timeout", "5s"]),
            ("lmtp://127.0.0.1", ["--secret-file", "f"]),
            ("smtps://127.0.0.1", ["--header-file", "f"]),
            ("http://127.0.0.1/", ["--password-file", "f"]),
            ("http://127.0.0.1/", ["--helo", "a.example"]),
            ("https://127.0.0.1/", ["--recipients", "1"]),
            ("http://127.0.0.1/", ["--connect-timeout", "5s"]),
            ("http://127.0.0.1/", ["--command-timeout", "5s"]),
            ("http://127.0.0.1/", ["--data-timeout", "5s"]),
            ("http://127.0.0.1/", ["--final-timeout", "5s"]),
            ("http://127.0.0.1/", ["--idle-timeout", "15s"]),
        ] {
            let said = refused(to, &flags);
            let words = format!("{} is for ", flags[0]);
            assert!(said.starts_with(&words), "{to}: {said}");
        }
    }

    #[test]
    fn another_scheme_is_shown_with_those_that_there_are() {
        for to in ["127.0.0.1:8000/mail", "htp://127.0.0.1/", "relay.example"] {
            let said = refused(to, &[]);
            let words = format!("--to {to:?}: it begins with none of smtp://");
            assert!(said.starts_with(&words), "{said}");
            assert!(said.ends_with("http://, https://"), "{said}");
        }
        let said = refused("http://127.0.0.1:99999/", &[]);
        assert!(
            said.contains("127.0.0.1:99999") && said.ends_with("1 to 65535"),
            "{said}"
        );
    }
}
