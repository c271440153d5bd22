//! One pass over an array: is everything finite, how large is it.

use headwater_linalg::simd;

use crate::elementwise::prefetch;
use crate::number::Real;

/// What an array holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Extent {
    /// No part is NaN or infinite.
    pub finite: bool,
    /// Largest |part|.
    pub peak: f64,
    /// √Σx², also where the squares overflow or vanish.
    pub norm: f64,
}

const WIDTH: usize = 16;
/// Numbers whose squares are summed in lanes before they join the total.
const CHUNK: usize = 8192;

/// A type with this pass compiled for its instruction sets.
pub trait Surveyed: Real {
    /// The extent of `x`. Bound by memory: one read of the array.
    fn extent(x: &[Self]) -> Extent;
}

#[inline(always)]
fn extent<R: Real>(x: &[R]) -> Extent {
    let zero = R::default();
    let mut nothing = [zero; WIDTH];
    let mut peak = [zero; WIDTH];
    let mut total = 0.0;
    for chunk in x.chunks(CHUNK) {
        // In f64: the squares of finite f32 can overflow.
        let mut squares = [0.0_f64; WIDTH];
        let (blocks, rest) = chunk.as_chunks::<WIDTH>();
        let mut see = |e: usize, value: R| {
            nothing[e] += value * zero;
            let size = value.abs();
            peak[e] = if size > peak[e] { size } else { peak[e] };
            let wide = value.to_f64();
            squares[e] = wide.mul_add(wide, squares[e]);
        };
        for block in blocks {
            prefetch(block.as_ptr());
            for e in 0..WIDTH {
                see(e, block[e]);
            }
        }
        rest.iter().enumerate().for_each(|(e, value)| see(e, *value));
        total += squares.iter().sum::<f64>();
    }
    let finite = nothing.iter().all(|sum| *sum == zero);
    let peak = peak.iter().fold(0.0, |most: f64, lane| most.max(lane.to_f64()));
    let norm = if total.is_normal() || peak == 0.0 || !finite {
        total.sqrt()
    } else {
        // Large or small beyond the range of squares.
        peak * x.iter().map(|x| (x.to_f64() / peak).powi(2)).sum::<f64>().sqrt()
    };
    Extent { finite, peak, norm }
}

simd! {
    fn extent_f32(x: &[f32]) -> Extent {
        extent(x)
    }
    fn extent_f64(x: &[f64]) -> Extent {
        extent(x)
    }
}

impl Surveyed for f32 {
    fn extent(x: &[f32]) -> Extent {
        extent_f32(x)
    }
}

impl Surveyed for f64 {
    fn extent(x: &[f64]) -> Extent {
        extent_f64(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_squares_and_every_number_that_is_not_finite() {
        let x: Vec<f64> = (0..20_003).map(|i| (i as f64 * 0.7).sin()).collect();
        let found = f64::extent(&x);
        let plain: f64 = x.iter().map(|x| x * x).sum();
        assert!(found.finite && (found.norm - plain.sqrt()).abs() < 1e-12 * plain.sqrt());
        assert_eq!(found.peak, x.iter().fold(0.0, |most: f64, x| most.max(x.abs())));
        let mut narrow = vec![1e30_f32; 1001];
        let found = f32::extent(&narrow);
        assert!(found.finite && (found.norm / 1e30 - 1001_f64.sqrt()).abs() < 1e-5);
        for size in [1e200, 1e-200, 5e-324] {
            let found = f64::extent(&[size; 100]);
            assert!((found.norm / size - 10.0).abs() < 1e-12, "{size}: {}", found.norm);
        }
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 5, 991, 999, 1000] {
                narrow[at] = bad;
                assert!(!f32::extent(&narrow).finite, "{bad} at {at}");
                narrow[at] = 1.0;
            }
        }
    }
}
