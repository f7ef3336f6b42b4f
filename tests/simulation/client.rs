//! A client: its mails, its connection, and which replies it may get to what it says.
//!
//! Owns: the client's side of the dialogue, and its queue: a mail stays in it until its 250 has been read. Must not know:
//! the server, of which it sees bytes alone; what it says is `script`'s.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::judge::{Expected, Judge};
use crate::kind::{GOOD, Kind};
use crate::mail;
use crate::random::Random;
use crate::script::{Awaited, Rules, Script, Turn, What};
use crate::tls::Tls;
use crate::wire::Wire;

#[derive(Debug, Clone, Copy)]
struct Mail {
    due: u64,
    delivered: bool,
    under_way: bool,
}

/// See the module.
pub struct Client {
    /// How it behaves.
    pub kind: Kind,
    number: usize,
    random: Random,
    rules: Rules,
    mails: Vec<Mail>,
    attempts: usize,
    /// Its connection.
    pub wire: Option<Rc<Wire>>,
    /// Its end of TLS, once it has begun a handshake.
    tls: Option<Tls>,
    turns: VecDeque<Turn>,
    turn: Turn,
    sent: usize,
    awaited: VecDeque<Awaited>,
    inbox: Vec<u8>,
    last_code: u16,
    /// The MAIL of the transaction that is answered now was refused: what was sent with it is refused as well.
    mail_refused: bool,
    /// When it connected, and when it began to send what is answered now.
    connected: u64,
    began: u64,
    /// Nothing more is expected but the end; anything goes.
    loose: bool,
    /// The reply to STARTTLS has come.
    expects_handshake: bool,
    leave_after: usize,
    /// Until when it waits for what it waits for.
    patience: u64,
    /// When it connects next.
    pub connects_at: u64,
    /// Whether nothing more goes wrong on this connection.
    pub calm: bool,
}

/// How long a client waits for a reply: longer than any deadline of the server.
const PATIENCE: u64 = 150_000_000;

impl Client {
    /// A client with this many mails, due in `[0, until)`.
    pub fn new(
        number: usize,
        kind: Kind,
        random: Random,
        mails: usize,
        until: u64,
        rules: Rules,
    ) -> Self {
        let mut random = random;
        let mails = (0..mails).map(|_| Mail {
            due: random.below(until as usize) as u64,
            delivered: false,
            under_way: false,
        });
        let mails = mails.collect();
        Self {
            kind,
            number,
            connects_at: random.below(2_000_000) as u64,
            calm: false,
            random,
            rules,
            mails,
            attempts: 0,
            wire: None,
            tls: None,
            turns: VecDeque::new(),
            turn: Turn::default(),
            sent: 0,
            awaited: VecDeque::new(),
            inbox: Vec::new(),
            last_code: 0,
            mail_refused: false,
            connected: 0,
            began: 0,
            loose: false,
            expects_handshake: false,
            leave_after: usize::MAX,
            patience: 0,
        }
    }

    /// Whether its mail has to arrive.
    pub fn is_good(&self) -> bool {
        GOOD.contains(&self.kind)
    }

    /// Whether it may come to a listener that begins with TLS.
    pub fn shakes_hands(&self) -> bool {
        !matches!(self.kind, Kind::Garbage | Kind::Silent | Kind::Injecting)
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.wire.is_none() && self.mails.iter().all(|mail| mail.delivered)
    }

    /// Whether all mail has its 250.
    pub fn undelivered(&self) -> usize {
        self.mails.iter().filter(|mail| !mail.delivered).count()
    }

    /// One more mail, due now.
    pub fn enqueue(&mut self, now: u64) {
        self.mails.push(Mail {
            due: now,
            delivered: false,
            under_way: false,
        });
    }

    /// Whether it wants to connect.
    pub fn wants_to_connect(&self, now: u64) -> bool {
        let due = !self.is_good()
            || self
                .mails
                .iter()
                .any(|mail| !mail.delivered && mail.due <= now);
        self.wire.is_none() && self.connects_at <= now && due
    }

    /// When it may want to connect.
    pub fn next_connect(&self) -> Option<u64> {
        let dues = self
            .mails
            .iter()
            .filter(|mail| !mail.delivered)
            .map(|mail| mail.due);
        let due = if self.is_good() { dues.min()? } else { 0 };
        Some(self.connects_at.max(due))
    }

    /// It is connected, under this name, to a listener that begins with TLS or not.
    pub fn connect(
        &mut self,
        wire: Rc<Wire>,
        now: u64,
        judge: &Judge,
        address: &str,
        opening: &[u8],
        secure: bool,
    ) {
        self.tls = secure.then(Tls::new);
        self.expects_handshake = false;
        self.mail_refused = false;
        (self.connected, self.began) = (now, now);
        self.sent = 0;
        self.inbox.clear();
        self.awaited.clear();
        self.turns.clear();
        self.turn = Turn {
            octets: opening.to_vec(),
            ..Turn::default()
        };
        self.loose = matches!(self.kind, Kind::Garbage | Kind::Silent);
        self.leave_after = if self.kind == Kind::Leaving {
            self.random.below(1500)
        } else {
            usize::MAX
        };
        self.patience = now + PATIENCE;
        let early =
            self.kind == Kind::Silent || self.kind == Kind::Garbage && self.random.once_in(4);
        if !early {
            self.awaited.push_back(Awaited {
                what: What::Banner,
                from: String::new(),
                mail: usize::MAX,
            });
        }
        self.wire = Some(wire);
        self.plan(now, judge, address);
    }

    fn plan(&mut self, now: u64, judge: &Judge, address: &str) {
        if self.kind == Kind::Silent {
            return;
        }
        if self.kind == Kind::Garbage {
            let octets = mail::garbage(&mut self.random);
            self.turns.push_back(Turn {
                octets,
                ..Turn::default()
            });
            return;
        }
        let extended = self.kind == Kind::Chunking || !self.random.once_in(4);
        let helo = format!("client{}.example", self.number);
        let mut script = Script::new(self.kind, self.rules, extended);
        script.hello(&helo);
        // Sent together with what follows, it would be an injection.
        let wants_tls = match self.kind {
            Kind::Injecting => true,
            Kind::Blast => false,
            _ => self.random.once_in(3),
        };
        let secure = if self.tls.is_none() && self.rules.tls && extended && wants_tls {
            script.start_tls(&mut self.random, &helo);
            true
        } else {
            self.tls.is_some()
        };
        let most = self.random.between(1, 4);
        let due: Vec<usize> = if self.is_good() {
            let due = (0..self.mails.len())
                .filter(|&at| !self.mails[at].delivered && self.mails[at].due <= now);
            due.take(most).collect()
        } else {
            vec![usize::MAX; most]
        };
        for mail in due {
            if let Some(mail) = self.mails.get_mut(mail) {
                mail.under_way = true;
            }
            if extended && self.random.once_in(6) {
                script.abandoned(&mut self.random, &helo);
            }
            self.attempts += 1;
            let from = format!("c{}a{}@client.example", self.number, self.attempts);
            let sent = script.transaction(&mut self.random, from.clone(), mail);
            let expected = Expected {
                helo: helo.clone(),
                to: sent.to,
                client: address.to_owned(),
                protocol: match (extended, secure) {
                    (true, true) => "ESMTPS",
                    (true, false) => "ESMTP",
                    (false, _) => "SMTP",
                },
                secure,
                body: sent.body,
                message: sent.message,
                complete: false,
                storable: sent.storable,
                since: now,
            };
            judge.attempt(&from, expected);
        }
        if !self.random.once_in(3) {
            script.quit();
        }
        self.turns = script.finish();
    }

    /// Reads what came, sends what is due; when it wants to act again.
    pub fn act(&mut self, now: u64, judge: &Judge) -> Option<u64> {
        let wire = Rc::clone(self.wire.as_ref()?);
        let (octets, open) = wire.receive();
        if !octets.is_empty() {
            self.patience = now + PATIENCE;
            self.hear(&octets);
            self.read_replies(now, judge);
        }
        self.say_ciphertext(&wire);
        if !open {
            self.disconnect(now, false);
            return None;
        }
        if now >= self.patience {
            wire.reset();
            self.disconnect(now, true);
            return None;
        }
        if self.turn.octets.is_empty() && self.awaited.is_empty() {
            match self.turns.pop_front() {
                Some(turn) => {
                    self.turn = turn;
                    self.sent = 0;
                    self.began = now;
                    self.awaited.extend(self.turn.awaited.drain(..));
                    if self
                        .awaited
                        .iter()
                        .any(|reply| reply.what == What::StartTls)
                    {
                        wire.seal();
                    }
                    if self.turn.octets.is_empty() {
                        return Some(self.patience);
                    }
                }
                None if self.kind == Kind::Silent => return Some(self.patience),
                None => {
                    // Nothing more to say, and nothing to wait for.
                    wire.finish();
                    return Some(self.patience);
                }
            }
        }
        if self.turn.octets.is_empty() {
            return Some(self.patience);
        }
        self.send(&wire, now, judge)
    }

    fn send(&mut self, wire: &Wire, now: u64, judge: &Judge) -> Option<u64> {
        let random = &mut self.random;
        let all = self.turn.octets.len();
        let length = match self.kind {
            Kind::Drip => random.between(1, 3).min(all),
            // What it says in clear leaves before it can begin the handshake.
            Kind::Injecting
                if self
                    .awaited
                    .iter()
                    .any(|reply| reply.what == What::StartTls) =>
            {
                all
            }
            _ if random.once_in(3) => random.between(1, all),
            _ => all,
        };
        let length = length.min(self.leave_after);
        match &mut self.tls {
            Some(tls) => tls.say(&self.turn.octets[..length]),
            None => wire.send(&self.turn.octets[..length]),
        }
        self.turn.octets.drain(..length);
        self.sent += length;
        let sent = self.sent;
        self.turn.whole.retain(|(at, from)| {
            if *at <= sent {
                judge.complete(from);
            }
            *at > sent
        });
        self.say_ciphertext(wire);
        let random = &mut self.random;
        if self.leave_after != usize::MAX {
            self.leave_after -= length;
            if self.leave_after == 0 {
                if random.once_in(2) {
                    wire.reset()
                } else {
                    wire.finish()
                }
                self.turn = Turn::default();
                self.turns.clear();
                self.loose = true;
                return Some(now + 1_000_000);
            }
        }
        if self.turn.octets.is_empty() && !self.awaited.is_empty() {
            return Some(self.patience);
        }
        let pause = if self.kind == Kind::Drip {
            random.between(10_000, 9_000_000)
        } else {
            random.below(3000)
        };
        Some(now + pause as u64)
    }

    fn hear(&mut self, octets: &[u8]) {
        let Some(tls) = &mut self.tls else {
            return self.inbox.extend_from_slice(octets);
        };
        match tls.hear(octets) {
            Ok(plain) => self.inbox.extend_from_slice(&plain),
            // A part of what it injected came after the STARTTLS and was read as a handshake.
            Err(_) if self.kind == Kind::Injecting && tls.is_shaking_hands() => self.give_up(),
            Err(error) => panic!("{:?}: no TLS came: {error}", self.kind),
        }
    }

    /// Sends what TLS has to say by itself, and what was said over it.
    fn say_ciphertext(&mut self, wire: &Wire) {
        let octets = self.tls.as_mut().map(Tls::outgoing).unwrap_or_default();
        if !octets.is_empty() {
            wire.send(&octets);
        }
    }

    fn read_replies(&mut self, now: u64, judge: &Judge) {
        while let Some(end) = self.inbox.windows(2).position(|two| two == b"\r\n") {
            let line: Vec<u8> = self.inbox.drain(..end + 2).collect();
            let line = String::from_utf8(line[..end].to_vec()).expect("replies are UTF-8");
            if line.as_bytes()[3] == b'-' {
                continue;
            }
            let code = line[..3].parse().expect("a reply begins with its code");
            self.last_code = code;
            self.reply(code, &line[4..], now, judge);
            if std::mem::take(&mut self.expects_handshake) {
                // All that follows the reply is TLS: an alert, if what was injected came too late to be dropped.
                let rest = std::mem::take(&mut self.inbox);
                assert!(
                    rest.is_empty() || self.kind == Kind::Injecting,
                    "the handshake is the client's to begin"
                );
                self.tls = Some(Tls::new());
                self.hear(&rest);
            }
        }
    }

    fn reply(&mut self, code: u16, text: &str, now: u64, judge: &Judge) {
        if code == 421 {
            assert!(
                !(self.calm && self.is_good()),
                "421 although nothing goes wrong: {text}"
            );
            self.give_up();
            return;
        }
        if self.loose {
            self.awaited.clear();
            return;
        }
        let awaited = self.awaited.pop_front();
        let Awaited { what, from, mail } =
            awaited.unwrap_or_else(|| panic!("a reply too many: {code} {text}"));
        let fits = match what {
            What::Banner => code == 220 && !judge.kafka.is_closed_since(self.connected),
            What::Hello | What::Reset => code == 250,
            What::Mail if code == 250 => !judge.kafka.takes_no_mail_since(self.began),
            // As long as no moment of the outage can have been its own.
            What::Mail => code == 451 && !judge.kafka.is_open_since(self.began),
            What::StartTls => code == 220,
            What::Unannounced => code == 503,
            What::Rcpt { .. } | What::Passing(_) | What::Data if self.mail_refused => code == 503,
            What::Rcpt { ours } => code == if ours { 250 } else { 550 },
            What::Passing(who) => {
                let (there, away) = judge.names.during(who, self.began, now);
                code == 250 && there || code == 550 && away
            }
            What::Data => matches!(code, 354 | 451),
            What::Chunk => matches!(code, 250 | 451 | 503),
            What::Miscounted => code == 521,
            What::Quit => code == 221,
            What::End => matches!(code, 250 | 451 | 503 | 552 | 550),
        };
        assert!(
            fits,
            "{:?} {from}: {code} {text} in reply to {what:?}",
            self.kind
        );
        if what == What::Mail {
            self.mail_refused = code == 451;
        }
        match (what, code) {
            (What::StartTls, _) => self.expects_handshake = true,
            (What::Passing(who), 250) => judge.accepted(&from, who),
            (What::End, 250) => {
                judge.delivered(&from, text.strip_prefix("2.0.0 ").unwrap_or(text));
                if let Some(mail) = self.mails.get_mut(mail) {
                    mail.delivered = true;
                }
            }
            (What::Mail, 451) | (What::Data | What::Chunk, 451 | 503) | (What::End, _) => {
                // Not now: what was not sent yet is not sent, and the mails stay in the queue.
                self.turns.clear();
                if self.kind == Kind::Blast {
                    self.loose = true;
                }
            }
            (What::Quit, _) => self.give_up(),
            (What::Miscounted, _) => {
                // Whatever is still sent, no further reply may come: one would be a reply too many.
                self.turns.clear();
                self.turn = Turn::default();
            }
            _ => {}
        }
    }

    /// Nothing more is expected on this connection.
    fn give_up(&mut self) {
        self.loose = true;
        self.turns.clear();
        self.turn = Turn::default();
        self.awaited.clear();
    }

    fn disconnect(&mut self, now: u64, on_purpose: bool) {
        let wire = self.wire.take();
        let unable = wire.is_some_and(|wire| wire.is_broken() || wire.is_choked());
        // A connection whose PROXY header is late is closed before anybody has spoken.
        let greeted = self
            .awaited
            .front()
            .is_some_and(|awaited| awaited.what != What::Banner);
        // Nor can anything be said to a client whose handshake is late.
        let shaking = self.tls.take().is_some_and(|tls| !tls.is_answered());
        let told = on_purpose || unable || self.loose || !greeted || shaking;
        assert!(
            told || !self.is_good(),
            "closed without a word while {:?} was awaited",
            self.awaited
        );
        for mail in &mut self.mails {
            mail.under_way = false;
        }
        let rest = if self.random.once_in(4) {
            6_000_000
        } else {
            500_000
        };
        self.connects_at = now + self.random.between(1000, rest) as u64;
    }

    /// It leaves and does not come back.
    pub fn leave(&mut self) {
        if let Some(wire) = self.wire.take() {
            wire.reset();
        }
        self.mails.clear();
        self.connects_at = u64::MAX;
    }
}
