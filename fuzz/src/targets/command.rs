//! A command line: parsed or refused, never otherwise; and stable.

use ringpost_proto::limits::{DOMAIN_OCTETS, LOCAL_PART_OCTETS, PATH_OCTETS};
use ringpost_proto::smtp::address::Mailbox;
use ringpost_proto::smtp::command::{Command, Verb, is_like_bdat, parse};
use ringpost_proto::smtp::domain;
use ringpost_proto::smtp::parameter::MailParameters;
use ringpost_proto::smtp::refusal::Refusal;

use crate::mutate::Corpus;
use crate::random::Random;

pub fn corpus() -> Corpus {
    Corpus::read(include_str!("../../corpus/command.txt"), WORDS, 600)
}

pub const WORDS: &[&str] = &[
    "HELO ",
    "EHLO ",
    "MAIL FROM:",
    "RCPT TO:",
    "DATA",
    "BDAT ",
    "BDAT",
    "\u{200b}",
    "\u{fc}",
    ".>",
    " NOTIFY=",
    " RET=",
    "RSET",
    "NOOP",
    "VRFY ",
    "QUIT",
    "STARTTLS",
    "<",
    ">",
    "<>",
    "<a@b.example>",
    "@",
    ":",
    "\"",
    "\\\"",
    ".",
    " SIZE=",
    " BODY=",
    "7BIT",
    "8BITMIME",
    "BINARYMIME",
    " SMTPUTF8",
    " LAST",
    "LAST",
    "postmaster",
    "[192.0.2.1]",
    "[IPv6:2001:db8::1]",
    "@a,@b:",
    "ä",
    "=",
    "18446744073709551616",
    "4294967296",
    "\r",
    "\n",
    "\r\n",
    "\0",
    " ",
    "\t",
    "xn--",
    "-",
    "a.b",
];

pub fn check(line: &[u8], _: &mut Random) {
    let (verb, parsed) = parse(line);
    if line.iter().any(|octet| b"\r\n\0".contains(octet)) {
        assert!(
            matches!(
                parsed,
                Err(Refusal::BareNewline | Refusal::ChunkSyntax | Refusal::NotSmtp)
            ),
            "CR, LF and NUL have no place in a line"
        );
    }
    if is_like_bdat(line) && !matches!(parsed, Ok(Command::Bdat(_))) {
        assert_eq!(
            parsed,
            Err(Refusal::ChunkSyntax),
            "a chunk may follow, so the session ends"
        );
    }
    match &parsed {
        Ok(command) => {
            assert!(!matches!(
                verb,
                Verb::Unknown | Verb::NotOffered | Verb::Http
            ));
            look_at(command);
            assert_eq!(
                parse(&written(command)),
                (verb, parsed.clone()),
                "written out it is the same"
            );
        }
        Err(refusal) => assert!(belongs(verb, *refusal), "{verb:?} {refusal:?}"),
    }
    let spaced = [line, b"  \t"].concat();
    assert_eq!(
        parse(&spaced),
        (verb, parsed.clone()),
        "trailing space changes nothing"
    );
    let length = line
        .iter()
        .position(|&octet| octet == b' ' || octet == b'\t')
        .unwrap_or(line.len());
    let mut other_case = line.to_vec();
    other_case[..length]
        .iter_mut()
        .for_each(|octet| *octet ^= 32 * u8::from(octet.is_ascii_alphabetic()));
    assert_eq!(
        parse(&other_case),
        (verb, parsed),
        "the case of the verb changes nothing"
    );
}

/// Which refusals a verb's line can get.
fn belongs(verb: Verb, refusal: Refusal) -> bool {
    match refusal {
        Refusal::BareNewline | Refusal::ChunkSyntax | Refusal::NotSmtp => true,
        Refusal::UnknownCommand => verb == Verb::Unknown,
        Refusal::NotImplemented => verb == Verb::NotOffered,
        Refusal::HelloName => matches!(verb, Verb::Helo | Verb::Ehlo),
        Refusal::ReversePathSyntax => verb == Verb::Mail,
        Refusal::ForwardPathSyntax => verb == Verb::Rcpt,
        Refusal::AddressNeedsSmtpUtf8 | Refusal::ParameterValue => verb == Verb::Mail,
        Refusal::UnknownParameter => matches!(verb, Verb::Mail | Verb::Rcpt),
        Refusal::Syntax => {
            matches!(
                verb,
                Verb::Mail
                    | Verb::Rcpt
                    | Verb::Data
                    | Verb::Rset
                    | Verb::Quit
                    | Verb::Vrfy
                    | Verb::StartTls
            )
        }
        _ => false,
    }
}

fn look_at(command: &Command) {
    match command {
        Command::Helo(name) | Command::Ehlo(name) => {
            assert!((1..=DOMAIN_OCTETS).contains(&name.len()));
            assert!(!name.chars().any(char::is_control));
        }
        Command::Mail(path, parameters) => {
            if let Some(path) = path {
                look_at_mailbox(path);
                assert!(parameters.smtputf8 || !path.is_international());
            }
        }
        Command::Rcpt(path) => {
            look_at_mailbox(path);
            assert!(!path.domain().is_empty() || path.is_postmaster());
        }
        Command::Data
        | Command::Bdat(_)
        | Command::StartTls
        | Command::Rset
        | Command::Noop
        | Command::Vrfy
        | Command::Help
        | Command::Quit => {}
    }
}

/// What is written into headers and records from a mailbox can do no harm there.
fn look_at_mailbox(mailbox: &Mailbox) {
    let (local_part, domain) = (mailbox.local_part(), mailbox.domain());
    assert!(mailbox.as_str().len() + 2 <= PATH_OCTETS);
    let normal = mailbox.normal_domain();
    assert!((1..=LOCAL_PART_OCTETS).contains(&local_part.len()) && normal.len() <= DOMAIN_OCTETS);
    assert!(normal.is_ascii() && !normal.ends_with('.') && *normal == *domain::normal(&normal));
    assert!(
        mailbox
            .as_str()
            .bytes()
            .all(|octet| octet >= b' ' && octet != 127)
    );
    if domain.is_empty() {
        assert_eq!(mailbox.as_str(), local_part);
    } else {
        assert_eq!(mailbox.as_str(), format!("{local_part}@{domain}"));
        assert!(
            !domain.contains(['@', ' ', '<', '>', '"', '\\', ',', ';', '(', ')']),
            "{domain}"
        );
    }
    if !local_part.starts_with('"') {
        assert!(!local_part.contains([
            '@', ' ', '<', '>', '"', '\\', ',', ';', ':', '(', ')', '[', ']'
        ]));
        assert!(local_part.contains(|c| c != '.'));
    }
}

fn written(command: &Command) -> Vec<u8> {
    let text = match command {
        Command::Helo(name) => format!("HELO {name}"),
        Command::Ehlo(name) => format!("EHLO {name}"),
        Command::Mail(path, parameters) => {
            let path = path.as_ref().map_or("", Mailbox::as_str);
            format!("MAIL FROM:<{path}>{}", written_parameters(parameters))
        }
        Command::Rcpt(path) => format!("RCPT TO:<{}>", path.as_str()),
        Command::Data => "DATA".to_owned(),
        Command::Bdat(chunk) => format!(
            "BDAT {}{}",
            chunk.left,
            if chunk.last { " LAST" } else { "" }
        ),
        Command::StartTls => "STARTTLS".to_owned(),
        Command::Rset => "RSET".to_owned(),
        Command::Noop => "NOOP".to_owned(),
        Command::Vrfy => "VRFY x".to_owned(),
        Command::Help => "HELP".to_owned(),
        Command::Quit => "QUIT".to_owned(),
    };
    text.into_bytes()
}

fn written_parameters(parameters: &MailParameters) -> String {
    // Named one by one, so that the compiler asks about a new one.
    let MailParameters {
        size,
        body,
        smtputf8,
    } = parameters;
    let size = size.map(|size| format!(" SIZE={size}"));
    let body = body.map(|body| format!(" BODY={}", body.keyword()));
    let smtputf8 = smtputf8.then(|| " SMTPUTF8".to_owned());
    [size, body, smtputf8].into_iter().flatten().collect()
}
