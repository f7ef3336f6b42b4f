//! More replicas for a topic, as `kafka-reassign-partitions.sh` reads it.
//!
//! Owns: which brokers get the further copies, and the file. Must not know: how many there should be.
//!
//! Invariants: a partition keeps the replicas that it has, in their order, so that its preferred leader stays; no broker has two
//! of one partition; the same answer of a cluster gives the same file.
//!
//! BUGS: racks are not known here.

use std::collections::BTreeMap;

/// The file's text: each partition of the topic with `wanted` replicas. `placement` has the brokers of each partition by its
/// number; `brokers` are all that there are, at least `wanted`.
pub(super) fn file(
    topic: &str,
    placement: &BTreeMap<i32, Vec<i32>>,
    brokers: &[i32],
    wanted: usize,
) -> String {
    assert!(brokers.len() >= wanted, "each copy has its broker");
    let mut load: BTreeMap<i32, usize> = brokers.iter().map(|&broker| (broker, 0)).collect();
    for broker in placement.values().flatten() {
        *load.entry(*broker).or_default() += 1;
    }
    let partitions = placement.iter().map(|(partition, replicas)| {
        let mut replicas = replicas.clone();
        while replicas.len() < wanted {
            let others = brokers.iter().filter(|broker| !replicas.contains(broker));
            let least = others.min_by_key(|broker| load[broker]);
            let broker = *least.expect("there are more brokers than replicas");
            *load.entry(broker).or_default() += 1;
            replicas.push(broker);
        }
        let replicas: Vec<String> = replicas.iter().map(i32::to_string).collect();
        let replicas = replicas.join(",");
        // A topic's name has no character that JSON escapes.
        format!(r#"{{"topic":"{topic}","partition":{partition},"replicas":[{replicas}]}}"#)
    });
    let partitions: Vec<String> = partitions.collect();
    format!(r#"{{"version":1,"partitions":[{}]}}"#, partitions.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_keeps_what_it_has_and_gets_the_brokers_with_the_fewest() {
        let placement = [vec![2], vec![1], vec![1, 3], vec![4, 2, 1]];
        let placement = (0..).zip(placement).collect();
        let text = file("mail", &placement, &[1, 2, 3, 4], 3);
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(file["version"], 1);
        let partitions = file["partitions"].as_array().unwrap();
        let replicas: Vec<Vec<i64>> = partitions
            .iter()
            .enumerate()
            .map(|(number, partition)| {
                assert_eq!(partition["topic"], "mail");
                assert_eq!(partition["partition"], number);
                let replicas = partition["replicas"].as_array().unwrap();
                replicas.iter().map(|id| id.as_i64().unwrap()).collect()
            })
            .collect();
        assert_eq!(
            replicas,
            [vec![2, 3, 4], vec![1, 2, 3], vec![1, 3, 4], vec![4, 2, 1]]
        );
    }
}
