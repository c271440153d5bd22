//! How well rows are reconstructed, summed over batches of rows in f64.
//!
//! Per column the weight W, the mean and Σw(x − mean)² of data and of residuals r = x − x̂, by
//! mean ← mean + (w/W)(x − mean), Σ ← Σ + w(x − mean_old)(x − mean_new), so that no large squares are subtracted; data are
//! taken relative to the first value of their column, so that an offset of a column costs no digits. Chunks of
//! 1024 rows, counted from the first row ever, are summed like that and then joined, which bounds the rounding error by
//! about (1024 + N/1024)·2⁻⁵³ of a sum. What bounds it: one division a cell.
//! Sources: B. P. Welford (1962), "Note on a method for calculating corrected sums of squares and products", Technometrics
//! 4:419; T. F. Chan, G. H. Golub, R. J. LeVeque (1983), "Algorithms for computing the sample variance", The American
//! Statistician 37:242.

use headwater_base::Error;

const CHUNK: usize = 1024;

/// What [`Reconstruction::metrics`] answers. Absent is what the data do not define.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReconstructionMetrics {
    /// Rows seen.
    pub rows: usize,
    /// Cells with a weight above 0.
    pub cells: usize,
    /// 1 − Σw(x − x̂)²/Σw(x − x̄)², x̄ the means of these rows: an offset of x̂ counts as error. Absent for constant data.
    pub explained_variance: Option<f64>,
    /// 1 − Σ_c var(x − x̂)/Σ_c var(x) over columns c: an offset of x̂ is free. Absent for constant data.
    pub explained_variance_centred: Option<f64>,
    /// Fraction of variance unexplained: 1 − `explained_variance`.
    pub unexplained: Option<f64>,
    /// 1 − `explained_variance_centred`.
    pub unexplained_centred: Option<f64>,
    /// Σw(x − x̂)²/Σw: mean over cells, in squared units of the data. Absent without cells.
    pub mean_squared_error: Option<f64>,
    /// Mean over rows of ⟨x, x̂⟩/(‖x‖‖x̂‖); 0 for a row with x̂ = 0, rows with x = 0 left out.
    pub cosine: Option<f64>,
    /// Mean over rows of ‖x̂‖/‖x‖, rows with x = 0 left out. Below 1 is shrinkage.
    pub length_ratio: Option<f64>,
    /// Σ‖x̂‖²/Σ⟨x, x̂⟩ over rows: 1 for x̂ without bias. Absent where x̂ is never on the side of x.
    pub relative_bias: Option<f64>,
    /// Rows with x = 0, which cosine and length ratio leave out.
    pub zero_rows: usize,
}

/// Weight, mean and Σw(x − mean)² of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Moments {
    weight: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    #[inline(always)]
    fn add(&mut self, w: f64, x: f64) {
        self.weight += w;
        let off = x - self.mean;
        self.mean += w / self.weight * off;
        self.squares += w * off * (x - self.mean);
    }

    /// The moments of both sets of numbers together.
    fn join(&mut self, other: &Self) {
        let weight = self.weight + other.weight;
        if other.weight > 0.0 {
            let (off, share) = (other.mean - self.mean, other.weight / weight);
            self.squares += other.squares + off * off * self.weight * share;
            self.mean += share * off;
            self.weight = weight;
        }
    }
}

/// Sums over rows.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sums {
    data: Vec<Moments>,
    residual: Vec<Moments>,
    /// Σwr².
    error: f64,
    cells: usize,
    cosine: f64,
    length_ratio: f64,
    /// Σ‖x̂‖², Σ⟨x, x̂⟩.
    fitted: f64,
    product: f64,
    rows: usize,
    zero_rows: usize,
}

impl Sums {
    fn new(columns: usize) -> Self {
        Self { data: vec![Moments::default(); columns], residual: vec![Moments::default(); columns], ..Self::default() }
    }

    fn add(&mut self, x: &[f64], fitted: &[f64], weights: Option<&[f64]>, origin: &mut [f64]) {
        let (mut xx, mut ff, mut xf) = (0.0, 0.0, 0.0);
        for c in 0..x.len() {
            let w = if x[c].is_nan() { 0.0 } else { weights.map_or(1.0, |w| w[c]) };
            if w > 0.0 {
                let r = x[c] - fitted[c];
                origin[c] = if origin[c].is_nan() { x[c] } else { origin[c] };
                self.data[c].add(w, x[c] - origin[c]);
                self.residual[c].add(w, r);
                self.error += w * r * r;
                self.cells += 1;
                xx += w * x[c] * x[c];
                ff += w * fitted[c] * fitted[c];
                xf += w * x[c] * fitted[c];
            }
        }
        self.rows += 1;
        self.fitted += ff;
        self.product += xf;
        if xx > 0.0 {
            self.cosine += if ff > 0.0 { (xf / xx.sqrt() / ff.sqrt()).clamp(-1.0, 1.0) } else { 0.0 };
            self.length_ratio += (ff / xx).sqrt();
        } else {
            self.zero_rows += 1;
        }
    }

    fn join(&mut self, other: &Self) {
        self.data.iter_mut().zip(&other.data).for_each(|(x, y)| x.join(y));
        self.residual.iter_mut().zip(&other.residual).for_each(|(x, y)| x.join(y));
        self.error += other.error;
        self.cells += other.cells;
        self.cosine += other.cosine;
        self.length_ratio += other.length_ratio;
        self.fitted += other.fitted;
        self.product += other.product;
        self.rows += other.rows;
        self.zero_rows += other.zero_rows;
    }
}

/// Data beside their reconstruction, batch after batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconstruction {
    columns: usize,
    /// The first value of each column, NaN before there is one.
    origin: Vec<f64>,
    before: Sums,
    chunk: Sums,
}

impl Reconstruction {
    /// Without rows, for this number of columns.
    pub fn new(columns: usize) -> Self {
        Self { columns, origin: vec![f64::NAN; columns], before: Sums::new(columns), chunk: Sums::new(columns) }
    }

    /// Adds rows and their reconstructions (both rows × columns, row-major) with weights of cells (1 where not given). NaN
    /// in `rows` is a missing cell, as is weight 0.
    ///
    /// Errors, with row and column inside this batch, and nothing added: `shape-mismatch`; `value-not-finite` for an
    /// infinite value, or a reconstruction that is not finite where a cell counts; `weight-not-valid` for a weight that is
    /// negative or not finite.
    pub fn add(&mut self, rows: &[f64], fitted: &[f64], weights: Option<&[f64]>) -> Result<(), Error> {
        let p = self.columns;
        if p == 0 || !rows.len().is_multiple_of(p) || fitted.len() != rows.len() {
            let message = format!(
                "rows and reconstructions need the same number of values, a multiple of {p}, got {} and {}",
                rows.len(),
                fitted.len()
            );
            return Err(Error::new("shape-mismatch", message));
        }
        if let Some(weights) = weights.filter(|weights| weights.len() != rows.len()) {
            let message = format!("{} values need as many weights, got {}", rows.len(), weights.len());
            return Err(Error::new("shape-mismatch", message));
        }
        for (at, (x, f)) in rows.iter().zip(fitted).enumerate() {
            let w = weights.map_or(1.0, |weights| weights[at]);
            if !(w >= 0.0 && w.is_finite()) {
                let message = format!("a weight is {w}; allowed are finite numbers from 0");
                return Err(Error::new("weight-not-valid", message).at(at / p, at % p));
            }
            if x.is_infinite() || w > 0.0 && !x.is_nan() && !f.is_finite() {
                let (what, value) = if x.is_infinite() { ("value", x) } else { ("reconstruction", f) };
                let message = format!("a {what} is {value}; a missing value is NaN");
                return Err(Error::new("value-not-finite", message).at(at / p, at % p));
            }
        }
        for at in (0..rows.len()).step_by(p) {
            let weights = weights.map(|weights| &weights[at..at + p]);
            self.chunk.add(&rows[at..at + p], &fitted[at..at + p], weights, &mut self.origin);
            if self.chunk.rows == CHUNK {
                self.before.join(&self.chunk);
                self.chunk = Sums::new(p);
            }
        }
        Ok(())
    }

    /// The figures of all rows so far. Cost: columns.
    pub fn metrics(&self) -> ReconstructionMetrics {
        let mut sums = self.before.clone();
        sums.join(&self.chunk);
        let weight: f64 = sums.data.iter().map(|column| column.weight).sum();
        let total: f64 = sums.data.iter().map(|column| column.squares).sum();
        let centred: f64 = sums.residual.iter().map(|column| column.squares).sum();
        let (unexplained, unexplained_centred) = (ratio(sums.error, total), ratio(centred, total));
        let rows = (sums.rows - sums.zero_rows) as f64;
        ReconstructionMetrics {
            rows: sums.rows,
            cells: sums.cells,
            explained_variance: unexplained.map(|share| 1.0 - share),
            explained_variance_centred: unexplained_centred.map(|share| 1.0 - share),
            unexplained,
            unexplained_centred,
            mean_squared_error: ratio(sums.error, weight),
            cosine: ratio(sums.cosine, rows),
            length_ratio: ratio(sums.length_ratio, rows),
            relative_bias: ratio(sums.fitted, sums.product),
            zero_rows: sums.zero_rows,
        }
    }
}

fn ratio(x: f64, y: f64) -> Option<f64> {
    (y > 0.0).then(|| x / y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    fn close(found: Option<f64>, right: f64) {
        let found = found.expect("a figure");
        assert!((found - right).abs() < 1e-12 * (1.0 + right.abs()), "{found} is not {right}");
    }

    #[test]
    fn figures_are_those_computed_by_hand() {
        // Columns (1, 3, 2) and (0, 4, 2); reconstruction 1 too high in the first column of every row.
        let rows = [1.0, 0.0, 3.0, 4.0, 2.0, 2.0];
        let fitted = [2.0, 0.0, 4.0, 4.0, 3.0, 2.0];
        let mut of = Reconstruction::new(2);
        of.add(&rows, &fitted, None).expect("rows");
        let found = of.metrics();
        // Σ(x − x̂)² = 3; Σ(x − x̄)² = 2 + 8.
        close(found.explained_variance, 0.7);
        close(found.unexplained, 0.3);
        close(found.explained_variance_centred, 1.0);
        close(found.mean_squared_error, 0.5);
        let cosine = (1.0 + 28.0 / (5.0 * 32_f64.sqrt()) + 10.0 / (8_f64.sqrt() * 13_f64.sqrt())) / 3.0;
        close(found.cosine, cosine);
        close(found.length_ratio, (2.0 + 32_f64.sqrt() / 5.0 + (13.0_f64 / 8.0).sqrt()) / 3.0);
        close(found.relative_bias, (4.0 + 32.0 + 13.0) / (2.0 + 28.0 + 10.0));
        assert_eq!((found.rows, found.cells, found.zero_rows), (3, 6, 0));
    }

    #[test]
    fn weights_are_repetitions_and_weight_zero_is_missing() {
        let mut random = Stream::new(1, Purpose::Probe, 0);
        let mut draw = || (0..20).map(|_| random.normal()).collect::<Vec<f64>>();
        let (x, f) = (draw(), draw());
        let (mut weighed, mut repeated, mut missing) =
            (Reconstruction::new(2), Reconstruction::new(2), Reconstruction::new(2));
        // Row 3 counts twice, row 5 not at all.
        let weights: Vec<f64> =
            (0..20).map(|at| [1.0, 2.0, 0.0][usize::from(at / 2 == 3) + 2 * usize::from(at / 2 == 5)]).collect();
        weighed.add(&x, &f, Some(&weights)).expect("rows");
        let mut marked = x.clone();
        marked[10..12].fill(f64::NAN);
        missing.add(&marked, &f, None).expect("rows");
        repeated.add(&marked, &f, None).expect("rows");
        assert_eq!(missing.metrics().cells, 18);
        repeated.add(&x[6..8], &f[6..8], None).expect("rows");
        let (found, right) = (weighed.metrics(), repeated.metrics());
        close(found.explained_variance, right.explained_variance.expect("varies"));
        close(found.explained_variance_centred, right.explained_variance_centred.expect("varies"));
        close(found.mean_squared_error, right.mean_squared_error.expect("cells"));
    }

    #[test]
    fn batches_do_not_matter_and_a_large_offset_costs_no_digits() {
        let mut random = Stream::new(2, Purpose::Probe, 0);
        let count = 3 * CHUNK + 77;
        let rows: Vec<f64> = (0..2 * count).map(|_| 1e8 + random.normal()).collect();
        let fitted: Vec<f64> = rows.iter().map(|x| x + 0.5 * random.normal()).collect();
        let mut at_once = Reconstruction::new(2);
        at_once.add(&rows, &fitted, None).expect("rows");
        let mut parts = Reconstruction::new(2);
        for (x, f) in rows.chunks(2 * 391).zip(fitted.chunks(2 * 391)) {
            parts.add(x, f, None).expect("rows");
        }
        assert_eq!(at_once.metrics(), parts.metrics());
        // Two passes over numbers without the offset.
        let (mut error, mut total) = (0.0, 0.0);
        for c in 0..2 {
            let x: Vec<f64> = rows.iter().skip(c).step_by(2).map(|x| x - 1e8).collect();
            let mean = x.iter().sum::<f64>() / count as f64;
            total += x.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
        }
        rows.iter().zip(&fitted).for_each(|(x, f)| error += (x - f).powi(2));
        let found = at_once.metrics().explained_variance.expect("varies");
        assert!((found - (1.0 - error / total)).abs() < 1e-13, "{found}");
    }

    #[test]
    fn what_is_not_defined_is_absent_and_zero_rows_are_counted() {
        assert_eq!(Reconstruction::new(3).metrics(), ReconstructionMetrics::default());
        let mut constant = Reconstruction::new(1);
        constant.add(&[0.0, 0.0], &[0.0, 0.0], None).expect("rows");
        let found = constant.metrics();
        assert_eq!((found.explained_variance, found.cosine, found.relative_bias), (None, None, None));
        assert_eq!((found.mean_squared_error, found.zero_rows), (Some(0.0), 2));
    }

    #[test]
    fn input_that_has_no_meaning_is_refused_with_its_place_and_adds_nothing() {
        let mut of = Reconstruction::new(2);
        let (x, inf, nan) = ([1.0, 2.0, 3.0, 4.0], f64::INFINITY, f64::NAN);
        let error = of.add(&[1.0, 2.0, inf, 4.0], &x, None).expect_err("infinite");
        assert_eq!((error.code, error.row, error.col), ("value-not-finite", Some(1), Some(0)));
        let error = of.add(&x, &[1.0, 2.0, 3.0, nan], None).expect_err("NaN");
        assert_eq!((error.code, error.row, error.col), ("value-not-finite", Some(1), Some(1)));
        let error = of.add(&x, &x, Some(&[1.0, -1.0, 1.0, 1.0])).expect_err("negative");
        assert_eq!((error.code, error.row, error.col), ("weight-not-valid", Some(0), Some(1)));
        assert_eq!(of.add(&x, &x[..3], None).expect_err("short").code, "shape-mismatch");
        assert_eq!(of.metrics(), ReconstructionMetrics::default());
        // A reconstruction does not matter where there is no cell.
        of.add(&[nan, 2.0], &[nan, 2.0], None).expect("a missing cell");
    }
}
