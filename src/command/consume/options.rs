//! The flags of `ringpost consume`.
//!
//! Owns: the flags, and what of them goes together. Must not know: what is done with them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::usage::Usage;

/// Reads mails back from Kafka.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Configuration file (TOML) of serve, of which [kafka] and [objects] are read [environment: RINGPOST_CONFIG]
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "the help of a flag, not a link"
    )]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Brokers to ask first, `host:port`, separated by commas [environment: RINGPOST_KAFKA_BROKERS] [default: kafka.brokers
    /// of the configuration, else 127.0.0.1:9092]
    #[arg(long, value_name = "LIST")]
    pub brokers: Option<String>,
    /// Topic to read [environment: RINGPOST_KAFKA_TOPIC] [default: kafka.topic of the configuration, else mail]
    #[arg(long, value_name = "NAME")]
    pub topic: Option<String>,
    /// Where the objects of large messages are, in the form of objects.url [environment: RINGPOST_OBJECTS_URL] [default:
    /// objects.url of the configuration, else where each record says]
    #[arg(long, value_name = "URL")]
    pub objects: Option<String>,
    /// Give the header section of a large message on, which its record holds, instead of its object
    #[arg(long)]
    pub no_objects: bool,
    /// Read as a member of this consumer group, and commit offsets once the output has them; without it every
    /// partition is read and nothing committed
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Where to start; in a group, only where it has no offset yet
    #[arg(long, value_enum, default_value_t = From::Beginning)]
    pub from: From,
    /// Stop once every partition was read to its end and no more is being written
    #[arg(long)]
    pub until_end: bool,
    /// Stop after this many mails
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Summary)]
    pub format: Format,
    /// File for summary, json and mbox, continued in a group and emptied without; folder for eml and maildir
    #[arg(long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// File of librdkafka properties, name=value a line [environment: RINGPOST_KAFKA_PROPERTIES_FILE] [default:
    /// kafka.properties_file of the configuration]
    #[arg(long, value_name = "FILE")]
    pub properties_file: Option<String>,
    /// A librdkafka property; may be given again. Everybody on the machine can read a command line: a password belongs in
    /// --properties-file or RINGPOST_KAFKA_PROPERTIES
    #[arg(long = "property", value_name = "NAME=VALUE")]
    pub properties: Vec<String>,
}

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// At the oldest record that the topic still has.
    Beginning,
    /// At what is written from now on.
    End,
}

/// The forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line a mail, for a person.
    Summary,
    /// One JSON object a line.
    Json,
    /// The message as it is, one file each.
    Eml,
    /// One mbox file (mboxrd).
    Mbox,
    /// A maildir.
    Maildir,
}

impl Options {
    /// What the flags' own types cannot say.
    ///
    /// # Errors
    /// Flags that do not go together.
    pub(super) fn check(&self) -> Result<(), Usage> {
        if self.group.as_deref() == Some("") {
            return Err(Usage::EmptyGroup);
        }
        match (self.format, &self.output, self.count) {
            (Format::Maildir, None, _) => Err(Usage::MaildirWithoutFolder),
            (Format::Eml, None, count) if count != Some(1) => Err(Usage::EmlWithoutFolder),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn check(flags: &[&str]) -> Option<Result<(), Usage>> {
        let line = std::iter::once(&"consume").chain(flags);
        let parsed = Line::try_parse_from(line).ok()?;
        Some(parsed.options.check())
    }

    #[test]
    fn files_and_formats_have_to_fit() {
        let maildir = check(&["--format", "maildir"]);
        assert!(matches!(maildir, Some(Err(Usage::MaildirWithoutFolder))));
        for flags in [
            &["--format", "eml"][..],
            &["--format", "eml", "--count", "2"],
        ] {
            assert!(matches!(check(flags), Some(Err(Usage::EmlWithoutFolder))));
        }
        for flags in [
            &["--format", "eml", "--count", "1"],
            &["--format", "eml", "--output", "x"],
        ] {
            assert!(matches!(check(flags), Some(Ok(()))));
        }
        assert!(check(&["--count", "0"]).is_none());
        let empty = check(&["--group", ""]);
        assert!(matches!(empty, Some(Err(Usage::EmptyGroup))));
    }
}
