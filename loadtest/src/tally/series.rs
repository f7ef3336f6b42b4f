//! The run over time: a point for each second, in memory that does not grow with the run.
//!
//! Invariant: at most [`MOST`] points; when they are used up, neighbours are merged and a point stands for twice the time.

use std::time::Duration;

use super::interval::Interval;
use crate::measure::usage::Usage;

/// Most points.
const MOST: usize = 600;

/// What happened in some time.
pub(crate) struct Point {
    /// When it ended, from the start.
    pub end: Duration,
    /// How long it lasted.
    pub length: Duration,
    /// The counts and latencies.
    pub interval: Interval,
    /// The server's use of the machine at its end.
    pub server: Option<Usage>,
    /// The server's CPU time in it.
    pub server_cpu: Option<Duration>,
    /// This process's CPU time in it.
    pub own_cpu: Duration,
}

impl Point {
    /// Accepted messages a second.
    pub(crate) fn rate(&self) -> f64 {
        self.interval.accepted as f64 / self.length.as_secs_f64().max(1e-9)
    }

    fn merge(&mut self, later: &Point) {
        self.end = later.end;
        self.length += later.length;
        self.interval.merge(&later.interval);
        self.server = later.server;
        self.server_cpu = self
            .server_cpu
            .zip(later.server_cpu)
            .map(|(one, two)| one + two);
        self.own_cpu += later.own_cpu;
    }
}

/// All points so far.
#[derive(Default)]
pub(crate) struct Series {
    points: Vec<Point>,
    /// Seconds that a point stands for, as a power of two.
    doublings: u32,
    /// Points that were pushed and wait to be as long as the others.
    pending: u32,
}

impl Series {
    /// Adds a point of the shortest length.
    pub(crate) fn push(&mut self, point: Point) {
        if self.pending > 0 {
            let last = self.points.last_mut().expect("one is pending");
            last.merge(&point);
        } else {
            self.points.push(point);
        }
        self.pending = (self.pending + 1) % (1 << self.doublings);
        if self.points.len() == MOST && self.pending == 0 {
            self.halve();
        }
        assert!(
            self.points.len() <= MOST,
            "memory does not grow with the run"
        );
    }

    /// Adds what is left at the end: to the point before it, because a short point looks like a drop.
    pub(crate) fn push_rest(&mut self, rest: Point) {
        match self.points.last_mut() {
            Some(last) => last.merge(&rest),
            None => self.push(rest),
        }
    }

    /// The points, in order of time.
    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }

    fn halve(&mut self) {
        let mut halved: Vec<Point> = Vec::with_capacity(MOST);
        for (index, point) in self.points.drain(..).enumerate() {
            match halved.last_mut() {
                Some(last) if index % 2 == 1 => last.merge(&point),
                _ => halved.push(point),
            }
        }
        self.points = halved;
        self.doublings += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_keeps_its_counts_in_few_points() {
        let mut series = Series::default();
        for second in 1..=10_000 {
            let mut interval = Interval::new();
            interval.accepted = 1;
            super::super::phase::record(&mut interval.whole, Duration::from_millis(1));
            series.push(Point {
                end: Duration::from_secs(second),
                length: Duration::from_secs(1),
                interval,
                server: None,
                server_cpu: None,
                own_cpu: Duration::ZERO,
            });
            assert!(series.points().len() <= MOST);
        }
        let accepted: u64 = series
            .points()
            .iter()
            .map(|point| point.interval.accepted)
            .sum();
        assert_eq!(accepted, 10_000);
        let mut end = Duration::ZERO;
        for point in series.points() {
            assert_eq!(point.end, end + point.length, "no gap");
            end = point.end;
            assert_eq!(point.interval.whole.len(), point.interval.accepted);
        }
        assert_eq!(end, Duration::from_secs(10_000));
    }

    #[test]
    fn a_rest_makes_no_point_of_its_own() {
        let point = |accepted, milliseconds| {
            let mut interval = Interval::new();
            interval.accepted = accepted;
            Point {
                end: Duration::from_millis(milliseconds),
                length: Duration::from_millis(milliseconds),
                interval,
                server: None,
                server_cpu: None,
                own_cpu: Duration::ZERO,
            }
        };
        let mut series = Series::default();
        series.push_rest(point(7, 300));
        series.push_rest(point(0, 3));
        assert_eq!(series.points().len(), 1);
        assert_eq!(series.points()[0].interval.accepted, 7);
        assert_eq!(series.points()[0].length, Duration::from_millis(303));
    }
}
