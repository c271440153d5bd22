//! What a factorisation means for its data: residuals, fit by species and by sample, and who explains what.
//!
//! # Problem
//! Given V (samples × species) with uncertainties U and a solution W, H, with R = V − WH and r = R/U, report where the
//! solution fits, where it does not, and how it shares each species out to the factors. Nothing is fitted here.
//!
//! # Assumptions
//! A cell is *used* where its value is a number, its uncertainty is finite, and the prediction is known (rows and columns that
//! the data cannot tell are NaN in W and H). Everything below is over used cells; what cannot be told is NaN or absent.
//!
//! # Cost
//! O(mnp) and, for the test of normality, a sort of each column; two m × n arrays are returned.
//!
//! # Sources
//! P. Paatero, *Least squares formulation of robust non-negative factor analysis*, 1997, doi:10.1016/S0169-7439(96)00044-5
//! (explained variation).

use crate::mass::{self, MassRegression};
use crate::normality::{Normality, normality};
use headwater_base::Error;

/// A scaled residual beyond this is listed; the limit that PMF programs use.
pub const LARGE_RESIDUAL: f64 = 3.0;

/// Data and solution, all row-major.
#[derive(Clone, Copy, Debug)]
pub struct AnalysisInput<'a> {
    /// Samples m.
    pub rows: usize,
    /// Species n.
    pub cols: usize,
    /// Factors p.
    pub factors: usize,
    /// m × n; NaN is missing.
    pub values: &'a [f64],
    /// m × n; NaN and infinity are missing.
    pub uncertainties: &'a [f64],
    /// W, m × p; NaN where the data cannot tell.
    pub contributions: &'a [f64],
    /// H, p × n; NaN where the data cannot tell.
    pub profiles: &'a [f64],
    /// m × n: cells known only to lie below their value, which are used only where the prediction exceeds it. Empty: none.
    pub censored: &'a [bool],
    /// n: species that PMF programs leave out of their expected Q. Empty: none.
    pub weak: &'a [bool],
    /// Species that is the measured mass.
    pub total: Option<usize>,
}

impl AnalysisInput<'_> {
    /// Whether a cell is censored and the prediction lies below it.
    pub(crate) fn satisfied(&self, cell: usize, residual: f64) -> bool {
        self.censored.get(cell) == Some(&true) && residual >= 0.0
    }
}

/// How well one species, or one sample, is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Used cells.
    pub cells: usize,
    /// Σ r² over them.
    pub q: f64,
    /// q over its expectation, Qexp · cells / all cells. About 1 is right, above 2 deserves a look.
    /// `None` without cells, or where Qexp is not positive.
    pub q_over_expected: Option<f64>,
}

/// The line predicted = intercept + slope · observed of one species, by ordinary least squares over used cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regression {
    /// Used cells n.
    pub cells: usize,
    /// Squared correlation of observed and predicted, S_xy² / (S_xx S_yy). `None` where predictions do not vary.
    pub r_squared: Option<f64>,
    /// S_xy / S_xx. Dimensionless.
    pub slope: f64,
    /// s / √S_xx.
    pub slope_standard_error: f64,
    /// Mean of predicted − slope · mean of observed. In the species' unit.
    pub intercept: f64,
    /// s √(1/n + x̄²/S_xx). In the species' unit.
    pub intercept_standard_error: f64,
    /// s = √(SSE / (n − 2)), the standard error of the residuals about the line. In the species' unit.
    pub residual_standard_error: f64,
}

/// A cell with |r| > [`LARGE_RESIDUAL`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LargeResidual {
    /// 0-based row.
    pub sample: usize,
    /// 0-based column.
    pub species: usize,
    /// r: positive where the solution falls short of the value.
    pub scaled: f64,
}

/// Result of [`analyze`]. Matrices are row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// m × n, V − WH in the data's units; NaN in cells that are not used.
    pub residuals: Vec<f64>,
    /// m × n, r = (V − WH)/U; NaN in cells that are not used.
    pub scaled_residuals: Vec<f64>,
    /// Σ r² over all used cells.
    pub q: f64,
    /// Used cells.
    pub cells: usize,
    /// Qexp = cells − p (m + n), counting rows and columns with used cells; can be negative for small data.
    pub q_expected: f64,
    /// The same over the species that are not weak, as EPA PMF 5 counts.
    pub q_expected_strong: f64,
    /// Measured mass on contributions. `None` without a total, or where it cannot be told.
    pub mass_regression: Option<MassRegression>,
    /// One per species.
    pub species: Vec<Fit>,
    /// One per sample.
    pub samples: Vec<Fit>,
    /// One per species; `None` with fewer than 3 used cells, or where all observed values are equal.
    pub regressions: Vec<Option<Regression>>,
    /// One per species; `None` without used cells.
    pub normality: Vec<Option<Normality>>,
    /// By sample, then by species.
    pub large_residuals: Vec<LargeResidual>,
    /// p × n: Σ_i |w_ik h_kj|/u_ij over Σ_i (Σ_l |w_il h_lj| + |R_ij|)/u_ij, the explained variation of Paatero. Between 0 and 1;
    /// NaN where the denominator is 0.
    pub explained_variation: Vec<f64>,
    /// One per species: the same with |R_ij| on top. With the column of `explained_variation` it adds up to 1.
    pub unexplained_variation: Vec<f64>,
    /// p × n: percentage of the reconstructed species that each factor holds, 100 Σ_i w_ik h_kj / Σ_l Σ_i w_il h_lj over samples with
    /// known contributions (also where this cell is missing). Each column adds up to 100; NaN where nothing is reconstructed.
    pub percent_of_species: Vec<f64>,
    /// One per factor: Σ_ij w_ik h_kj over known rows and columns. Means something where all species have one unit.
    pub mass: Vec<f64>,
}

/// Analyses a solution.
///
/// # Errors
/// `shape-mismatch` where a slice does not have the length its shape says, `value-not-finite` and `uncertainty-not-positive`
/// with the cell.
pub fn analyze(input: &AnalysisInput<'_>) -> Result<Analysis, Error> {
    let &AnalysisInput { rows: m, cols: n, factors: p, .. } = input;
    check(input)?;
    let (w, h) = (input.contributions, input.profiles);
    let mut residuals = vec![f64::NAN; m * n];
    let mut scaled = vec![f64::NAN; m * n];
    let mut explained = vec![0.0; p * n];
    let mut unexplained = vec![0.0; n];
    for i in 0..m {
        for j in 0..n {
            let cell = i * n + j;
            let uncertainty = input.uncertainties[cell];
            let predicted: f64 = (0..p).map(|k| w[i * p + k] * h[k * n + j]).sum();
            let residual = input.values[cell] - predicted;
            if residual.is_nan() || !uncertainty.is_finite() || input.satisfied(cell, residual) {
                continue;
            }
            residuals[cell] = residual;
            scaled[cell] = residual / uncertainty;
            for k in 0..p {
                explained[k * n + j] += (w[i * p + k] * h[k * n + j]).abs() / uncertainty;
            }
            unexplained[j] += residual.abs() / uncertainty;
        }
    }
    for j in 0..n {
        let total = unexplained[j] + (0..p).map(|k| explained[k * n + j]).sum::<f64>();
        unexplained[j] /= total;
        for k in 0..p {
            explained[k * n + j] /= total;
        }
    }

    let column = |j: usize| (0..m).map(move |i| i * n + j);
    let row = |i: usize| i * n..(i + 1) * n;
    let used = |cell: &usize| !scaled[*cell].is_nan();
    let cells = (0..m * n).filter(used).count();
    let rows_used = (0..m).filter(|&i| row(i).any(|cell| used(&cell))).count();
    let cols_used = (0..n).filter(|&j| column(j).any(|cell| used(&cell))).count();
    let q_expected = cells as f64 - (p * (rows_used + cols_used)) as f64;
    let strong = |j: &usize| input.weak.get(*j) != Some(&true);
    let cells_strong = (0..m * n).filter(|cell| used(cell) && strong(&(cell % n))).count();
    let cols_strong = (0..n).filter(|j| strong(j) && column(*j).any(|cell| used(&cell))).count();
    let q_expected_strong = cells_strong as f64 - (p * (rows_used + cols_strong)) as f64;
    let mass_regression = input.total.and_then(|total| {
        let known = |i: &usize| used(&(i * n + total));
        let pairs: Vec<_> =
            (0..m).filter(known).map(|i| (input.values[i * n + total], &w[i * p..(i + 1) * p])).collect();
        mass::regress(&pairs, p)
    });
    let fit = |at: &mut dyn Iterator<Item = usize>| {
        let (count, q) = at
            .filter(|cell| used(cell))
            .fold((0, 0.0), |(count, q), cell| (count + 1, q + scaled[cell] * scaled[cell]));
        let expected = q_expected * count as f64 / cells as f64;
        Fit { cells: count, q, q_over_expected: (count > 0 && expected > 0.0).then(|| q / expected) }
    };
    let species: Vec<Fit> = (0..n).map(|j| fit(&mut column(j))).collect();
    let samples: Vec<Fit> = (0..m).map(|i| fit(&mut row(i))).collect();
    let regressions = (0..n)
        .map(|j| {
            let pairs: Vec<(f64, f64)> = column(j)
                .filter(|cell| used(cell))
                .map(|cell| (input.values[cell], input.values[cell] - residuals[cell]))
                .collect();
            regress(&pairs)
        })
        .collect();
    let normality =
        (0..n).map(|j| normality(column(j).filter(|cell| used(cell)).map(|cell| scaled[cell]).collect())).collect();
    let large_residuals = (0..m * n)
        .filter(|&cell| scaled[cell].abs() > LARGE_RESIDUAL)
        .map(|cell| LargeResidual { sample: cell / n, species: cell % n, scaled: scaled[cell] })
        .collect();
    let (percent_of_species, mass) = shares(input);
    Ok(Analysis {
        q: samples.iter().map(|sample| sample.q).sum(),
        residuals,
        cells,
        q_expected,
        q_expected_strong,
        mass_regression,
        species,
        samples,
        regressions,
        normality,
        large_residuals,
        explained_variation: explained,
        unexplained_variation: unexplained,
        percent_of_species,
        mass,
        scaled_residuals: scaled,
    })
}

/// Lengths and cells that no sum can hold.
pub(crate) fn check(input: &AnalysisInput<'_>) -> Result<(), Error> {
    let &AnalysisInput { rows: m, cols: n, factors: p, .. } = input;
    for (what, length, expected) in [
        ("values", input.values.len(), m * n),
        ("uncertainties", input.uncertainties.len(), m * n),
        ("contributions", input.contributions.len(), m * p),
        ("profiles", input.profiles.len(), p * n),
        ("censored", input.censored.len(), m * n),
        ("weak", input.weak.len(), n),
    ] {
        let optional = matches!(what, "censored" | "weak") && length == 0;
        if length != expected && !optional {
            let message =
                format!("{what}: expected {expected} numbers for {m} samples, {n} species, {p} factors, got {length}");
            return Err(Error::new("shape-mismatch", message));
        }
    }
    for cell in 0..m * n {
        let (value, uncertainty) = (input.values[cell], input.uncertainties[cell]);
        if value.is_infinite() {
            return Err(
                Error::new("value-not-finite", "a value is infinite; a missing value is NaN").at(cell / n, cell % n)
            );
        }
        if uncertainty <= 0.0 {
            let message = format!("an uncertainty must be greater than 0, got {uncertainty}");
            return Err(Error::new("uncertainty-not-positive", message).at(cell / n, cell % n));
        }
    }
    Ok(())
}

/// Percentages of species and masses. Sums over samples separate: Σ_i w_ik h_kj = h_kj Σ_i w_ik.
fn shares(input: &AnalysisInput<'_>) -> (Vec<f64>, Vec<f64>) {
    let &AnalysisInput { rows: m, cols: n, factors: p, contributions: w, profiles: h, .. } = input;
    // A sample counts only if all its contributions are known: otherwise factors would be summed over different samples.
    let known: Vec<usize> = (0..m).filter(|&i| !w[i * p..(i + 1) * p].iter().any(|x| x.is_nan())).collect();
    let sums: Vec<f64> = (0..p).map(|k| known.iter().map(|&i| w[i * p + k]).sum()).collect();
    let mut percent = vec![f64::NAN; p * n];
    for j in 0..n {
        let total: f64 = (0..p).map(|k| sums[k] * h[k * n + j]).sum();
        if total != 0.0 {
            for k in 0..p {
                percent[k * n + j] = 100.0 * sums[k] * h[k * n + j] / total;
            }
        }
    }
    let mass = (0..p).map(|k| (0..n).map(|j| sums[k] * h[k * n + j]).filter(|x| !x.is_nan()).sum()).collect();
    (percent, mass)
}

fn regress(pairs: &[(f64, f64)]) -> Option<Regression> {
    let n = pairs.len() as f64;
    if pairs.len() < 3 {
        return None;
    }
    let x_mean = pairs.iter().map(|(x, _)| x).sum::<f64>() / n;
    let y_mean = pairs.iter().map(|(_, y)| y).sum::<f64>() / n;
    // Sums of centred products: plain sums of squares cancel where the spread is small against the mean.
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        let (dx, dy) = (x - x_mean, y - y_mean);
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    if xx == 0.0 {
        return None;
    }
    let slope = xy / xx;
    let intercept = y_mean - slope * x_mean;
    let sse: f64 = pairs.iter().map(|(x, y)| (y - y_mean - slope * (x - x_mean)).powi(2)).sum();
    let s = (sse / (n - 2.0)).sqrt();
    Some(Regression {
        cells: pairs.len(),
        r_squared: (yy > 0.0).then(|| xy * xy / (xx * yy)),
        slope,
        slope_standard_error: s / xx.sqrt(),
        intercept,
        intercept_standard_error: s * (1.0 / n + x_mean * x_mean / xx).sqrt(),
        residual_standard_error: s,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-12 * (1.0 + b.abs()), "{a} is not {b}");
    }

    /// Two factors, three samples, two species. WH = [[2, 1], [4, 5], [6, 3]].
    const W: [f64; 6] = [1.0, 0.0, 1.0, 1.0, 3.0, 0.0];
    const H: [f64; 4] = [2.0, 1.0, 2.0, 4.0];
    const V: [f64; 6] = [3.0, 1.0, 4.0, 3.0, 6.0, 7.0];
    const U: [f64; 6] = [0.5, 1.0, 1.0, 0.5, 2.0, 1.0];

    fn input<'a>(values: &'a [f64], uncertainties: &'a [f64]) -> AnalysisInput<'a> {
        AnalysisInput {
            rows: 3,
            cols: 2,
            factors: 2,
            values,
            uncertainties,
            contributions: &W,
            profiles: &H,
            censored: &[],
            weak: &[],
            total: None,
        }
    }

    #[test]
    fn residuals_and_q_are_those_worked_out_by_hand() {
        let a = analyze(&input(&V, &U)).unwrap();
        assert_eq!(a.residuals, [1.0, 0.0, 0.0, -2.0, 0.0, 4.0]);
        assert_eq!(a.scaled_residuals, [2.0, 0.0, 0.0, -4.0, 0.0, 4.0]);
        assert_eq!((a.q, a.cells), (36.0, 6));
        assert_eq!(a.species.iter().map(|fit| fit.q).collect::<Vec<_>>(), [4.0, 32.0]);
        assert_eq!(a.samples.iter().map(|fit| fit.q).collect::<Vec<_>>(), [4.0, 16.0, 16.0]);
        assert_eq!(a.q_expected, 6.0 - 2.0 * 5.0);
        assert!(a.species.iter().all(|fit| fit.q_over_expected.is_none()), "Qexp is not positive");
        assert_eq!(
            a.large_residuals,
            [
                LargeResidual { sample: 1, species: 1, scaled: -4.0 },
                LargeResidual { sample: 2, species: 1, scaled: 4.0 }
            ]
        );
    }

    #[test]
    fn q_over_expected_is_relative_to_the_share_of_the_cells() {
        // 4 × 3, one factor: Qexp = 12 − 7 = 5, of which 4/12 per species and 3/12 per sample.
        let (values, uncertainties) = ([2.0; 12], [1.0; 12]);
        let a = analyze(&AnalysisInput {
            rows: 4,
            cols: 3,
            factors: 1,
            values: &values,
            uncertainties: &uncertainties,
            contributions: &[1.0; 4],
            profiles: &[1.0, 2.0, 3.0],
            censored: &[],
            weak: &[],
            total: None,
        })
        .unwrap();
        assert_eq!(a.q_expected, 5.0);
        close(a.species[0].q_over_expected.unwrap(), 4.0 / (5.0 / 3.0));
        close(a.species[1].q_over_expected.unwrap(), 0.0);
        close(a.samples[3].q_over_expected.unwrap(), 2.0 / (5.0 / 4.0));
    }

    #[test]
    fn weak_species_and_satisfied_censored_cells_do_not_count() {
        let a = analyze(&AnalysisInput { weak: &[false, true], ..input(&V, &U) }).unwrap();
        assert_eq!(a.q_expected_strong, 3.0 - 2.0 * 4.0);
        // Of the cells off by 1, −2 and 4 only the second exceeds its value.
        let a = analyze(&AnalysisInput { censored: &[true; 6], ..input(&V, &U) }).unwrap();
        assert_eq!((a.cells, a.q), (1, 16.0));
    }

    #[test]
    fn missing_cells_and_unknown_factors_are_left_out_everywhere() {
        let values = [3.0, NAN, 4.0, 3.0, 6.0, 7.0];
        let uncertainties = [0.5, 1.0, f64::INFINITY, 0.5, NAN, 1.0];
        let w = [1.0, 0.0, 1.0, 1.0, NAN, NAN];
        let a = analyze(&AnalysisInput { contributions: &w, ..input(&values, &uncertainties) }).unwrap();
        assert_eq!(a.cells, 2);
        assert_eq!(
            a.scaled_residuals.iter().map(|r| r.is_nan()).collect::<Vec<_>>(),
            [false, true, true, false, true, true]
        );
        assert_eq!(a.samples[2], Fit { cells: 0, q: 0.0, q_over_expected: None });
        assert_eq!(a.q_expected, 2.0 - 2.0 * 4.0, "the third sample has no used cell");
        assert_eq!(a.normality[0].unwrap().standard_deviation, None);
        // Shares: sums of contributions over the two known samples are 2 and 1.
        close(a.percent_of_species[0], 100.0 * 4.0 / 6.0);
        assert_eq!(a.mass, [2.0 * 3.0, 1.0 * 6.0]);
    }

    #[test]
    fn an_unknown_species_is_nan_and_does_not_spoil_the_mass() {
        let h = [2.0, NAN, 2.0, NAN];
        let values = [3.0, NAN, 4.0, NAN, 6.0, NAN];
        let a = analyze(&AnalysisInput { profiles: &h, ..input(&values, &U) }).unwrap();
        assert_eq!(a.mass, [10.0, 2.0]);
        assert!(
            a.percent_of_species[1].is_nan()
                && a.explained_variation[1].is_nan()
                && a.unexplained_variation[1].is_nan()
        );
        assert_eq!((a.regressions[1], a.normality[1]), (None, None));
    }

    #[test]
    fn shares_and_explained_variation_are_those_worked_out_by_hand() {
        let a = analyze(&input(&V, &U)).unwrap();
        // Sums of contributions 5 and 1: species 0 is 10 : 2, species 1 is 5 : 4.
        for (got, expected) in a.percent_of_species.iter().zip([1000.0 / 12.0, 500.0 / 9.0, 200.0 / 12.0, 400.0 / 9.0])
        {
            close(*got, expected);
        }
        assert_eq!(a.mass, [15.0, 6.0]);
        // Species 0: factor 0 explains 2/0.5 + 2/1 + 6/2 = 9, factor 1 explains 2/1 = 2, left over is 1/0.5 = 2.
        close(a.explained_variation[0], 9.0 / 13.0);
        close(a.explained_variation[2], 2.0 / 13.0);
        close(a.unexplained_variation[0], 2.0 / 13.0);
        // Species 1: 1 + 1/0.5 + 3 = 6 and 4/0.5 = 8; left over 2/0.5 + 4 = 8.
        close(a.explained_variation[1], 6.0 / 22.0);
        close(a.explained_variation[3], 8.0 / 22.0);
        close(a.unexplained_variation[1], 8.0 / 22.0);
    }

    #[test]
    fn the_line_of_observed_against_predicted_is_that_of_the_textbook() {
        // x = 1, 2, 3, 4 and y = 2, 3, 5, 6: slope 1.4, intercept 0.5, SSE 0.2, S_xx 5, S_yy 10.
        let line = regress(&[(1.0, 2.0), (2.0, 3.0), (3.0, 5.0), (4.0, 6.0)]).unwrap();
        close(line.slope, 1.4);
        close(line.intercept, 0.5);
        close(line.residual_standard_error, 0.1_f64.sqrt());
        close(line.slope_standard_error, (0.1_f64 / 5.0).sqrt());
        close(line.intercept_standard_error, (0.1_f64 * (0.25 + 6.25 / 5.0)).sqrt());
        close(line.r_squared.unwrap(), 0.98);
    }

    #[test]
    fn the_line_uses_observed_as_x() {
        // Observed 3, 4, 6 and predicted 2, 4, 6: S_xx = 14/3, S_xy = 6.
        close(analyze(&input(&V, &U)).unwrap().regressions[0].unwrap().slope, 18.0 / 14.0);
    }

    #[test]
    fn a_line_needs_three_cells_and_values_that_vary() {
        assert_eq!(regress(&[(1.0, 2.0), (2.0, 3.0)]), None);
        assert_eq!(regress(&[(1.0, 2.0), (1.0, 3.0), (1.0, 4.0)]), None);
        assert_eq!(regress(&[(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]).unwrap().r_squared, None);
    }

    #[test]
    fn a_line_far_from_the_origin_keeps_its_slope() {
        let line = regress(&[(1e9 + 1.0, 2e9 + 1.0), (1e9 + 2.0, 2e9 + 2.0), (1e9 + 3.0, 2e9 + 3.0)]).unwrap();
        close(line.slope, 1.0);
    }

    #[test]
    fn wrong_lengths_and_impossible_cells_are_refused() {
        let short = analyze(&input(&V[..5], &U)).unwrap_err();
        assert_eq!(short.code, "shape-mismatch");
        let weak = analyze(&AnalysisInput { weak: &[true], ..input(&V, &U) }).unwrap_err();
        assert_eq!(weak.code, "shape-mismatch");
        let mut values = V;
        values[3] = f64::INFINITY;
        let infinite = analyze(&input(&values, &U)).unwrap_err();
        assert_eq!((infinite.code, infinite.row, infinite.col), ("value-not-finite", Some(1), Some(1)));
        let mut uncertainties = U;
        uncertainties[4] = 0.0;
        let zero = analyze(&input(&V, &uncertainties)).unwrap_err();
        assert_eq!((zero.code, zero.row, zero.col), ("uncertainty-not-positive", Some(2), Some(0)));
    }
}
