//! A closed curve: Φ = (1, sin 2πht, cos 2πht; h = 1..H), t in turns. The roughness of harmonic h is h⁴ from h = 2 on: an
//! ellipse is free.

use super::Basis;
use std::f64::consts::TAU;

#[derive(Debug)]
pub(super) struct Circle {
    pub harmonics: usize,
}

impl Basis for Circle {
    fn functions(&self) -> usize {
        2 * self.harmonics + 1
    }
    fn dimension(&self) -> usize {
        1
    }
    fn period(&self, _axis: usize) -> Option<f64> {
        Some(1.0)
    }
    fn jet(&self, t: &[f64], out: &mut [f64]) {
        let (value, rest) = out.split_at_mut(self.functions());
        let (first, second) = rest.split_at_mut(self.functions());
        (value[0], first[0], second[0]) = (1.0, 0.0, 0.0);
        // A turn less does not change anything, but keeps digits.
        let turns = t[0] - t[0].floor();
        for h in 1..=self.harmonics {
            let rate = TAU * h as f64;
            let (sin, cos) = (rate * turns).sin_cos();
            let at = 2 * h - 1;
            (value[at], value[at + 1]) = (sin, cos);
            (first[at], first[at + 1]) = (rate * cos, -rate * sin);
            (second[at], second[at + 1]) = (-rate * rate * sin, -rate * rate * cos);
        }
    }
    fn roughness(&self, out: &mut [f64]) {
        let m = self.functions();
        out.fill(0.0);
        for h in 2..=self.harmonics {
            for at in [2 * h - 1, 2 * h] {
                out[at * m + at] = (h as f64).powi(4);
            }
        }
    }
    fn harmonics(&self) -> Option<usize> {
        Some(self.harmonics)
    }
    fn nodes(&self) -> Vec<f64> {
        (0..8 * self.harmonics).map(|i| i as f64 / (8 * self.harmonics) as f64).collect()
    }
    fn generator(&self, _axis: usize, out: &mut [f64]) -> bool {
        let m = self.functions();
        out.fill(0.0);
        for h in 1..=self.harmonics {
            let at = 2 * h - 1;
            out[at * m + at + 1] = TAU * h as f64;
            out[(at + 1) * m + at] = -TAU * h as f64;
        }
        true
    }
}
