//! What a comparison found: each server's turns, and the ratios between them.

use serde::Serialize;

use crate::report::LimitedBy;
use crate::units::{grouped, show_number};

/// What one server did in one turn.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Turn {
    pub messages_per_second: f64,
    pub accepted: u64,
    pub not_accepted: u64,
    pub errors: u64,
    pub server_cpu_microseconds_per_message: Option<f64>,
    /// So few clock ticks that the figure is mostly rounding.
    pub server_cpu_too_small: bool,
    pub server_peak_rss_bytes: Option<u64>,
    pub own_cpu_microseconds_per_message: Option<f64>,
    pub reply_p50_microseconds: u64,
    pub reply_p99_microseconds: u64,
    pub limit: LimitedBy,
    /// What most failures said.
    pub reason: Option<String>,
}

impl Turn {
    /// The server's CPU time per message, if it was long enough to be meaningful.
    pub(super) fn server_cpu(&self) -> Option<f64> {
        self.server_cpu_microseconds_per_message
            .filter(|_| !self.server_cpu_too_small)
    }
}

/// One server and its turns.
#[derive(Debug, Serialize)]
pub(super) struct Server {
    pub name: String,
    pub target: String,
    pub turns: Vec<Turn>,
}

/// A to B, round by round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub median: f64,
    pub lowest: f64,
    pub highest: f64,
}

/// The result; its fields are those of the JSON.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    pub command_line: Vec<String>,
    pub a: Server,
    pub b: Server,
    /// Throughput of A divided by that of B.
    pub throughput_ratio: Option<Spread>,
    /// The server's CPU time a message of A divided by that of B.
    pub server_cpu_ratio: Option<Spread>,
}

impl Compared {
    /// What is not as it should be, in sentences: each server accepts everything.
    pub(super) fn failures(&self) -> Vec<String> {
        let failed = [&self.a, &self.b].into_iter().filter_map(|server| {
            let missing: u64 = server.turns.iter().map(|turn| turn.not_accepted).sum();
            let said = server.turns.iter().find_map(|turn| turn.reason.as_deref());
            let said = said.map_or(String::new(), |said| format!(", most often: {said}"));
            (missing > 0).then(|| {
                format!(
                    "{} did not accept {} message{}{said}",
                    server.name,
                    grouped(missing),
                    if missing == 1 { "" } else { "s" }
                )
            })
        });
        failed.collect()
    }
}

/// A to B, round by round: within a round, changes of the machine's speed mostly cancel.
pub(super) fn compare(a: Server, b: Server, command_line: Vec<String>) -> Compared {
    let throughput_ratio = ratio(&a, &b, |turn| Some(turn.messages_per_second));
    let server_cpu_ratio = ratio(&a, &b, Turn::server_cpu);
    Compared {
        command_line,
        a,
        b,
        throughput_ratio,
        server_cpu_ratio,
    }
}

/// Nothing where a value is missing in any round.
fn ratio(a: &Server, b: &Server, of: fn(&Turn) -> Option<f64>) -> Option<Spread> {
    assert!(
        a.turns.len() == b.turns.len(),
        "both had a turn in each round"
    );
    let pairs = a.turns.iter().zip(&b.turns);
    let ratios: Option<Vec<f64>> = pairs
        .map(|(a, b)| Some(of(a)? / of(b).filter(|value| *value > 0.0)?))
        .collect();
    ratios.and_then(spread)
}

fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let (lowest, highest) = (*values.first()?, *values.last()?);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    Some(Spread {
        median: (low + high) / 2.0,
        lowest,
        highest,
    })
}

/// For people.
pub(super) fn text(compared: &Compared) -> String {
    let mut text = format!(
        "{:<24}{:>26}{:>26}{:>12}{:>12}{:>12}\n",
        "median (lowest-highest)",
        "messages/s",
        "server CPU \u{b5}s a message",
        "p50 \u{b5}s",
        "p99 \u{b5}s",
        "limit"
    );
    for server in [&compared.a, &compared.b] {
        let of = |of: fn(&Turn) -> Option<f64>| {
            let values: Option<Vec<f64>> = server.turns.iter().map(of).collect();
            values.and_then(spread)
        };
        let reply = |of: fn(&Turn) -> u64| {
            // Without a reply there is no time.
            let values = server.turns.iter().filter(|turn| turn.accepted > 0);
            let values = values.map(|turn| of(turn) as f64).collect();
            spread(values).map_or("-".to_owned(), |spread| show_number(spread.median.round()))
        };
        text.push_str(&format!(
            "{:<24}{:>26}{:>26}{:>12}{:>12}{:>12}\n",
            server.name,
            show_spread(of(|turn| Some(turn.messages_per_second)), 0),
            show_cpu(of(Turn::server_cpu), 1, &[server]),
            reply(|turn| turn.reply_p50_microseconds),
            reply(|turn| turn.reply_p99_microseconds),
            server.turns.last().map_or("", |turn| turn.limit.name())
        ));
    }
    let names = format!("{} / {}", compared.a.name, compared.b.name);
    text.push_str(&format!(
        "{:<24}{:>26}{:>26}\n",
        names,
        show_spread(compared.throughput_ratio, 3),
        show_cpu(compared.server_cpu_ratio, 3, &[&compared.a, &compared.b])
    ));
    match &compared.failures()[..] {
        [] => text.push_str("result: passed\n"),
        failures => text.push_str(&format!("result: failed: {}\n", failures.join("; "))),
    }
    text
}

/// CPU times, or that they are too small to compare.
fn show_cpu(spread: Option<Spread>, digits: usize, servers: &[&Server]) -> String {
    let mut turns = servers.iter().flat_map(|server| &server.turns);
    if spread.is_none() && turns.any(|turn| turn.server_cpu_too_small) {
        return "too small to compare".to_owned();
    }
    show_spread(spread, digits)
}

/// A value with one decimal, or that there is none.
pub(super) fn show(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.1}"))
}

fn show_spread(spread: Option<Spread>, digits: usize) -> String {
    let show = |value: f64| {
        if digits == 0 {
            grouped(value.round() as u64)
        } else {
            format!("{value:.digits$}")
        }
    };
    spread.map_or("-".to_owned(), |spread| {
        format!(
            "{} ({}-{})",
            show(spread.median),
            show(spread.lowest),
            show(spread.highest)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_median() {
        let of = |values: &[f64]| {
            spread(values.to_vec()).map(|spread| (spread.median, spread.lowest, spread.highest))
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[2.0]), Some((2.0, 2.0, 2.0)));
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some((2.5, 1.0, 4.0)));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let turn = |rate: f64, cpu: Option<f64>| Turn {
            messages_per_second: rate,
            accepted: 1,
            not_accepted: 0,
            errors: 0,
            server_cpu_microseconds_per_message: cpu,
            server_cpu_too_small: cpu.is_some_and(|cpu| cpu < 1.0),
            server_peak_rss_bytes: None,
            own_cpu_microseconds_per_message: None,
            reply_p50_microseconds: 1,
            reply_p99_microseconds: 1,
            limit: LimitedBy::Server,
            reason: None,
        };
        let compared = |a, b| {
            let [a, b] = [("A", a), ("B", b)].map(|(name, turns)| Server {
                name: name.to_owned(),
                target: String::new(),
                turns,
            });
            compare(a, b, Vec::new())
        };
        let a = vec![turn(100.0, Some(10.0)), turn(300.0, Some(30.0))];
        let b = vec![turn(50.0, Some(20.0)), turn(100.0, None)];
        let found = compared(a, b);
        let throughput = found.throughput_ratio.expect("rates");
        assert_eq!((throughput.lowest, throughput.highest), (2.0, 3.0));
        assert_eq!(found.server_cpu_ratio, None, "not measured in each round");
        assert!(text(&found).contains("2.500 (2.000-3.000)"));
        let (a, b) = (vec![turn(100.0, Some(0.2))], vec![turn(50.0, Some(10.0))]);
        let found = compared(a, b);
        assert_eq!(found.server_cpu_ratio, None);
        assert_eq!(text(&found).matches("too small to compare").count(), 2);
        assert!(text(&found).ends_with("result: passed\n"));
        let refused = Turn {
            not_accepted: 3,
            reason: Some("550 no".to_owned()),
            ..turn(1.0, None)
        };
        let found = compared(vec![refused], vec![turn(1.0, None)]);
        assert!(
            text(&found)
                .ends_with("result: failed: A did not accept 3 messages, most often: 550 no\n"),
            "{}",
            text(&found)
        );
    }
}
