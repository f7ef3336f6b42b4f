//! A chain of two sets, sealed here, and what breaks it. tests/authenticate_suite.rs runs a suite of others.

use super::*;
use crate::authenticate::dns::Kind;
use crate::authenticate::dns::tests::Zone;
use crate::authenticate::keys::checker;
use crate::authenticate::signature::Signatures;

/// A message to seal.
const MESSAGE: &str = "From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?

Hi.

We lost the game.  Are you hungry yet?

Joe.
";

/// The public key of RFC 8463 appendix A.
const BRISBANE: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

fn chain(zone: &Zone, text: &str) -> Chain {
    let text = text.replace('\n', "\r\n");
    let message = Message::parse(text.as_bytes());
    let signatures = Signatures::read(&message);
    let checker = checker().unwrap();
    zone.run(|answers| signatures.verify_chain(&checker, answers))
}

/// A message with a chain of two sets, sealed here with the key of RFC 8032 7.1 (test 1), which RFC 8463 uses.
fn sealed() -> String {
    use mail_auth::arc::ArcSealer;
    use mail_auth::common::crypto::Ed25519Key;
    use mail_auth::common::headers::HeaderWriter;
    use mail_auth::{AuthenticationResults, DkimOutput};

    let mut seed = [
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ]
    .to_vec();
    let secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    seed.extend((0..32).map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).unwrap()));
    let mut text = MESSAGE.replace('\n', "\r\n");
    for domain in ["first.example", "second.example"] {
        let sealed = {
            let message = AuthenticatedMessage::parse(text.as_bytes()).unwrap();
            let checker = checker().unwrap();
            let mut names = vec!["brisbane._domainkey.first.example".to_owned()];
            names.push("brisbane._domainkey.second.example".to_owned());
            let keys = arc_zone().run(|answers| Keys::find(names.clone(), answers));
            let chain = at_once(checker.verify_arc(keys.parameters(&message)));
            let results =
                AuthenticationResults::new(domain).with_dkim_results(&[DkimOutput::pass()], "a@b");
            let sealer =
                ArcSealer::from_key(Ed25519Key::from_pkcs8_maybe_unchecked_der(&seed).unwrap())
                    .domain(domain)
                    .selector("brisbane")
                    .headers(["From", "To", "Subject"]);
            sealer.seal(&message, &results, &chain).unwrap().to_header()
        };
        text = format!("{sealed}{text}");
    }
    text.replace("\r\n", "\n")
}

fn arc_zone() -> Zone {
    Zone::default()
        .with("brisbane._domainkey.first.example", Kind::Txt, &[BRISBANE])
        .with("brisbane._domainkey.second.example", Kind::Txt, &[BRISBANE])
}

#[test]
fn a_chain_holds_until_it_is_touched() {
    let none = chain(&Zone::default(), MESSAGE);
    assert_eq!(
        none,
        Chain {
            word: Word::None,
            last: None
        }
    );
    let text = sealed();
    let whole = chain(&arc_zone(), &text);
    assert_eq!(whole.word, Word::Pass, "{text}");
    assert_eq!(whole.last, Some((2, "second.example".to_owned())));
    for (was, is) in [
        ("hungry", "thirsty"),
        ("dinner ready", "lunch ready"),
        ("i=2;", "i=3;"),
        ("ARC-Authentication-Results: i=1", "X-Was: i=1"),
        ("cv=pass", "cv=none"),
        ("first.example;\n\tdkim=pass", "first.example;\n\tdkim=fail"),
    ] {
        let changed = text.replace(was, is);
        assert_ne!(changed, text, "{was}");
        assert_eq!(
            chain(&arc_zone(), &changed).word,
            Word::Fail,
            "{was} -> {is}"
        );
    }
    assert_eq!(chain(&Zone::default(), &text).word, Word::Fail);
    let broken = arc_zone().broken("brisbane._domainkey.first.example", Kind::Txt);
    assert_eq!(chain(&broken, &text).word, Word::TempError);
}
