//! The examples of RFC 6376 and RFC 8463, and messages changed in every way that should be noticed.

use super::*;
use crate::authenticate::dns::Kind;
use crate::authenticate::dns::tests::Zone;
use crate::authenticate::keys::checker;

/// RFC 8463 appendix A.3; the message is that of RFC 6376 appendix A.
const SIGNED: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
";

const BRISBANE: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const TEST: &str = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";

fn zone() -> Zone {
    Zone::default()
        .with(
            "brisbane._domainkey.football.example.com",
            Kind::Txt,
            &[BRISBANE],
        )
        .with("test._domainkey.football.example.com", Kind::Txt, &[TEST])
}

fn verify(zone: &Zone, text: &str) -> Vec<Signed> {
    let text = text.replace('\n', "\r\n");
    let message = Message::parse(text.as_bytes());
    let signatures = Signatures::read(&message);
    let checker = checker().unwrap();
    zone.run(|answers| signatures.verify(&checker, answers))
}

fn words(zone: &Zone, text: &str) -> Vec<Word> {
    verify(zone, text)
        .iter()
        .map(|signed| signed.word)
        .collect()
}

#[test]
fn the_signatures_of_the_rfc_hold() {
    let signed = verify(&zone(), SIGNED);
    assert_eq!(signed[0].word, Word::Pass, "{:?}", signed[0].why);
    assert_eq!(signed[1].word, Word::Pass, "{:?}", signed[1].why);
    assert_eq!(signed[0].domain, "football.example.com");
    assert_eq!(
        (signed[0].selector.as_str(), signed[1].selector.as_str()),
        ("brisbane", "test")
    );
    assert_eq!(
        (signed[0].start.as_str(), signed[1].start.as_str()),
        ("/gCrinpc", "F45dVWDf")
    );
    // What is added on top does not matter, and neither do blanks that relaxed forms let go.
    let more = format!(
        "Received: x\n{}",
        SIGNED.replace("Subject: Is dinner", "SUBJECT:\tIs \n dinner")
    );
    assert_eq!(words(&zone(), &more), [Word::Pass; 2]);
    let no_fields = format!("junk\n{SIGNED}");
    assert_eq!(words(&zone(), &no_fields), [Word::Pass; 2]);
}

#[test]
fn what_was_changed_does_not_verify() {
    for (was, is, why) in [
        ("hungry", "thirsty", "the body was changed"),
        ("\nJoe.\n", "\nJoe.\nBuy!\n", "the body was changed"),
        ("dinner ready", "lunch ready", "it does not verify"),
        ("suzie@shopping", "eve@shopping", "it does not verify"),
        (
            "From: Joe",
            "From: Eve <eve@football.example.com>\nFrom: Joe",
            "it does not verify",
        ),
        ("Date: Fri", "Subject: Buy\nDate: Fri", "it does not verify"),
    ] {
        let changed = SIGNED.replace(was, is);
        assert_ne!(changed, SIGNED, "{was}");
        for signed in verify(&zone(), &changed) {
            assert_eq!((signed.word, signed.why), (Word::Fail, Some(why)), "{was}");
        }
    }
}

#[test]
fn keys_decide() {
    let of = |zone: Zone| {
        let signed = verify(&zone, SIGNED);
        (signed[0].word, signed[0].why)
    };
    let with = |key: &str| {
        Zone::default().with(
            "brisbane._domainkey.football.example.com",
            Kind::Txt,
            &[key],
        )
    };
    assert_eq!(
        of(Zone::default()),
        (Word::PermError, Some("there is no key"))
    );
    assert_eq!(
        of(with("v=DKIM1; p=")),
        (Word::PermError, Some("the key is revoked"))
    );
    assert_eq!(
        of(with("v=spf1 -all")),
        (Word::PermError, Some("there is no key"))
    );
    assert_eq!(
        of(with("k=ed25519; p=AAAA")),
        (Word::Fail, Some("it does not verify"))
    );
    assert_eq!(
        of(with("k=other; p=AAAA")),
        (Word::PermError, Some("the key cannot be used"))
    );
    assert_eq!(of(with(TEST)), (Word::Fail, Some("it does not verify")));
    assert_eq!(
        of(with(&format!("{BRISBANE}; s=tlsrpt"))),
        (Word::PermError, Some("there is no key"))
    );
    assert_eq!(of(with(&format!("{BRISBANE}; t=s"))), (Word::Pass, None));
    let broken = Zone::default().broken("brisbane._domainkey.football.example.com", Kind::Txt);
    assert_eq!(of(broken), (Word::TempError, Some("no answer for the key")));
    let several = Zone::default().with(
        "brisbane._domainkey.football.example.com",
        Kind::Txt,
        &["other", BRISBANE],
    );
    assert_eq!(of(several), (Word::Pass, None));
}

/// What is changed in the signature, and the result.
const REFUSED: [(&str, &str, Word, &str); 14] = [
    ("v=1; ", "", Word::Neutral, "a required tag is missing"),
    ("v=1; ", "v=2; ", Word::Neutral, "unknown version"),
    (
        "s=brisbane; ",
        "",
        Word::Neutral,
        "a required tag is missing",
    ),
    ("v=1; ", "v=1; v=1; ", Word::Neutral, "not a tag list"),
    (
        "a=ed25519-sha256",
        "a=dsa-sha256",
        Word::Neutral,
        "unreadable",
    ),
    (
        "a=ed25519-sha256",
        "a=rsa-sha1",
        Word::Policy,
        "rsa-sha1 is not accepted",
    ),
    ("q=dns/txt", "q=x", Word::Neutral, "unknown query method"),
    ("c=relaxed/relaxed", "c=other", Word::Neutral, "unreadable"),
    (
        "i=@football.example.com",
        "i=@example.com",
        Word::PermError,
        "i= is not in d=",
    ),
    (
        "t=1528637909",
        "t=1528637909; x=1528637910",
        Word::Policy,
        "it has expired",
    ),
    (
        "t=1528637909",
        "t=1528637909; x=1528637909",
        Word::PermError,
        "it expired before it was made",
    ),
    (
        "t=1528637909",
        "t=1528637909; l=10",
        Word::Policy,
        "a part of the body is not signed",
    ),
    (
        "t=1528637909",
        "t=1528637909; l=1000",
        Word::PermError,
        "the body is shorter than was signed",
    ),
    (
        "t=1528637909",
        "t=1528637909; l=x",
        Word::Neutral,
        "unreadable length",
    ),
];

#[test]
fn signatures_that_are_not_accepted_have_their_reason() {
    let first = |was: &str, is: &str| {
        let changed = SIGNED.replacen(was, is, 1);
        assert_ne!(changed, SIGNED, "{was}");
        let signed = verify(&zone(), &changed);
        (signed[0].word, signed[0].why.unwrap_or_default())
    };
    for (was, is, word, why) in REFUSED {
        assert_eq!(first(was, is), (word, why), "{was} -> {is}");
    }
    let unsigned = SIGNED.replace("from : to :", "to :").replace(" from :", "");
    assert_eq!(
        verify(&zone(), &unsigned)[0].why,
        Some("From is not signed")
    );
}

#[test]
fn every_from_field_has_to_be_signed() {
    // The signatures of the RFC name From twice, so that a second one breaks them.
    let once = SIGNED.replace("message-id : from : subject", "message-id : subject");
    let once = once.replace("date : message-id : from :", "date : message-id :");
    let second = format!("From: eve@football.example.com\n{once}");
    for signed in verify(&zone(), &second) {
        let expected = (Word::Policy, Some("a From field is not signed"));
        assert_eq!((signed.word, signed.why), expected);
    }
}

#[test]
fn signatures_are_counted() {
    assert_eq!(words(&zone(), "From: a@b.example\n\nx\n"), []);
    let (one, rest) = SIGNED.split_at(SIGNED.find("DKIM-Signature: v=1; a=rsa").unwrap());
    let many = format!("{}{rest}", one.repeat(SIGNATURES_MOST + 5));
    assert_eq!(words(&zone(), &many), [Word::Pass; SIGNATURES_MOST]);
}
