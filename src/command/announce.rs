//! What a server says of itself: the log lines "starting", "ready" and "stopped", and the line on standard output.
//!
//! Owns: what these lines name. Must not know: how a server starts and ends.
//!
//! Invariant: no secret is in them; a list of any length takes a bounded line.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::Config;
use crate::net::worker::CutOff;
use crate::server::worker_count;

/// Names of a list that are written.
const NAMES_TOLD: usize = 10;

/// Says what is about to start, as it is configured: a port may still be 0.
pub fn starting(config: &Config) {
    let smtp = config.server.listen.iter();
    let smtp = smtp
        .chain(&config.server.listen_tls)
        .chain(&config.server.listen_proxy);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        hostname = config.server.hostname,
        domains = bounded(&config.recipients.domains),
        brokers = %config.kafka.brokers,
        topic = config.kafka.topic,
        smtp = listeners(config, &smtp.copied().collect::<Vec<_>>()),
        admin = %config.admin.listen,
        workers = worker_count(config.server.workers),
        "starting"
    );
}

/// Says that everything listens, at the addresses that were resolved.
pub fn ready(config: &Config, smtp: &[SocketAddr], admin: SocketAddr, brokers: &str) {
    tracing::info!(
        smtp = listeners(config, smtp),
        %admin,
        brokers,
        topic = config.kafka.topic,
        "ready"
    );
}

/// The one line on standard output. `smtps=`, where there is one, repeats the addresses that begin with TLS.
pub fn ready_line(
    config: &Config,
    smtp: &[SocketAddr],
    admin: SocketAddr,
    brokers: &str,
) -> String {
    let all = joined(smtp.iter());
    let clear = config.server.listen.len();
    let implicit = joined(smtp.iter().skip(clear).take(config.server.listen_tls.len()));
    let topic = &config.kafka.topic;
    let mut line = format!("ready smtp={all} admin={admin} kafka={brokers} topic={topic}");
    if !implicit.is_empty() {
        line += &format!(" smtps={implicit}");
    }
    line
}

/// Says how a drain ended.
pub fn stopped(drain: Duration, cut_off: CutOff) {
    let milliseconds = u64::try_from(drain.as_millis()).unwrap_or(u64::MAX);
    let CutOff {
        connections,
        records,
    } = cut_off;
    if cut_off == CutOff::default() {
        tracing::info!(milliseconds, connections, records, "stopped");
    } else {
        tracing::warn!(
            milliseconds,
            connections,
            records,
            "stopped; server.drain_timeout cut off what was left"
        );
    }
}

fn joined<'a>(addresses: impl Iterator<Item = &'a SocketAddr>) -> String {
    let addresses: Vec<String> = addresses.map(ToString::to_string).collect();
    addresses.join(",")
}

/// Every address with what is spoken there. They stand in the order of the options.
fn listeners(config: &Config, addresses: &[SocketAddr]) -> String {
    let server = &config.server;
    let clear = if config.tls.certificate.is_some() {
        "clear+STARTTLS"
    } else {
        "clear"
    };
    let spoken = std::iter::repeat_n(clear.to_owned(), server.listen.len())
        .chain(std::iter::repeat_n(
            "TLS".to_owned(),
            server.listen_tls.len(),
        ))
        .chain(std::iter::repeat_n(
            format!("PROXY+{clear}"),
            server.listen_proxy.len(),
        ));
    let texts: Vec<String> = addresses
        .iter()
        .zip(spoken)
        .map(|(address, spoken)| format!("{address} {spoken}"))
        .collect();
    bounded(&texts)
}

/// The first few, and how many there are beside them.
fn bounded(names: &[String]) -> String {
    let text = names[..names.len().min(NAMES_TOLD)].join(", ");
    match names.len().saturating_sub(NAMES_TOLD) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Brokers;

    fn config() -> Config {
        let mut config = Config::default();
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        config.server.listen = vec![address(25), address(26)];
        config.server.listen_tls = vec![address(465)];
        config.server.listen_proxy = vec![address(27)];
        config.tls.certificate = Some("mx.pem".into());
        config.kafka.brokers = Brokers::List("b:9092".to_owned());
        config.kafka.topic = "mail".to_owned();
        config
    }

    fn resolved() -> Vec<SocketAddr> {
        [2525, 2526, 4650, 2527]
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
            .to_vec()
    }

    #[test]
    fn each_address_is_named_with_what_is_spoken_there() {
        let mut config = config();
        assert_eq!(
            listeners(&config, &resolved()),
            "127.0.0.1:2525 clear+STARTTLS, 127.0.0.1:2526 clear+STARTTLS, 127.0.0.1:4650 TLS, \
             127.0.0.1:2527 PROXY+clear+STARTTLS"
        );
        config.tls.certificate = None;
        config.server.listen_tls.clear();
        config.server.listen_proxy.clear();
        assert_eq!(
            listeners(&config, &resolved()[..2]),
            "127.0.0.1:2525 clear, 127.0.0.1:2526 clear"
        );
    }

    #[test]
    fn the_line_on_standard_output_keeps_its_keys_and_adds_one_for_tls() {
        let (mut config, admin) = (config(), "127.0.0.1:9925".parse().unwrap());
        assert_eq!(
            ready_line(&config, &resolved(), admin, "b:9092"),
            "ready smtp=127.0.0.1:2525,127.0.0.1:2526,127.0.0.1:4650,127.0.0.1:2527 admin=127.0.0.1:9925 kafka=b:9092 \
             topic=mail smtps=127.0.0.1:4650"
        );
        config.server.listen_tls.clear();
        assert_eq!(
            ready_line(&config, &resolved()[..2], admin, "b:9092"),
            "ready smtp=127.0.0.1:2525,127.0.0.1:2526 admin=127.0.0.1:9925 kafka=b:9092 topic=mail"
        );
    }

    #[test]
    fn a_long_list_takes_a_short_line() {
        let names: Vec<String> = (0..1000)
            .map(|number| format!("d{number}.example"))
            .collect();
        let text = bounded(&names);
        assert!(text.starts_with("d0.example, d1.example, "), "{text}");
        assert!(text.ends_with("d9.example and 990 more"), "{text}");
    }
}
