//! Which cells a robust fit trusts less: the share of its weight that each cell keeps at a point.
//!
//! The share is ρ'(t)/(2t) of the loss, t = |V − WH|/U: 1 for least squares; min(1, α/t) for Huber's loss;
//! (ν + 1)/(ν + t²) for Student's, which is above 1 for cells that fit better than usual. A censored cell keeps nothing
//! while the model lies below its value.

use crate::analysis::{AnalysisInput, check};
use crate::loss::Loss;
use headwater_base::Error;

/// A cell that counts less than its uncertainty says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Downweighted {
    /// 0-based row.
    pub sample: usize,
    /// 0-based column.
    pub species: usize,
    /// Share of its weight that it keeps, below 1.
    pub share: f64,
    /// (V − WH)/U: positive where the solution falls short of the value.
    pub scaled: f64,
}

/// Result of [`cell_weights`].
#[derive(Clone, Debug, PartialEq)]
pub struct CellWeights {
    /// m × n: the share of its weight that each cell keeps; NaN in cells that are not used.
    pub shares: Vec<f64>,
    /// Number of cells with a share below 1, satisfied censored cells apart.
    pub count: usize,
    /// The lowest shares first, then by sample and species; as many as were asked for.
    pub downweighted: Vec<Downweighted>,
}

/// The shares at the point of `input` under `loss`, with at most `limit` cells listed.
///
/// # Errors
/// Those of [`crate::analyze`].
pub fn cell_weights(input: &AnalysisInput<'_>, loss: Loss, limit: usize) -> Result<CellWeights, Error> {
    let &AnalysisInput { rows: m, cols: n, factors: p, contributions: w, profiles: h, .. } = input;
    check(input)?;
    let mut shares = vec![f64::NAN; m * n];
    let mut downweighted = Vec::new();
    for cell in 0..m * n {
        let (sample, species) = (cell / n, cell % n);
        let predicted: f64 = (0..p).map(|k| w[sample * p + k] * h[k * n + species]).sum();
        let scaled = (input.values[cell] - predicted) / input.uncertainties[cell];
        if scaled.is_nan() || !input.uncertainties[cell].is_finite() {
            continue;
        }
        if input.satisfied(cell, scaled) {
            shares[cell] = 0.0;
            continue;
        }
        let share = loss.share(scaled.abs());
        shares[cell] = share;
        if share < 1.0 {
            downweighted.push(Downweighted { sample, species, share, scaled });
        }
    }
    let count = downweighted.len();
    // Stable: equal shares stay in the order of the cells.
    downweighted.sort_by(|a, b| a.share.total_cmp(&b.share));
    downweighted.truncate(limit);
    Ok(CellWeights { shares, count, downweighted })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One factor with WH = 1 everywhere: scaled residuals are (V − 1)/U.
    fn weigh(values: &[f64], censored: &[bool], loss: Loss, limit: usize) -> CellWeights {
        let n = values.len();
        let uncertainties = vec![0.5; n];
        let input = AnalysisInput {
            rows: 1,
            cols: n,
            factors: 1,
            values,
            uncertainties: &uncertainties,
            contributions: &[1.0],
            profiles: &vec![1.0; n],
            censored,
            weak: &[],
            total: None,
        };
        cell_weights(&input, loss, limit).expect("weights")
    }

    #[test]
    fn hubers_shares_are_alpha_over_t_and_the_lowest_come_first() {
        // t = 0, 4, 8 and 16.
        let found = weigh(&[1.0, 3.0, 5.0, -7.0, f64::NAN], &[], Loss::Huber { alpha: 4.0 }, 10);
        assert_eq!(found.shares[..4], [1.0, 1.0, 0.5, 0.25]);
        assert!(found.shares[4].is_nan());
        assert_eq!(
            found.downweighted,
            [
                Downweighted { sample: 0, species: 3, share: 0.25, scaled: -16.0 },
                Downweighted { sample: 0, species: 2, share: 0.5, scaled: 8.0 }
            ]
        );
        let short = weigh(&[1.0, 3.0, 5.0, -7.0], &[], Loss::Huber { alpha: 4.0 }, 1);
        assert_eq!((short.count, short.downweighted.len()), (2, 1));
    }

    #[test]
    fn least_squares_trusts_every_cell_and_student_trusts_good_ones_more() {
        assert_eq!(weigh(&[1.0, 100.0], &[], Loss::Squares, 10).shares, [1.0, 1.0]);
        let found = weigh(&[1.0, 2.0], &[], Loss::Student { freedom: 4.0 }, 10);
        assert_eq!(found.shares, [1.25, 5.0 / 8.0]);
        assert_eq!(found.count, 1);
    }

    #[test]
    fn a_censored_cell_keeps_nothing_below_its_limit_and_its_share_above() {
        let found = weigh(&[3.0, -3.0], &[true, true], Loss::Huber { alpha: 4.0 }, 10);
        assert_eq!(found.shares, [0.0, 0.5]);
        assert_eq!(found.count, 1);
    }
}
