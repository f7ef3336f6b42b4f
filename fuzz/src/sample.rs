//! A record as ringpost makes it, from the lines of a client.
//!
//! Owns: the way from commands to a filled record. Must not know: who reads the record.

use std::net::SocketAddr;

use bytes::BytesMut;
use ringpost_proto::mail::envelope::{Client, Envelope};
use ringpost_proto::mail::id::{Generator, QueueId};
use ringpost_proto::mail::record::{Record, RecordKey, Stamp};
use ringpost_proto::smtp::address::mailbox;
use ringpost_proto::smtp::command::{Command, parse};
use ringpost_proto::smtp::parameter::MailParameters;
use ringpost_proto::smtp::state::{Hello, Times, Transaction};

use crate::random::Random;

/// The `server.hostname` of samples.
pub const HOSTNAME: &str = "mx.example";

/// The time of samples.
pub const TIME: &str = "2026-01-02T03:04:05.678Z";

/// What a record is made of.
#[derive(Debug)]
pub struct Sample {
    /// Who sent it.
    pub client: Client,
    /// What the client said.
    pub transaction: Transaction,
    /// TLS version and cipher suite.
    pub tls: Option<&'static str>,
    /// The queue id.
    pub id: QueueId,
    /// The key.
    pub key: RecordKey,
    /// Whether the message holds bare newlines.
    pub bare_newlines: bool,
    /// The message.
    pub message: Vec<u8>,
}

/// An input's commands, one a line up to the first empty line, and the message after it.
pub fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.windows(2).position(|two| two == b"\n\n");
    end.map_or((input, &b""[..]), |at| (&input[..at], &input[at + 2..]))
}

impl Sample {
    /// A transaction of those lines that the session would accept; `random` decides what a client does not say.
    pub fn new(lines: &[u8], message: &[u8], random: &mut Random) -> Self {
        let mut hello = Hello {
            name: "client.example".into(),
            extended: true,
        };
        let (mut reverse_path, mut parameters) = (None, MailParameters::default());
        let mut recipients = Vec::new();
        for line in lines.split(|&byte| byte == b'\n') {
            match parse(line).1 {
                Ok(Command::Helo(name)) => (hello.name, hello.extended) = (name.into(), false),
                Ok(Command::Ehlo(name)) => (hello.name, hello.extended) = (name.into(), true),
                Ok(Command::Mail(path, said)) => (reverse_path, parameters) = (path, said),
                Ok(Command::Rcpt(path)) => recipients.push(path),
                Ok(_) | Err(_) => {}
            }
        }
        if recipients.is_empty() {
            recipients.push(mailbox(b"postmaster@mx.example").expect("a mailbox"));
        }
        let addresses = ["192.0.2.1:4711", "[2001:db8::1]:25", "[::ffff:192.0.2.7]:1"];
        let address: SocketAddr = random.of(&addresses).parse().expect("an address");
        Self {
            client: Client::new(address),
            transaction: Transaction {
                hello,
                reverse_path,
                parameters,
                recipients,
                times: Times::default(),
            },
            tls: *random.of(&[None, Some("TLSv1.3 TLS13_AES_256_GCM_SHA384")]),
            id: Generator::new(random.next()).next(random.next()),
            key: *random.of(&[
                RecordKey::None,
                RecordKey::Recipient,
                RecordKey::RecipientDomain,
                RecordKey::Sender,
                RecordKey::ClientIp,
            ]),
            bare_newlines: random.once_in(4),
            message: message.to_vec(),
        }
    }

    /// Its envelope.
    pub fn envelope(&self) -> Envelope<'_> {
        Envelope::of(&self.transaction, &self.client, self.tls)
    }

    /// Its record.
    pub fn record(&self) -> Record {
        let stamp = Stamp {
            id: self.id,
            hostname: HOSTNAME,
            time: TIME.as_bytes(),
            size: self.message.len() as u64,
            bare_newlines: self.bare_newlines,
            key: self.key,
            part: None,
        };
        let mut record = Record::default();
        record.fill(&self.envelope(), stamp, BytesMut::from(&self.message[..]));
        record
    }
}
