//! The lines of a snapshot in a terminal, and its keys.
//!
//! Owns: colours, columns, the position, the keys. Must not know: what a line says; how a server is asked.
//!
//! Invariants: a server that is away is said so, beside what it last answered; a question that takes long delays no key; the terminal is
//! left as it was, also where this panics.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Shown, Span};
use ratatui::widgets::Paragraph;

use super::ask::{Answer, Client, Failed};
use super::sections::{self, Line, Tone};
use crate::consume::stop::Stop;
use crate::telemetry::status::snapshot::Snapshot;

/// Longest wait for a key: what is new is shown no later than this.
const LOOK: Duration = Duration::from_millis(200);
/// From this width on there are two columns.
const TWO_COLUMNS: u16 = 150;
/// Between two columns.
const GAP: u16 = 3;

/// Shows it until a key or a signal ends it.
pub(super) fn show(client: &Client, interval: Duration, stop: &Stop) -> Result<(), Failed> {
    let coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut terminal = ratatui::try_init().map_err(Failed::Terminal)?;
    let result = std::thread::scope(|scope| {
        let (answers, answered) = channel();
        let (end, ended) = channel();
        scope.spawn(move || ask(client, interval, &answers, &ended));
        let mut view = View::new(client.place(), coloured);
        let result = watch(&mut terminal, &mut view, &answered, stop);
        // Dropped, it ends the thread.
        drop(end);
        result
    });
    ratatui::restore();
    result.map_err(Failed::Terminal)
}

/// Asks again and again, until nobody wants to know.
fn ask(
    client: &Client,
    interval: Duration,
    answers: &Sender<Result<Answer, Failed>>,
    ended: &Receiver<()>,
) {
    loop {
        if answers.send(client.ask_once()).is_err() {
            return;
        }
        match ended.recv_timeout(interval) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    view: &mut View,
    answered: &Receiver<Result<Answer, Failed>>,
    stop: &Stop,
) -> io::Result<()> {
    while stop.asked().is_none() {
        for answer in answered.try_iter() {
            view.take(answer);
        }
        terminal.draw(|frame| view.draw(frame))?;
        if !event::poll(LOOK)? {
            continue;
        }
        if let Event::Key(key) = event::read()?
            && key.kind != KeyEventKind::Release
            && view.press(key)
        {
            return Ok(());
        }
    }
    Ok(())
}

/// What is shown.
struct View {
    place: String,
    coloured: bool,
    last: Option<(Snapshot, Instant)>,
    /// Why the last question had no answer.
    away: Option<String>,
    /// Whether answers are not taken over.
    paused: bool,
    /// Lines above the screen,
    above: usize,
    /// and how many there may be, as of the last drawing.
    most_above: usize,
    page: usize,
}

impl View {
    fn new(place: String, coloured: bool) -> Self {
        Self {
            place,
            coloured,
            last: None,
            away: None,
            paused: false,
            above: 0,
            most_above: 0,
            page: 1,
        }
    }

    fn take(&mut self, answer: Result<Answer, Failed>) {
        match answer {
            Ok(_) if self.paused => self.away = None,
            Ok(answer) => {
                self.away = None;
                self.last = Some((answer.snapshot, Instant::now()));
            }
            Err(failed) => self.away = Some(failed.to_string()),
        }
    }

    /// Does what a key asks for; whether that is to end.
    fn press(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return true,
            KeyCode::Char('q' | 'Q') | KeyCode::Esc => return true,
            KeyCode::Char('p') => self.paused = !self.paused,
            KeyCode::Down | KeyCode::Char('j') => self.scroll(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(-1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll(self.page.cast_signed()),
            KeyCode::PageUp => self.scroll(-self.page.cast_signed()),
            KeyCode::Home | KeyCode::Char('g') => self.above = 0,
            KeyCode::End | KeyCode::Char('G') => self.above = self.most_above,
            _ => {}
        }
        false
    }

    fn scroll(&mut self, lines: isize) {
        self.above = self.above.saturating_add_signed(lines).min(self.most_above);
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let width = usize::from(area.width);
        let head = self.head(width);
        let rows = [
            Constraint::Length(u16::try_from(head.len()).unwrap_or(u16::MAX)),
            Constraint::Min(0),
            Constraint::Length(1),
        ];
        let [top, body, foot] = Layout::vertical(rows).areas(area);
        frame.render_widget(Paragraph::new(head), top);
        self.draw_body(frame, body);
        frame.render_widget(Paragraph::new(self.foot(width)), foot);
    }

    /// Who it is, whether it answers, and whether it is ready.
    fn head(&self, width: usize) -> Vec<Shown<'static>> {
        let mut lines: Vec<Line> = Vec::new();
        if let Some(away) = &self.away {
            let old = match &self.last {
                Some((_, at)) => format!(
                    "What is shown is {} s old. Trying again: {away}",
                    at.elapsed().as_secs()
                ),
                None => format!("Trying again: {away}"),
            };
            lines.extend(
                sections::wrapped(&old, width, 0)
                    .into_iter()
                    .map(|line| vec![(Tone::Bad, line)]),
            );
        }
        match &self.last {
            Some((snapshot, _)) => lines.extend(sections::head(snapshot, width)),
            None if self.away.is_none() => {
                lines.push(vec![(Tone::Quiet, format!("asking {} …", self.place))]);
            }
            None => {}
        }
        lines.push(Vec::new());
        lines.into_iter().map(|line| self.shown(line)).collect()
    }

    fn draw_body(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let Some((snapshot, _)) = &self.last else {
            return;
        };
        let columns = match area.width {
            width if width >= TWO_COLUMNS => {
                let halves = [Constraint::Fill(1), Constraint::Fill(1)];
                Layout::horizontal(halves).spacing(GAP).split(area).to_vec()
            }
            _ => vec![area],
        };
        let width = columns.iter().map(|column| usize::from(column.width));
        let width = width.min().unwrap_or(0);
        let texts = self.texts(snapshot, width, columns.len());
        let height = usize::from(area.height);
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        self.most_above = longest.saturating_sub(height);
        self.above = self.above.min(self.most_above);
        self.page = height.saturating_sub(1).max(1);
        for (text, column) in texts.into_iter().zip(columns) {
            let seen: Vec<Shown<'_>> = text.into_iter().skip(self.above).take(height).collect();
            frame.render_widget(Paragraph::new(seen), column);
        }
    }

    /// The sections in this many columns, of about the same length, in their order from left to right.
    fn texts(&self, snapshot: &Snapshot, width: usize, columns: usize) -> Vec<Vec<Shown<'static>>> {
        let mut sections: VecDeque<Vec<Shown<'static>>> = sections::sections(snapshot, width)
            .into_iter()
            .map(|section| {
                let title = self.shown(vec![(Tone::Strong, section.title.to_owned())]);
                let lines = section.lines.into_iter().map(|line| self.shown(line));
                let end = std::iter::once(Shown::default());
                std::iter::once(title).chain(lines).chain(end).collect()
            })
            .collect();
        let all: usize = sections.iter().map(Vec::len).sum();
        let mut texts = Vec::new();
        for column in 0..columns {
            let mut text: Vec<Shown<'static>> = Vec::new();
            let is_last = column + 1 == columns;
            while let Some(section) = sections.pop_front() {
                let full = text.len() + section.len() / 2 > all / columns;
                if full && !text.is_empty() && !is_last {
                    sections.push_front(section);
                    break;
                }
                text.extend(section);
            }
            texts.push(text);
        }
        texts
    }

    fn foot(&self, width: usize) -> Shown<'static> {
        let more = match (self.above, self.most_above - self.above) {
            (0, 0) => String::new(),
            (above, below) => format!("  {above} lines above, {below} below"),
        };
        let paused = if self.paused { "  PAUSED" } else { "" };
        let keys = format!("q quit  p pause  ↑↓ PgUp PgDn scroll{paused}{more}");
        self.shown(vec![(Tone::Quiet, sections::fit(&keys, width))])
    }

    fn shown(&self, line: Line) -> Shown<'static> {
        let spans = line.into_iter();
        Shown::from_iter(spans.map(|(tone, text)| Span::styled(text, self.style(tone))))
    }

    /// Without colours, what is bad is reversed and the rest is plain.
    fn style(&self, tone: Tone) -> Style {
        let style = Style::default();
        match (tone, self.coloured) {
            (Tone::Usual, _) | (Tone::Good | Tone::Quiet | Tone::Odd, false) => style,
            (Tone::Strong, _) => style.add_modifier(Modifier::BOLD),
            (Tone::Bad, false) => style.add_modifier(Modifier::REVERSED),
            (Tone::Quiet, true) => style.add_modifier(Modifier::DIM),
            (Tone::Good, true) => style.fg(Color::Green),
            (Tone::Odd, true) => style.fg(Color::Yellow),
            (Tone::Bad, true) => style.fg(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::telemetry::status::snapshot::{Flow, LogLine};

    fn answer() -> Answer {
        let snapshot = Snapshot {
            command: "serve".to_owned(),
            hostname: "mx.example".to_owned(),
            ready: true,
            flows: vec![Flow::default(); 10],
            log: vec![
                LogLine {
                    level: "WARN".to_owned(),
                    text: "odd".to_owned(),
                    ..LogLine::default()
                };
                10
            ],
            ..Snapshot::default()
        };
        Answer {
            snapshot,
            json: String::new(),
        }
    }

    /// What the screen of this size has.
    fn drawn(view: &mut View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| view.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    #[test]
    fn it_is_drawn_in_every_size() {
        let mut view = View::new("127.0.0.1:9925".to_owned(), true);
        assert!(drawn(&mut view, 80, 24).contains("asking 127.0.0.1:9925"));
        view.take(Ok(answer()));
        for (width, height) in [(80, 24), (200, 60), (20, 5), (1, 1), (300, 10)] {
            drawn(&mut view, width, height);
        }
        let wide = drawn(&mut view, 200, 40);
        let row = wide.lines().find(|line| line.contains("Traffic")).unwrap();
        assert!(row.contains("Errors and warnings"), "two columns: {wide}");
    }

    #[test]
    fn a_server_that_is_away_is_said_beside_its_last_answer() {
        let mut view = View::new("a:1".to_owned(), false);
        let away = || {
            Err(Failed::Unreachable {
                place: "a:1".to_owned(),
                why: "refused".to_owned(),
            })
        };
        view.take(away());
        assert!(drawn(&mut view, 80, 24).contains("Trying again: no answer from a:1: refused"));
        view.take(Ok(answer()));
        assert!(!drawn(&mut view, 80, 24).contains("Trying again"));
        view.take(away());
        let screen = drawn(&mut view, 80, 24);
        assert!(screen.contains("What is shown is 0 s old"), "{screen}");
        assert!(screen.contains("mx.example"), "{screen}");
    }

    #[test]
    fn keys_scroll_within_what_there_is_pause_and_end() {
        let mut view = View::new("a:1".to_owned(), true);
        view.take(Ok(answer()));
        assert!(drawn(&mut view, 80, 10).contains("0 lines above"));
        for code in [KeyCode::End, KeyCode::PageDown, KeyCode::Down] {
            assert!(!view.press(key(code)));
        }
        assert_eq!(view.above, view.most_above);
        assert!(drawn(&mut view, 80, 10).contains(" 0 below"));
        // A larger terminal has room for all of it.
        drawn(&mut view, 80, 60);
        assert_eq!((view.above, view.most_above), (0, 0));
        assert!(!view.press(key(KeyCode::Up)) && view.above == 0);
        assert!(!view.press(key(KeyCode::Char('p'))) && view.paused);
        let mut other = answer();
        other.snapshot.hostname = "other.example".to_owned();
        view.take(Ok(other));
        let screen = drawn(&mut view, 80, 24);
        assert!(screen.contains("mx.example") && screen.contains("PAUSED"));
        assert!(view.press(key(KeyCode::Char('q'))));
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert!(view.press(control_c) && !view.press(key(KeyCode::Char('c'))));
    }

    #[test]
    fn without_colours_there_are_none() {
        let (coloured, plain) = (
            View::new(String::new(), true),
            View::new(String::new(), false),
        );
        for tone in [Tone::Strong, Tone::Quiet, Tone::Good, Tone::Odd, Tone::Bad] {
            assert_eq!(plain.style(tone).fg, None, "{tone:?}");
        }
        assert_eq!(coloured.style(Tone::Bad).fg, Some(Color::Red));
    }
}
