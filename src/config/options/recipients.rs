//! The table `[recipients]`: whom mail is taken for.

use crate::config::row::{List, Switch, Table, Text, Texts, rows};
use crate::config::value;

rows! {
    /// Whom mail is taken for.
    recipients: Recipients {
        /// The domains that mail is taken for; other recipients are answered 550 5.7.1. `*.example.com` does not
        /// include `example.com` itself.
        domains: Vec<String> = "*",
            List(Text(
                "domain names (`example.com`), names below one (`*.example.com`), or `*` for all",
                value::domain_pattern,
            )), flag "--domain", reload;

        /// Characters of which each divides the local-part of a listed recipient from what its owner put behind it:
        /// with `+`, mail for `joe+shop@example.com` is taken where `joe` is listed. Empty: none.
        delimiter: String = "+",
            Text("up to 4 of ``!#$%&'*+-/=?^_`{|}~.``, or nothing", value::delimiters), reload;

        /// Whether `Joe` and `joe` on a list of recipients are two.
        case_sensitive: bool = "false", Switch, reload;

        /// Files that list the recipients of a domain, such as `"example.com" = "/etc/ringpost/example.com.txt"`: one
        /// local-part or address a line, `#` begins a comment; who is not listed is answered 550 5.1.1. Each name also
        /// stands in `recipients.domains`; domains without a list take everybody. See [recipients.md](recipients.md).
        /// In the environment: `domain=path;domain=path`.
        lists: Texts = "", Table { of: "paths", name: value::domain_pattern, text: |_, _| Ok(()) }, reload;
    }
}
