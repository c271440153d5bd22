//! The first look at the data: whether all cells are there, how large they are, where their mean is.

use std::ops::Range;

use headwater_base::Error;
use headwater_base::parallel::{Crew, pairwise_sum};

use crate::lane::Rows;

/// Most rows read at a time: some megabytes at p = 512, and work for all threads.
pub(super) const CHUNK: usize = 2048;

/// What was seen.
pub(super) struct Survey {
    /// Power of two that brings the largest |x| into [½, 1): products in f32 can then neither overflow nor vanish.
    pub scale: f64,
    /// Column means, scaled.
    pub mean: Vec<f64>,
    /// Σ‖x − x̄‖², scaled.
    pub total: f64,
}

/// Reads a range of rows, scaled.
pub(super) fn read(rows: &dyn Rows, range: Range<usize>, scale: f64, into: &mut Vec<f64>) -> Result<(), Error> {
    into.resize(range.len() * rows.columns(), 0.0);
    rows.read(range.start, into)?;
    into.iter_mut().for_each(|x| *x *= scale);
    Ok(())
}

/// Three passes over the data. `None` if it was stopped.
///
/// Errors: `value-missing` for NaN, `value-not-finite`, with row and column.
pub(super) fn survey(rows: &dyn Rows, crew: Crew) -> Result<Option<Survey>, Error> {
    let (count, p) = (rows.count(), rows.columns());
    let chunk = |at: usize| at * CHUNK..count.min((at + 1) * CHUNK);
    let (mut buffer, mut peak) = (Vec::new(), 0.0_f64);
    for at in 0..count.div_ceil(CHUNK) {
        if crew.stopped() {
            return Ok(None);
        }
        read(rows, chunk(at), 1.0, &mut buffer)?;
        for (i, x) in buffer.iter().enumerate() {
            if !x.is_finite() {
                let (row, col) = (at * CHUNK + i / p, i % p);
                let (code, message) = if x.is_nan() {
                    (
                        "value-missing",
                        "a value is NaN; the streaming lane needs every cell: fill it, or leave out the row",
                    )
                } else {
                    ("value-not-finite", "a value is infinite")
                };
                return Err(Error::new(code, message).at(row, col));
            }
            peak = peak.max(x.abs());
        }
    }
    let exponent = if peak > 0.0 { peak.log2().floor() as i32 + 1 } else { 0 };
    // A subnormal peak is lifted as far as one factor reaches.
    let scale = 2.0_f64.powi((-exponent).clamp(-1022, 1022));
    let mut sums = Vec::new();
    for at in 0..count.div_ceil(CHUNK) {
        if crew.stopped() {
            return Ok(None);
        }
        read(rows, chunk(at), scale, &mut buffer)?;
        let mut sum = vec![0.0; p];
        buffer.chunks_exact(p).for_each(|x| sum.iter_mut().zip(x).for_each(|(s, x)| *s += x));
        sums.push(sum);
    }
    let column = |c: usize| pairwise_sum(&sums.iter().map(|sum| sum[c]).collect::<Vec<f64>>()) / count as f64;
    let mean: Vec<f64> = (0..p).map(column).collect();
    let mut squares = Vec::new();
    for at in 0..count.div_ceil(CHUNK) {
        if crew.stopped() {
            return Ok(None);
        }
        read(rows, chunk(at), scale, &mut buffer)?;
        let row = |x: &[f64]| x.iter().zip(&mean).map(|(x, m)| (x - m) * (x - m)).sum::<f64>();
        squares.push(pairwise_sum(&buffer.chunks_exact(p).map(row).collect::<Vec<f64>>()));
    }
    Ok(Some(Survey { scale, mean, total: pairwise_sum(&squares) }))
}
