//! The Universal Scalability Law describes the throughput of `n` clones with three numbers.
//!
//! X(n) = λn / (1 + σ(n − 1) + κn(n − 1)). λ is the throughput of one clone. σ, the
//! *contention*, is the share of the work that waits for one shared resource. With σ alone the
//! curve never rises above λ/σ (Amdahl's law). κ, the *crosstalk*, is the work to keep each
//! clone in agreement with each other one. With κ the curve falls from n = √((1 − σ)/κ) on.
//! Source: Neil Gunther, "Guerrilla Capacity Planning", chapter 4.
//!
//! n/X(n) is linear in 1/λ, σ/λ and κ/λ, so linear least squares find them. The fit minimises
//! relative errors.
//!
//! Left out: confidence intervals. R² tells whether the law fits, not how exact σ is.

/// A fitted model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UslModel {
    /// λ: requests per second of one clone.
    pub one: f64,
    /// σ: contention, from 0 to 1.
    pub contention: f64,
    /// κ: crosstalk.
    pub crosstalk: f64,
    /// The share of the variance that the model explains, at most 1.
    pub r_squared: f64,
}

/// Why no model can be fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// Three parameters fit any three points.
    #[error("a model with three unknown numbers needs at least four different numbers of clones")]
    TooFewPoints,
    /// A number of clones or a throughput is not a positive finite number.
    #[error("every number of clones and every throughput must be greater than zero")]
    NotPositive,
}

impl UslModel {
    /// Fits the model to pairs of a number of clones and a throughput.
    pub fn fit(points: &[(f64, f64)]) -> Result<UslModel, FitError> {
        if points
            .iter()
            .any(|(n, x)| !(n.is_finite() && x.is_finite() && *n > 0.0 && *x > 0.0))
        {
            return Err(FitError::NotPositive);
        }
        let mut counts: Vec<f64> = points.iter().map(|(n, _)| *n).collect();
        counts.sort_by(f64::total_cmp);
        counts.dedup();
        if counts.len() < 4 {
            return Err(FitError::TooFewPoints);
        }
        // Neither contention nor crosstalk can be negative. So the fit is tried with and without
        // each, and the best valid one is taken.
        let tries = [[true, true], [true, false], [false, true], [false, false]];
        let valid_fits = tries
            .into_iter()
            .filter_map(|used| UslModel::fit_with(points, used));
        valid_fits
            .max_by(|one, other| one.r_squared.total_cmp(&other.r_squared))
            .ok_or(FitError::NotPositive)
    }

    fn fit_with(points: &[(f64, f64)], [contention, crosstalk]: [bool; 2]) -> Option<UslModel> {
        let terms = |n: f64| {
            [
                1.0,
                f64::from(contention) * (n - 1.0),
                f64::from(crosstalk) * n * (n - 1.0),
            ]
        };
        // The normal equations of the relative errors: each row is divided by the measured value.
        let (mut matrix, mut right) = ([[0.0; 3]; 3], [0.0; 3]);
        for (n, x) in points {
            let row = terms(*n).map(|term| term * x / n);
            for (i, term) in row.into_iter().enumerate() {
                for (sum, other) in matrix[i].iter_mut().zip(row) {
                    *sum += term * other;
                }
                right[i] += term;
            }
        }
        if !contention {
            matrix[1][1] = 1.0;
        }
        if !crosstalk {
            matrix[2][2] = 1.0;
        }
        let [one, by_contention, by_crosstalk] = solve(matrix, right)?;
        let is_valid = one > 0.0 && by_contention >= 0.0 && by_crosstalk >= 0.0;
        let mut model = UslModel {
            one: 1.0 / one,
            contention: by_contention / one,
            crosstalk: by_crosstalk / one,
            r_squared: 0.0,
        };
        model.r_squared = model.r_squared_of(points);
        is_valid.then_some(model)
    }

    /// The throughput of this number of clones, in requests per second.
    pub fn at(&self, clones: f64) -> f64 {
        let others = clones - 1.0;
        self.one * clones / (1.0 + self.contention * others + self.crosstalk * clones * others)
    }

    /// The number of clones with the highest throughput; `None` if the curve never falls.
    pub fn best(&self) -> Option<f64> {
        (self.crosstalk > 1e-9).then(|| ((1.0 - self.contention).max(0.0) / self.crosstalk).sqrt())
    }

    fn r_squared_of(&self, points: &[(f64, f64)]) -> f64 {
        let mean = points.iter().map(|(_, x)| x).sum::<f64>() / points.len() as f64;
        let all: f64 = points.iter().map(|(_, x)| (x - mean).powi(2)).sum();
        let left: f64 = points.iter().map(|(n, x)| (x - self.at(*n)).powi(2)).sum();
        1.0 - left / all.max(f64::MIN_POSITIVE)
    }
}

/// Gaussian elimination with partial pivoting; `None` if the matrix is singular.
fn solve(mut matrix: [[f64; 3]; 3], mut right: [f64; 3]) -> Option<[f64; 3]> {
    for column in 0..3 {
        let pivot = (column..3).max_by(|a, b| {
            matrix[*a][column]
                .abs()
                .total_cmp(&matrix[*b][column].abs())
        })?;
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        if matrix[column][column].abs() < 1e-12 {
            return None;
        }
        for row in (0..3).filter(|row| *row != column) {
            let factor = matrix[row][column] / matrix[column][column];
            let above = matrix[column];
            for (value, above) in matrix[row].iter_mut().zip(above) {
                *value -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    Some([0, 1, 2].map(|i| right[i] / matrix[i][i]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COUNTS: [f64; 6] = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0];

    fn points(model: &UslModel) -> Vec<(f64, f64)> {
        COUNTS.map(|n| (n, model.at(n))).to_vec()
    }

    fn model(one: f64, contention: f64, crosstalk: f64) -> UslModel {
        UslModel {
            one,
            contention,
            crosstalk,
            r_squared: 1.0,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn fit_recovers_the_parameters(one in 1.0_f64..1e5, contention in 0.0_f64..0.9, crosstalk in 0.0_f64..0.1) {
            let fitted = UslModel::fit(&points(&model(one, contention, crosstalk))).unwrap();
            prop_assert!((fitted.one / one - 1.0).abs() < 1e-6, "{fitted:?}");
            prop_assert!((fitted.contention - contention).abs() < 1e-6, "{fitted:?}");
            prop_assert!((fitted.crosstalk - crosstalk).abs() < 1e-6, "{fitted:?}");
            prop_assert!(fitted.r_squared > 0.999_999, "{fitted:?}");
        }

        #[test]
        fn noise_does_not_make_a_number_negative(noise in proptest::collection::vec(0.9_f64..1.1, 6)) {
            let noisy: Vec<_> = points(&model(100.0, 0.0, 0.0)).into_iter().zip(noise).map(|((n, x), by)| (n, x * by)).collect();
            let fitted = UslModel::fit(&noisy).unwrap();
            prop_assert!(fitted.contention >= 0.0 && fitted.crosstalk >= 0.0, "{fitted:?}");
        }
    }

    #[test]
    fn three_points_prove_nothing() {
        let few = &points(&model(100.0, 0.1, 0.0))[..3];
        assert_eq!(UslModel::fit(few), Err(FitError::TooFewPoints));
        let same = [few[0], few[0], few[1], few[2]];
        assert_eq!(
            UslModel::fit(&same),
            Err(FitError::TooFewPoints),
            "two equal points count as one"
        );
        assert_eq!(
            UslModel::fit(&[(1.0, 0.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0)]),
            Err(FitError::NotPositive)
        );
    }

    #[test]
    fn throughput_never_falls_without_crosstalk() {
        assert_eq!(model(100.0, 0.3, 0.0).best(), None);
        let best = model(100.0, 0.0, 0.01).best().unwrap();
        assert!((best - 10.0).abs() < 1e-9, "{best}");
    }
}
