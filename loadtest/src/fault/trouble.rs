//! What refusals and errors said, how often each: in memory that neither the run's length nor the server's texts can grow.
//!
//! Texts that differ only in words with a digit (queue ids, addresses with numbers, times) are one kind; the first of them
//! is kept. Must not know how they are shown.
//!
//! Invariants: at most [`MOST`] kinds; every event counts once, beyond those in [`Troubles::others`].
//!
//! # BUGS
//! - Texts whose ids have no digit count as different kinds.

use super::kind::{Cause, ErrorKind, Fault, MAX_WORDS, Step};
use super::words::split_enhanced;

/// The most kinds that are distinguished.
const MOST: usize = 32;

/// What a trouble is for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A message was refused.
    Refused,
    /// A recipient of a message that went on without it.
    Recipient,
    /// An error of this kind.
    Error(ErrorKind),
}

/// One kind of trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What it is for the run.
    pub what: What,
    /// What was being waited for.
    pub step: Step,
    /// What exactly failed, the first time.
    pub cause: Cause,
    /// The code of the reply, if it was one.
    pub code: Option<u16>,
    /// The first text of this kind, as it came.
    pub words: Vec<u8>,
    /// How often it happened.
    pub count: u64,
}

impl Trouble {
    /// One error.
    pub(crate) fn of_fault(fault: &Fault) -> Trouble {
        Trouble {
            what: What::Error(fault.kind),
            step: fault.step,
            cause: fault.cause,
            code: fault.code,
            words: bounded(&fault.words).to_vec(),
            count: 1,
        }
    }

    /// One reply that refused, or this many of one kind.
    fn of_reply(what: What, step: Step, code: u16, text: &[u8], count: u64) -> Trouble {
        Trouble {
            what,
            step,
            cause: Cause::Unnamed,
            code: Some(code),
            words: bounded(text).to_vec(),
            count,
        }
    }

    /// Whether both are of one kind.
    fn is_like(&self, other: &Trouble) -> bool {
        (self.what, self.step, self.code) == (other.what, other.step, other.code)
            && alike(&self.words, &other.words)
    }
}

fn bounded(words: &[u8]) -> &[u8] {
    &words[..words.len().min(MAX_WORDS)]
}

/// All kinds so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Troubles {
    kinds: Vec<Trouble>,
    others: u64,
}

impl Troubles {
    /// Counts a reply that refused.
    pub(crate) fn count_reply(&mut self, what: What, step: Step, code: u16, text: &[u8]) {
        self.add(Trouble::of_reply(what, step, code, text, 1));
    }

    /// Counts refused recipients of messages that went on without them.
    pub(crate) fn count_recipients(&mut self, code: u16, text: &[u8], count: u64) {
        let recipient = What::Recipient;
        self.add(Trouble::of_reply(recipient, Step::Rcpt, code, text, count));
    }

    /// Counts an error.
    pub(crate) fn count_fault(&mut self, fault: &Fault) {
        self.add(Trouble::of_fault(fault));
    }

    /// Adds another thread's.
    pub(crate) fn merge(&mut self, other: &Troubles) {
        for kind in &other.kinds {
            self.add(kind.clone());
        }
        self.others += other.others;
    }

    /// The kinds, the most frequent first.
    pub(crate) fn kinds(&self) -> Vec<&Trouble> {
        let mut kinds: Vec<&Trouble> = self.kinds.iter().collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
        kinds
    }

    /// Events of further kinds.
    pub(crate) fn others(&self) -> u64 {
        self.others
    }

    fn add(&mut self, trouble: Trouble) {
        assert!(trouble.count > 0, "what is counted has happened");
        if let Some(found) = self.kinds.iter_mut().find(|kind| kind.is_like(&trouble)) {
            found.count += trouble.count;
        } else if self.kinds.len() < MOST {
            self.kinds.push(trouble);
        } else {
            self.others += trouble.count;
        }
        assert!(self.kinds.len() <= MOST, "the memory of a run is bounded");
    }
}

/// Whether two texts differ at most in words with a digit; enhanced codes must be the same.
fn alike(one: &[u8], two: &[u8]) -> bool {
    if one == two {
        return true;
    }
    let words = |text| <[u8]>::split(text, |byte: &u8| byte.is_ascii_whitespace());
    let has_digit = |word: &[u8]| word.iter().any(u8::is_ascii_digit);
    let is_id = |word: &[u8]| has_digit(word) && split_enhanced(word).0.is_none();
    let (mut ones, mut twos) = (words(one), words(two));
    loop {
        match (ones.next(), twos.next()) {
            (None, None) => return true,
            (Some(one), Some(two)) if one == two || (is_id(one) && is_id(two)) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(troubles: &mut Troubles, code: u16, text: &str) {
        troubles.count_reply(What::Refused, Step::Rcpt, code, text.as_bytes());
    }

    #[test]
    fn texts_that_differ_in_numbers_are_one_kind() {
        let mut troubles = Troubles::default();
        for text in [
            "5.1.1 <load+2@x.example> unknown (id 4Fh7)",
            "5.1.1 <load+3@x.example> unknown (id 9Zq1)",
            "5.1.2 <load+3@x.example> unknown (id 9Zq1)",
            "5.1.1 <load@x.example> unknown (id 9Zq1)",
        ] {
            count(&mut troubles, 550, text);
        }
        count(
            &mut troubles,
            450,
            "5.1.1 <load+2@x.example> unknown (id 4Fh7)",
        );
        let counts: Vec<u64> = troubles.kinds().iter().map(|kind| kind.count).collect();
        assert_eq!(counts, [2, 1, 1, 1]);
        assert!(
            troubles.kinds()[0].words.ends_with(b"(id 4Fh7)"),
            "the first text is kept"
        );
    }

    #[test]
    fn a_server_that_invents_texts_costs_bounded_memory_and_every_event_counts() {
        let letters = |number: u32| {
            let letter = |digit: u32| char::from(b'a' + (digit % 26) as u8);
            [letter(number), letter(number / 26)]
                .iter()
                .collect::<String>()
        };
        let (mut one, mut two) = (Troubles::default(), Troubles::default());
        for number in 0..500 {
            count(&mut one, 550, &letters(number));
            count(&mut two, 451, &letters(number).repeat(1000));
        }
        one.merge(&two);
        let listed: u64 = one.kinds().iter().map(|kind| kind.count).sum();
        assert_eq!(listed + one.others(), 1000);
        assert_eq!(one.kinds().len(), MOST);
        assert!(one.kinds().iter().all(|kind| kind.words.len() <= MAX_WORDS));
    }

    #[test]
    fn errors_and_refusals_with_the_same_words_are_told_apart() {
        let mut troubles = Troubles::default();
        count(&mut troubles, 421, "4.7.0 Too many errors");
        troubles.count_fault(&Fault {
            kind: ErrorKind::Reply421,
            step: Step::Rcpt,
            cause: Cause::Unnamed,
            code: Some(421),
            words: b"4.7.0 Too many errors".to_vec(),
        });
        assert_eq!(troubles.kinds().len(), 2);
    }
}
