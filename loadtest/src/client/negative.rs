//! The replies of one transaction that said no: what refused, when the refusal is known only some replies later.
//!
//! Invariant: bounded by [`MOST`] texts of [`MAX_WORDS`] bytes; empty, it has no memory.

use crate::fault::{MAX_WORDS, Step};

/// The most texts that are distinguished; further ones count with the last.
const MOST: usize = 8;

/// The negative replies since the transaction began.
#[derive(Debug, Default)]
pub(super) struct Negatives(Vec<Negative>);

#[derive(Debug)]
struct Negative {
    step: Step,
    code: u16,
    text: Vec<u8>,
    count: u64,
}

impl Negatives {
    /// A transaction begins.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts one.
    pub(super) fn add(&mut self, step: Step, code: u16, text: &[u8]) {
        let text = &text[..text.len().min(MAX_WORDS)];
        let is_full = self.0.len() == MOST;
        let found =
            self.0.iter_mut().rev().find(|kept| {
                (kept.step, kept.code) == (step, code) && (is_full || kept.text == text)
            });
        match found {
            Some(kept) => kept.count += 1,
            None if is_full => {}
            None => self.0.push(Negative {
                step,
                code,
                text: text.to_vec(),
                count: 1,
            }),
        }
    }

    /// The first reply with this code.
    pub(super) fn first(&self, code: u16) -> Option<(Step, &[u8])> {
        let found = self.0.iter().find(|kept| kept.code == code);
        found.map(|kept| (kept.step, &kept.text[..]))
    }

    /// The replies at one step.
    pub(super) fn of(&self, step: Step) -> impl Iterator<Item = (u16, &[u8], u64)> {
        let found = self.0.iter().filter(move |kept| kept.step == step);
        found.map(|kept| (kept.code, &kept.text[..], kept.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_that_refused_is_found_among_those_that_follow_from_it() {
        let mut negatives = Negatives::default();
        negatives.add(Step::Rcpt, 550, b"5.1.1 nobody");
        negatives.add(Step::Rcpt, 550, b"5.1.1 nobody");
        negatives.add(Step::Data, 554, b"5.5.1 no recipients");
        assert_eq!(
            negatives.first(550),
            Some((Step::Rcpt, &b"5.1.1 nobody"[..]))
        );
        assert_eq!(negatives.first(451), None);
        let recipients: Vec<_> = negatives.of(Step::Rcpt).collect();
        assert_eq!(recipients, [(550, &b"5.1.1 nobody"[..], 2)]);
        for number in 0..100u32 {
            negatives.add(Step::Rcpt, 450, &[b'x'; 2000][..number as usize * 20]);
        }
        assert_eq!(negatives.0.len(), MOST);
        let counted: u64 = negatives.of(Step::Rcpt).map(|(_, _, count)| count).sum();
        assert_eq!(counted, 102);
        negatives.clear();
        assert_eq!(negatives.first(550), None);
    }
}
