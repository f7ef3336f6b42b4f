//! The flags of `ringpost top`.
//!
//! Owns: the flags and their ranges. Must not know: what is done with them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::command::value;

/// Shows a running ringpost in the terminal: sessions, rates, Kafka, certificates, limits, last errors.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Admin listener that is asked, HOST:PORT or URL
    ///
    /// That of serve, forward or authenticate; a URL where it is behind a proxy. [environment: RINGPOST_ADMIN_LISTEN] [default:
    /// 127.0.0.1:9925]
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "the help of a flag, not links"
    )]
    #[arg(long, value_name = "URL|ADDR")]
    pub admin: Option<String>,
    /// Pause between two looks
    ///
    /// From 200ms to 1h.
    #[arg(long, value_name = "TIME", default_value = "2s", allow_hyphen_values = true, value_parser = value::time("200ms", "1h"))]
    pub interval: Duration,
    /// Print one look and end
    ///
    /// So it is also where standard input or output is no terminal.
    #[arg(long)]
    pub once: bool,
    /// Print one look in this form and end
    ///
    /// [default: live in a terminal, else text]
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "the help of a flag, not links"
    )]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
}

impl Options {
    /// The listener that is asked: that of the flag, else that of `serve` in this environment.
    pub(super) fn listener(&self, listens: Option<String>) -> String {
        let flag = self.admin.clone();
        let here = || listens.filter(|address| !address.trim().is_empty());
        let here = flag.or_else(|| here().map(|address| reachable(address.trim())));
        here.unwrap_or_else(|| LOCAL.to_owned())
    }
}

/// Where `serve` listens by default.
const LOCAL: &str = "127.0.0.1:9925";

/// The address by which a listener is reached on its own machine: one that is bound to all of them is at the loopback address, too.
fn reachable(address: &str) -> String {
    let Ok(mut parsed) = address.parse::<SocketAddr>() else {
        return address.to_owned();
    };
    if parsed.ip().is_unspecified() {
        parsed.set_ip(match parsed.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    parsed.to_string()
}

/// How one look is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// What /status.json answers.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_flag_beats_the_environment_which_beats_the_default() {
        let asked = |flags: &[&str], environment: Option<&str>| {
            let line = Line::parse_from(std::iter::once(&"top").chain(flags));
            line.options.listener(environment.map(str::to_owned))
        };
        assert_eq!(asked(&[], None), "127.0.0.1:9925");
        assert_eq!(asked(&[], Some(" ")), "127.0.0.1:9925");
        assert_eq!(asked(&[], Some("0.0.0.0:99")), "127.0.0.1:99");
        assert_eq!(asked(&[], Some("[::]:99")), "[::1]:99");
        assert_eq!(asked(&[], Some("10.0.0.7:99")), "10.0.0.7:99");
        assert_eq!(asked(&["--admin", "a:1"], Some("0.0.0.0:99")), "a:1");
    }
}
