//! One connection to a receiver: opened, secured, logged in, and used for one mail after the other.
//!
//! Owns: what is written and read when, and how long each step may take. Must not know: which connection a mail gets, when a
//! mail is tried again.
//!
//! Invariants: a password goes out only where the settings allow it; bytes that came in clear are never taken for encrypted ones;
//! after an error the connection is not used again.

mod greeting;
mod line;

use std::io;
use std::time::{Duration, Instant};

use ringpost_proto::client::offers::Offers;
use tokio::io::AsyncWriteExt as _;

use super::address::Protocol;
use super::content::{self, Needs};
use super::settings::Settings;
use super::stream::timely;
use super::transaction::{Envelope, Manner, Next, Transaction};
use crate::forward::delivery::Verdict;
use greeting::NoConnection;
use line::{Line, Reply};

/// A message goes out in blocks of this many bytes, each with its own time.
const BLOCK: usize = 256 * 1024;
/// How long a server that closes the connection while a message goes out has to say why.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A connection between two mails.
pub(super) struct Connection {
    line: Line,
    pub offers: Offers,
    /// Mails that it has carried.
    pub mails: u64,
    /// When it was used last.
    pub used: Instant,
    /// A transaction has been left that the server has to forget.
    needs_reset: bool,
    commands: Vec<u8>,
}

/// What is sent in one transaction.
pub(super) struct Mail<'a> {
    pub sender: &'a str,
    pub recipients: &'a [String],
    pub message: &'a [u8],
    pub needs: Needs,
    /// Whether the envelope or the header section needs SMTPUTF8.
    pub international: bool,
}

/// What came of a transaction.
pub(super) struct Sent {
    pub verdicts: Vec<Verdict>,
    /// Whether another mail can go over the connection.
    pub reusable: bool,
    /// The connection broke before the server said anything of this mail.
    pub untouched: bool,
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// Where the receiver does not take it, or not as securely as it has to be.
    pub(super) async fn open(settings: &Settings) -> Result<Self, NoConnection> {
        let (line, offers) = greeting::open(settings).await?;
        Ok(Self {
            line,
            offers,
            mails: 0,
            used: Instant::now(),
            needs_reset: false,
            commands: Vec::new(),
        })
    }

    /// Sends a mail.
    pub(super) async fn send(&mut self, mail: &Mail<'_>, settings: &Settings) -> Sent {
        let manner = self.manner(mail, settings);
        let envelope = Envelope {
            sender: mail.sender,
            parameters: self.parameters(mail),
            recipients: mail.recipients,
        };
        let mut transaction = Transaction::new(envelope, manner);
        let mut reusable = true;
        let mut untouched = false;
        match self
            .converse(&mut transaction, mail, manner, settings)
            .await
        {
            Ok(Next::Reset) => self.needs_reset = true,
            Ok(Next::Close) => reusable = false,
            Ok(Next::Done | Next::Go | Next::Message) => {}
            Err(error) => {
                reusable = false;
                untouched = transaction.is_untouched();
                let at = match transaction.is_at_message() {
                    true => "after the message was sent",
                    false => "before the message was asked for",
                };
                transaction.lost(&format!("{error} ({at})"));
            }
        }
        self.mails += 1;
        self.used = Instant::now();
        Sent {
            verdicts: transaction.verdicts(),
            reusable,
            untouched,
        }
    }

    fn manner(&self, mail: &Mail<'_>, settings: &Settings) -> Manner {
        Manner {
            pipelining: self.offers.pipelining,
            // What is no text goes out as it is, where that can be.
            chunking: self.offers.chunking && (mail.needs.binary || mail.needs.bare_newlines),
            lmtp: settings.address.protocol == Protocol::Lmtp,
        }
    }

    fn parameters(&self, mail: &Mail<'_>) -> String {
        let mut parameters = String::new();
        if self.offers.size {
            parameters.push_str(&format!(" SIZE={}", mail.message.len()));
        }
        if mail.needs.binary && self.offers.binary {
            parameters.push_str(" BODY=BINARYMIME");
        } else if mail.needs.eight_bit && self.offers.eight_bit {
            parameters.push_str(" BODY=8BITMIME");
        }
        if mail.international && self.offers.smtputf8 {
            parameters.push_str(" SMTPUTF8");
        }
        parameters
    }

    async fn converse(
        &mut self,
        transaction: &mut Transaction<'_>,
        mail: &Mail<'_>,
        manner: Manner,
        settings: &Settings,
    ) -> io::Result<Next> {
        let timeouts = &settings.timeouts;
        let mut within = timeouts.command;
        if std::mem::take(&mut self.needs_reset) {
            let reply = self.line.command("RSET", within).await?;
            if !(200..300).contains(&reply.code) {
                return Ok(transaction.take(421, &format!("RSET: {} {}", reply.code, reply.text)));
            }
        }
        loop {
            let mut out = std::mem::take(&mut self.commands);
            out.clear();
            transaction.commands(&mut out);
            if !out.is_empty() {
                self.line.write(&out, timeouts.command).await?;
            }
            self.commands = out;
            let reply = self.line.reply(within).await?;
            match transaction.take(reply.code, &reply.text) {
                Next::Go => {}
                Next::Message => {
                    within = timeouts.last;
                    if let Some(reply) = self.message(mail, manner, timeouts.data).await? {
                        return Ok(closing(transaction.take(reply.code, &reply.text)));
                    }
                }
                over @ (Next::Reset | Next::Done | Next::Close) => return Ok(over),
            }
        }
    }

    /// Sends the message; gives what a server said that closed the connection meanwhile.
    async fn message(
        &mut self,
        mail: &Mail<'_>,
        manner: Manner,
        within: Duration,
    ) -> io::Result<Option<Reply>> {
        let mut out = std::mem::take(&mut self.commands);
        out.clear();
        if manner.chunking {
            let command = format!("BDAT {} LAST\r\n", mail.message.len());
            out.extend_from_slice(command.as_bytes());
            out.extend_from_slice(mail.message);
        } else {
            content::stuff(mail.message, mail.needs.bare_newlines, &mut out);
        }
        let mut failed = None;
        for block in out.chunks(BLOCK) {
            if let Err(error) = self.line.write(block, within).await {
                failed = Some(error);
                break;
            }
        }
        // A large buffer is not kept for the small mails that follow.
        if out.capacity() <= BLOCK {
            self.commands = out;
        }
        match failed {
            None => Ok(None),
            Some(error) => match self.line.reply(LAST_WORDS).await {
                Ok(reply) if reply.code >= 400 => Ok(Some(reply)),
                Ok(_) | Err(_) => Err(error),
            },
        }
    }

    /// Says good-bye, and does not wait for the answer.
    pub(super) async fn quit(mut self) {
        let _ = self.line.write(b"QUIT\r\n", LAST_WORDS).await;
        let _ = timely(LAST_WORDS, self.line.stream().shutdown()).await;
    }
}

/// The connection is gone, whatever the dialogue says.
fn closing(next: Next) -> Next {
    match next {
        Next::Go | Next::Message | Next::Reset | Next::Done | Next::Close => Next::Close,
    }
}
