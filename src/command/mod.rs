//! The commands of the program: flags in, exit code out.

mod announce;
pub mod authenticate;
pub mod check;
mod cluster;
pub mod consume;
mod container;
mod endings;
pub mod forward;
pub mod health;
mod help;
pub mod line;
mod output;
mod page;
mod quick_start;
pub mod recipients;
mod resolver;
pub mod serve;
mod service;
pub mod top;
mod value;
mod version;

/// The environment. A value that is not text is valid for no option; it is passed on so that it is refused by name and not
/// ignored in silence.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        Some((
            name.into_string().ok()?,
            value.to_string_lossy().into_owned(),
        ))
    })
}
