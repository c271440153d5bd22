//! A closed surface in two coordinates: Φ_ij(t, u) = φ_i(t) φ_j(u), φ the functions of a circle.
//!
//! The roughness of harmonics (h, g) is (h² + g²)², 0 where h + g <= 1: the flat torus, two circles added, is free.

use super::circle::Circle;
use super::{Basis, Factors, Family, grid};

#[derive(Debug)]
pub(super) struct Torus {
    circle: Circle,
}

impl Torus {
    pub fn new(harmonics: usize) -> Self {
        Self { circle: Circle { harmonics } }
    }
}

impl Basis for Torus {
    fn functions(&self) -> usize {
        self.circle.functions().pow(2)
    }
    fn dimension(&self) -> usize {
        2
    }
    fn period(&self, _axis: usize) -> Option<f64> {
        Some(1.0)
    }
    fn jet(&self, t: &[f64], out: &mut [f64]) {
        const MOST: usize = 17;
        let n = self.circle.functions();
        let (mut left, mut right) = ([0.0; 3 * MOST], [0.0; 3 * MOST]);
        self.circle.jet(&t[..1], &mut left[..3 * n]);
        self.circle.jet(&t[1..], &mut right[..3 * n]);
        // (order in t, order in u) of each block.
        let orders = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)];
        for (block, (a, b)) in out.chunks_exact_mut(n * n).zip(orders) {
            for i in 0..n {
                for j in 0..n {
                    block[i * n + j] = left[a * n + i] * right[b * n + j];
                }
            }
        }
    }
    fn roughness(&self, out: &mut [f64]) {
        let n = self.circle.functions();
        let m = n * n;
        out.fill(0.0);
        for at in 0..m {
            let (h, g) = ((at / n).div_ceil(2), (at % n).div_ceil(2));
            out[at * m + at] = if h + g <= 1 { 0.0 } else { ((h * h + g * g) as f64).powi(2) };
        }
    }
    fn factors(&self) -> Option<Factors> {
        let n = self.circle.functions();
        let of = (0..n * n).map(|at| [at / n, at % n]).collect();
        Some(Factors { family: Family::Waves, degree: self.circle.harmonics, of })
    }
    fn nodes(&self) -> Vec<f64> {
        grid(&self.circle.nodes(), 2)
    }
    fn generator(&self, axis: usize, out: &mut [f64]) -> bool {
        let n = self.circle.functions();
        let m = n * n;
        let mut one = vec![0.0; m];
        self.circle.generator(0, &mut one);
        out.fill(0.0);
        for i in 0..n {
            for j in 0..n {
                for l in 0..n {
                    let (row, column) = if axis == 0 { (i * n + l, j * n + l) } else { (l * n + i, l * n + j) };
                    out[row * m + column] = one[i * n + j];
                }
            }
        }
        true
    }
}
