//! Which of all atoms correlate most with the residuals of a block of rows.
//!
//! The products and the choice are [`routing`]'s; this is the dictionary as they want it.

use headwater_base::parallel::{Crew, for_each_piece};
use headwater_linalg::device::Scoring;
use headwater_linalg::{routing, simd};

use crate::lane::dictionary::Dictionary;

/// Directions rounded together.
const TILE: usize = 1024;

/// A dictionary as the kernels want it.
pub(super) struct Atoms {
    /// Scaled like the data.
    pub dictionary: Dictionary,
    /// The directions again, for products that only propose.
    pub rounded: Vec<f32>,
    pub columns: usize,
    pub width: usize,
}

impl Atoms {
    pub(super) fn new(dictionary: Dictionary) -> Self {
        let (columns, width) = (dictionary.columns(), dictionary.shape.width());
        let rounded = dictionary.directions.iter().map(|&x| x as f32).collect();
        Self { dictionary, rounded, columns, width }
    }

    /// After a change of the directions.
    pub(super) fn round(&mut self, threads: usize) {
        let (size, from) = (TILE * self.columns, &self.dictionary.directions);
        for_each_piece(threads, &mut self.rounded, size, |piece, to| {
            to.iter_mut().zip(&from[piece * size..]).for_each(|(y, x)| *y = *x as f32);
        });
    }

    /// All rows of one atom.
    pub(super) fn rows(&self, atom: u32) -> &[f64] {
        let size = self.width * self.columns;
        &self.dictionary.directions[atom as usize * size..][..size]
    }

    /// Score of an atom for a residual.
    pub(super) fn score(&self, atom: u32, residual: &[f32]) -> f32 {
        let size = self.width * self.columns;
        let rows = &self.rounded[atom as usize * size..][..size];
        let score = |g: f32| if self.dictionary.non_negative && self.width == 1 { g.max(0.0).powi(2) } else { g * g };
        rows.chunks_exact(self.columns).map(|d| score(inner(d, residual))).sum()
    }
}

simd! {
/// x·y.
fn inner(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 32];
    let ((xs, x_tail), (ys, y_tail)) = (x.as_chunks::<32>(), y.as_chunks::<32>());
    for i in 0..xs.len() {
        for e in 0..32 {
            sums[e] = xs[i][e].mul_add(ys[i][e], sums[e]);
        }
    }
    let tail: f32 = x_tail.iter().zip(y_tail).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + tail
}
}

/// For every row of `residuals` (rows × p) the `keep` atoms with the largest scores, or fewer where fewer have one above 0,
/// by falling score. `None` if it was stopped.
pub(super) fn search(atoms: &Atoms, residuals: &[f32], keep: usize, crew: Crew) -> Option<Vec<Vec<u32>>> {
    let scoring = Scoring { width: atoms.width, non_negative: atoms.dictionary.non_negative };
    routing::best(&atoms.rounded, atoms.columns, scoring, residuals, keep, crew)
}
