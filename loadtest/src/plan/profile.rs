//! The shape of some of the connections, ready to be used.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::ClientConfig;

use super::tls;
use crate::content::{Common, Content, Header};
use crate::failure::Wrong;
use crate::options::shape::{ProxyHeader, Shape, TlsMode, Transfer};
use crate::options::{MixPart, Options, parse_mix};

/// The shape of some of the connections.
pub(crate) struct Profile {
    /// Its place in the plan, from 0.
    pub index: usize,
    /// Where it ends on the line from 0 to 1 on which each sender has a place.
    pub up_to: f64,
    /// Messages on a connection; 0: no limit.
    pub per_connection: u64,
    /// Whether to use PIPELINING where it is offered.
    pub pipelining: bool,
    /// DATA or BDAT.
    pub transfer: Transfer,
    /// Encryption.
    pub tls: TlsMode,
    /// Its settings, with the sessions to resume.
    pub tls_settings: Arc<ClientConfig>,
    /// The PROXY header.
    pub proxy: ProxyHeader,
    /// The messages.
    pub content: Content,
    /// As `--mix` has it; empty without a mixture.
    pub text: String,
}

/// All shapes of a run, at least one.
pub(super) fn profiles(options: &Options, run: &str) -> Result<Vec<Profile>, Wrong> {
    let mut parts = Vec::new();
    for text in &options.mix {
        parts.push((text.clone(), parse_mix(text, &options.shape)?));
    }
    if parts.is_empty() {
        let whole = MixPart {
            share: 1.0,
            shape: options.shape.clone(),
        };
        parts.push((String::new(), whole));
    }
    let whole: f64 = parts.iter().map(|(_, part)| part.share).sum();
    let mut up_to = 0.0;
    let mut profiles = Vec::new();
    for (text, part) in parts {
        up_to += part.share / whole;
        let mut profile = profile(options, run, &part.shape)?;
        (profile.index, profile.up_to, profile.text) = (profiles.len(), up_to, text);
        profiles.push(profile);
    }
    assert!((up_to - 1.0).abs() < 1e-6, "each sender has a shape");
    Ok(profiles)
}

/// The shape of clients that misbehave: in clear and with DATA.
pub(super) fn bad_profile(options: &Options, run: &str) -> Result<Profile, Wrong> {
    let shape = Shape {
        transfer: Some(Transfer::Data),
        chunk: None,
        tls: Some(TlsMode::None),
        body: None,
        ..options.shape.clone()
    };
    profile(options, run, &shape)
}

/// One shape, as if it were the only one.
fn profile(options: &Options, run: &str, shape: &Shape) -> Result<Profile, Wrong> {
    let default_per_connection = u64::from(options.connection_rate.is_some());
    let per_connection = shape.per_connection.unwrap_or(default_per_connection);
    if options.connection_rate.is_some() && per_connection == 0 {
        return Err(Wrong::at("--per-connection")
            .given(0)
            .problem("connections with a rate must end")
            .fix("give 1 or more"));
    }
    let transfer = shape.transfer.unwrap_or(Transfer::Data);
    if shape.chunk.is_some() && transfer != Transfer::Bdat {
        return Err(Wrong::at("--chunk").fix("only with --transfer bdat"));
    }
    let common = Common {
        header: Header {
            run,
            from: &options.from,
            to: &options.to,
            date: Timestamp::now(),
        },
        to: &options.to,
        connections: options.connections as usize,
    };
    Ok(Profile {
        index: 0,
        up_to: 1.0,
        per_connection,
        pipelining: shape.pipelining(),
        transfer,
        tls: shape.tls.unwrap_or(TlsMode::None),
        tls_settings: tls::settings(!shape.no_resumption.unwrap_or(false)),
        proxy: shape.proxy.unwrap_or(ProxyHeader::None),
        content: Content::new(shape, &common)?,
        text: String::new(),
    })
}
