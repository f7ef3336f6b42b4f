//! What can be wrong with the file: as a whole, and with what in it is not a value of an option.

use thiserror::Error;

/// What is wrong with the file as a whole. `named_by` is the flag or the variable that names it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FileFault {
    /// The variable that names the file is empty.
    #[error("is empty: name a file in TOML, or unset it to run without a file")]
    Unnamed,
    /// There is none.
    #[error(
        "there is no such file: {named_by} names it; correct the path, or leave {named_by} out to run without a file"
    )]
    Missing {
        /// What names it.
        named_by: &'static str,
    },
    /// This user may not read it.
    #[error(
        "this user may not read it: {named_by} names it; give the user of ringpost permission to read it"
    )]
    Forbidden {
        /// What names it.
        named_by: &'static str,
    },
    /// A folder.
    #[error("is a folder: {named_by} has to name a file in TOML")]
    Folder {
        /// What names it.
        named_by: &'static str,
    },
    /// Not UTF-8.
    #[error("is not text in UTF-8: {named_by} has to name a file in TOML")]
    NotText {
        /// What names it.
        named_by: &'static str,
    },
    /// The kernel reports an error.
    #[error("cannot be read: {error}; {named_by} names it")]
    Unreadable {
        /// What names it.
        named_by: &'static str,
        /// What the kernel says.
        error: String,
    },
    /// It has no option.
    #[error(
        "sets nothing: it has no option, and neither the environment nor a flag sets recipients.domains or kafka.brokers; write \
         them into it, or leave {named_by} out to run without a file"
    )]
    SetsNothing {
        /// What names it.
        named_by: &'static str,
    },
}

/// What is wrong with something in the file that is not a value of an option.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ContentFault {
    /// The syntax is broken.
    #[error("is not TOML: {message}")]
    NotToml {
        /// What the parser says.
        message: String,
    },
    /// Another type than the option's.
    #[error("is of type {found}, and {expected} is expected")]
    WrongType {
        /// The type in TOML.
        found: &'static str,
        /// What is expected, with what is allowed.
        expected: String,
    },
    /// A text where a list of texts is expected.
    #[error("is of type string, and a list is expected: write [{source_text}]")]
    TextForList {
        /// The text as it is written.
        source_text: String,
    },
    /// A value where a section is expected.
    #[error("is of type {found}, and a section is expected: begin it with a line [{section}]")]
    NotASection {
        /// The type in TOML.
        found: &'static str,
        /// The section.
        section: String,
    },
    /// Something else where an array of tables is expected.
    #[error(
        "is of type {found}, and tables are expected: begin each with a line [[{name}]], in two pairs of brackets"
    )]
    NotTables {
        /// The type in TOML.
        found: &'static str,
        /// The name of the array.
        name: &'static str,
    },
    /// No section of this name.
    #[error("unknown section [{name}]: {remedy}")]
    UnknownSection {
        /// The name.
        name: String,
        /// What to write instead.
        remedy: Remedy,
    },
    /// No option of this name in a section.
    #[error("unknown key {section}.{name}: {remedy}")]
    UnknownKey {
        /// The section.
        section: String,
        /// The name.
        name: String,
        /// What to write instead.
        remedy: Remedy,
    },
    /// A key above the first section.
    #[error("unknown key {name} outside of a section: {remedy}")]
    OutsideOfSections {
        /// The name.
        name: String,
        /// What to write instead.
        remedy: Remedy,
    },
}

/// What to write in place of a name that is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Remedy {
    /// This section.
    #[error("did you mean [{0}]?")]
    Section(&'static str),
    /// This array of tables.
    #[error("did you mean [[{0}]]?")]
    Tables(&'static str),
    /// One of these sections.
    #[error("there are {}", .0.join(", "))]
    Sections(Vec<&'static str>),
    /// This option.
    #[error("did you mean {0}?")]
    Key(&'static str),
    /// This option, which has a section.
    #[error("did you mean {key}, below a line [{section}]?")]
    KeyOfSection {
        /// The option.
        key: &'static str,
        /// Its section.
        section: &'static str,
    },
    /// One of the keys of this section.
    #[error("[{section}] has {}", .keys.join(", "))]
    Keys {
        /// The section.
        section: String,
        /// Its keys.
        keys: Vec<&'static str>,
    },
    /// Any option, in its section.
    #[error("every key belongs below the line of its section, such as [server]")]
    InASection,
}
