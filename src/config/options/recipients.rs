//! The table `[recipients]`: whom mail is taken for.

use crate::config::row::{List, Switch, Table, Text, Texts, rows};
use crate::config::value;

rows! {
    /// Which recipients mail is accepted for.
    recipients: Recipients {
        /// The domains that mail is accepted for; other recipients are answered 550 5.7.1. `*.example.com` does not
        /// include `example.com` itself.
        domains: Vec<String> = "*",
            List(Text(
                "domain names (`example.com`), names below one (`*.example.com`), or `*` for all",
                value::domain_pattern,
            )), flag "--domain", reload;

        /// Characters that separate the local-part of a listed recipient from a tag that its owner appended: with `+`,
        /// mail for `joe+shop@example.com` is accepted where `joe` is listed. Empty: none.
        delimiter: String = "+",
            Text("up to 4 of ``!#$%&'*+-/=?^_`{|}~.``, or nothing", value::delimiters), reload;

        /// Whether `Joe` and `joe` in a list of recipients are two different recipients.
        case_sensitive: bool = "false", Switch, reload;

        /// A compacted topic that names recipients, in the cluster of `kafka.brokers`; changes of it are in force within
        /// a second, without a reload. A key is an address (`joe@example.com`), a domain of which every recipient is
        /// accepted (`example.com`), or all domains below one (`*.example.com`); case is ignored. A record without a
        /// value removes its key. With a topic, a domain without a list no longer accepts every recipient: those are
        /// accepted whom a list or the topic names. ringpost is ready once it has read the topic. `ringpost recipients`
        /// writes it. Empty: none. See [recipients.md](recipients.md#a-topic).
        topic: Option<String> = "", Text("a topic's name, or nothing", value::optional_topic), flag "--recipients-topic";

        /// Files that list the recipients of a domain, such as `"example.com" = "/etc/ringpost/example.com.txt"`: one
        /// local-part or address per line; `#` begins a comment. A recipient that is not listed is answered 550 5.1.1.
        /// Each domain here must also be in `recipients.domains`; a domain without a list accepts every recipient. See
        /// [recipients.md](recipients.md). In the environment: `domain=path;domain=path`.
        lists: Texts = "",
            Table {
                of: "paths",
                name: value::domain_pattern,
                text: |_, _| Ok(()),
                masked: |_, path| path.to_owned(),
            }, reload;
    }
}
