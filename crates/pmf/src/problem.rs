//! The data of a factorisation: checked, scaled, laid out for the kernels.
//!
//! # Orientation
//! The engine calls the side with more members *long* (usually the samples) and the other one *short*
//! (usually the species): second-order steps eliminate the long factor and work on the short one.
//! Which side the contributions are on is known here only.
//!
//! # Scaling
//! Rows and columns are multiplied by powers of two (exact) so that uncertainties are of order 1, and all
//! values by one more so that the root mean square of V/U is of order 1. Thus neither the units of a
//! species nor the size of Q matters to anything inside, and nothing overflows on the way.

use crate::judge::Extent;
use crate::loss::{Loss, Penalty};
use crate::pins::{self, Pin};
use crate::scaling::{Scaling, equilibrate, scale};
use headwater_base::{Error, Warning};
use headwater_linalg::LANES;

/// Largest number of factors the kernels are built for.
pub const MAX_FACTORS: usize = 1024;

/// Values and weights seen from one side: for each block of [`LANES`] members, `inner * LANES` numbers,
/// member fastest. Absent cells and padding have weight 0 and value 0.
#[derive(Clone)]
pub(crate) struct Side {
    pub count: usize,
    pub inner: usize,
    pub omega: Vec<f64>,
    pub value: Vec<f64>,
    /// Members that have a cell with weight.
    pub present: Vec<bool>,
    /// Power of two that the member's values were multiplied by.
    pub exponent: Vec<i32>,
    /// What the cells' misfits cost.
    pub penalty: Penalty,
    /// 1 where the cell is censored, laid out like `omega`; empty where none is.
    pub censored: Vec<f64>,
}

impl Side {
    pub fn blocks(&self) -> usize {
        self.count.div_ceil(LANES)
    }
    /// Length of one block of `omega` or `value`.
    pub fn block_len(&self) -> usize {
        self.inner * LANES
    }
    pub fn omega_block(&self, block: usize) -> &[f64] {
        &self.omega[block * self.block_len()..][..self.block_len()]
    }
    /// Place of a cell in `omega` and `value`.
    pub fn cell(&self, member: usize, t: usize) -> usize {
        member / LANES * self.block_len() + t * LANES + member % LANES
    }
    /// Empty where no cell is censored.
    pub fn censored_block(&self, block: usize) -> &[f64] {
        if self.censored.is_empty() { &[] } else { &self.censored[block * self.block_len()..][..self.block_len()] }
    }
    /// Whether Q is the plain sum of weighted squares.
    pub fn squares(&self) -> bool {
        self.penalty == Penalty::Squares && self.censored.is_empty()
    }
    pub fn value_block(&self, block: usize) -> &[f64] {
        &self.value[block * self.block_len()..][..self.block_len()]
    }
}

/// Checked data, ready to be factorised any number of times.
///
/// Memory: twice the bytes of the values and uncertainties (each kept in both orders).
#[derive(Clone)]
pub struct Problem {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    /// True where the samples are the short side.
    pub(crate) transposed: bool,
    pub(crate) long: Side,
    pub(crate) short: Side,
    /// Number of cells with weight.
    pub(crate) cells: usize,
    /// ΣΩV² in scaled units.
    pub(crate) total: f64,
    /// Values were multiplied by 2^-global: Q = q · 4^global.
    pub(crate) global: i32,
    pub(crate) warnings: Vec<Warning>,
    /// Cells that the fit passes through.
    pub(crate) pins: Vec<Pin>,
    pub(crate) formed_up_to: usize,
    pub(crate) loss: Loss,
    /// How often each sample was drawn, where the data are a resample (of those that were); empty otherwise.
    pub(crate) drawn: Vec<u32>,
}

/// Unknowns (short side × factors) up to which the reduced Hessian is formed and factored (18 MB). Measured: at 960
/// unknowns forming takes half the time of working with products, at 2000 twice, at 2400 (300 species) eight times.
const FORMED_UP_TO: usize = 1500;

impl Problem {
    /// Checks and lays out `rows` samples × `cols` species (row-major).
    ///
    /// A value that is NaN, or an uncertainty that is NaN or infinite, is a missing cell (weight 0).
    ///
    /// # Errors
    /// `shape-mismatch`; `empty-data`; `value-not-finite` and `uncertainty-not-positive` with the cell;
    /// `no-data` (no cell has weight); `scale-overflow` (ΣΩV² is not a finite number).
    pub fn new(rows: usize, cols: usize, values: Vec<f64>, uncertainties: Vec<f64>) -> Result<Self, Error> {
        let problem = Self::laid_out(rows, cols, &values, &uncertainties, 0, None)?;
        if problem.cells == 0 {
            return Err(Error::new("no-data", "every cell is missing: no value has an uncertainty"));
        }
        Ok(problem)
    }

    /// Rows of a larger table from its row `first`, in its scaling; the samples are the long side whatever their number,
    /// and all cells may be missing.
    ///
    /// # Errors
    /// As [`Self::new`] but `no-data`.
    pub(crate) fn batch(
        rows: usize,
        cols: usize,
        values: &[f64],
        uncertainties: &[f64],
        first: usize,
        scaling: &Scaling,
    ) -> Result<Self, Error> {
        Self::laid_out(rows, cols, values, uncertainties, first, Some(scaling))
    }

    fn laid_out(
        rows: usize,
        cols: usize,
        values: &[f64],
        uncertainties: &[f64],
        first: usize,
        scaling: Option<&Scaling>,
    ) -> Result<Self, Error> {
        if rows == 0 || cols == 0 {
            return Err(Error::new("empty-data", format!("the data have {rows} samples and {cols} species")));
        }
        for (name, length) in [("values", values.len()), ("uncertainties", uncertainties.len())] {
            if length != rows * cols {
                return Err(Error::new(
                    "shape-mismatch",
                    format!("{name} must hold {rows} × {cols} = {} numbers, got {length}", rows * cols),
                ));
            }
        }
        check_cells(cols, values, uncertainties, first)?;
        let has_weight = |at: usize| !values[at].is_nan() && uncertainties[at].is_finite();
        let cells = (0..rows * cols).filter(|&at| has_weight(at)).count();
        let given = scaling.map(|scaling| scaling.columns.as_slice());
        let (row_exponent, col_exponent) = equilibrate(cols, uncertainties, has_weight, given);
        // |V/U| in units that cannot overflow, and its root mean square.
        let ratio = |at: usize| values[at].abs() / uncertainties[at];
        let weighted = || (0..rows * cols).filter(|&at| has_weight(at));
        let largest = weighted().map(ratio).fold(0.0, f64::max);
        if largest.is_infinite() {
            return Err(overflow());
        }
        let mut global = 0;
        if let Some(scaling) = scaling {
            global = scaling.global;
        } else if largest > 0.0 {
            let mean_square = weighted().map(|at| (ratio(at) / largest).powi(2)).sum::<f64>() / cells as f64;
            global = (largest.log2() + 0.5 * mean_square.log2()).round() as i32;
        }
        let scaled = |at: usize| {
            let exponent = row_exponent[at / cols] + col_exponent[at % cols];
            let u = scale(uncertainties[at], exponent);
            (1.0 / (u * u), scale(values[at], exponent - global))
        };
        let transposed = cols > rows && scaling.is_none();
        let side = |count: usize, inner: usize, by_row: bool, exponent: &[i32]| {
            let blocks = count.div_ceil(LANES);
            let mut side = Side {
                count,
                inner,
                omega: vec![0.0; blocks * inner * LANES],
                value: vec![0.0; blocks * inner * LANES],
                present: vec![false; count],
                exponent: exponent.to_vec(),
                penalty: Penalty::Squares,
                censored: Vec::new(),
            };
            for member in 0..count {
                for t in 0..inner {
                    let at = if by_row { member * cols + t } else { t * cols + member };
                    if has_weight(at) {
                        let to = (member / LANES) * inner * LANES + t * LANES + member % LANES;
                        (side.omega[to], side.value[to]) = scaled(at);
                        side.present[member] = true;
                    }
                }
            }
            side
        };
        let samples = side(rows, cols, true, &row_exponent);
        let species = side(cols, rows, false, &col_exponent);
        let mut warnings = Vec::new();
        for (code, noun, side) in
            [("column-without-data", "species", &species), ("row-without-data", "sample", &samples)]
        {
            for index in (0..side.count).filter(|&i| !side.present[i]) {
                let message = format!("{noun} {index} has no cell with weight; its factor elements are NaN");
                warnings.push(Warning { code, index: Some(index), message });
            }
        }
        let (mut long, mut short) = if transposed { (species, samples) } else { (samples, species) };
        let pins = pins::find(&mut long, &mut short);
        for pin in &pins {
            let (row, col) = if transposed { (pin.short, pin.long) } else { (pin.long, pin.short) };
            let message = format!(
                "the uncertainty at sample {row}, species {col} is so small beside the others that the fit passes \
                 through that cell"
            );
            warnings.push(Warning { code: "weights-too-uneven", index: Some(row), message });
        }
        let squares: Vec<f64> = long.omega.iter().zip(&long.value).map(|(w, v)| w * v * v).collect();
        let total = headwater_base::parallel::pairwise_sum(&squares);
        let problem = Self {
            rows,
            cols,
            transposed,
            long,
            short,
            cells,
            total,
            global,
            warnings,
            pins,
            formed_up_to: FORMED_UP_TO,
            loss: Loss::Squares,
            drawn: Vec::new(),
        };
        if !problem.unscale_q(total).is_finite() {
            return Err(overflow());
        }
        Ok(problem)
    }

    /// The same problem with another limit on the number of unknowns (members of the smaller side × factors) whose
    /// Hessian is formed; beyond it the second order works with products alone. Default 1500.
    pub fn with_formed_up_to(mut self, unknowns: usize) -> Self {
        self.formed_up_to = unknowns;
        self
    }

    /// The same data with another objective than the sum of squares. Weights that dwarf all others are then taken as
    /// they are: a robust loss bounds the force of a cell.
    ///
    /// # Errors
    /// `option-out-of-range` unless α or ν is positive and finite.
    pub fn with_loss(self, loss: Loss) -> Result<Self, Error> {
        let mut out = if self.pins.is_empty() { self } else { self.without_pins() };
        out.warnings.retain(|warning| warning.code != "weights-too-uneven");
        let penalty = match loss {
            Loss::Squares => Penalty::Squares,
            Loss::Huber { alpha } if alpha > 0.0 && alpha.is_finite() => {
                Penalty::Huber { alpha: scale(alpha, -out.global) }
            }
            Loss::Student { freedom } if freedom > 0.0 && freedom.is_finite() => Penalty::Student {
                factor: scale(freedom + 1.0, -2 * out.global),
                spread: scale(freedom, -2 * out.global),
            },
            Loss::Huber { alpha: number } | Loss::Student { freedom: number } => {
                let message = format!("the parameter of a robust loss must be positive and finite, not {number}");
                return Err(Error::new("option-out-of-range", message));
            }
        };
        (out.loss, out.long.penalty, out.short.penalty) = (loss, penalty, penalty);
        Ok(out)
    }

    /// The same data with cells (row-major, samples × species) that are known only to lie below their value: they cost
    /// nothing while the model is below it, and otherwise as any cell.
    ///
    /// # Errors
    /// `shape-mismatch`.
    pub fn with_censored(self, cells: &[bool]) -> Result<Self, Error> {
        let (rows, cols) = (self.rows, self.cols);
        if cells.len() != rows * cols {
            let message = format!("censored must hold {rows} × {cols} flags, got {}", cells.len());
            return Err(Error::new("shape-mismatch", message));
        }
        if !cells.contains(&true) {
            return Ok(self);
        }
        let mut out = if self.pins.is_empty() { self } else { self.without_pins() };
        let transposed = out.transposed;
        for (side, by_row) in [(&mut out.long, !transposed), (&mut out.short, transposed)] {
            side.censored = vec![0.0; side.omega.len()];
            for member in 0..side.count {
                for t in 0..side.inner {
                    let at = if by_row { member * cols + t } else { t * cols + member };
                    if cells[at] {
                        let to = side.cell(member, t);
                        side.censored[to] = 1.0;
                    }
                }
            }
        }
        Ok(out)
    }

    /// The function of the misfits whose sum is minimised.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// Whether the reduced Hessian of `p` factors is formed.
    pub(crate) fn forms_hessian(&self, p: usize) -> bool {
        self.short.count * p <= self.formed_up_to
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of species.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// What stands out in the data: `row-without-data`, `column-without-data`, `weights-too-uneven`.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Number of samples and of species that have data.
    pub(crate) fn present(&self) -> (usize, usize) {
        let count = |side: &Side| side.present.iter().filter(|p| **p).count();
        (count(&self.long), count(&self.short))
    }

    /// What the thresholds of a certificate must know of the data.
    pub(crate) fn extent(&self) -> Extent {
        Extent { cells: self.cells, total: self.total, one: self.scale_q(1.0) }
    }

    /// What other rows of the same table have to be scaled by.
    pub(crate) fn scaling(&self) -> Scaling {
        Scaling { columns: self.sides().1.exponent.clone(), global: self.global }
    }

    /// Q in the caller's units from the engine's.
    pub(crate) fn unscale_q(&self, q: f64) -> f64 {
        scale(q, 2 * self.global)
    }

    /// Q in the engine's units from the caller's.
    pub(crate) fn scale_q(&self, q: f64) -> f64 {
        scale(q, -2 * self.global)
    }

    /// The engine's (long, short) factors, both member × p, from contributions (rows × p) and profiles (p × cols).
    pub(crate) fn scale_factors(&self, p: usize, contributions: &[f64], profiles: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (samples, species) = self.sides();
        let samples: Vec<f64> =
            (0..self.rows * p).map(|at| scale(contributions[at], samples.exponent[at / p] - self.global)).collect();
        let species: Vec<f64> = (0..self.cols * p)
            .map(|at| scale(profiles[(at % p) * self.cols + at / p], species.exponent[at / p]))
            .collect();
        if self.transposed { (species, samples) } else { (samples, species) }
    }

    /// Contributions (rows × p) and profiles (p × cols) in the caller's units from the engine's factors.
    pub(crate) fn unscale_factors(&self, p: usize, long: &[f64], short: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (samples, species) = self.sides();
        let (w, h) = if self.transposed { (short, long) } else { (long, short) };
        let contributions = (0..self.rows * p).map(|at| scale(w[at], self.global - samples.exponent[at / p])).collect();
        let profiles = (0..p * self.cols)
            .map(|at| scale(h[(at % self.cols) * p + at / self.cols], -species.exponent[at % self.cols]))
            .collect();
        (contributions, profiles)
    }

    /// The same data with the sides exchanged.
    pub(crate) fn turned(&self) -> Problem {
        let mut out = self.clone();
        std::mem::swap(&mut out.long, &mut out.short);
        for pin in &mut out.pins {
            std::mem::swap(&mut pin.long, &mut pin.short);
        }
        out.transposed = !out.transposed;
        out
    }

    /// Contribution of sample i in the caller's units over the engine's.
    pub(crate) fn sample_scale(&self, i: usize) -> f64 {
        scale(1.0, self.global - self.sides().0.exponent[i])
    }

    /// s_i with which Σ s_i w_i, over the engine's contributions, is the mean contribution in the caller's units: over
    /// the samples with data, each as often as it was drawn.
    pub(crate) fn mean_weights(&self) -> Vec<f64> {
        let draws = self.draws();
        let total: f64 = draws.iter().sum();
        draws.iter().enumerate().map(|(i, d)| if *d > 0.0 { self.sample_scale(i) * d / total } else { 0.0 }).collect()
    }

    /// How often each sample counts: 0 without data, and as often as it was drawn in a resample.
    pub(crate) fn draws(&self) -> Vec<f64> {
        let present = &self.sides().0.present;
        let times = |i: usize| self.drawn.get(i).map_or(1.0, |drawn| f64::from(*drawn));
        (0..self.rows).map(|i| if present[i] { times(i) } else { 0.0 }).collect()
    }

    /// Profile element of species j in the caller's units over the engine's.
    pub(crate) fn species_scale(&self, j: usize) -> f64 {
        scale(1.0, -self.sides().1.exponent[j])
    }

    /// (samples, species).
    pub(crate) fn sides(&self) -> (&Side, &Side) {
        if self.transposed { (&self.short, &self.long) } else { (&self.long, &self.short) }
    }
}

/// Refuses cells that no fit can use, in rows that are counted from `first`.
///
/// # Errors
/// `value-not-finite`, `uncertainty-not-positive`.
pub(crate) fn check_cells(cols: usize, values: &[f64], uncertainties: &[f64], first: usize) -> Result<(), Error> {
    for (at, (v, u)) in values.iter().zip(uncertainties).enumerate() {
        let (row, col) = (first + at / cols, at % cols);
        if v.is_infinite() {
            return Err(Error::new(
                "value-not-finite",
                format!("the value at row {row}, column {col} is infinite; leave a missing value blank (NaN)"),
            )
            .at(row, col));
        }
        if *u <= 0.0 {
            return Err(Error::new(
                "uncertainty-not-positive",
                format!("the uncertainty at row {row}, column {col} is {u}; it must be greater than 0"),
            )
            .at(row, col));
        }
    }
    Ok(())
}

fn overflow() -> Error {
    Error::new(
        "scale-overflow",
        "the sum of (value/uncertainty)² exceeds the range of a double; give larger uncertainties or smaller values",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_is_undone_exactly() {
        let values = vec![1e12, 3.0, f64::NAN, 7e-9, 0.0, 2.0];
        let uncertainties = vec![1e10, 1.0, 1.0, 1e-10, 0.5, 0.25];
        let problem = Problem::new(3, 2, values, uncertainties).expect("good data");
        let (w, h) = (vec![1.5e9, 2.0, 3.0, 4.0, 5.0, 6.25], vec![1e-3, 1e3, 7.0, 9.0]);
        let (long, short) = problem.scale_factors(2, &w, &h);
        assert_eq!(problem.unscale_factors(2, &long, &short), (w, h));
        assert_eq!(problem.unscale_q(problem.scale_q(1234.5)), 1234.5);
    }

    #[test]
    fn sums_of_squares_up_to_1e300_are_scaled_and_beyond_are_refused() {
        let problem = Problem::new(2, 2, vec![1e150; 4], vec![1.0; 4]).expect("4e300 is a double");
        assert!(problem.total.is_finite() && (problem.unscale_q(problem.total) / 4e300 - 1.0).abs() < 1e-14);
        let error = Problem::new(2, 2, vec![1e160; 4], vec![1e-12; 4]).err().expect("1e344 is not");
        assert_eq!(error.code, "scale-overflow");
    }

    #[test]
    fn bad_cells_are_refused_with_their_place() {
        let refuse = |values: [f64; 4], uncertainties: [f64; 4]| {
            let error = Problem::new(2, 2, values.to_vec(), uncertainties.to_vec()).err().expect("refused");
            (error.code, error.row, error.col)
        };
        let one = [1.0; 4];
        assert_eq!(refuse([1.0, 1.0, f64::INFINITY, 1.0], one), ("value-not-finite", Some(1), Some(0)));
        assert_eq!(refuse(one, [1.0, 0.0, 1.0, 1.0]), ("uncertainty-not-positive", Some(0), Some(1)));
        assert_eq!(refuse(one, [1.0, 1.0, 1.0, -2.0]), ("uncertainty-not-positive", Some(1), Some(1)));
        assert_eq!(refuse([f64::NAN; 4], one), ("no-data", None, None));
    }
}
