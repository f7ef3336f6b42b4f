//! The table `[objects]`: where large messages are kept beside Kafka.

use std::time::Duration;

use crate::config::row::{Shown, Switch, Table, Text, Texts, Time, milliseconds, minutes, rows};
use crate::config::value::{self, ObjectsUrl};

rows! {
    /// Large messages beside Kafka, the claim check: the whole message is an object in a store, and its record has the message's
    /// header section and the object's address. large-messages.md says when this is worth it.
    objects: Objects {
        /// The store: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, or `file:///directory`, a
        /// directory that exists and that all consumers see. An object's address is this, a slash, the day as
        /// `YYYY/MM/DD`, a slash, the id of the message and `.eml`. Empty: every message is in its record.
        url: Option<ObjectsUrl> = "",
            Text("`s3://…`, `gs://…`, `az://…`, `file:///…`", value::objects_url), flag "--objects";

        /// Messages of more bytes than this become objects; 64KiB or more. Empty: those that the topic does not take. With
        /// `objects.url` set, SIZE in EHLO is `limits.message_size`, whatever the topic takes.
        above: Option<u64> = "", Text("64KiB or more, or nothing", value::objects_above);

        /// How long the store may take for one request, retries included, before the client is answered 451 and keeps the
        /// message. A message of more than 7936 KiB is written in parts of this size, with a request for each.
        timeout: Duration = "30s", Time(milliseconds(100)..=minutes(4));

        /// With `file://`: whether an object and its directory are on the disk (fsync) before the 250. With `false`, a power
        /// cut loses objects whose messages got a 250.
        fsync: bool = "true", Switch;

        /// Options of the store by their names in the Rust crate object_store, such as `region`, `endpoint`, `allow_http`,
        /// `access_key_id` and `secret_access_key` for S3. Credentials that are not here are those of the environment
        /// (`AWS_…`, `GOOGLE_…`, `AZURE_…`) or of the machine. In the environment: `name=value;name=value`, as with
        /// `kafka.properties`. No error shows a value; `ringpost check --print` shows those that cannot be secret.
        options: Texts = "",
            Table {
                of: "options",
                name: value::objects_option,
                text: value::objects_option_value,
                masked: value::masked_objects_option,
            };
    }
}

impl Shown for ObjectsUrl {
    fn shown(&self) -> String {
        self.to_string()
    }
}

/// A size; nothing is the empty text.
impl Shown for u64 {
    fn shown(&self) -> String {
        value::size_text(*self)
    }
}
