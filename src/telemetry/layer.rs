//! What comes through `tracing`, our own lines and those of libraries, in the forms of `line`.
//!
//! Owns: how the fields of an event become those of a line. Must not know: levels, which the filter before it has looked at.
//!
//! Spans are not shown: ringpost has none.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::line::Writer;
use super::lines::Lines;

/// See the module.
pub(super) struct Events(pub(super) Lines);

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        let level = *event.metadata().level();
        self.0.say_anyway(level, &message.0, |line| {
            event.record(&mut Fields(line));
        });
    }
}

/// The name of the field that is the message.
const MESSAGE: &str = "message";
/// What the names of fields begin with that a bridge from the crate `log` adds.
const BRIDGE: &str = "log.";

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            self.0 = format!("{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            value.clone_into(&mut self.0);
        }
    }
}

struct Fields<'a, 'b>(&'a mut Writer<'b>);

impl Fields<'_, '_> {
    fn bare(&mut self, field: &Field, value: impl fmt::Display) {
        self.0.any_bare(field.name(), &value.to_string());
    }
}

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != MESSAGE && !field.name().starts_with(BRIDGE) {
            self.0.any_text(field.name(), value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.bare(field, value),
            false => self.record_str(field, &value.to_string()),
        }
    }
}
