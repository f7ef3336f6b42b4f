//! The begin of a connection: the banner, EHLO or LHLO, STARTTLS, AUTH.
//!
//! Owns: what has to be agreed before the first mail, and the texts where it is not. Must not know: mails.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ringpost_proto::client::offers::Offers;

use super::line::{Line, Reply};
use crate::forward::delivery::Answer;
use crate::forward::smtp::address::{Protocol, Security};
use crate::forward::smtp::settings::{Secret, Settings};
use crate::forward::smtp::stream::{Stream, connect, timely};
use crate::forward::tls::is_no_tls;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::forward::smtp) struct NoConnection(pub Answer);

impl NoConnection {
    /// The receiver refused at this step, whatever mail would have come: that is no answer to a mail.
    fn said(step: &str, reply: &Reply) -> Self {
        Self::none(step, format_args!("{} {}", reply.code, reply.text))
    }

    /// There was no answer, or one that is of no use.
    fn none(step: &str, why: impl std::fmt::Display) -> Self {
        Self(Answer {
            code: None,
            text: format!("{step}: {why}"),
        })
    }
}

/// A connection that is agreed on, and what the receiver offers.
///
/// # Errors
/// Where the receiver does not take it, or not as securely as it has to be.
pub(in crate::forward::smtp) async fn open(
    settings: &Settings,
) -> Result<(Line, Offers), NoConnection> {
    let place = &settings.address.place;
    let stream = connect(place, settings.timeouts.connect)
        .await
        .map_err(|error| NoConnection::none(&format!("cannot connect to {place}"), error))?;
    let mut greeting = Greeting {
        line: Line::new(stream),
        offers: Offers::default(),
        settings,
        within: settings.timeouts.command,
    };
    if settings.address.security == Security::Implicit {
        greeting.secure().await?;
    }
    let banner = greeting.line.reply(greeting.within).await;
    let banner = banner.map_err(|error| NoConnection::none("banner", error))?;
    if banner.code != 220 {
        return Err(NoConnection::said("banner", &banner));
    }
    greeting.hello().await?;
    greeting.start_tls().await?;
    greeting.log_in().await?;
    Ok((greeting.line, greeting.offers))
}

/// A connection that is not agreed on yet.
struct Greeting<'a> {
    line: Line,
    offers: Offers,
    settings: &'a Settings,
    within: Duration,
}

impl Greeting<'_> {
    async fn say(&mut self, step: &str, line: &str) -> Result<Reply, NoConnection> {
        let said = self.line.command(line, self.within).await;
        said.map_err(|error| NoConnection::none(step, error))
    }

    async fn hello(&mut self) -> Result<(), NoConnection> {
        let verb = match self.settings.address.protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        };
        let line = format!("{verb} {}", self.settings.helo);
        let reply = self.say(verb, &line).await?;
        match reply.code {
            200..300 => {
                self.offers = Offers::read(self.line.replies.text());
                Ok(())
            }
            // A server of before 1995.
            500..600 if self.settings.address.protocol == Protocol::Smtp => {
                let line = format!("HELO {}", self.settings.helo);
                let reply = self.say("HELO", &line).await?;
                self.offers = Offers::default();
                match reply.code {
                    200..300 => Ok(()),
                    _ => Err(NoConnection::said("HELO", &reply)),
                }
            }
            _ => Err(NoConnection::said(verb, &reply)),
        }
    }

    async fn start_tls(&mut self) -> Result<(), NoConnection> {
        match (self.settings.address.security, self.offers.starttls) {
            (Security::Implicit | Security::Never, _)
            | (Security::Offered | Security::Opportunistic, false) => return Ok(()),
            (Security::Required, false) => {
                let why = "the receiver does not offer it (starttls=required)";
                return Err(NoConnection::none("STARTTLS", why));
            }
            (Security::Required | Security::Offered | Security::Opportunistic, true) => {}
        }
        let reply = self.say("STARTTLS", "STARTTLS").await?;
        if !(200..300).contains(&reply.code) {
            return Err(NoConnection::said("STARTTLS", &reply));
        }
        // What came in clear after the reply must not count as encrypted.
        if !self.line.replies.is_empty() {
            let why = "bytes in clear after the reply";
            return Err(NoConnection::none("STARTTLS", why));
        }
        self.secure().await?;
        self.hello().await
    }

    /// The TLS handshake.
    async fn secure(&mut self) -> Result<(), NoConnection> {
        let tls = self
            .settings
            .tls
            .as_ref()
            .expect("settings with TLS have trust");
        let stream: Stream = self.line.stream.take().expect("a stream");
        let place = &self.settings.address.place;
        let is_implicit = self.settings.address.security == Security::Implicit;
        let secured = timely(self.within, stream.secure(place, tls)).await;
        let secured = secured.map_err(|error| {
            let hint = match is_no_tls(&error) && is_implicit {
                true => "; this port does not seem to speak TLS from the first byte on: then write smtp://",
                false => "",
            };
            NoConnection::none("TLS", format!("{error}{hint}"))
        })?;
        self.line.stream = Some(secured);
        Ok(())
    }

    async fn log_in(&mut self) -> Result<(), NoConnection> {
        let (Some(user), Some(Secret(password))) =
            (&self.settings.address.user, &self.settings.password)
        else {
            return Ok(());
        };
        let reply = if self.offers.auth_plain {
            let both = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
            self.say("AUTH PLAIN", &format!("AUTH PLAIN {both}"))
                .await?
        } else if self.offers.auth_login {
            self.log_in_by_steps(user, password).await?
        } else {
            let why = "the receiver offers neither PLAIN nor LOGIN";
            return Err(NoConnection::none("AUTH", why));
        };
        match reply.code {
            200..300 => Ok(()),
            _ => Err(NoConnection::said("AUTH", &reply)),
        }
    }

    async fn log_in_by_steps(&mut self, user: &str, password: &str) -> Result<Reply, NoConnection> {
        let mut reply = self.say("AUTH LOGIN", "AUTH LOGIN").await?;
        for word in [user, password] {
            if reply.code != 334 {
                return Ok(reply);
            }
            let word = BASE64_STANDARD.encode(word);
            reply = self.say("AUTH LOGIN", &word).await?;
        }
        Ok(reply)
    }
}
