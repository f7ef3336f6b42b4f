//! What comes of the command line: a run that can be started.
//!
//! A [`Plan`] that exists is possible. Every error here is the operator's, but for a name that does not resolve.

mod addresses;
mod checked;
mod open_files;
mod profile;
mod schedule;
mod sessions;
mod sources;
mod target;
mod tls;

pub(crate) use checked::Plan;
pub(crate) use open_files::allow_open_files;
pub(crate) use profile::Profile;
pub(crate) use schedule::{Pace, Timetable};
pub(crate) use target::resolve;
