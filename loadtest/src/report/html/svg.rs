//! Line charts as SVG, for the HTML page: no script, colours by class, so that the page's style decides for light and dark.
//!
//! Must not know what is plotted. Every point carries its values as a title, which browsers show under the pointer.

use maud::{Markup, html};

use crate::units::axis::{Axis, Quantity};

/// The size of a chart, in its own units; the page scales it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
/// Room for labels.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 74.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 30.0;
/// Two labels at the ends of lines are at least so far apart.
const LABEL_GAP: f64 = 14.0;
/// Most steps of an axis.
const Y_STEPS: u32 = 5;
const X_STEPS: u32 = 6;

/// One line.
pub(super) struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its class: `s1`, `s2` ...
    pub class: &'static str,
    /// Points with what their titles say; gaps where a value is missing.
    pub points: Vec<Option<(f64, f64)>>,
}

/// How values become places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// From 0.
    Linear,
    /// From the power of ten below the smallest value.
    Logarithmic,
}

/// A chart.
pub(super) struct Chart {
    /// What it shows, for readers who cannot see it.
    pub description: String,
    /// The lines.
    pub lines: Vec<Line>,
    /// Of the values.
    pub scale: Scale,
    /// What the values are.
    pub quantity: Quantity,
    /// A value as a text, for titles.
    pub show: fn(f64) -> String,
    /// Marks on the x axis with their texts; where there are none, x is time in seconds.
    pub x_marks: Vec<(f64, String)>,
    /// Where the x axis ends, if that is beyond the last point.
    pub x_end: f64,
    /// A place on the x axis as a text.
    pub show_x: fn(f64) -> String,
}

impl Chart {
    /// Whether there is anything to see: a line needs two points.
    pub(super) fn is_drawable(&self) -> bool {
        self.lines
            .iter()
            .any(|line| line.points.iter().flatten().count() > 1)
    }
}

struct Frame {
    x: (f64, f64),
    y: (f64, f64),
    scale: Scale,
    y_axis: Axis,
}

impl Frame {
    fn of(chart: &Chart) -> Frame {
        let points = || {
            chart
                .lines
                .iter()
                .flat_map(|line| line.points.iter().flatten())
        };
        let x_end = points()
            .map(|(x, _)| *x)
            .fold(chart.x_end, f64::max)
            .max(1e-9);
        let top = points().map(|(_, y)| *y).fold(0.0, f64::max);
        let (y, y_axis) = match chart.scale {
            Scale::Linear => {
                let axis = Axis::up_to(chart.quantity, if top > 0.0 { top } else { 1.0 }, Y_STEPS);
                ((0.0, axis.end()), axis)
            }
            Scale::Logarithmic => {
                let low = points()
                    .map(|(_, y)| y.max(1.0))
                    .fold(f64::MAX, f64::min)
                    .min(top.max(1.0));
                let low = low.log10().floor();
                let high = top.max(1.0).log10().ceil().max(low + 1.0);
                let axis = Axis::powers(chart.quantity, low as i32, high as i32);
                ((low, high), axis)
            }
        };
        Frame {
            x: (0.0, x_end),
            y,
            scale: chart.scale,
            y_axis,
        }
    }

    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let y = match self.scale {
            Scale::Linear => y,
            Scale::Logarithmic => y.max(1.0).log10(),
        };
        let share = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low);
        (
            LEFT + share(x, self.x) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - share(y, self.y) * (HEIGHT - TOP - BOTTOM),
        )
    }
}

/// The chart as an SVG element, with a legend before it where there is more than one line.
pub(super) fn svg(chart: &Chart) -> Markup {
    let frame = Frame::of(chart);
    html! {
        @if chart.lines.len() > 1 {
            p.legend {
                @for line in &chart.lines {
                    span { i class=(line.class) {} (line.name) }
                }
            }
        }
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(chart.description) {
            (grid(chart, &frame))
            @for line in &chart.lines { (drawn(line, chart, &frame)) }
            @if chart.lines.len() > 1 { (end_labels(chart, &frame)) }
        }
    }
}

/// A place with one decimal.
fn place(value: f64) -> String {
    format!("{value:.1}")
}

fn grid(chart: &Chart, frame: &Frame) -> Markup {
    let right = WIDTH - RIGHT;
    let marks = if chart.x_marks.is_empty() {
        Axis::within(Quantity::Time, frame.x.1, X_STEPS).marks
    } else {
        chart.x_marks.clone()
    };
    html! {
        @for (mark, text) in &frame.y_axis.marks {
            @let (_, y) = frame.place((0.0, *mark));
            line.grid x1=(LEFT) x2=(right) y1=(place(y)) y2=(place(y)) {}
            text.mark x=(place(LEFT - 8.0)) y=(place(y + 4.0)) text-anchor="end" { (text) }
        }
        @for (x, text) in marks {
            @let (x, _) = frame.place((x, 1.0));
            @let y = HEIGHT - BOTTOM + 18.0;
            text.mark x=(place(x)) y=(place(y)) text-anchor="middle" { (text) }
        }
    }
}

fn drawn(line: &Line, chart: &Chart, frame: &Frame) -> Markup {
    html! {
        path class=(line.class) d=(path(line, frame)) {}
        @for point in line.points.iter().flatten() {
            @let (x, y) = frame.place(*point);
            circle.hit cx=(place(x)) cy=(place(y)) r="4" {
                title {
                    ((chart.show_x)(point.0)) ", " (line.name) ": " ((chart.show)(point.1))
                }
            }
        }
    }
}

/// From point to point, with a gap where a value is missing.
fn path(line: &Line, frame: &Frame) -> String {
    let (mut path, mut command) = (String::new(), 'M');
    for point in &line.points {
        match point {
            Some(point) => {
                let (x, y) = frame.place(*point);
                path += &format!("{command}{x:.1} {y:.1}");
                command = 'L';
            }
            None => command = 'M',
        }
    }
    path
}

/// The lines' names at their ends, moved apart where they would lie on each other.
fn end_labels(chart: &Chart, frame: &Frame) -> Markup {
    let ends = chart.lines.iter().filter_map(|line| {
        let end = line.points.iter().flatten().last()?;
        Some((frame.place(*end).1, &line.name))
    });
    let mut labels: Vec<(f64, &String)> = ends.collect();
    labels.sort_by(|one, two| one.0.total_cmp(&two.0));
    let mut lowest = TOP;
    for (y, _) in &mut labels {
        *y = y.max(lowest);
        lowest = *y + LABEL_GAP;
    }
    html! {
        @for (y, name) in labels {
            text.end x=(place(WIDTH - RIGHT + 8.0)) y=(place(y + 4.0)) { (name) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale, points: Vec<Option<(f64, f64)>>) -> Chart {
        let line = |class| Line {
            name: "a<b".to_owned(),
            class,
            points: points.clone(),
        };
        Chart {
            description: "x".to_owned(),
            lines: vec![line("s1"), line("s2")],
            scale,
            quantity: Quantity::Latency,
            show: |value| format!("{value}"),
            x_marks: Vec::new(),
            x_end: 0.0,
            show_x: |x| format!("{x} s"),
        }
    }

    #[test]
    fn charts_stay_in_their_frame_whatever_comes() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            for points in [
                vec![],
                vec![None],
                vec![Some((0.0, 0.0))],
                vec![
                    Some((1.0, 5.0)),
                    None,
                    Some((2.0, 3_000_000.0)),
                    Some((3.0, 0.0)),
                ],
            ] {
                let many = points.iter().flatten().count() > 1;
                let chart = chart(scale, points);
                assert_eq!(chart.is_drawable(), many);
                let svg = svg(&chart).into_string();
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                assert!(!svg.contains("a<b") && svg.contains("a&lt;b"), "{svg}");
                for (name, most) in [("cx=\"", WIDTH), ("cy=\"", HEIGHT)] {
                    for value in svg.split(name).skip(1) {
                        let value: f64 = value
                            .split('"')
                            .next()
                            .expect("an end")
                            .parse()
                            .expect("a number");
                        assert!((0.0..=most).contains(&value), "{name}{value}");
                    }
                }
            }
        }
    }
}
