//! `--source`: the addresses that connections come from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::failure::Wrong;

/// Parses `127.0.0.2,127.0.0.10-127.0.0.12`.
pub(super) fn parse_sources(list: &str) -> Result<Vec<IpAddr>, Wrong> {
    const MOST: u32 = 65_536;
    let wrong = |part: &str| {
        Wrong::at("--source").quoted(part).fix(format_args!(
            "give addresses, 127.0.0.2,127.0.0.3 or 127.0.0.2-127.0.0.9, at most {MOST}"
        ))
    };
    let mut sources = Vec::new();
    for part in list.split(',').map(str::trim) {
        match part.split_once('-') {
            None => sources.push(part.parse().map_err(|_| wrong(part))?),
            Some((from, to)) => {
                let from: Ipv4Addr = from.trim().parse().map_err(|_| wrong(part))?;
                let to: Ipv4Addr = to.trim().parse().map_err(|_| wrong(part))?;
                let (from, to) = (u32::from(from), u32::from(to));
                if from > to || to - from >= MOST {
                    return Err(wrong(part));
                }
                sources.extend((from..=to).map(|address| IpAddr::from(Ipv4Addr::from(address))));
            }
        }
    }
    Ok(sources)
}

/// Sources and target must be of one kind of address.
pub(super) fn check_sources(sources: &[IpAddr], target: SocketAddr) -> Result<(), Wrong> {
    match sources
        .iter()
        .find(|source| source.is_ipv4() != target.is_ipv4())
    {
        Some(source) => Err(Wrong::at("--source").given(source).problem(format_args!(
            "the target {target} is of the other kind of address"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    #[test]
    fn sources_are_lists_and_ranges() {
        let sources = parse_sources("127.0.0.2,127.0.1.254-127.0.2.1").expect("fits");
        let texts: Vec<String> = sources.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "127.0.0.2",
                "127.0.1.254",
                "127.0.1.255",
                "127.0.2.0",
                "127.0.2.1"
            ]
        );
        for list in ["", "x", "127.0.0.9-127.0.0.2", "10.0.0.0-11.0.0.0"] {
            assert!(parse_sources(list).is_err(), "{list}");
        }
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, 25));
        assert!(check_sources(&[Ipv6Addr::LOCALHOST.into()], target).is_err());
        assert!(check_sources(&[Ipv4Addr::LOCALHOST.into()], target).is_ok());
    }
}
