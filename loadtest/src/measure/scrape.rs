//! The server's metrics in Prometheus' text form, over plain HTTP.
//!
//! # BUGS
//! - http only, without redirects; at most 4 MiB.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::Serialize;

const TIMEOUT: Duration = Duration::from_secs(5);
const MOST_OCTETS: u64 = 4 << 20;
/// Most changes that a report names.
const MOST_CHANGES: usize = 300;

/// Values by name, labels included.
pub type Values = BTreeMap<String, f64>;

/// How one value changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Name and labels.
    pub name: String,
    /// Before the run; `None` where it was not there.
    pub before: Option<f64>,
    /// Behind it.
    pub after: f64,
}

/// Reads all values. The error is a text for the operator.
pub fn read(url: &str) -> Result<Values, String> {
    get(url).map(|text| parse(&text)).map_err(|error| {
        format!("--metrics {url}: {error}; give the address of a page in Prometheus' text form, http://127.0.0.1:9925/metrics")
    })
}

/// The values that differ, buckets left out.
pub fn changes(before: &Values, after: &Values) -> Vec<Change> {
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

fn get(url: &str) -> Result<String, String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or("it does not start with http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let with_port = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let text = |error: std::io::Error| error.to_string();
    let address = with_port
        .to_socket_addrs()
        .map_err(text)?
        .next()
        .ok_or("no address found")?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(text)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(text)?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(text)?;
    // Version 1.0: the answer ends with the connection, and is not in chunks.
    write!(
        stream,
        "GET /{path} HTTP/1.0\r\nHost: {host}\r\nAccept: text/plain\r\n\r\n"
    )
    .map_err(text)?;
    let mut answer = Vec::new();
    stream
        .take(MOST_OCTETS)
        .read_to_end(&mut answer)
        .map_err(text)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or("the answer is no HTTP")?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(format!(
            "the answer is {}",
            head.lines().next().unwrap_or("")
        )),
    }
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
            let error = read(url).expect_err("no page");
            assert!(error.contains(url), "{error}");
        }
    }
}
