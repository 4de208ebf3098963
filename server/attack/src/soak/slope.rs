//! A straight line through samples, by least squares.

/// A line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    /// Growth of the value for each unit of time.
    pub(super) slope: f64,
    /// Value in the middle of the time.
    pub(super) middle: f64,
}

impl Line {
    /// The line with the least squares of distances from `samples` of (time, value). Flat if there are fewer than two.
    #[expect(clippy::cast_precision_loss, reason = "there are not 2^52 samples")]
    pub(super) fn through(samples: &[(f64, f64)]) -> Self {
        let count = samples.len().max(1) as f64;
        let time = samples.iter().map(|(time, _)| time).sum::<f64>() / count;
        let middle = samples.iter().map(|(_, value)| value).sum::<f64>() / count;
        let spread: f64 = samples.iter().map(|(at, _)| (at - time).powi(2)).sum();
        let together: f64 = samples
            .iter()
            .map(|(at, value)| (at - time) * (value - middle))
            .sum();
        let slope = if spread > 0.0 { together / spread } else { 0.0 };
        Self { slope, middle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again() {
        let samples: Vec<_> = [0.0, 1.0, 2.0, 3.0].map(|at| (at, 5.0 + 2.0 * at)).to_vec();
        let line = Line::through(&samples);
        assert!((line.slope - 2.0).abs() < 1e-9 && (line.middle - 8.0).abs() < 1e-9);
        assert!(Line::through(&[]).slope.abs() < 1e-9);
    }
}
