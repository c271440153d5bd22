//! Factorisation of tables that do not fit in memory, or that arrive row by row.
//!
//! Rows come in batches, in as many passes as are asked for; between them only sums over rows are kept, so memory does
//! not depend on their number. Contributions w_i are minimised out exactly whenever a row is seen, which leaves the
//! profiles H and φ(H) = Σ_i min_{w >= 0} Σ_j ω_ij (v_ij − w·h_j)².
//!
//! 1. A sample of the rows is fitted in memory from many starts ([`Sample`], [`crate::factorize`]).
//! 2. A stream that cannot be repeated is learnt from batch by batch (`learn.rs`). The end is a point without proof.
//! 3. Otherwise each pass sums φ, its gradient and its Hessian S ([`crate::schur`]) at a trial H, which is the next
//!    Newton step under the bounds from the lowest H so far; where S is not positive definite, or a step did not deliver,
//!    μD is added. One pass is one step: its value judges the trial, its derivatives yield the next one.
//! 4. When the step promises less than 1e-8 q̂, a last pass gathers what the certificate of [`crate::judge`] needs.
//!
//! Cost of a pass: that of forming S, see [`crate::schur`]; the last one, two sweeps. Memory: the sample, [`totals::CHUNK`]
//! rows, and sums of 1.5 (np)² numbers each: two while passes are made, up to six while batches are learnt from (the guard's
//! snapshots among them); a step needs three matrices of (np)² beside them.
//!
//! Source of the elimination: G. H. Golub, V. Pereyra (1973), "The differentiation of pseudo-inverses and nonlinear least
//! squares problems whose variables separate", SIAM J. Numer. Anal. 10:413.

mod fit;
mod learn;
mod proof;
mod sample;
mod totals;

pub use fit::Stream;
pub use learn::Learnt;
pub use sample::Sample;

use crate::newton::Piece;
use crate::problem::Problem;
use crate::reduced::Reduced;
use crate::scaling::Scaling;
use crate::settings::Starts;
use crate::solution::Certificate;
use headwater_base::{Error, Status, Warning};
use totals::CHUNK;

/// Species × factors up to which the Hessian is summed: 4000² numbers are 128 MB, four times over.
pub const MOST_UNKNOWNS: usize = 4000;
/// μ after a step that did not deliver. Measured on tables of 20 000 rows: from 1e-5 upwards takes two to three more
/// passes, and a pass is what costs.
const FIRST_SHIFT: f64 = 1e-3;
/// Largest μ.
const MOST_SHIFT: f64 = 1e6;

/// What a caller chooses.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamSettings {
    /// Number of factors.
    pub factors: usize,
    /// Starts of the sample's fit.
    pub starts: Starts,
    /// Key of all random numbers.
    pub seed: u64,
    /// Passes over the rows at most, the last one with the certificate included; at least 2.
    pub max_passes: u32,
    /// Largest number of threads.
    pub threads: usize,
}

/// What the caller is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Hand over all rows once more.
    Pass,
    /// Fetch the result.
    Done,
}

/// One pass that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassReport {
    /// Whether it was the one with the certificate.
    pub proof: bool,
    /// Q at its profiles.
    pub q: f64,
    /// Whether that was a new lowest value.
    pub accepted: bool,
    /// What the step before it had promised, in units of Q; `None` for the first.
    pub promised: Option<f64>,
}

/// The result.
#[derive(Clone, Debug, PartialEq)]
pub struct Streamed {
    /// What the profiles are.
    pub status: Status,
    /// Rows of the last pass, or learnt from.
    pub rows: usize,
    /// Cells with weight among them.
    pub cells: usize,
    /// Σ Ω∘(V − WH)²; `None` where no pass was made.
    pub q: Option<f64>,
    /// Σ min(t², 4t); with the certificate.
    pub q_robust: Option<f64>,
    /// Cells with t > 4; with the certificate.
    pub outliers: Option<usize>,
    /// Cells with weight − p (samples + species).
    pub q_expected: f64,
    /// Cells with weight − free elements + null directions; with the certificate.
    pub degrees_of_freedom: Option<f64>,
    /// Why the status can be believed; `None` before the last pass.
    pub certificate: Option<Certificate>,
    /// What the reader must know. Rows are counted from the beginning of the stream.
    pub warnings: Vec<Warning>,
    /// factors × species, row-major: mean contribution of every factor 1, factors by mass; NaN where a species has no data.
    pub profiles: Vec<f64>,
    /// Every pass.
    pub passes: Vec<PassReport>,
}

/// The Newton step under the bounds from the sums' own point, with `shift` · D added to S.
fn piece(reduced: &Reduced, shift: f64) -> Option<Piece> {
    let model = reduced.model;
    let mut at_bound: Vec<bool> =
        model.short.rows.iter().zip(&model.g_short).map(|(h, g)| *h <= 0.0 && *g >= 0.0).collect();
    reduced.dense_piece(&model.g_short, &vec![0.0; model.d.len()], shift, false, &mut at_bound)
}

/// Rows that are a whole number.
fn check_shape(cols: usize, values: &[f64], uncertainties: &[f64]) -> Result<(), Error> {
    if values.len() != uncertainties.len() || !values.len().is_multiple_of(cols) {
        let message = format!(
            "a batch must hold whole rows of {cols} species: got {} values and {} uncertainties",
            values.len(),
            uncertainties.len()
        );
        return Err(Error::new("shape-mismatch", message));
    }
    Ok(())
}

/// The batch in pieces of [`CHUNK`] rows.
fn chunks<'a>(
    cols: usize,
    values: &'a [f64],
    uncertainties: &'a [f64],
    scaling: &'a Scaling,
) -> impl Iterator<Item = Result<Problem, Error>> + 'a {
    let parts = values.chunks(CHUNK * cols).zip(uncertainties.chunks(CHUNK * cols)).enumerate();
    parts.map(move |(at, (v, u))| batch_of(cols, v, u, at * CHUNK, scaling))
}

/// Rows from number `first`.
fn batch_of(cols: usize, v: &[f64], u: &[f64], first: usize, scaling: &Scaling) -> Result<Problem, Error> {
    let problem = Problem::batch(v.len() / cols, cols, v, u, first, scaling)?;
    let Some(pin) = problem.pins.first() else { return Ok(problem) };
    let (row, col) = (first + pin.long, pin.short);
    let message = format!(
        "the uncertainty at row {row}, column {col} is so small beside the others that sums over rows cannot hold the \
         rest; give a larger one"
    );
    Err(Error::new("weights-too-uneven", message).at(row, col))
}
