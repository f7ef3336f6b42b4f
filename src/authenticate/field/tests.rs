//! The form of the field, and what senders may put into it.

use super::*;
use crate::authenticate::chain::Chain;
use crate::authenticate::dmarc::Aligned;
use crate::authenticate::reverse::Reverse;
use crate::authenticate::signature::Signed;

fn verdicts() -> Verdicts {
    Verdicts {
        client: "192.0.2.1".parse().unwrap(),
        spf: vec![
            (Claimed::Sender("a.b@example.com".to_owned()), Word::Pass),
            (Claimed::Helo("mail.example.com".to_owned()), Word::None),
        ],
        dkim: vec![Signed {
            word: Word::Pass,
            why: None,
            domain: "example.com".to_owned(),
            selector: "s1".to_owned(),
            start: "ab/d+f==".to_owned(),
        }],
        dmarc: Aligned {
            word: Word::Pass,
            why: None,
            domain: "example.com".to_owned(),
            policy: Some("reject"),
        },
        arc: Chain {
            word: Word::None,
            last: None,
        },
        iprev: Reverse {
            word: Word::Pass,
            name: Some("mail.example.com".to_owned()),
        },
    }
}

#[test]
fn the_field_has_its_form() {
    assert_eq!(
        write("mx.example.net", &verdicts()),
        "Authentication-Results: mx.example.net;\r\n\
         \tspf=pass smtp.mailfrom=a.b@example.com;\r\n\
         \tspf=none smtp.helo=mail.example.com;\r\n\
         \tdkim=pass header.d=example.com header.s=s1 header.b=\"ab/d+f==\";\r\n\
         \tdmarc=pass header.from=example.com policy.dmarc=reject;\r\n\
         \tarc=none;\r\n\
         \tiprev=pass policy.iprev=192.0.2.1 (mail.example.com)\r\n"
    );
    let mut others = verdicts();
    others.client = "2001:db8::1".parse().unwrap();
    others.spf = vec![(Claimed::Helo("mail.example.com".to_owned()), Word::SoftFail)];
    others.dkim = Vec::new();
    others.dmarc = Aligned {
        word: Word::PermError,
        why: Some("no single author"),
        domain: String::new(),
        policy: None,
    };
    others.arc = Chain {
        word: Word::Fail,
        last: Some((3, "list.example".to_owned())),
    };
    others.iprev = Reverse {
        word: Word::PermError,
        name: None,
    };
    assert_eq!(
        write("mx.example.net", &others),
        "Authentication-Results: mx.example.net;\r\n\
         \tspf=softfail smtp.helo=mail.example.com;\r\n\
         \tdkim=none;\r\n\
         \tdmarc=permerror reason=\"no single author\";\r\n\
         \tarc=fail (i=3 sealed by list.example);\r\n\
         \tiprev=permerror policy.iprev=\"2001:db8::1\"\r\n"
    );
}

#[test]
fn an_address_is_plain_quoted_or_only_its_domain() {
    for (address, written) in [
        ("a@example.com", Some("a@example.com")),
        ("a+b=c@example.com", Some("a+b=c@example.com")),
        ("a@B\u{fc}cher.example", Some("a@xn--bcher-kva.example")),
        ("\"a b\"@example.com", Some("\"\\\"a b\\\"@example.com\"")),
        ("a;b@example.com", Some("\"a;b@example.com\"")),
        ("j\u{f6}rg@example.com", Some("example.com")),
        ("a\r\nX: y@example.com", Some("example.com")),
        ("a\u{0}@example.com", Some("example.com")),
        ("a@[192.0.2.1]", Some("\"a@[192.0.2.1]\"")),
        ("Postmaster", Some("Postmaster")),
        ("\u{fffd}", None),
    ] {
        assert_eq!(mailbox(address).as_deref(), written, "{address}");
    }
    assert_eq!(
        mailbox(&format!("{}@example.com", "a".repeat(400))).as_deref(),
        Some("example.com")
    );
}

/// Takes the field apart as a reader does: results between semicolons that are in no quotes and no comment.
fn parts(field: &str) -> Vec<String> {
    let (mut parts, mut quoted, mut depth, mut escaped) = (vec![String::new()], false, 0, false);
    for character in field.chars() {
        let last = parts.last_mut().expect("there is always one");
        match character {
            _ if std::mem::take(&mut escaped) => {}
            '\\' => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ';' if !quoted && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        last.push(character);
    }
    assert!(!quoted && depth == 0 && !escaped, "{field}");
    parts
}

#[test]
fn whatever_a_sender_chooses_the_results_are_ours() {
    let long = "x".repeat(5_000);
    for odd in [
        "a;spf=pass",
        "a\r\nX: y",
        "a\nb",
        "\"",
        "\\",
        "a\"; spf=pass",
        "(",
        ")",
        "a (b",
        "\u{0}",
        "\u{7f}",
        "\u{fc}",
        "\u{202e}",
        "",
        " ",
        "a b",
        "=?utf-8?q?x?=",
        "a,b",
        &long,
    ] {
        let mut verdicts = verdicts();
        verdicts.spf = vec![
            (Claimed::Sender(format!("{odd}@{odd}")), Word::Fail),
            (Claimed::Helo(odd.to_owned()), Word::Fail),
        ];
        verdicts.dkim[0].word = Word::Fail;
        verdicts.dkim[0].domain = odd.to_owned();
        verdicts.dkim[0].selector = odd.to_owned();
        verdicts.dkim[0].start = odd.to_owned();
        verdicts.dmarc.word = Word::Fail;
        verdicts.dmarc.domain = odd.to_owned();
        verdicts.arc = Chain {
            word: Word::Fail,
            last: Some((1, odd.to_owned())),
        };
        verdicts.iprev = Reverse {
            word: Word::Fail,
            name: Some(odd.to_owned()),
        };
        let field = write("mx.example.net", &verdicts);
        assert!(field.ends_with("\r\n") && field.is_ascii(), "{field:?}");
        let unfolded = field.trim_end().replace("\r\n\t", " ");
        assert!(!unfolded.contains(char::is_control), "{field:?}");
        let methods = [
            "spf=fail",
            "spf=fail",
            "dkim=fail",
            "dmarc=fail",
            "arc=fail",
            "iprev=fail",
        ];
        let parts = parts(&unfolded);
        assert_eq!(parts.len(), methods.len() + 1, "{field}");
        for (part, method) in parts[1..].iter().zip(methods) {
            assert!(part.trim_start().starts_with(method), "{part}");
        }
    }
}

#[test]
fn lines_are_folded() {
    let mut verdicts = verdicts();
    let long = format!("{}.example.com", "a".repeat(60));
    verdicts.dkim[0].domain = long.clone();
    verdicts.dkim[0].selector = "b".repeat(60);
    verdicts.dkim.push(Signed {
        selector: "c".repeat(200),
        ..verdicts.dkim[0].clone()
    });
    let field = write("mx.example.net", &verdicts);
    for line in field.lines() {
        // A tab counts as eight columns for some; a word that is longer than a line has its own.
        assert!(
            line.len() <= LINE_OCTETS || line.split(' ').count() == 1,
            "{line}"
        );
    }
}
