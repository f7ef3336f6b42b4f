//! The notation of a dialogue. `README.md` beside this file explains it to who writes one.
//!
//! Owns: from the text of a file to steps, or the line that is wrong. Must not know: sessions.

use std::sync::Arc;
use std::time::Duration;

use ringpost_proto::smtp::directory::{Directory, Origin};
use ringpost_proto::smtp::name::Name;
use ringpost_proto::smtp::policy::{BareNewlinePolicy, Policy, Recipients};
use ringpost_proto::smtp::refusal::Refusal;
use ringpost_proto::smtp::session::Intake;

use crate::driver::Committed;

/// One dialogue: a file, or one line of its table.
#[derive(Debug)]
pub struct Script {
    /// The file, and the line of its table.
    pub name: String,
    /// What the session runs under.
    pub policy: Policy,
    /// Answers to requests for room.
    pub rooms: Vec<Result<(), Refusal>>,
    /// Answers to commits.
    pub outcomes: Vec<Result<(), Refusal>>,
    /// Whether mail is taken at first.
    pub intake: Intake,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// Whether the session is over at the end.
    pub closed: bool,
}

/// One thing that happens, or is expected.
#[derive(Debug, Clone)]
pub enum Step {
    /// The client sends.
    Send(Vec<u8>),
    /// A reply whose last line starts so.
    Reply(String),
    /// The last reply has a line with this text.
    Has(String),
    /// The last reply has no line whose first word is this.
    HasNot(String),
    /// A message was committed; without an envelope if the dialogue names none.
    Message {
        /// What the transaction said.
        envelope: Option<Committed>,
        /// The message.
        body: Vec<u8>,
    },
    /// The deadline passes.
    Expire,
    /// The server stops.
    Drain,
    /// The server stops soon.
    WindDown,
    /// The TLS handshake is done.
    Secured,
    /// Whether mail is taken changes.
    Intake(Intake),
    /// The directory is this one from now on.
    Named(Arc<Directory>),
}

/// The dialogues of one file: one, or one for each line of its table.
///
/// # Errors
/// The line that cannot be read, and why.
pub fn parse(name: &str, text: &str) -> Result<Vec<Script>, String> {
    let rows: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("@each "))
        .collect();
    if rows.is_empty() {
        return Ok(vec![parse_one(name, text, &[])?]);
    }
    let row = |row: &&str| {
        let columns: Vec<&str> = row.split(" => ").map(str::trim).collect();
        parse_one(&format!("{name} [{row}]"), text, &columns)
    };
    rows.iter().map(row).collect()
}

fn parse_one(name: &str, text: &str, columns: &[&str]) -> Result<Script, String> {
    let mut script = Script {
        name: name.to_owned(),
        policy: policy(),
        rooms: Vec::new(),
        outcomes: Vec::new(),
        intake: Intake::Open,
        steps: Vec::new(),
        closed: false,
    };
    let mut envelope = None;
    let mut inside_message = false;
    for (number, line) in text.lines().enumerate() {
        let wrong = |why: String| format!("{name}:{}: {why}: {line}", number + 1);
        let line = substitute(line, columns);
        let continues = std::mem::take(&mut inside_message);
        let (mark, rest) = line.split_at_checked(2).unwrap_or((line.as_str(), ""));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match mark {
            "" => {}
            _ if mark.starts_with('#') => {}
            "C:" => {
                let mut octets = octets(rest).map_err(wrong)?;
                octets.extend_from_slice(b"\r\n");
                script.steps.push(Step::Send(octets));
            }
            "C|" => script.steps.push(Step::Send(octets(rest).map_err(wrong)?)),
            "S:" => script.steps.push(Step::Reply(rest.to_owned())),
            "S+" => script.steps.push(Step::Has(rest.to_owned())),
            "S-" => script.steps.push(Step::HasNot(rest.to_owned())),
            "E:" => envelope = Some(parse_envelope(rest).map_err(wrong)?),
            "=|" => {
                let more = octets(rest).map_err(wrong)?;
                match script.steps.last_mut() {
                    Some(Step::Message { body, .. }) if continues => body.extend_from_slice(&more),
                    _ => script.steps.push(Step::Message {
                        envelope: envelope.take(),
                        body: more,
                    }),
                }
                inside_message = true;
            }
            _ if mark.starts_with('@') => directive(&mut script, &line[1..]).map_err(wrong)?,
            _ => return Err(wrong("not a line of a dialogue".to_owned())),
        }
    }
    Ok(script)
}

/// `{1}` and `{2}` stand for the columns of the table's row.
fn substitute(line: &str, columns: &[&str]) -> String {
    let mut line = line.to_owned();
    for (index, column) in columns.iter().enumerate() {
        line = line.replace(&format!("{{{}}}", index + 1), column);
    }
    line
}

fn directive(script: &mut Script, text: &str) -> Result<(), String> {
    let (name, value) = text.split_once(' ').unwrap_or((text, ""));
    let number = || value.parse::<u64>().map_err(|error| error.to_string());
    let count = || value.parse::<usize>().map_err(|error| error.to_string());
    match name {
        "each" => {}
        "message_size" => script.policy.message_size = number()?,
        "recipients" => script.policy.recipients = count()?,
        "errors" => script.policy.errors = count()?,
        "unknown_recipients" => script.policy.unknown_recipients = count()?,
        "domains" => script.policy.taken = taken(value),
        "directory" => script.policy.directory = true,
        "named" => script.steps.push(Step::Named(named(value)?)),
        "bare_newlines" if value == "reject" => {
            script.policy.bare_newlines = BareNewlinePolicy::Reject;
        }
        "bare_newlines" if value == "accept" => {}
        "session_messages" => script.policy.session_messages = number()?,
        "session_octets" => script.policy.session_octets = number()?,
        "idle_commands" => script.policy.idle_commands = count()?,
        "starttls" => script.policy.starttls = true,
        "outcome" => script.outcomes.push(answer(value)?),
        "room" => script.rooms.push(answer(value)?),
        "expire" => script.steps.push(Step::Expire),
        "drain" => script.steps.push(Step::Drain),
        "wind_down" => script.steps.push(Step::WindDown),
        "secured" => script.steps.push(Step::Secured),
        "intake" if script.steps.is_empty() => script.intake = intake(value)?,
        "intake" => script.steps.push(Step::Intake(intake(value)?)),
        "closed" => script.closed = true,
        _ => return Err("an unknown directive".to_owned()),
    }
    Ok(())
}

fn intake(value: &str) -> Result<Intake, String> {
    match value {
        "open" => Ok(Intake::Open),
        "no_mail" => Ok(Intake::NoMail),
        "closed" => Ok(Intake::Closed),
        _ => Err("open, no_mail or closed".to_owned()),
    }
}

fn answer(name: &str) -> Result<Result<(), Refusal>, String> {
    if name == "ok" {
        return Ok(Ok(()));
    }
    let refusal = Refusal::ALL
        .iter()
        .find(|refusal| refusal.row().label == name);
    refusal
        .map(|&refusal| Err(refusal))
        .ok_or_else(|| "no refusal has this label".to_owned())
}

/// `<from> <to> <to> BODY=8BITMIME`.
fn parse_envelope(text: &str) -> Result<Committed, String> {
    let mut paths = Vec::new();
    let mut rest = text;
    while let Some(inner) = rest.strip_prefix('<') {
        let (path, behind) = inner.split_once('>').ok_or("a path ends with >")?;
        paths.push(path.to_owned());
        rest = behind.trim_start();
    }
    if paths.len() < 2 {
        return Err("an envelope has a reverse-path and a forward-path".to_owned());
    }
    Ok(Committed {
        from: paths.remove(0),
        to: paths,
        parameters: rest.to_owned(),
        body: Vec::new(),
        bare_newlines: false,
    })
}

/// The octets that a text with escapes stands for.
fn octets(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '\\' => rest = escape(rest, &mut octets)?,
            '{' => rest = repeat(rest, &mut octets)?,
            _ => octets.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(octets)
}

fn escape<'a>(rest: &'a str, octets: &mut Vec<u8>) -> Result<&'a str, String> {
    let mut chars = rest.chars();
    let octet = match chars.next() {
        Some('r') => b'\r',
        Some('n') => b'\n',
        Some('t') => b'\t',
        Some('0') => 0,
        Some(same @ ('\\' | '{')) => same as u8,
        Some('x') => {
            let digits = rest.get(1..3).ok_or("\\x takes two digits")?;
            octets.push(u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?);
            return Ok(&rest[3..]);
        }
        _ => return Err("an unknown escape".to_owned()),
    };
    octets.push(octet);
    Ok(chars.as_str())
}

/// `{text*count}`.
fn repeat<'a>(rest: &'a str, into: &mut Vec<u8>) -> Result<&'a str, String> {
    let (inner, behind) = rest.split_once('}').ok_or("{ without }")?;
    let (text, count) = inner.rsplit_once('*').ok_or("{text*count}")?;
    let count = count.parse::<usize>().map_err(|error| error.to_string())?;
    into.extend(octets(text)?.repeat(count));
    Ok(behind)
}

/// What a dialogue runs under if it says nothing else.
pub fn policy() -> Policy {
    let minute = Duration::from_secs(60);
    let mut policy = Policy::new("mx.example");
    policy.message_size = 1000;
    policy.recipients = 10;
    (policy.command_timeout, policy.data_timeout) = (minute, minute);
    policy.taken = taken("mx.example *.mx.example");
    policy.bare_newlines = BareNewlinePolicy::Accept;
    policy
}

/// The directory of these keys.
fn named(keys: &str) -> Result<Arc<Directory>, String> {
    let empty = Directory::new(1);
    let mut changes = empty.changes();
    for key in keys.split_whitespace() {
        let name = Name::parse(key.as_bytes()).map_err(|why| format!("{key} {why}"))?;
        let origin = Origin {
            time: 1,
            partition: 0,
        };
        changes.push(&name, origin, true);
    }
    Ok(Arc::new(empty.with(&mut changes).0))
}

fn taken(patterns: &str) -> Arc<Recipients> {
    Arc::new(Recipients::everybody_at(patterns.split(' ')))
}
