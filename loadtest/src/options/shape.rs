//! The shape of a session: how it connects, what it sends, how many messages. One set of flags, used for the whole run
//! and, changed, for each part of a mixture (`--mix`).
//!
//! Must not know sockets. Every flag is optional here, so that a part of a mixture changes only what it names.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::units::parse_size;

/// How the message itself is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transfer {
    /// DATA, with transparency (RFC 5321)
    Data,
    /// BDAT, where the server offers CHUNKING (RFC 3030)
    Bdat,
}

/// Whether and how a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsMode {
    /// In clear
    None,
    /// STARTTLS (RFC 3207)
    Starttls,
    /// TLS from the first byte (RFC 8314)
    Implicit,
}

/// The header that a load balancer sends before the dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyHeader {
    /// No header
    None,
    /// Version 1, text
    V1,
    /// Version 2, binary
    V2,
}

/// What the bytes of generated bodies are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Body {
    /// ASCII lines of at most 78 bytes; a quarter of them start with a dot, to show whether a server handles it rightly
    #[value(name = "7bit")]
    SevenBit,
    /// The same with bytes above 127; BODY=8BITMIME where it is offered
    #[value(name = "8bit")]
    EightBit,
    /// Lines of base64, like an attachment: they hardly compress, and none starts with a dot
    #[value(name = "base64")]
    Base64,
    /// Any bytes, including NUL, bare CR and bare LF; needs --transfer bdat and a server with BINARYMIME
    #[value(name = "binary")]
    Binary,
}

/// A named distribution of message sizes; docs/loadtest.md says where the figures are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sizes {
    /// Measured 2002: half below 4 KiB, mean near 60 KB, up to 2 MiB
    #[value(name = "mailbox-2002")]
    Mailbox2002,
    /// Assumed, not measured: log-normal, median 40 KB, sigma 1.4, cut at 10 MiB
    #[value(name = "assumed-lognormal")]
    AssumedLognormal,
}

/// The flags of a session's shape.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Shape {
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

    /// With --transfer bdat: bytes of a chunk [default: the whole message is one chunk]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Shape of a session")]
    pub chunk: Option<u64>,

    /// Encryption; certificates are not verified [default: none]
    #[arg(long, value_enum, help_heading = "Shape of a session")]
    pub tls: Option<TlsMode>,

    /// A full TLS handshake for each connection, no resumption
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
          help_heading = "Shape of a session")]
    pub no_resumption: Option<bool>,

    /// PROXY header before everything else, with made-up client addresses of 198.51.100.0/24 [default: none]
    #[arg(long, value_enum, help_heading = "Shape of a session")]
    pub proxy: Option<ProxyHeader>,

    /// Recipients of each message, 1 to 100 [default: 1]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=100),
          help_heading = "Shape of a session")]
    pub recipients: Option<u32>,

    /// Bytes of a message, header included, before dots are doubled: 4096, 50k (1000), 4KiB (1024), 1M, 1MiB
    /// [default: 4KiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Content")]
    pub size: Option<u64>,

    /// Sizes of a named distribution instead of one size
    #[arg(long, value_enum, conflicts_with = "size", help_heading = "Content")]
    pub sizes: Option<Sizes>,

    /// Messages from a folder of .eml files or from an mbox file, in turn, instead of generated ones
    #[arg(long, value_name = "PATH", conflicts_with_all = ["size", "sizes", "body"], help_heading = "Content")]
    pub corpus: Option<PathBuf>,

    /// What generated bodies contain [default: 7bit]
    #[arg(long, value_enum, help_heading = "Content")]
    pub body: Option<Body>,
}

impl Shape {
    /// Whether commands are sent in groups where the server allows it.
    pub(crate) fn pipelining(&self) -> bool {
        self.pipeline.unwrap_or(true) && !self.no_pipeline.unwrap_or(false)
    }
}

impl Shape {
    /// These flags where they are given, those of `base` elsewhere. A content flag replaces all content of the base.
    pub(crate) fn over(self, base: &Shape) -> Shape {
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
