//! One record from its verdicts to the record that is written.
//!
//! Owns: what of a record is checked, and that questions get their answers. Must not know: Kafka.
//!
//! Invariant: a record that is no mail of ringpost's has no verdicts; every other one has all of them, however long that takes.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use hickory_resolver::net::NetError;
use mail_auth::MessageAuthenticator;
use ringpost_proto::mail::record::CE_TYPE;

use super::dns::{Answer, Answers, Need, Question};
use super::keys::checker;
use super::message::received;
use super::output::{self, Output};
use super::resolver::{NoResolver, Resolver, Settings};
use super::verdicts::{Mail, Verdicts, Work};
use super::word::Word;
use crate::consume::received::Received;
use crate::telemetry::metrics::authenticate::Counts;

/// Why a record is not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMail {
    /// Another program wrote it.
    Foreign,
    /// It does not say which client sent it, or in whose name.
    NoEnvelope,
}

/// A record's message, as far as it is there.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// The value, or the object that the record names.
    pub bytes: &'a [u8],
    /// Whether that is all of it; without its object a record has its header section alone.
    pub is_whole: bool,
}

/// See the module.
pub struct Examiner {
    resolver: Resolver,
    checker: MessageAuthenticator,
    hostname: String,
    counts: Arc<Counts>,
}

impl Examiner {
    /// Asks as these settings say, and writes in the name of this host.
    ///
    /// # Errors
    /// Nobody can be asked.
    pub fn new(
        settings: &Settings,
        hostname: String,
        counts: Arc<Counts>,
    ) -> Result<Self, NoResolver> {
        let setup = |error: NetError| NoResolver::Setup(error);
        Ok(Self {
            resolver: Resolver::new(settings, Arc::clone(&counts))?,
            checker: checker().map_err(setup)?,
            hostname,
            counts,
        })
    }

    /// What is written for a record with this message.
    ///
    /// # Errors
    /// The record is no mail.
    pub async fn examine(&self, record: &Received, body: Body<'_>) -> Result<Output, NoMail> {
        let attributes = record.attributes();
        if attributes.kind != Some(CE_TYPE) {
            return Err(NoMail::Foreign);
        }
        let (Some(client), Some(sender)) = (attributes.client, attributes.mail_from) else {
            return Err(NoMail::NoEnvelope);
        };
        let mail = Mail {
            client: client.ip(),
            helo: attributes.helo.unwrap_or_default(),
            sender,
            message: received(body.bytes, attributes.size.filter(|_| body.is_whole)),
            is_whole: body.is_whole,
        };
        let verdicts = self.verdicts(mail).await;
        self.count(&verdicts);
        let output = output::of(record, &self.hostname, &verdicts);
        self.counts
            .handles
            .forged_fields
            .increment(output.renamed as u64);
        Ok(output)
    }

    async fn verdicts(&self, mail: Mail<'_>) -> Verdicts {
        let (mut work, mut answers) = (Work::begin(mail), Answers::default());
        loop {
            match work.advance(&self.checker, &answers) {
                Ok(verdicts) => return verdicts,
                Err(Need) => {
                    let needed = answers.needed();
                    assert!(
                        !needed.is_empty(),
                        "a check that cannot go on has noted why"
                    );
                    for (question, answer) in self.ask_all(needed).await {
                        answers.insert(question, answer);
                    }
                }
            }
        }
    }

    /// All of these at once.
    async fn ask_all(&self, questions: Vec<Question>) -> Vec<(Question, Arc<Answer>)> {
        type Asking<'a> = Pin<Box<dyn Future<Output = Arc<Answer>> + 'a>>;
        let mut open: Vec<(Question, Option<Arc<Answer>>)> = questions
            .into_iter()
            .map(|question| (question, None))
            .collect();
        let asked: Vec<Question> = open.iter().map(|(question, _)| question.clone()).collect();
        let mut asking: Vec<Asking<'_>> = Vec::with_capacity(asked.len());
        for question in &asked {
            asking.push(Box::pin(self.resolver.ask(question)));
        }
        poll_fn(|context| {
            let mut missing = false;
            for ((_, answer), asking) in open.iter_mut().zip(&mut asking) {
                if answer.is_none() {
                    match asking.as_mut().poll(context) {
                        Poll::Ready(found) => *answer = Some(found),
                        Poll::Pending => missing = true,
                    }
                }
            }
            if missing {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        let answered = open
            .into_iter()
            .filter_map(|(question, answer)| Some((question, answer?)));
        answered.collect()
    }

    fn count(&self, verdicts: &Verdicts) {
        let handles = &self.counts.handles;
        handles.spf.increment(verdicts.spf_word().into());
        handles.dkim.increment(verdicts.dkim_word().into());
        handles.dmarc.increment(verdicts.dmarc.word.into());
        handles.arc.increment(verdicts.arc.word.into());
        handles.iprev.increment(verdicts.iprev.word.into());
    }
}

impl From<Word> for crate::telemetry::metrics::ResultWord {
    fn from(word: Word) -> Self {
        match word {
            Word::None => Self::None,
            Word::Pass => Self::Pass,
            Word::Fail => Self::Fail,
            Word::SoftFail => Self::SoftFail,
            Word::Neutral => Self::Neutral,
            Word::Policy => Self::Policy,
            Word::TempError => Self::TempError,
            Word::PermError => Self::PermError,
        }
    }
}
