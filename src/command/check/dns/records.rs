//! What the records of a domain and of this server say.
//!
//! Owns: the judgement of MX, A, AAAA, PTR and of TLSRPT's TXT, and the record to publish where one is missing. Must not know: how
//! they were asked for.

use std::fmt::Display;
use std::net::IpAddr;

use super::ask::{Found, Unanswered};
use crate::authenticate::dns::Answer as Records;
use crate::command::check::report::Answer;
use crate::verdict::Verdict;

/// Names of one address that are looked at.
const NAMES_MOST: usize = 5;

/// An answer with what helps.
pub(super) fn bad(verdict: Verdict, name: &'static str, text: String, fix: String) -> Answer {
    Answer {
        verdict,
        name,
        text,
        fix: Some(fix),
    }
}

/// An answer that needs no help.
pub(super) fn good(verdict: Verdict, name: &'static str, text: String) -> Answer {
    Answer::from((verdict, name, text))
}

/// The resolver does not answer a question.
pub(super) fn unanswered(name: &'static str, what: &str, why: impl Display) -> Answer {
    let text = format!("{what} is not known: {why}");
    let fix = "correct the resolver (/etc/resolv.conf, or --resolver) or the servers of the zone";
    bad(Verdict::Failed, name, text, fix.to_owned())
}

/// The resolver answers nothing, or refuses everything.
pub(super) fn useless(why: &Unanswered) -> Answer {
    let (what, fix) = match why {
        Unanswered::Refused(code) => (
            format!("the resolver refuses every question with {code}"),
            "let the resolver answer this machine, or name another with --resolver",
        ),
        Unanswered::Other(_) => (
            "the resolver answers nothing".to_owned(),
            "correct /etc/resolv.conf, or name another resolver with --resolver",
        ),
    };
    let text = format!("{what}, so that nothing else was asked of it");
    bad(Verdict::Failed, "dns", text, fix.to_owned())
}

/// Whether mail for the domain is taken.
pub(super) fn taken(domain: &str, is_taken: bool) -> Answer {
    match is_taken {
        true => good(Verdict::Ok, "taken", format!("mail for {domain} is taken")),
        false => bad(
            Verdict::Failed,
            "taken",
            format!(
                "mail for {domain} is refused with 550 5.7.1: recipients.domains does not name it"
            ),
            format!("add {domain:?} to recipients.domains, or give --domain {domain}"),
        ),
    }
}

/// Whether an MX record of the domain names this server.
pub(super) fn mx(domain: &str, hostname: &str, found: &Found) -> Answer {
    const NAME: &str = "mx";
    let failed = |text: String| {
        let fix = format!("publish `{domain}. IN MX 10 {}.`", without_dot(hostname));
        bad(Verdict::Failed, NAME, text, fix)
    };
    let mut servers = match found {
        Ok(Records::Mx(servers)) => servers.clone(),
        Ok(Records::NoName) => return failed(format!("{domain} does not exist in the DNS")),
        Ok(Records::Trouble) => {
            return unanswered(NAME, &format!("the MX of {domain}"), "no answer");
        }
        Ok(_) => {
            return failed(format!(
                "{domain} has no MX record: senders try its A and AAAA records instead, if it has some"
            ));
        }
        Err(why) => return unanswered(NAME, &format!("the MX of {domain}"), why),
    };
    servers.sort();
    let listed: Vec<String> = servers
        .iter()
        .map(|(preference, name)| format!("{preference} {name}."))
        .collect();
    let listed = listed.join(", ");
    if servers.iter().any(|(_, name)| name.is_empty()) {
        return failed(format!(
            "the MX of {domain} says that it takes no mail (RFC 7505)"
        ));
    }
    let Some(ours) = servers.iter().find(|(_, name)| is_same(name, hostname)) else {
        let fix = format!(
            "publish `{domain}. IN MX 10 {0}.`, or set server.hostname to the name that is there",
            without_dot(hostname)
        );
        let text = format!(
            "mail for {domain} goes to {listed}, and not to server.hostname = {hostname:?}"
        );
        return bad(Verdict::Failed, NAME, text, fix);
    };
    let last = match servers[0].0 < ours.0 {
        true => ": mail comes here while the servers with a lower number do not take it",
        false => "",
    };
    good(
        Verdict::Ok,
        NAME,
        format!("mail for {domain} goes to {listed}{last}"),
    )
}

/// Whether others could ask for this name at all.
pub(super) fn is_public_name(hostname: &str) -> bool {
    !hostname.starts_with('[') && without_dot(hostname).contains('.')
}

/// A name that is none of the DNS.
pub(super) fn unaskable(hostname: &str) -> Answer {
    bad(
        Verdict::Failed,
        "address",
        format!("server.hostname = {hostname:?} is no name that the DNS could have"),
        "set server.hostname to the full name that the MX record points to".to_owned(),
    )
}

/// The addresses in these answers.
pub(super) fn addresses_of(found: &[&Found]) -> Vec<IpAddr> {
    let each = found.iter().filter_map(|found| match found {
        Ok(Records::Addresses(addresses)) => Some(addresses.as_slice()),
        _ => None,
    });
    each.flatten().copied().collect()
}

/// Whether this server's name has addresses that senders can reach.
pub(super) fn address(hostname: &str, four: &Found, six: &Found) -> Answer {
    const NAME: &str = "address";
    let addresses = addresses_of(&[four, six]);
    let host = without_dot(hostname);
    if addresses.is_empty() {
        if let Some(why) = [four, six]
            .into_iter()
            .find_map(|found| found.as_ref().err())
        {
            return unanswered(NAME, &format!("the address of {host}"), why);
        }
        return bad(
            Verdict::Failed,
            NAME,
            format!("{host} has neither an A nor an AAAA record"),
            format!(
                "publish `{host}. IN A ADDRESS` with the public IPv4 address of this server, and AAAA with the IPv6 one"
            ),
        );
    }
    let listed: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    let listed = listed.join(", ");
    let local: Vec<String> = addresses
        .iter()
        .filter(|address| is_local(**address))
        .map(IpAddr::to_string)
        .collect();
    if !local.is_empty() {
        return bad(
            Verdict::Warning,
            NAME,
            format!(
                "{host} is {listed}, of which {} cannot be reached from the internet",
                local.join(", ")
            ),
            format!(
                "publish the public addresses of this server as `{host}. IN A ADDRESS` and AAAA, unless mail comes from this network alone"
            ),
        );
    }
    let alone = match addresses.iter().any(IpAddr::is_ipv6) {
        true => "",
        false => "; there is no AAAA record, so that senders with IPv6 alone do not reach it",
    };
    good(Verdict::Ok, NAME, format!("{host} is {listed}{alone}"))
}

/// Whether an address means something in one network alone.
fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            let [a, b, ..] = four.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            four.is_private()
                || four.is_loopback()
                || four.is_link_local()
                || four.is_unspecified()
                || is_shared
        }
        IpAddr::V6(six) => {
            six.is_loopback()
                || six.is_unspecified()
                || six.is_unique_local()
                || six.is_unicast_link_local()
        }
    }
}

/// The names of an address that are worth asking back for.
pub(super) fn names_of(found: &Found) -> Vec<&str> {
    match found {
        Ok(Records::Names(names)) => names.iter().take(NAMES_MOST).map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether an address has a name that has the address. Others ask that of senders, and some of receivers.
pub(super) fn ptr(
    address: IpAddr,
    hostname: &str,
    found: &Found,
    confirmed: Option<&str>,
) -> Answer {
    const NAME: &str = "ptr";
    if let Some(name) = confirmed {
        let ours = match is_same(name, hostname) {
            true => String::new(),
            false => format!(
                ", which is not server.hostname = {hostname:?}; that does no harm to incoming mail"
            ),
        };
        return good(
            Verdict::Ok,
            NAME,
            format!("{address} is {name}, and that is {address}{ours}"),
        );
    }
    let names = names_of(found);
    let text = match found {
        Err(why) => return unanswered(NAME, &format!("the name of {address}"), why),
        Ok(_) if names.is_empty() => format!("{address} has no PTR record"),
        Ok(_) => format!(
            "{address} is {}, which does not have this address",
            names.join(", ")
        ),
    };
    let reverse = crate::authenticate::dns::Question::names_of(address).name;
    let fix = format!(
        "have the provider of the address publish `{reverse}. IN PTR {}.`",
        without_dot(hostname)
    );
    bad(Verdict::Warning, NAME, text, fix)
}

/// Whether reports on TLS can be sent (RFC 8460).
pub(super) fn tls_rpt(domain: &str, found: &Found) -> Answer {
    const NAME: &str = "tls_rpt";
    let wanted =
        format!("`_smtp._tls.{domain}. IN TXT \"v=TLSRPTv1; rua=mailto:tls-reports@{domain}\"`");
    let texts = match found {
        Err(why) => return unanswered(NAME, &format!("the TLSRPT record of {domain}"), why),
        Ok(found) => texts(found, "v=TLSRPTv1"),
    };
    match &texts[..] {
        [] => good(
            Verdict::Skipped,
            NAME,
            format!("{domain} asks for no reports on TLS; it would with {wanted}"),
        ),
        [text] if text.split(';').any(|part| is_place(part.trim())) => good(
            Verdict::Ok,
            NAME,
            format!("reports on TLS are asked for: {text:?}"),
        ),
        [text] => bad(
            Verdict::Warning,
            NAME,
            format!("the TLSRPT record {text:?} names no place for reports"),
            format!("publish {wanted}"),
        ),
        several => bad(
            Verdict::Warning,
            NAME,
            format!(
                "{domain} has {} TLSRPT records, so that none counts",
                several.len()
            ),
            "remove all but one".to_owned(),
        ),
    }
}

fn is_place(part: &str) -> bool {
    let place = part.strip_prefix("rua=");
    place.is_some_and(|place| place.starts_with("mailto:") || place.starts_with("https://"))
}

/// The texts that begin with this version.
pub(super) fn texts(found: &Records, version: &str) -> Vec<String> {
    let Records::Txt(texts) = found else {
        return Vec::new();
    };
    let texts = texts.iter().map(|text| String::from_utf8_lossy(text));
    let is_of = |text: &str| {
        let rest = text.strip_prefix(version);
        rest.is_some_and(|rest| rest.is_empty() || rest.trim_start().starts_with(';'))
    };
    let of_version = texts.filter(|text| is_of(text));
    of_version.map(std::borrow::Cow::into_owned).collect()
}

/// Whether two names are one.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    without_dot(one).eq_ignore_ascii_case(without_dot(other))
}

/// A name without the dot at its end.
pub(super) fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(servers: &[(u16, &str)]) -> Found {
        let servers = servers
            .iter()
            .map(|(number, name)| (*number, (*name).to_owned()));
        Ok(Records::Mx(servers.collect()))
    }

    #[test]
    fn an_mx_has_to_name_this_server() {
        let judged = |found: &Found| {
            let answer = mx("example.com", "mx.example.net", found);
            (answer.verdict, answer.text, answer.fix.unwrap_or_default())
        };
        let record = "`example.com. IN MX 10 mx.example.net.`";
        let (verdict, text, _) = judged(&servers(&[(20, "b.example"), (10, "MX.example.net")]));
        assert_eq!(
            (verdict, text.as_str()),
            (
                Verdict::Ok,
                "mail for example.com goes to 10 MX.example.net., 20 b.example."
            )
        );
        let (verdict, text, _) = judged(&servers(&[(20, "mx.example.net"), (10, "a.example")]));
        assert_eq!(verdict, Verdict::Ok);
        assert!(text.contains("lower number"), "{text}");
        for (found, words) in [
            (
                servers(&[(10, "a.example")]),
                "goes to 10 a.example., and not to",
            ),
            (servers(&[(0, "")]), "takes no mail"),
            (Ok(Records::Empty), "has no MX record"),
            (Ok(Records::NoName), "does not exist"),
        ] {
            let (verdict, text, fix) = judged(&found);
            assert_eq!(verdict, Verdict::Failed, "{text}");
            assert!(
                text.contains(words) && fix.contains(record),
                "{text}; {fix}"
            );
        }
        let (verdict, text, fix) =
            judged(&Err(Unanswered::Other("no answer within 6 s".to_owned())));
        assert_eq!(verdict, Verdict::Failed);
        assert!(
            text.contains("no answer") && fix.contains("--resolver"),
            "{text}; {fix}"
        );
    }

    #[test]
    fn addresses_have_to_be_reachable() {
        let found = |addresses: &[&str]| -> Found {
            match addresses {
                [] => Ok(Records::Empty),
                some => Ok(Records::Addresses(
                    some.iter().map(|text| text.parse().unwrap()).collect(),
                )),
            }
        };
        for (four, six, verdict, words) in [
            (
                &["192.0.2.1"][..],
                &["2001:db8::1"][..],
                Verdict::Ok,
                "is 192.0.2.1, 2001:db8::1",
            ),
            (&["192.0.2.1"], &[], Verdict::Ok, "no AAAA record"),
            (&[], &["2001:db8::1"], Verdict::Ok, "is 2001:db8::1"),
            (&[], &[], Verdict::Failed, "neither an A nor an AAAA"),
            (
                &["10.1.2.3", "192.0.2.1"],
                &[],
                Verdict::Warning,
                "of which 10.1.2.3 cannot be reached",
            ),
            (
                &["100.64.0.1"],
                &["fd00::1"],
                Verdict::Warning,
                "100.64.0.1, fd00::1 cannot",
            ),
        ] {
            let answer = address("mx.example", &found(four), &found(six));
            assert_eq!(answer.verdict, verdict, "{answer:?}");
            assert!(answer.text.contains(words), "{answer:?}");
        }
        assert!(is_public_name("mx.example.net") && !is_public_name("localhost"));
        assert!(!is_public_name("[192.0.2.1]") && !is_public_name("mx."));
    }

    #[test]
    fn an_address_has_a_name_that_has_the_address() {
        let one = "192.0.2.1".parse().unwrap();
        let named: Found = Ok(Records::Names(vec!["mx.example".to_owned()]));
        let judged = |found: &Found, confirmed| {
            let answer = ptr(one, "mx.example", found, confirmed);
            (answer.verdict, answer.text, answer.fix)
        };
        assert_eq!(judged(&named, Some("mx.example")).0, Verdict::Ok);
        assert!(
            judged(&named, Some("host-1.provider.example"))
                .1
                .contains("does no harm")
        );
        let (verdict, text, fix) = judged(&named, None);
        assert_eq!(verdict, Verdict::Warning);
        assert!(text.contains("does not have this address"), "{text}");
        assert!(
            fix.unwrap()
                .contains("`1.2.0.192.in-addr.arpa. IN PTR mx.example.`")
        );
        assert!(
            judged(&Ok(Records::NoName), None)
                .1
                .contains("has no PTR record")
        );
        assert_eq!(
            judged(&Err(Unanswered::Other("x".to_owned())), None).0,
            Verdict::Failed
        );
    }

    #[test]
    fn a_record_for_reports_names_a_place() {
        let judged = |texts: &[&str]| {
            let texts = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
            tls_rpt("example.com", &Ok(Records::Txt(texts)))
        };
        assert_eq!(
            judged(&["v=TLSRPTv1; rua=mailto:a@example.com"]).verdict,
            Verdict::Ok
        );
        assert_eq!(
            judged(&["v=TLSRPTv1;rua=https://example.com/r"]).verdict,
            Verdict::Ok
        );
        assert_eq!(judged(&["v=TLSRPTv1;"]).verdict, Verdict::Warning);
        assert_eq!(
            judged(&["v=TLSRPTv1;rua=mailto:a", "v=TLSRPTv1"]).verdict,
            Verdict::Warning
        );
        assert_eq!(
            judged(&["v=spf1 -all", "v=TLSRPTv10; rua=mailto:a"]).verdict,
            Verdict::Skipped
        );
        assert!(judged(&[]).text.contains("_smtp._tls.example.com. IN TXT"));
    }
}
