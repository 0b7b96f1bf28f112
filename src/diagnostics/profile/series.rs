//! What happens over time, in bounded room: when there are too many points, neighbours become one.

/// The most points that are kept.
pub(super) const MOST_POINTS: usize = 4000;

/// Amounts over a stretch of time, in seconds since the profile began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) begin: f64,
    pub(super) end: f64,
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) sum: u64,
}

/// Points in the order of time.
#[derive(Default)]
pub(super) struct Series {
    points: Vec<Point>,
    /// Points that are shorter than this together are one, in seconds.
    grain: f64,
}

impl Series {
    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }

    /// Adds an amount. Threads race to tell: what comes late counts for the time of the one before it.
    pub(super) fn add(&mut self, at: f64, amount: u64) {
        let at = self.points.last().map_or(at, |last| last.end.max(at));
        let point = Point { begin: at, end: at, least: amount, most: amount, sum: amount };
        push(&mut self.points, point, self.grain);
        while self.points.len() > MOST_POINTS {
            let all = self.points.last().map_or(0.0, |last| last.end) - self.points[0].begin;
            self.grain = (2.0 * self.grain).max(all / MOST_POINTS as f64).max(1e-9);
            let mut kept = Vec::new();
            self.points.drain(..).for_each(|point| push(&mut kept, point, self.grain));
            self.points = kept;
        }
    }
}

fn push(points: &mut Vec<Point>, point: Point, grain: f64) {
    match points.last_mut() {
        Some(last) if point.end - last.begin < grain => {
            last.end = point.end;
            last.least = last.least.min(point.least);
            last.most = last.most.max(point.most);
            last.sum += point.sum;
        }
        _ => points.push(point),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_and_sums_stay() {
        for n in [10, 100_000_u64] {
            let mut series = Series::default();
            for i in 0..n {
                series.add(i as f64, if i == n / 2 { 1_000_000 } else { 5 + i % 2 });
            }
            let points = series.points();
            assert!(points.len() <= MOST_POINTS && points.len() >= 10.min(n as usize), "{}", points.len());
            assert_eq!(points.iter().map(|point| point.most).max(), Some(1_000_000));
            assert_eq!(points.iter().map(|point| point.least).min(), Some(5));
            let sum: u64 = (0..n).filter(|i| *i != n / 2).map(|i| 5 + i % 2).sum();
            assert_eq!(points.iter().map(|point| point.sum).sum::<u64>(), sum + 1_000_000);
            assert!(points.windows(2).all(|pair| pair[0].end <= pair[1].begin));
        }
    }

    #[test]
    fn many_at_one_time_are_bounded_too() {
        let mut series = Series::default();
        (0..20_000).for_each(|i| series.add(1.0, i));
        assert!(series.points().len() <= MOST_POINTS);
    }
}
