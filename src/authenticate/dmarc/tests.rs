//! Authors, walks and alignment; the examples of RFC 7489 appendix B.1 and RFC 9989 section 4.10 and appendix B.

use super::*;
use crate::authenticate::dns::tests::Zone;

fn author_of(from: &str) -> Author {
    let message = format!("{from}\r\nTo: b@example.org\r\n\r\n");
    author(&Message::parse(message.as_bytes()))
}

fn spf(domain: &str) -> Identity {
    Identity {
        domain: domain.to_owned(),
        word: Word::Pass,
        by_spf: true,
    }
}

fn dkim(domain: &str) -> Identity {
    Identity {
        by_spf: false,
        ..spf(domain)
    }
}

fn run(zone: &Zone, author: &str, identities: &[Identity]) -> Aligned {
    let author = Author::Domain(author.to_owned());
    zone.run(|answers| check(&author, identities, answers))
}

fn policy(name: &str, text: &str) -> Zone {
    Zone::default().with(&format!("_dmarc.{name}"), Kind::Txt, &[text])
}

#[test]
fn the_author_is_one_domain() {
    for (from, domain) in [
        ("From: a@Example.COM", "example.com"),
        ("from : \"x, y@z.example\" <a@example.com>", "example.com"),
        ("FROM: a@example.com (b@c.example)", "example.com"),
        ("From: a@example.com, b@example.com", "example.com"),
        (
            "From: =?utf-8?q?b=40c.example?= <a@example.com>",
            "example.com",
        ),
        ("From: a@b\u{fc}cher.example", "xn--bcher-kva.example"),
        ("From: group: a@example.com, b@example.com;", "example.com"),
    ] {
        assert_eq!(author_of(from), Author::Domain(domain.to_owned()), "{from}");
    }
    assert_eq!(
        author_of("From: a@example.com, b@example.org"),
        Author::Several
    );
    for from in [
        "X: y",
        "From:",
        "From: nobody",
        "From: a@example.com\r\nFrom: a@example.com",
        "From: <>",
    ] {
        assert_eq!(author_of(from), Author::Unclear, "{from}");
    }
    let several = Zone::default().run(|answers| check(&Author::Several, &[], answers));
    assert_eq!(
        (several.word, several.why),
        (Word::None, Some("several author domains"))
    );
    let unclear = Zone::default().run(|answers| check(&Author::Unclear, &[], answers));
    assert_eq!(
        (unclear.word, unclear.why),
        (Word::PermError, Some("no single author"))
    );
}

#[test]
fn the_examples_of_alignment() {
    // RFC 7489 B.1.1: SPF in alignment, in the same domain, in a subdomain, in none.
    let relaxed = policy("example.com", "v=DMARC1; p=none");
    assert_eq!(
        run(&relaxed, "example.com", &[spf("example.com")]).word,
        Word::Pass
    );
    assert_eq!(
        run(&relaxed, "child.example.com", &[spf("example.com")]).word,
        Word::Pass
    );
    assert_eq!(
        run(&relaxed, "example.com", &[spf("child.example.com")]).word,
        Word::Pass
    );
    assert_eq!(
        run(&relaxed, "child.example.com", &[spf("example.net")]).word,
        Word::Fail
    );
    // B.1.2: the same of DKIM.
    assert_eq!(
        run(&relaxed, "example.com", &[dkim("example.com")]).word,
        Word::Pass
    );
    assert_eq!(
        run(&relaxed, "child.example.com", &[dkim("example.com")]).word,
        Word::Pass
    );
    assert_eq!(
        run(&relaxed, "child.example.com", &[dkim("sample.net")]).word,
        Word::Fail
    );
    let strict = policy("example.com", "v=DMARC1; p=none; aspf=s; adkim=s");
    assert_eq!(
        run(
            &strict,
            "child.example.com",
            &[spf("example.com"), dkim("example.com")]
        )
        .word,
        Word::Fail
    );
    assert_eq!(
        run(&strict, "child.example.com", &[spf("child.example.com")]).word,
        Word::Pass
    );
    assert_eq!(
        run(&strict, "child.example.com", &[dkim("Child.Example.com")]).word,
        Word::Pass
    );
    // A name that only ends alike is another domain.
    assert_eq!(
        run(&relaxed, "example.com", &[dkim("notexample.com")]).word,
        Word::Fail
    );
}

#[test]
fn the_policy_is_the_nearest() {
    let of = |zone: &Zone, author: &str| run(zone, author, &[]).policy;
    let both = policy("example.com", "v=DMARC1; p=reject; sp=quarantine; np=none")
        .with("_dmarc.own.example.com", Kind::Txt, &["v=DMARC1; p=none"])
        .with("sub.example.com", Kind::A, &["192.0.2.1"]);
    assert_eq!(of(&both, "example.com"), Some("reject"));
    assert_eq!(of(&both, "sub.example.com"), Some("quarantine"));
    assert_eq!(of(&both, "missing.example.com"), Some("none"));
    assert_eq!(of(&both, "own.example.com"), Some("none"));
    assert_eq!(of(&both, "example.net"), None);
    assert_eq!(
        run(&both, "example.net", &[spf("example.net")]).word,
        Word::None
    );
    let test = policy("example.com", "v=DMARC1; p=reject; t=y");
    assert_eq!(of(&test, "example.com"), Some("quarantine"));
    let reports = policy("example.com", "v=DMARC1; rua=mailto:a@example.com");
    assert_eq!(of(&reports, "example.com"), Some("none"));
    let nothing = policy("example.com", "v=DMARC1");
    assert_eq!(of(&nothing, "example.com"), None);
}

#[test]
fn walks_stop_at_suffixes() {
    // The domain of a registry says that it is one, so what is below it is of several organizations.
    let zone = policy("registry.example", "v=DMARC1; p=reject; psd=y").with(
        "_dmarc.one.registry.example",
        Kind::Txt,
        &["v=DMARC1; p=none"],
    );
    assert_eq!(
        run(
            &zone,
            "a.one.registry.example",
            &[dkim("b.one.registry.example")]
        )
        .word,
        Word::Pass
    );
    assert_eq!(
        run(
            &zone,
            "one.registry.example",
            &[dkim("two.registry.example")]
        )
        .word,
        Word::Fail
    );
    assert_eq!(
        run(&zone, "two.registry.example", &[]).policy,
        Some("reject")
    );
    assert_eq!(
        run(
            &zone,
            "a.two.registry.example",
            &[dkim("two.registry.example")]
        )
        .word,
        Word::Pass
    );
    // A part of an organization is one of its own.
    let own = policy("example.com", "v=DMARC1; p=none").with(
        "_dmarc.unit.example.com",
        Kind::Txt,
        &["v=DMARC1; p=none; psd=n"],
    );
    assert_eq!(
        run(&own, "a.unit.example.com", &[dkim("b.unit.example.com")]).word,
        Word::Pass
    );
    assert_eq!(
        run(&own, "a.unit.example.com", &[dkim("example.com")]).word,
        Word::Fail
    );
}

#[test]
fn a_walk_has_eight_names_at_most() {
    let mut names = Vec::new();
    let mut name = Some("a.b.c.d.e.f.g.h.i.j.mail.example.com");
    while let Some(current) = name {
        names.push(current);
        name = next(current);
    }
    // RFC 9989 4.10, the example of a long name.
    let expected = [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ];
    assert_eq!(names, expected);
    assert_eq!(one_below("com", "a.example.com"), "example.com");
    assert_eq!(one_below("com", "com"), "com");
}

#[test]
fn records_that_cannot_be_read_and_answers_that_do_not_come() {
    let several = Zone::default().with(
        "_dmarc.example.com",
        Kind::Txt,
        &["v=DMARC1; p=none", "v=DMARC1; p=reject"],
    );
    assert_eq!(
        run(&several, "example.com", &[spf("example.com")]).word,
        Word::None
    );
    let other = Zone::default().with(
        "_dmarc.example.com",
        Kind::Txt,
        &["v=spf1", "v=DMARC1; p=none"],
    );
    assert_eq!(
        run(&other, "example.com", &[spf("example.com")]).word,
        Word::Pass
    );
    let wrong = policy("example.com", "v=DMARC1; p=perhaps");
    assert_eq!(
        run(&wrong, "example.com", &[spf("example.com")]).word,
        Word::PermError
    );
    let broken = Zone::default().broken("_dmarc.example.com", Kind::Txt);
    assert_eq!(
        run(&broken, "example.com", &[spf("example.com")]).word,
        Word::TempError
    );
    let zone = policy("example.com", "v=DMARC1; p=reject");
    let unknown = Identity {
        word: Word::TempError,
        ..dkim("example.com")
    };
    assert_eq!(
        run(&zone, "example.com", std::slice::from_ref(&unknown)).word,
        Word::TempError
    );
    assert_eq!(
        run(&zone, "example.com", &[unknown.clone(), spf("example.com")]).word,
        Word::Pass
    );
    let elsewhere = Identity {
        domain: "example.net".to_owned(),
        ..unknown
    };
    assert_eq!(run(&zone, "example.com", &[elsewhere]).word, Word::Fail);
    assert_eq!(run(&zone, "example.com", &[]).word, Word::Fail);
    // A top-level domain has no policy.
    assert_eq!(
        run(&policy("com", "v=DMARC1; p=none"), "com", &[]).word,
        Word::None
    );
}
