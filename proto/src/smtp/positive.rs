//! The one table of replies that are no refusals: code, enhanced status code, text.
//!
//! Owns: what is said. Must not know: when; the session does.

/// A positive reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positive {
    /// The banner, with this server's name.
    Banner,
    /// The answer to HELO, and the first line of the answer to EHLO, with this server's name.
    Hello,
    /// STARTTLS is accepted.
    ReadyForTls,
    /// MAIL is accepted.
    SenderOk,
    /// RCPT is accepted.
    RecipientOk,
    /// DATA is accepted, and there is room.
    StartData,
    /// A chunk that is not the last has arrived, with the size of the message so far.
    ChunkTaken,
    /// The message is stored, with its id. The only reply that promises anything.
    Stored,
    /// RSET is obeyed.
    Reset,
    /// NOOP.
    Noop,
    /// VRFY.
    CannotVerify,
    /// HELP.
    Help,
    /// QUIT; the connection ends.
    Bye,
}

/// A reply's row in the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Reply code (RFC 5321 4.2).
    pub code: u16,
    /// Enhanced status code (RFC 3463); empty where RFC 2034 has none.
    pub enhanced: &'static str,
    /// The text in front of the reply's value, or all of it where it has none.
    pub text: &'static str,
    /// The text after the value.
    pub after: &'static str,
    /// The whole line, CRLF at its end, of a reply that has no value.
    pub line: &'static str,
    /// The paragraph that has it.
    pub source: &'static str,
    /// The dialogue in proto/tests/dialogues, or the test, that holds it.
    pub held_by: &'static str,
}

/// A reply's line; a code without an enhanced one has no blank after the place of that.
macro_rules! line {
    ($code:tt "" $text:tt) => {
        concat!($code, " ", $text, "\r\n")
    };
    ($code:tt $enhanced:tt $text:tt) => {
        concat!($code, " ", $enhanced, " ", $text, "\r\n")
    };
}

macro_rules! table {
    ($($name:ident: $code:tt $enhanced:tt $text:tt $after:literal $source:literal $held_by:literal;)*) => {
        impl Positive {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Positive] = &[$(Positive::$name),*];

            /// Its row in the table.
            pub const fn row(self) -> Row {
                match self {
                    $(Positive::$name => Row {
                        code: $code,
                        enhanced: $enhanced,
                        text: $text,
                        after: $after,
                        line: line!($code $enhanced $text),
                        source: $source,
                        held_by: $held_by,
                    },)*
                }
            }
        }
    };
}

table! {
    Banner: 220 "" "" " ESMTP ringpost"
        "RFC 5321 3.1" "proto/tests/dialogues/ehlo-lists-what-is-offered.smtp";
    Hello: 250 "" "" ""
        "RFC 5321 4.1.1.1" "proto/tests/dialogues/ehlo-lists-what-is-offered.smtp";
    ReadyForTls: 220 "2.0.0" "Ready to start TLS" ""
        "RFC 3207 4" "proto/tests/dialogues/starttls.smtp";
    SenderOk: 250 "2.1.0" "Ok" ""
        "RFC 5321 4.1.1.2" "proto/tests/dialogues/pipelining.smtp";
    RecipientOk: 250 "2.1.5" "Ok" ""
        "RFC 5321 4.1.1.3" "proto/tests/dialogues/pipelining.smtp";
    StartData: 354 "" "Start mail input; end with <CRLF>.<CRLF>" ""
        "RFC 5321 4.1.1.4" "proto/tests/dialogues/pipelining.smtp";
    ChunkTaken: 250 "2.0.0" "" " octets so far"
        "RFC 3030 2" "proto/tests/dialogues/chunks.smtp";
    Stored: 250 "2.0.0" "" ""
        "RFC 5321 4.2.5" "proto/tests/dialogues/outcomes-other-than-stored.smtp";
    Reset: 250 "2.0.0" "Ok" ""
        "RFC 5321 4.1.1.5" "proto/tests/dialogues/rset-aborts-the-transaction.smtp";
    Noop: 250 "2.0.0" "Ok" ""
        "RFC 5321 4.1.1.9" "proto/tests/dialogues/noop.smtp";
    CannotVerify: 252 "2.5.0" "Cannot verify; send some mail, it will be tried" ""
        "RFC 5321 3.5.3" "proto/tests/dialogues/vrfy-says-nothing.smtp";
    Help: 214 "2.0.0" "HELO EHLO MAIL RCPT DATA BDAT STARTTLS RSET NOOP VRFY HELP QUIT" ""
        "RFC 5321 4.1.1.8" "proto/tests/dialogues/help.smtp";
    Bye: 221 "2.0.0" "Bye" ""
        "RFC 5321 4.1.1.10" "proto/tests/dialogues/quit.smtp";
}

#[cfg(test)]
mod tests {
    use super::Positive;
    use crate::limits::REPLY_LINE_OCTETS;
    use crate::smtp::reply::Replies;

    #[test]
    fn codes_agree_with_their_enhanced_codes() {
        for (place, &positive) in Positive::ALL.iter().enumerate() {
            assert_eq!(
                place, positive as usize,
                "the table is in the order of the enum"
            );
            let row = positive.row();
            assert!(matches!(row.code, 200..=399), "{positive:?}");
            assert!(
                row.enhanced.is_empty() || row.enhanced.starts_with("2."),
                "{positive:?}"
            );
        }
    }

    #[test]
    fn whole_lines_are_as_their_parts() {
        for positive in Positive::ALL {
            let row = positive.row();
            let mut replies = Replies::default();
            replies.line(row.code, row.enhanced, &[row.text]);
            assert_eq!(replies.waiting(), row.line.as_bytes(), "{positive:?}");
            assert!(row.line.len() <= REPLY_LINE_OCTETS, "{positive:?}");
        }
    }
}
