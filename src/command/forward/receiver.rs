//! The receiver that flags, files and the environment name.
//!
//! Owns: what of them goes together. Must not know: what is sent.

use super::options::Options;
use super::usage::Usage;
use super::webhook;
use crate::command::environment;
use crate::failure::Failure;
use crate::forward::destination::Destination;
use crate::forward::http::file;
use crate::forward::http::webhook::Webhook;
use crate::forward::smtp::address::{Address, Security};
use crate::forward::smtp::receiver::Receiver;
use crate::forward::smtp::settings::{Secret, Settings, Timeouts};
use crate::forward::tls;

/// The variable with the password.
const PASSWORD: &str = "RINGPOST_FORWARD_PASSWORD";

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
    let scheme = "smtp, smtps and lmtp";
    for (flag, is_set) in [
        ("--password-file", options.mail.password_file.is_some()),
        ("--helo", options.mail.helo.is_some()),
    ] {
        if is_set {
            return Err(Usage::OtherScheme { flag, scheme }.into());
        }
    }
    let shared = webhook::Shared {
        to: &options.to,
        tls_ca: options.tls_ca.as_deref(),
        timeout: options.timeout,
    };
    let loaded = options.web.load(shared, environment())?;
    Ok(Named {
        name: loaded.settings.place.to_string(),
        destination: Destination::Web(Box::new(Webhook::new(loaded.settings)?)),
        warnings: loaded.warnings,
    })
}

fn mail(options: &Options, hostname: &str) -> Result<Named, Failure> {
    if let Some(flag) = options.web.first() {
        let scheme = "http and https";
        return Err(Usage::OtherScheme { flag, scheme }.into());
    }
    let address: Address = options.to.parse().map_err(Usage::NoAddress)?;
    let mut warnings = Vec::new();
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
    let mail = &options.mail;
    let settings = Settings {
        address,
        helo: mail.helo.clone().unwrap_or_else(|| hostname.to_owned()),
        password,
        tls,
        recipients: usize::from(mail.recipients),
        timeouts: Timeouts {
            connect: mail.connect_timeout,
            command: mail.command_timeout,
            data: mail.data_timeout,
            last: mail.final_timeout,
            idle: mail.idle_timeout,
        },
    };
    Ok(Named {
        destination: Destination::Mail(Receiver::new(settings)),
        name,
        warnings,
    })
}

fn password(options: &Options, warnings: &mut Vec<String>) -> Result<Option<Secret>, Usage> {
    let Some(path) = &options.mail.password_file else {
        let mut variables = environment();
        let set = variables.find(|(name, value)| name == PASSWORD && !value.is_empty());
        return Ok(set.map(|(_, value)| Secret(value)));
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
