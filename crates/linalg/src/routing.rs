//! Which of all atoms of a dictionary correlate most with residuals.
//!
//! Products R Dᵀ (rows × K·width) in f32, a tile of atoms at a time, of which each row keeps its best few: memory rows × tile.
//! Score: g² of a direction (max(g, 0)² where codes are not negative), g_u² + g_v² of a plane: twice what the atom alone
//! would take off the row's part of the objective. What bounds it: the product (2·rows·K·width·p operations).

use headwater_base::parallel::Crew;

use crate::device::Scoring;
use crate::gemm::{View, multiply};
use crate::simd;

/// Numbers of a row of products looked at together.
const STRIP: usize = 32;
/// Directions of a tile.
const TILE: usize = 1024;
/// No atom.
const NONE: u32 = u32::MAX;

simd! {
/// Products become scores, each strip's largest is told: g², max(g, 0)², or sums of neighbours' squares in the even places.
fn score_strip(products: &mut [f32; STRIP], planes: bool, non_negative: bool) -> f32 {
    let mut most = 0.0_f32;
    if planes {
        for i in 0..STRIP / 2 {
            let score = products[2 * i] * products[2 * i] + products[2 * i + 1] * products[2 * i + 1];
            products[2 * i] = score;
            most = most.max(score);
        }
    } else {
        let least = if non_negative { 0.0 } else { f32::NEG_INFINITY };
        for g in products.iter_mut() {
            let kept = g.max(least);
            *g = kept * kept;
            most = most.max(*g);
        }
    }
    most
}
}

/// The best few atoms of a row, unordered.
#[derive(Clone)]
struct Best {
    scores: Vec<f32>,
    atoms: Vec<u32>,
    /// The least of `scores`, and where it is.
    least: f32,
    at: usize,
}

impl Best {
    fn offer(&mut self, atom: u32, score: f32) {
        if score > self.least {
            (self.scores[self.at], self.atoms[self.at]) = (score, atom);
            (self.least, self.at) = (self.scores[0], 0);
            for (at, &score) in self.scores.iter().enumerate() {
                if score < self.least {
                    (self.least, self.at) = (score, at);
                }
            }
        }
    }
}

/// For every row of `residuals` (rows × columns) the `keep` atoms with the largest scores, or fewer where fewer have one above
/// 0, by falling score, then by number. `directions`: K·width × columns. `None` if it was stopped.
pub fn best(
    directions: &[f32],
    columns: usize,
    scoring: Scoring,
    residuals: &[f32],
    keep: usize,
    crew: Crew,
) -> Option<Vec<Vec<u32>>> {
    let (p, w) = (columns, scoring.width);
    let (rows, count) = (residuals.len() / p, directions.len() / p);
    let mut best = vec![Best { scores: vec![0.0; keep], atoms: vec![NONE; keep], least: 0.0, at: 0 }; rows];
    let mut products = vec![0.0_f32; rows * TILE];
    for first in (0..count).step_by(TILE) {
        if crew.stopped() {
            return None;
        }
        let count = TILE.min(count - first);
        let tile = View::new(&directions[first * p..(first + count) * p], count, p, p);
        multiply(1.0, View::new(residuals, rows, p, p), tile.transposed(), 0.0, &mut products, TILE);
        for (row, best) in products.chunks_exact_mut(TILE).zip(&mut best) {
            row[count..].fill(0.0);
            for (s, strip) in row.as_chunks_mut::<STRIP>().0.iter_mut().enumerate() {
                if score_strip(strip, w == 2, scoring.non_negative) > best.least {
                    let atom = (first + s * STRIP) / w;
                    (0..STRIP).step_by(w).for_each(|i| best.offer((atom + i / w) as u32, strip[i]));
                }
            }
        }
    }
    let sorted = best.into_iter().map(|best| {
        let mut found: Vec<(f32, u32)> =
            best.scores.into_iter().zip(best.atoms).filter(|(_, atom)| *atom != NONE).collect();
        found.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
        found.into_iter().map(|(_, atom)| atom).collect()
    });
    Some(sorted.collect())
}
