//! What a client says on one connection: turns, each with the replies that it may get.
//!
//! Owns: how a kind of client words a transaction, and where it waits. Must not know: connections, or what was answered.

use std::collections::VecDeque;

use crate::driver::has_bare_newline;
use crate::kind::Kind;
use crate::mail;
use crate::names::PASSING;
use crate::random::Random;
use crate::sharing::DOMAINS;

/// What a reply is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Banner,
    Hello,
    /// STARTTLS: the handshake follows its reply.
    StartTls,
    /// MAIL before the EHLO that has to follow a handshake.
    Unannounced,
    /// RSET.
    Reset,
    Mail,
    Rcpt {
        ours: bool,
    },
    /// RCPT for a recipient that comes and goes, by its place.
    Passing(usize),
    Data,
    Chunk,
    /// A BDAT that names no size: the last reply of the connection.
    Miscounted,
    End,
    Quit,
}

/// A reply that is to come.
#[derive(Debug, Clone)]
pub struct Awaited {
    /// What it is to.
    pub what: What,
    /// The reverse-path of its transaction.
    pub from: String,
    /// The mail in the client's queue; `usize::MAX` where there is none.
    pub mail: usize,
}

/// What is sent at once, and the replies to read before the next turn.
#[derive(Debug, Default)]
pub struct Turn {
    /// What is still to be sent.
    pub octets: Vec<u8>,
    /// The replies.
    pub awaited: Vec<Awaited>,
    /// The reverse-paths of messages that are sent whole once this many bytes of the turn are sent.
    pub whole: Vec<(usize, String)>,
}

/// What the server is like, as far as a client's expectation depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether bare newlines are taken as data.
    pub takes_bare_newlines: bool,
    /// Whether TLS is offered.
    pub tls: bool,
    /// Whether recipients come and go.
    pub passing: bool,
}

/// What a transaction sent.
pub struct Sent {
    /// The recipients that have to be accepted.
    pub to: Vec<String>,
    /// The value of BODY, or the word for none.
    pub body: &'static str,
    /// The message.
    pub message: Vec<u8>,
    /// Whether it may be stored at all.
    pub storable: bool,
}

/// Turns under construction.
pub struct Script {
    kind: Kind,
    rules: Rules,
    /// EHLO was said.
    extended: bool,
    turns: VecDeque<Turn>,
    open: Turn,
    from: String,
    mail: usize,
}

impl Script {
    /// Nothing is said yet.
    pub fn new(kind: Kind, rules: Rules, extended: bool) -> Self {
        Self {
            kind,
            rules,
            extended,
            turns: VecDeque::new(),
            open: Turn::default(),
            from: String::new(),
            mail: usize::MAX,
        }
    }

    /// EHLO or HELO.
    pub fn hello(&mut self, name: &str) {
        let verb = if self.extended { "EHLO" } else { "HELO" };
        self.command(&format!("{verb} {name}\r\n"), What::Hello);
        self.end_turn();
    }

    /// STARTTLS, and then another greeting, encrypted: what was said in clear is forgotten (RFC 3207 4.2).
    pub fn start_tls(&mut self, random: &mut Random, name: &str) {
        let injects = self.kind == Kind::Injecting;
        self.open.octets.extend_from_slice(b"STARTTLS\r\n");
        if injects {
            self.open.octets.extend_from_slice(
                b"EHLO injected.example\r\nMAIL FROM:<injected@client.example>\r\n",
            );
        }
        self.awaits(What::StartTls);
        self.end_turn();
        if injects && random.once_in(2) {
            self.command("MAIL FROM:<early@client.example>\r\n", What::Unannounced);
        }
        self.hello(name);
    }

    /// A transaction that is given up before its message: nothing of it may be in the next one.
    pub fn abandoned(&mut self, random: &mut Random, name: &str) {
        self.command(
            "MAIL FROM:<abandoned@client.example> BODY=8BITMIME\r\n",
            What::Mail,
        );
        if random.once_in(2) {
            self.command(
                "RCPT TO:<abandoned@mx.example>\r\n",
                What::Rcpt { ours: true },
            );
        }
        if random.once_in(2) {
            self.command("RSET\r\n", What::Reset);
        } else {
            self.hello(name);
        }
    }

    /// One transaction, with this reverse-path, for this mail of the queue; what has to arrive.
    pub fn transaction(&mut self, random: &mut Random, from: String, mail: usize) -> Sent {
        (self.from, self.mail) = (from, mail);
        let body = self.body(random);
        let message = self.message(random);
        let mut parameters = if body == "7BIT" {
            String::new()
        } else {
            format!(" BODY={body}")
        };
        if self.extended && self.kind != Kind::Oversize && random.once_in(3) {
            parameters.push_str(&format!(" SIZE={}", message.len()));
        }
        let line = format!("MAIL FROM:<{}>{parameters}\r\n", self.from);
        self.command(&line, What::Mail);
        let to = self.recipients(random);
        let (message, storable) = self.content(random, message);
        Sent {
            to,
            body,
            message,
            storable,
        }
    }

    /// QUIT.
    pub fn quit(&mut self) {
        self.command("QUIT\r\n", What::Quit);
    }

    /// The value of BODY.
    fn body(&self, random: &mut Random) -> &'static str {
        let binary = self.kind == Kind::Chunking && random.once_in(2);
        if binary {
            "BINARYMIME"
        } else if self.extended && random.once_in(2) {
            "8BITMIME"
        } else {
            "7BIT"
        }
    }

    fn message(&self, random: &mut Random) -> Vec<u8> {
        match self.kind {
            Kind::Chunking if random.once_in(2) => mail::binary(random),
            Kind::Oversize => mail::too_big(random),
            Kind::Drip => b".x\r\ny\r\n".to_vec(),
            _ => mail::text(random),
        }
    }

    /// RCPT for a few of ours, and for some of others; those of ours.
    fn recipients(&mut self, random: &mut Random) -> Vec<String> {
        let mut to = Vec::new();
        for place in 0..random.between(1, 4) {
            if random.once_in(5) {
                let line = format!("RCPT TO:<r{place}@elsewhere.example>\r\n");
                self.command(&line, What::Rcpt { ours: false });
            }
            if self.rules.passing && random.once_in(3) {
                let who = random.below(PASSING.len());
                let line = format!("RCPT TO:<{}>\r\n", PASSING[who]);
                self.command(&line, What::Passing(who));
            }
            let recipient = format!("r{place}@{}", random.of(&DOMAINS));
            let line = format!("RCPT TO:<{recipient}>\r\n");
            self.command(&line, What::Rcpt { ours: true });
            to.push(recipient);
        }
        to
    }

    /// DATA or BDAT with the message; the message as the server has to see it, and whether it may store it.
    fn content(&mut self, random: &mut Random, message: Vec<u8>) -> (Vec<u8>, bool) {
        match self.kind {
            Kind::Chunking => self.chunks(random, &message),
            Kind::Miscounting => {
                self.miscounted(random);
                return (message, false);
            }
            Kind::Smuggling => {
                let envelope =
                    "MAIL FROM:<smuggled@client.example>\r\nRCPT TO:<r0@mx.example>\r\nDATA\r\n";
                let (octets, message) = mail::smuggled(random, envelope);
                self.data(&octets);
                let storable = self.rules.takes_bare_newlines || !has_bare_newline(&message);
                return (message, storable);
            }
            _ => self.data(&mail::stuffed(&message)),
        }
        (message, self.kind != Kind::Oversize)
    }

    fn awaits(&mut self, what: What) {
        self.open.awaited.push(Awaited {
            what,
            from: self.from.clone(),
            mail: self.mail,
        });
    }

    /// The turn ends where the client has to wait, or wants to.
    fn end_turn(&mut self) {
        let hasty = self.kind == Kind::Blast;
        let all_answered = self.open.octets.is_empty() && self.open.awaited.is_empty();
        if !hasty && !all_answered {
            self.turns.push_back(std::mem::take(&mut self.open));
        }
    }

    /// The turns.
    pub fn finish(mut self) -> VecDeque<Turn> {
        if !(self.open.octets.is_empty() && self.open.awaited.is_empty()) {
            self.turns.push_back(std::mem::take(&mut self.open));
        }
        self.turns
    }

    fn command(&mut self, line: &str, what: What) {
        self.open.octets.extend_from_slice(line.as_bytes());
        self.awaits(what);
        let groups = matches!(
            self.kind,
            Kind::Pipelining | Kind::Chunking | Kind::Blast | Kind::Smuggling
        );
        if !groups {
            self.end_turn();
        }
    }

    /// DATA and the data, in which the message has to be known to be whole.
    fn data(&mut self, octets: &[u8]) {
        self.command("DATA\r\n", What::Data);
        self.end_turn();
        self.open.octets.extend_from_slice(octets);
        self.open
            .whole
            .push((self.open.octets.len(), self.from.clone()));
        self.awaits(What::End);
        if self.kind != Kind::Pipelining {
            self.end_turn();
        }
    }

    /// A BDAT that does not parse, perhaps after one that does, and a chunk that looks like commands.
    fn miscounted(&mut self, random: &mut Random) {
        if random.once_in(2) {
            self.open.octets.extend_from_slice(b"BDAT 6\r\nQUIT\r\n");
            self.awaits(What::Chunk);
            if random.once_in(2) {
                self.end_turn();
            }
        }
        self.open.octets.extend(mail::miscounted(random));
        self.awaits(What::Miscounted);
        self.end_turn();
    }

    /// BDAT, in chunks of any size.
    fn chunks(&mut self, random: &mut Random, message: &[u8]) {
        let mut rest = message;
        loop {
            let length = if random.once_in(3) {
                rest.len()
            } else {
                random.between(0, rest.len())
            };
            let (chunk, behind) = rest.split_at(length);
            rest = behind;
            let last = rest.is_empty() && !random.once_in(4);
            let word = if last { " LAST" } else { "" };
            self.open
                .octets
                .extend_from_slice(format!("BDAT {length}{word}\r\n").as_bytes());
            self.open.octets.extend_from_slice(chunk);
            if last {
                self.open
                    .whole
                    .push((self.open.octets.len(), self.from.clone()));
                self.awaits(What::End);
                return;
            }
            self.awaits(What::Chunk);
            if random.once_in(4) {
                self.end_turn();
            }
        }
    }
}
