//! The flags of `ringpost consume`.
//!
//! Owns: the flags, and what of them goes together. Must not know: what is done with them.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::usage::Usage;
use crate::command::cluster::Cluster;
use crate::consume::moment::moment;
use crate::consume::plan::Start;

/// Reads mails back from Kafka.
#[derive(Debug, Clone, Args)]
#[allow(
    rustdoc::broken_intra_doc_links,
    reason = "the help of flags, not links"
)]
pub struct Options {
    #[command(flatten)]
    pub(super) cluster: Cluster,
    /// Give the header section of a large message on, which its record holds, instead of its object
    #[arg(long, hide_short_help = true)]
    pub no_objects: bool,
    /// Read as a member of this consumer group
    ///
    /// Offsets are committed once the output has them. [default: none; every partition is read, and nothing is committed]
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Where to start [default: beginning]
    ///
    /// In a group, only where it has no offset yet.
    #[arg(long, value_enum)]
    pub from: Option<From>,
    /// Start at this time, or this long ago, such as 1h
    ///
    /// How long ago, such as 90s, 30min, 1h or 7d, or a time or date, such as 2026-11-28T03:12:01Z or 2026-11-28. The first
    /// record that is not older begins. In place of --from. [default: see --from]
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Read this partition alone; repeatable
    ///
    /// 0 and more. Not with --group. [default: every partition]
    #[arg(long = "partition", value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub partitions: Vec<i32>,
    /// Start at this offset of each --partition
    ///
    /// 0 and more. In place of --from. [default: see --from]
    #[arg(
        long,
        value_name = "N|beginning|end",
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub offset: Option<Place>,
    /// Give on only mails for which this holds; repeatable
    ///
    /// Such as 'domain = example.com and size > 1MiB'; of several, all have to hold. Fields: recipient, domain, sender, client, size, time, id, helo, protocol, tls, body, and ce_NAME for
    /// any attribute; docs/consume.md describes them. [default: all mails]
    #[arg(long = "filter", value_name = "CONDITION")]
    pub filters: Vec<String>,
    /// Give on records that ringpost did not write too, as they are. Not with --filter
    #[arg(long, hide_short_help = true)]
    pub foreign: bool,
    /// Stop at the end of the topic
    ///
    /// That is when every partition was read to its end and no more is being written.
    #[arg(long)]
    pub until_end: bool,
    /// Stop after this many mails, 1 and more [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Summary)]
    pub format: Format,
    /// Leave the fields of the envelope out (Return-Path, Delivered-To, X-Original-To, X-Ringpost-Id), so that a message is
    /// exactly what the record holds. For eml, mbox and maildir
    #[arg(long, hide_short_help = true)]
    pub raw: bool,
    /// Add what the message says to each JSON object, as its member parsed: subject, from, date, text, attachments
    #[arg(long, hide_short_help = true)]
    pub parsed: bool,
    /// File or folder to write to [default: standard output]
    ///
    /// A file for summary, json and mbox, continued in a group and emptied without; a folder for eml and maildir.
    #[arg(long, value_name = "PATH")]
    pub output: Option<PathBuf>,
}

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// At the oldest record that the topic still has.
    Beginning,
    /// At what is written from now on.
    End,
}

/// An offset as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The oldest record that the partition still has.
    Beginning,
    /// What is written from now on.
    End,
    /// This one.
    At(i64),
}

/// A text is no offset.
#[derive(Debug, thiserror::Error)]
#[error("an offset is 0 or more, or one of the words beginning and end")]
pub struct NotAPlace;

impl FromStr for Place {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        match text {
            "beginning" => Ok(Self::Beginning),
            "end" => Ok(Self::End),
            _ => match text.parse() {
                Ok(offset @ 0..) => Ok(Self::At(offset)),
                Ok(_) | Err(_) => Err(NotAPlace),
            },
        }
    }
}

/// The forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line a mail, for a person.
    Summary,
    /// One JSON object a line.
    Json,
    /// The message with its envelope in front, one file each.
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
        self.check_start()?;
        match self.format {
            Format::Summary | Format::Eml | Format::Mbox | Format::Maildir if self.parsed => {
                return Err(Usage::ParsedWithoutJson);
            }
            Format::Summary | Format::Json if self.raw => return Err(Usage::RawWithoutMessages),
            Format::Summary | Format::Json | Format::Eml | Format::Mbox | Format::Maildir => {}
        }
        if self.foreign && !self.filters.is_empty() {
            return Err(Usage::ForeignWithFilter);
        }
        match (self.format, &self.output, self.count) {
            (Format::Maildir, None, _) => Err(Usage::MaildirWithoutFolder),
            (Format::Eml, None, count) if count != Some(1) => Err(Usage::EmlWithoutFolder),
            _ => Ok(()),
        }
    }

    fn check_start(&self) -> Result<(), Usage> {
        let by_hand = [
            ("--partition", !self.partitions.is_empty()),
            ("--offset", self.offset.is_some()),
        ];
        if let (true, Some((flag, _))) = (
            self.group.is_some(),
            by_hand.iter().find(|(_, is_set)| *is_set),
        ) {
            return Err(Usage::WithGroup { flag });
        }
        if self.offset.is_some() && self.partitions.is_empty() {
            return Err(Usage::OffsetWithoutPartition);
        }
        let starts = [
            ("--offset", self.offset.is_some()),
            ("--since", self.since.is_some()),
            ("--from", self.from.is_some()),
        ];
        let mut given = starts.iter().filter(|(_, is_set)| *is_set);
        match (given.next(), given.next()) {
            (Some((first, _)), Some((second, _))) => Err(Usage::TwoStarts { first, second }),
            _ => Ok(()),
        }
    }

    /// Where reading begins; `now` is what `--since 1h` counts back from.
    ///
    /// # Errors
    /// `--since` is no point in time.
    pub(super) fn start(&self, now: Timestamp) -> Result<Start, Usage> {
        if let Some(text) = &self.since {
            let since = moment(text, now).map_err(|why| Usage::Since {
                text: text.clone(),
                why,
            })?;
            return Ok(Start::Since(since));
        }
        Ok(match (self.offset, self.from) {
            (Some(Place::At(offset)), _) => Start::Offset(offset),
            (Some(Place::Beginning), _) | (None, None | Some(From::Beginning)) => Start::Beginning,
            (Some(Place::End), _) | (None, Some(From::End)) => Start::End,
        })
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

    #[test]
    fn places_to_start_at_have_to_fit() {
        for (flags, part) in [
            (
                &["--group", "g", "--partition", "1"][..],
                "--partition cannot be used with --group",
            ),
            (
                &["--group", "g", "--partition", "1", "--offset", "2"],
                "--partition cannot be used with --group",
            ),
            (
                &["--group", "g", "--offset", "end"],
                "--offset cannot be used with --group",
            ),
            (&["--offset", "2"], "--offset needs --partition"),
            (
                &["--partition", "1", "--offset", "2", "--since", "1h"],
                "--offset and --since",
            ),
            (
                &["--since", "1h", "--from", "beginning"],
                "--since and --from",
            ),
            (&["--foreign", "--filter", "tls = *"], "--foreign"),
            (&["--parsed"], "--parsed needs --format json"),
            (&["--format", "json", "--raw"], "--raw is for"),
        ] {
            let said = check(flags).unwrap().unwrap_err().to_string();
            assert!(said.contains(part), "{flags:?}: {said}");
        }
        for flags in [
            &[
                "--partition",
                "0",
                "--partition",
                "7",
                "--offset",
                "beginning",
            ][..],
            &["--partition", "0", "--since", "2026-11-28"],
            &["--group", "g", "--since", "1h"],
            &["--foreign"],
            &["--format", "json", "--parsed"],
            &["--format", "mbox", "--raw"],
        ] {
            assert!(matches!(check(flags), Some(Ok(()))), "{flags:?}");
        }
        for flags in [
            &["--partition", "0", "--offset", "-1"][..],
            &["--partition", "0", "--offset", "first"],
            &["--partition", "0", "--offset", "9223372036854775808"],
            &["--partition", "-1"],
        ] {
            assert!(check(flags).is_none(), "{flags:?}");
        }
    }

    #[test]
    fn the_flags_say_where_reading_begins() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let start = |flags: &[&str]| {
            let line = std::iter::once(&"consume").chain(flags);
            Line::try_parse_from(line).unwrap().options.start(now)
        };
        let hour_ago = Start::Since("2026-11-28T11:00:00Z".parse().unwrap());
        for (flags, expected) in [
            (&[][..], Start::Beginning),
            (&["--from", "end"], Start::End),
            (&["--partition", "1", "--offset", "end"], Start::End),
            (&["--partition", "1", "--offset", "0"], Start::Offset(0)),
            (&["--since", "1h"], hour_ago),
        ] {
            assert_eq!(start(flags).unwrap(), expected, "{flags:?}");
        }
        let said = start(&["--since", "1 fortnight"]).unwrap_err().to_string();
        assert!(
            said.starts_with("--since \"1 fortnight\" is not a point in time"),
            "{said}"
        );
    }
}
