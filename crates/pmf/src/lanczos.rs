//! Lanczos iteration in the complement of the gauges, and what it says of the curvature where S is not formed.
//!
//! From a random unit vector in the complement of the gauges, k products give Ritz values ξ_1 <= … <= ξ_k of S̃ with
//! full reorthogonalisation. A Ritz value below −β is a proof: its vector has that curvature. The absence of one is
//! only likely: for any symmetric matrix of size n with eigenvalues from λ_1 to λ_n,
//!   P( ξ_1 − λ_1 > ε (λ_n − λ_1) ) <= 1.648 √n e^{−√ε(2k−1)},
//! and likewise at the other end, so that λ_n − λ_1 <= (ξ_k − ξ_1)/(1 − 2ε). What is reported is the bound
//!   λ_1 >= ξ_1 − ε (ξ_k − ξ_1)/(1 − 2ε)   with the stated confidence: "none stronger than this", never "positive".
//!
//! Cost: k products and k² n flop; memory: k vectors.
//! Sources: C. Lanczos (1950), "An iteration method for the solution of the eigenvalue problem of linear differential
//! and integral operators", J. Res. Natl. Bur. Stand. 45:255; J. Kuczyński, H. Woźniakowski (1992), "Estimating the largest eigenvalue by the power and Lanczos
//! algorithms with a random start", SIAM J. Matrix Anal. Appl. 13:1094, theorem 4.1 for Lanczos.

use crate::curvature::Curvature;
use crate::reduced::{Reduced, inverse_root};
use crate::solution::CurvatureBound;
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::eigen;

/// Products: about a fifth of what a fit of this size spends anyway.
const PRODUCTS: usize = 100;
/// Chance that the bound does not hold.
const RISK: f64 = 1e-3;

/// An orthonormal basis of a Krylov space of a symmetric operator, orthogonal to the gauges, and the operator on it.
pub struct Space<'a> {
    size: usize,
    gauges: &'a [f64],
    random: Stream,
    basis: Vec<Vec<f64>>,
    /// The tridiagonal matrix: its diagonal, and below it what leads to the next vector.
    diagonal: Vec<f64>,
    off: Vec<f64>,
    next: Vec<f64>,
}

impl<'a> Space<'a> {
    /// An empty space; `gauges` are orthonormal rows. The start is random, and the same for the same size.
    pub fn new(size: usize, gauges: &'a [f64]) -> Self {
        let random = Stream::new(0, Purpose::Probe, size as u32);
        let (basis, diagonal, off) = (Vec::new(), Vec::new(), Vec::new());
        let mut space = Self { size, gauges, random, basis, diagonal, off, next: Vec::new() };
        space.restart();
        space
    }

    /// Vectors so far.
    pub fn steps(&self) -> usize {
        self.diagonal.len()
    }

    /// Whether nothing lies outside it but the gauges.
    pub fn whole(&self) -> bool {
        self.steps() + self.gauges.len() / self.size >= self.size
    }

    fn restart(&mut self) {
        self.next = (0..self.size).map(|_| self.random.normal()).collect();
        let norm = self.clean();
        self.next.iter_mut().for_each(|x| *x /= norm);
    }

    /// Takes gauges and basis off the next vector, twice; returns what is left of its norm.
    fn clean(&mut self) -> f64 {
        for _ in 0..2 {
            for q in self.gauges.chunks_exact(self.size).chain(self.basis.iter().map(Vec::as_slice)) {
                let overlap: f64 = q.iter().zip(&self.next).map(|(a, b)| a * b).sum();
                self.next.iter_mut().zip(q).for_each(|(x, q)| *x -= overlap * q);
            }
        }
        self.next.iter().map(|x| x * x).sum::<f64>().sqrt()
    }

    /// One vector more. An invariant space is left by a new random vector, or directions of equal curvature would be
    /// missed. Not to be called on a whole space.
    pub fn step(&mut self, apply: impl FnOnce(&[f64]) -> Vec<f64>) {
        let image = apply(&self.next);
        self.diagonal.push(image.iter().zip(&self.next).map(|(a, b)| a * b).sum());
        self.basis.push(std::mem::replace(&mut self.next, image));
        let norm = self.clean();
        if self.whole() {
            return;
        }
        if norm > 1e-13 * self.diagonal[0].abs() {
            self.off.push(norm);
            self.next.iter_mut().for_each(|x| *x /= norm);
        } else {
            self.off.push(0.0);
            self.restart();
        }
    }

    /// Ritz values, ascending, and the eigenvectors of the tridiagonal matrix (row i belongs to value i).
    pub fn ritz(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        let steps = self.steps();
        let mut small = vec![0.0; steps * steps];
        for i in 0..steps {
            small[i * steps + i] = self.diagonal[i];
            if i + 1 < steps {
                small[i * steps + i + 1] = self.off[i];
                small[(i + 1) * steps + i] = self.off[i];
            }
        }
        eigen::symmetric(steps, &small).filter(|(values, _)| !values.is_empty())
    }
}

/// Examines S on `free`, in the complement of the orthonormal rows `gauges`; `band` is β.
pub fn examine(reduced: &Reduced, free: &[usize], gauges: &[f64], band: f64) -> Curvature {
    let mut out = Curvature::unknown();
    let size = free.len();
    let mut space = Space::new(size, gauges);
    if space.whole() {
        // Nothing but gauges is free.
        out.known = true;
        return out;
    }
    while space.steps() < PRODUCTS && !space.whole() {
        space.step(|x| reduced.product(free, x));
        if reduced.model.crew.stopped() {
            return out;
        }
    }
    let Some((values, vectors)) = space.ritz() else { return out };
    let steps = space.steps();
    for (i, &value) in values.iter().enumerate().take_while(|(_, value)| **value <= band) {
        let mut direction = vec![0.0; reduced.model.d.len()];
        for (q, weight) in space.basis.iter().zip(&vectors[i * steps..(i + 1) * steps]) {
            for (&a, q) in free.iter().zip(q) {
                direction[a] += weight * q * inverse_root(reduced.model.d[a]);
            }
        }
        if value < -band {
            out.negative.push((value, direction));
        } else {
            out.flat.push(direction);
        }
    }
    out.known = true;
    if space.whole() {
        // It holds every eigenvalue.
        out.smallest = Some(values[0]);
        return out;
    }
    let (lowest, highest) = (values[0], values[steps - 1]);
    // Half of the risk at each end of the spectrum.
    let root = (1.648 * (size as f64).sqrt() / (0.5 * RISK)).ln() / (2.0 * steps as f64 - 1.0);
    let share = root * root;
    out.bound = Some(CurvatureBound {
        bound: (lowest - share * (highest - lowest) / (1.0 - 2.0 * share)).min(-band),
        confidence: 1.0 - RISK,
        products: steps as u32,
        smallest_seen: lowest,
    });
    out
}
