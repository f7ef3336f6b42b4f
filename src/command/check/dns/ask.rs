//! Questions to the resolver, with an end.
//!
//! Owns: how long an answer is waited for, and that the operator is told. Must not know: what is asked.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;

use crate::authenticate::dns::{Answer, Kind, Question};
use crate::authenticate::resolver::{Network, NoResolver};

/// How long one server of the DNS has for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// How long the resolver has for all of its servers and attempts.
const TOTAL_WAIT: Duration = Duration::from_secs(6);
/// How long it may be silent before the operator is told.
const SILENCE: Duration = Duration::from_secs(2);

/// An answer, or why there is none.
pub(super) type Found = Result<Answer, Unanswered>;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    /// The resolver says this code.
    #[error("the resolver answers {0}")]
    Refused(String),
    /// Nothing usable came.
    #[error("{0}")]
    Other(String),
}

impl From<NetError> for Unanswered {
    fn from(error: NetError) -> Self {
        match error {
            NetError::Dns(DnsError::ResponseCode(code)) => Self::Refused(named(code)),
            other => Self::Other(other.to_string()),
        }
    }
}

/// A code as operators know it (RFC 1035 4.1.1).
fn named(code: ResponseCode) -> String {
    let number = u16::from(code);
    let name = match number {
        1 => "FORMERR ",
        2 => "SERVFAIL ",
        4 => "NOTIMP ",
        5 => "REFUSED ",
        9 => "NOTAUTH ",
        _ => "",
    };
    format!("{name}(code {number})")
}

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
            Some(Err(error)) => Err(error.into()),
            None => {
                let why = format!("no answer within {} s", TOTAL_WAIT.as_secs());
                Err(Unanswered::Other(why))
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_its_code() {
        for (code, text) in [
            (
                ResponseCode::Refused,
                "the resolver answers REFUSED (code 5)",
            ),
            (
                ResponseCode::ServFail,
                "the resolver answers SERVFAIL (code 2)",
            ),
            (ResponseCode::YXDomain, "the resolver answers (code 6)"),
        ] {
            let error = NetError::Dns(DnsError::ResponseCode(code));
            assert_eq!(Unanswered::from(error).to_string(), text);
        }
        let silent = Unanswered::from(NetError::Timeout);
        assert!(matches!(silent, Unanswered::Other(_)), "{silent}");
    }
}
