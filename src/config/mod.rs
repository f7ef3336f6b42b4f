//! The configuration: its types and the table they are filled from.
//!
//! Owns what an operator can set: [`options`] is the one table (name, type, default, range, text), made of rows (`row`). Reading a
//! file, the environment and flags ([`load()`]) follow from it, and so do the pages of documentation, which tests/documentation
//! writes. [`certificate`] and [`recipients`] read the files that the configuration names, when they are asked to. Knows nothing
//! of who uses the values: it opens no socket and asks no broker.
//!
//! Invariants: a [`Config`] that [`load()`] returns has every value inside its range and passes the checks between
//! values, so that nobody after it has to check again. Reading the configuration file and the file of `kafka.properties_file`, and the
//! machine's host name where none is set, is the only I/O of a load.
//!
//! BUGS: paths are taken as written, so relative ones start at the folder that ringpost was started in.

pub mod advice;
pub mod certificate;
mod difference;
mod effective;
mod error;
mod load;
mod loss;
pub mod options;
mod origin;
mod properties_file;
mod reason;
pub mod recipients;
mod relation;
mod row;
mod suggest;
pub mod ticket_keys;
mod toml_file;
pub mod topics;
mod unknown;
mod value;

pub use difference::Difference;
pub use error::{Error, Place, Problem};
pub use load::{FILE_VARIABLE, Loaded, PASSWORD_VARIABLE, SECRET_VARIABLE, file_of, load};
pub use loss::{losses, opened};
pub use options::{
    Access, Admin, Brokers, Config, IoChoice, Kafka, Limits, Log, LogFormat, LogLevel, Objects,
    Recipients, Route, Server, Setting, Split, TakeoverSocket, Tls,
};
pub use origin::Origins;
pub use properties_file::PropertiesFault;
pub use reason::{
    Conflict, ContentFault, FileFault, ObjectsFault, PropertyFault, Reason, Remedy, RouteFault,
};
pub use ringpost_proto::mail::record::RecordKey;
pub use row::{Shape, Texts};
pub use topics::{TopicPlace, Topics};
pub use value::{
    MASK, ObjectsUrl, Scheme, TOKEN_PROPERTIES, domain_pattern, of_java, size, time, topic,
};
