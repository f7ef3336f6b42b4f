//! The snapshot as one HTML page, without a script.
//!
//! Owns: what is shown in which order, and the page's style. Must not know: HTTP; where figures come from.
//!
//! Invariants: maud escapes every text; the one thing that is not escaped is the style, which is a constant ([`STYLE`]) that the
//! Content-Security-Policy names by its hash. What is said by a colour is said by a word, too. A list of any length takes at most
//! [`STATUS_ROWS_SHOWN`] rows.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::figure::{self, NONE};
use super::snapshot::{
    Broker, Certificate, Flow, Latency, Limit, Listener, LogLine, Objects, RecipientsTopic,
    RefusalFlow, Snapshot, Storage, Topic, Windows,
};
use crate::config::certificate::fitness::RENEWAL_DAYS;
use crate::limits::STATUS_ROWS_SHOWN;

/// The style of the page.
pub const STYLE: &str = include_str!("style.css");

/// Seconds from one load of the page to the next.
const REFRESH: u32 = 5;

/// The page. One that `refreshes` loads itself again.
pub fn page(snapshot: &Snapshot, refreshes: bool) -> String {
    let state = if snapshot.ready { "ready" } else { "not ready" };
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if refreshes { meta http-equiv="refresh" content=(REFRESH); }
                title { (snapshot.hostname) ": " (state) " – ringpost " (snapshot.command) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(snapshot, refreshes))
                main {
                    (readiness(snapshot))
                    div class="cards" {
                        (traffic(&snapshot.flows))
                        (latencies(&snapshot.latencies))
                        (now(snapshot))
                        (listeners(&snapshot.listeners))
                        @if let Some(objects) = &snapshot.objects { (object_store(objects)) }
                        @if let Some(topic) = &snapshot.recipients_topic { (recipients(topic)) }
                        (facts(snapshot))
                    }
                    @if let Some(storage) = &snapshot.storage { (kafka(storage, snapshot.reason.as_deref())) }
                    (refusals(&snapshot.refusals))
                    (log(&snapshot.log, snapshot.log_count))
                    (certificates(&snapshot.certificates))
                }
                (foot(snapshot))
            }
        }
    };
    markup.into_string()
}

fn head(snapshot: &Snapshot, refreshes: bool) -> Markup {
    html! {
        header {
            h1 { "ringpost " (snapshot.command) }
            p class="name" { (snapshot.hostname) }
            p class="quiet" {
                "version " (snapshot.version) ", up " (figure::duration(snapshot.uptime_seconds)) ", "
                time datetime=(snapshot.now) { (figure::moment(&snapshot.now)) " UTC" } ", "
                @if refreshes { a href="/?refresh=0" { "stop refreshing" } }
                @else { a href="/" { "refresh every " (REFRESH) " seconds" } }
            }
        }
    }
}

fn readiness(snapshot: &Snapshot) -> Markup {
    let class = match (snapshot.ready, &snapshot.impaired) {
        (true, None) => "state good",
        (true, Some(_)) => "state odd",
        (false, _) => "state bad",
    };
    html! {
        section class=(class) role="status" aria-label="Readiness" {
            @match (snapshot.ready, &snapshot.impaired) {
                (false, _) => { strong { "Not ready" } @if let Some(reason) = &snapshot.reason { p { (reason) } } }
                (true, Some(but)) => { strong { "Ready, but" } p { (but) } }
                (true, None) => { strong { "Ready" } }
            }
        }
    }
}

/// A section with a table that scrolls by itself where it is too wide.
fn table(title: &str, class: &str, columns: &[&str], rows: &Markup) -> Markup {
    let id = title.to_lowercase().replace(' ', "-");
    html! {
        section class=(class) aria-labelledby=(id) {
            h2 id=(id) { (title) }
            div class="scroll" tabindex="0" role="region" aria-labelledby=(id) {
                table {
                    (heading(columns))
                    tbody { (rows) }
                }
            }
        }
    }
}

/// The names of columns; `#` in front of one is for figures, which are at the right of their column.
fn heading(columns: &[&str]) -> Markup {
    html! {
        thead { tr {
            @for column in columns {
                @match column.strip_prefix('#') {
                    Some(name) => { th scope="col" class="number" { (name) } }
                    None => { th scope="col" { (column) } }
                }
            }
        } }
    }
}

/// That there are more rows than are shown.
fn more(all: usize, columns: usize) -> Markup {
    html! {
        @if let Some(more) = all.checked_sub(STATUS_ROWS_SHOWN).filter(|more| *more > 0) {
            tr { td colspan=(columns) class="quiet" { "and " (more) " more, in status.json" } }
        }
    }
}

fn windows(unit: &str, rates: Windows) -> Markup {
    html! {
        @for rate in [rates.last_10s, rates.last_1m, rates.last_5m] {
            td class="number" { (figure::rate_of_unit(unit, rate)) }
        }
    }
}

fn traffic(flows: &[Flow]) -> Markup {
    let rows = html! {
        @for flow in flows {
            tr {
                th scope="row" { (flow.text) }
                (windows(&flow.unit, flow.per_second))
                td class="number" { (figure::of_unit(&flow.unit, flow.total)) }
            }
        }
    };
    let columns = [
        "a second, over the last",
        "#10 s",
        "#1 min",
        "#5 min",
        "#since the start",
    ];
    table("Traffic", "", &columns, &rows)
}

fn latencies(latencies: &[Latency]) -> Markup {
    let rows = html! {
        @for latency in latencies {
            tr { th scope="rowgroup" colspan="5" { (latency.text) } }
            @for (window, quantiles) in [
                ("last minute", latency.last_1m),
                ("last 5 minutes", latency.last_5m),
                ("since the start", latency.total),
            ] {
                tr {
                    th scope="row" class="inner" { (window) }
                    @for quantile in [quantiles.p50, quantiles.p90, quantiles.p99] {
                        td class="number" { (figure::latency(quantile)) }
                    }
                    td class="number" { (figure::count(quantiles.count)) }
                }
            }
        }
    };
    html! {
        @if !latencies.is_empty() {
            (table("Latency", "", &["within", "#p50", "#p90", "#p99", "#number"], &rows))
        }
    }
}

fn listeners(listeners: &[Listener]) -> Markup {
    let rows = html! {
        @for listener in listeners.iter().take(STATUS_ROWS_SHOWN) {
            tr {
                th scope="row" { (listener.address) }
                td { (listener.speaks) }
                td class="number" { (figure::count(listener.open as f64)) }
                td class="number" { (figure::count(listener.open_tls as f64)) }
            }
        }
        (more(listeners.len(), 4))
    };
    html! {
        @if !listeners.is_empty() {
            (table("Sessions", "", &["listener", "speaks", "#open", "#with TLS"], &rows))
        }
    }
}

fn now(snapshot: &Snapshot) -> Markup {
    let rows = html! {
        @for limit in &snapshot.limits { (limit_row(limit)) }
        @for level in &snapshot.levels {
            tr {
                th scope="row" { (level.text) }
                td class="number" { (figure::of_unit(&level.unit, level.value)) }
                td {}
                td {}
            }
        }
    };
    table("Now", "", &["", "#used", "#of", ""], &rows)
}

fn limit_row(limit: &Limit) -> Markup {
    let share = limit.share();
    html! {
        tr {
            th scope="row" { (limit.name) }
            td class="number" { (figure::of_unit(&limit.unit, limit.used)) }
            td class="number" { (figure::of_unit(&limit.unit, limit.most)) }
            td class="number" {
                meter min="0" max="1" low="0.75" high="0.9" optimum="0" value=(format!("{share:.4}"))
                    aria-label=(format!("{} used", limit.name)) {}
                " " (figure::share(share))
            }
        }
    }
}

/// `said` is the reason that is at the head of the page.
fn kafka(storage: &Storage, said: Option<&str>) -> Markup {
    html! {
        section class="wide" aria-labelledby="kafka" {
            h2 id="kafka" { "Kafka" }
            @if storage.away {
                p class="word bad" {
                    "Away"
                    @if let Some(since) = &storage.away_since { " since " (figure::moment(since)) " UTC" }
                    @if let Some(reason) = storage.reason.as_deref().filter(|reason| Some(*reason) != said) { ": " (reason) }
                }
            }
            dl {
                dt { "Brokers at the start" } dd { (storage.address) }
                @match storage.keeps.as_str() {
                    "memory" => { dt { "A 250 means" } dd { "in the memory of this process: a first try" } }
                    "nothing" => { dt { "A 250 means" } dd { "nothing: mail is discarded" } }
                    "replicas" => { dt { "A 250 means" } dd { "every in-sync replica has it" } }
                    _ => {}
                }
                @if let Some(last) = &storage.last_stored {
                    dt { "Last record stored" } dd { (figure::moment(last)) " UTC" }
                }
            }
            @if !storage.topics.is_empty() { (topics(&storage.topics, storage.reason.as_deref())) }
            @if !storage.brokers.is_empty() { (brokers(&storage.brokers)) }
        }
    }
}

fn topics(topics: &[Topic], said: Option<&str>) -> Markup {
    let number = |number: Option<usize>| match number {
        Some(number) => figure::count(number as f64),
        None => NONE.to_owned(),
    };
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Topics" {
            table {
                (heading(&["topic", "state", "#partitions", "#with a leader", "#replicas", "#in sync", "#min.insync.replicas"]))
                tbody {
                    @for topic in topics.iter().take(STATUS_ROWS_SHOWN) {
                        tr {
                            th scope="row" { (topic.name) }
                            td class=(if topic.ok { "word good" } else { "word bad" }) {
                                (if topic.ok { "ok" } else { "in trouble" })
                            }
                            @for figure in [topic.partitions, topic.with_leader, topic.replicas, topic.in_sync, topic.min_insync_replicas] {
                                td class="number" { (number(figure)) }
                            }
                        }
                        @if let Some(trouble) = topic.trouble.as_deref().filter(|trouble| Some(*trouble) != said) { tr { td colspan="7" class="long" { (trouble) } } }
                    }
                    (more(topics.len(), 7))
                }
            }
        }
    }
}

fn brokers(brokers: &[Broker]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Brokers" {
            table {
                (heading(&["broker", "#number", "connection", "#for", "#round trip", "#unanswered"]))
                tbody {
                    @for broker in brokers.iter().take(STATUS_ROWS_SHOWN) {
                        tr {
                            th scope="row" { (broker.address) }
                            td class="number" { (broker.number.map_or(NONE.to_owned(), |number| number.to_string())) }
                            td class=(connection_class(broker)) { (broker.state) }
                            td class="number" { (broker.seconds.map_or(NONE.to_owned(), figure::duration)) }
                            td class="number" { (figure::latency(broker.round_trip)) }
                            td class="number" { (figure::count(broker.unanswered as f64)) }
                        }
                    }
                    (more(brokers.len(), 6))
                }
            }
        }
    }
}

fn connection_class(broker: &Broker) -> &'static str {
    match (broker.is_up(), broker.is_idle()) {
        (true, _) => "word good",
        (false, true) => "quiet",
        (false, false) => "word bad",
    }
}

fn refusals(refusals: &[RefusalFlow]) -> Markup {
    let rows = html! {
        @for refusal in refusals.iter().take(STATUS_ROWS_SHOWN) {
            tr {
                th scope="row" { (refusal.reason) }
                td { (refusal.stage) }
                (windows("count", refusal.per_second))
                td class="number" { (figure::count(refusal.total)) }
                td class="number" { (figure::moment(&refusal.last)) }
            }
        }
    };
    let columns = [
        "reason",
        "when",
        "#10 s",
        "#1 min",
        "#5 min",
        "#total",
        "#last (UTC)",
    ];
    html! {
        @if !refusals.is_empty() {
            (table("Refusals a second", "wide", &columns, &rows))
        }
    }
}

fn log(lines: &[LogLine], count: u64) -> Markup {
    html! {
        section class="wide" aria-labelledby="log" {
            h2 id="log" { "Errors and warnings" }
            @if lines.is_empty() { p class="quiet" { "None since the start." } }
            @else {
                p class="quiet" { "The last of " (figure::count(count as f64)) " in the log since the start, the newest first." }
                ol class="log" {
                    @for line in lines {
                        li {
                            span class="quiet" { (figure::moment(&line.time)) " " }
                            span class=(if line.level == "ERROR" { "word bad" } else { "word odd" }) { (line.level) }
                            @if line.times > 1 { " " (figure::count(line.times as f64)) " times" }
                            " " span class="long" { (line.text) }
                        }
                    }
                }
            }
        }
    }
}

fn certificates(certificates: &[Certificate]) -> Markup {
    let word = |days: f64| match days {
        days if days < 0.0 => ("word bad", format!("expired {:.0} days ago", -days)),
        days if days < RENEWAL_DAYS as f64 => ("word odd", format!("{} days left", days.floor())),
        days => ("word good", format!("{} days left", days.floor())),
    };
    let rows = html! {
        @for certificate in certificates.iter().take(STATUS_ROWS_SHOWN) {
            tr {
                th scope="row" class="long" { (certificate.names.join(", ")) }
                td { (certificate.expires.as_deref().map_or(NONE.to_owned(), figure::moment)) }
                @match certificate.days_left.map(word) {
                    Some((class, text)) => { td class=(class) { (text) } }
                    None => { td { (NONE) } }
                }
                td class="long" { (certificate.file) }
            }
        }
        (more(certificates.len(), 4))
    };
    html! {
        @if !certificates.is_empty() {
            (table("Certificates", "wide", &["names", "expires (UTC)", "", "file"], &rows))
        }
    }
}

fn object_store(objects: &Objects) -> Markup {
    html! {
        section aria-labelledby="objects" {
            h2 id="objects" { "Object store" }
            @match &objects.away {
                Some(reason) => { p class="word bad" { "Away: " (reason) } }
                None => { p class="word good" { "ok, as far as is known" } }
            }
            dl {
                dt { "Where" } dd { (objects.url) }
                dt { "Messages of more than" } dd { (figure::bytes(objects.above_bytes as f64)) }
            }
        }
    }
}

fn recipients(topic: &RecipientsTopic) -> Markup {
    html! {
        section aria-labelledby="recipients" {
            h2 id="recipients" { "Recipients' topic" }
            @if let Some(unknown) = &topic.unknown { p class="word bad" { (unknown) } }
            dl {
                dt { "Topic" } dd { (topic.topic) }
                dt { "Names in force" } dd { (figure::count(topic.entries)) }
                dt { "Behind" } dd { (figure::duration(topic.behind_seconds)) }
            }
        }
    }
}

fn facts(snapshot: &Snapshot) -> Markup {
    html! {
        section aria-labelledby="facts" {
            h2 id="facts" { "Process" }
            dl {
                @for fact in &snapshot.facts { dt { (fact.text) } dd { (fact.value) } }
                dt { "Process" } dd { (snapshot.pid) }
                dt { "Started" } dd { (figure::moment(&snapshot.started)) " UTC" }
            }
        }
    }
}

fn foot(snapshot: &Snapshot) -> Markup {
    html! {
        footer {
            nav aria-label="Other pages" {
                @for path in PATHS { a href=(path) { (path) } " " }
            }
            p class="quiet" { "Rates are over the time that the columns name, or since the start of a younger process. In a terminal: ringpost top. "
                "This page and " (snapshot.command) " are the same process: what it shows is what /metrics counts." }
        }
    }
}

/// The other pages.
pub const PATHS: [&str; 5] = ["/status.json", "/config", "/metrics", "/readyz", "/healthz"];

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text of a snapshot is this one.
    fn hostile(text: &str) -> Snapshot {
        let mut all = serde_json::to_value(full()).unwrap();
        fill(&mut all, text);
        serde_json::from_value(all).unwrap()
    }

    fn fill(value: &mut serde_json::Value, with: &str) {
        match value {
            serde_json::Value::String(text) => with.clone_into(text),
            serde_json::Value::Array(values) => values.iter_mut().for_each(|one| fill(one, with)),
            serde_json::Value::Object(members) => {
                members.values_mut().for_each(|one| fill(one, with));
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
            }
        }
    }

    /// A snapshot in which nothing is empty.
    fn full() -> Snapshot {
        let text = || Some("text".to_owned());
        Snapshot {
            reason: text(),
            impaired: text(),
            facts: vec![super::super::snapshot::Fact::default()],
            listeners: vec![Listener::default(); 3],
            flows: vec![Flow::default()],
            refusals: vec![RefusalFlow::default()],
            latencies: vec![Latency::default()],
            levels: vec![super::super::snapshot::Level::default()],
            limits: vec![Limit::default()],
            storage: Some(Storage {
                away: true,
                away_since: text(),
                reason: text(),
                last_stored: text(),
                topics: vec![Topic {
                    trouble: text(),
                    ..Topic::default()
                }],
                brokers: vec![Broker::default()],
                ..Storage::default()
            }),
            certificates: vec![Certificate {
                names: vec![String::new()],
                expires: text(),
                days_left: Some(3.0),
                ..Certificate::default()
            }],
            objects: Some(Objects {
                away: text(),
                ..Objects::default()
            }),
            recipients_topic: Some(RecipientsTopic {
                unknown: text(),
                ..RecipientsTopic::default()
            }),
            log: vec![LogLine {
                times: 2,
                ..LogLine::default()
            }],
            ..Snapshot::default()
        }
    }

    #[test]
    fn no_text_becomes_a_tag_or_an_attribute() {
        let harmless = page(&hostile("text"), true);
        let text = "\"'><script>alert(1)</script><img src=x onerror=y>&amp;";
        let attacked = page(&hostile(text), true);
        let tags = |page: &str| page.matches('<').count();
        assert_eq!(tags(&attacked), tags(&harmless), "{attacked}");
        assert!(!attacked.contains("<script") && !attacked.contains("<img"));
        // In an attribute too, a quote ends nothing.
        let quotes = |page: &str| page.matches('"').count();
        assert_eq!(quotes(&attacked), quotes(&harmless), "{attacked}");
        assert!(attacked.contains("&lt;script&gt;"));
    }

    #[test]
    fn an_empty_snapshot_and_a_long_one_are_pages() {
        let empty = page(&Snapshot::default(), false);
        assert!(empty.contains("Not ready") && !empty.contains("http-equiv"));
        let long = Snapshot {
            storage: Some(Storage {
                topics: vec![Topic::default(); 1000],
                ..Storage::default()
            }),
            ..Snapshot::default()
        };
        let long = page(&long, true);
        assert!(long.contains("and 900 more") && long.contains("http-equiv=\"refresh\""));
    }

    #[test]
    fn the_style_asks_for_nothing_and_ends_no_tag() {
        for part in ["<", "url(", "@import", "http"] {
            assert!(!STYLE.contains(part), "{part}");
        }
    }
}
