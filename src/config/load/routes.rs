//! What is wrong with a route as a whole, which shows when all sources are read: listeners may come from the environment or a flag.
//!
//! Owns these checks. Must not know: what a route matches.
//!
//! Invariant: a route of a configuration that was loaded has a topic, matches some mail, and names listeners that there are.

use std::net::SocketAddr;

use super::{Draft, RouteSource};
use crate::config::error::{Place, Problem};
use crate::config::options::{ROUTES, Route};
use crate::config::reason::RouteFault;
use crate::limits::ROUTES_MOST;

impl Draft {
    /// Adds what is wrong with the routes to the problems.
    pub(super) fn check_routes(&mut self) {
        assert_eq!(
            self.config.routes.len(),
            self.routes.len(),
            "each route is somewhere in the file"
        );
        let listening = self.listening();
        let mut found = Vec::new();
        for (route, source) in self.config.routes.iter().zip(&self.routes) {
            if source.failed {
                continue;
            }
            let whole = faults(route).map(|fault| problem(&source.place, "", None, fault));
            found.extend(whole);
            if let Some(listening) = &listening {
                found.extend(unknown_listeners(route, source, listening));
            }
        }
        found.extend(self.too_many());
        self.problems.extend(found);
    }

    /// The addresses that SMTP is served on, if all of them could be read.
    fn listening(&self) -> Option<Vec<SocketAddr>> {
        let keys = ["server.listen", "server.listen_tls", "server.listen_proxy"];
        let known = keys.iter().all(|key| !self.failed.contains(key));
        known.then(|| self.config.listening())
    }

    fn too_many(&self) -> Option<Problem> {
        let count = self.routes.len();
        let first = &self.routes.get(ROUTES_MOST)?.place;
        let most = ROUTES_MOST;
        Some(problem(
            first,
            "",
            None,
            RouteFault::TooMany { count, most },
        ))
    }
}

/// What a route lacks.
fn faults(route: &Route) -> impl Iterator<Item = RouteFault> {
    let matches_nothing = route.recipients.is_empty() && route.listen.is_empty();
    let no_topic = route.topic.is_empty();
    let found = [
        matches_nothing.then_some(RouteFault::MatchesNothing),
        no_topic.then_some(RouteFault::NoTopic),
    ];
    found.into_iter().flatten()
}

fn unknown_listeners<'a>(
    route: &'a Route,
    source: &'a RouteSource,
    listening: &'a [SocketAddr],
) -> impl Iterator<Item = Problem> + 'a {
    let listed = route.listen.iter().zip(&source.listen);
    let unknown = listed.filter(|(address, _)| !listening.contains(address));
    unknown.map(|(address, place)| {
        let all: Vec<String> = listening.iter().map(ToString::to_string).collect();
        let listening = all.join(", ");
        let value = Some(format!("\"{address}\""));
        problem(
            place,
            ".listen",
            value,
            RouteFault::NotAListener { listening },
        )
    })
}

fn problem(place: &Place, end: &str, value: Option<String>, fault: RouteFault) -> Problem {
    Problem {
        place: place.clone(),
        key: Some(format!("{}{end}", ROUTES.name)),
        value,
        reason: fault.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::super::tests::{file, from_file, problems};
    use crate::config::{Place, Split};
    use crate::limits::ROUTES_MOST;

    #[test]
    fn routes_are_read_in_their_order_with_their_places() {
        let text = "[kafka]\nlarge_topic = \"large\"\nlarge_size = \"64KiB\"\nsplit = \"domain\"\n\
                    [[routes]]\nrecipients = [\"*.Tenant.example.\", \"b\u{fc}cher.example\"]\ntopic = \"a\"\n\
                    [[routes]]\nlisten = [\"127.0.0.1:2525\"]\ntopic = \"b\"\nlarge_topic = \"c\"\n";
        let loaded = from_file(text).expect("no mistake");
        let (kafka, routes) = (&loaded.config.kafka, &loaded.config.routes);
        assert_eq!(kafka.large_topic.as_deref(), Some("large"));
        assert_eq!((kafka.large_size, kafka.split), (64 << 10, Split::Domain));
        assert_eq!(
            routes[0].recipients,
            ["*.tenant.example", "xn--bcher-kva.example"]
        );
        assert_eq!(
            (routes[0].topic.as_str(), &routes[0].large_topic),
            ("a", &None)
        );
        assert_eq!(routes[1].listen, loaded.config.server.listen);
        assert_eq!(routes[1].large_topic.as_deref(), Some("c"));
        let lines: Vec<usize> = loaded
            .routes
            .iter()
            .map(|place| match place {
                Place::File {
                    position: Some((line, _)),
                    ..
                } => *line,
                other => panic!("a route is in the file: {other:?}"),
            })
            .collect();
        assert_eq!(lines, [5, 8]);
    }

    #[test]
    fn what_a_route_lacks_is_told_at_its_place() {
        for (text, expected) in [
            (
                "[[routes]]\ntopic = \"a\"",
                ":1:1: routes: has neither recipients nor listen, so it would match no mail: set one of them, or both",
            ),
            (
                "[[routes]]\nrecipients = [\"*\"]",
                ":1:1: routes: has no topic: set topic, which its mail goes to",
            ),
            (
                "[[routes]]\nrecipients = [\"*\"]\ntopic = \"\"",
                ":1:1: routes: has no topic: set topic, which its mail goes to",
            ),
            (
                "[[routes]]\ntopic = \"a\"\nlisten = [\"127.0.0.1:2525\", \"127.0.0.1:25\"]",
                ":3:29: routes.listen = \"127.0.0.1:25\": is an address that neither server.listen nor server.listen_tls nor \
                 server.listen_proxy has: 127.0.0.1:2525 is served",
            ),
            (
                "[[routes]]\nrecipients = [\"a b\"]\ntopic = \"a\"",
                ":2:15: routes.recipients = \"a b\": is not a domain name: only letters, digits, hyphens and dots are allowed",
            ),
            (
                "[[routes]]\nrecipients = \"a\"\ntopic = \"a\"",
                ":2:14: routes.recipients = \"a\": is of type string, and a list is expected: write [\"a\"]",
            ),
            (
                "[[routes]]\nlisten = [\"::\"]\ntopic = \"a b\"\ntopc = 1\n[[routes]]\nrecipients = [\"*\"]\ntopic = \"a\"",
                ":2:11: routes.listen = \"::\": is not an IP address with a port: write [::]:25 (an address and the port to \
                 listen on)\n\
                 :3:9: routes.topic = \"a b\": is not a name that Kafka allows: 1 to 249 letters, digits, dots, underscores \
                 and hyphens\n\
                 :4:1: unknown key routes.topc: did you mean routes.topic?",
            ),
            (
                "[routes]\ntopic = \"a\"",
                ":1:2: routes: is of type table, and tables are expected: begin each with a line [[routes]], in two pairs of \
                 brackets",
            ),
            (
                "[[route]]\ntopic = \"a\"",
                ":1:3: unknown section [route]: did you mean [[routes]]?",
            ),
            (
                "routes = [1]",
                ":1:11: routes: is of type integer, and tables are expected: begin each with a line [[routes]], in two pairs \
                 of brackets",
            ),
        ] {
            assert_eq!(problems(text).join("\n"), expected, "{text}");
        }
    }

    #[test]
    fn a_listener_may_come_from_a_flag() {
        let (_folder, path) = file("[[routes]]\nlisten = [\"[::1]:25\"]\ntopic = \"a\"\n");
        let flags = [("server.listen", vec!["[::1]:25".to_owned()])];
        assert!(load(Some(&path), [], &flags).is_ok());
        assert!(load(Some(&path), [], &[]).is_err());
    }

    #[test]
    fn routes_are_as_many_as_are_allowed_and_no_more() {
        let route = "[[routes]]\nrecipients = [\"*\"]\ntopic = \"a\"\n";
        assert!(from_file(route.repeat(ROUTES_MOST)).is_ok());
        let found = problems(route.repeat(ROUTES_MOST + 2));
        assert_eq!(
            found,
            [
                ":3001:1: routes: there are 1002 routes: 1000 are allowed; several domains can share one"
            ]
        );
    }
}
