//! The smallest driver of the sans-IO session: octets in, what was said and what was committed out.
//!
//! Owns: the body, put together from what the session keeps. Must not know: where the octets come from, and what is expected.
//!
//! Invariant: it does what the contract of a driver asks for and no more, so what it shows is the session's own doing.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use ringpost_proto::smtp::data::oracle;
use ringpost_proto::smtp::parameter::MailParameters;
use ringpost_proto::smtp::policy::Policy;
use ringpost_proto::smtp::refusal::Refusal;
use ringpost_proto::smtp::session::{Action, Admission, Commit, Expects, Intake, Output, Session};

/// A message that the session handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The reverse-path; empty for the null one.
    pub from: String,
    /// The forward-paths.
    pub to: Vec<String>,
    /// The parameters of MAIL in their own notation: `BODY=8BITMIME SMTPUTF8`, where they say something.
    pub parameters: String,
    /// The message.
    pub body: Vec<u8>,
    /// Whether the session warned of bare newlines in it.
    pub bare_newlines: bool,
}

/// What a dialogue came to.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// Everything that was said.
    pub said: Vec<u8>,
    /// The messages, in the order of their commits.
    pub committed: Vec<Committed>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{:?}", self.said.escape_ascii(), self.committed)
    }
}

/// See the module.
pub struct Driver {
    /// The session that is driven.
    pub session: Session,
    /// Answers to requests for room, in turn; room once they are used up.
    pub rooms: VecDeque<Result<(), Refusal>>,
    /// Answers to commits, in turn; "stored" once they are used up.
    pub outcomes: VecDeque<Result<(), Refusal>>,
    /// What it came to so far.
    pub log: Log,
    /// What was said and not yet taken.
    output: Output,
    now: Instant,
    input: Vec<u8>,
    open: Option<Committed>,
    /// The data of the open message as it came in, for the oracle.
    raw: Vec<u8>,
    /// Whether the open message comes in chunks.
    chunked: bool,
    /// Whether a handshake is awaited: what comes meanwhile belongs to it.
    securing: bool,
}

impl Driver {
    /// A session under `policy` that starts at `now`; time stands still.
    pub fn new(policy: Arc<Policy>, now: Instant) -> Self {
        Self::begin(policy, now, Intake::Open)
    }

    /// The same where mail may not be taken.
    pub fn begin(policy: Arc<Policy>, now: Instant, intake: Intake) -> Self {
        let mut driver = Self {
            session: Session::new(policy, now),
            rooms: VecDeque::new(),
            outcomes: VecDeque::new(),
            log: Log::default(),
            output: Output::default(),
            now,
            input: Vec::new(),
            open: None,
            raw: Vec::new(),
            chunked: false,
            securing: false,
        };
        driver.session.heed(intake);
        driver.session.begin(false, now, &mut driver.output);
        driver.act();
        driver
    }

    /// Gives the session what the client sent.
    pub fn receive(&mut self, octets: &[u8]) {
        if self.securing {
            return;
        }
        self.input.extend_from_slice(octets);
        loop {
            self.act();
            let before = self.input.len();
            match self.session.expects() {
                Expects::Commands => {
                    let consumed = self
                        .session
                        .receive(&self.input, self.now, &mut self.output);
                    self.input.drain(..consumed);
                }
                Expects::Data if before > 0 => self.data(),
                Expects::Data => {}
                Expects::Driver => assert!(self.securing && before == 0, "act() answered"),
                Expects::Nothing => self.input.clear(),
            }
            self.collect();
            if self.input.len() == before {
                break;
            }
        }
        self.act();
    }

    /// The handshake that STARTTLS asked for is done, if it asked and its deadline has not passed.
    pub fn secure(&mut self) {
        let awaited = self.session.expects() == Expects::Driver;
        if std::mem::take(&mut self.securing) && awaited {
            self.session.secured(self.now);
        }
    }

    /// The session's deadline passes.
    pub fn expire(&mut self) {
        self.session.expire(&mut self.output);
        self.act();
    }

    /// The server stops.
    pub fn drain(&mut self) {
        self.session.drain(&mut self.output);
        self.act();
    }

    /// The server stops soon.
    pub fn wind_down(&mut self) {
        self.session.wind_down();
    }

    fn data(&mut self) {
        let (before, limit) = (self.raw.len(), self.session.data_limit());
        self.raw.extend_from_slice(&self.input);
        let progress = self
            .session
            .receive_data(&mut self.input, self.now, &mut self.output);
        assert!(progress.kept <= progress.consumed && progress.consumed <= self.input.len());
        assert!(progress.consumed <= limit, "no more than the chunk");
        self.raw.truncate(before + progress.consumed);
        if let Some(open) = &mut self.open {
            open.body.extend_from_slice(&self.input[..progress.kept]);
            let length = open.body.len() - progress.retracted;
            open.body.truncate(length);
        } else {
            assert_eq!(
                (progress.kept, progress.retracted),
                (0, 0),
                "nothing is kept"
            );
        }
        self.input.drain(..progress.consumed);
    }

    fn act(&mut self) {
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Admit(admission) => self.admit(admission),
                Action::Commit(commit) => self.commit(commit),
                Action::Discard => self.open = None,
                Action::StartTls => {
                    self.input.clear();
                    self.securing = true;
                }
                Action::Close => {}
            }
        }
        self.collect();
    }

    fn admit(&mut self, admission: Admission) {
        self.raw.clear();
        let room = self.rooms.pop_front().unwrap_or(Ok(()));
        if room.is_ok() {
            let transaction = admission.transaction();
            let reverse_path = transaction.reverse_path.as_ref();
            self.open = Some(Committed {
                from: reverse_path.map_or(String::new(), |path| path.as_str().to_owned()),
                to: transaction
                    .recipients
                    .iter()
                    .map(|path| path.as_str().to_owned())
                    .collect(),
                parameters: notation(&transaction.parameters),
                body: Vec::new(),
                bare_newlines: false,
            });
        }
        self.session
            .admit(admission, room, self.now, &mut self.output);
        let is_data = self.session.expects() == Expects::Data;
        self.chunked = !is_data || self.session.data_limit() != usize::MAX;
    }

    fn commit(&mut self, commit: Commit) {
        let mut message = self.open.take().expect("a message was received");
        let (size, bare_newlines) = (commit.size, commit.bare_newlines);
        let recipients = commit.transaction().recipients.iter();
        assert!(
            recipients.map(|path| path.as_str()).eq(&message.to),
            "the envelope is that of the message"
        );
        assert_eq!(size, message.body.len() as u64, "it counts what it keeps");
        if self.chunked {
            assert!(
                message.body == self.raw && !bare_newlines,
                "chunks are kept as they are"
            );
        } else {
            let decoded = oracle(&self.raw).expect("the data has ended");
            assert_eq!(
                decoded,
                (message.body.clone(), self.raw.len()),
                "the oracle decodes the same"
            );
            assert_eq!(bare_newlines, has_bare_newline(&message.body));
        }
        message.bare_newlines = bare_newlines;
        self.log.committed.push(message);
        let outcome = self.outcomes.pop_front().unwrap_or(Ok(()));
        let id = format!("queued as {}", self.log.committed.len());
        let outcome = outcome.map(|()| id.as_str());
        self.session
            .resolve(commit, outcome, self.now, &mut self.output);
    }

    fn collect(&mut self) {
        let mut octets = Vec::new();
        self.output.replies().swap(&mut octets);
        self.log.said.extend_from_slice(&octets);
        self.output.events().for_each(drop);
    }
}

/// The parameters that the record passes on, as MAIL has them; dialogues compare `E:` with this.
fn notation(parameters: &MailParameters) -> String {
    // Named one by one, so that the compiler asks about a new one. SIZE= is for the session alone.
    let MailParameters {
        size: _,
        body,
        smtputf8,
    } = parameters;
    let body = body.map(|body| format!("BODY={}", body.keyword()));
    let smtputf8 = smtputf8.then(|| "SMTPUTF8".to_owned());
    let said: Vec<String> = [body, smtputf8].into_iter().flatten().collect();
    said.join(" ")
}

/// Whether a CR without LF or an LF without CR is in the message; as simple as possible.
pub fn has_bare_newline(message: &[u8]) -> bool {
    message.iter().enumerate().any(|(at, &octet)| match octet {
        b'\r' => message.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || message[at - 1] != b'\r',
        _ => false,
    })
}

/// The replies in what was said: each with all of its lines, without CRLF.
///
/// # Panics
/// If what was said is not made of replies (RFC 5321 4.2), or a line is too long.
pub fn replies(said: &[u8]) -> Vec<Vec<String>> {
    let text = std::str::from_utf8(said).expect("replies are ASCII or UTF-8");
    let mut replies = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = rest.split_once("\r\n").expect("a reply ends with CRLF");
        rest = after;
        assert!(line.len() <= 510, "a line of {} octets", line.len());
        assert!(
            line.bytes().take(3).all(|octet| octet.is_ascii_digit()),
            "{line}"
        );
        assert!(
            open.last().is_none_or(|before| before[..3] == line[..3]),
            "{line}"
        );
        open.push(line.to_owned());
        match line.as_bytes().get(3) {
            Some(b'-') => {}
            Some(b' ') => replies.push(std::mem::take(&mut open)),
            _ => panic!("no reply: {line}"),
        }
    }
    assert!(open.is_empty(), "a reply without its last line: {open:?}");
    replies
}
