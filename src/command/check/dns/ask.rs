//! Questions to the resolver, with an end.
//!
//! Owns: how long an answer is waited for, and that the operator is told. Must not know: what is asked.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use crate::authenticate::dns::{Answer, Kind, Question};
use crate::authenticate::resolver::{Network, NoResolver};

/// How long one server of the DNS has for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// How long the resolver has for all of its servers and attempts.
const TOTAL_WAIT: Duration = Duration::from_secs(6);
/// How long it may be silent before the operator is told.
const SILENCE: Duration = Duration::from_secs(2);

/// An answer, or why there is none.
pub(super) type Found = Result<Answer, String>;

/// See the module.
pub(super) struct Dns<'a> {
    network: Network,
    waiting: &'a dyn Fn(&str),
}

impl<'a> Dns<'a> {
    /// Asks these resolvers, or those of the system.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn new(
        resolvers: &[SocketAddr],
        waiting: &'a dyn Fn(&str),
    ) -> Result<Self, NoResolver> {
        let network = Network::new(resolvers, ANSWER_WAIT)?;
        Ok(Self { network, waiting })
    }

    /// The records of this kind at a name.
    pub(super) async fn ask(&self, name: &str, kind: Kind) -> Found {
        match Question::new(name, kind) {
            Some(question) => self.put(&question).await,
            None => Ok(Answer::NoName),
        }
    }

    /// The answer to a question.
    pub(super) async fn put(&self, question: &Question) -> Found {
        let what = format!("the DNS to answer for {}", question.name);
        let asked = self.within(TOTAL_WAIT, &what, self.network.query(question));
        match asked.await {
            Some(Ok((answer, _))) => Ok(answer),
            Some(Err(error)) => Err(error.to_string()),
            None => Err(format!("no answer within {} s", TOTAL_WAIT.as_secs())),
        }
    }

    /// Whether the resolver answers anything, which is asked once a question had no answer.
    pub(super) async fn answers(&self) -> bool {
        let asked = self.within(TOTAL_WAIT, "the DNS to answer at all", self.network.probe());
        asked.await.unwrap_or(false)
    }

    /// What comes within this time. The operator is told of a long wait.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        what: &str,
        wait: impl Future<Output = T>,
    ) -> Option<T> {
        let mut wait = pin!(tokio::time::timeout(limit, wait));
        match tokio::time::timeout(SILENCE, &mut wait).await {
            Ok(done) => done.ok(),
            Err(_) => {
                (self.waiting)(what);
                wait.await.ok()
            }
        }
    }
}
