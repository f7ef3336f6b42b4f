//! The server's metrics in Prometheus' text form, over plain HTTP.
//!
//! # BUGS
//! - http only, without redirects; at most 4 MiB.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

const TIMEOUT: Duration = Duration::from_secs(5);
const MOST_BYTES: u64 = 4 << 20;
/// Most changes that a report names.
const MOST_CHANGES: usize = 300;

/// Values by name, labels included.
pub(crate) type Values = BTreeMap<String, f64>;

/// How one value changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Change {
    /// Name and labels.
    pub name: String,
    /// Before the run; `None` where it was not there.
    pub before: Option<f64>,
    /// After it.
    pub after: f64,
}

/// Why the metrics could not be read.
#[derive(Debug, Clone, Error)]
#[error(
    "--metrics {url}: {problem}; give the address of a page in Prometheus' text form, http://127.0.0.1:9925/metrics"
)]
pub(crate) struct MetricsError {
    url: String,
    #[source]
    problem: Problem,
}

#[derive(Debug, Clone, Error)]
enum Problem {
    #[error("it does not start with http://")]
    Scheme,
    #[error("no address found")]
    NoAddress,
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
    #[error("the answer is no HTTP")]
    NoHttp,
    #[error("the answer is {0}")]
    Status(String),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Problem {
        Problem::Io(Arc::new(error))
    }
}

/// Reads all values.
pub(crate) fn read(url: &str) -> Result<Values, MetricsError> {
    match get(url) {
        Ok(text) => Ok(parse(&text)),
        Err(problem) => Err(MetricsError {
            url: url.to_owned(),
            problem,
        }),
    }
}

/// The values that differ, buckets left out.
pub(crate) fn changes(before: &Values, after: &Values) -> Vec<Change> {
    let differ = after.iter().filter(|(name, value)| {
        !name.contains("_bucket{")
            && value.is_finite()
            && before.get(*name).copied().unwrap_or(0.0) != **value
    });
    differ
        .take(MOST_CHANGES)
        .map(|(name, value)| Change {
            name: name.clone(),
            before: before.get(name).copied().filter(|value| value.is_finite()),
            after: *value,
        })
        .collect()
}

fn get(url: &str) -> Result<String, Problem> {
    let rest = url.strip_prefix("http://").ok_or(Problem::Scheme)?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let answer = request(host, path)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(Problem::NoHttp)?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => {
            let line = head.lines().next().unwrap_or("");
            Err(Problem::Status(line.to_owned()))
        }
    }
}

/// The whole answer, with its head.
fn request(host: &str, path: &str) -> Result<Vec<u8>, Problem> {
    let with_port = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let address = with_port
        .to_socket_addrs()?
        .next()
        .ok_or(Problem::NoAddress)?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // Version 1.0: the answer ends with the connection, and is not in chunks.
    write!(
        stream,
        "GET /{path} HTTP/1.0\r\nHost: {host}\r\nAccept: text/plain\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}

fn parse(text: &str) -> Values {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let values = lines.filter_map(|line| {
        // Labels may hold spaces; a time stamp may follow the value.
        let end = line
            .rfind('}')
            .map_or_else(|| line.find(' '), |end| Some(end + 1))?;
        let value = line[end..].split_ascii_whitespace().next()?.parse().ok()?;
        Some((line[..end].to_owned(), value))
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_compared() {
        let before = parse("# HELP a b\na_total 1\nb{x=\"y z\"} 2\nsame 3\n");
        let after = parse(
            "a_total 5 1700000000\nb{x=\"y z\"} 2.5\nsame 3\nnew 1\nh_bucket{le=\"1\"} 7\nn NaN\n",
        );
        let changed = |name: &str, before, after| Change {
            name: name.to_owned(),
            before,
            after,
        };
        assert_eq!(
            changes(&before, &after),
            [
                changed("a_total", Some(1.0), 5.0),
                changed("b{x=\"y z\"}", Some(2.0), 2.5),
                changed("new", None, 1.0)
            ]
        );
    }

    #[test]
    fn what_is_no_page_is_named() {
        for url in ["https://x/", "http://127.0.0.1:1/metrics", "http://"] {
            let error = read(url).expect_err("no page").to_string();
            assert!(error.contains(url), "{error}");
        }
    }
}
