//! Which leaders could take mail, where records are under way and none is stored.
//!
//! Owns: which of them are asked, all at once, and what follows for each. Must not know: when that is worth it, and what follows for
//! senders, which are `patience`'s.
//!
//! Invariant: it takes as long as one question, however many leaders there are.
//!
//! BUGS: of more than [`MOST`] leaders without records, the others are not asked.

use std::collections::{BTreeMap, BTreeSet};

use super::patience::Leaders;
use crate::kafka::topic::Leader;

/// Questions that are out at once.
const MOST: usize = 16;

/// A leader of a topic, and how many replicas have to confirm a record there.
pub(super) type Candidate<'a> = (&'a str, &'a Leader, usize);

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) counts: Leaders,
    /// The addresses of those that do not answer,
    pub(super) silent: Vec<String>,
    /// and of those that have records, and confirm none.
    pub(super) holding: Vec<String>,
}

/// Looks at the leaders of these topics, each broker once. `holding` is which brokers have records that they have not answered, if
/// that is known; those are not asked.
pub(super) fn look<'a>(
    leaders: impl Iterator<Item = Candidate<'a>>,
    holding: Option<&BTreeSet<i32>>,
    answers: impl Fn(&str, i32) -> bool + Sync,
) -> Found {
    let leaders: BTreeMap<i32, Candidate<'_>> = leaders
        .map(|candidate| (candidate.1.broker, candidate))
        .collect();
    let holds = |leader: &Leader| holding.is_some_and(|holding| holding.contains(&leader.broker));
    let (holding_ones, asked): (Vec<_>, Vec<_>) = leaders
        .into_values()
        .partition(|(_, leader, _)| holds(leader));
    let mut found = Found::default();
    for (_, leader, _) in holding_ones {
        found.counts.holding += 1;
        found.holding.push(leader.address.clone());
    }
    let asked = &asked[..asked.len().min(MOST)];
    let answered: Vec<bool> = std::thread::scope(|scope| {
        let questions: Vec<_> = asked
            .iter()
            .map(|(topic, leader, _)| scope.spawn(|| answers(topic, leader.partition)))
            .collect();
        let answers = questions.into_iter();
        answers
            .map(|question| question.join().unwrap_or(false))
            .collect()
    });
    let silent: BTreeSet<i32> = asked
        .iter()
        .zip(&answered)
        .filter(|(_, answered)| !**answered)
        .map(|((_, leader, _), _)| leader.broker)
        .collect();
    for (_, leader, least) in asked {
        let confirm = leader
            .in_sync
            .iter()
            .filter(|replica| !silent.contains(replica));
        let counts = &mut found.counts;
        if silent.contains(&leader.broker) {
            counts.silent += 1;
            found.silent.push(leader.address.clone());
        } else if confirm.count() < *least {
            counts.short += 1;
        } else if holding.is_some() {
            counts.free += 1;
        } else {
            counts.unclear += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::kafka::lock::lock;

    fn leader(broker: i32) -> Leader {
        Leader {
            broker,
            address: format!("k{broker}:9092"),
            leads: 1,
            partition: broker * 10,
            in_sync: vec![1, 2, 3],
        }
    }

    #[test]
    fn each_broker_is_looked_at_once_and_those_with_records_are_not_asked() {
        let brokers: Vec<Leader> = (1..=3).map(leader).collect();
        let all = || {
            let topics = ["mail", "mail.tenant"].into_iter();
            topics.flat_map(|topic| brokers.iter().map(move |leader| (topic, leader, 2)))
        };
        let asked = Mutex::new(Vec::new());
        let answers = |_: &str, partition| {
            lock(&asked).push(partition);
            partition == 20
        };
        let found = look(all(), Some(&[1].into()), answers);
        let counts = Leaders {
            holding: 1,
            silent: 1,
            free: 1,
            ..Leaders::default()
        };
        assert_eq!(found.counts, counts);
        assert_eq!(
            (found.holding, found.silent),
            (vec!["k1:9092".to_owned()], vec!["k3:9092".to_owned()])
        );
        let mut partitions = std::mem::take(&mut *lock(&asked));
        partitions.sort_unstable();
        assert_eq!(partitions, [20, 30]);
        let found = look(all(), None, answers);
        let counts = Leaders {
            silent: 2,
            short: 1,
            ..Leaders::default()
        };
        assert_eq!(found.counts, counts, "one replica confirms nothing");
        let found = look(all(), None, |_, partition| partition > 10);
        let counts = Leaders {
            silent: 1,
            unclear: 2,
            ..Leaders::default()
        };
        assert_eq!(found.counts, counts);
    }

    #[test]
    fn without_leaders_none_could_take_mail() {
        let found = look(std::iter::empty(), None, |_, _| true);
        assert_eq!(found, Found::default());
    }
}
