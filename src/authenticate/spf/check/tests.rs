//! The limits and the mechanisms, with zones of records.

use super::*;
use crate::authenticate::dns::tests::Zone;

fn result(zone: &Zone, client: &str) -> Word {
    let claim = Claim {
        client: client.parse().unwrap(),
        domain: "example.com",
        local_part: "strong-bad",
        helo: "mx.example.org",
    };
    zone.run(|answers| check_host(&claim, answers))
}

fn spf(record: &str) -> Zone {
    Zone::default().with("example.com", Kind::Txt, &[record])
}

/// The zone of RFC 7208 appendix A, with this record.
fn appendix_a(record: &str) -> Zone {
    spf(record)
        .with("example.com", Kind::A, &["192.0.2.10", "192.0.2.11"])
        .with(
            "example.com",
            Kind::Mx,
            &["mail-a.example.com", "mail-b.example.com"],
        )
        .with("mail-a.example.com", Kind::A, &["192.0.2.129"])
        .with("mail-b.example.com", Kind::A, &["192.0.2.130"])
        .with("amy.example.com", Kind::A, &["192.0.2.65"])
        .with("bob.example.com", Kind::A, &["192.0.2.66"])
        .with("example.org", Kind::Mx, &["mail-c.example.org"])
        .with("mail-c.example.org", Kind::A, &["192.0.2.140"])
        .with("65.2.0.192.in-addr.arpa", Kind::Ptr, &["amy.example.com"])
        .with(
            "140.2.0.192.in-addr.arpa",
            Kind::Ptr,
            &["mail-c.example.org"],
        )
        .with("4.0.0.10.in-addr.arpa", Kind::Ptr, &["bob.example.com"])
}

#[test]
fn the_examples_of_appendix_a() {
    for (record, passes, fails) in [
        ("v=spf1 +all", &["192.0.2.129", "10.0.0.4"][..], &[][..]),
        (
            "v=spf1 a -all",
            &["192.0.2.10", "192.0.2.11"],
            &["192.0.2.129"],
        ),
        ("v=spf1 a:example.org -all", &[], &["192.0.2.10"]),
        (
            "v=spf1 mx -all",
            &["192.0.2.129", "192.0.2.130"],
            &["192.0.2.10"],
        ),
        (
            "v=spf1 mx:example.org -all",
            &["192.0.2.140"],
            &["192.0.2.129"],
        ),
        (
            "v=spf1 mx mx:example.org -all",
            &["192.0.2.129", "192.0.2.130", "192.0.2.140"],
            &["192.0.2.10"],
        ),
        (
            "v=spf1 mx/30 mx:example.org/30 -all",
            &["192.0.2.131", "192.0.2.143"],
            &["192.0.2.132"],
        ),
        // 10.0.0.4 has a name that does not have the address.
        (
            "v=spf1 ptr -all",
            &["192.0.2.65"],
            &["192.0.2.140", "10.0.0.4"],
        ),
        (
            "v=spf1 ip4:192.0.2.128/28 -all",
            &["192.0.2.129"],
            &["192.0.2.65"],
        ),
    ] {
        for client in passes {
            assert_eq!(
                result(&appendix_a(record), client),
                Word::Pass,
                "{record} {client}"
            );
        }
        for client in fails {
            assert_eq!(
                result(&appendix_a(record), client),
                Word::Fail,
                "{record} {client}"
            );
        }
    }
}

#[test]
fn without_a_record_there_is_nothing_to_check() {
    assert_eq!(result(&Zone::default(), "192.0.2.1"), Word::None);
    assert_eq!(result(&spf("v=spf1"), "192.0.2.1"), Word::Neutral);
    let several = Zone::default().with("example.com", Kind::Txt, &["v=spf1", "v=spf1 -all"]);
    assert_eq!(result(&several, "192.0.2.1"), Word::PermError);
    let broken = Zone::default().broken("example.com", Kind::Txt);
    assert_eq!(result(&broken, "192.0.2.1"), Word::TempError);
    for domain in [
        "",
        "localhost",
        "[192.0.2.1]",
        "a..b",
        "x.example..",
        ".example",
    ] {
        let claim = Claim {
            client: "192.0.2.1".parse().unwrap(),
            domain,
            local_part: "a",
            helo: domain,
        };
        let word = Zone::default().run(|answers| check_host(&claim, answers));
        assert_eq!(word, Word::None, "{domain}");
    }
}

#[test]
fn an_included_record_matches_where_it_passes() {
    for (inner, outer) in [
        ("v=spf1 all", Word::SoftFail),
        ("v=spf1 -all", Word::Fail),
        ("v=spf1 ~all", Word::Fail),
        ("v=spf1 ?all", Word::Fail),
        ("v=spf1", Word::Fail),
        ("no record", Word::PermError),
        ("v=spf1 foo", Word::PermError),
    ] {
        let zone =
            spf("v=spf1 ~include:inner.example -all").with("inner.example", Kind::Txt, &[inner]);
        assert_eq!(result(&zone, "192.0.2.1"), outer, "{inner}");
    }
    // A match of the second record that does not pass is no match of the first.
    let nested = spf("v=spf1 include:b.example -all")
        .with("b.example", Kind::Txt, &["v=spf1 ?include:c.example ~all"])
        .with("c.example", Kind::Txt, &["v=spf1 +all"]);
    assert_eq!(result(&nested, "192.0.2.1"), Word::Fail);
    let broken = spf("v=spf1 include:b.example +all").broken("b.example", Kind::Txt);
    assert_eq!(result(&broken, "192.0.2.1"), Word::TempError);
}

#[test]
fn redirect_takes_the_other_records_result() {
    let zone =
        |other: &str| spf("v=spf1 redirect=b.example").with("b.example", Kind::Txt, &[other]);
    assert_eq!(result(&zone("v=spf1 ~all"), "192.0.2.1"), Word::SoftFail);
    assert_eq!(result(&zone("v=spf1"), "192.0.2.1"), Word::Neutral);
    assert_eq!(result(&zone("no record"), "192.0.2.1"), Word::PermError);
    let never = spf("v=spf1 redirect=b.example -all");
    assert_eq!(result(&never, "192.0.2.1"), Word::Fail);
}

#[test]
fn lookups_and_voids_are_limited() {
    let mut zone = spf("v=spf1 include:i1.example -all");
    for at in 1..=10 {
        let next = format!("v=spf1 include:i{}.example -all", at + 1);
        zone = zone.with(&format!("i{at}.example"), Kind::Txt, &[&next]);
    }
    let ends =
        |zone: Zone, at: usize| zone.with(&format!("i{at}.example"), Kind::Txt, &["v=spf1 +all"]);
    assert_eq!(result(&ends(zone.clone(), 10), "192.0.2.1"), Word::Pass);
    assert_eq!(result(&ends(zone, 11), "192.0.2.1"), Word::PermError);
    let itself = spf("v=spf1 include:example.com -all");
    assert_eq!(result(&itself, "192.0.2.1"), Word::PermError);
    let voids = spf("v=spf1 a:a.example a:b.example +all");
    assert_eq!(result(&voids, "192.0.2.1"), Word::Pass);
    let voids = spf("v=spf1 a:a.example a:b.example exists:c.example +all");
    assert_eq!(result(&voids, "192.0.2.1"), Word::PermError);
    let servers: Vec<String> = (0..11).map(|at| format!("m{at}.example")).collect();
    let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
    let mut many = spf("v=spf1 mx -all").with("example.com", Kind::Mx, &servers);
    for server in &servers {
        many = many.with(server, Kind::A, &["192.0.2.9"]);
    }
    assert_eq!(result(&many, "192.0.2.9"), Word::Pass);
    assert_eq!(result(&many, "192.0.2.1"), Word::PermError);
}

#[test]
fn addresses_of_both_kinds_are_compared() {
    let zone = spf("v=spf1 a/24//64 ip6:2001:db8:1::/48 exists:%{ir}.%{v}.x.example -all")
        .with("example.com", Kind::A, &["192.0.2.1"])
        .with("example.com", Kind::Aaaa, &["2001:db8::1"])
        .with("7.2.0.198.in-addr.x.example", Kind::A, &["127.0.0.2"]);
    for (client, word) in [
        ("192.0.2.77", Word::Pass),
        ("192.0.3.1", Word::Fail),
        ("2001:db8::ffff", Word::Pass),
        ("2001:db8:0:1::1", Word::Fail),
        ("2001:db8:1:2::3", Word::Pass),
        ("::ffff:192.0.2.5", Word::Pass),
        ("198.0.2.7", Word::Pass),
    ] {
        assert_eq!(result(&zone, client), word, "{client}");
    }
}

#[test]
fn the_clients_name_is_one_that_has_its_address() {
    let zone = |names: &[&str]| {
        spf("v=spf1 exists:%{p}.x.example -all")
            .with("1.2.0.192.in-addr.arpa", Kind::Ptr, names)
            .with("a.example.com", Kind::A, &["192.0.2.1"])
            .with("other.example", Kind::A, &["192.0.2.1"])
            .with("liar.example", Kind::A, &["192.0.2.2"])
            .with("a.example.com.x.example", Kind::A, &["127.0.0.2"])
    };
    assert_eq!(
        result(&zone(&["other.example", "A.example.com"]), "192.0.2.1"),
        Word::Pass
    );
    assert_eq!(result(&zone(&["other.example"]), "192.0.2.1"), Word::Fail);
    let unknown = zone(&["liar.example"]).with("unknown.x.example", Kind::A, &["127.0.0.2"]);
    assert_eq!(result(&unknown, "192.0.2.1"), Word::Pass);
}
