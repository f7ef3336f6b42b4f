//! Which recipients of a mail have to share a record, and its topic: said once more, as simply as possible.
//!
//! Owns: the routes and the split that a seed draws, and the oracle of both. Must not know: how ringpost decides it.

use ringpost::config::{Config, Route, Split};

use crate::random::Random;

/// The domains that mail is taken for; one of them is written in two ways.
pub const DOMAINS: [&str; 4] = ["mx.example", "a.mx.example", "b.mx.example", "B.MX.Example"];

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Sharing {
    /// Whether there are routes: `a.mx.example` goes to topic `a`, what else is below `mx.example` to topic `b`.
    routed: bool,
    split: Split,
}

impl Sharing {
    /// All recipients share a record in half of the seeds.
    pub fn draw(random: &mut Random) -> Self {
        let divided = random.once_in(2);
        Self {
            routed: divided && !random.once_in(3),
            split: match divided {
                true => *random.of(&[Split::None, Split::Domain, Split::Recipient]),
                false => Split::None,
            },
        }
    }

    /// Everybody shares a record.
    pub fn all() -> Self {
        Self {
            routed: false,
            split: Split::None,
        }
    }

    /// Whether a mail may become several records.
    pub fn divides(self) -> bool {
        self.routed || self.split != Split::None
    }

    /// A configuration that says this.
    pub fn config(self) -> Config {
        let mut config = Config::default();
        config.kafka.split = self.split;
        if self.routed {
            let route = |pattern: &str, topic: &str| Route {
                recipients: vec![pattern.to_owned()],
                topic: topic.to_owned(),
                ..Route::default()
            };
            config.routes = vec![route("a.mx.example", "a"), route("*.mx.example", "b")];
        }
        config
    }

    /// The topic of each record that a mail to these has to become, and its recipients.
    pub fn records(self, to: &[String]) -> Vec<(&'static str, Vec<String>)> {
        let mut records: Vec<(&str, String, Vec<String>)> = Vec::new();
        for (place, recipient) in to.iter().enumerate() {
            let (_, domain) = recipient.rsplit_once('@').expect("it has a domain");
            let domain = domain.to_ascii_lowercase();
            let topic = match domain.strip_suffix(".mx.example") {
                Some("a") if self.routed => "a",
                Some(_) if self.routed => "b",
                Some(_) | None => "mail",
            };
            let of = match self.split {
                Split::None => String::new(),
                Split::Domain => domain,
                Split::Recipient => place.to_string(),
            };
            let shared =
                |record: &&mut (&str, String, Vec<String>)| record.0 == topic && record.1 == of;
            match records.iter_mut().find(shared) {
                Some((_, _, recipients)) => recipients.push(recipient.clone()),
                None => records.push((topic, of, vec![recipient.clone()])),
            }
        }
        let record = |(topic, _, recipients)| (topic, recipients);
        records.into_iter().map(record).collect()
    }
}
