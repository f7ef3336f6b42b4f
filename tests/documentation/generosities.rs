//! The places where ringpost accepts more than the letter of an RFC asks for.
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
        text: "Every receiver must take 64 octets of local-part and 256 of path, and the RFC asks receivers to avoid \
               limits. Here the limits are 256 and 516. Bounce addresses that contain a recipient (VERP of mailing lists, \
               SRS of forwarders, invitations of calendar services) have local-parts of 83 octets and more. Recipients are \
               still decided by the domain and its list, like any other address.",
        held_by: "proto/tests/dialogues/lengths-of-paths.smtp",
    },
    Generosity {
        title: "Dots anywhere in a local-part",
        source: "RFC 5321 4.1.2",
        text: "By the letter `<ilo.@example.com>`, `<.a@example.com>` and `<u..n@example.com>` are not dot-strings. \
               Japanese mobile carriers gave out such addresses for years, and their owners still write from them. The \
               address is only recorded, or looked up as it is. At least one character has to be something other than a \
               dot.",
        held_by: "proto/tests/dialogues/paths-that-are-accepted.smtp",
    },
    Generosity {
        title: "Paths without brackets",
        source: "RFC 5321 4.1.2",
        text: "Printers, scanners, cameras and scripts send `MAIL FROM:a@example.com` and `RCPT TO:b@example.com`. The path \
               ends at the first space outside of quotes. One bracket without the other is still refused, and so is a \
               display name.",
        held_by: "proto/tests/dialogues/paths-without-brackets.smtp",
    },
    Generosity {
        title: "A sender without a domain",
        source: "RFC 5321 4.1.2",
        text: "Cron, printers and storage boxes send `MAIL FROM:<root>`. Such a name may contain only letters, digits, `-`, \
               `_`, `.` and `+`. The reverse-path is only recorded, as it was given, without an `@`: a consumer that \
               replies to it has to know that. A recipient without a domain is refused, except `postmaster`.",
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
        text: "`bücher.example` and `xn--bcher-kva.example` are one domain, in domains, lists and keys of records; large \
               providers send the first form wherever SMTPUTF8 is offered. Case makes no difference, and neither does \
               composition (NFC or NFD). What UTS 46 would map to another label, such as a zero-width space or a full-width \
               letter, is answered 501. The record keeps what the client wrote.",
        held_by: "proto/tests/dialogues/both-forms-of-a-domain-are-one.smtp",
    },
    Generosity {
        title: "Parameters of DSN, and AUTH=",
        source: "RFC 5321 4.1.1.11",
        text: "DSN is not offered, because ringpost sends no mail; AUTH is not offered either. Some senders give `RET`, \
               `ENVID`, `NOTIFY`, `ORCPT` and `AUTH=` all the same, and treat a 555 as final. With MAIL and RCPT alike \
               these parameters are ignored, whatever their value (it cannot contain a space): a sender that was not \
               offered DSN has to expect none (RFC 3461 4). A parameter that a sender relies on (`REQUIRETLS`, `HOLDFOR`, \
               `BY`) is answered 555.",
        held_by: "proto/tests/dialogues/parameters-of-dsn-are-passed-over.smtp",
    },
    Generosity {
        title: "Any name in HELO and EHLO",
        source: "RFC 5321 4.1.4",
        text: "The RFC forbids refusing mail because of the name. Devices and desktop machines say `My Printer`, a name \
               with a bracket in it, or one in Latin-1. Only control characters and more than 255 octets are refused. The \
               record's `ce_smtphelo` has the name (bytes that are not UTF-8 as U+FFFD). The Received field has it only if \
               it is a domain, with U-labels as A-labels, or an address literal. Any other name is percent-encoded in a \
               comment after the client's address, so that it cannot change what the field says.",
        held_by: "proto/tests/dialogues/hello-name-in-any-form.smtp",
    },
    Generosity {
        title: "Blanks and tabs",
        source: "RFC 5321 3.3, 4.1.1",
        text: "A space after `FROM:` and `TO:`, spaces inside the brackets or at the end of a line, and a tab in place of a \
               space: old senders and people with a terminal send them, and nothing else can be meant.",
        held_by: "proto/tests/dialogues/a-space-behind-the-colon.smtp",
    },
    Generosity {
        title: "Dead recipients among good mail",
        source: "RFC 5321 4.3.2, 7.8",
        text: "Recipients that do not exist here count towards `limits.unknown_recipients`, apart from commands in error, \
               and a stored message resets both counts. Errors that follow from a refusal in a group of pipelined commands \
               (503 and 554 because a sender or a recipient is missing) count towards neither, and neither does a message \
               that is refused. So a mailing list that delivers many messages over one connection, each with a dead \
               recipient, keeps its connection; a client that tries out names without ever delivering does not.",
        held_by: "proto/tests/dialogues/a-stored-message-takes-errors-back.smtp",
    },
];
