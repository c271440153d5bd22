//! The flow that a sampler takes between two looks at its potential: Hamilton's equations of a quadratic stand-in between walls,
//! in small reversible steps.
//!
//! U₀(u) = g·(u − u₀) + ½(u − u₀)ᵀP(u − u₀), kinetic energy ½|z|²: du/dt = Lz, dz/dt = −Lᵀ∇U₀. Where u_j meets its bound 0 the
//! velocity is reflected, z ← z − 2(n·z)/(n·n) n with n the jth row of L. Every small step is a leapfrog step, reversible and
//! volume-keeping, reflections included; what it does to the energy the sampler sees and corrects.
//!
//! Walls are what makes a plain leapfrog step of the potential itself fail here: a reflection in the middle of one costs an
//! error of the first order, and half of the profile elements bounce off 0 all the time.
//!
//! Sources: H. Mohasel Afshar, J. Domke (2015), "Reflection, refraction and Hamiltonian Monte Carlo", NIPS 28;
//! M. Tuckerman, B. J. Berne, G. J. Martyna (1992), "Reversible multiple time scale molecular dynamics", J. Chem. Phys. 97:1990
//! (small steps of a cheap part within each one of the whole).

use crate::curvature;
use headwater_linalg::{cholesky, dense, eigen};

/// Reflections in one drift; beyond them the move is given up, and not accepted.
const MOST: usize = 10_000;
/// Small steps.
const STEPS: usize = 4;
/// Variances of draws over what the metric says, from which a direction is stretched.
const WIDE: f64 = 2.0;
/// Unknowns up to which directions are stretched (eigenvalues of a matrix).
const FULL: usize = 1000;

/// See the module.
pub struct Reflected {
    size: usize,
    bounded: bool,
    origin: Vec<f64>,
    /// Lᵀg and LᵀP.
    slope: Vec<f64>,
    curvature: Vec<f64>,
    /// L.
    root: Vec<f64>,
    adjoint: Vec<f64>,
    /// LLᵀ.
    covariance: Vec<f64>,
}

impl Reflected {
    /// The stand-in with value and slope at `origin`, and a metric for it: (LLᵀ)⁻¹ is P plus the squares of the slopes that
    /// press elements against 0 (there an element is exponential, with that rate), and L leaves the `gauges` alone.
    /// Directions in which `draws` spread more than that says are stretched. P is made positive by a multiple of the unit
    /// matrix where it is not, for the metric only.
    pub fn new(
        bounded: bool,
        origin: Vec<f64>,
        slope: Vec<f64>,
        curvature: Vec<f64>,
        gauges: &[f64],
        draws: &[&[f64]],
    ) -> Self {
        let size = origin.len();
        let factor = precision(bounded, &slope, &curvature, gauges);
        let mut root = inverse_adjoint(size, &factor);
        if draws.len() > 1 && size <= FULL {
            stretch(size, &factor, &mut root, draws);
        }
        project(size, &mut root, gauges);
        let mut adjoint = vec![0.0; size * size];
        for r in 0..size {
            for c in 0..size {
                adjoint[c * size + r] = root[r * size + c];
            }
        }
        // The products of the rows of two matrices.
        let products = |a: &[f64], b: &[f64]| -> Vec<f64> {
            (0..size * size)
                .map(|at| dense::inner(&a[at / size * size..][..size], &b[at % size * size..][..size]))
                .collect()
        };
        let covariance = products(&root, &root);
        let mut pulled = vec![0.0; size];
        dense::product(&adjoint, &slope, &mut pulled);
        // P is symmetric: its rows are its columns.
        let curvature = products(&adjoint, &curvature);
        Self { size, bounded, origin, slope: pulled, curvature, root, adjoint, covariance }
    }

    /// Lᵀ(gradient − ∇U₀(u)): what the stand-in lacks.
    pub fn missing(&self, u: &[f64], gradient: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.size];
        dense::product(&self.adjoint, gradient, &mut out);
        dense::add_scaled(-1.0, &self.force(u), &mut out);
        out
    }

    /// Lᵀ∇U₀.
    fn force(&self, u: &[f64]) -> Vec<f64> {
        let away: Vec<f64> = u.iter().zip(&self.origin).map(|(u, o)| u - o).collect();
        let mut out = vec![0.0; self.size];
        dense::product(&self.curvature, &away, &mut out);
        dense::add_scaled(1.0, &self.slope, &mut out);
        out
    }

    /// The flow for a time. False if it was given up.
    pub fn flow(&self, u: &mut [f64], z: &mut [f64], time: f64) -> bool {
        let h = time / STEPS as f64;
        let mut force = self.force(u);
        for _ in 0..STEPS {
            dense::add_scaled(-0.5 * h, &force, z);
            if !self.drift(u, z, h) {
                return false;
            }
            force = self.force(u);
            dense::add_scaled(-0.5 * h, &force, z);
        }
        true
    }

    /// Straight on, with reflections.
    fn drift(&self, u: &mut [f64], z: &mut [f64], mut time: f64) -> bool {
        let size = self.size;
        let mut v = vec![0.0; size];
        dense::product(&self.root, z, &mut v);
        if !self.bounded {
            dense::add_scaled(time, &v, u);
            return true;
        }
        for _ in 0..MOST {
            let (mut first, mut wall) = (time, size);
            for j in 0..size {
                if u[j] + first * v[j] < 0.0 {
                    (first, wall) = (-u[j] / v[j], j);
                }
            }
            for (u, v) in u.iter_mut().zip(&v) {
                *u = (*u + first * v).max(0.0);
            }
            if wall == size {
                return true;
            }
            time -= first;
            u[wall] = 0.0;
            let by = -2.0 * v[wall] / self.covariance[wall * size + wall];
            dense::add_scaled(by, &self.root[wall * size..(wall + 1) * size], z);
            dense::add_scaled(by, &self.covariance[wall * size..(wall + 1) * size], &mut v);
            v[wall] = v[wall].abs();
        }
        false
    }
}

/// Lower Cholesky factor R of the metric.
fn precision(bounded: bool, slope: &[f64], curvature: &[f64], gauges: &[f64]) -> Vec<f64> {
    let size = slope.len();
    let mut shift = 0.0;
    loop {
        let mut out = curvature.to_vec();
        for (r, slope) in slope.iter().enumerate() {
            let rate = if bounded { slope.max(0.0) } else { 0.0 };
            out[r * size + r] += rate * rate + shift;
        }
        for tau in gauges.chunks_exact(size.max(1)) {
            for r in 0..size {
                dense::add_scaled(tau[r], tau, &mut out[r * size..(r + 1) * size]);
            }
        }
        if cholesky::factor(size, &mut out) {
            return out;
        }
        shift = if shift == 0.0 { 1e-4 } else { 2.0 * shift };
    }
}

/// R⁻ᵀ, whole matrix.
fn inverse_adjoint(size: usize, factor: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; size * size];
    for c in 0..size {
        for r in (0..=c).rev() {
            let mut value = if r == c { 1.0 } else { 0.0 };
            for k in r + 1..=c {
                value -= factor[k * size + r] * out[k * size + c];
            }
            out[r * size + c] = value / factor[r * size + r];
        }
    }
    out
}

/// L ← L(1 + Σ (√λ − 1) v vᵀ) over the eigenvectors of the draws' covariance in the metric whose λ is above [`WIDE`].
fn stretch(size: usize, factor: &[f64], root: &mut [f64], draws: &[&[f64]]) {
    let count = draws.len() as f64;
    let mean: Vec<f64> = (0..size).map(|a| draws.iter().map(|draw| draw[a]).sum::<f64>() / count).collect();
    let mut covariance = vec![0.0; size * size];
    for draw in draws {
        let away: Vec<f64> = draw.iter().zip(&mean).map(|(u, mean)| u - mean).collect();
        let z: Vec<f64> = (0..size).map(|c| (c..size).map(|r| factor[r * size + c] * away[r]).sum()).collect();
        for r in 0..size {
            dense::add_scaled(z[r] / count, &z, &mut covariance[r * size..(r + 1) * size]);
        }
    }
    let Some((values, vectors)) = eigen::symmetric(size, &covariance) else { return };
    let plain = root.to_vec();
    for (value, vector) in values.iter().zip(vectors.chunks_exact(size)).filter(|(value, _)| **value > WIDE) {
        let mut along = vec![0.0; size];
        dense::product(&plain, vector, &mut along);
        for r in 0..size {
            dense::add_scaled((value.sqrt() - 1.0) * along[r], vector, &mut root[r * size..(r + 1) * size]);
        }
    }
}

/// Makes the columns of L orthogonal to the gauges: L ← L(1 − QQᵀ), Q a basis of Lᵀ · gauges.
fn project(size: usize, root: &mut [f64], gauges: &[f64]) {
    let images: Vec<f64> = gauges
        .chunks_exact(size.max(1))
        .flat_map(|tau| {
            let mut image = vec![0.0; size];
            (0..size).for_each(|r| dense::add_scaled(tau[r], &root[r * size..(r + 1) * size], &mut image));
            image
        })
        .collect();
    for q in curvature::orthonormal(&images, size.max(1)).chunks_exact(size.max(1)) {
        for row in root.chunks_exact_mut(size) {
            let part = dense::inner(row, q);
            dense::add_scaled(-part, q, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    fn stand_in(size: usize) -> Reflected {
        let mut random = Stream::new(3, Purpose::Probe, 0);
        let x: Vec<f64> = (0..size * (size + 2)).map(|_| random.normal()).collect();
        let row = |r: usize| &x[r * (size + 2)..(r + 1) * (size + 2)];
        let curvature = (0..size * size).map(|at| dense::inner(row(at / size), row(at % size))).collect();
        let slope = (0..size).map(|a| if a % 2 == 0 { 3.0 } else { 0.0 }).collect();
        let tau = vec![(size as f64).sqrt().recip(); size];
        Reflected::new(true, vec![0.5; size], slope, curvature, &tau, &[])
    }

    #[test]
    fn the_flow_is_reversible_stays_between_walls_and_off_the_gauges() {
        let size = 7;
        let flow = stand_in(size);
        let mut random = Stream::new(4, Purpose::Probe, 0);
        let mut bounces = 0;
        for _ in 0..50 {
            let start: Vec<f64> = (0..size).map(|_| random.uniform()).collect();
            let push: Vec<f64> = (0..size).map(|_| random.normal()).collect();
            let (mut u, mut z) = (start.clone(), push.clone());
            assert!(flow.flow(&mut u, &mut z, 0.3));
            assert!(u.iter().all(|u| *u >= 0.0));
            let moved: f64 = u.iter().zip(&start).map(|(u, s)| u - s).sum();
            assert!(moved.abs() < 1e-12, "along the gauge: {moved}");
            let mut straight = start.clone();
            let mut v = vec![0.0; size];
            dense::product(&flow.root, &push, &mut v);
            dense::add_scaled(0.3, &v, &mut straight);
            bounces += usize::from(straight.iter().any(|u| *u < 0.0));
            z.iter_mut().for_each(|z| *z = -*z);
            assert!(flow.flow(&mut u, &mut z, 0.3));
            for a in 0..size {
                assert!((u[a] - start[a]).abs() < 1e-9 && (z[a] + push[a]).abs() < 1e-9, "element {a}");
            }
        }
        assert!(bounces > 10, "{bounces}");
    }

    #[test]
    fn wide_directions_of_draws_are_stretched() {
        let size = 3;
        let unit = |r: usize, c: usize| if r == c { 1.0 } else { 0.0 };
        let curvature: Vec<f64> = (0..9).map(|at| unit(at / 3, at % 3)).collect();
        let mut random = Stream::new(5, Purpose::Probe, 0);
        let draws: Vec<Vec<f64>> = (0..4000)
            .map(|_| {
                let along = 5.0 * random.normal();
                vec![along * 0.6 + random.normal() * 0.8, along * 0.8 - random.normal() * 0.6, random.normal()]
            })
            .collect();
        let draws: Vec<&[f64]> = draws.iter().map(Vec::as_slice).collect();
        let flow = Reflected::new(false, vec![0.0; 3], vec![0.0; 3], curvature, &[], &draws);
        let along = [0.6, 0.8, 0.0];
        let mut image = vec![0.0; size];
        dense::product(&flow.covariance, &along, &mut image);
        let variance = dense::inner(&image, &along);
        assert!((variance / 25.0 - 1.0).abs() < 0.1, "{variance}");
        assert!((flow.covariance[8] - 1.0).abs() < 0.1);
    }
}
