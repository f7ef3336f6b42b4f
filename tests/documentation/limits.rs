//! The limits of the protocol: those that are options, and those that are fixed.
//!
//! Owns: which paragraph a limit is from, what is answered beyond it, and what holds it. Must not know: how the page is put
//! together. The values of the options are the program's own.
//!
//! Invariant, tested: every option of `[limits]` has a row.

use ringpost::config::options::SETTINGS;
use ringpost_proto::limits::{
    COMMAND_LINE_OCTETS, DOMAIN_LABEL_OCTETS, DOMAIN_OCTETS, ENVELOPE_OCTETS, LOCAL_PART_OCTETS,
    PATH_OCTETS, REPLY_LINE_OCTETS,
};
use ringpost_proto::smtp::refusal::Refusal;

/// A limit's row.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The option, or what is limited where it is not one.
    pub name: &'static str,
    /// The bound of what is no option.
    pub fixed: Option<usize>,
    /// The paragraph that has it.
    pub source: &'static str,
    /// What is answered beyond it.
    pub refusal: Option<Refusal>,
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

#[test]
fn every_option_of_limits_has_its_row() {
    let mut rows = LIMITS.iter().map(|limit| limit.name);
    for setting in SETTINGS
        .iter()
        .filter(|setting| setting.section() == "limits")
    {
        assert!(
            rows.clone().any(|name| name == setting.key),
            "{} has no row in LIMITS, in tests/documentation/limits.rs",
            setting.key
        );
    }
    assert!(
        rows.all(|name| !name.starts_with("limits.")
            || SETTINGS.iter().any(|setting| setting.key == name))
    );
}
