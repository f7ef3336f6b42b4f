//! A snapshot as lines of text, with what each part of them means.
//!
//! Owns: what is shown in which order and how columns are laid out. Must not know: terminals, colours and keys.
//!
//! Invariants: no line is wider than what it was made for, except for a single word that is; what a colour says, a word says as well.

use ratatui::text::Span;

use crate::config::certificate::fitness::RENEWAL_DAYS;
use crate::telemetry::status::figure::{self, NONE};
use crate::telemetry::status::snapshot::{
    Broker, Certificate, Flow, Latency, Limit, LogLine, RefusalFlow, Snapshot, Storage, Topic,
};

/// Rows of a list that are shown; the page has more.
const ROWS: usize = 10;
/// The width of what is printed once.
const PRINTED: usize = 100;
/// The width of a column of figures.
const FIGURE: usize = 12;
/// The characters of a bar.
const BAR: usize = 10;

/// What a part of a line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Usual,
    Strong,
    Quiet,
    Good,
    Odd,
    Bad,
}

/// A line: its parts.
pub(super) type Line = Vec<(Tone, String)>;

/// Lines that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) lines: Vec<Line>,
}

/// All of it as text.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    let plain = |line: Line| line.into_iter().map(|(_, part)| part).collect::<String>();
    for line in head(snapshot, PRINTED) {
        text.push_str(plain(line).trim_end());
        text.push('\n');
    }
    for section in sections(snapshot, PRINTED) {
        text.push_str(&format!("\n{}\n", section.title));
        for line in section.lines {
            text.push_str(plain(line).trim_end());
            text.push('\n');
        }
    }
    text.trim_end().to_owned()
}

/// What it is, and whether it is ready.
pub(super) fn head(snapshot: &Snapshot, width: usize) -> Vec<Line> {
    let Snapshot {
        command,
        hostname,
        version,
        uptime_seconds,
        now,
        ..
    } = snapshot;
    let about = format!(
        "  {hostname}  {version}  up {}  {} UTC",
        figure::duration(*uptime_seconds),
        figure::moment(now)
    );
    let name = format!("ringpost {command}");
    let room = width.saturating_sub(name.len());
    let mut lines = vec![vec![
        (Tone::Strong, name),
        (Tone::Quiet, fit(&about, room).trim_end().to_owned()),
    ]];
    let (tone, said) = match (&snapshot.reason, &snapshot.impaired) {
        (Some(reason), _) => (Tone::Bad, format!("Not ready: {reason}")),
        (None, Some(but)) => (Tone::Odd, format!("Ready, but {but}")),
        (None, None) if snapshot.ready => (Tone::Good, "Ready".to_owned()),
        (None, None) => (Tone::Bad, "Not ready".to_owned()),
    };
    lines.extend(
        wrapped(&said, width, 0)
            .into_iter()
            .map(|line| vec![(tone, line)]),
    );
    lines
}

/// Everything else, the most important first.
pub(super) fn sections(snapshot: &Snapshot, width: usize) -> Vec<Section> {
    let all = [
        ("Traffic", traffic(&snapshot.flows, width)),
        ("Latency", latencies(&snapshot.latencies, width)),
        ("Kafka", kafka(snapshot.storage.as_ref(), width)),
        ("Now", now(snapshot, width)),
        ("Sessions", sessions(snapshot, width)),
        ("Refusals", refusals(&snapshot.refusals, width)),
        ("Errors and warnings", log(&snapshot.log, width)),
        ("Certificates", certificates(&snapshot.certificates, width)),
        ("Stores", stores(snapshot, width)),
        ("Process", process(snapshot, width)),
    ];
    let all = all.into_iter().filter(|(_, lines)| !lines.is_empty());
    all.map(|(title, lines)| Section { title, lines }).collect()
}

/// A row: a name, and figures in columns at the right end.
fn row(tone: Tone, name: &str, figures: &[String], width: usize) -> Line {
    // A terminal that is too narrow for all columns has the first of them.
    let columns = figures.len().min((width / FIGURE).saturating_sub(1));
    let room = width.saturating_sub(columns * FIGURE);
    let figures = figures.iter().take(columns);
    let figures = figures.map(|figure| at_right(figure, FIGURE));
    vec![(tone, fit(name, room)), (tone, figures.collect())]
}

fn heading(name: &str, columns: &[&str], width: usize) -> Line {
    let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
    row(Tone::Quiet, name, &columns, width)
}

/// That there are more rows.
fn more(all: usize) -> Option<Line> {
    let more = all.checked_sub(ROWS).filter(|more| *more > 0)?;
    Some(vec![(Tone::Quiet, format!("and {more} more"))])
}

fn traffic(flows: &[Flow], width: usize) -> Vec<Line> {
    let rows = flows.iter().map(|flow| {
        let rates = flow.per_second;
        let mut figures: Vec<String> = [rates.last_10s, rates.last_1m, rates.last_5m]
            .iter()
            .map(|&rate| figure::rate_of_unit(&flow.unit, rate))
            .collect();
        figures.push(figure::of_unit(&flow.unit, flow.total));
        row(Tone::Usual, &flow.text, &figures, width)
    });
    let head = heading(
        "a second, over the last",
        &["10 s", "1 min", "5 min", "all"],
        width,
    );
    std::iter::once(head).chain(rows).collect()
}

fn latencies(latencies: &[Latency], width: usize) -> Vec<Line> {
    if latencies.is_empty() {
        return Vec::new();
    }
    let rows = latencies.iter().flat_map(|latency| {
        // Beside figures there is room for the name, and not for what it explains.
        let name = latency.text.split(':').next().unwrap_or_default();
        let windows = [("1 min", latency.last_1m), ("all", latency.total)];
        windows.map(|(window, quantiles)| {
            let figures = [
                figure::latency(quantiles.p50),
                figure::latency(quantiles.p90),
                figure::latency(quantiles.p99),
                figure::count(quantiles.count),
            ];
            row(Tone::Usual, &format!("{name}, {window}"), &figures, width)
        })
    });
    let head = heading("within", &["p50", "p90", "p99", "number"], width);
    std::iter::once(head).chain(rows).collect()
}

fn now(snapshot: &Snapshot, width: usize) -> Vec<Line> {
    let limits = snapshot.limits.iter().map(|limit| limit_row(limit, width));
    let levels = snapshot.levels.iter().map(|level| {
        let figures = [
            figure::of_unit(&level.unit, level.value),
            String::new(),
            String::new(),
        ];
        row(Tone::Usual, &level.text, &figures, width)
    });
    limits.chain(levels).collect()
}

fn limit_row(limit: &Limit, width: usize) -> Line {
    let share = limit.share();
    let tone = match share {
        share if share >= 0.9 => Tone::Bad,
        share if share >= 0.75 => Tone::Odd,
        _ => Tone::Usual,
    };
    let full = (share * BAR as f64).round() as usize;
    let bar = format!("[{}{}]", "#".repeat(full), ".".repeat(BAR - full));
    let figures = [
        figure::of_unit(&limit.unit, limit.used),
        figure::of_unit(&limit.unit, limit.most),
        figure::share(share),
    ];
    let room = width.saturating_sub(bar.len() + 1);
    let mut line = row(tone, &limit.name, &figures, room);
    line.push((tone, format!(" {bar}")));
    line
}

fn kafka(storage: Option<&Storage>, width: usize) -> Vec<Line> {
    let Some(storage) = storage else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let mut state = match storage.away {
        true => "away".to_owned(),
        false => "ok".to_owned(),
    };
    if let Some(since) = &storage.away_since {
        state += &format!(" since {} UTC", figure::moment(since));
    }
    match storage.keeps.as_str() {
        "memory" => state += "; mail is in the memory of this process alone",
        "nothing" => state += "; mail is discarded",
        _ => {}
    }
    if let Some(last) = &storage.last_stored {
        state += &format!("; last stored {} UTC", figure::moment(last));
    }
    let tone = if storage.away { Tone::Bad } else { Tone::Good };
    let state = format!("{}: {state}", storage.address);
    lines.extend(
        wrapped(&state, width, 2)
            .into_iter()
            .map(|line| vec![(tone, line)]),
    );
    lines.extend(topics(&storage.topics, width));
    lines.extend(brokers(&storage.brokers, width));
    lines
}

fn topics(topics: &[Topic], width: usize) -> Vec<Line> {
    // The pipelines know a topic's name alone.
    if topics
        .iter()
        .all(|topic| topic.partitions.is_none() && topic.ok)
    {
        let names = topics.iter().take(ROWS).map(|topic| topic.name.as_str());
        let names: Vec<&str> = names.collect();
        return match names.is_empty() {
            true => Vec::new(),
            false => vec![vec![(
                Tone::Usual,
                fit(&format!("topic {}", names.join(", ")), width),
            )]],
        };
    }
    let number = |number: Option<usize>| number.map_or(NONE.to_owned(), |it| it.to_string());
    let mut lines = vec![heading(
        "topic",
        &["partitions", "led", "in sync", "min.insync"],
        width,
    )];
    for topic in topics.iter().take(ROWS) {
        let figures = [
            topic.partitions,
            topic.with_leader,
            topic.in_sync,
            topic.min_insync_replicas,
        ];
        let tone = if topic.ok { Tone::Usual } else { Tone::Bad };
        let name = match topic.ok {
            true => topic.name.clone(),
            false => format!("{} in trouble", topic.name),
        };
        lines.push(row(tone, &name, &figures.map(number), width));
    }
    lines.extend(more(topics.len()));
    lines
}

fn brokers(brokers: &[Broker], width: usize) -> Vec<Line> {
    if brokers.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![heading(
        "broker",
        &["connection", "for", "round trip", "waiting"],
        width,
    )];
    for broker in brokers.iter().take(ROWS) {
        let figures = [
            broker.state.clone(),
            broker.seconds.map_or(NONE.to_owned(), figure::duration),
            figure::latency(broker.round_trip),
            figure::count(broker.unanswered as f64),
        ];
        let tone = match (broker.is_up(), broker.is_idle()) {
            (true, _) => Tone::Usual,
            (false, true) => Tone::Quiet,
            (false, false) => Tone::Bad,
        };
        lines.push(row(tone, &broker.address, &figures, width));
    }
    lines.extend(more(brokers.len()));
    lines
}

fn sessions(snapshot: &Snapshot, width: usize) -> Vec<Line> {
    let listeners = &snapshot.listeners;
    if listeners.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![heading("listener", &["open", "with TLS"], width)];
    for listener in listeners.iter().take(ROWS) {
        let name = format!("{} {}", listener.address, listener.speaks);
        let figures = [listener.open, listener.open_tls].map(|it| figure::count(it as f64));
        lines.push(row(Tone::Usual, &name, &figures, width));
    }
    lines.extend(more(listeners.len()));
    lines
}

fn refusals(refusals: &[RefusalFlow], width: usize) -> Vec<Line> {
    if refusals.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![heading(
        "reason, the newest first",
        &["1 min /s", "5 min /s", "all", "last (UTC)"],
        width,
    )];
    for refusal in refusals.iter().take(ROWS) {
        let last = figure::moment(&refusal.last);
        let figures = [
            figure::rate(refusal.per_second.last_1m),
            figure::rate(refusal.per_second.last_5m),
            figure::count(refusal.total),
            last.split(' ').next_back().unwrap_or_default().to_owned(),
        ];
        lines.push(row(Tone::Usual, &refusal.reason, &figures, width));
    }
    lines.extend(more(refusals.len()));
    lines
}

fn log(lines: &[LogLine], width: usize) -> Vec<Line> {
    let tone = |line: &LogLine| match line.level.as_str() {
        "ERROR" => Tone::Bad,
        _ => Tone::Odd,
    };
    lines
        .iter()
        .take(ROWS)
        .flat_map(|line| {
            let times = match line.times {
                0 | 1 => String::new(),
                times => format!(" {times} times"),
            };
            let said = format!(
                "{} {}{times} {}",
                figure::moment(&line.time),
                line.level,
                line.text
            );
            let tone = tone(line);
            wrapped(&said, width, 2)
                .into_iter()
                .map(move |line| vec![(tone, line)])
        })
        .collect()
}

fn certificates(certificates: &[Certificate], width: usize) -> Vec<Line> {
    let state = |certificate: &Certificate| match certificate.days_left {
        None => (Tone::Odd, "end unknown".to_owned()),
        Some(days) if days < 0.0 => (Tone::Bad, "expired".to_owned()),
        Some(days) if days < RENEWAL_DAYS as f64 => (Tone::Odd, format!("{} days", days.floor())),
        Some(days) => (Tone::Usual, format!("{} days", days.floor())),
    };
    let mut lines: Vec<Line> = certificates
        .iter()
        .take(ROWS)
        .map(|certificate| {
            let (tone, left) = state(certificate);
            let name = match certificate.names.is_empty() {
                true => certificate.file.clone(),
                false => certificate.names.join(", "),
            };
            row(tone, &name, &[left], width)
        })
        .collect();
    lines.extend(more(certificates.len()));
    lines
}

/// The store of large messages, and the topic of recipients.
fn stores(snapshot: &Snapshot, width: usize) -> Vec<Line> {
    let mut said = Vec::new();
    if let Some(objects) = &snapshot.objects {
        let above = figure::bytes(objects.above_bytes as f64);
        said.push(match &objects.away {
            Some(why) => (
                Tone::Bad,
                format!("objects in {}: away: {why}", objects.url),
            ),
            None => (
                Tone::Usual,
                format!("objects of more than {above} in {}: ok", objects.url),
            ),
        });
    }
    if let Some(topic) = &snapshot.recipients_topic {
        let behind = figure::duration(topic.behind_seconds);
        let entries = figure::count(topic.entries);
        said.push(match &topic.unknown {
            Some(why) => (Tone::Bad, why.clone()),
            None if topic.behind_seconds > 0.0 => (
                Tone::Odd,
                format!("recipients in {}: {entries}, {behind} behind", topic.topic),
            ),
            None => (
                Tone::Usual,
                format!("recipients in {}: {entries}", topic.topic),
            ),
        });
    }
    let lines = said.into_iter();
    lines
        .flat_map(|(tone, text)| {
            let lines = wrapped(&text, width, 2).into_iter();
            lines.map(move |line| vec![(tone, line)])
        })
        .collect()
}

fn process(snapshot: &Snapshot, width: usize) -> Vec<Line> {
    let facts = snapshot.facts.iter();
    let mut said: Vec<String> = facts
        .map(|fact| format!("{}: {}", fact.text, fact.value))
        .collect();
    said.push(format!(
        "Process: {}, since {} UTC",
        snapshot.pid,
        figure::moment(&snapshot.started)
    ));
    let lines = said.iter().flat_map(|text| wrapped(text, width, 2));
    lines.map(|line| vec![(Tone::Usual, line)]).collect()
}

fn width_of(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text in exactly this width: filled up, or cut off.
pub(super) fn fit(text: &str, width: usize) -> String {
    let has = width_of(text);
    if has <= width {
        return format!("{text}{}", " ".repeat(width - has));
    }
    let mut cut = String::new();
    for character in text.chars() {
        cut.push(character);
        if width_of(&cut) + 1 > width {
            cut.pop();
            break;
        }
    }
    let filled = width.saturating_sub(width_of(&cut));
    // The mark takes the first of what is left.
    match filled {
        0 => cut,
        _ => format!("{cut}…{}", " ".repeat(filled - 1)),
    }
}

/// The text at the right end of this width; one that is wider is cut off, with a space in front.
fn at_right(text: &str, width: usize) -> String {
    let text = match width_of(text) < width {
        true => text.to_owned(),
        false => fit(text, width - 1),
    };
    format!(
        "{}{text}",
        " ".repeat(width.saturating_sub(width_of(&text)))
    )
}

/// The text in lines of this width, broken between words; lines after the first are indented.
pub(super) fn wrapped(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is one");
        let glue = usize::from(!last.trim().is_empty());
        if glue > 0 && width_of(last) + glue + width_of(word) > width {
            lines.push(format!("{}{word}", " ".repeat(indent)));
        } else {
            last.push_str(&" ".repeat(glue));
            last.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::status::snapshot::{Listener, Windows};

    fn snapshot() -> Snapshot {
        Snapshot {
            command: "serve".to_owned(),
            version: "0.1.0".to_owned(),
            hostname: "mx.example".to_owned(),
            ready: true,
            now: "2026-11-28T10:15:00.000Z".to_owned(),
            flows: vec![Flow {
                text: "Messages stored (250)".to_owned(),
                total: 1234.0,
                per_second: Windows {
                    last_10s: 12.5,
                    last_1m: 3.25,
                    last_5m: 0.0,
                },
                ..Flow::default()
            }],
            limits: vec![Limit {
                name: "limits.connections".to_owned(),
                used: 45.0,
                most: 50.0,
                ..Limit::default()
            }],
            listeners: vec![Listener::default(); 20],
            storage: Some(Storage {
                address: "kafka:9092".to_owned(),
                away: true,
                topics: vec![Topic {
                    name: "t".repeat(200),
                    partitions: Some(3),
                    ..Topic::default()
                }],
                ..Storage::default()
            }),
            log: vec![LogLine {
                text: "a long sentence of many words ".repeat(10),
                ..LogLine::default()
            }],
            ..Snapshot::default()
        }
    }

    #[test]
    fn what_is_printed_has_every_section_that_has_something() {
        let text = text(&snapshot());
        for part in [
            "ringpost serve  mx.example  0.1.0",
            "\nReady\n",
            "Messages stored (250)",
            "12.5        3.25           0       1,234",
            "limits.connections",
            "90 % [#########.]",
            "kafka:9092: away",
            "and 10 more",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("Certificates") && !text.contains("Refusals"));
        for line in text.lines() {
            assert!(!line.ends_with(' '), "{line:?}");
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [40, 80, 133, 300] {
            let head = head(&snapshot(), width);
            let sections = sections(&snapshot(), width);
            let lines = sections.into_iter().flat_map(|section| section.lines);
            for line in head.into_iter().chain(lines) {
                let has: usize = line.iter().map(|(_, part)| width_of(part)).sum();
                assert!(has <= width, "{width}: {line:?}");
            }
        }
    }

    #[test]
    fn texts_are_cut_and_broken_by_what_they_take_on_the_screen() {
        assert_eq!(
            (fit("abc", 5), fit("abc", 3)),
            ("abc  ".into(), "abc".into())
        );
        assert_eq!(
            (fit("abcd", 3), fit("abcd", 0)),
            ("ab…".into(), String::new())
        );
        assert_eq!(fit("漢字漢", 4), "漢… ");
        assert_eq!(
            (at_right("7", 3), at_right("12345", 4)),
            ("  7".into(), " 12…".into())
        );
        assert_eq!(wrapped("a bc def g", 4, 1), ["a bc", " def", " g"]);
        assert_eq!(wrapped("abcdefgh i", 4, 0), ["abcdefgh", "i"]);
    }
}
