//! Puts a configuration together: defaults, then the file, then the environment, then flags; each beats the one before. At last
//! come the properties of `kafka.properties_file`, which replace none.
//!
//! Owns the precedence, and collects every mistake of one pass, so that an operator corrects them all at once. Knows
//! nothing of single options; what they are is in the table.
//!
//! Invariant: no [`Loaded`] without every value in its range and every relation between values kept.

mod environment;
mod file;
mod flags;
mod properties;
mod routes;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::{Error, Place, Problem};
use super::options::{Config, Setting};
use super::origin::Origins;
use super::reason::FileFault;
use super::relation::RELATIONS;
use super::row::{Fault, Written};
use super::value;

/// A configuration that is fit for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// What the operator should know, a sentence each; none of it keeps ringpost from working.
    pub warnings: Vec<String>,
    /// What the file, the environment or a flag set, and where; the others have their defaults.
    pub origins: Origins,
    /// Where each route was written, in the order of the configuration.
    pub routes: Vec<Place>,
}

/// The variable that names the file where no flag does.
pub const FILE_VARIABLE: &str = "RINGPOST_CONFIG";
/// The variable with the password that `forward` logs in with.
pub const PASSWORD_VARIABLE: &str = "RINGPOST_FORWARD_PASSWORD";
/// The variable with the secrets that `forward` signs with.
pub const SECRET_VARIABLE: &str = "RINGPOST_FORWARD_SECRET";
/// Variables that are no options, and that a command reads all the same.
const OTHER_VARIABLES: [&str; 3] = [FILE_VARIABLE, PASSWORD_VARIABLE, SECRET_VARIABLE];

/// The file that is loaded: the flag's, or the one that the environment names.
pub fn file_of(
    flag: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Option<PathBuf> {
    flag.map(Path::to_owned).or_else(|| {
        let mut environment = environment.into_iter();
        let (_, path) = environment.find(|(name, _)| name == FILE_VARIABLE)?;
        Some(path.into())
    })
}

/// Loads a configuration. `environment` may be the whole environment; what does not begin with `RINGPOST_` is passed over.
/// `flags` are keys of the table with the values given on the command line; one without values was not given. Without a
/// `file` it is the one that `RINGPOST_CONFIG` names, if it does.
///
/// # Errors
/// Every mistake of the file, the environment and the flags. All are the operator's.
///
/// # Panics
/// When `flags` names a key that is not in the table or has no flag there, which is a mistake of the caller.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[(&'static str, Vec<String>)],
) -> Result<Loaded, Error> {
    let ours = |(name, _): &(String, String)| name.starts_with("RINGPOST_");
    let environment: Vec<(String, String)> = environment.into_iter().filter(ours).collect();
    let mut draft = Draft::new();
    match (file, file_of(file, environment.iter().cloned())) {
        (Some(path), _) => draft.apply_file(path, "--config"),
        (None, Some(path)) if path.as_os_str().is_empty() => draft.miss_the_file(),
        (None, Some(path)) => draft.apply_file(&path, FILE_VARIABLE),
        (None, None) => {}
    }
    draft.apply_environment(environment);
    draft.apply_flags(flags);
    draft.finish()
}

/// A configuration in the making.
struct Draft {
    config: Config,
    /// Where each option that is set was set last.
    origins: Origins,
    /// Options with a mistake: nothing may be concluded from their values.
    failed: BTreeSet<&'static str>,
    /// The file could not be read as a whole: what it sets is not known.
    incomplete: bool,
    /// A file without any option, and what names it.
    sets_nothing: Option<(PathBuf, &'static str)>,
    /// Where the routes are, in their order.
    routes: Vec<RouteSource>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

/// Where a route is in the file.
struct RouteSource {
    /// Its beginning.
    place: Place,
    /// Each of its addresses.
    listen: Vec<Place>,
    /// Something in it is a mistake: nothing may be concluded from what it lacks.
    failed: bool,
}

impl Draft {
    fn new() -> Self {
        Self {
            config: Config::of_rows(),
            origins: Origins::default(),
            failed: BTreeSet::new(),
            incomplete: false,
            sets_nothing: None,
            routes: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The variable that names the file is set, and empty.
    fn miss_the_file(&mut self) {
        self.incomplete = true;
        self.problems.push(Problem {
            place: Place::Environment(FILE_VARIABLE.to_owned()),
            key: None,
            value: Some(String::new()),
            reason: FileFault::Unnamed.into(),
        });
    }

    /// Sets an option that is written at this place, the entries of a table each at its own. Its faults, which are remembered.
    fn set(
        &mut self,
        setting: &'static Setting,
        place: Place,
        entry: &dyn Fn(usize) -> Place,
        written: &Written<'_>,
    ) -> Vec<Fault> {
        self.origins.note(setting.key, place);
        for (index, name) in setting.names(written).into_iter().enumerate() {
            self.origins.note_entry(setting.key, name, entry(index));
        }
        match setting.set(&mut self.config, written) {
            Ok(()) => Vec::new(),
            Err(faults) => {
                self.failed.insert(setting.key);
                faults
            }
        }
    }

    /// A file that sets nothing was lost or never written; without it the quick start would take mail for every domain and
    /// keep it in memory. Where variables or flags say whose mail is taken, or where it goes, all may be in them.
    fn refuse_an_empty_file(&mut self) {
        const TELLING: [&str; 2] = ["recipients.domains", "kafka.brokers"];
        let is_told = TELLING.iter().any(|key| self.origins.is_set(key));
        let Some((path, named_by)) = self.sets_nothing.take().filter(|_| !is_told) else {
            return;
        };
        self.problems.push(Problem {
            place: Place::File {
                path,
                position: None,
            },
            key: None,
            value: None,
            reason: FileFault::SetsNothing { named_by }.into(),
        });
    }

    fn finish(mut self) -> Result<Loaded, Error> {
        self.refuse_an_empty_file();
        self.apply_properties_file();
        if !self.incomplete {
            self.check_relations();
            self.check_routes();
        }
        if !self.problems.is_empty() {
            return Err(Error::new(self.problems));
        }
        assert!(self.failed.is_empty(), "an option failed without a problem");
        if self.config.server.hostname.is_empty() {
            let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
            self.config.server.hostname = self.usable_host_name(machine.as_deref());
        }
        Ok(Loaded {
            config: self.config,
            warnings: self.warnings,
            origins: self.origins,
            routes: self.routes.into_iter().map(|route| route.place).collect(),
        })
    }

    fn check_relations(&mut self) {
        for relation in &RELATIONS {
            if relation.keys.iter().any(|key| self.failed.contains(key)) {
                continue;
            }
            let Some(conflict) = (relation.fault)(&self.config) else {
                continue;
            };
            let set = relation.keys.iter().find_map(|key| self.origins.of(key));
            // Invariant of the tables: an option that nobody set has its default, and the defaults keep every relation.
            let place = set.expect("one of the options was set").clone();
            self.problems.push(Problem {
                place,
                key: None,
                value: None,
                reason: conflict.into(),
            });
        }
    }

    /// The machine's host name, if SMTP can say it.
    fn usable_host_name(&mut self, machine: Option<&str>) -> String {
        let fallback = "localhost".to_owned();
        let machine = machine.unwrap_or_default().trim();
        match value::host_name(machine) {
            Ok(name) if !name.is_empty() => name,
            Ok(_) => fallback,
            Err(why) => {
                let warning = format!(
                    "the machine's host name {machine:?} {why}; localhost is used: set server.hostname"
                );
                self.warnings.push(warning);
                fallback
            }
        }
    }
}
