//! Labels: each with the values that it may have, known beforehand.
//!
//! Owns: the values that no table of the protocol has. Must not know: which metrics have which label.
//!
//! Invariant: a label has the values that are listed here, or those of a table of the protocol (verbs, refusals), and no others, so
//! that the series are as many from the start as they will ever be.

use std::sync::atomic::AtomicU64;

use crate::objects::Kind;
use crate::smtp::command::Verb;
use crate::smtp::refusal::Refusal;

/// A label whose values are known.
pub trait Label: Copy + 'static {
    /// Its name; empty for no label.
    const NAME: &'static str;
    /// Numbers, one for each value.
    type Numbers: AsRef<[AtomicU64]>;
    /// All of them 0.
    fn zeros() -> Self::Numbers;
    /// All values, in the order of their places.
    fn values() -> Vec<String>;
    /// The place of this value.
    fn place(self) -> usize;
}

macro_rules! numbers {
    ($count:expr) => {
        type Numbers = [AtomicU64; $count];
        fn zeros() -> Self::Numbers {
            [const { AtomicU64::new(0) }; $count]
        }
    };
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident $label:literal { $($(#[$of:meta])* $value:ident $text:literal,)* })*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$of])* $value,)* }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$value),*];

            /// The value of the label.
            pub fn label(self) -> &'static str {
                match self { $(Self::$value => $text,)* }
            }
        }

        impl Label for $name {
            const NAME: &'static str = $label;
            numbers!(Self::ALL.len());
            fn values() -> Vec<String> {
                Self::ALL.iter().map(|value| value.label().to_owned()).collect()
            }
            fn place(self) -> usize {
                self as usize
            }
        }
    )* };
}

labels! {
    /// How a session ended.
    SessionEnd "end" {
        /// The client said QUIT.
        Quit "quit",
        /// The client closed the connection.
        ClosedByClient "closed_by_client",
        /// A deadline passed.
        TimedOut "timed_out",
        /// Too many commands in error.
        TooManyErrors "too_many_errors",
        /// A refusal ended it, such as a limit of the session.
        Refused "refused",
        /// The TLS handshake failed.
        HandshakeFailed "tls_handshake_failed",
        /// ringpost was stopping.
        Shutdown "shutdown",
        /// The connection broke.
        Error "error",
    }
    /// What becomes of a message.
    MessageOutcome "outcome" {
        /// It got its 250.
        Accepted "accepted",
        /// It got a 4xx.
        Tempfailed "tempfailed",
        /// It got a 5xx.
        Refused "refused",
    }
    /// A version of TLS that is spoken.
    TlsVersion "version" {
        /// TLS 1.2.
        V12 "TLSv1.2",
        /// TLS 1.3.
        V13 "TLSv1.3",
    }
    /// What the workers run on.
    Io "io" {
        /// io_uring, by tokio-uring.
        IoUring "io_uring",
        /// epoll, by tokio.
        Epoll "epoll",
    }
    /// Why a TLS handshake failed.
    TlsFailure "reason" {
        /// A deadline passed.
        TimedOut "timed_out",
        /// The client left.
        Closed "closed",
        /// What it sent is not TLS, or a version or cipher that is not supported here.
        Protocol "protocol",
    }
    /// Why a connection cannot be accepted.
    AcceptError "error" {
        /// The process, or the machine, has no file descriptor left (EMFILE, ENFILE).
        OpenFiles "too_many_open_files",
        /// The kernel has no memory for it (ENOMEM, ENOBUFS).
        Memory "no_memory",
        /// The client left before it was accepted (ECONNABORTED).
        Aborted "connection_aborted",
        /// Anything else; the log names it.
        Other "other",
    }
    /// Why a session ticket is not resumed.
    TicketRefused "cause" {
        /// No key of this instance encrypted it, or it is none of ours.
        UnknownKey "unknown_key",
        /// It was issued too long ago, or in the future.
        Expired "expired",
        /// It was changed on its way.
        Damaged "damaged",
    }
    /// Files that TLS needs.
    TlsFiles "files" {
        /// Certificates and their keys.
        Certificates "certificates",
        /// Keys of session tickets.
        TicketKeys "ticket_keys",
    }
    /// How an attempt to deliver a mail ended.
    AttemptEnd "answer" {
        /// Every recipient that was open is accepted.
        Accepted "accepted",
        /// None is left, and some were refused.
        Refused "refused",
        /// Some are tried again.
        Later "later",
        /// The receiver said nothing of the mail: no connection, or it broke.
        None "none",
    }
    /// What became of a recipient.
    RecipientEnd "verdict" {
        /// The receiver has it.
        Accepted "accepted",
        /// The receiver does not take it.
        Refused "refused",
    }
    /// What a check of `authenticate` came to, in the words of RFC 8601.
    ResultWord "word" {
        /// There was nothing to check.
        None "none",
        /// It is as claimed.
        Pass "pass",
        /// It is not as claimed.
        Fail "fail",
        /// SPF: probably not as claimed.
        SoftFail "softfail",
        /// Nothing is claimed, or what is claimed cannot be read.
        Neutral "neutral",
        /// As claimed, in a way that is not accepted.
        Policy "policy",
        /// The DNS gave no answer.
        TempError "temperror",
        /// What was published or written cannot be used.
        PermError "permerror",
    }
    /// What SIGHUP came to.
    ReloadResult "result" {
        /// What is new is applied.
        Applied "applied",
        /// What was before stays.
        Failed "failed",
    }
}

/// No label: one series.
impl Label for () {
    const NAME: &'static str = "";
    numbers!(1);
    fn values() -> Vec<String> {
        vec![String::new()]
    }
    fn place(self) -> usize {
        0
    }
}

impl Label for Verb {
    const NAME: &'static str = "verb";
    numbers!(Verb::ALL.len());
    fn values() -> Vec<String> {
        Verb::ALL.map(|verb| verb.label().to_owned()).to_vec()
    }
    fn place(self) -> usize {
        self as usize
    }
}

impl Label for Kind {
    const NAME: &'static str = "failure";
    numbers!(Kind::ALL.len());
    fn values() -> Vec<String> {
        Kind::ALL.map(|kind| kind.label().to_owned()).to_vec()
    }
    fn place(self) -> usize {
        self as usize
    }
}

impl Label for Refusal {
    const NAME: &'static str = "reason";
    numbers!(Refusal::ALL.len());
    fn values() -> Vec<String> {
        let all = Refusal::ALL.iter();
        all.map(|refusal| refusal.row().label.to_owned()).collect()
    }
    fn place(self) -> usize {
        self as usize
    }
}

/// The code of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u16);

/// The codes that have their own series; the others share `code="other"`.
pub(super) const CODES: [u16; 21] = [
    214, 220, 221, 250, 252, 354, 421, 450, 451, 452, 500, 501, 502, 503, 504, 521, 550, 552, 553,
    554, 555,
];

impl Label for Code {
    const NAME: &'static str = "code";
    numbers!(CODES.len() + 1);
    fn values() -> Vec<String> {
        let codes = CODES.iter().map(u16::to_string);
        codes.chain(["other".to_owned()]).collect()
    }
    fn place(self) -> usize {
        let known = CODES.iter().position(|&known| known == self.0);
        known.unwrap_or(CODES.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<L: Label>(all: &[L]) {
        let values = L::values();
        assert_eq!(L::zeros().as_ref().len(), values.len(), "{}", L::NAME);
        for (place, value) in all.iter().enumerate() {
            assert_eq!(value.place(), place, "{}", L::NAME);
        }
        assert!(all.len() <= values.len(), "{}", L::NAME);
    }

    #[test]
    fn every_value_has_its_place_and_its_number() {
        check(&[()]);
        check(&Verb::ALL);
        check(Refusal::ALL);
        check(SessionEnd::ALL);
        check(MessageOutcome::ALL);
        check(TlsVersion::ALL);
        check(Io::ALL);
        check(TlsFailure::ALL);
        check(ReloadResult::ALL);
        check(AcceptError::ALL);
        check(TicketRefused::ALL);
        check(TlsFiles::ALL);
        check(AttemptEnd::ALL);
        check(RecipientEnd::ALL);
        check(ResultWord::ALL);
        check(&Kind::ALL);
        check(&CODES.map(Code));
        assert_eq!(Code(600).place(), CODES.len());
    }

    #[test]
    fn every_code_of_a_refusal_has_a_series() {
        for refusal in Refusal::ALL {
            assert!(CODES.contains(&refusal.row().code), "{refusal:?}");
        }
    }
}
