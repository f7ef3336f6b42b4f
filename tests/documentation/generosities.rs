//! The places where ringpost takes more than the letter of an RFC asks for.
//!
//! Owns: their rows on docs/protocol.md, and what holds each. Must not know: how the page is put together.

/// A place where ringpost takes more than the letter asks for.
#[derive(Debug, Clone, Copy)]
pub struct Generosity {
    /// What is taken.
    pub title: &'static str,
    /// The paragraph with the letter.
    pub source: &'static str,
    /// What exactly, why it does no harm, and which senders need it.
    pub text: &'static str,
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
        held_by: "proto/tests/dialogues/lengths-of-paths.smtp",
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
               it, or one in Latin-1. Only control characters and more than 255 octets are refused. The record's `ce_smtphelo` has the name \
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
