//! The topics that mail of a configuration can go to, each once.
//!
//! Owns: their order, and the name of a topic by its place in it. Must not know: which mail goes where, and Kafka.
//!
//! Invariants: place 0 is `kafka.topic`, then comes `kafka.large_topic`, then each route's topic and large topic in the order of
//! the file; a name has one place.

use std::collections::HashMap;

use super::options::Config;

/// A topic, by its place among those of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPlace(u16);

impl TopicPlace {
    /// `kafka.topic`.
    pub const FIRST: Self = Self(0);

    /// That of this index.
    ///
    /// # Panics
    /// For more topics than there can be.
    pub fn of(index: usize) -> Self {
        Self(u16::try_from(index).expect("routes are bounded"))
    }

    /// Its index in a list that has an item for each topic.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    names: Vec<String>,
    places: HashMap<String, TopicPlace>,
}

impl Topics {
    /// `kafka.topic` alone.
    pub fn one(name: &str) -> Self {
        let mut topics = Self {
            names: Vec::new(),
            places: HashMap::new(),
        };
        topics.add(name);
        topics
    }

    /// Adds a name, unless it is there.
    fn add(&mut self, name: &str) {
        if self.places.contains_key(name) {
            return;
        }
        let place = TopicPlace::of(self.names.len());
        self.places.insert(name.to_owned(), place);
        self.names.push(name.to_owned());
    }

    /// How many there are: at least one.
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (TopicPlace, &str)> {
        let names = self.names.iter().enumerate();
        names.map(|(index, name)| (TopicPlace::of(index), name.as_str()))
    }

    /// The name of one.
    pub fn name(&self, place: TopicPlace) -> &str {
        &self.names[place.index()]
    }

    /// The place of a name, if it is one of them.
    pub fn place(&self, name: &str) -> Option<TopicPlace> {
        self.places.get(name).copied()
    }
}

impl Config {
    /// The topics that mail can go to.
    pub fn topics(&self) -> Topics {
        let mut topics = Topics::one(&self.kafka.topic);
        if let Some(large) = &self.kafka.large_topic {
            topics.add(large);
        }
        for route in &self.routes {
            topics.add(&route.topic);
            if let Some(large) = &route.large_topic {
                topics.add(large);
            }
        }
        topics
    }
}

#[cfg(test)]
mod tests {
    use super::super::Route;
    use super::*;

    #[test]
    fn a_topic_has_one_place_in_the_order_of_the_file() {
        let mut config = Config::default();
        assert_eq!(config.topics(), Topics::one("mail"));
        config.kafka.large_topic = Some("large".to_owned());
        for (topic, large) in [("b", Some("a")), ("mail", Some("b")), ("c", Some("large"))] {
            config.routes.push(Route {
                topic: topic.to_owned(),
                large_topic: large.map(str::to_owned),
                ..Route::default()
            });
        }
        let topics = config.topics();
        let names: Vec<&str> = topics.iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["mail", "large", "b", "a", "c"]);
        for (place, name) in topics.iter() {
            assert_eq!(
                (topics.name(place), topics.place(name)),
                (name, Some(place))
            );
        }
        assert_eq!(topics.place("mail"), Some(TopicPlace::FIRST));
        assert_eq!((topics.place("d"), topics.len()), (None, 5));
    }
}
