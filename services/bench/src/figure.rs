//! Numbers as people read them, and what becomes of several of them.

use std::time::Duration;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes.
    Bytes,
    /// Seconds, however short.
    Seconds,
    /// Somethings a second.
    PerSecond,
}

impl Unit {
    /// With three figures that count.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Unit::Bytes => scaled(value, &[(1024.0 * 1024.0, " MiB"), (1024.0, " KiB"), (1.0, " B")]),
            Unit::Seconds => scaled(value, &[(1.0, " s"), (1e-3, " ms"), (1e-6, " µs"), (1e-9, " ns")]),
            Unit::PerSecond => scaled(value, &[(1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")]),
        }
    }

    /// For programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Bytes => "bytes",
            Unit::Seconds => "seconds",
            Unit::PerSecond => "perSecond",
        }
    }
}

fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let fitting = units.iter().find(|(size, _)| value.abs() >= *size).or(units.last());
    let (size, name) = fitting.copied().unwrap_or((1.0, ""));
    let value = value / size;
    let digits = match value.abs() {
        0.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}{name}")
}

/// The middle one; of an even number the mean of the two in the middle. NaN of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Below which this part of the values lies, between two of them in proportion.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = part * last as f64;
    let (low, high) = (place.floor(), place.ceil());
    let (at_low, at_high) = (sorted[low as usize], sorted[high as usize]);
    at_low + (at_high - at_low) * (place - low)
}

/// Durations as seconds.
pub(crate) fn seconds(times: &[Duration]) -> Vec<f64> {
    times.iter().map(Duration::as_secs_f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_in_the_unit_that_fits() {
        for (unit, value, shown) in [
            (Unit::Bytes, 1_331.0, "1.30 KiB"),
            (Unit::Bytes, 12.0, "12.0 B"),
            (Unit::Seconds, 0.000_000_46, "460 ns"),
            (Unit::Seconds, 0.000_13, "130 µs"),
            (Unit::Seconds, 3.0, "3.00 s"),
            (Unit::PerSecond, 157_000.0, "157k/s"),
            (Unit::PerSecond, 0.5, "0.50/s"),
        ] {
            assert_eq!(unit.show(value), shown);
        }
    }

    #[test]
    fn the_middle_is_not_moved_by_an_outlier() {
        assert_eq!(median(&[3.0, 1.0, 1_000.0]), 3.0);
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert_eq!(quantile(&[0.0, 10.0], 0.99), 9.9);
        assert!(median(&[]).is_nan());
    }
}
