//! The replies to an envelope, one after the other: MAIL, each RCPT, and DATA where that is how the message is sent.
//!
//! Sans I/O: codes come in, an [`Answer`] comes out.

use ringpost_proto::client::reply::CLOSING;

use crate::fault::{ErrorKind, Step};

/// How the server took an envelope.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It waits for the data of a transaction without these refused recipients.
    Go {
        /// Recipients that are not part of the transaction.
        recipients_refused: u64,
    },
    /// It waits for the data of a transaction that has no recipient; RFC 2920 section 3.1 allows that. The code is the one
    /// that refused.
    Void(u16),
    /// It refused with this code.
    Refused(u16),
}

/// What the replies so far say.
pub(super) struct EnvelopeAnswers {
    recipients: usize,
    with_data: bool,
    seen: usize,
    /// MAIL was taken.
    began: bool,
    taken: u64,
    recipients_refused: u64,
    /// The code of the first refusal.
    refused: Option<u16>,
}

impl EnvelopeAnswers {
    /// No reply yet. `with_data`: the last command is DATA.
    pub(super) fn new(recipients: usize, with_data: bool) -> EnvelopeAnswers {
        assert!(recipients > 0, "a transaction has a recipient");
        EnvelopeAnswers {
            recipients,
            with_data,
            seen: 0,
            began: false,
            taken: 0,
            recipients_refused: 0,
            refused: None,
        }
    }

    /// What the next reply answers.
    pub(super) fn step(&self) -> Step {
        match self.seen {
            0 => Step::Mail,
            position if position <= self.recipients => Step::Rcpt,
            _ => Step::Data,
        }
    }

    /// Takes the next reply; the last one, or one that ends the connection, gives the answer.
    pub(super) fn take(&mut self, code: u16) -> Result<Option<Answer>, ErrorKind> {
        let position = self.seen;
        self.seen += 1;
        if code == CLOSING {
            return Ok(Some(Answer::Refused(code)));
        }
        match code {
            200..300 if position == 0 => self.began = true,
            // A transaction that did not begin has no recipient, whatever the server says to RCPT.
            200..300 if position <= self.recipients => self.taken += u64::from(self.began),
            300..400 if position > self.recipients => return Ok(Some(self.go())),
            400..600 if position > self.recipients => return Ok(Some(self.refusal(code))),
            400..600 => {
                self.recipients_refused += u64::from(position > 0);
                self.refused.get_or_insert(code);
            }
            _ => return Err(ErrorKind::Protocol),
        }
        if self.with_data || position < self.recipients {
            return Ok(None);
        }
        Ok(Some(match self.go() {
            Answer::Void(code) => Answer::Refused(code),
            answer => answer,
        }))
    }

    /// The refusal that makes the rest of the commands pointless.
    pub(super) fn refusal_before_data(&self) -> Option<u16> {
        let mail_refused = self.seen == 1;
        let nobody_left = self.seen == self.recipients + 1 && self.taken == 0;
        self.refused.filter(|_| mail_refused || nobody_left)
    }

    fn go(&self) -> Answer {
        match self.refused {
            Some(code) if self.taken == 0 => Answer::Void(code),
            _ => Answer::Go {
                recipients_refused: self.recipients_refused,
            },
        }
    }

    /// DATA was refused: because of what was refused before it, when no recipient was left.
    fn refusal(&self, code: u16) -> Answer {
        Answer::Refused(self.refused.filter(|_| self.taken == 0).unwrap_or(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(
        recipients: usize,
        with_data: bool,
        codes: &[u16],
    ) -> Result<Option<Answer>, ErrorKind> {
        let mut answers = EnvelopeAnswers::new(recipients, with_data);
        let (last, before) = codes.split_last().expect("a reply");
        for code in before {
            assert_eq!(answers.take(*code), Ok(None), "{codes:?}");
        }
        answers.take(*last)
    }

    #[test]
    fn an_envelope_is_taken_in_part_or_refused() {
        let go = |recipients_refused| Ok(Some(Answer::Go { recipients_refused }));
        assert_eq!(answer(1, true, &[250, 250, 354]), go(0));
        assert_eq!(answer(2, true, &[250, 550, 251, 354]), go(1));
        assert_eq!(
            answer(2, true, &[250, 452, 550, 354]),
            Ok(Some(Answer::Void(452)))
        );
        assert_eq!(
            answer(2, true, &[250, 452, 550, 554]),
            Ok(Some(Answer::Refused(452)))
        );
        assert_eq!(
            answer(1, true, &[530, 250, 354]),
            Ok(Some(Answer::Void(530)))
        );
        assert_eq!(
            answer(1, false, &[530, 250]),
            Ok(Some(Answer::Refused(530)))
        );
        assert_eq!(
            answer(1, true, &[451, 503, 503]),
            Ok(Some(Answer::Refused(451)))
        );
        assert_eq!(
            answer(2, true, &[250, 550, 250, 451]),
            Ok(Some(Answer::Refused(451)))
        );
        assert_eq!(answer(2, true, &[250, 421]), Ok(Some(Answer::Refused(421))));
    }

    #[test]
    fn without_data_the_last_recipient_decides() {
        let go = |recipients_refused| Ok(Some(Answer::Go { recipients_refused }));
        assert_eq!(answer(1, false, &[250, 250]), go(0));
        assert_eq!(answer(2, false, &[250, 550, 250]), go(1));
        assert_eq!(
            answer(2, false, &[250, 452, 550]),
            Ok(Some(Answer::Refused(452)))
        );
        assert_eq!(
            answer(1, false, &[451, 503]),
            Ok(Some(Answer::Refused(451)))
        );
    }

    #[test]
    fn a_reply_that_does_not_fit_its_command_is_an_error() {
        assert_eq!(answer(1, true, &[354]), Err(ErrorKind::Protocol));
        assert_eq!(answer(1, true, &[250, 354]), Err(ErrorKind::Protocol));
        assert_eq!(answer(1, true, &[250, 250, 250]), Err(ErrorKind::Protocol));
        assert_eq!(answer(1, false, &[250, 354]), Err(ErrorKind::Protocol));
    }

    #[test]
    fn step_by_step_a_hopeless_envelope_ends_early() {
        let mut answers = EnvelopeAnswers::new(2, true);
        assert_eq!(answers.refusal_before_data(), None);
        assert_eq!(answers.take(250), Ok(None));
        assert_eq!(answers.take(550), Ok(None));
        assert_eq!(
            answers.refusal_before_data(),
            None,
            "the second recipient may be taken"
        );
        assert_eq!(answers.take(450), Ok(None));
        assert_eq!(answers.refusal_before_data(), Some(550));
        let mut answers = EnvelopeAnswers::new(2, true);
        assert_eq!(answers.take(452), Ok(None));
        assert_eq!(answers.refusal_before_data(), Some(452));
    }
}
