//! The one table of refusals: each reason with its reply code, enhanced status code (RFC 3463), text, metric label, the
//! paragraph that has it, and the dialogue or test that holds it. docs/protocol.md shows it.
//!
//! Owns: every reply that says no. Must not know: when one is due; the session decides that.

/// Why a command or a message was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The verb is not one of SMTP's (RFC 5321 4.2.4).
    UnknownCommand,
    /// The verb is known and not offered here (RFC 5321 4.2.4).
    NotImplemented,
    /// The line is longer than is read (RFC 5321 4.5.3.1.4).
    LineTooLong,
    /// The command line holds a bare CR, a bare LF or a NUL (RFC 5321 2.3.8).
    BareNewline,
    /// The argument does not parse (RFC 5321 4.1.1).
    Syntax,
    /// HELO or EHLO without a usable name (RFC 5321 4.1.1.1).
    HelloName,
    /// The reverse-path does not parse (RFC 5321 4.1.2).
    ReversePathSyntax,
    /// The forward-path does not parse (RFC 5321 4.1.2).
    ForwardPathSyntax,
    /// An address outside ASCII without the SMTPUTF8 parameter (RFC 6531 3.5).
    AddressNeedsSmtpUtf8,
    /// A parameter that is not known here (RFC 5321 4.1.1.11).
    UnknownParameter,
    /// A known parameter with a value it cannot have, or twice.
    ParameterValue,
    /// MAIL before HELO or EHLO (RFC 5321 4.1.4).
    NeedHello,
    /// RCPT or DATA before MAIL (RFC 5321 4.1.4).
    NeedMail,
    /// DATA before an accepted RCPT (RFC 5321 4.1.4).
    NeedRecipient,
    /// MAIL inside a transaction (RFC 5321 4.1.4).
    NestedMail,
    /// A BDAT line that does not parse (RFC 3030 2). Octets of a chunk may follow it, and nobody knows how many; the connection
    /// ends.
    ChunkSyntax,
    /// RCPT, MAIL or DATA between the chunks of a message (RFC 3030 2).
    ChunksOpen,
    /// DATA for a message that was declared BINARYMIME (RFC 3030 3).
    BinaryNeedsChunks,
    /// STARTTLS inside a transaction, or when TLS is on already (RFC 3207 4).
    TlsOutOfOrder,
    /// An HTTP request, whatever else is wrong with its line, or a TLS ClientHello: no mail client; the connection ends (RFC 7504 has the code).
    NotSmtp,
    /// A connection from an address that is no trusted proxy's, or without a whole PROXY header; it is closed without a
    /// reply, which nobody would read.
    ProxyHeader,
    /// The client sent commands before it had seen the banner; the connection ends (RFC 5321 4.3.1).
    EarlyTalker,
    /// The message holds a bare CR or a bare LF, and the configuration refuses it (RFC 5321 2.3.8).
    BareNewlineInData,
    /// The session has brought as many messages or octets as it may; the connection ends.
    SessionFull,
    /// The session is as old as it may get; the connection ends.
    SessionTooLong,
    /// Commands in a row that bring no message forward; the connection ends.
    TooManyIdleCommands,
    /// SIZE= announces more than the limit (RFC 1870 6.1).
    AnnouncedTooBig,
    /// The message was larger than the limit (RFC 1870 6.3).
    TooBig,
    /// More recipients than one message may have (RFC 5321 4.5.3.1.10).
    TooManyRecipients,
    /// A domain that this MX does not take mail for.
    RelayDenied,
    /// A recipient that is not on the list of its domain, and not in the directory where there is one.
    UnknownRecipient,
    /// A recipient that is on no list, while the directory is not known yet.
    DirectoryUnread,
    /// The client's network is not allowed; the connection ends (RFC 5321 3.1).
    AccessDenied,
    /// More messages in a minute than this client may send.
    MessageRate,
    /// Too many commands in error since the last message that was stored; the connection ends.
    TooManyErrors,
    /// Too many recipients that are not taken, since then; the connection ends.
    TooManyUnknownRecipients,
    /// Nothing, or not enough, arrived in time; the connection ends (RFC 5321 4.5.3.2).
    TimedOut,
    /// ringpost is stopping; the connection ends.
    ShuttingDown,
    /// The limit of open connections is reached; the connection ends.
    TooManyConnections,
    /// The limit of open connections of this client is reached; the connection ends.
    TooManyConnectionsFromClient,
    /// The limit of open connections of this client's network is reached; the connection ends.
    TooManyConnectionsFromNetwork,
    /// No room in the in-flight budget.
    NoRoom,
    /// The storage did not confirm the record in time. The labels of these five began as Kafka's, and dashboards hold to them.
    StorageTimedOut,
    /// The queue to the storage is full.
    StorageQueueFull,
    /// The storage cannot be reached, or may not confirm: in Kafka, a partition without a leader or with too few replicas in sync.
    StorageUnavailable,
    /// The storage refuses the record because of its size.
    StorageTooBig,
    /// The storage refuses the record for a reason that an operator has to see to, such as authorization.
    StorageRefused,
    /// The storage has been away for so long that no connection is opened; it ends in place of the banner (RFC 5321 3.1).
    StorageClosed,
    /// The storage has been away, or has refused all mail, for so long that no transaction begins.
    StorageAway,
    /// The store of large messages cannot be reached.
    ObjectsUnavailable,
    /// The store of large messages did not take the message in time.
    ObjectsTimedOut,
    /// The store of large messages refuses the message for a reason that an operator has to see to, such as authorization or a
    /// full disk.
    ObjectsRefused,
}

/// A refusal's row in the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Reply code (RFC 5321 4.2).
    pub code: u16,
    /// Enhanced status code (RFC 3463; RFC 2034 says where it goes).
    pub enhanced: &'static str,
    /// The text after it.
    pub text: &'static str,
    /// Value of the label `reason` in the metrics.
    pub label: &'static str,
    /// The paragraph that has it.
    pub source: &'static str,
    /// The dialogue in proto/tests/dialogues, or the test, that holds it.
    pub held_by: &'static str,
}

macro_rules! table {
    ($($name:ident: $code:literal $enhanced:literal $label:literal $text:literal $source:literal $held_by:literal;)*) => {
        impl Refusal {
            /// All refusals, in the order of the table.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$name),*];

            /// Its row in the table.
            pub const fn row(self) -> Row {
                match self {
                    $(Refusal::$name => Row {
                        code: $code,
                        enhanced: $enhanced,
                        text: $text,
                        label: $label,
                        source: $source,
                        held_by: $held_by,
                    },)*
                }
            }
        }
    };
}

table! {
    UnknownCommand: 500 "5.5.2" "unknown_command" "Command not recognized"
        "RFC 5321 4.2.4" "proto/tests/dialogues/unknown-commands.smtp";
    NotImplemented: 502 "5.5.1" "not_implemented" "Command not implemented"
        "RFC 5321 4.2.4" "proto/tests/dialogues/known-and-not-offered.smtp";
    LineTooLong: 500 "5.5.2" "line_too_long" "Line too long"
        "RFC 5321 4.5.3.1.4" "proto/tests/dialogues/a-line-that-is-too-long.smtp";
    BareNewline: 500 "5.5.2" "bare_newline" "Each line must end with CRLF; a bare CR, a bare LF and NUL are refused"
        "RFC 5321 2.3.8" "proto/tests/dialogues/bare-newlines-in-commands.smtp";
    Syntax: 501 "5.5.4" "syntax" "Syntax error in parameters or arguments"
        "RFC 5321 4.1.1" "proto/tests/dialogues/mail-and-rcpt-need-their-keyword.smtp";
    HelloName: 501 "5.5.4" "hello_name" "A domain name or an address literal is needed"
        "RFC 5321 4.1.1.1" "proto/tests/dialogues/hello-name-is-needed.smtp";
    ReversePathSyntax: 501 "5.1.7" "reverse_path_syntax" "Syntax error in the reverse-path"
        "RFC 5321 4.1.2" "proto/tests/dialogues/reverse-paths-that-are-refused.smtp";
    ForwardPathSyntax: 501 "5.1.3" "forward_path_syntax" "Syntax error in the forward-path"
        "RFC 5321 4.1.2" "proto/tests/dialogues/rcpt-has-no-null-path.smtp";
    AddressNeedsSmtpUtf8: 553 "5.6.7" "address_needs_smtputf8" "The address needs the SMTPUTF8 parameter of MAIL"
        "RFC 6531 3.5" "proto/tests/dialogues/addresses-outside-of-ascii.smtp";
    UnknownParameter: 555 "5.5.4" "unknown_parameter" "Parameter not recognized or not implemented"
        "RFC 5321 4.1.1.11" "proto/tests/dialogues/unknown-parameters.smtp";
    ParameterValue: 501 "5.5.4" "parameter_value" "A parameter has a bad value or is given twice"
        "RFC 5321 4.1.1.11" "proto/tests/dialogues/malformed-parameters.smtp";
    NeedHello: 503 "5.5.1" "need_hello" "Send HELO or EHLO first"
        "RFC 5321 4.1.4" "proto/tests/dialogues/mail-needs-hello.smtp";
    NeedMail: 503 "5.5.1" "need_mail" "Send MAIL first"
        "RFC 5321 3.3" "proto/tests/dialogues/rcpt-needs-mail.smtp";
    NeedRecipient: 554 "5.5.1" "need_recipient" "No valid recipients"
        "RFC 5321 3.3" "proto/tests/dialogues/data-needs-mail-and-rcpt.smtp";
    NestedMail: 503 "5.5.1" "nested_mail" "A transaction is open already; send RSET to end it"
        "RFC 5321 4.1.4" "proto/tests/dialogues/mail-inside-a-transaction.smtp";
    ChunkSyntax: 521 "5.5.4" "chunk_syntax" "BDAT takes a number of octets, then LAST or nothing; closing the connection"
        "RFC 3030 2" "proto/tests/dialogues/a-bdat-that-does-not-parse-ends-the-session.smtp";
    ChunksOpen: 503 "5.5.1" "chunks_open" "Chunks of a message are open; send BDAT or RSET"
        "RFC 3030 2" "proto/tests/dialogues/data-and-chunks-do-not-mix.smtp";
    BinaryNeedsChunks: 503 "5.5.1" "binary_needs_chunks" "BINARYMIME needs BDAT"
        "RFC 3030 3" "proto/tests/dialogues/binarymime-needs-chunks.smtp";
    TlsOutOfOrder: 503 "5.5.1" "tls_out_of_order" "STARTTLS is not allowed now"
        "RFC 3207 4" "proto/tests/dialogues/starttls-inside-a-transaction.smtp";
    NotSmtp: 521 "5.5.1" "not_smtp" "This is a mail server; closing the connection"
        "RFC 7504 3" "proto/tests/dialogues/http-request.smtp";
    ProxyHeader: 421 "4.7.0" "proxy_header" "No PROXY header of a trusted proxy"
        "proxy-protocol.txt 2" "tests/policy.rs: a_health_check_of_a_proxy_is_served_and_a_bad_header_is_closed_without_a_word";
    EarlyTalker: 554 "5.5.1" "early_talker" "You spoke before the greeting; closing the connection"
        "RFC 5321 4.3.1" "tests/policy.rs: a_client_that_speaks_before_the_greeting_is_answered_554";
    BareNewlineInData: 550 "5.6.0" "bare_newline_in_data" "The message has a bare CR or LF: each line must end with CRLF (with curl, add --crlf)"
        "RFC 5321 2.3.8" "proto/tests/dialogues/bare-newlines-in-data.smtp";
    SessionFull: 421 "4.7.0" "session_full" "Enough mail for one connection; closing it, please open another"
        "RFC 9422 4.1" "proto/tests/dialogues/messages-of-a-session.smtp";
    SessionTooLong: 421 "4.4.2" "session_too_long" "The session is too long; closing the connection"
        "RFC 5321 3.8" "proto/tests/session.rs: sessions_have_their_limits";
    TooManyIdleCommands: 421 "4.7.0" "too_many_idle_commands" "Too many commands without a message; closing the connection"
        "RFC 5321 7.8" "proto/tests/dialogues/commands-that-lead-nowhere.smtp";
    AnnouncedTooBig: 552 "5.3.4" "announced_too_big" "The message exceeds the limit that EHLO names"
        "RFC 1870 6.1" "proto/tests/dialogues/size-announced.smtp";
    TooBig: 552 "5.3.4" "too_big" "The message exceeds the limit that EHLO names"
        "RFC 1870 6.3" "proto/tests/dialogues/message-too-big.smtp";
    TooManyRecipients: 452 "4.5.3" "too_many_recipients" "Too many recipients; send the rest in another transaction"
        "RFC 5321 4.5.3.1.10" "proto/tests/dialogues/too-many-recipients.smtp";
    RelayDenied: 550 "5.7.1" "relay_denied" "Relaying denied: not a domain we accept mail for"
        "RFC 5321 3.6.2" "proto/tests/dialogues/recipients-of-other-domains.smtp";
    UnknownRecipient: 550 "5.1.1" "unknown_recipient" "No such recipient here"
        "RFC 5321 3.3" "tests/policy.rs: recipients_are_taken_by_domain_and_list";
    DirectoryUnread: 451 "4.3.2" "directory_unread" "The recipients here are not known yet; try again later"
        "RFC 5321 4.2.5" "proto/tests/dialogues/recipients-are-not-known-yet.smtp";
    AccessDenied: 554 "5.7.1" "access_denied" "Access denied: we accept no mail from your network"
        "RFC 5321 3.1" "tests/policy.rs: a_denied_network_gets_554_in_place_of_the_banner";
    MessageRate: 451 "4.7.1" "message_rate" "Too many messages in a minute from your address; try again later"
        "RFC 5321 7.8" "tests/policy.rs: mail_beyond_the_rate_is_answered_451";
    TooManyErrors: 421 "4.7.0" "too_many_errors" "Too many errors; closing the connection"
        "RFC 5321 7.8" "proto/tests/dialogues/too-many-errors.smtp";
    TooManyUnknownRecipients: 421 "4.7.0" "too_many_unknown_recipients" "Too many recipients that are not taken here; closing the connection"
        "RFC 5321 7.3" "proto/tests/dialogues/too-many-unknown-recipients.smtp";
    TimedOut: 421 "4.4.2" "timed_out" "Timed out; closing the connection"
        "RFC 5321 4.5.3.2" "proto/tests/dialogues/deadline-between-commands.smtp";
    ShuttingDown: 421 "4.3.2" "shutting_down" "The service is shutting down; try again"
        "RFC 5321 3.8" "proto/tests/dialogues/stopping-when-idle.smtp";
    TooManyConnections: 421 "4.3.2" "too_many_connections" "Too many connections; try again later"
        "RFC 5321 7.8" "tests/policy.rs: limits_of_connections_are_answered_421";
    TooManyConnectionsFromClient: 421 "4.7.0" "too_many_connections_from_client" "Too many connections from your address"
        "RFC 5321 7.8" "tests/policy.rs: limits_of_connections_are_answered_421";
    TooManyConnectionsFromNetwork: 421 "4.7.0" "too_many_connections_from_network" "Too many connections from your network"
        "RFC 5321 7.8" "tests/policy.rs: limits_of_connections_are_answered_421";
    NoRoom: 451 "4.3.1" "no_room" "Too much mail in flight; try again later"
        "RFC 5321 4.3.2" "proto/tests/dialogues/no-room.smtp";
    StorageTimedOut: 451 "4.4.7" "kafka_timed_out" "The message could not be stored in time; try again later"
        "RFC 5321 4.2.5" "proto/tests/dialogues/outcomes-other-than-stored.smtp";
    StorageQueueFull: 451 "4.3.1" "kafka_queue_full" "The storage queue is full; try again later"
        "RFC 5321 4.2.5" "proto/tests/dialogues/outcomes-other-than-stored.smtp";
    StorageUnavailable: 451 "4.4.1" "kafka_unavailable" "The storage is not available; try again later"
        "RFC 5321 4.2.5" "proto/tests/dialogues/outcomes-other-than-stored.smtp";
    StorageTooBig: 451 "4.3.5" "kafka_too_big" "The storage takes no message of this size now; try again later"
        "RFC 5321 4.2.5" "proto/tests/dialogues/outcomes-other-than-stored.smtp";
    StorageRefused: 451 "4.3.5" "kafka_refused" "The storage refuses the message; try again later"
        "RFC 5321 4.2.5" "proto/tests/dialogues/outcomes-other-than-stored.smtp";
    StorageClosed: 421 "4.3.2" "storage_closed" "No mail can be stored now; try again later"
        "RFC 5321 3.1" "proto/tests/dialogues/no-banner-while-the-storage-is-away.smtp";
    StorageAway: 451 "4.3.2" "storage_away" "No mail can be stored now; try again later"
        "RFC 5321 4.2.5" "proto/tests/dialogues/no-transaction-while-the-storage-is-away.smtp";
    ObjectsUnavailable: 451 "4.4.1" "objects_unavailable" "The storage of large messages is not available; try again later"
        "RFC 5321 4.2.5" "proto/tests/dialogues/outcomes-other-than-stored.smtp";
    ObjectsTimedOut: 451 "4.4.7" "objects_timed_out" "The large message could not be stored in time; try again later"
        "RFC 5321 4.2.5" "proto/tests/dialogues/outcomes-other-than-stored.smtp";
    ObjectsRefused: 451 "4.3.5" "objects_refused" "The storage of large messages refuses the message; try again later"
        "RFC 5321 4.2.5" "proto/tests/dialogues/outcomes-other-than-stored.smtp";
}

impl Refusal {
    /// Whether the sender is to try again (4xx).
    pub fn is_transient(self) -> bool {
        self.row().code < 500
    }

    /// Whether the connection ends with this reply: 421 (RFC 5321 3.8), 521 (RFC 7504), and 554 in place of
    /// the banner (RFC 5321 3.1).
    pub fn closes(self) -> bool {
        matches!(self.row().code, 421 | 521)
            || matches!(self, Refusal::EarlyTalker | Refusal::AccessDenied)
    }

    /// Whether it counts towards the limit of commands in error: those that a correct client does not cause. What a group of
    /// pipelined commands runs into after a refusal, and what is wrong with a message, are none.
    pub fn is_error(self) -> bool {
        let follows = matches!(
            self,
            Refusal::NeedMail | Refusal::NeedRecipient | Refusal::BareNewlineInData
        );
        matches!(self.row().code, 500..=504 | 550 | 553..=555) && !follows && !self.is_recipient()
    }

    /// Whether it comes before any message, because of the storage alone: one outage causes as many of these as clients connect.
    pub fn is_of_an_outage(self) -> bool {
        matches!(self, Refusal::StorageClosed | Refusal::StorageAway)
    }

    /// Whether it is about a recipient that is not taken. A correct client that sends to an old list causes many of these, so
    /// they have their own limit.
    pub fn is_recipient(self) -> bool {
        matches!(self, Refusal::RelayDenied | Refusal::UnknownRecipient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_agree_with_their_enhanced_codes_and_labels_are_unique() {
        let mut labels = HashSet::new();
        for (place, &refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(
                place, refusal as usize,
                "the table is in the order of the enum"
            );
            let row = refusal.row();
            assert_eq!(
                row.code / 100,
                u16::from(row.enhanced.as_bytes()[0] - b'0'),
                "{refusal:?}"
            );
            assert!(matches!(row.code, 400..=599));
            assert!(labels.insert(row.label), "{refusal:?}");
            assert!(row.text.is_ascii() && row.text.len() < 200);
        }
    }
}
