//! The commands of the program: flags in, exit code out.

mod announce;
pub mod check;
pub mod consume;
mod container;
mod open_files;
mod quick_start;
pub mod serve;

/// The environment, without what is not text: no option takes that.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
