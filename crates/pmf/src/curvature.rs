//! The smallest curvatures of the reduced Hessian on the free set, gauges sliced out.
//!
//! S̃ = D^-½ S_FF D^-½ (unit diagonal of B). One shifted Cholesky factorisation tells whether every eigenvalue
//! on the slice is above the band β; if so, the smallest is found by Lanczos iteration on the inverse. Otherwise all
//! eigenvalues are computed. Where the free set is too large for that or S is not formed, [`crate::lanczos`] answers
//! from its products.

use crate::lanczos;
use crate::reduced::{Reduced, inverse_root};
use crate::solution::CurvatureBound;
use headwater_linalg::{cholesky, eigen};

/// Largest free set whose eigenvalues are all computed (9n³ flop, half a second).
const FULL: usize = 400;

/// What was found.
pub struct Curvature {
    /// Smallest eigenvalue on the slice; `None` if no element is free.
    pub smallest: Option<f64>,
    /// Directions δ (n × p, unit norm in the D scaling) with eigenvalue < −β, the most negative first.
    pub negative: Vec<(f64, Vec<f64>)>,
    /// Directions with |eigenvalue| <= β.
    pub flat: Vec<Vec<f64>>,
    /// False where neither the factorisation nor the eigenvalues could tell.
    pub known: bool,
    /// What is known of the smallest eigenvalue where it was not computed.
    pub bound: Option<CurvatureBound>,
}

impl Curvature {
    pub fn unknown() -> Self {
        Self { smallest: None, negative: Vec::new(), flat: Vec::new(), known: false, bound: None }
    }
}

/// Examines S at its current passive sets on `free`; `band` is β. With `number` false, `smallest` is left out
/// where the factorisation alone proves that every eigenvalue is above β.
pub fn examine(reduced: &Reduced, free: &[usize], band: f64, number: bool) -> Curvature {
    let size = free.len();
    let mut out = Curvature { known: true, ..Curvature::unknown() };
    if size == 0 {
        return out;
    }
    let gauges = orthonormal(&reduced.gauges(free), size);
    if !reduced.formed() {
        return lanczos::examine(reduced, free, &gauges, band);
    }
    let mut factor = with_gauges(reduced.matrix(free, -band), &gauges, size, 1.0);
    if cholesky::factor_unless(size, &mut factor, &|| reduced.model.crew.stopped()) {
        if number {
            out.smallest = inverse_lanczos(&factor, &gauges, size).map(|value| value + band);
        }
        if out.smallest.is_none() {
            out.bound = Some(CurvatureBound { bound: -band, confidence: 1.0, products: 0, smallest_seen: -band });
        }
        return out;
    }
    drop(factor);
    if reduced.model.crew.stopped() {
        return Curvature::unknown();
    }
    if size > FULL {
        let found = lanczos::examine(reduced, free, &gauges, band);
        // Some eigenvalue is not above β: if it was not found, nothing is known.
        return if found.negative.is_empty() && found.flat.is_empty() { Curvature::unknown() } else { found };
    }
    // Mirror the lower triangle and move the gauges far up, exactly: P S̃ P + 10 GGᵀ, P = I − GGᵀ.
    let mut matrix = reduced.matrix(free, 0.0);
    for r in 0..size {
        for c in 0..r {
            matrix[c * size + r] = matrix[r * size + c];
        }
    }
    project(&mut matrix, &gauges, size);
    let Some((values, vectors)) = eigen::symmetric(size, &matrix) else {
        out.known = false;
        return out;
    };
    out.smallest = Some(values[0]);
    for (i, &value) in values.iter().enumerate().take_while(|(_, value)| **value <= band) {
        let mut direction = vec![0.0; reduced.model.d.len()];
        for (&a, v) in free.iter().zip(&vectors[i * size..(i + 1) * size]) {
            direction[a] = v * inverse_root(reduced.model.d[a]);
        }
        if value < -band {
            out.negative.push((value, direction));
        } else {
            out.flat.push(direction);
        }
    }
    out
}

/// Orthonormal rows spanning the same space (Gram–Schmidt, twice).
pub fn orthonormal(rows: &[f64], size: usize) -> Vec<f64> {
    let mut out: Vec<f64> = Vec::new();
    for row in rows.chunks_exact(size) {
        let mut row = row.to_vec();
        for _ in 0..2 {
            for q in out.chunks_exact(size) {
                let overlap: f64 = q.iter().zip(&row).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(q).for_each(|(r, q)| *r -= overlap * q);
            }
        }
        let norm = row.iter().map(|r| r * r).sum::<f64>().sqrt();
        if norm > 1e-8 {
            out.extend(row.iter().map(|r| r / norm));
        }
    }
    out
}

/// lower(matrix) + weight · GᵀG.
pub fn with_gauges(mut matrix: Vec<f64>, gauges: &[f64], size: usize, weight: f64) -> Vec<f64> {
    for g in gauges.chunks_exact(size) {
        for r in 0..size {
            for c in 0..=r {
                matrix[r * size + c] += weight * g[r] * g[c];
            }
        }
    }
    matrix
}

fn project(matrix: &mut [f64], gauges: &[f64], size: usize) {
    for g in gauges.chunks_exact(size) {
        // M ← (I − ggᵀ) M (I − ggᵀ) + 10 ggᵀ
        let image: Vec<f64> =
            matrix.chunks_exact(size).map(|row| row.iter().zip(g).map(|(m, g)| m * g).sum()).collect();
        let middle: f64 = image.iter().zip(g).map(|(a, b)| a * b).sum();
        for r in 0..size {
            for c in 0..size {
                matrix[r * size + c] += -image[r] * g[c] - g[r] * image[c] + (middle + 10.0) * g[r] * g[c];
            }
        }
    }
}

/// Smallest eigenvalue, within the complement of the gauges, of the matrix whose factor is given: by Lanczos iteration
/// on its inverse, until the largest Ritz value stands.
fn inverse_lanczos(factor: &[f64], gauges: &[f64], size: usize) -> Option<f64> {
    let mut space = lanczos::Space::new(size, gauges);
    let mut last = f64::INFINITY;
    while !space.whole() && space.steps() < 80 {
        space.step(|x| {
            let mut image = x.to_vec();
            cholesky::solve(size, factor, &mut image);
            image
        });
        if space.steps().is_multiple_of(5) || space.whole() {
            let largest = *space.ritz()?.0.last()?;
            if (1.0 - last / largest).abs() < 1e-9 {
                return Some(1.0 / largest);
            }
            last = largest;
        }
    }
    last.is_finite().then(|| 1.0 / last)
}
