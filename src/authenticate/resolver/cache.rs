//! Answers that are valid still.
//!
//! Owns: for how long, and how many. Must not know: where they come from.
//!
//! Two generations: what is used moves to the young one, and when that is full it becomes the old one, whose answers go. So the
//! answers that are asked for stay, without a list of their order.
//!
//! Invariant: both together hold at most twice [`GENERATION_BYTES`] and the largest answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::authenticate::dns::{Answer, Question};

/// Bytes of a generation.
const GENERATION_BYTES: usize = 16 * 1024 * 1024;
/// Bytes that an answer takes beside its records: names, times and the table.
const ENTRY_BYTES: usize = 256;
/// Longest time that an answer is kept, whatever it says.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// See the module.
#[derive(Default)]
pub(super) struct Cache {
    young: HashMap<Question, Kept>,
    old: HashMap<Question, Kept>,
    /// Of the young generation.
    bytes: usize,
}

#[derive(Clone)]
struct Kept {
    answer: Arc<Answer>,
    until: Instant,
}

impl Cache {
    /// An answer that is valid now.
    pub(super) fn get(&mut self, question: &Question, now: Instant) -> Option<Arc<Answer>> {
        if let Some(kept) = self.young.get(question) {
            return (kept.until > now).then(|| Arc::clone(&kept.answer));
        }
        let kept = self.old.remove(question).filter(|kept| kept.until > now)?;
        let answer = Arc::clone(&kept.answer);
        self.put(question.clone(), kept);
        Some(answer)
    }

    /// Keeps an answer until then.
    pub(super) fn insert(
        &mut self,
        question: Question,
        answer: Arc<Answer>,
        until: Instant,
        now: Instant,
    ) {
        if until <= now {
            return;
        }
        let until = until.min(now + LONGEST);
        self.old.remove(&question);
        self.put(question, Kept { answer, until });
    }

    fn put(&mut self, question: Question, kept: Kept) {
        let bytes = ENTRY_BYTES + weight(&kept.answer);
        if self.bytes + bytes > GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.young.insert(question, kept);
    }
}

/// Bytes of an answer's records.
fn weight(answer: &Answer) -> usize {
    match answer {
        Answer::Txt(texts) => texts.iter().map(|text| text.len() + 24).sum(),
        Answer::Addresses(addresses) => addresses.len() * 24,
        Answer::Mx(servers) => servers.iter().map(|(_, name)| name.len() + 32).sum(),
        Answer::Names(names) => names.iter().map(|name| name.len() + 24).sum(),
        Answer::Tlsa(records) => records.iter().map(|record| record.data.len() + 32).sum(),
        Answer::Empty | Answer::NoName | Answer::Trouble => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticate::dns::Kind;

    fn question(number: usize) -> Question {
        Question::new(&format!("{number}.example"), Kind::Txt).unwrap()
    }

    #[test]
    fn an_answer_is_kept_while_it_is_valid() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let second = Duration::from_secs(1);
        cache.insert(question(1), Arc::new(Answer::NoName), now + second, now);
        cache.insert(question(2), Arc::new(Answer::NoName), now, now);
        cache.insert(
            question(3),
            Arc::new(Answer::NoName),
            now + LONGEST * 2,
            now,
        );
        assert!(cache.get(&question(1), now).is_some());
        assert!(cache.get(&question(1), now + second).is_none());
        assert!(cache.get(&question(2), now).is_none());
        assert!(cache.get(&question(3), now + LONGEST - second).is_some());
        assert!(cache.get(&question(3), now + LONGEST).is_none());
        cache.insert(
            question(1),
            Arc::new(Answer::Empty),
            now + second * 5,
            now + second,
        );
        assert_eq!(
            cache.get(&question(1), now + second * 2).as_deref(),
            Some(&Answer::Empty)
        );
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let until = now + Duration::from_secs(600);
        let large = Arc::new(Answer::Txt(vec![vec![0; 64 * 1024]]));
        let each = weight(&large) + ENTRY_BYTES;
        let mut most = 0;
        for number in 0..1_000 {
            cache.insert(question(number), Arc::clone(&large), until, now);
            assert!(
                cache.get(&question(0), now).is_some(),
                "it is used all the time"
            );
            most = most.max(cache.young.len() + cache.old.len());
        }
        assert!(most * each <= 2 * GENERATION_BYTES + each, "{most}");
        assert!(cache.get(&question(1), now).is_none());
        assert!(cache.get(&question(999), now).is_some());
    }
}
