//! One mail in the dialogue, without I/O: which commands go out, and what each reply means for each recipient.
//!
//! Owns: the order of MAIL, RCPT, DATA or BDAT and their replies, in SMTP and in LMTP. Must not know: sockets, the content.
//!
//! ```text
//!   Mail ──▶ Recipients ──▶ Data ──▶ Final ──▶ Over
//!     └──────────┴────────────┴────────┴──▶ Over
//! ```
//!
//! Its methods by kind. Inputs: `take`, `lost`. Output: `commands`. At the end: `verdicts`.
//!
//! Invariants: a recipient is accepted only by a 2xx after the message, in LMTP by its own; there is one verdict for each, in
//! their order.

use ringpost_proto::client::reply::CLOSING;

use crate::forward::delivery::{Answer, Verdict};

/// What MAIL and RCPT say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    /// The reverse-path, without brackets.
    pub sender: &'a str,
    /// Parameters of MAIL, each with a blank in front.
    pub parameters: String,
    /// The forward-paths, without brackets; never empty.
    pub recipients: &'a [String],
}

/// How a transaction is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manner {
    /// Commands go out together.
    pub pipelining: bool,
    /// The message goes out by BDAT instead of DATA.
    pub chunking: bool,
    /// After the message each recipient has its own reply.
    pub lmtp: bool,
}

/// What follows from a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// More replies, after more commands if there are some.
    Go,
    /// The message.
    Message,
    /// Nothing: the dialogue is where another transaction can begin, after RSET.
    Reset,
    /// Nothing: the same, without RSET.
    Done,
    /// Nothing: the connection cannot be used any more.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The reply to MAIL.
    Mail,
    /// The reply to the RCPT of this place.
    Recipient(usize),
    /// The reply to DATA.
    Data,
    /// The reply to the message, for this one of the recipients that were taken.
    Final(usize),
    /// No more.
    Over,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    envelope: Envelope<'a>,
    manner: Manner,
    stage: Stage,
    /// Commands that went out: MAIL, then each RCPT, then DATA.
    sent: usize,
    /// Of each recipient what is known: none while it is taken, or was not asked for.
    verdicts: Vec<Option<Verdict>>,
    /// Why no recipient was asked for: the reply to MAIL.
    refused: Option<Verdict>,
}

/// What a negative reply means; none for another one.
fn negative(code: u16, text: &str) -> Option<Verdict> {
    let answer = Answer {
        code: Some(code),
        text: text.to_owned(),
    };
    match code {
        400..500 => Some(Verdict::Later {
            answer,
            not_before: None,
        }),
        500..600 => Some(Verdict::Refused(answer)),
        _ => None,
    }
}

impl<'a> Transaction<'a> {
    /// Before MAIL.
    pub(super) fn new(envelope: Envelope<'a>, manner: Manner) -> Self {
        assert!(
            !envelope.recipients.is_empty(),
            "a transaction has a recipient"
        );
        Self {
            verdicts: vec![None; envelope.recipients.len()],
            envelope,
            manner,
            stage: Stage::Mail,
            sent: 0,
            refused: None,
        }
    }

    /// Appends the commands that may go out now.
    pub(super) fn commands(&mut self, out: &mut Vec<u8>) {
        let recipients = self.envelope.recipients.len();
        let all = 1 + recipients + usize::from(!self.manner.chunking);
        let due = match (self.manner.pipelining, self.stage) {
            (_, Stage::Final(_) | Stage::Over) => self.sent,
            (true, _) => all,
            (false, Stage::Mail) => 1,
            (false, Stage::Recipient(place)) => 2 + place,
            (false, Stage::Data) => all,
        };
        while self.sent < due {
            match self.sent {
                0 => {
                    let Envelope {
                        sender, parameters, ..
                    } = &self.envelope;
                    out.extend_from_slice(b"MAIL FROM:<");
                    out.extend_from_slice(sender.as_bytes());
                    out.push(b'>');
                    out.extend_from_slice(parameters.as_bytes());
                }
                at if at <= recipients => {
                    out.extend_from_slice(b"RCPT TO:<");
                    out.extend_from_slice(self.envelope.recipients[at - 1].as_bytes());
                    out.push(b'>');
                }
                _ => out.extend_from_slice(b"DATA"),
            }
            out.extend_from_slice(b"\r\n");
            self.sent += 1;
        }
    }

    /// Takes the next reply.
    ///
    /// # Panics
    /// When there is none to come.
    pub(super) fn take(&mut self, code: u16, text: &str) -> Next {
        if code == CLOSING {
            self.rest(&Verdict::Later {
                answer: Answer {
                    code: Some(code),
                    text: text.to_owned(),
                },
                not_before: None,
            });
            return Next::Close;
        }
        match self.stage {
            Stage::Mail => self.mail(code, text),
            Stage::Recipient(place) => self.recipient(place, code, text),
            Stage::Data => self.data(code, text),
            Stage::Final(place) => self.last(place, code, text),
            Stage::Over => panic!("no reply is waited for"),
        }
    }

    fn mail(&mut self, code: u16, text: &str) -> Next {
        self.refused = negative(code, text);
        match (&self.refused, code) {
            (Some(refused), _) if !self.manner.pipelining => {
                let refused = refused.clone();
                self.rest(&refused);
                Next::Reset
            }
            (Some(_), _) | (None, 200..300) => {
                self.stage = Stage::Recipient(0);
                Next::Go
            }
            (None, _) => self.odd(code, text),
        }
    }

    fn recipient(&mut self, place: usize, code: u16, text: &str) -> Next {
        let verdict = match (&self.refused, negative(code, text)) {
            // Whatever the server says of it: the transaction did not begin.
            (Some(refused), _) => Some(refused.clone()),
            (None, Some(verdict)) => Some(self.too_many(place, verdict)),
            (None, None) if (200..300).contains(&code) => None,
            (None, None) => return self.odd(code, text),
        };
        self.verdicts[place] = verdict;
        if place + 1 < self.verdicts.len() {
            self.stage = Stage::Recipient(place + 1);
            return Next::Go;
        }
        match (self.manner.chunking, self.taken(0)) {
            (true, Some(first)) => {
                self.stage = Stage::Final(first);
                Next::Message
            }
            (true, None) => self.over(Next::Reset),
            (false, None) if !self.manner.pipelining => self.over(Next::Reset),
            (false, _) => {
                self.stage = Stage::Data;
                Next::Go
            }
        }
    }

    /// 552 for a recipient after others were taken says that they are too many (RFC 5321 4.5.3.1.10), unless its enhanced code
    /// says something else.
    fn too_many(&self, place: usize, verdict: Verdict) -> Verdict {
        let some_taken = self.verdicts[..place].iter().any(Option::is_none);
        match verdict {
            Verdict::Refused(answer)
                if some_taken
                    && answer.code == Some(552)
                    && (!answer.text.starts_with("5.") || answer.text.starts_with("5.5.3")) =>
            {
                Verdict::Later {
                    answer,
                    not_before: None,
                }
            }
            other => other,
        }
    }

    fn data(&mut self, code: u16, text: &str) -> Next {
        let verdict = negative(code, text);
        match (verdict, self.taken(0)) {
            (None, Some(first)) if (300..400).contains(&code) => {
                self.stage = Stage::Final(first);
                Next::Message
            }
            // A server may wait for a message to nobody (RFC 2920 3.1). It gets none: without its end nothing is delivered.
            (None, None) if (300..400).contains(&code) => self.over(Next::Close),
            (Some(verdict), _) => {
                self.rest(&verdict);
                Next::Reset
            }
            (None, _) => self.odd(code, text),
        }
    }

    fn last(&mut self, place: usize, code: u16, text: &str) -> Next {
        let verdict = match negative(code, text) {
            Some(verdict) => verdict,
            None if (200..300).contains(&code) => Verdict::Accepted,
            None => return self.odd(code, text),
        };
        if !self.manner.lmtp {
            self.rest(&verdict);
            return Next::Done;
        }
        self.verdicts[place] = Some(verdict);
        match self.taken(place + 1) {
            Some(next) => {
                self.stage = Stage::Final(next);
                Next::Go
            }
            None => self.over(Next::Done),
        }
    }

    /// The first recipient from this place on that was taken and has no verdict.
    fn taken(&self, from: usize) -> Option<usize> {
        let rest = self.verdicts.iter().enumerate().skip(from);
        let mut taken = rest.filter(|(_, verdict)| verdict.is_none());
        taken.next().map(|(place, _)| place)
    }

    /// A reply that does not fit.
    fn odd(&mut self, code: u16, text: &str) -> Next {
        self.lost(&format!(
            "a reply that does not fit the dialogue: {code} {text}"
        ));
        Next::Close
    }

    /// The connection is lost, for this reason. What has no verdict is tried again.
    pub(super) fn lost(&mut self, why: &str) {
        self.rest(&Verdict::Later {
            answer: Answer {
                code: None,
                text: why.to_owned(),
            },
            not_before: None,
        });
    }

    /// This is the verdict of everybody who has none.
    fn rest(&mut self, verdict: &Verdict) {
        for open in self.verdicts.iter_mut().filter(|open| open.is_none()) {
            *open = Some(verdict.clone());
        }
        self.stage = Stage::Over;
    }

    fn over(&mut self, next: Next) -> Next {
        self.stage = Stage::Over;
        next
    }

    /// Whether no reply has come yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.stage == Stage::Mail
    }

    /// Whether the message was asked for, so that it may be delivered already.
    pub(super) fn is_at_message(&self) -> bool {
        matches!(self.stage, Stage::Final(_))
    }

    /// One verdict for each recipient.
    ///
    /// # Panics
    /// Before the end.
    pub(super) fn verdicts(self) -> Vec<Verdict> {
        let verdicts = self.verdicts.into_iter();
        verdicts
            .map(|verdict| verdict.expect("a transaction that is over"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPELINED: Manner = Manner {
        pipelining: true,
        chunking: false,
        lmtp: false,
    };
    const STEP_BY_STEP: Manner = Manner {
        pipelining: false,
        ..PIPELINED
    };
    const LMTP: Manner = Manner {
        lmtp: true,
        ..PIPELINED
    };
    const CHUNKED: Manner = Manner {
        chunking: true,
        ..PIPELINED
    };

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("{at}@x.example")).collect()
    }

    fn transaction(recipients: &[String], manner: Manner) -> Transaction<'_> {
        let envelope = Envelope {
            sender: "a@x.example",
            parameters: " SIZE=5".to_owned(),
            recipients,
        };
        Transaction::new(envelope, manner)
    }

    /// What the replies come to: the codes of the verdicts (2 for accepted), and what follows after the last.
    fn run(count: usize, manner: Manner, codes: &[u16]) -> (Vec<u16>, Next) {
        let names = names(count);
        let mut transaction = transaction(&names, manner);
        let mut out = Vec::new();
        let mut next = Next::Go;
        for (at, code) in codes.iter().enumerate() {
            transaction.commands(&mut out);
            next = transaction.take(*code, "text");
            let ends = matches!(next, Next::Reset | Next::Done | Next::Close);
            assert_eq!(ends, at + 1 == codes.len(), "{codes:?} at {at}: {next:?}");
        }
        let verdicts = transaction.verdicts();
        let code = |verdict: &Verdict| match verdict {
            Verdict::Accepted => 2,
            Verdict::Later { answer, .. } | Verdict::Refused(answer) => answer.code.unwrap_or(0),
        };
        (verdicts.iter().map(code).collect(), next)
    }

    #[test]
    fn every_recipient_has_the_verdict_of_its_reply() {
        for (codes, verdicts, next) in [
            (&[250, 250, 250, 354, 250][..], [2, 2], Next::Done),
            (&[250, 550, 250, 354, 250], [550, 2], Next::Done),
            (&[250, 550, 250, 354, 451], [550, 451], Next::Done),
            (&[250, 550, 450, 503], [550, 450], Next::Reset),
            (&[250, 550, 450, 354], [550, 450], Next::Close),
            (&[451, 503, 503, 503], [451, 451], Next::Reset),
            (&[550, 250, 250, 354], [550, 550], Next::Close),
            (&[250, 250, 250, 451], [451, 451], Next::Reset),
            (&[250, 250, 421], [421, 421], Next::Close),
            (&[250, 550, 421], [550, 421], Next::Close),
            (&[250, 250, 250, 354, 421], [421, 421], Next::Close),
            (&[250, 250, 354], [0, 0], Next::Close),
            (&[354], [0, 0], Next::Close),
            (&[250, 250, 250, 250], [0, 0], Next::Close),
        ] {
            assert_eq!(
                run(2, PIPELINED, codes),
                (verdicts.to_vec(), next),
                "{codes:?}"
            );
        }
    }

    #[test]
    fn without_pipelining_nothing_is_said_in_vain() {
        for (codes, verdicts, next) in [
            (&[250, 250, 250, 354, 250][..], [2, 2], Next::Done),
            (&[451], [451, 451], Next::Reset),
            (&[250, 550, 450], [550, 450], Next::Reset),
        ] {
            assert_eq!(
                run(2, STEP_BY_STEP, codes),
                (verdicts.to_vec(), next),
                "{codes:?}"
            );
        }
        let names = names(1);
        let mut transaction = transaction(&names, STEP_BY_STEP);
        let mut said = |code| {
            let mut out = Vec::new();
            transaction.commands(&mut out);
            transaction.take(code, "");
            String::from_utf8(out).unwrap()
        };
        assert_eq!(said(250), "MAIL FROM:<a@x.example> SIZE=5\r\n");
        assert_eq!(said(250), "RCPT TO:<0@x.example>\r\n");
        assert_eq!(said(354), "DATA\r\n");
    }

    #[test]
    fn in_lmtp_each_recipient_that_was_taken_has_its_own_reply() {
        for (codes, verdicts, next) in [
            (
                &[250, 250, 550, 250, 354, 250, 452][..],
                [2, 550, 452],
                Next::Done,
            ),
            (
                &[250, 250, 550, 250, 354, 250, 421],
                [2, 550, 421],
                Next::Close,
            ),
            (&[250, 550, 550, 550, 503], [550, 550, 550], Next::Reset),
        ] {
            assert_eq!(run(3, LMTP, codes), (verdicts.to_vec(), next), "{codes:?}");
        }
    }

    #[test]
    fn in_chunks_there_is_no_data() {
        assert_eq!(run(1, CHUNKED, &[250, 250, 250]), (vec![2], Next::Done));
        assert_eq!(run(1, CHUNKED, &[250, 550]), (vec![550], Next::Reset));
        assert_eq!(run(1, CHUNKED, &[451, 503]), (vec![451], Next::Reset));
        let names = names(1);
        let mut transaction = transaction(&names, CHUNKED);
        let mut out = Vec::new();
        transaction.commands(&mut out);
        assert!(!String::from_utf8(out).unwrap().contains("DATA"));
    }

    #[test]
    fn too_many_recipients_are_tried_again() {
        let names = names(2);
        for (text, later) in [
            ("too many", true),
            ("5.5.3 too many", true),
            ("5.2.2 full", false),
        ] {
            let mut transaction = transaction(&names, PIPELINED);
            transaction.take(250, "");
            transaction.take(250, "");
            transaction.take(552, text);
            assert_eq!(
                matches!(transaction.verdicts[1], Some(Verdict::Later { .. })),
                later
            );
        }
        // The first of all is refused as it is said.
        assert_eq!(run(1, STEP_BY_STEP, &[250, 552]), (vec![552], Next::Reset));
    }

    #[test]
    fn what_is_lost_is_tried_again_and_what_is_decided_stays() {
        let names = names(2);
        let mut transaction = transaction(&names, PIPELINED);
        assert!(transaction.is_untouched());
        for code in [250, 550, 250, 354] {
            transaction.take(code, "");
        }
        assert!(transaction.is_at_message());
        transaction.lost("reset by peer");
        let verdicts = transaction.verdicts();
        assert!(matches!(verdicts[0], Verdict::Refused(_)));
        assert!(matches!(&verdicts[1], Verdict::Later { answer, .. } if answer.code.is_none()));
    }
}
