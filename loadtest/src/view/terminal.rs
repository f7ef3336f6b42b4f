//! The picture in a terminal: numbers, the rate over time, percentiles over time, progress. Drawn in place, below what was
//! there, by ratatui; it takes no keys.

use std::io::{self, Stderr, stderr};
use std::time::Duration;

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use super::colors::{Colors, Part};
use super::snapshot::Snapshot;
use crate::tally::Point;
use crate::units::axis::{Axis as Marks, Quantity};
use crate::units::{grouped, show_bytes, show_microseconds, show_number};

/// Lines of the picture.
const HEIGHT: u16 = 20;

/// Most steps of an axis; the picture has few lines.
const Y_STEPS: u32 = 2;

/// A part of the terminal.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stderr>>,
    colors: Colors,
}

impl Screen {
    /// Takes the lines below the cursor; `None` if the terminal does not answer.
    pub(super) fn open(colors: Colors) -> Option<Screen> {
        let options = TerminalOptions {
            viewport: Viewport::Inline(HEIGHT),
        };
        let terminal = Terminal::with_options(CrosstermBackend::new(stderr()), options).ok()?;
        Some(Screen { terminal, colors })
    }

    /// Draws; whether that was possible.
    pub(crate) fn draw(&mut self, snapshot: &Snapshot<'_>) -> bool {
        let colors = self.colors;
        self.terminal
            .draw(|frame| picture(frame, snapshot, colors))
            .is_ok()
    }

    /// Leaves the picture where it is, with the cursor on the line below it.
    pub(crate) fn close(mut self) {
        if leave(&mut self.terminal).is_ok() {
            eprintln!();
        }
    }

    /// Removes the picture: what is printed next takes its place.
    pub(crate) fn remove(mut self) {
        // An error means that the terminal is gone.
        let _ = erase(&mut self.terminal);
    }
}

/// Puts the cursor at the end of the picture's last line: a draw leaves it anywhere in the picture.
fn leave<B: Backend>(terminal: &mut Terminal<B>) -> io::Result<()> {
    let area = terminal.get_frame().area();
    terminal.set_cursor_position((
        area.right().saturating_sub(1),
        area.bottom().saturating_sub(1),
    ))?;
    terminal.show_cursor()
}

/// Empties the picture's lines and puts the cursor to the first of them.
fn erase<B: Backend>(terminal: &mut Terminal<B>) -> io::Result<()> {
    terminal.clear()?;
    let area = terminal.get_frame().area();
    terminal.set_cursor_position((0, area.top()))?;
    terminal.show_cursor()
}

fn picture(frame: &mut Frame<'_>, snapshot: &Snapshot<'_>, colors: Colors) {
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(6),
        Constraint::Min(8),
        Constraint::Length(1),
    ])
    .split(frame.area());
    frame.render_widget(title(snapshot), rows[0]);
    frame.render_widget(numbers(snapshot, colors), rows[1]);
    let columns =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).split(rows[2]);
    rate_chart(frame, columns[0], snapshot, colors);
    latency_chart(frame, columns[1], snapshot, colors);
    progress(frame, rows[3], snapshot, colors);
}

fn bold(text: String) -> Span<'static> {
    Span::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

fn title(snapshot: &Snapshot<'_>) -> Paragraph<'static> {
    let options = &snapshot.plan.options;
    let load = match (options.rate, options.connection_rate) {
        (Some(rate), _) => format!("open loop, {} messages/s", show_number(rate)),
        (_, Some(rate)) => format!("open loop, {} connections/s", show_number(rate)),
        _ => "closed loop".to_owned(),
    };
    let text = format!(
        " {}   {load}, {} connections, run {}",
        snapshot.plan.address,
        grouped(options.connections.into()),
        snapshot.plan.run
    );
    Paragraph::new(Line::from(vec![
        bold("ringpost-loadtest".to_owned()),
        Span::raw(text),
    ]))
}

fn numbers(snapshot: &Snapshot<'_>, colors: Colors) -> Paragraph<'static> {
    let total = snapshot.total;
    let point = snapshot.series.points().last();
    let rate = point.map_or(0.0, |point| point.rate());
    let bad = |count: u64| {
        let part = if count > 0 { Part::Bad } else { Part::Good };
        Span::styled(grouped(count), colors.style(part))
    };
    let percentiles = |name: &str, histogram: &hdrhistogram::Histogram<u64>| {
        let at = |quantile| {
            if histogram.is_empty() {
                return "-".to_owned();
            }
            show_microseconds(histogram.value_at_quantile(quantile) as f64)
        };
        let text = format!(
            "p50 {:>7}  p90 {:>7}  p99 {:>7}  p99.9 {:>7}  max {:>7}",
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            at(1.0)
        );
        Line::from(vec![Span::raw(format!("{name:<12}")), Span::raw(text)])
    };
    let mut lines = vec![Line::from(vec![
        Span::raw("accepted "),
        bold(grouped(total.accepted)),
        Span::raw("   refused "),
        bad(total.refused),
        Span::raw("   errors "),
        bad(total.errors),
        Span::raw("   now "),
        bold(format!("{} messages/s", show_number(rate))),
    ])];
    lines.push(percentiles("whole run", &total.whole));
    if let Some(point) = point {
        lines.push(percentiles("last second", &point.interval.whole));
        lines.push(Line::from(cpus(point)));
    }
    if let Some(trouble) = snapshot.trouble() {
        let style = colors.style(Part::Bad);
        lines.push(Line::from(Span::styled(trouble.counted(), style)));
        let hint = trouble.hint.map(|hint| format!("hint: {hint}"));
        lines.extend(hint.map(Line::from));
    }
    Paragraph::new(lines)
}

/// Who uses how many CPUs, and the server's memory.
fn cpus(point: &Point) -> String {
    let share = |cpu: Duration| cpu.as_secs_f64() / point.length.as_secs_f64().max(1e-9);
    let mut text = format!("in use: load tester {:.2} CPUs", share(point.own_cpu));
    if let Some((server, cpu)) = point.server.zip(point.server_cpu) {
        text += &format!(
            "   server {:.2} CPUs, {} of memory",
            share(cpu),
            show_bytes(server.rss as f64),
        );
    }
    text
}

/// Points as ratatui wants them.
type Points = Vec<(f64, f64)>;

fn chart(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    lines: &[(&str, Part, Points)],
    quantity: Quantity,
    colors: Colors,
) {
    let all = || lines.iter().flat_map(|(_, _, points)| points);
    let end = all().map(|(x, _)| *x).fold(1.0, f64::max);
    let least = match quantity {
        Quantity::Latency => 1000.0,
        _ => 10.0,
    };
    let top = all().map(|(_, y)| *y).fold(least, f64::max);
    let marks = Marks::up_to(quantity, top, Y_STEPS);
    let datasets = lines
        .iter()
        .map(|(_, part, points)| {
            Dataset::default()
                .marker(colors.marker(*part))
                .graph_type(GraphType::Line)
                .style(colors.style(*part))
                .data(points)
        })
        .collect();
    let dim = Style::new().add_modifier(Modifier::DIM);
    let x_axis = Axis::default()
        .bounds([0.0, end])
        .style(dim)
        .labels(vec!["0 s".to_owned(), format!("{} s", grouped(end as u64))]);
    let texts: Vec<String> = marks.marks.iter().map(|(_, text)| text.clone()).collect();
    let y_axis = Axis::default()
        .bounds([0.0, marks.end()])
        .style(dim)
        .labels(texts);
    // The names are in the title, where they hide no line.
    let mut words = vec![Span::raw(format!(" {title} "))];
    for (name, part, _) in lines.iter().filter(|_| lines.len() > 1) {
        let text = format!("{}{name} ", colors.sign(*part));
        words.push(Span::styled(text, colors.style(*part)));
    }
    if all().next().is_none() {
        words.push(Span::raw("(none yet) "));
    }
    let chart = Chart::new(datasets)
        .block(Block::bordered().border_style(dim).title(Line::from(words)))
        .x_axis(x_axis)
        .y_axis(y_axis)
        .legend_position(None);
    frame.render_widget(chart, area);
}

fn rate_chart(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot<'_>, colors: Colors) {
    let points = snapshot
        .series
        .points()
        .iter()
        .map(|point| (point.end.as_secs_f64(), point.rate()))
        .collect();
    let lines = [("messages/s", Part::Rate, points)];
    let title = "accepted messages/s";
    chart(frame, area, title, &lines, Quantity::Number, colors);
}

fn latency_chart(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot<'_>, colors: Colors) {
    let at = |quantile: f64| -> Points {
        let points = snapshot.series.points().iter();
        points
            .filter(|point| !point.interval.whole.is_empty())
            .map(|point| {
                (
                    point.end.as_secs_f64(),
                    point.interval.whole.value_at_quantile(quantile) as f64,
                )
            })
            .collect()
    };
    let lines = [
        ("p50", Part::P50, at(0.5)),
        ("p90", Part::P90, at(0.9)),
        ("p99", Part::P99, at(0.99)),
    ];
    chart(frame, area, "latency", &lines, Quantity::Latency, colors);
}

fn progress(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot<'_>, colors: Colors) {
    let options = &snapshot.plan.options;
    let total = snapshot.total;
    let done = (total.accepted + total.refused) as f64;
    let by_count = options
        .messages
        .filter(|most| *most > 0)
        .map(|most| done / most as f64);
    let by_time = options
        .duration
        .map(|whole| snapshot.elapsed.as_secs_f64() / whole.as_secs_f64().max(1e-9));
    let by_default = done / options.most_messages().max(1) as f64;
    let ratio = by_count
        .into_iter()
        .chain(by_time)
        .reduce(f64::max)
        .unwrap_or(by_default)
        .clamp(0.0, 1.0);
    let label = if snapshot.gave_up {
        "giving up: too many errors".to_owned()
    } else {
        format!(
            "{:.0} s   {:.0} %",
            snapshot.elapsed.as_secs_f64(),
            ratio * 100.0
        )
    };
    frame.render_widget(
        Gauge::default()
            .gauge_style(colors.style(Part::Progress))
            .ratio(ratio)
            .label(label),
        area,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::backend::TestBackend;
    use ratatui::layout::Position;

    /// A terminal with a picture of two lines in its first lines, drawn once; a draw leaves the cursor in the picture.
    fn drawn() -> Terminal<TestBackend> {
        let options = TerminalOptions {
            viewport: Viewport::Inline(2),
        };
        let mut terminal =
            Terminal::with_options(TestBackend::new(4, 4), options).expect("no terminal at all");
        let picture =
            |frame: &mut Frame<'_>| frame.render_widget(Paragraph::new("ab"), frame.area());
        terminal.draw(picture).expect("drawn");
        terminal
    }

    #[test]
    fn the_next_line_comes_below_a_picture_that_stays() {
        let mut terminal = drawn();
        leave(&mut terminal).expect("left");
        terminal
            .backend_mut()
            .assert_cursor_position(Position::new(3, 1));
        terminal
            .backend()
            .assert_buffer_lines(["ab  ", "    ", "    ", "    "]);
    }

    #[test]
    fn the_next_line_takes_the_place_of_a_picture_that_goes() {
        let mut terminal = drawn();
        erase(&mut terminal).expect("erased");
        terminal
            .backend_mut()
            .assert_cursor_position(Position::new(0, 0));
        // This backend leaves the cell under the cursor, which a terminal empties, too.
        let cells = &terminal.backend().buffer().content[1..];
        assert!(cells.iter().all(|cell| cell.symbol() == " "), "{cells:?}");
    }
}
