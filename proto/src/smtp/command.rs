//! The verbs of SMTP and their arguments (RFC 5321 4.1.1).
//!
//! Owns: from the octets of a line to a command, or the refusal that answers it. Must not know: whether the command is in
//! order now.

use super::address::{self, Mailbox};
use super::parameter::{self, Chunk, MailParameters};
use super::refusal::Refusal;
use crate::limits::DOMAIN_OCTETS;

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// HELO with the client's name.
    Helo(String),
    /// EHLO with the client's name.
    Ehlo(String),
    /// MAIL with the reverse-path (`None`: the null reverse-path) and its parameters.
    Mail(Option<Mailbox>, MailParameters),
    /// RCPT with the forward-path.
    Rcpt(Mailbox),
    /// DATA.
    Data,
    /// BDAT with the octets of its chunk and whether it is the last (RFC 3030).
    Bdat(Chunk),
    /// STARTTLS (RFC 3207).
    StartTls,
    /// RSET.
    Rset,
    /// NOOP, whatever its argument.
    Noop,
    /// VRFY.
    Vrfy,
    /// HELP, whatever its argument.
    Help,
    /// QUIT.
    Quit,
}

/// The verb of a command line, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// HELO.
    Helo,
    /// EHLO.
    Ehlo,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// BDAT.
    Bdat,
    /// STARTTLS.
    StartTls,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY.
    Vrfy,
    /// HELP.
    Help,
    /// QUIT.
    Quit,
    /// Known to SMTP and not offered: EXPN, TURN, ETRN, AUTH and the like.
    NotOffered,
    /// The method of an HTTP request: not a mail client.
    Http,
    /// Anything else.
    Unknown,
}

impl Verb {
    /// All verbs, in the order of the metric's label values.
    pub const ALL: [Verb; 15] = [
        Verb::Helo,
        Verb::Ehlo,
        Verb::Mail,
        Verb::Rcpt,
        Verb::Data,
        Verb::Bdat,
        Verb::StartTls,
        Verb::Rset,
        Verb::Noop,
        Verb::Vrfy,
        Verb::Help,
        Verb::Quit,
        Verb::NotOffered,
        Verb::Http,
        Verb::Unknown,
    ];

    /// Value of the metric label `verb`.
    pub fn label(self) -> &'static str {
        match self {
            Verb::Helo => "helo",
            Verb::Ehlo => "ehlo",
            Verb::Mail => "mail",
            Verb::Rcpt => "rcpt",
            Verb::Data => "data",
            Verb::Bdat => "bdat",
            Verb::StartTls => "starttls",
            Verb::Rset => "rset",
            Verb::Noop => "noop",
            Verb::Vrfy => "vrfy",
            Verb::Help => "help",
            Verb::Quit => "quit",
            Verb::NotOffered => "not_offered",
            Verb::Http => "http",
            Verb::Unknown => "unknown",
        }
    }

    fn of(word: &[u8]) -> Verb {
        let mut upper = [0_u8; 8];
        let Some(upper) = upper.get_mut(..word.len()) else {
            return Verb::Unknown;
        };
        for (upper, octet) in upper.iter_mut().zip(word) {
            *upper = octet.to_ascii_uppercase();
        }
        match &*upper {
            b"HELO" => Verb::Helo,
            b"EHLO" => Verb::Ehlo,
            b"MAIL" => Verb::Mail,
            b"RCPT" => Verb::Rcpt,
            b"DATA" => Verb::Data,
            b"BDAT" => Verb::Bdat,
            b"STARTTLS" => Verb::StartTls,
            b"RSET" => Verb::Rset,
            b"NOOP" => Verb::Noop,
            b"VRFY" => Verb::Vrfy,
            b"HELP" => Verb::Help,
            b"QUIT" => Verb::Quit,
            b"EXPN" | b"TURN" | b"ETRN" | b"ATRN" | b"AUTH" | b"BURL" | b"SEND" | b"SOML"
            | b"SAML" => Verb::NotOffered,
            b"GET" | b"POST" | b"PUT" | b"PATCH" | b"DELETE" | b"OPTIONS" | b"CONNECT"
            | b"TRACE" | b"HEAD" | b"PRI" => Verb::Http,
            _ => Verb::Unknown,
        }
    }
}

/// Parses a line without its CRLF. The verb is known even if the rest is refused.
pub fn parse(line: &[u8]) -> (Verb, Result<Command, Refusal>) {
    let (verb, rest) = divide(line);
    if memchr::memchr3(b'\r', b'\n', 0, line).is_some() {
        return (
            verb,
            Err(at_first_sight(line).unwrap_or(Refusal::BareNewline)),
        );
    }
    let command = match verb {
        Verb::Unknown => Err(at_first_sight(line).unwrap_or(Refusal::UnknownCommand)),
        _ => command(verb, rest),
    };
    (verb, command)
}

/// What answers a line that ended with a bare LF, and the verb that it had.
pub fn parse_bare(line: &[u8]) -> (Verb, Refusal) {
    let refusal = at_first_sight(line).unwrap_or(Refusal::BareNewline);
    (divide(line).0, refusal)
}

/// The refusal of a line after which nothing may be read as a command, however the line ends and whatever else is wrong with it;
/// also of the front of one that is too long. Octets of a chunk may follow whatever begins as BDAT does. A browser's or a
/// server's HTTP request has headers and a body after it, which somebody else may have written; where its first line was not
/// known, its `Host:` is. A header field is no command either way, and Postfix ends the session at one too.
pub fn at_first_sight(line: &[u8]) -> Option<Refusal> {
    let mut parts = line.split(|octet| matches!(octet, b'\r' | b'\n' | 0));
    if parts.any(is_like_bdat) {
        return Some(Refusal::ChunkSyntax);
    }
    let is_http = first_word(line) == Verb::Http
        || memchr::memmem::find(line, b" HTTP/").is_some()
        || is_header_field(line);
    is_http.then_some(Refusal::NotSmtp)
}

/// Whether a line begins with a name, a colon and a blank, and has something after them.
fn is_header_field(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-' || *octet == b'_';
    let name = line.iter().take_while(|octet| is_name(octet)).count();
    name > 0 && line[name..].starts_with(b": ")
}

/// The verb in front, whatever ends it.
fn first_word(line: &[u8]) -> Verb {
    let letters = line.iter().take_while(|octet| octet.is_ascii_alphabetic());
    Verb::of(&line[..letters.count()])
}

fn divide(line: &[u8]) -> (Verb, &[u8]) {
    let line = line.trim_ascii_end();
    // Verbs are short: a search with vectors would not pay.
    let (word, rest) = match line.iter().position(|octet| matches!(octet, b' ' | b'\t')) {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &line[line.len()..]),
    };
    (Verb::of(word), rest)
}

/// Whether a line, or the front of one, begins as BDAT does. Octets of a chunk may follow whatever was meant with it, so it is
/// BDAT that does not parse, and never just an unknown command.
pub fn is_like_bdat(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.get(..4)
        .is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"))
}

fn command(verb: Verb, rest: &[u8]) -> Result<Command, Refusal> {
    match verb {
        Verb::Helo => hello(rest).map(Command::Helo),
        Verb::Ehlo => hello(rest).map(Command::Ehlo),
        Verb::Mail => mail(rest),
        Verb::Rcpt => rcpt(rest),
        Verb::Data => alone(rest, Command::Data),
        Verb::Bdat => chunk(rest).map(Command::Bdat).ok_or(Refusal::ChunkSyntax),
        Verb::StartTls => alone(rest, Command::StartTls),
        Verb::Rset => alone(rest, Command::Rset),
        Verb::Quit => alone(rest, Command::Quit),
        Verb::Noop => Ok(Command::Noop),
        Verb::Help => Ok(Command::Help),
        Verb::Vrfy if rest.trim_ascii().is_empty() => Err(Refusal::Syntax),
        Verb::Vrfy => Ok(Command::Vrfy),
        Verb::NotOffered => Err(Refusal::NotImplemented),
        Verb::Http => Err(Refusal::NotSmtp),
        Verb::Unknown => Err(Refusal::UnknownCommand),
    }
}

/// `1*DIGIT [ SP "LAST" ]` (RFC 3030 2). A size that cannot be counted is none: its octets could not be told from what follows.
fn chunk(rest: &[u8]) -> Option<Chunk> {
    let mut words = rest
        .split(|&octet| octet == b' ' || octet == b'\t')
        .filter(|word| !word.is_empty());
    let left = parameter::exact_number(words.next()?)?;
    let last = match words.next() {
        Some(word) if word.eq_ignore_ascii_case(b"LAST") => true,
        Some(_) => return None,
        None => false,
    };
    words.next().is_none().then_some(Chunk { left, last })
}

fn alone(rest: &[u8], command: Command) -> Result<Command, Refusal> {
    if rest.trim_ascii().is_empty() {
        Ok(command)
    } else {
        Err(Refusal::Syntax)
    }
}

/// The client's name. RFC 5321 4.1.4 forbids to refuse a mail because the name is not the client's, and devices say anything,
/// also two words or Latin-1. What is asked for here is only that it can be written into a record and a log: no control
/// characters, and no more than a domain has.
fn hello(rest: &[u8]) -> Result<String, Refusal> {
    let name = String::from_utf8_lossy(rest.trim_ascii());
    let controls = name.chars().any(char::is_control);
    if name.is_empty() || name.len() > DOMAIN_OCTETS || controls {
        return Err(Refusal::HelloName);
    }
    Ok(name.into_owned())
}

fn mail(rest: &[u8]) -> Result<Command, Refusal> {
    let argument = keyword(rest, b"FROM:").ok_or(Refusal::Syntax)?;
    let (path, rest) = address::path(argument).map_err(|_| Refusal::ReversePathSyntax)?;
    let parameters = parameter::mail(rest)?;
    if path.as_ref().is_some_and(Mailbox::is_international) && !parameters.smtputf8 {
        return Err(Refusal::AddressNeedsSmtpUtf8);
    }
    Ok(Command::Mail(path, parameters))
}

fn rcpt(rest: &[u8]) -> Result<Command, Refusal> {
    let argument = keyword(rest, b"TO:").ok_or(Refusal::Syntax)?;
    let (path, rest) = address::path(argument).map_err(|_| Refusal::ForwardPathSyntax)?;
    parameter::rcpt(rest)?;
    // Only the reverse-path may lack its domain; `postmaster` is ours without one (RFC 5321 4.1.1.3).
    path.filter(|path| !path.domain().is_empty() || path.is_postmaster())
        .map(Command::Rcpt)
        .ok_or(Refusal::ForwardPathSyntax)
}

/// What follows `FROM:` or `TO:`. RFC 5321 3.3 has no space after the colon; old senders put one, and it is harmless.
fn keyword<'a>(rest: &'a [u8], keyword: &[u8]) -> Option<&'a [u8]> {
    let rest = rest.trim_ascii_start();
    let (front, argument) = rest.split_at_checked(keyword.len())?;
    front
        .eq_ignore_ascii_case(keyword)
        .then(|| argument.trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> Refusal {
        parse(line.as_bytes()).1.expect_err(line)
    }

    #[test]
    fn verbs_in_any_case_and_with_trailing_spaces() {
        for line in ["DATA", "data", "Data  ", "DATA\t"] {
            assert_eq!(
                parse(line.as_bytes()),
                (Verb::Data, Ok(Command::Data)),
                "{line}"
            );
        }
        assert_eq!(parse(b"noop whatever"), (Verb::Noop, Ok(Command::Noop)));
        assert_eq!(
            parse(b"EHLO [192.0.2.1]").1,
            Ok(Command::Ehlo("[192.0.2.1]".into()))
        );
    }

    #[test]
    fn mail_and_rcpt() {
        let (verb, command) = parse(b"mail from:<a@b.example> size=7");
        let Ok(Command::Mail(Some(path), parameters)) = command else {
            panic!("{command:?}")
        };
        assert_eq!(
            (verb, path.as_str(), parameters.size),
            (Verb::Mail, "a@b.example", Some(7))
        );
        assert!(matches!(
            parse(b"MAIL FROM:<>").1,
            Ok(Command::Mail(None, _))
        ));
        assert!(matches!(
            parse(b"RCPT TO: <a@b.example>").1,
            Ok(Command::Rcpt(_))
        ));
    }

    #[test]
    fn chunks() {
        for (line, left, last) in [
            ("BDAT 0 LAST", 0, true),
            ("bdat 86 last", 86, true),
            ("BDAT 1000", 1000, false),
            ("BDAT\t7  LAST", 7, true),
            ("BDAT 18446744073709551615", u64::MAX, false),
            ("BDAT 0000000000000000000000000000000000007", 7, false),
        ] {
            let expected = Ok(Command::Bdat(Chunk { left, last }));
            assert_eq!(parse(line.as_bytes()), (Verb::Bdat, expected), "{line}");
        }
    }

    #[test]
    fn refusals() {
        assert_eq!(refusal("FOO"), Refusal::UnknownCommand);
        assert_eq!(refusal(""), Refusal::UnknownCommand);
        assert_eq!(refusal("GET / HTTP/1.1"), Refusal::NotSmtp);
        for line in [
            "BDAT",
            "BDAT x",
            "BDAT -1",
            "BDAT 1 FIRST",
            "BDAT 1 LAST 2",
            "BDAT 1,2",
            "BDAT 18446744073709551616",
            "BDAT 123456789012345678901234567890 LAST",
            "BDAT\x0b1",
            "BDAT1 LAST",
            " BDAT 1",
            "\tbdat 1 LAST",
            "BDATA",
            "BDAT 1 LAST\n",
            "BDAT 1\0",
            "BDAT 1\r",
            "BDAT\n",
        ] {
            assert_eq!(refusal(line), Refusal::ChunkSyntax, "{line}");
        }
        assert_eq!(refusal("EXPN list"), Refusal::NotImplemented);
        assert_eq!(refusal("HELO"), Refusal::HelloName);
        assert_eq!(refusal("EHLO a\tb"), Refusal::HelloName);
        assert_eq!(refusal("DATA now"), Refusal::Syntax);
        assert_eq!(refusal("VRFY"), Refusal::Syntax);
        assert_eq!(refusal("MAIL <a@b>"), Refusal::Syntax);
        assert_eq!(refusal("MAIL FROM:a@b>"), Refusal::ReversePathSyntax);
        assert_eq!(refusal("MAIL FROM:"), Refusal::ReversePathSyntax);
        assert_eq!(refusal("MAIL FROM:<a@b>SIZE=1"), Refusal::Syntax);
        assert_eq!(refusal("MAIL FROM:<ä@b>"), Refusal::AddressNeedsSmtpUtf8);
        assert_eq!(refusal("RCPT TO:<>"), Refusal::ForwardPathSyntax);
        assert_eq!(refusal("RCPT TO:<user>"), Refusal::ForwardPathSyntax);
        assert!(matches!(
            parse(b"MAIL FROM:<root>").1,
            Ok(Command::Mail(Some(_), _))
        ));
        assert_eq!(refusal("RCPT TO:<a@b> X=1"), Refusal::UnknownParameter);
        assert_eq!(refusal("NOOP\nQUIT"), Refusal::BareNewline);
        assert_eq!(refusal("NOOP \0"), Refusal::BareNewline);
        assert_eq!(refusal("NOOP\rBDAT 4"), Refusal::ChunkSyntax);
        assert_eq!(parse_bare(b"NOOP"), (Verb::Noop, Refusal::BareNewline));
        assert_eq!(parse_bare(b"BDAT 4"), (Verb::Bdat, Refusal::ChunkSyntax));
        for line in [
            "POST /x\0y HTTP/1.1",
            "POST /\rx HTTP/1.1",
            "GET",
            "PRI * HTTP/2.0",
            "PROPFIND / HTTP/1.1",
            "Host: mx.example",
            "Content-Length: 7",
            "get\t/",
        ] {
            assert_eq!(refusal(line), Refusal::NotSmtp, "{line:?}");
        }
        assert_eq!(parse_bare(b"POST /x").1, Refusal::NotSmtp);
        for line in ["GETX", "MAILFROM:<a@b>", "Host:", ": x", "Host :x"] {
            assert_eq!(refusal(line), Refusal::UnknownCommand, "{line}");
        }
    }
}
