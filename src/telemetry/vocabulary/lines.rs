//! The lines of mail, of connections and of a process, with the fields that each may have, in their order.
//!
//! Owns: which fields a line has, and when. Must not know: what the fields say, which is [`super::field`]'s.
//!
//! Invariant: tests/logs.rs compares this with the lines of real runs, in both directions.

use super::field::*;

/// A line.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// What it begins with: its `message`.
    pub message: &'static str,
    /// Its level.
    pub level: &'static str,
    /// When there is one, in Markdown.
    pub what: &'static str,
    /// The names of its fields, each with when it is there; [`ALWAYS`] where there is no condition.
    pub fields: &'static [(&'static str, &'static str)],
}

/// Lines that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// What they are about: a heading of the page.
    pub title: &'static str,
    /// The lines.
    pub lines: &'static [Line],
}

/// A field that each such line has.
pub const ALWAYS: &str = "always";

const GREETED: &str = "after HELO or EHLO";
const MAIL_SAID: &str = "if there was a MAIL";
const RECIPIENT_KNOWN: &str = "if there was a recipient";
const DATA_CAME: &str = "once data came";
const OVER_TLS: &str = "over TLS";
const NOT_STORED: &str = "if it was not stored";

/// Every line that comes with each mail or connection, or with the life of a process.
pub const ALL: &[Group] = &[MAIL, TRACE, SERVE, READERS];

const MAIL: Group = Group {
    title: "Mail and refusals",
    lines: &[MESSAGE, REFUSED, GONE, MORE],
};

const MESSAGE: Line = Line {
    message: "message",
    level: "INFO",
    what: "a message whose data was received whole, once its outcome is known",
    fields: &[
        (ID.name, ALWAYS),
        (CLIENT.name, ALWAYS),
        (HELO.name, ALWAYS),
        (TLS.name, ALWAYS),
        (FROM.name, ALWAYS),
        (TO.name, ALWAYS),
        (RECIPIENTS.name, ALWAYS),
        (SIZE.name, ALWAYS),
        (OUTCOME.name, ALWAYS),
        (REPLY.name, NOT_STORED),
        (TLS_MILLISECONDS.name, OVER_TLS),
        (ENVELOPE_MILLISECONDS.name, ALWAYS),
        (ROOM_MILLISECONDS.name, "if it had to wait"),
        (DATA_MILLISECONDS.name, ALWAYS),
        (OBJECT_MILLISECONDS.name, "if it became an object"),
        (KAFKA_MILLISECONDS.name, "if it was handed to Kafka"),
        (MILLISECONDS.name, ALWAYS),
        (TOTAL_MILLISECONDS.name, ALWAYS),
    ],
};

const REFUSED: Line = Line {
    message: "refused",
    level: "INFO",
    what: "a command, a message before its end, or a connection that was refused",
    fields: &[
        (CLIENT.name, ALWAYS),
        (HELO.name, GREETED),
        (TLS.name, ALWAYS),
        (FROM.name, MAIL_SAID),
        (TO.name, RECIPIENT_KNOWN),
        (RECIPIENTS.name, RECIPIENT_KNOWN),
        (SIZE.name, DATA_CAME),
        (COMMAND.name, "if a command was refused that may be shown"),
        (REPLY.name, "unless the connection was closed without one"),
        (REASON.name, ALWAYS),
        (
            ERROR.name,
            "if a TLS handshake or a PROXY header was at fault",
        ),
    ],
};

const GONE: Line = Line {
    message: "gone",
    level: "INFO",
    what: "a client that left inside a command or a transaction",
    fields: &[
        (CLIENT.name, ALWAYS),
        (HELO.name, GREETED),
        (TLS.name, ALWAYS),
        (FROM.name, MAIL_SAID),
        (TO.name, RECIPIENT_KNOWN),
        (RECIPIENTS.name, RECIPIENT_KNOWN),
        (SIZE.name, DATA_CAME),
        (REASON.name, ALWAYS),
        (ERROR.name, "if the connection broke"),
    ],
};

const MORE: Line = Line {
    message: "N more …",
    level: "INFO",
    what: "how many lines like others were left out",
    fields: &[
        (NETWORK.name, ALWAYS),
        (REASON.name, ALWAYS),
        (COUNT.name, ALWAYS),
        (SECONDS.name, ALWAYS),
    ],
};

const TRACE: Group = Group {
    title: "The dialogue of a traced client",
    lines: &[
        Line {
            message: "trace opened",
            level: "INFO",
            what: "the connection",
            fields: &[
                (CLIENT.name, ALWAYS),
                (LISTENER.name, ALWAYS),
                (PROXY.name, "behind a proxy"),
            ],
        },
        Line {
            message: "trace tls",
            level: "INFO",
            what: "how the TLS handshake ended",
            fields: &[
                (CLIENT.name, ALWAYS),
                (TLS.name, ALWAYS),
                (RESUMED.name, "if it succeeded"),
                (TLS_MILLISECONDS.name, ALWAYS),
                (ERROR.name, "if it failed"),
            ],
        },
        Line {
            message: "trace command",
            level: "INFO",
            what: "a line of the client",
            fields: &[
                (CLIENT.name, ALWAYS),
                (COMMAND.name, "if it may be shown"),
                (LEFT_OUT.name, "if it may not be shown, or not all of it"),
            ],
        },
        Line {
            message: "trace data",
            level: "INFO",
            what: "a message, or a chunk of one, or as much of it as came",
            fields: &[
                (CLIENT.name, ALWAYS),
                (SIZE.name, ALWAYS),
                (LEFT_OUT.name, ALWAYS),
            ],
        },
        Line {
            message: "trace reply",
            level: "INFO",
            what: "a line of ours",
            fields: &[(CLIENT.name, ALWAYS), (REPLY.name, ALWAYS)],
        },
        Line {
            message: "trace ended",
            level: "INFO",
            what: "the end of the connection, or of its trace",
            fields: &[
                (CLIENT.name, ALWAYS),
                (REASON.name, ALWAYS),
                (ERROR.name, "if the connection broke"),
                (OPEN_MILLISECONDS.name, ALWAYS),
            ],
        },
        Line {
            message: "trace left out",
            level: "WARN",
            what: "lines of traces that were too many for one second",
            fields: &[(COUNT.name, ALWAYS)],
        },
    ],
};

const SERVE: Group = Group {
    title: "A server's life",
    lines: &[STARTING, READY, STOPPED],
};

const STARTING: Line = Line {
    message: "starting",
    level: "INFO",
    what: "the first line: what was configured. A port that the kernel will choose is still 0",
    fields: &[
        (VERSION.name, ALWAYS),
        (HOSTNAME.name, ALWAYS),
        (DOMAINS.name, ALWAYS),
        (BROKERS.name, ALWAYS),
        (TOPIC.name, ALWAYS),
        (SMTP.name, ALWAYS),
        (ADMIN.name, ALWAYS),
        (WORKERS.name, ALWAYS),
        (IO.name, ALWAYS),
        (LIMIT_MESSAGE_SIZE.name, ALWAYS),
        (LIMIT_RECIPIENTS.name, ALWAYS),
        (LIMIT_CONNECTIONS.name, ALWAYS),
        (LIMIT_CONNECTIONS_PER_IP.name, ALWAYS),
        (LIMIT_IN_FLIGHT_BYTES.name, ALWAYS),
    ],
};

const READY: Line = Line {
    message: "ready",
    level: "INFO",
    what: "everything listens, and every worker serves; the ports are known",
    fields: &[
        (SMTP.name, ALWAYS),
        (ADMIN.name, ALWAYS),
        (BROKERS.name, ALWAYS),
        (TOPIC.name, ALWAYS),
    ],
};

const STOPPED: Line = Line {
    message: "stopped",
    level: "INFO; WARN if something was cut off; ERROR after a failure",
    what: "the end of a server: why, and what it had done",
    fields: &[
        (REASON.name, ALWAYS),
        (EXIT_CODE.name, ALWAYS),
        (UPTIME_SECONDS.name, ALWAYS),
        (CONNECTIONS.name, ALWAYS),
        (MESSAGES_ACCEPTED.name, ALWAYS),
        (MESSAGES_REFUSED.name, ALWAYS),
        (DRAIN_MILLISECONDS.name, "after a drain"),
        (CONNECTIONS_CUT_OFF.name, "after a drain"),
        (RECORDS_CUT_OFF.name, "after a drain"),
    ],
};

const READERS: Group = Group {
    title: "forward and authenticate",
    lines: &[
        Line {
            message: "starting",
            level: "INFO",
            what: "the first line of either",
            fields: &[
                (VERSION.name, ALWAYS),
                (HOSTNAME.name, ALWAYS),
                (BROKERS.name, ALWAYS),
                (TOPIC.name, ALWAYS),
                (GROUP.name, ALWAYS),
                (RECEIVER.name, "forward"),
                (TO_TOPIC.name, "authenticate"),
                (ADMIN.name, ALWAYS),
            ],
        },
        Line {
            message: "ready",
            level: "INFO",
            what: "the topic was found",
            fields: &[
                (BROKERS.name, ALWAYS),
                (TOPIC.name, ALWAYS),
                (GROUP.name, ALWAYS),
                (RECEIVER.name, "forward"),
                (TO_TOPIC.name, "authenticate"),
                (ADMIN.name, ALWAYS),
            ],
        },
        Line {
            message: "forwarded",
            level: "INFO",
            what: "a mail that is done with: each recipient was accepted, or is in the dead-letter topic",
            fields: &[
                (ID.name, ALWAYS),
                (PARTITION.name, ALWAYS),
                (OFFSET.name, ALWAYS),
                (FROM.name, ALWAYS),
                (SIZE.name, ALWAYS),
                (RECIPIENTS_ACCEPTED.name, ALWAYS),
                (RECIPIENTS_REFUSED.name, ALWAYS),
                (ATTEMPTS.name, ALWAYS),
                (MILLISECONDS.name, ALWAYS),
            ],
        },
        Line {
            message: "later",
            level: "INFO",
            what: "a mail that is tried again after a pause",
            fields: &[
                (ID.name, ALWAYS),
                (TO.name, ALWAYS),
                (RECIPIENTS.name, ALWAYS),
                (ATTEMPTS.name, ALWAYS),
                (REPLY.name, "if the receiver answered"),
                (ERROR.name, "if it did not"),
                (PAUSE_MILLISECONDS.name, ALWAYS),
            ],
        },
        Line {
            message: "refused",
            level: "WARN",
            what: "recipients that the receiver refused, and that are in the dead-letter topic now",
            fields: &[
                (ID.name, ALWAYS),
                (TO.name, ALWAYS),
                (RECIPIENTS.name, ALWAYS),
                (REPLY.name, "if the receiver answered"),
                (ERROR.name, "if it was not asked"),
                (TOPIC.name, ALWAYS),
            ],
        },
        Line {
            message: "no mail",
            level: "WARN",
            what: "a record that cannot be forwarded, and is in the dead-letter topic now",
            fields: &[
                (PARTITION.name, ALWAYS),
                (OFFSET.name, ALWAYS),
                (ERROR.name, ALWAYS),
                (TOPIC.name, ALWAYS),
            ],
        },
        Line {
            message: "stopped",
            level: "INFO; ERROR after a failure",
            what: "the end of either: why, and what it had done",
            fields: &[
                (REASON.name, ALWAYS),
                (EXIT_CODE.name, ALWAYS),
                (UPTIME_SECONDS.name, ALWAYS),
                (MAILS.name, ALWAYS),
                (PASSED_OVER.name, ALWAYS),
            ],
        },
    ],
};

/// Every line.
pub fn lines() -> impl Iterator<Item = &'static Line> {
    ALL.iter().flat_map(|group| group.lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::vocabulary::field;

    #[test]
    fn every_field_of_a_line_is_in_the_table_and_there_once() {
        for line in lines() {
            for (place, (name, _)) in line.fields.iter().enumerate() {
                let known = field::rows().any(|row| row.name == *name);
                assert!(known, "{} has {name}", line.message);
                let before = &line.fields[..place];
                assert!(
                    before.iter().all(|(other, _)| other != name),
                    "{name} twice"
                );
            }
        }
    }
}
