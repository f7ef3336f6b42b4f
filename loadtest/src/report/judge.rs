//! What a report means: whether the run passed, and what is not as it should be, in sentences.

use super::data::{Asserted, EndedBy, GivenUp, Percentiles, Report, Verified};
use crate::options::assertion::{Assertion, Cost, Count, Measure, Percentile, Span, Unit};
use crate::units::{grouped, show_bytes, show_microseconds, show_number};

impl Report {
    /// Compares with `--assert`, or with what everyone would ask for.
    pub(crate) fn judge(&mut self, assertions: &[Assertion]) {
        let asserted = assertions.iter().map(|assertion| {
            let value = self.value(assertion.measure);
            Asserted {
                text: assertion.text.clone(),
                value,
                unit: assertion.unit(),
                holds: value.is_some_and(|value| assertion.holds(value)),
            }
        });
        self.assertions = asserted.collect();
        let read_back = self.verify.as_ref().is_none_or(|verify| verify.complete);
        let holds = if assertions.is_empty() {
            self.is_whole()
        } else {
            self.assertions.iter().all(|assertion| assertion.holds)
        };
        // A bound of the operator's own says what is enough.
        let is_bounded = assertions.iter().any(|assertion| {
            matches!(
                assertion.measure,
                Measure::Count(Count::Unsent | Count::Rate)
            )
        });
        let enough = is_bounded || self.shortfall().is_none();
        self.passed = read_back && self.start_error.is_none() && holds && enough;
    }

    /// That less was sent than was asked for, in a sentence; nothing where `--allow-less` takes that.
    fn shortfall(&self) -> Option<String> {
        if self.options.allow_less {
            return None;
        }
        let unsent = counted(
            self.messages.unsent,
            "message of those that were asked for was not sent",
            "messages of those that were asked for were not sent",
        );
        let what = match (unsent, self.rate_reached) {
            (Some(unsent), _) => unsent,
            (None, Some(false)) => "the rate that was asked for was not reached".to_owned(),
            (None, Some(true) | None) => return None,
        };
        let rate = match (self.options.rate, self.rate_reached) {
            (Some(rate), Some(false)) => format!(
                " ({} of {} messages/s)",
                show_number(self.messages_per_second),
                show_number(rate)
            ),
            _ => String::new(),
        };
        Some(format!("{what}{rate}; --allow-less takes that"))
    }

    /// What everyone would ask for: every message was accepted, at least one, and none was lost or altered.
    fn is_whole(&self) -> bool {
        let messages = &self.messages;
        let verify = self.verify.as_ref();
        messages.refused + messages.unanswered == 0
            // A run that sent nothing, though it had to, has shown nothing.
            && (messages.accepted + messages.misbehaved > 0 || self.options.messages == 0)
            && verify.is_none_or(|verify| verify.not_found + verify.altered == 0)
            && self.shapes_given_up.is_empty()
            && matches!(self.ended_by, EndedBy::Duration | EndedBy::Messages)
    }

    /// What is not as it should be, in sentences; nothing for a run that passed.
    pub(crate) fn failures(&self) -> Vec<String> {
        if let Some(error) = &self.start_error {
            return vec![error.clone()];
        }
        if self.passed {
            return Vec::new();
        }
        let broken = self.assertions.iter().filter(|assertion| !assertion.holds);
        let mut failures: Vec<String> = broken
            .map(|assertion| format!("{} fails: {}", assertion.text, assertion.measured()))
            .collect();
        failures.extend(self.unaccepted());
        failures.extend(self.shortfall());
        failures.extend(self.verify.iter().flat_map(Verified::failures));
        for shape in &self.shapes_given_up {
            failures.push(format!("{} never worked", shape.name()));
        }
        match self.ended_by {
            EndedBy::Signal => failures.push("it was stopped by a signal".to_owned()),
            EndedBy::Errors => {
                failures.push("it gave up after too many errors (--max-errors)".to_owned());
            }
            EndedBy::Duration | EndedBy::Messages => {}
        }
        if self.messages.accepted == 0 {
            failures.push("no message was accepted".to_owned());
        }
        failures
    }

    fn unaccepted(&self) -> impl Iterator<Item = String> {
        let messages = &self.messages;
        let counts = [
            counted(
                messages.refused,
                "message was refused",
                "messages were refused",
            ),
            counted(
                messages.unanswered,
                "message got no answer",
                "messages got no answer",
            ),
        ];
        counts.into_iter().flatten()
    }

    /// A value that `--assert` can bound; `None` where it was not measured.
    pub(crate) fn value(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Count(count) => self.count(count),
            Measure::Cost(Cost::Own) => self.own.cpu_microseconds_per_message,
            Measure::Cost(Cost::Server) => self.server.as_ref()?.cpu_microseconds_per_message,
            Measure::ServerRss => Some(self.server.as_ref()?.rss_bytes as f64),
            Measure::Time(span, percentile) => {
                let times = match span {
                    Span::Phase(phase) => self.phase(phase),
                    Span::Readable => &self.verify.as_ref()?.readable_microseconds,
                };
                (times.count > 0).then(|| times.at(percentile))
            }
        }
    }

    fn count(&self, count: Count) -> Option<f64> {
        let value = match count {
            Count::Accepted => self.messages.accepted,
            Count::Refused => self.messages.refused,
            Count::Unanswered => self.messages.unanswered,
            Count::Unsent => self.messages.unsent,
            Count::Errors => self.errors_total,
            Count::Connections => self.connections_opened,
            Count::RecipientsRefused => self.recipients_refused,
            Count::Smuggled => self.smuggled,
            Count::Rate => return Some(self.messages_per_second),
            Count::Lost => self.verify.as_ref()?.lost?,
            Count::Duplicated => self.verify.as_ref()?.duplicated,
            Count::Altered => self.verify.as_ref()?.altered,
            Count::IdleOpened => self.idle.as_ref()?.opened,
            Count::IdleClosed => self.idle.as_ref()?.closed_by_server,
        };
        Some(value as f64)
    }
}

/// A count in a sentence; nothing for none.
fn counted(count: u64, one: &str, many: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{} {many}", grouped(count))),
    }
}

impl Percentiles {
    fn at(&self, percentile: Percentile) -> f64 {
        match percentile {
            Percentile::P50 => self.p50 as f64,
            Percentile::P90 => self.p90 as f64,
            Percentile::P95 => self.p95 as f64,
            Percentile::P99 => self.p99 as f64,
            Percentile::P99_9 => self.p99_9 as f64,
            Percentile::Mean => self.mean,
            Percentile::Max => self.max as f64,
        }
    }
}

impl Asserted {
    /// What was measured, for people.
    pub(crate) fn measured(&self) -> String {
        match (self.value, self.unit) {
            (None, _) => "not measured".to_owned(),
            (Some(value), Some(Unit::Microseconds)) => show_microseconds(value),
            (Some(value), Some(Unit::Octets)) => show_bytes(value),
            (Some(value), None) => show_number(value),
        }
    }
}

impl GivenUp {
    /// The shape for a sentence.
    fn name(&self) -> String {
        match &self.shape[..] {
            "" => "the shape".to_owned(),
            shape => format!("--mix '{shape}'"),
        }
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        let (name, errors) = (self.name(), grouped(self.errors));
        format!(
            "{name}, which never worked, after {errors} errors: {}",
            self.reason
        )
    }
}

impl Verified {
    /// What is not known, for a sentence.
    pub(crate) fn incomplete(&self) -> String {
        let why = match self.kafka_errors {
            0 => "the topic was not read to its end",
            _ => "the brokers did not answer, so the topic was not read to its end",
        };
        match self.not_found {
            0 => why.to_owned(),
            one_or_more => format!(
                "{why}: whether {} accepted message{} there is unknown",
                grouped(one_or_more),
                if one_or_more == 1 { " is" } else { "s are" }
            ),
        }
    }

    fn failures(&self) -> Vec<String> {
        let lost = counted(
            self.lost.unwrap_or(0),
            "accepted message was lost",
            "accepted messages were lost",
        );
        let altered = counted(self.altered, "message was altered", "messages were altered");
        let incomplete = (!self.complete).then(|| self.incomplete());
        [lost, altered, incomplete].into_iter().flatten().collect()
    }
}
