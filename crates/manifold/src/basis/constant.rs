//! A point: Φ = 1, no coordinate.

use super::Basis;

#[derive(Debug)]
pub(super) struct Constant;

impl Basis for Constant {
    fn functions(&self) -> usize {
        1
    }
    fn dimension(&self) -> usize {
        0
    }
    fn period(&self, _axis: usize) -> Option<f64> {
        None
    }
    fn jet(&self, _t: &[f64], out: &mut [f64]) {
        out[0] = 1.0;
    }
    fn roughness(&self, out: &mut [f64]) {
        out[0] = 0.0;
    }
}
