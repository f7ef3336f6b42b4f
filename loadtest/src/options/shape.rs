//! The shape of a session: how it connects, what it sends, how many messages. One set of flags, used for the whole run
//! and, changed, for each part of a mixture (`--mix`).
//!
//! Must not know sockets. Every flag is optional here, so that a part of a mixture changes only what it names.

use clap::{Args, Parser, ValueEnum};
use std::path::PathBuf;

use crate::units::parse_size;

/// How the message itself is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transfer {
    /// DATA, with transparency (RFC 5321)
    Data,
    /// BDAT, where the server offers CHUNKING (RFC 3030)
    Bdat,
}

/// Whether and how a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TlsMode {
    /// In clear
    None,
    /// STARTTLS (RFC 3207)
    Starttls,
    /// TLS from the first octet (RFC 8314)
    Implicit,
}

/// The header of a load balancer in front of the dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeader {
    /// No header
    None,
    /// Version 1, text
    V1,
    /// Version 2, binary
    V2,
}

/// What the octets of generated bodies are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Body {
    /// ASCII lines of at most 78 octets; a quarter of them start with a dot, which tells whether a server takes it out
    #[value(name = "7bit")]
    SevenBit,
    /// The same with octets above 127; BODY=8BITMIME where it is offered
    #[value(name = "8bit")]
    EightBit,
    /// Lines of base64, as an attachment's: hardly any codec makes them smaller, and none starts with a dot
    #[value(name = "base64")]
    Base64,
    /// Any octets, NUL, bare CR and bare LF among them; needs --transfer bdat and a server with BINARYMIME
    #[value(name = "binary")]
    Binary,
}

/// A named distribution of message sizes; docs/loadtest.md says where the figures are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sizes {
    /// Measured 2002: half below 4 KiB, mean near 60 KB, up to 2 MiB
    #[value(name = "mailbox-2002")]
    Mailbox2002,
    /// Assumed, not measured: log-normal, median 40 KB, sigma 1.4, cut at 10 MiB
    #[value(name = "assumed-lognormal")]
    AssumedLognormal,
}

/// The flags of a session's shape.
#[derive(Debug, Clone, Default, Args)]
pub struct Shape {
    /// Messages on a connection before QUIT and a new one; 0: no limit [default: 0, with --connection-rate 1]
    #[arg(long, value_name = "K", help_heading = "Shape of a session")]
    pub per_connection: Option<u64>,

    /// Use PIPELINING where the server offers it (this is the default). MAIL, RCPT and DATA go out in one write, and
    /// the next envelope, or the QUIT, goes out together with the end of the message before it (RFC 2920 section 3.1)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
          help_heading = "Shape of a session")]
    pub pipeline: Option<bool>,

    /// Wait for each reply before the next command, whatever the server offers
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
          help_heading = "Shape of a session")]
    pub no_pipeline: Option<bool>,

    /// How the message is sent [default: data]
    #[arg(long, value_enum, help_heading = "Shape of a session")]
    pub transfer: Option<Transfer>,

    /// With --transfer bdat: octets of a chunk [default: the whole message is one chunk]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Shape of a session")]
    pub chunk: Option<u64>,

    /// Encryption; certificates are not verified [default: none]
    #[arg(long, value_enum, help_heading = "Shape of a session")]
    pub tls: Option<TlsMode>,

    /// A full TLS handshake for each connection, no resumption
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
          help_heading = "Shape of a session")]
    pub no_resumption: Option<bool>,

    /// PROXY header in front of everything, with made-up client addresses of 198.51.100.0/24 [default: none]
    #[arg(long, value_enum, help_heading = "Shape of a session")]
    pub proxy: Option<ProxyHeader>,

    /// Recipients of each message, 1 to 100 [default: 1]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=100),
          help_heading = "Shape of a session")]
    pub recipients: Option<u32>,

    /// Octets of a message, header included, before dots are doubled: 4096, 50k (1000), 4KiB (1024), 1M, 1MiB
    /// [default: 4KiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Content")]
    pub size: Option<u64>,

    /// Sizes of a named distribution instead of one size
    #[arg(long, value_enum, conflicts_with = "size", help_heading = "Content")]
    pub sizes: Option<Sizes>,

    /// Messages from a folder of .eml files or from an mbox file, in turn, instead of generated ones
    #[arg(long, value_name = "PATH", conflicts_with_all = ["size", "sizes", "body"], help_heading = "Content")]
    pub corpus: Option<PathBuf>,

    /// What generated bodies hold [default: 7bit]
    #[arg(long, value_enum, help_heading = "Content")]
    pub body: Option<Body>,
}

impl Shape {
    /// Whether commands are sent in groups where the server allows it.
    pub fn pipelining(&self) -> bool {
        self.pipeline.unwrap_or(true) && !self.no_pipeline.unwrap_or(false)
    }
}

/// One part of a mixture.
#[derive(Debug, Clone)]
pub struct MixPart {
    /// Its share of all connections, or its weight: shares are divided by their sum.
    pub share: f64,
    /// Its flags.
    pub shape: Shape,
}

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct ShapeWords {
    #[command(flatten)]
    shape: Shape,
}

/// Parses `70% --per-connection 1 --size 50k`: a share, then the flags of a shape that are changed for it.
pub fn parse_mix(text: &str, base: &Shape) -> Result<MixPart, String> {
    let mut words = text.split_whitespace();
    let share = crate::units::parse_share(words.next().unwrap_or(""))?;
    if share <= 0.0 {
        return Err(format!("--mix {text:?}: give a share above 0"));
    }
    let changed = ShapeWords::try_parse_from(words)
        .map_err(|error| format!("--mix {text:?}: {}", first_line(&error)))?
        .shape;
    Ok(MixPart {
        share,
        shape: changed.over(base),
    })
}

/// What is wrong, without the usage: that would be of a program that nobody started.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or("");
    line.trim_start_matches("error: ").to_owned()
}

impl Shape {
    /// These flags where they are given, those of `base` elsewhere. A content flag replaces all content of the base.
    fn over(self, base: &Shape) -> Shape {
        let own_content = self.size.is_some() || self.sizes.is_some() || self.corpus.is_some();
        let pipelining = if self.pipeline.is_some() || self.no_pipeline.is_some() {
            (self.pipeline, self.no_pipeline)
        } else {
            (base.pipeline, base.no_pipeline)
        };
        let content = if own_content {
            (self.size, self.sizes, self.corpus)
        } else {
            (base.size, base.sizes, base.corpus.clone())
        };
        Shape {
            per_connection: self.per_connection.or(base.per_connection),
            pipeline: pipelining.0,
            no_pipeline: pipelining.1,
            transfer: self.transfer.or(base.transfer),
            chunk: self.chunk.or(base.chunk),
            tls: self.tls.or(base.tls),
            no_resumption: self.no_resumption.or(base.no_resumption),
            proxy: self.proxy.or(base.proxy),
            recipients: self.recipients.or(base.recipients),
            size: content.0,
            sizes: content.1,
            corpus: content.2,
            body: self.body.or(base.body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_mixture_changes_only_what_it_names() {
        let base = Shape {
            size: Some(4096),
            recipients: Some(3),
            ..Shape::default()
        };
        let part = parse_mix("70% --per-connection 1 --transfer bdat", &base).expect("fits");
        assert!((part.share - 0.7).abs() < 1e-9);
        assert_eq!(part.shape.per_connection, Some(1));
        assert_eq!(part.shape.transfer, Some(Transfer::Bdat));
        assert_eq!(
            (part.shape.size, part.shape.recipients),
            (Some(4096), Some(3))
        );
        let part = parse_mix("0.3 --sizes mailbox-2002 --no-pipeline", &base).expect("fits");
        assert_eq!(
            (part.shape.size, part.shape.sizes),
            (None, Some(Sizes::Mailbox2002))
        );
        assert!(!part.shape.pipelining() && base.pipelining());
    }

    #[test]
    fn a_wrong_part_is_named() {
        for text in ["", "70% --bogus", "0%", "120%", "10% 20%"] {
            let error = parse_mix(text, &Shape::default()).expect_err(text);
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
