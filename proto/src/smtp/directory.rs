//! A directory: whom a topic names, as a set that changes while the server runs.
//!
//! Owns: the set, and which of several records about one name counts. Must not know: where records come from, which domains
//! are ours, and when a set is complete.
//!
//! A directory is a value: [`Directory::with`] makes the next one out of it and some changes, and a reader keeps the one that it
//! has. Names are spread by their hash over 4,096 shards, in a tree of two levels of 64. The next directory shares all shards but
//! those that change, so that one change among a million names copies a shard of some 250 names and 128 pointers.
//!
//! A shard is two allocations: its entries, which are sorted by a part of their hash, and the octets of their names. A million
//! addresses take some 45 MB.
//!
//! Records about one name can be in several partitions, as each spelling of a key has its own. In one partition the later
//! record counts, between two the one with the later time. So a name that was removed leaves a mark, until
//! [`Changes::forget_before`] says that no older record can come.
//!
//! Invariants: entries of a shard are sorted, and each name is in it once; what is counted is what is there.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use super::list::Key;
use super::name::{Name, Scope, scope_of};

/// Branches of a directory, and shards of a branch.
const FAN: usize = 64;

/// Whom a topic names. See the module.
#[derive(Clone)]
pub struct Directory {
    branches: Box<[Branch]>,
    counts: Counts,
    /// Mixed into hashes, so that nobody can choose names that collide.
    seed: u64,
}

type Branch = Arc<[Arc<Shard>]>;

/// Names by what they hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Single addresses.
    pub addresses: usize,
    /// Whole domains.
    pub whole: usize,
    /// Domains of which all below is named.
    pub below: usize,
}

impl Counts {
    /// All names.
    pub fn all(self) -> usize {
        self.addresses + self.whole + self.below
    }

    fn of(&mut self, scope: Scope) -> &mut usize {
        match scope {
            Scope::Address => &mut self.addresses,
            Scope::Whole => &mut self.whole,
            Scope::Below => &mut self.below,
        }
    }

    fn replace(&mut self, before: Self, after: Self) {
        for (count, before, after) in [
            (&mut self.addresses, before.addresses, after.addresses),
            (&mut self.whole, before.whole, after.whole),
            (&mut self.below, before.below, after.below),
        ] {
            *count = (*count + after)
                .checked_sub(before)
                .expect("what goes was counted when it came");
        }
    }
}

/// The names whose hash begins alike.
#[derive(Debug, Default)]
struct Shard {
    /// Sorted by tag.
    entries: Box<[Entry]>,
    /// The names, one after the other.
    octets: Box<[u8]>,
    counts: Counts,
    /// Whether a name was removed and is still known.
    has_marks: bool,
}

/// A name of a shard.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// A part of its hash.
    tag: u32,
    /// Where its octets end; they begin where those of the entry before it end.
    end: u32,
    /// The record that counts.
    stamp: Stamp,
}

/// Of a record: its time, its partition, and whether it names or removes. The highest bits are the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64);

const PARTITION_BITS: u32 = 19;
const PARTITIONS: u64 = 1 << PARTITION_BITS;

impl Stamp {
    fn new(origin: Origin, named: bool) -> Self {
        let time = origin.time.clamp(0, (1 << 44) - 1) as u64;
        let partition = u64::from(origin.partition.unsigned_abs()) % PARTITIONS;
        Self((time << (PARTITION_BITS + 1)) | (partition << 1) | u64::from(named))
    }

    fn time(self) -> i64 {
        (self.0 >> (PARTITION_BITS + 1)) as i64
    }

    fn is_named(self) -> bool {
        self.0 & 1 == 1
    }

    /// Whether the record counts that comes after the one of `before`.
    fn supersedes(self, before: Self) -> bool {
        let partition = |stamp: Self| (stamp.0 >> 1) % PARTITIONS;
        partition(self) == partition(before) || self.0 >> 1 > before.0 >> 1
    }
}

/// Where a record is from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// Its time stamp in milliseconds; 0 where it has none.
    pub time: i64,
    /// Its partition.
    pub partition: i32,
}

/// Changes in the order in which their records came, for [`Directory::with`].
#[derive(Debug)]
pub struct Changes {
    octets: Vec<u8>,
    list: Vec<Change>,
    forget_before: i64,
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    hash: u64,
    begin: usize,
    end: usize,
    stamp: Stamp,
}

impl Changes {
    /// A record names this, or removes it.
    pub fn push(&mut self, name: &Name, origin: Origin, named: bool) {
        let begin = self.octets.len();
        self.octets.extend_from_slice(name.octets());
        self.list.push(Change {
            hash: hash(self.seed, name.octets()),
            begin,
            end: self.octets.len(),
            stamp: Stamp::new(origin, named),
        });
    }

    /// Marks of names that were removed before this time, in milliseconds, are not kept where a shard is written again: no
    /// record can come that is older. Without it all are kept.
    pub fn forget_before(&mut self, time: i64) {
        self.forget_before = time;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Forgets them, and keeps their room.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.list.clear();
    }
}

/// What changes came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Names that were not there before.
    pub added: usize,
    /// Names that were.
    pub removed: usize,
}

impl Directory {
    /// Nobody is named. `seed` is any number that senders do not know.
    pub fn new(seed: u64) -> Self {
        let empty: Branch = (0..FAN).map(|_| Arc::default()).collect();
        Self {
            branches: (0..FAN).map(|_| Arc::clone(&empty)).collect(),
            counts: Counts::default(),
            seed,
        }
    }

    /// No changes yet.
    pub fn changes(&self) -> Changes {
        Changes {
            octets: Vec::new(),
            list: Vec::new(),
            forget_before: i64::MIN,
            seed: self.seed,
        }
    }

    /// How many names there are.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// All names, in no order.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        let shards = self.branches.iter().flat_map(|branch| branch.iter());
        shards.flat_map(|shard| {
            let named = shard.each().filter(|(stamp, _)| stamp.is_named());
            named.map(|(_, octets)| Name::of_octets(octets))
        })
    }

    /// Whether this is named as it is.
    pub fn contains(&self, name: &Name) -> bool {
        let hash = hash(self.seed, name.octets());
        let (branch, shard) = place(hash);
        self.branches[branch][shard].contains(tag(hash), name.octets())
    }

    /// Whether a domain in normal form is named as a whole, by itself or with all that is below another one.
    pub fn has_domain(&self, domain: &str) -> bool {
        let named = |name: Option<Name>| name.is_some_and(|name| self.contains(&name));
        if self.counts.whole > 0 && named(Name::whole(domain)) {
            return true;
        }
        let parents = std::iter::successors(Some(domain), |rest| Some(rest.split_once('.')?.1));
        self.counts.below > 0 && parents.skip(1).any(|parent| named(Name::below(parent)))
    }

    /// Whether an address is named. `local_part` is a key without regard to case, `domain` is in normal form.
    pub fn has_address(&self, local_part: &Key, domain: &str) -> bool {
        let name = Name::of_key(local_part, domain);
        self.counts.addresses > 0 && name.is_some_and(|name| self.contains(&name))
    }

    /// The directory after these changes, and what they came to.
    #[must_use]
    pub fn with(&self, changes: &mut Changes) -> (Self, Applied) {
        assert_eq!(changes.seed, self.seed, "changes are made for a directory");
        // Stable: changes of one name stay in their order.
        changes.list.sort_by_key(|change| change.hash);
        let mut next = self.clone();
        let mut applied = Applied::default();
        let mut rest = &changes.list[..];
        while let Some(first) = rest.first() {
            let at = place(first.hash);
            let count = rest.partition_point(|change| place(change.hash) <= at);
            let (here, behind) = rest.split_at(count);
            rest = behind;
            let before = &self.branches[at.0][at.1];
            let shard = before.with(here, changes, &mut applied);
            next.exchange(at, shard);
        }
        (next, applied)
    }

    /// The same names without marks of those that were removed before this time, in milliseconds.
    #[must_use]
    pub fn without_marks(&self, before: i64) -> Self {
        let mut changes = self.changes();
        changes.forget_before(before);
        let (mut next, mut applied) = (self.clone(), Applied::default());
        for branch in 0..FAN {
            for shard in 0..FAN {
                let known = &self.branches[branch][shard];
                if known.has_marks {
                    let shorter = known.with(&[], &changes, &mut applied);
                    next.exchange((branch, shard), shorter);
                }
            }
        }
        assert_eq!(next.counts, self.counts, "marks are no names");
        next
    }

    fn exchange(&mut self, at: (usize, usize), shard: Shard) {
        let branch = &mut self.branches[at.0];
        if Arc::get_mut(branch).is_none() {
            *branch = branch.iter().map(Arc::clone).collect();
        }
        let place = Arc::get_mut(branch).expect("nobody else has it");
        self.counts.replace(place[at.1].counts, shard.counts);
        place[at.1] = Arc::new(shard);
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Directory({:?})", self.counts)
    }
}

impl Shard {
    fn begin(&self, place: usize) -> usize {
        match place {
            0 => 0,
            place => self.entries[place - 1].end as usize,
        }
    }

    fn octets_of(&self, place: usize) -> &[u8] {
        &self.octets[self.begin(place)..self.entries[place].end as usize]
    }

    fn each(&self) -> impl Iterator<Item = (Stamp, &[u8])> {
        let places = self.entries.iter().enumerate();
        places.map(|(place, entry)| (entry.stamp, self.octets_of(place)))
    }

    fn contains(&self, tag: u32, name: &[u8]) -> bool {
        let first = self.entries.partition_point(|entry| entry.tag < tag);
        let alike = self.entries[first..].iter().enumerate();
        alike
            .take_while(|(_, entry)| entry.tag == tag)
            .any(|(at, entry)| entry.stamp.is_named() && self.octets_of(first + at) == name)
    }

    /// The shard after these changes, which are sorted by hash and all belong here.
    fn with(&self, list: &[Change], changes: &Changes, applied: &mut Applied) -> Self {
        let mut writer = Writer::new(self, list, changes.forget_before);
        let (mut place, mut list) = (0, list);
        while place < self.entries.len() || !list.is_empty() {
            let ours = self.entries.get(place).map(|entry| entry.tag);
            let theirs = list.first().map(|change| tag(change.hash));
            let next = ours.into_iter().chain(theirs).min().expect("one is left");
            if theirs != Some(next) {
                writer.keep(self.entries[place], self.octets_of(place));
                place += 1;
                continue;
            }
            // Those with the same tag, nearly always one name.
            let mut group: BTreeMap<&[u8], (bool, Stamp)> = BTreeMap::new();
            while self
                .entries
                .get(place)
                .is_some_and(|entry| entry.tag == next)
            {
                let stamp = self.entries[place].stamp;
                group.insert(self.octets_of(place), (stamp.is_named(), stamp));
                place += 1;
            }
            while let Some(change) = list.first().filter(|change| tag(change.hash) == next) {
                let octets = &changes.octets[change.begin..change.end];
                let (_, stamp) = group.entry(octets).or_insert((false, change.stamp));
                if change.stamp.supersedes(*stamp) {
                    *stamp = change.stamp;
                }
                list = &list[1..];
            }
            for (octets, (was_named, stamp)) in group {
                applied.added += usize::from(stamp.is_named() && !was_named);
                applied.removed += usize::from(was_named && !stamp.is_named());
                let end = 0;
                writer.keep(
                    Entry {
                        tag: next,
                        end,
                        stamp,
                    },
                    octets,
                );
            }
        }
        writer.finish()
    }
}

/// Writes a shard, entry by entry.
struct Writer {
    entries: Vec<Entry>,
    octets: Vec<u8>,
    counts: Counts,
    has_marks: bool,
    forget_before: i64,
}

impl Writer {
    fn new(before: &Shard, list: &[Change], forget_before: i64) -> Self {
        let new: usize = list.iter().map(|change| change.end - change.begin).sum();
        Self {
            entries: Vec::with_capacity(before.entries.len() + list.len()),
            octets: Vec::with_capacity(before.octets.len() + new),
            counts: Counts::default(),
            has_marks: false,
            forget_before,
        }
    }

    fn keep(&mut self, entry: Entry, octets: &[u8]) {
        if entry.stamp.is_named() {
            *self.counts.of(scope_of(octets)) += 1;
        } else if entry.stamp.time() < self.forget_before {
            return;
        } else {
            self.has_marks = true;
        }
        self.octets.extend_from_slice(octets);
        let end = u32::try_from(self.octets.len()).expect("a shard is smaller than 4 GiB");
        self.entries.push(Entry { end, ..entry });
    }

    fn finish(self) -> Shard {
        assert!(
            self.entries.is_sorted_by_key(|entry| entry.tag),
            "entries are found by their tag"
        );
        Shard {
            entries: self.entries.into_boxed_slice(),
            octets: self.octets.into_boxed_slice(),
            counts: self.counts,
            has_marks: self.has_marks,
        }
    }
}

fn hash(seed: u64, octets: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(seed);
    hasher.write(octets);
    hasher.finish()
}

/// The branch and the shard of a hash: its highest bits.
fn place(hash: u64) -> (usize, usize) {
    let fan = FAN as u64;
    ((hash >> 58) as usize, (hash >> 52 & (fan - 1)) as usize)
}

/// What a shard is sorted by: the bits after those of its place, so that changes sorted by hash are sorted by tag.
fn tag(hash: u64) -> u32 {
    (hash >> 20) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn name(key: &str) -> Name {
        Name::parse(key.as_bytes()).unwrap_or_else(|why| panic!("{key}: {why}"))
    }

    fn origin(time: i64, partition: i32) -> Origin {
        Origin { time, partition }
    }

    /// After records `(key, time, partition, named)`, all at once.
    fn after(directory: &Directory, records: &[(&str, i64, i32, bool)]) -> (Directory, Applied) {
        let mut changes = directory.changes();
        for &(key, time, partition, named) in records {
            changes.push(&name(key), origin(time, partition), named);
        }
        directory.with(&mut changes)
    }

    fn has(directory: &Directory, address: &str) -> bool {
        let (local_part, domain) = address.rsplit_once('@').expect("an address");
        let key = Key::new(local_part.as_bytes(), false).expect("a local-part");
        directory.has_domain(domain) || directory.has_address(&key, domain)
    }

    #[test]
    fn addresses_domains_and_what_is_below_them() {
        let (directory, applied) = after(
            &Directory::new(7),
            &[
                ("Joe@example.com", 1, 0, true),
                ("whole.example", 1, 1, true),
                ("*.below.example", 1, 2, true),
            ],
        );
        assert_eq!((applied.added, applied.removed), (3, 0));
        for named in [
            "joe@example.com",
            "JOE@example.com",
            "\"joe\"@example.com",
            "anybody@whole.example",
            "x@a.below.example",
            "x@b.a.below.example",
        ] {
            assert!(has(&directory, named), "{named}");
        }
        for unknown in [
            "ann@example.com",
            "joe@a.example.com",
            "x@a.whole.example",
            "x@below.example",
            "x@badbelow.example",
            "joe@example.org",
        ] {
            assert!(!has(&directory, unknown), "{unknown}");
        }
        let counts = directory.counts();
        assert_eq!((counts.addresses, counts.whole, counts.below), (1, 1, 1));
        let mut names: Vec<String> = directory.names().map(|name| name.to_string()).collect();
        names.sort();
        assert_eq!(
            names,
            ["*.below.example", "joe@example.com", "whole.example"]
        );
    }

    #[test]
    fn in_a_partition_the_later_record_counts_and_between_two_the_later_time() {
        let empty = Directory::new(7);
        for (records, named) in [
            (&[("joe@x", 2, 0, true), ("JOE@x", 1, 0, false)][..], false),
            (&[("joe@x", 2, 0, true), ("JOE@x", 1, 1, false)], true),
            (&[("joe@x", 1, 0, true), ("JOE@x", 2, 1, false)], false),
            // The removal comes first, the older record after it.
            (&[("joe@x", 2, 1, false), ("JOE@x", 1, 0, true)], false),
            (&[("joe@x", 2, 1, false), ("JOE@x", 3, 0, true)], true),
            (&[("joe@x", 2, 1, false), ("joe@x", 1, 1, true)], true),
        ] {
            let (at_once, _) = after(&empty, records);
            assert_eq!(has(&at_once, "joe@x"), named, "{records:?}");
            let one_by_one = records.iter().fold(empty.clone(), |directory, record| {
                after(&directory, &[*record]).0
            });
            assert_eq!(has(&one_by_one, "joe@x"), named, "{records:?}");
            assert_eq!(one_by_one.counts(), at_once.counts());
        }
    }

    #[test]
    fn marks_are_kept_as_long_as_an_older_record_can_come() {
        let (removed, applied) = after(&Directory::new(7), &[("joe@x", 50, 1, false)]);
        assert_eq!(applied, Applied::default());
        let (still, _) = after(&removed.without_marks(50), &[("JOE@x", 40, 0, true)]);
        assert!(!has(&still, "joe@x"));
        let (back, applied) = after(&removed.without_marks(51), &[("JOE@x", 40, 0, true)]);
        assert!(has(&back, "joe@x") && applied.added == 1);
        let mut changes = back.changes();
        changes.push(&name("joe@x"), origin(60, 0), false);
        changes.forget_before(100);
        let (gone, applied) = back.with(&mut changes);
        assert_eq!((gone.counts().all(), applied.removed), (0, 1));
        let entries = |directory: &Directory| {
            let shards = directory.branches.iter().flat_map(|branch| branch.iter());
            shards.map(|shard| shard.entries.len()).sum::<usize>()
        };
        assert_eq!((entries(&removed), entries(&gone)), (1, 0));
    }

    #[test]
    fn a_directory_that_somebody_has_stays_as_it_is() {
        let (before, _) = after(&Directory::new(7), &[("joe@x", 1, 0, true)]);
        let (next, _) = after(&before, &[("joe@x", 2, 0, false), ("ann@x", 2, 0, true)]);
        assert!(has(&before, "joe@x") && !has(&before, "ann@x"));
        assert!(!has(&next, "joe@x") && has(&next, "ann@x"));
        let shared = before.branches.iter().zip(&next.branches);
        let shared = shared.filter(|(one, other)| Arc::ptr_eq(one, other));
        assert!(shared.count() >= FAN - 2, "what does not change is shared");
    }

    /// Random changes, held against the standard library's map.
    #[test]
    fn it_is_the_set_that_its_changes_make() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |most: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % most
        };
        let rounds = if cfg!(miri) { 3 } else { 300 };
        let mut directory = Directory::new(random(1 << 60));
        let mut model: HashMap<String, bool> = HashMap::new();
        for time in 0..rounds {
            let mut changes = directory.changes();
            let count = if time == 1 { 5 } else { random(40) };
            for _ in 0..count {
                let key = match random(12) {
                    0 => format!("d{}.example", random(5)),
                    1 => format!("*.d{}.example", random(5)),
                    _ => format!("u{}@d{}.example", random(500), random(5)),
                };
                let named = random(3) > 0;
                changes.push(&name(&key), origin(time, 0), named);
                model.insert(key, named);
            }
            let before = directory.counts().all();
            let (next, applied) = directory.with(&mut changes);
            assert_eq!(
                next.counts().all() + applied.removed,
                before + applied.added
            );
            directory = next;
            let named = model.values().filter(|&&named| named).count();
            assert_eq!(directory.counts().all(), named);
        }
        for (key, &named) in &model {
            assert_eq!(directory.contains(&name(key)), named, "{key}");
        }
        assert_eq!(directory.names().count(), directory.counts().all());
    }
}
