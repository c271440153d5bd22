//! The two number types a system may have: `f64` and [`Complex64`].

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use headwater_base::rng::Stream;
pub use num_complex::Complex64;

use crate::vector;

/// `f64` or [`Complex64`]. A complex vector is also a vector of twice as many reals ([`Scalar::reals`]): sums with real
/// coefficients, norms and real parts of inner products are computed there, by one kernel for both types.
pub trait Scalar:
    Copy
    + Send
    + Sync
    + Debug
    + Default
    + PartialEq
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + 'static
{
    /// Whether the type has an imaginary part.
    const COMPLEX: bool;
    /// The number re + i·im; `im` is dropped by the real type.
    fn new(re: f64, im: f64) -> Self;
    /// Real part.
    fn re(self) -> f64;
    /// Imaginary part (0 for the real type).
    fn im(self) -> f64;
    /// Complex conjugate.
    fn conj(self) -> Self;
    /// Product with a real number.
    fn scale(self, factor: f64) -> Self;
    /// Absolute value, safe against overflow.
    fn modulus(self) -> f64;
    /// The vector as reals: itself, or (re, im) interleaved.
    fn reals(x: &[Self]) -> &[f64];
    /// The vector as reals, to be written.
    fn reals_mut(x: &mut [Self]) -> &mut [f64];
    /// Reals as a vector of this type, (re, im) by (re, im); a last one without partner is left out.
    fn of_reals(x: &[f64]) -> &[Self];
    /// The same, to be written.
    fn of_reals_mut(x: &mut [f64]) -> &mut [Self];
    /// ⟨x, y⟩ = Σ conj(x_i) y_i.
    fn dot(x: &[Self], y: &[Self]) -> Self;
    /// Σ x_i y_i, not conjugated.
    fn dot_transposed(x: &[Self], y: &[Self]) -> Self;
    /// y += a x.
    fn axpy(a: Self, x: &[Self], y: &mut [Self]);
    /// y = x + b y.
    fn xpby(x: &[Self], b: Self, y: &mut [Self]);

    /// The real number as this type.
    fn real(value: f64) -> Self {
        Self::new(value, 0.0)
    }
    /// Whether both parts are finite.
    fn finite(self) -> bool {
        self.re().is_finite() && self.im().is_finite()
    }
    /// Standard normal number: E|ξ|² is 1 for the real, 2 for the complex type.
    fn normal(random: &mut Stream) -> Self {
        let re = random.normal();
        Self::new(re, if Self::COMPLEX { random.normal() } else { 0.0 })
    }
}

impl Scalar for f64 {
    const COMPLEX: bool = false;
    fn new(re: f64, _: f64) -> Self {
        re
    }
    fn re(self) -> f64 {
        self
    }
    fn im(self) -> f64 {
        0.0
    }
    #[inline(always)]
    fn conj(self) -> Self {
        self
    }
    #[inline(always)]
    fn scale(self, factor: f64) -> Self {
        self * factor
    }
    fn modulus(self) -> f64 {
        self.abs()
    }
    fn reals(x: &[Self]) -> &[f64] {
        x
    }
    fn reals_mut(x: &mut [Self]) -> &mut [f64] {
        x
    }
    fn of_reals(x: &[f64]) -> &[Self] {
        x
    }
    fn of_reals_mut(x: &mut [f64]) -> &mut [Self] {
        x
    }
    fn dot(x: &[Self], y: &[Self]) -> Self {
        vector::dot(x, y)
    }
    fn dot_transposed(x: &[Self], y: &[Self]) -> Self {
        vector::dot(x, y)
    }
    fn axpy(a: Self, x: &[Self], y: &mut [Self]) {
        vector::axpy(a, x, y);
    }
    fn xpby(x: &[Self], b: Self, y: &mut [Self]) {
        vector::xpby(x, b, y);
    }
}

impl Scalar for Complex64 {
    const COMPLEX: bool = true;
    fn new(re: f64, im: f64) -> Self {
        Self { re, im }
    }
    fn re(self) -> f64 {
        self.re
    }
    fn im(self) -> f64 {
        self.im
    }
    #[inline(always)]
    fn conj(self) -> Self {
        Self { re: self.re, im: -self.im }
    }
    #[inline(always)]
    fn scale(self, factor: f64) -> Self {
        Self { re: self.re * factor, im: self.im * factor }
    }
    fn modulus(self) -> f64 {
        self.re.hypot(self.im)
    }
    fn reals(x: &[Self]) -> &[f64] {
        // SAFETY: Complex<f64> is repr(C) with two f64, so n of them are 2n f64 without padding.
        unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), 2 * x.len()) }
    }
    fn reals_mut(x: &mut [Self]) -> &mut [f64] {
        // SAFETY: as in `reals`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), 2 * x.len()) }
    }
    fn of_reals(x: &[f64]) -> &[Self] {
        // SAFETY: as in `reals`; both types have the alignment of f64.
        unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len() / 2) }
    }
    fn of_reals_mut(x: &mut [f64]) -> &mut [Self] {
        // SAFETY: as in `of_reals`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len() / 2) }
    }
    fn dot(x: &[Self], y: &[Self]) -> Self {
        let [same, cross] = vector::dot_pairs(Self::reals(x), Self::reals(y));
        Self { re: same[0] + same[1], im: cross[0] - cross[1] }
    }
    fn dot_transposed(x: &[Self], y: &[Self]) -> Self {
        let [same, cross] = vector::dot_pairs(Self::reals(x), Self::reals(y));
        Self { re: same[0] - same[1], im: cross[0] + cross[1] }
    }
    fn axpy(a: Self, x: &[Self], y: &mut [Self]) {
        vector::axpy_complex(a.re, a.im, Self::reals(x), Self::reals_mut(y));
    }
    fn xpby(x: &[Self], b: Self, y: &mut [Self]) {
        vector::xpby_complex(Self::reals(x), b.re, b.im, Self::reals_mut(y));
    }
}

/// The power of two nearest to 1/|value| in the exponent, so that value · result lies in [1, 2).
/// 1 for zero and non-finite values; the exponent is even if `even` is set.
pub(crate) fn power_of_two_inverse(value: f64, even: bool) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 1.0;
    }
    let mut exponent = value.abs().log2().floor() as i32;
    if even {
        exponent &= !1;
    }
    2.0_f64.powi(-exponent.clamp(-1020, 1020))
}
