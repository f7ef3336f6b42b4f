//! The page of the protocol, docs/protocol.md: extensions, limits and refusals, each with the paragraph that has it and the
//! dialogue or test that holds it.
//!
//! Owns the rows of the limits, which paragraph a limit is from, what is said beyond it; and the places where more is taken than the
//! letter asks for. Knows nothing of sessions. The
//! extensions and refusals are the protocol's own tables, the values of the options those of [`super::options`].
//!
//! Invariants, tested: every option of `[limits]` has a row; tests/documentation.rs finds whatever a row is held by.

use std::fmt::Write;

use super::options::SETTINGS;
use crate::limits::{
    COMMAND_LINE_OCTETS, DOMAIN_LABEL_OCTETS, DOMAIN_OCTETS, ENVELOPE_OCTETS, LOCAL_PART_OCTETS,
    PATH_OCTETS, REPLY_LINE_OCTETS,
};
use crate::smtp::extension::EXTENSIONS;
use crate::smtp::refusal::{Refusal, Row};

/// A limit's row.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The option, or what is limited where it is not one.
    pub name: &'static str,
    /// The bound of what is no option.
    fixed: Option<usize>,
    /// The paragraph that has it.
    source: &'static str,
    /// What is answered beyond it.
    refusal: Option<Refusal>,
    /// The dialogue in proto/tests/dialogues, or the test, that holds it.
    pub held_by: &'static str,
}

const fn fixed(
    name: &'static str,
    octets: usize,
    source: &'static str,
    refusal: Option<Refusal>,
    held_by: &'static str,
) -> Limit {
    Limit {
        name,
        fixed: Some(octets),
        source,
        refusal,
        held_by,
    }
}

/// A limit that is an option; what is answered beyond it is held by the same test as the refusal itself.
const fn option(name: &'static str, source: &'static str, refusal: Refusal) -> Limit {
    Limit {
        name,
        fixed: None,
        source,
        refusal: Some(refusal),
        held_by: refusal.row().held_by,
    }
}

/// A place where ringpost takes more than the letter asks for.
#[derive(Debug, Clone, Copy)]
pub struct Generosity {
    /// What is taken.
    title: &'static str,
    /// The paragraph with the letter.
    source: &'static str,
    /// What exactly, why it does no harm, and which senders need it.
    text: &'static str,
    /// The dialogue or test that holds it.
    pub held_by: &'static str,
}

/// All of them.
pub const GENEROSITIES: [Generosity; 10] = [
    Generosity {
        title: "Long local-parts and paths",
        source: "RFC 5321 4.5.3.1",
        text: "The RFC has 64 octets of local-part and 256 of path as what every receiver must take, and asks receivers to avoid \
               limits. 256 and 516 are taken here. Bounce addresses that carry a recipient in them (VERP of mailing lists, SRS of \
               forwarders, invitations of calendar services) have local-parts of 83 octets and more. For recipients the domain \
               and its list decide, as for any other address.",
        held_by: LENGTHS,
    },
    Generosity {
        title: "Dots anywhere in a local-part",
        source: "RFC 5321 4.1.2",
        text: "`<ilo.@example.com>`, `<.a@example.com>` and `<u..n@example.com>` are no dot-strings by the letter. Japanese mobile \
               carriers gave out such addresses for years, and their owners still write from them. The address is only recorded, or \
               looked up as it stands. At least one character has to be none of the dots.",
        held_by: "proto/tests/dialogues/paths-that-are-accepted.smtp",
    },
    Generosity {
        title: "Paths without brackets",
        source: "RFC 5321 4.1.2",
        text: "`MAIL FROM:a@example.com` and `RCPT TO:b@example.com`, as printers, scanners, cameras and scripts say it. The path \
               ends at the first blank outside of quotes. One bracket without the other is still refused, and so is a display name.",
        held_by: "proto/tests/dialogues/paths-without-brackets.smtp",
    },
    Generosity {
        title: "A sender without a domain",
        source: "RFC 5321 4.1.2",
        text: "`MAIL FROM:<root>`, as cron, printers and storage boxes say it, where the name has letters, digits, `-`, `_`, `.` and `+` \
               alone. The reverse-path is only recorded, as it was given, without an `@`: whoever answers it has to know that. A \
               recipient without a domain is refused, but for `postmaster`.",
        held_by: "proto/tests/dialogues/a-sender-without-a-domain.smtp",
    },
    Generosity {
        title: "A dot at the end of a domain",
        source: "RFC 5321 2.3.5",
        text: "`<user@example.com.>` is `<user@example.com>`: some senders use a name as their resolver gives it, with the dot of \
               the root. The record keeps what the client wrote.",
        held_by: "proto/tests/dialogues/a-dot-at-the-end-of-a-domain.smtp",
    },
    Generosity {
        title: "Both forms of an internationalized domain",
        source: "RFC 5890 2.3.2.4",
        text: "`bücher.example` and `xn--bcher-kva.example` are one domain, in domains, lists and keys of records; large providers send \
               the first form wherever SMTPUTF8 is offered. Case makes no difference, and neither does composition (NFC or NFD). What \
               UTS 46 would map to another label, such as a zero-width space or a full-width letter, is answered 501. The record \
               keeps what the client wrote.",
        held_by: "proto/tests/dialogues/both-forms-of-a-domain-are-one.smtp",
    },
    Generosity {
        title: "Parameters of DSN, and AUTH=",
        source: "RFC 5321 4.1.1.11",
        text: "DSN is not offered, as ringpost sends no mail, and AUTH is not either. Senders exist that give `RET`, `ENVID`, `NOTIFY`, \
               `ORCPT` and `AUTH=` all the same, and take a 555 for final. They are passed over, whatever their value (no blank can be in it), with MAIL and RCPT alike: a sender that \
               was not offered DSN has to expect none (RFC 3461 4). A parameter that a sender relies on (`REQUIRETLS`, `HOLDFOR`, \
               `BY`) is answered 555.",
        held_by: "proto/tests/dialogues/parameters-of-dsn-are-passed-over.smtp",
    },
    Generosity {
        title: "Any name in HELO and EHLO",
        source: "RFC 5321 4.1.4",
        text: "The RFC forbids to refuse mail because of the name. Devices and desktop machines say `My Printer`, a name with a bracket in \
               it, or one in Latin-1. Only control characters and more than 255 octets are refused. The record's `smtp_helo` has the name \
               (octets that are no UTF-8 as U+FFFD). The Received field has it only where it is a domain, with U-labels as A-labels, or \
               an address literal; any other name stands percent-encoded in a comment behind the client's address, so that it cannot \
               change what the field says.",
        held_by: "proto/tests/dialogues/hello-name-in-any-form.smtp",
    },
    Generosity {
        title: "Blanks and tabs",
        source: "RFC 5321 3.3, 4.1.1",
        text: "A blank after `FROM:` and `TO:`, blanks inside the brackets, at the end of a line, and a tab in place of a blank: old senders and people with a \
               terminal send them, and nothing else can be meant.",
        held_by: "proto/tests/dialogues/a-space-behind-the-colon.smtp",
    },
    Generosity {
        title: "Dead recipients among good mail",
        source: "RFC 5321 4.3.2, 7.8",
        text: "Recipients that are not taken count towards `limits.unknown_recipients`, apart from commands in error, and a message that \
               is stored takes both counts back. What a group of pipelined commands runs into after a refusal (503 and 554 for want of a \
               sender or a recipient), and what is wrong with a message, count towards neither. A mailing list that delivers many messages over one connection, each with a dead \
               recipient, is not shown out; one that tries out names without ever delivering is.",
        held_by: "proto/tests/dialogues/a-stored-message-takes-errors-back.smtp",
    },
];

const LENGTHS: &str = "proto/tests/dialogues/lengths-of-paths.smtp";

/// All limits.
pub const LIMITS: [Limit; 27] = [
    fixed(
        "command line, CRLF included",
        COMMAND_LINE_OCTETS,
        "RFC 5321 4.5.3.1.4 (512 at least)",
        Some(Refusal::LineTooLong),
        "proto/tests/dialogues/a-line-that-is-too-long.smtp",
    ),
    fixed(
        "reply line, CRLF included",
        REPLY_LINE_OCTETS,
        "RFC 5321 4.5.3.1.5",
        None,
        "proto/src/smtp/reply.rs: a_line_is_never_too_long",
    ),
    fixed(
        "local-part",
        LOCAL_PART_OCTETS,
        "RFC 5321 4.5.3.1.1 (64 at least)",
        Some(Refusal::ForwardPathSyntax),
        LENGTHS,
    ),
    fixed(
        "domain",
        DOMAIN_OCTETS,
        "RFC 5321 4.5.3.1.2, in A-labels",
        Some(Refusal::ForwardPathSyntax),
        LENGTHS,
    ),
    fixed(
        "label of a domain",
        DOMAIN_LABEL_OCTETS,
        "RFC 1035 2.3.4",
        Some(Refusal::ForwardPathSyntax),
        "proto/src/smtp/address.rs: paths_that_are_refused",
    ),
    fixed(
        "path with its brackets",
        PATH_OCTETS,
        "RFC 5321 4.5.3.1.3 (256 at least)",
        Some(Refusal::ForwardPathSyntax),
        LENGTHS,
    ),
    fixed(
        "all recipients of a message together",
        ENVELOPE_OCTETS,
        "RFC 5321 4.5.3.1.10",
        Some(Refusal::TooManyRecipients),
        "proto/tests/dialogues/recipients-that-are-long.smtp",
    ),
    Limit {
        name: "text line",
        fixed: None,
        source: "RFC 5321 4.5.3.1.6 (1000 at least)",
        refusal: None,
        held_by: "proto/tests/dialogues/any-octet-in-data.smtp",
    },
    option("limits.message_size", "RFC 1870 6", Refusal::TooBig),
    option(
        "limits.recipients",
        "RFC 5321 4.5.3.1.8",
        Refusal::TooManyRecipients,
    ),
    option(
        "limits.connections",
        "RFC 5321 7.8",
        Refusal::TooManyConnections,
    ),
    option(
        "limits.connections_per_ip",
        "RFC 5321 7.8",
        Refusal::TooManyConnectionsFromClient,
    ),
    option(
        "limits.connections_per_network",
        "RFC 5321 7.8",
        Refusal::TooManyConnectionsFromNetwork,
    ),
    option(
        "limits.network_prefix_ipv4",
        "RFC 5321 7.8",
        Refusal::TooManyConnectionsFromNetwork,
    ),
    option(
        "limits.network_prefix_ipv6",
        "RFC 5321 7.8",
        Refusal::TooManyConnectionsFromNetwork,
    ),
    option(
        "limits.messages_per_minute_per_ip",
        "RFC 5321 7.8",
        Refusal::MessageRate,
    ),
    option(
        "limits.in_flight_messages",
        "RFC 5321 4.5.3.1",
        Refusal::NoRoom,
    ),
    option(
        "limits.in_flight_bytes",
        "RFC 5321 4.5.3.1",
        Refusal::NoRoom,
    ),
    option(
        "limits.command_timeout",
        "RFC 5321 4.5.3.2.7",
        Refusal::TimedOut,
    ),
    Limit {
        held_by: "proto/tests/dialogues/deadline-inside-the-data.smtp",
        ..option(
            "limits.data_timeout",
            "RFC 5321 4.5.3.2.5",
            Refusal::TimedOut,
        )
    },
    Limit {
        held_by: "proto/tests/session.rs: a_message_that_drips_ends_at_its_total_deadline",
        ..option(
            "limits.message_timeout",
            "RFC 5321 4.5.3.2.5",
            Refusal::TimedOut,
        )
    },
    option(
        "limits.session_timeout",
        "RFC 5321 3.8",
        Refusal::SessionTooLong,
    ),
    option(
        "limits.session_messages",
        "RFC 9422 4.1",
        Refusal::SessionFull,
    ),
    Limit {
        held_by: "proto/tests/dialogues/octets-of-a-session.smtp",
        ..option(
            "limits.session_bytes",
            "RFC 5321 4.5.3.1",
            Refusal::SessionFull,
        )
    },
    option(
        "limits.idle_commands",
        "RFC 5321 7.8",
        Refusal::TooManyIdleCommands,
    ),
    option("limits.errors", "RFC 5321 7.8", Refusal::TooManyErrors),
    option(
        "limits.unknown_recipients",
        "RFC 5321 7.3",
        Refusal::TooManyUnknownRecipients,
    ),
];

const PREFACE: &str = "\
# Protocol

<!-- Made from the tables in proto/src/smtp/extension.rs, proto/src/smtp/refusal.rs and src/config/protocol.rs. Change it there. -->

ringpost speaks SMTP as RFC 5321 has it. A test finds each dialogue and test that is named here, and in it the reply that it is
named for; proto/tests/dialogues/README.md says how a dialogue is read.

- The data ends with CRLF `.` CRLF alone, and a line in it with CRLF alone.
- A command line ends with CRLF. One that ends with a bare LF is answered 500 at once and not obeyed; the next line stands for
  itself. A bare CR is part of its line, which is then refused.
- Replies carry the codes of RFC 3463, but for the banner, 354 and those to HELO and EHLO (RFC 2034 3).
- VRFY is answered 252, whoever is asked for; EXPN, AUTH, ETRN and other commands that exist elsewhere 502.
- A source route is accepted and ignored (RFC 5321 appendix C).
- An octet of a refused BDAT is read and dropped, so that it is never taken for a command (RFC 3030 2). A line that begins with BDAT
  and names no size that can be counted is answered 521, and nothing after it is read.
- An HTTP request is answered 521 at its first line, however that line ends and however long it is, or at the latest at its first
  header field, and nothing after it is read: its headers and its body may be somebody else's.
- A connection that ends with a refusal is read to its end for up to 5 s, so that the reply is not lost to a reset.
- With `server.trace` the value of a record is one Received field and the message, which is the last `smtp_size` octets. Where the
  message begins with neither a field nor an empty line, an empty line stands between them, so that all of the message is the body:
  parsers would read a blank and its like as a continuation of our field, and drop text without a colon or refuse the mail for it.
  A first line `From ` or `>From ` of a mailbox file is let through if it has a colon, as its time has. [tests/parsers.rs](../tests/parsers.rs) has parsers of five
  languages read it.
- STARTTLS forgets all that was said, and drops what was sent behind it in clear (RFC 3207 4.2, CVE-2011-0411).

## Extensions

What EHLO offers, in its order.

| keyword | source | meaning | held by |
|---|---|---|---|
";

const LIMITS_PREFACE: &str = "
## Limits

Numbers without an option are octets. All of an option is in [configuration.md](configuration.md).

| limit | value | source | beyond it | held by |
|---|---|---|---|---|
";

const GENEROSITIES_PREFACE: &str = "
## More generous than the letter

Where the letter of an RFC would refuse mail that real senders send, and taking it does no harm, ringpost takes it.
";

const REFUSALS_PREFACE: &str = "
## Refusals

With a 4xx the sender keeps the mail and tries again; with a 5xx it gives it back to its author. 421, 521 and 554 in place of the banner
end the connection. `reason` is the label in the metrics.

| code | reason | text | source | held by |
|---|---|---|---|---|
";

/// The page, in Markdown.
pub fn protocol() -> String {
    let mut text = String::from(PREFACE);
    for extension in EXTENSIONS {
        let (keyword, source, meaning) = (extension.keyword, extension.source, extension.meaning);
        let held_by = held(extension.held_by);
        row(
            &mut text,
            &[&format!("`{keyword}`"), source, meaning, &held_by],
        );
    }
    text.push_str(LIMITS_PREFACE);
    for limit in &LIMITS {
        let beyond = limit
            .refusal
            .map_or("no refusal".to_owned(), |refusal| code(&refusal.row()));
        let (name, value) = match limit.name.strip_prefix("limits.") {
            Some(_) => (format!("`{}`", limit.name), value(limit.name)),
            None => (
                limit.name.to_owned(),
                limit
                    .fixed
                    .map_or("none".to_owned(), |octets| octets.to_string()),
            ),
        };
        row(
            &mut text,
            &[&name, &value, limit.source, &beyond, &held(limit.held_by)],
        );
    }
    text.push_str(GENEROSITIES_PREFACE);
    for generosity in &GENEROSITIES {
        let Generosity {
            title,
            source,
            text: paragraph,
            held_by,
        } = generosity;
        let held_by = held(held_by);
        writeln!(text, "\n### {title}\n\n{paragraph} ({source}; {held_by})")
            .expect("a String takes every write");
    }
    text.push_str(REFUSALS_PREFACE);
    for refusal in Refusal::ALL {
        let line = refusal.row();
        let code = match refusal {
            Refusal::ProxyHeader => "closed without a reply".to_owned(),
            _ => code(&line),
        };
        let reason = format!("`{}`", line.label);
        row(
            &mut text,
            &[&code, &reason, line.text, line.source, &held(line.held_by)],
        );
    }
    text
}

fn code(row: &Row) -> String {
    format!("{} {}", row.code, row.enhanced)
}

/// The default of an option.
fn value(key: &str) -> String {
    let setting = SETTINGS
        .iter()
        .find(|setting| setting.key == key)
        .expect("a limit is an option");
    format!("{} by default", setting.default)
}

/// A link to what holds a row; the name of a test stands behind it.
fn held(by: &str) -> String {
    let (path, test) = by.split_once(": ").unwrap_or((by, ""));
    let file = path.rsplit('/').next().unwrap_or(path);
    let separator = if test.is_empty() { "" } else { ": " };
    let shown = file.trim_end_matches(".smtp");
    format!("[{shown}](../{path}){separator}{test}")
}

fn row(text: &mut String, cells: &[&str]) {
    writeln!(text, "| {} |", cells.join(" | ")).expect("a String takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_limits_has_its_row() {
        let mut rows = LIMITS.iter().map(|limit| limit.name);
        for setting in SETTINGS
            .iter()
            .filter(|setting| setting.section() == "limits")
        {
            assert!(
                rows.clone().any(|name| name == setting.key),
                "{}",
                setting.key
            );
        }
        assert!(rows.all(|name| !name.starts_with("limits.")
            || SETTINGS.iter().any(|setting| setting.key == name)));
    }
}
