//! How single values are written, in the file, in the environment and after flags.
//!
//! Owns the text forms, in both directions where documentation shows them: a file for each family of values. Knows neither
//! the options that use them nor where a text came from.

mod host;
mod kafka;
mod literal;
mod objects;
mod pairs;
mod path;
mod recipient;
mod scalar;
mod secret;

pub(super) use host::{address, host_name, network};
pub use kafka::topic;
pub use kafka::{TOKEN_PROPERTIES, of_java};
pub(super) use kafka::{
    broker_list, optional_topic, property_name, property_value, topic_or_nothing,
};
pub(super) use literal::{escaped, key, quoted};
pub use objects::{ObjectsUrl, Scheme};
pub(super) use objects::{objects_above, objects_option, objects_option_value, objects_url};
pub(super) use pairs::pairs;
pub(super) use path::{optional_path, path};
pub(super) use recipient::delimiters;
pub use recipient::domain_pattern;
pub(super) use scalar::{count, size_text, switch, time_text};
pub use scalar::{size, time};
pub use secret::MASK;
pub(super) use secret::{masked_objects_option, masked_property};
