//! The median and the range of a few measurements.
//!
//! Other load spoils a single round, but rarely the median. The range is shown beside it, because a
//! difference that is smaller than the spread proves nothing.

use std::fmt;

/// The median, the smallest and the largest of some measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle measurement, or the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// `None` if there is no measurement, or if one is NaN.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        if values.is_empty() || values.iter().any(|value| value.is_nan()) {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let (below, above) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Spread {
            median: f64::midpoint(below, above),
            min: values[0],
            max: values[values.len() - 1],
        })
    }
}

/// `12.3 (11.9–14.0)`, with the given precision, or two decimals.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(2);
        let number = |value: f64| {
            if f.sign_plus() {
                format!("{value:+.decimals$}")
            } else {
                format!("{value:.decimals$}")
            }
        };
        let text = format!(
            "{} ({}–{})",
            number(self.median),
            number(self.min),
            number(self.max)
        );
        // Not `f.pad`: it would cut the text at the precision.
        let width = f.width().unwrap_or(0);
        write!(f, "{text:>width$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_round_does_not_move_the_median() {
        let spread = Spread::of([3.0, 1.0, 900.0, 2.0, 2.5]).unwrap();
        assert_eq!(spread.to_string(), "2.50 (1.00–900.00)");
        assert_eq!(
            Spread::of([4.0, 1.0]).unwrap().to_string(),
            "2.50 (1.00–4.00)",
            "the median of two is their mean"
        );
    }

    #[test]
    fn missing_measurements_have_no_median() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(
            Spread::of([1.0, f64::NAN]),
            None,
            "a NaN would sort to one end and look like a number"
        );
    }

    #[test]
    fn a_spread_fills_its_column() {
        let spread = Spread::of([1.0, 2.0, 4.0]).unwrap();
        assert_eq!(format!("{spread:>20.1}|"), "       2.0 (1.0–4.0)|");
        assert_eq!(spread.to_string(), "2.00 (1.00–4.00)");
    }
}
