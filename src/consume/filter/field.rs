//! What can be asked of a record: the one table of fields.
//!
//! Owns: their names, and what each is compared with. Must not know: how a value is written.

use ringpost_proto::mail::header;

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name in a filter.
    pub name: &'static str,
    /// What it is compared with.
    pub kind: Kind,
    /// A condition with it.
    pub example: &'static str,
}

/// What a field is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The recipients, of which one has to fit.
    Recipient,
    /// The domains of the recipients.
    Domain,
    /// The sender.
    Sender,
    /// The client's address.
    Client,
    /// The size of the message.
    Size,
    /// When the mail came.
    Time,
    /// The text of a header.
    Text(&'static str),
    /// The text of the header that the field itself names.
    Header,
}

/// All fields, as docs/consume.md lists them.
pub(super) const FIELDS: [Field; 12] = [
    field("recipient", Kind::Recipient, "recipient = joe@example.com"),
    field("domain", Kind::Domain, "domain = *.example.com"),
    field("sender", Kind::Sender, "sender = news.example"),
    field("client", Kind::Client, "client = 192.0.2.0/24"),
    field("size", Kind::Size, "size > 1MiB"),
    field("time", Kind::Time, "time >= 1h"),
    field(
        "id",
        Kind::Text(header::ID),
        "id = 01M8G26T9MWMDJH9X80000000T",
    ),
    field("helo", Kind::Text(header::HELO), "helo = *.example.net"),
    field(
        "protocol",
        Kind::Text(header::PROTOCOL),
        "protocol = ESMTPS, UTF8SMTPS",
    ),
    field("tls", Kind::Text(header::TLS), "tls != *"),
    field("body", Kind::Text(header::BODY), "body = BINARYMIME"),
    field(ATTRIBUTES, Kind::Header, "ce_authspf = pass"),
];

/// What a field that names a header itself begins with: an attribute of the record, of any version.
pub(super) const ATTRIBUTES: &str = "ce_";

const fn field(name: &'static str, kind: Kind, example: &'static str) -> Field {
    Field {
        name,
        kind,
        example,
    }
}

/// The field of a name in lower case.
pub(super) fn named(name: &str) -> Option<&'static Field> {
    let is_attribute = name.len() > ATTRIBUTES.len() && name.starts_with(ATTRIBUTES);
    let wanted = if is_attribute { ATTRIBUTES } else { name };
    let mut fields = FIELDS.iter();
    fields.find(|field| field.name == wanted && (is_attribute || field.kind != Kind::Header))
}

impl Kind {
    /// Whether it has an order, and one value.
    pub(super) fn is_ordered(self) -> bool {
        match self {
            Self::Size | Self::Time => true,
            Self::Recipient
            | Self::Domain
            | Self::Sender
            | Self::Client
            | Self::Text(_)
            | Self::Header => false,
        }
    }

    /// The operators that it takes, as text.
    pub(super) fn operators(self) -> &'static str {
        match self {
            Self::Size => "= != < <= > or >=",
            Self::Time => "< <= > or >=",
            Self::Recipient
            | Self::Domain
            | Self::Sender
            | Self::Client
            | Self::Text(_)
            | Self::Header => "= or !=",
        }
    }
}
