//! The flags of `ringpost forward` that only an application has, which mail is posted to.
//!
//! Owns: the flags, the files that they name, and what is wrong with one of them. Must not know: HTTP, how mail is read.
//!
//! Invariant: no text has a secret in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::usage::shown;
use crate::command::value;
use crate::config::SECRET_VARIABLE;
use crate::failure::{Blame, Blamed};
use crate::forward::http::fields::{FieldFault, Fields};
use crate::forward::http::file::{Content, FileFault, read};
use crate::forward::http::place::{Place, PlaceFault};
use crate::forward::http::settings::{Authorities, NoCertificate, Settings};
use crate::forward::http::signature::{SecretFault, Secrets};

/// How long an application may take for its answer.
const TIMEOUT: Duration = Duration::from_secs(30);
const SECRET_FILE: &str = "--secret-file";
const HEADER_FILE: &str = "--header-file";

/// See the module.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "HTTP")]
#[group(skip)]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "the help of flags, not links"
)]
pub(super) struct Options {
    /// File of the secrets that sign each POST
    ///
    /// One whsec_… a line. [environment: RINGPOST_FORWARD_SECRET has the secrets
    /// themselves] [default: none; a POST is not signed]
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// File of header fields to add to each POST, 'name: value' a line, such as 'authorization: Bearer …' [default: none]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub header_file: Option<PathBuf>,
    /// How long an application may take for its answer: 1ms to 24h; a second more for each MiB of the mail [default: 30s]
    #[arg(long, hide_short_help = true, value_name = "TIME", allow_hyphen_values = true, value_parser = value::time("1ms", "24h"))]
    pub timeout: Option<Duration>,
}

/// What every receiver has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared<'a> {
    /// Where mail goes.
    pub to: &'a str,
    /// Who may sign its certificate.
    pub tls_ca: Option<&'a Path>,
}

/// What the flags come to.
#[derive(Debug)]
pub(super) struct Loaded {
    /// What a webhook is made of.
    pub settings: Settings,
    /// What the operator should know, a line each.
    pub warnings: Vec<String>,
}

/// What is wrong with a flag, or with what it names.
#[derive(Debug, thiserror::Error)]
pub(super) enum Usage {
    /// The address, without a login or a query.
    #[error("--to {to:?} {fault}")]
    Place {
        /// As it is shown.
        to: String,
        /// What is wrong.
        fault: PlaceFault,
    },
    /// A file that cannot be read.
    #[error("{flag}: {} {fault}", .path.display())]
    File {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        fault: FileFault,
    },
    /// A secret of the file.
    #[error("{SECRET_FILE}: {} {fault}", .path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: SecretFault,
    },
    /// A secret of the variable.
    #[error("{SECRET_VARIABLE} {0}")]
    Variable(SecretFault),
    /// A header field.
    #[error("{HEADER_FILE}: {} {fault}", .path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: FieldFault,
    },
    /// No certificate.
    #[error("--tls-ca: {} {fault}", .path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: NoCertificate,
    },
}

impl Blamed for Usage {
    fn blame(&self) -> Blame {
        Blame::Operator
    }
}

impl Options {
    /// The first of them that is set: a mistake where mail goes elsewhere.
    pub(super) fn first(&self) -> Option<&'static str> {
        let set = [
            (SECRET_FILE, self.secret_file.is_some()),
            (HEADER_FILE, self.header_file.is_some()),
            ("--timeout", self.timeout.is_some()),
        ];
        set.into_iter()
            .find_map(|(flag, is_set)| is_set.then_some(flag))
    }

    /// Reads what they name.
    ///
    /// # Errors
    /// The first mistake.
    pub(super) fn load(
        &self,
        shared: Shared<'_>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, Usage> {
        let place = Place::parse(shared.to).map_err(|fault| Usage::Place {
            to: shown(shared.to),
            fault,
        })?;
        let mut warnings = Vec::new();
        let secrets = self.secrets(environment, &mut warnings)?;
        let fields = self.fields(&mut warnings)?;
        let authorities = authorities(shared.tls_ca)?;
        let settings = Settings {
            place,
            secrets,
            fields,
            authorities,
            timeout: self.timeout.unwrap_or(TIMEOUT),
        };
        warnings.extend(settings.warnings());
        Ok(Loaded { settings, warnings })
    }

    fn secrets(
        &self,
        environment: impl IntoIterator<Item = (String, String)>,
        warnings: &mut Vec<String>,
    ) -> Result<Secrets, Usage> {
        if let Some(path) = &self.secret_file {
            let content = of_secrets(SECRET_FILE, path, warnings)?;
            let text = text(SECRET_FILE, path, &content)?;
            return Secrets::parse(text).map_err(|fault| Usage::Secret {
                path: path.clone(),
                fault,
            });
        }
        let mut variables = environment.into_iter();
        let named = variables.find(|(name, value)| name == SECRET_VARIABLE && !value.is_empty());
        match named {
            Some((_, value)) => Secrets::parse(&value).map_err(Usage::Variable),
            None => Ok(Secrets::default()),
        }
    }

    fn fields(&self, warnings: &mut Vec<String>) -> Result<Fields, Usage> {
        let Some(path) = &self.header_file else {
            return Ok(Fields::default());
        };
        let content = of_secrets(HEADER_FILE, path, warnings)?;
        let text = text(HEADER_FILE, path, &content)?;
        Fields::parse(text).map_err(|fault| Usage::Field {
            path: path.clone(),
            fault,
        })
    }
}

fn authorities(file: Option<&Path>) -> Result<Authorities, Usage> {
    let Some(path) = file else {
        return Ok(Authorities::System);
    };
    let content = content("--tls-ca", path)?;
    Authorities::of_pem(&content.bytes).map_err(|fault| Usage::Authority {
        path: path.to_owned(),
        fault,
    })
}

fn content(flag: &'static str, path: &Path) -> Result<Content, Usage> {
    read(path).map_err(|fault| Usage::File {
        flag,
        path: path.to_owned(),
        fault,
    })
}

fn of_secrets(
    flag: &'static str,
    path: &Path,
    warnings: &mut Vec<String>,
) -> Result<Content, Usage> {
    let content = content(flag, path)?;
    if content.exposed {
        let path = path.display();
        warnings.push(format!(
            "{flag}: {path} can be read by every user of this machine, and it holds secrets: chmod o-r {path}, and change them"
        ));
    }
    Ok(content)
}

fn text<'c>(flag: &'static str, path: &Path, content: &'c Content) -> Result<&'c str, Usage> {
    content.text().map_err(|fault| Usage::File {
        flag,
        path: path.to_owned(),
        fault,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use clap::Parser;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn load(to: &str, flags: &[&str], variable: &str) -> Result<Loaded, Usage> {
        let line = std::iter::once(&"forward").chain(flags);
        let options = Line::try_parse_from(line).unwrap().options;
        assert_eq!(options.first(), flags.first().copied());
        let shared = Shared { to, tls_ca: None };
        options.load(shared, [(SECRET_VARIABLE.to_owned(), variable.to_owned())])
    }

    /// A file of this content that only its owner may read.
    fn file(content: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn the_file_beats_the_variable_and_without_both_nothing_is_signed() {
        let to = "https://app.example/";
        let two = file(&format!("{SECRET}\n{SECRET}\n"));
        let flags = ["--secret-file", two.path().to_str().unwrap()];
        for (flags, variable, secrets) in [
            (&[][..], "", "Secrets(0)"),
            (&[], SECRET, "Secrets(1)"),
            (&flags, SECRET, "Secrets(2)"),
        ] {
            let loaded = load(to, flags, variable).unwrap();
            assert_eq!(format!("{:?}", loaded.settings.secrets), secrets);
            assert_eq!(loaded.warnings, [""; 0]);
        }
    }

    #[test]
    fn secrets_that_everybody_may_read_are_warned_of() {
        let (secret, fields) = (file(SECRET), file("authorization: Bearer hunter2"));
        let paths = [&secret, &fields].map(|file| file.path().to_str().unwrap());
        let flags = ["--secret-file", paths[0], "--header-file", paths[1]];
        for file in [&secret, &fields] {
            set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
        }
        let warnings = load("http://app.example/", &flags, "").unwrap().warnings;
        for (warning, words) in warnings.iter().zip([
            "--secret-file: /",
            "--header-file: /",
            "mail and what authorizes us go",
        ]) {
            assert!(warning.starts_with(words), "{warning}");
            assert!(!warning.contains("hunter2") && !warning.contains("MfKQ"));
        }
        assert_eq!(warnings.len(), 3);
    }

    #[test]
    fn a_mistake_names_its_flag_and_file_and_shows_no_secret() {
        let wrong = file("hunter2");
        let path = wrong.path().to_str().unwrap();
        let to = "https://app.example/";
        for (to, flags, variable, words) in [
            (
                "http://app.example:99999/in?key=hunter2",
                &[][..],
                "",
                "--to \"http://app.example:99999/in?…\" is not a URL".to_owned(),
            ),
            (
                "https://u:hunter2@app.example/",
                &[],
                "",
                "--to \"https://…@app.example/\" has a user name or a password".to_owned(),
            ),
            (
                to,
                &[],
                "hunter2",
                "RINGPOST_FORWARD_SECRET secret 1 does not begin with whsec_".to_owned(),
            ),
            (
                to,
                &["--secret-file", path],
                "",
                format!("--secret-file: {path} secret 1 does not begin"),
            ),
            (
                to,
                &["--header-file", path],
                "",
                format!("--header-file: {path} line 1 is not a header field"),
            ),
            (
                to,
                &["--header-file", "/no/such/file"],
                "",
                "--header-file: /no/such/file cannot be read".to_owned(),
            ),
        ] {
            let error = load(to, flags, variable).unwrap_err();
            let said = error.to_string();
            assert!(said.starts_with(&words), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
            assert_eq!(error.blame().exit_code(), 2);
        }
        let shared = Shared {
            to,
            tls_ca: Some(wrong.path()),
        };
        let said = Options::default().load(shared, []).unwrap_err().to_string();
        assert!(said.starts_with(&format!("--tls-ca: {path} has no certificate")));
    }
}
