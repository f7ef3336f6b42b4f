//! The configuration as a whole, and the one list of its options. Reading the file, the environment and flags, checking, and every
//! text about options follow from it: an option is added by adding its row to the table's file in `options`.
//!
//! Owns which tables there are, and the one array of tables, `[[routes]]`. Knows nothing of files, positions or precedence; what a
//! row is, is the business of `row`.
//!
//! Invariants: every key is there once, below the section that it names; [`Config::default`] has the default of every option, and
//! passes the checks between options.

mod access;
mod admin;
mod kafka;
mod limits;
mod log;
mod objects;
mod recipients;
mod routes;
mod server;
mod tls;

use std::net::SocketAddr;
use std::sync::LazyLock;

pub use access::Access;
pub use admin::Admin;
pub use kafka::{Brokers, Kafka, Split};
pub use limits::Limits;
pub use log::{Log, LogFormat, LogLevel};
pub use objects::Objects;
pub use recipients::Recipients;
pub use routes::Route;
pub use server::{IoChoice, Server, TakeoverSocket};
pub use tls::Tls;

use super::row::Section;

/// One option.
pub type Setting = super::row::Setting<Config>;
/// One option of a route.
pub type RouteSetting = super::row::Setting<Route>;

macro_rules! tables {
    ($($table:ident: $Type:ident,)+) => {
        /// Everything that an operator can set.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Config {
            $(
                #[doc = concat!("The table `[", stringify!($table), "]`.")]
                pub $table: $Type,
            )+
            /// The tables `[[routes]]`, in the order of the file.
            pub routes: Vec<Route>,
        }

        impl Config {
            /// The default of every row, as it is written there.
            pub(super) fn of_rows() -> Self {
                Self {
                    $($table: $Type::default(),)+
                    routes: Vec::new(),
                }
            }
        }

        /// The sections of the file in the order in which they are documented.
        pub const SECTIONS: &[Section] = &[$($table::SECTION),+];

        /// The options, section by section.
        pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
            let mut settings = Vec::new();
            $(
                settings.extend($table::settings(
                    |config: &Config| &config.$table,
                    |config: &mut Config| &mut config.$table,
                ));
            )+
            settings
        });
    };
}

tables! {
    server: Server,
    limits: Limits,
    recipients: Recipients,
    access: Access,
    tls: Tls,
    kafka: Kafka,
    objects: Objects,
    admin: Admin,
    log: Log,
}

impl Default for Config {
    /// The defaults of the rows. Its host name is `localhost`: only [`load()`](super::load()) asks the machine.
    fn default() -> Self {
        let mut config = Self::of_rows();
        "localhost".clone_into(&mut config.server.hostname);
        config
    }
}

impl Config {
    /// The addresses that SMTP is served on, as they are configured: a port may be 0. Listeners are in this order.
    pub fn listening(&self) -> Vec<SocketAddr> {
        let server = &self.server;
        let all = [&server.listen, &server.listen_tls, &server.listen_proxy];
        all.into_iter().flatten().copied().collect()
    }
}

/// What `[[routes]]` is, as one table of it has its options: an array of tables, which only a file can set.
pub const ROUTES: Section = routes::SECTION;

/// The options of one route.
pub static ROUTE_SETTINGS: LazyLock<Vec<RouteSetting>> =
    LazyLock::new(|| routes::settings(|route: &Route| route, |route: &mut Route| route));

/// What bounds the messages in records where `objects.above` is empty: whatever a topic does not take is an object.
pub const OBJECTS_BOUND: &str = "objects.url";

impl Config {
    /// The largest message that is to be in a record, and the option that it follows from: larger ones are objects.
    pub fn largest_in_a_record(&self) -> (u64, &'static str) {
        let largest = self.limits.message_size;
        match (&self.objects.url, self.objects.above) {
            (Some(_), Some(above)) if above < largest => (above, "objects.above"),
            (Some(_), None) => (largest, OBJECTS_BOUND),
            (Some(_), Some(_)) | (None, _) => (largest, "limits.message_size"),
        }
    }
}

/// The option of this key.
pub fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

#[cfg(test)]
mod tests;
