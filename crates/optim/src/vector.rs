//! Passes over whole arrays. All are bound by memory; sums are taken in f64, in an order that only the length decides.

use crate::elementwise::lanes;
use crate::number::{Number, Real};

/// Sums kept side by side.
const WIDTH: usize = crate::elementwise::WIDTH;

/// Σ over the parts x of `array` of f(x), in f64.
#[inline(always)]
fn sum<T: Number>(array: &[T], f: impl Fn(f64) -> f64) -> f64 {
    let (chunks, rest) = T::reals(array).as_chunks::<WIDTH>();
    let mut sums = [0.0; WIDTH];
    for chunk in chunks {
        for e in 0..WIDTH {
            sums[e] += f(chunk[e].to_f64());
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += f(x.to_f64());
    }
    sums.iter().sum()
}

/// Σ|x|².
pub fn squares<T: Number>(x: &[T]) -> f64 {
    sum(x, |x| x * x)
}

/// (Σ|x|², the largest |x|²) in one pass.
pub fn squares_and_largest<T: Number>(x: &[T]) -> (f64, f64) {
    let (chunks, rest) = x.as_chunks::<WIDTH>();
    let (mut sums, mut most) = ([0.0; WIDTH], [0.0; WIDTH]);
    for chunk in chunks {
        for e in 0..WIDTH {
            let square = square(chunk[e]);
            sums[e] += square;
            most[e] = if square > most[e] { square } else { most[e] };
        }
    }
    for (e, &x) in rest.iter().enumerate() {
        sums[e] += square(x);
        most[e] = f64::max(most[e], square(x));
    }
    (sums.iter().sum(), most.iter().fold(0.0, |a, &b| f64::max(a, b)))
}

/// |x|² in f64, where that of f32 cannot overflow.
#[inline(always)]
pub fn square<T: Number>(x: T) -> f64 {
    let re = x.re().to_f64();
    if T::COMPLEX { re * re + x.im().to_f64() * x.im().to_f64() } else { re * re }
}

/// |x| without overflow.
#[inline(always)]
pub fn modulus<T: Number>(x: T) -> f64 {
    let re = x.re().to_f64();
    if T::COMPLEX { re.hypot(x.im().to_f64()) } else { re.abs() }
}

/// Largest |part|.
pub fn peak<T: Number>(x: &[T]) -> f64 {
    let (chunks, rest) = T::reals(x).as_chunks::<WIDTH>();
    let mut largest = [T::Real::default(); WIDTH];
    for chunk in chunks {
        for e in 0..WIDTH {
            largest[e] = if chunk[e].abs() > largest[e] { chunk[e].abs() } else { largest[e] };
        }
    }
    largest.iter().chain(rest).fold(0.0, |most, x| f64::max(most, x.abs().to_f64()))
}

/// (mean of |x|⁴)^{1/4}, without overflow.
pub fn quartic_mean<T: Number>(x: &[T]) -> f64 {
    let peak = peak(x);
    if peak == 0.0 {
        return 0.0;
    }
    let total: f64 = x
        .iter()
        .map(|x| (x.re().to_f64() / peak, x.im().to_f64() / peak))
        .map(|(re, im)| (re * re + im * im).powi(2))
        .sum();
    peak * (total / x.len() as f64).powf(0.25)
}

/// x ← factor·x.
pub fn scale<T: Number>(factor: f64, x: &mut [T]) {
    let factor = T::Real::from_f64(factor);
    for x in T::reals_mut(x) {
        *x = *x * factor;
    }
}

/// out ← factor·x.
pub fn scaled<T: Number>(factor: f64, x: &[T], out: &mut [T]) {
    let factor = T::Real::from_f64(factor);
    for (out, x) in T::reals_mut(out).iter_mut().zip(T::reals(x)) {
        *out = *x * factor;
    }
}

/// out ← a·x + b·y.
pub fn combine<T: Number>(a: f64, x: &[T], b: f64, y: &[T], out: &mut [T]) {
    let (a, b) = (T::Real::from_f64(a), T::Real::from_f64(b));
    for ((out, &x), &y) in T::reals_mut(out).iter_mut().zip(T::reals(x)).zip(T::reals(y)) {
        *out = a * x + b * y;
    }
}

/// h ← h + (d + ε|h|)∘v.
pub fn damp<T: Number>(damping: f64, epsilon: f64, v: &[T], h: &mut [T]) {
    for (h, v) in h.iter_mut().zip(v) {
        *h += v.scale(T::Real::from_f64(damping + epsilon * modulus(*h)));
    }
}

/// Shortens x to a root mean square and its elements to a modulus, both of which may be infinite; returns Σ|x|², at most the
/// largest number. What is not finite stays so.
pub fn shorten<T: Number>(rms: f64, limit: f64, x: &mut [T]) -> f64 {
    let (mut squares, mut largest) = squares_and_largest(x);
    let mut unit = 1.0;
    if squares == f64::INFINITY {
        unit = peak(x);
        if !unit.is_finite() {
            return f64::MAX;
        }
        scale(1.0 / unit, x);
        (squares, largest) = squares_and_largest(x);
    }
    let size = (squares / x.len() as f64).sqrt();
    // In f64 a product of the two may overflow, which says the same.
    let factor = if size * unit > rms { rms / size } else { unit };
    if factor != 1.0 {
        scale(factor, x);
    }
    (squares, largest) = (squares * factor * factor, largest * factor * factor);
    if largest > limit * limit {
        for x in x.iter_mut() {
            let size = modulus(*x);
            if size > limit {
                *x = x.scale(T::Real::from_f64(limit / size));
            }
        }
        squares = self::squares(x);
    }
    squares.min(f64::MAX)
}

/// θ ← keep·θ − rate·u; Σ|θ′ − θ|².
pub fn descend<T: Number>(keep: f64, rate: f64, u: &[T], theta: &mut [T]) -> f64 {
    let (keep, rate) = (T::Real::from_f64(keep), T::Real::from_f64(rate));
    let (theta, u) = (T::reals_mut(theta), T::reals(u));
    let mut squares = [0.0; WIDTH];
    lanes!(write theta; read u; e => {
        let next = keep * theta[e] - rate * u[e];
        let by = (next - theta[e]).to_f64();
        squares[e] += by * by;
        theta[e] = next;
    });
    squares.iter().sum()
}

/// The first part of keep·θ − rate·u that is not finite, with its position.
pub fn bad_candidate<T: Number>(keep: f64, rate: f64, u: &[T], theta: &[T]) -> Option<(usize, f64)> {
    let (keep, rate, zero) = (T::Real::from_f64(keep), T::Real::from_f64(rate), T::Real::default());
    let value = |x: T::Real, u: T::Real| keep * x - rate * u;
    let (x, u) = (T::reals(theta), T::reals(u));
    let ((xs, x_rest), (us, u_rest)) = (x.as_chunks::<WIDTH>(), u.as_chunks::<WIDTH>());
    let mut sums = [zero; WIDTH];
    for (x, u) in xs.iter().zip(us) {
        for e in 0..WIDTH {
            sums[e] += value(x[e], u[e]) * zero;
        }
    }
    let rest = x_rest.iter().zip(u_rest).all(|(&x, &u)| value(x, u).is_finite());
    if rest && sums.iter().all(|&sum| sum == zero) {
        return None;
    }
    let at = x.iter().zip(u).position(|(&x, &u)| !value(x, u).is_finite())?;
    Some((at, value(x[at], u[at]).to_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Complex64;

    #[test]
    fn sums_and_peaks_are_those_of_the_definitions() {
        let x: Vec<f32> = (0..100).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
        let right: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((squares(&x) - right).abs() < 1e-12 * right);
        assert_eq!(peak(&x), f64::from(x.iter().fold(0.0_f32, |a, b| a.max(b.abs()))));
        let quartic = (x.iter().map(|&x| f64::from(x).powi(4)).sum::<f64>() / 100.0).powf(0.25);
        assert!((quartic_mean(&x) - quartic).abs() < 1e-12);
        assert_eq!(quartic_mean(&[1e-300_f64, -1e-300]), 1e-300);
        assert_eq!(quartic_mean(&[0.0_f32; 3]), 0.0);
        assert!((quartic_mean(&[Complex64::new(3.0, 4.0)]) - 5.0).abs() < 1e-15);
    }

    #[test]
    fn shortening_keeps_directions_at_any_size() {
        let mut x = [Complex64::new(30.0, 40.0), Complex64::new(3.0, -4.0)];
        assert!((shorten(f64::INFINITY, 10.0, &mut x) - 125.0).abs() < 1e-12);
        assert!((x[0] - Complex64::new(6.0, 8.0)).norm() < 1e-15);
        assert_eq!(x[1], Complex64::new(3.0, -4.0));
        for size in [1e-3, 1.0, 1e25, 1e37] {
            let mut x = [3.0 * size as f32, -4.0 * size as f32];
            let rms = (12.5_f64.sqrt() * size).min(1.1);
            assert!((shorten(1.1, 10.0, &mut x) / (2.0 * rms * rms) - 1.0).abs() < 1e-6);
            assert!((f64::from(x[0] / x[1]) + 0.75).abs() < 1e-6 && (squares(&x) / 2.0 / rms / rms - 1.0).abs() < 1e-6);
        }
        let mut x = [3e200, -4e200];
        assert!((shorten(1.1, 10.0, &mut x) - 2.42).abs() < 1e-12 && (x[0] / x[1] + 0.75).abs() < 1e-15);
        let mut x = [3e200, 1.0];
        assert_eq!((shorten(f64::INFINITY, f64::INFINITY, &mut x), x[0]), (f64::MAX, 3e200));
        assert!((shorten(f64::INFINITY, 10.0, &mut x) - 101.0).abs() < 1e-9 && (x[1] - 1.0).abs() < 1e-15);
        let mut x = [f64::INFINITY, 1.0];
        shorten(1.1, 10.0, &mut x);
        assert_eq!(x[0], f64::INFINITY);
    }

    #[test]
    fn a_candidate_that_is_not_finite_is_found() {
        let mut u = vec![1.0_f32; 50];
        let theta = vec![1.0_f32; 50];
        assert_eq!(bad_candidate(1.0, 0.1, &u, &theta), None);
        for at in [0, 20, 49] {
            u[at] = f32::MAX;
            assert_eq!(bad_candidate(1.0, 10.0, &u, &theta), Some((at, f64::NEG_INFINITY)));
            u[at] = 1.0;
        }
    }
}
