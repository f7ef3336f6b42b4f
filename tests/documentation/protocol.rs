//! The page docs/protocol.md: extensions, limits, generosities and refusals, each with the paragraph that has it and the dialogue
//! or test that holds it.
//!
//! Owns: the order and the form of the page. Must not know: sessions. The extensions and refusals are the protocol's own tables.

use std::fmt::Write;

use ringpost::config::options::SETTINGS;
use ringpost_proto::smtp::extension::EXTENSIONS;
use ringpost_proto::smtp::positive::Positive;
use ringpost_proto::smtp::refusal::{Refusal, Row};

use super::generosities::{GENEROSITIES, Generosity};
use super::limits::LIMITS;

const PREFACE: &str = "\
# Protocol

<!-- Made from the tables in proto/src/smtp/{extension,positive,refusal}.rs and in tests/documentation. Change it there. -->

ringpost speaks SMTP as RFC 5321 defines it. The column `held by` names the dialogue or test that proves a row. Another test
checks that each of them exists and contains the reply; proto/tests/dialogues/README.md explains how to read a dialogue.

- Only CRLF `.` CRLF ends the data, and only CRLF ends a line in it.
- A command line ends with CRLF. One that ends with a bare LF is answered 500 at once and not executed; the next line is a command
  again. A bare CR is part of its line, which is then refused.
- Replies carry the codes of RFC 3463, except the banner, 354 and the replies to HELO and EHLO (RFC 2034 3).
- VRFY is answered 252 for every name. EXPN, AUTH, ETRN and other commands that exist elsewhere are answered 502.
- A source route is accepted and ignored (RFC 5321 appendix C).
- The bytes of a refused BDAT are read and dropped, so that they are never taken for commands (RFC 3030 2). A BDAT line without
  a valid size is answered 521, and nothing after it is read.
- An HTTP request is answered 521 at its first line, however that line ends and however long it is, or at the latest at its first
  header field. Nothing after it is read: an attacker may control its headers and its body.
- While no mail can be stored (`kafka.fail_fast_after`), a new connection gets 421 in place of the banner, and an open one 451 at MAIL: no
  transaction begins. One that is open goes on to its end.
- A connection that ends with a refusal is read to its end for up to 5 s, so that the reply is not lost to a reset.
- With `server.trace` the value of a record is one Received field and the message, which is the last `ce_smtpsize` bytes. If the
  message begins with neither a field nor an empty line, an empty line is put between them, so that all of the message is the body.
  Otherwise parsers would read a leading space or tab as a continuation of our field, and would drop text without a colon or refuse
  the mail. A first line `From ` or `>From ` of a mailbox file is kept as it is if it has a colon, as its time has.
  [tests/parsers.rs](../tests/parsers.rs) reads such records with parsers of five languages.
- STARTTLS discards everything that was said before, and drops what was sent after it in clear (RFC 3207 4.2, CVE-2011-0411).

## Extensions

What EHLO offers, in its order.

| keyword | source | meaning | held by |
|---|---|---|---|
";

const LIMITS_PREFACE: &str = "
## Limits

Numbers without an option are bytes. [configuration.md](configuration.md) describes the options.

| limit | value | source | beyond it | held by |
|---|---|---|---|---|
";

const GENEROSITIES_PREFACE: &str = "
## More generous than the letter

Where the letter of an RFC would refuse mail that real senders send, and accepting it does no harm, ringpost accepts it.
";

const POSITIVES_PREFACE: &str = "
## Other replies

Replies that refuse nothing. `…` is a value.

| code | text | source | held by |
|---|---|---|---|
";

const REFUSALS_PREFACE: &str = "
## Refusals

After a 4xx the sender keeps the mail and tries again; after a 5xx it returns the mail to its author. 421, 521, and 554 in place of the
banner, end the connection. `reason` is the label in the metrics.

| code | reason | text | source | held by |
|---|---|---|---|---|
";

/// The page, in Markdown.
pub fn page() -> String {
    let mut text = String::from(PREFACE);
    for extension in &EXTENSIONS {
        let (keyword, source, meaning) = (extension.keyword, extension.source, extension.meaning);
        let held_by = held(extension.held_by);
        row(
            &mut text,
            &[&format!("`{keyword}`"), source, meaning, &held_by],
        );
    }
    text.push_str(LIMITS_PREFACE);
    for limit in &LIMITS {
        let beyond = limit
            .refusal
            .map_or("no refusal".to_owned(), |refusal| code(&refusal.row()));
        let (name, value) = match limit.name.strip_prefix("limits.") {
            Some(_) => (format!("`{}`", limit.name), value(limit.name)),
            None => (
                limit.name.to_owned(),
                limit
                    .fixed
                    .map_or("none".to_owned(), |octets| octets.to_string()),
            ),
        };
        row(
            &mut text,
            &[&name, &value, limit.source, &beyond, &held(limit.held_by)],
        );
    }
    text.push_str(GENEROSITIES_PREFACE);
    for generosity in &GENEROSITIES {
        let Generosity {
            title,
            source,
            text: paragraph,
            held_by,
        } = generosity;
        let held_by = held(held_by);
        writeln!(text, "\n### {title}\n\n{paragraph} ({source}; {held_by})")
            .expect("a String takes every write");
    }
    text.push_str(POSITIVES_PREFACE);
    for positive in Positive::ALL {
        let line = positive.row();
        let code = format!("{} {}", line.code, line.enhanced);
        let value = if line.text.is_empty() || !line.after.is_empty() {
            "…"
        } else {
            ""
        };
        let said = format!("{}{value}{}", line.text, line.after);
        row(
            &mut text,
            &[
                code.trim_end(),
                &format!("`{said}`"),
                line.source,
                &held(line.held_by),
            ],
        );
    }
    text.push_str(REFUSALS_PREFACE);
    for refusal in Refusal::ALL {
        let line = refusal.row();
        let code = match refusal {
            Refusal::ProxyHeader => "closed without a reply".to_owned(),
            _ => code(&line),
        };
        let reason = format!("`{}`", line.label);
        row(
            &mut text,
            &[&code, &reason, line.text, line.source, &held(line.held_by)],
        );
    }
    text
}

fn code(row: &Row) -> String {
    format!("{} {}", row.code, row.enhanced)
}

/// The default of an option.
fn value(key: &str) -> String {
    let setting = SETTINGS
        .iter()
        .find(|setting| setting.key == key)
        .expect("a limit is an option");
    format!("{} by default", setting.default)
}

/// A link to what holds a row; the name of a test follows it.
fn held(by: &str) -> String {
    let (path, test) = by.split_once(": ").unwrap_or((by, ""));
    let file = path.rsplit('/').next().unwrap_or(path);
    let separator = if test.is_empty() { "" } else { ": " };
    let shown = file.trim_end_matches(".smtp");
    format!("[{shown}](../{path}){separator}{test}")
}

fn row(text: &mut String, cells: &[&str]) {
    writeln!(text, "| {} |", cells.join(" | ")).expect("a String takes every write");
}
