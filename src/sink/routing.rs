//! Which topic mail goes to, and which recipients of a mail share a record.
//!
//! Owns: the decision from a recipient's domain, the listener and the size to a topic, by an index that is made of the routes at the
//! start; and the groups of a mail's recipients. Must not know: records, sessions, Kafka.
//!
//! Invariants: the first route of the file that matches decides; the domain of a recipient costs one look-up for each of its labels,
//! however many routes there are; a group has a recipient, a recipient has one group, and groups are in the order of their first
//! recipients; a mail of one group allocates nothing, unless a domain is in another form than its normal one.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::config::{Config, Route, Split, TopicPlace, Topics};
use crate::smtp::address::Mailbox;
use crate::smtp::domain;

/// See the module.
#[derive(Debug)]
pub struct Routing {
    /// Where mail goes that takes no route.
    otherwise: Destination,
    /// Where mail goes that takes a route, in the order of the configuration.
    routes: Vec<Destination>,
    /// The routes of mail that comes in on each listener, in the order of [`Config::listening`].
    listeners: Vec<Index>,
    /// From how many bytes on a value is large.
    large_size: usize,
    split: Split,
}

/// Two topics, which are the same where large records have none of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Destination {
    topic: TopicPlace,
    large: TopicPlace,
}

/// The recipients of a mail, in groups of which each is one record.
#[derive(Debug, PartialEq, Eq)]
pub enum Grouping {
    /// All of them are one group, for this topic.
    One(TopicPlace),
    /// There are several groups.
    Several(Groups),
}

/// At least two groups. See [`Grouping`].
#[derive(Debug, PartialEq, Eq)]
pub struct Groups {
    /// The places of the recipients, group by group.
    order: Vec<u16>,
    /// Where each group goes, and where it ends in `order`.
    ends: Vec<(TopicPlace, usize)>,
}

impl Groups {
    /// How many there are.
    #[allow(clippy::len_without_is_empty, reason = "there are at least two")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The topic of each group, and the places of its recipients, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (TopicPlace, &[u16])> {
        let mut from = 0;
        self.ends.iter().map(move |&(topic, end)| {
            let group = &self.order[from..end];
            from = end;
            (topic, group)
        })
    }
}

impl Routing {
    /// That of a configuration.
    pub fn new(config: &Config) -> Self {
        let topics = config.topics();
        let kafka = &config.kafka;
        let listeners = config.listening().into_iter().map(|address| {
            let takes = |route: &Route| route.listen.is_empty() || route.listen.contains(&address);
            Index::of(&config.routes, takes)
        });
        Self {
            otherwise: Destination::of(&topics, &kafka.topic, kafka.large_topic.as_deref()),
            routes: config
                .routes
                .iter()
                .map(|route| Destination::of(&topics, &route.topic, route.large_topic.as_deref()))
                .collect(),
            listeners: listeners.collect(),
            large_size: usize::try_from(kafka.large_size).unwrap_or(usize::MAX),
            split: kafka.split,
        }
    }

    /// The route of mail for a domain, in its normal form, that came in on this listener: its place in the configuration.
    pub fn route(&self, domain: &str, listener: usize) -> Option<usize> {
        self.listeners[listener].route(domain)
    }

    /// The topic of a record that takes this route, or none, with a value of this many bytes.
    pub fn topic(&self, route: Option<usize>, octets: usize) -> TopicPlace {
        let destination = route.map_or(self.otherwise, |route| self.routes[route]);
        if octets >= self.large_size {
            destination.large
        } else {
            destination.topic
        }
    }

    /// Groups the recipients of a mail that came in on this listener, for a value of this many bytes.
    ///
    /// # Panics
    /// If there is no recipient.
    pub fn group(&self, recipients: &[Mailbox], listener: usize, octets: usize) -> Grouping {
        let (first, others) = recipients.split_first().expect("a mail has a recipient");
        let topic = |of: &Mailbox| match self.routes.is_empty() {
            true => self.topic(None, octets),
            false => self.topic(self.route(&of.normal_domain(), listener), octets),
        };
        let together = topic(first);
        let alone = others.is_empty()
            || match self.split {
                Split::None => {
                    self.routes.is_empty() || others.iter().all(|of| topic(of) == together)
                }
                // Of one domain: the same route, so the same topic.
                Split::Domain => others.iter().all(|of| shares_domain(first, of)),
                Split::Recipient => false,
            };
        if alone {
            return Grouping::One(together);
        }
        let mut numbers: HashMap<(TopicPlace, Cow<'_, str>), u16> = HashMap::new();
        let (mut topics, mut of_recipient) = (Vec::new(), Vec::with_capacity(recipients.len()));
        for (place, recipient) in recipients.iter().enumerate() {
            let topic = topic(recipient);
            let next = u16::try_from(topics.len()).expect("recipients are bounded");
            let number = match self.split {
                Split::None => *numbers.entry((topic, Cow::Borrowed(""))).or_insert(next),
                Split::Domain => *numbers
                    .entry((topic, recipient.normal_domain()))
                    .or_insert(next),
                Split::Recipient => next,
            };
            if number == next {
                topics.push(topic);
            }
            of_recipient.push((
                number,
                u16::try_from(place).expect("recipients are bounded"),
            ));
        }
        Grouping::Several(in_groups(&topics, of_recipient))
    }
}

/// Sorts recipients, each a number of a group and a place, into the groups of these topics.
fn in_groups(topics: &[TopicPlace], mut of_recipient: Vec<(u16, u16)>) -> Groups {
    assert!(topics.len() > 1, "one group is found out before");
    of_recipient.sort_unstable();
    let mut ends = Vec::with_capacity(topics.len());
    for (number, &topic) in topics.iter().enumerate() {
        let end = of_recipient.partition_point(|(of, _)| usize::from(*of) <= number);
        let from = ends.last().map_or(0, |&(_, end)| end);
        assert!(end > from, "a group has a recipient");
        ends.push((topic, end));
    }
    let order: Vec<u16> = of_recipient.into_iter().map(|(_, place)| place).collect();
    Groups { order, ends }
}

fn shares_domain(one: &Mailbox, other: &Mailbox) -> bool {
    one.domain() == other.domain() || one.normal_domain() == other.normal_domain()
}

impl Destination {
    fn of(topics: &Topics, topic: &str, large: Option<&str>) -> Self {
        let place = |name| topics.place(name).expect("a topic of the configuration");
        Self {
            topic: place(topic),
            large: place(large.unwrap_or(topic)),
        }
    }
}

/// The routes that mail of one listener can take.
#[derive(Debug, Default)]
struct Index {
    names: HashMap<Box<str>, Hit>,
    /// The first route that takes every domain.
    every: Option<u16>,
}

/// The first routes that name a domain.
#[derive(Debug, Default)]
struct Hit {
    /// As itself.
    exact: Option<u16>,
    /// By what is below it.
    below: Option<u16>,
}

impl Index {
    /// Of the routes that `takes` says are this listener's.
    fn of(routes: &[Route], takes: impl Fn(&Route) -> bool) -> Self {
        let mut index = Self::default();
        for (place, route) in routes.iter().enumerate().filter(|(_, route)| takes(route)) {
            let place = u16::try_from(place).expect("routes are bounded");
            if route.recipients.is_empty() {
                index.every.get_or_insert(place);
            }
            for pattern in &route.recipients {
                index.add(pattern, place);
            }
        }
        index
    }

    /// A route that comes after all that are there takes a pattern.
    fn add(&mut self, pattern: &str, place: u16) {
        let (name, is_below) = match pattern.strip_prefix('*') {
            Some("") => {
                self.every.get_or_insert(place);
                return;
            }
            Some(suffix) => (suffix.trim_start_matches('.'), true),
            None => (pattern, false),
        };
        let hit = self
            .names
            .entry((*domain::normal(name)).into())
            .or_default();
        let first = match is_below {
            true => &mut hit.below,
            false => &mut hit.exact,
        };
        first.get_or_insert(place);
    }

    fn route(&self, domain: &str) -> Option<usize> {
        let mut first = self.every;
        if !self.names.is_empty() {
            let exact = self.names.get(domain).and_then(|hit| hit.exact);
            first = earlier(first, exact);
            let mut rest = domain;
            while let Some((_, parent)) = rest.split_once('.') {
                let below = self.names.get(parent).and_then(|hit| hit.below);
                first = earlier(first, below);
                rest = parent;
            }
        }
        first.map(usize::from)
    }
}

/// The earlier of two routes, if there is one.
fn earlier(one: Option<u16>, other: Option<u16>) -> Option<u16> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::address;

    fn route(recipients: &[&str], listen: &[&str], topic: &str, large: Option<&str>) -> Route {
        Route {
            recipients: recipients.iter().map(|text| (*text).to_owned()).collect(),
            listen: listen.iter().map(|text| text.parse().unwrap()).collect(),
            topic: topic.to_owned(),
            large_topic: large.map(str::to_owned),
        }
    }

    fn config(routes: Vec<Route>) -> Config {
        let mut config = Config::default();
        let listen = ["127.0.0.1:25", "127.0.0.1:26"];
        config.server.listen = listen.map(|text| text.parse().unwrap()).to_vec();
        config.server.listen_tls = vec!["127.0.0.1:465".parse().unwrap()];
        config.routes = routes;
        config
    }

    fn mailboxes(texts: &[&str]) -> Vec<Mailbox> {
        let mailbox = |text: &&str| address::mailbox(text.as_bytes()).unwrap();
        texts.iter().map(mailbox).collect()
    }

    /// The topic and the recipients of each group.
    fn grouped(config: &Config, listener: usize, octets: usize, to: &[&str]) -> Vec<String> {
        let topics = config.topics();
        let recipients = mailboxes(to);
        match Routing::new(config).group(&recipients, listener, octets) {
            Grouping::One(topic) => vec![format!("{} {}", topics.name(topic), to.join(" "))],
            Grouping::Several(groups) => {
                assert_eq!(groups.iter().count(), groups.len());
                let text = |(topic, group): (TopicPlace, &[u16])| {
                    let of: Vec<&str> = group.iter().map(|&at| to[usize::from(at)]).collect();
                    format!("{} {}", topics.name(topic), of.join(" "))
                };
                groups.iter().map(text).collect()
            }
        }
    }

    #[test]
    fn the_first_route_that_matches_decides_as_a_look_at_each_would() {
        let names = ["a", "b", "a.b", "b.a", "a.a.b", "b.b.a", "ab", "b.a.b", ""];
        let matches = |pattern: &str, name: &str| match pattern.strip_prefix('*') {
            Some("") => true,
            Some(suffix) => name.len() > suffix.len() && name.ends_with(suffix),
            None => pattern == name,
        };
        let patterns: Vec<String> = ["a", "b", "a.b", "b.a", "ab", "b.a.b"]
            .iter()
            .flat_map(|name| [(*name).to_owned(), format!("*.{name}")])
            .chain(["*".to_owned()])
            .collect();
        let listeners = ["127.0.0.1:25", "127.0.0.1:26", "127.0.0.1:465"];
        let mut number = 12_345_u64;
        let mut random = |below: usize| {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (number >> 33) as usize % below
        };
        for _ in 0..500 {
            let mut routes = Vec::new();
            for _ in 0..random(8) {
                let named: Vec<&str> = (0..random(4)).map(|_| &*patterns[random(13)]).collect();
                let listen: Vec<&str> = (0..random(2)).map(|_| listeners[random(3)]).collect();
                if !(named.is_empty() && listen.is_empty()) {
                    routes.push(route(&named, &listen, "mail", None));
                }
            }
            let config = config(routes);
            let routing = Routing::new(&config);
            for (listener, address) in config.listening().iter().enumerate() {
                for name in names {
                    let expected = config.routes.iter().position(|route| {
                        (route.listen.is_empty() || route.listen.contains(address))
                            && (route.recipients.is_empty()
                                || route
                                    .recipients
                                    .iter()
                                    .any(|pattern| matches(pattern, name)))
                    });
                    let found = routing.route(name, listener);
                    assert_eq!(
                        found, expected,
                        "{name} on {address} in {:?}",
                        config.routes
                    );
                }
            }
        }
    }

    #[test]
    fn size_decides_after_the_route() {
        let mut config = config(vec![
            route(&["a.example"], &[], "a", None),
            route(&["b.example"], &[], "b", Some("b.large")),
        ]);
        config.kafka.large_topic = Some("large".to_owned());
        config.kafka.large_size = 1000;
        for (domain, small, large) in [
            ("a.example", "a", "a"),
            ("b.example", "b", "b.large"),
            ("c.example", "mail", "large"),
        ] {
            let to = format!("x@{domain}");
            assert_eq!(grouped(&config, 0, 999, &[&to]), [format!("{small} {to}")]);
            assert_eq!(grouped(&config, 0, 1000, &[&to]), [format!("{large} {to}")]);
        }
        config.kafka.large_topic = None;
        assert_eq!(
            grouped(&config, 0, 1000, &["x@c.example"]),
            ["mail x@c.example"]
        );
    }

    #[test]
    fn recipients_are_grouped_by_topic_and_by_what_is_split() {
        let to = [
            "r@c.example",
            "r@a.example",
            "s@C.Example",
            "r@x.b.example",
            "s@A.EXAMPLE.",
            "postmaster",
            "r@y.b.example",
        ];
        let mut config = config(vec![
            route(&["a.example"], &[], "a", None),
            route(&["*.b.example"], &["127.0.0.1:26"], "b", None),
        ]);
        assert_eq!(
            grouped(&config, 1, 1, &to),
            [
                "mail r@c.example s@C.Example postmaster",
                "a r@a.example s@A.EXAMPLE.",
                "b r@x.b.example r@y.b.example"
            ]
        );
        let elsewhere = grouped(&config, 0, 1, &to);
        assert_eq!(elsewhere.len(), 2, "the second route is another listener's");
        config.kafka.split = Split::Domain;
        assert_eq!(
            grouped(&config, 1, 1, &to),
            [
                "mail r@c.example s@C.Example",
                "a r@a.example s@A.EXAMPLE.",
                "b r@x.b.example",
                "mail postmaster",
                "b r@y.b.example"
            ]
        );
        config.kafka.split = Split::Recipient;
        let each = grouped(&config, 1, 1, &to);
        assert_eq!((each.len(), &*each[4]), (7, "a s@A.EXAMPLE."));
        assert_eq!(grouped(&config, 1, 1, &to[..1]), ["mail r@c.example"]);
    }

    #[test]
    fn what_is_together_is_one_group() {
        let mut config = config(vec![route(&["a.example"], &[], "mail", None)]);
        let to = ["r@a.example", "s@b.example"];
        assert_eq!(
            grouped(&config, 0, 1, &to),
            ["mail r@a.example s@b.example"]
        );
        config.kafka.split = Split::Domain;
        let same = ["r@b\u{fc}cher.example", "s@XN--BCHER-KVA.example"];
        assert_eq!(grouped(&config, 0, 1, &same).len(), 1);
        assert_eq!(grouped(&config, 0, 1, &to).len(), 2);
        config.routes.clear();
        assert_eq!(grouped(&config, 0, 1, &to).len(), 2);
    }
}
