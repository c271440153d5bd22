//! A line: Φ = (1, t). Nothing is rough.

use super::Basis;

#[derive(Debug)]
pub(super) struct Linear;

impl Basis for Linear {
    fn functions(&self) -> usize {
        2
    }
    fn dimension(&self) -> usize {
        1
    }
    fn period(&self, _axis: usize) -> Option<f64> {
        None
    }
    fn jet(&self, t: &[f64], out: &mut [f64]) {
        out.copy_from_slice(&[1.0, t[0], 0.0, 1.0, 0.0, 0.0]);
    }
    fn degree(&self) -> Option<usize> {
        Some(1)
    }
    fn roughness(&self, out: &mut [f64]) {
        out.fill(0.0);
    }
}
