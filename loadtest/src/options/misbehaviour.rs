//! `--misbehave`: which messages misbehave, and how.
//!
//! Must not know what a client does to misbehave. Invariant: whether and how a message misbehaves follows from its number
//! alone.

use std::time::Duration;

use crate::failure::Wrong;
use crate::units::parse_share;

/// One way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misdeed {
    /// Sends the message byte by byte.
    Drip,
    /// Closes the connection without a word after a step.
    Abort(Step),
    /// Sends what is not SMTP.
    Garbage,
    /// Tries ends of data that only some servers accept, followed by a second message.
    Smuggle,
    /// Sends a message that is larger than the server's SIZE, without saying so.
    Oversize,
}

/// A step of a dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the commands")]
pub(crate) enum Step {
    Connect,
    Banner,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    Body,
    End,
}

const STEPS: [(Step, &str); 8] = [
    (Step::Connect, "connect"),
    (Step::Banner, "banner"),
    (Step::Ehlo, "ehlo"),
    (Step::Mail, "mail"),
    (Step::Rcpt, "rcpt"),
    (Step::Data, "data"),
    (Step::Body, "body"),
    (Step::End, "end"),
];

/// How the messages of a run misbehave.
#[derive(Debug, Default)]
pub(crate) struct Misbehaviour {
    /// What, and its share of all messages.
    parts: Vec<(Misdeed, f64)>,
    /// Time between two bytes of a drip.
    pub drip_every: Duration,
    /// How long a drip goes on.
    pub drip_for: Duration,
}

impl Misdeed {
    /// Its name in options and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Misdeed::Drip => "drip",
            Misdeed::Abort(step) => match step {
                Step::Connect => "abort:connect",
                Step::Banner => "abort:banner",
                Step::Ehlo => "abort:ehlo",
                Step::Mail => "abort:mail",
                Step::Rcpt => "abort:rcpt",
                Step::Data => "abort:data",
                Step::Body => "abort:body",
                Step::End => "abort:end",
            },
            Misdeed::Garbage => "garbage",
            Misdeed::Smuggle => "smuggle",
            Misdeed::Oversize => "oversize",
        }
    }

    fn parse(name: &str) -> Option<Misdeed> {
        match name {
            "drip" => Some(Misdeed::Drip),
            "garbage" => Some(Misdeed::Garbage),
            "smuggle" => Some(Misdeed::Smuggle),
            "oversize" => Some(Misdeed::Oversize),
            _ => {
                let step = name.strip_prefix("abort:")?;
                STEPS
                    .iter()
                    .find(|(_, name)| *name == step)
                    .map(|(step, _)| Misdeed::Abort(*step))
            }
        }
    }
}

impl Misbehaviour {
    /// Parses `drip=1%,abort:data=2%`.
    pub(crate) fn parse(
        list: &str,
        drip_every: Duration,
        drip_for: Duration,
    ) -> Result<Misbehaviour, Wrong> {
        let mut parts = Vec::new();
        for part in list
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            parts.push(Misbehaviour::parse_part(part)?);
        }
        if parts.iter().map(|(_, share)| share).sum::<f64>() > 1.0 + 1e-9 {
            let problem = "the shares are more than 100% together";
            return Err(Wrong::at("--misbehave").problem(problem));
        }
        Ok(Misbehaviour {
            parts,
            drip_every,
            drip_for,
        })
    }

    fn parse_part(part: &str) -> Result<(Misdeed, f64), Wrong> {
        let wrong = Wrong::at("--misbehave");
        let Some((name, share)) = part.split_once('=') else {
            return Err(wrong.quoted(part).fix("give name=share, e.g. drip=1%"));
        };
        let Some(misdeed) = Misdeed::parse(name.trim()) else {
            let steps: Vec<&str> = STEPS.iter().map(|(_, name)| *name).collect();
            let steps = steps.join(" ");
            return Err(wrong.quoted(name).fix(format_args!(
                "known are drip, garbage, smuggle, oversize, and abort: with one of {steps}"
            )));
        };
        match parse_share(share) {
            Ok(share) => Ok((misdeed, share)),
            Err(error) => Err(wrong.given(error)),
        }
    }

    /// How a message misbehaves, if it does: by its number alone, and evenly spread.
    pub(crate) fn of(&self, number: u64) -> Option<Misdeed> {
        if self.parts.is_empty() {
            return None;
        }
        // Another constant than the one that picks a message, or misbehaviour would always meet the same sizes.
        let position = number.wrapping_mul(0xD1B5_4A32_D192_ED03) as f64 / 2f64.powi(64);
        let mut sum = 0.0;
        self.parts.iter().find_map(|(misdeed, share)| {
            sum += share;
            (position < sum).then_some(*misdeed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &str) -> Result<Misbehaviour, Wrong> {
        Misbehaviour::parse(list, Duration::ZERO, Duration::ZERO)
    }

    #[test]
    fn shares_are_kept_over_any_thousand_messages() {
        let misbehaviour = parse("drip=1%, abort:data=2%,smuggle=0.5%").expect("fits");
        for first in [1, 5_000_000] {
            let count = |wanted| {
                (first..first + 1000)
                    .filter(|number| misbehaviour.of(*number) == Some(wanted))
                    .count()
            };
            assert!((8..=12).contains(&count(Misdeed::Drip)));
            assert!((17..=23).contains(&count(Misdeed::Abort(Step::Data))));
            assert!((3..=7).contains(&count(Misdeed::Smuggle)));
        }
        assert_eq!(Misbehaviour::default().of(1), None);
        assert!(parse("garbage=100%").expect("fits").of(77).is_some());
    }

    #[test]
    fn names_are_parsed_back() {
        for (step, _) in STEPS {
            let misdeed = Misdeed::Abort(step);
            assert_eq!(Misdeed::parse(misdeed.name()), Some(misdeed));
        }
        for list in [
            "drip",
            "drip=200%",
            "abort:x=1%",
            "nap=1%",
            "drip=60%,garbage=60%",
        ] {
            assert!(parse(list).is_err(), "{list}");
        }
    }
}
