//! `ringpost recipients`: names recipients in the topic that servers follow, removes them, and prints them.
//!
//! Owns: what is written for each action, the exit code and the lines for the operator. Must not know: Kafka's clients, which
//! are [`crate::recipients`]'.
//!
//! Invariants: nothing is written before all that is to be written was read and is right; keys are written in normal form, so
//! that compaction keeps one record of each; exit code 0 only if Kafka has confirmed every record.

mod entry;
mod options;
mod usage;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::environment;
use super::output::complain;
use crate::config::{self, Brokers};
use crate::consume::line::counted;
use crate::consume::stop::Stop;
use crate::failure::{Blame, Blamed, Failure};
use crate::recipients::{self, Change, Place, write};
use crate::smtp::name::Name;
pub use options::Options;
use options::{Action, Cluster, Import, Listing, Named};
use usage::Usage;

/// The brokers where nothing names any.
const LOCAL_BROKERS: &str = "127.0.0.1:9092";
/// How long the topic may bring nothing before it counts as away.
const LIMIT: Duration = Duration::from_secs(30);

/// Standard output did not take all lines.
#[derive(Debug, thiserror::Error)]
#[error("standard output: {0}")]
struct Lost(#[source] io::Error);

impl Blamed for Lost {
    fn blame(&self) -> Blame {
        Blame::Machine
    }
}

/// A line for the operator.
fn say(text: &str) {
    complain(&format!("ringpost recipients: {text}"));
}

/// Does it; every error is a line on standard error.
pub fn run(options: &Options) -> ExitCode {
    let done = match &options.action {
        Action::Add(named) => change(named, true),
        Action::Remove(named) => change(named, false),
        Action::List(listing) => list(listing),
        Action::Import(import) => take_file(import),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.to_string().lines().for_each(say);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// The topic that flags, environment and file name.
fn place(cluster: &Cluster) -> Result<Place, Usage> {
    let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
    let flags = [
        ("kafka.brokers", one(&cluster.brokers)),
        ("recipients.topic", one(&cluster.topic)),
    ];
    let loaded = config::load(cluster.config.as_deref(), environment(), &flags)?;
    for warning in &loaded.warnings {
        say(&format!("warning: {warning}"));
    }
    let brokers = match loaded.config.kafka.brokers.clone() {
        Brokers::List(list) => list,
        _ if !loaded.origins.is_set("kafka.brokers") => LOCAL_BROKERS.to_owned(),
        other @ (Brokers::Embedded | Brokers::Discard) => return Err(Usage::InMemory(other)),
    };
    let mut place = Place::of(&loaded.config, &brokers).ok_or(Usage::NoTopic)?;
    for (at, text) in cluster.properties.iter().enumerate() {
        let (name, value) = text
            .split_once('=')
            .ok_or(Usage::NoPair { number: at + 1 })?;
        place.properties.push((name.to_owned(), value.to_owned()));
    }
    Ok(place)
}

/// The normal form of `--domain`.
fn domain(given: Option<&String>) -> Result<Option<String>, Usage> {
    let Some(domain) = given else { return Ok(None) };
    let no_domain = || Usage::NoDomain {
        domain: domain.clone(),
    };
    entry::domain(domain).map(Some).ok_or_else(no_domain)
}

/// `add` and `remove`.
fn change(named: &Named, add: bool) -> Result<(), Failure> {
    let domain = domain(named.domain.as_ref())?;
    let (mut names, mut wrong) = (BTreeSet::new(), Vec::new());
    for text in &named.names {
        match entry::name(text, domain.as_deref()) {
            Ok(name) => drop(names.insert(name.to_string())),
            Err(why) => wrong.push(why.to_string()),
        }
    }
    if !wrong.is_empty() {
        return Err(Usage::Names(wrong).into());
    }
    let place = place(&named.cluster)?;
    let stop = Stop::on_signals()?;
    let stopped = || stop.asked().is_some();
    let mut keys: BTreeSet<Vec<u8>> = names.iter().map(|name| name.clone().into()).collect();
    if !add {
        // A key in another spelling has its own history in Kafka, and would name the recipient again once the tombstone of
        // the normal form is gone.
        let known = known(&place, &|name| names.contains(&name.to_string()), &stopped)?;
        keys.extend(known.into_keys());
    }
    let changes = keys.into_iter().map(|key| Change { key, named: add });
    write(&place, changes, &stopped)?;
    let what = if add { "added to" } else { "removed from" };
    let count = counted(names.len() as u64, "recipient");
    say(&format!(
        "{count} {what} topic {} on {}",
        place.topic, place.brokers
    ));
    Ok(())
}

/// `list`.
fn list(listing: &Listing) -> Result<(), Failure> {
    let domain = domain(listing.domain.as_ref())?;
    let place = place(&listing.cluster)?;
    let stop = Stop::on_signals()?;
    let loaded = recipients::load(&place, LIMIT, &|| stop.asked().is_some(), &mut |_, _| {})?;
    let names = loaded.directory.names();
    let names = names.filter(|name| domain.as_ref().is_none_or(|domain| name.domain() == domain));
    let mut lines: Vec<String> = names.map(|name| name.to_string()).collect();
    lines.sort_unstable();
    match print(&lines) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        printed => printed.map_err(Lost)?,
    }
    if loaded.invalid > 0 {
        let records = counted(loaded.invalid, "record");
        say(&format!(
            "{records} with a key that is no address and no domain passed over"
        ));
    }
    Ok(())
}

fn print(lines: &[String]) -> io::Result<()> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    for line in lines {
        writeln!(output, "{line}")?;
    }
    output.flush()
}

/// `import`.
fn take_file(import: &Import) -> Result<(), Failure> {
    let domain = domain(import.domain.as_ref())?;
    let path = &import.file;
    let octets = read(path).map_err(|source| Usage::Unreadable {
        path: path.clone(),
        source,
    })?;
    let names = entry::file(&octets, domain.as_deref()).map_err(|wrong| Usage::Lines {
        path: path.clone(),
        wrong,
    })?;
    drop(octets);
    let place = place(&import.cluster)?;
    let stop = Stop::on_signals()?;
    let stopped = || stop.asked().is_some();
    let plan = match import.replace {
        false => Plan::add(names),
        true => {
            let of_file =
                |name: &Name| domain.as_ref().is_none_or(|domain| name.domain() == domain);
            let known = known(&place, &of_file, &stopped)?;
            if names.is_empty() && !known.is_empty() && !import.allow_empty {
                let count = known.len();
                let path = path.clone();
                return Err(Usage::Empty { path, count }.into());
            }
            Plan::replace(names, known)
        }
    };
    let summary = plan.summary(&place);
    if import.dry_run {
        say(&format!("nothing was written; it would be: {summary}"));
        return Ok(());
    }
    // Who is added comes first: should it end in between, nobody is missing who was there before and stays.
    write(&place, plan.changes(), &stopped)?;
    say(&summary);
    Ok(())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path.as_os_str() != "-" {
        return std::fs::read(path);
    }
    let mut octets = Vec::new();
    io::stdin().lock().read_to_end(&mut octets)?;
    Ok(octets)
}

/// The keys that name somebody now, as they are written, each with its normal form; of the names that count.
fn known(
    place: &Place,
    counts: &dyn Fn(&Name) -> bool,
    stop: &dyn Fn() -> bool,
) -> Result<HashMap<Vec<u8>, String>, Failure> {
    let mut known = HashMap::new();
    recipients::load(place, LIMIT, stop, &mut |record, name| {
        if !counts(name) {
            return;
        }
        match record.named {
            true => known.insert(record.key.to_vec(), name.to_string()),
            false => known.remove(record.key),
        };
    })?;
    Ok(known)
}

/// What an import writes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    add: Vec<String>,
    /// Keys as they are in the topic.
    remove: Vec<Vec<u8>>,
    unchanged: usize,
}

impl Plan {
    fn add(names: Vec<String>) -> Self {
        Self {
            add: names,
            ..Self::default()
        }
    }

    /// From these keys, each with its normal form, to these names.
    fn replace(names: Vec<String>, known: HashMap<Vec<u8>, String>) -> Self {
        let wanted: HashSet<&str> = names.iter().map(String::as_str).collect();
        let goes = |(_, name): &(&Vec<u8>, &String)| !wanted.contains(name.as_str());
        let mut remove: Vec<Vec<u8>> = known
            .iter()
            .filter(goes)
            .map(|(key, _)| key.clone())
            .collect();
        remove.sort_unstable();
        drop(wanted);
        let all = names.len();
        let mut add = names;
        add.retain(|name| !known.contains_key(name.as_bytes()));
        Self {
            unchanged: all - add.len(),
            add,
            remove,
        }
    }

    fn summary(&self, place: &Place) -> String {
        let added = counted(self.add.len() as u64, "recipient");
        let removed = self.remove.len();
        let at = format!("topic {} on {}", place.topic, place.brokers);
        match (removed, self.unchanged) {
            (0, 0) => format!("{added} added to {at}"),
            (_, unchanged) => {
                format!("{added} added, {removed} removed, {unchanged} unchanged in {at}")
            }
        }
    }

    fn changes(self) -> impl Iterator<Item = Change> {
        let add = self.add.into_iter().map(|name| Change {
            key: name.into_bytes(),
            named: true,
        });
        let remove = self
            .remove
            .into_iter()
            .map(|key| Change { key, named: false });
        add.chain(remove)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_writes_the_difference() {
        let known = [
            ("joe@x.example", "joe@x.example"),
            ("old@x.example", "old@x.example"),
            ("OLD@x.example", "old@x.example"),
            ("ANN@x.example", "ann@x.example"),
        ];
        let known = known.map(|(key, name)| (key.into(), name.to_owned()));
        let names = ["ann@x.example", "joe@x.example", "new@x.example"];
        let plan = Plan::replace(names.map(str::to_owned).to_vec(), known.into());
        // A removal of the other spelling would remove the recipient.
        assert_eq!(plan.add, ["ann@x.example", "new@x.example"]);
        assert_eq!(
            plan.remove,
            [b"OLD@x.example".to_vec(), b"old@x.example".to_vec()]
        );
        assert_eq!(plan.unchanged, 1);
        let order: Vec<bool> = plan.changes().map(|change| change.named).collect();
        assert_eq!(
            order,
            [true, true, false, false],
            "nobody is missing in between"
        );
    }
}
