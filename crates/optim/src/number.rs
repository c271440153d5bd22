//! The number types of a parameter: `f32`, `f64` and their complex pairs.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use headwater_base::normal::Normals;
use headwater_linalg::element::Element;
pub use num_complex::{Complex32, Complex64};

/// An element of a parameter. A complex array is also an array of twice as many reals ([`Number::reals`]).
pub trait Number:
    Element
    + Copy
    + Send
    + Sync
    + Debug
    + Default
    + PartialEq
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + 'static
{
    /// Type of its parts.
    type Real: Real;
    /// Whether it has an imaginary part.
    const COMPLEX: bool;
    /// re + i·im; `im` is dropped by the real types.
    fn new(re: Self::Real, im: Self::Real) -> Self;
    /// Real part.
    fn re(self) -> Self::Real;
    /// Imaginary part (0 for the real types).
    fn im(self) -> Self::Real;
    /// Complex conjugate.
    fn conj(self) -> Self;
    /// Product with a real number.
    fn scale(self, factor: Self::Real) -> Self;
    /// |z|².
    fn square(self) -> Self::Real;
    /// The array as reals: itself, or (re, im) interleaved.
    fn reals(x: &[Self]) -> &[Self::Real];
    /// The array as reals, to be written.
    fn reals_mut(x: &mut [Self]) -> &mut [Self::Real];
    /// Reals as an array of this type, (re, im) by (re, im); a last one without partner is left out.
    fn of_reals(x: &[Self::Real]) -> &[Self];
    /// The same, to be written.
    fn of_reals_mut(x: &mut [Self::Real]) -> &mut [Self];

    /// The real number as this type.
    #[inline(always)]
    fn real(value: Self::Real) -> Self {
        Self::new(value, Self::Real::default())
    }
    /// Reals in one element: 1 or 2.
    const PARTS: usize = 1 + Self::COMPLEX as usize;
}

/// `f32` or `f64`.
pub trait Real: Number<Real = Self> + PartialOrd + Div<Output = Self> {
    /// Distance from 1 to the next number.
    const EPSILON: Self;
    /// Largest finite number.
    const MAX: f64;
    /// Rounded to this type.
    fn from_f64(value: f64) -> Self;
    /// Exact.
    fn to_f64(self) -> f64;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// The larger one; the other where one is NaN.
    fn max(self, other: Self) -> Self;
    /// The array, if it is one of this type.
    fn of(parts: Parts<'_>) -> Option<&[Self]>;
    /// The same, to be written.
    fn of_mut<'a>(parts: &'a mut PartsMut<'_>) -> Option<&'a mut [Self]>;
    /// Numbers `from`, `from + 1`, … of a sequence of standard normal ones.
    fn fill_normal(normals: Normals, from: u64, out: &mut [Self]);
    /// Little-endian bytes appended.
    fn write(x: &[Self], to: &mut Vec<u8>);
    /// From little-endian bytes, of which there are as many as `to` needs.
    fn read(from: &[u8], to: &mut [Self]);
}

/// The parts of an array of any type.
#[derive(Clone, Copy, Debug)]
pub enum Parts<'a> {
    /// In single precision.
    F32(&'a [f32]),
    /// In double precision.
    F64(&'a [f64]),
}

/// The same, to be written.
#[derive(Debug)]
pub enum PartsMut<'a> {
    /// In single precision.
    F32(&'a mut [f32]),
    /// In double precision.
    F64(&'a mut [f64]),
}

impl PartsMut<'_> {
    /// To be read.
    pub fn shared(&self) -> Parts<'_> {
        match self {
            Self::F32(parts) => Parts::F32(parts),
            Self::F64(parts) => Parts::F64(parts),
        }
    }
}

macro_rules! real {
    ($type:ident, $variant:ident, $fill:ident) => {
        impl Number for $type {
            type Real = $type;
            const COMPLEX: bool = false;
            #[inline(always)]
            fn new(re: $type, _: $type) -> Self {
                re
            }
            #[inline(always)]
            fn re(self) -> $type {
                self
            }
            #[inline(always)]
            fn im(self) -> $type {
                0.0
            }
            #[inline(always)]
            fn conj(self) -> Self {
                self
            }
            #[inline(always)]
            fn scale(self, factor: $type) -> Self {
                self * factor
            }
            #[inline(always)]
            fn square(self) -> $type {
                self * self
            }
            fn reals(x: &[Self]) -> &[$type] {
                x
            }
            fn reals_mut(x: &mut [Self]) -> &mut [$type] {
                x
            }
            fn of_reals(x: &[$type]) -> &[Self] {
                x
            }
            fn of_reals_mut(x: &mut [$type]) -> &mut [Self] {
                x
            }
        }

        impl Real for $type {
            const EPSILON: Self = $type::EPSILON;
            const MAX: f64 = $type::MAX as f64;
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn abs(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                self.is_finite()
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                self.max(other)
            }
            fn of(parts: Parts<'_>) -> Option<&[Self]> {
                match parts {
                    Parts::$variant(parts) => Some(parts),
                    _ => None,
                }
            }
            fn of_mut<'a>(parts: &'a mut PartsMut<'_>) -> Option<&'a mut [Self]> {
                match parts {
                    PartsMut::$variant(parts) => Some(parts),
                    _ => None,
                }
            }
            fn fill_normal(normals: Normals, from: u64, out: &mut [Self]) {
                normals.$fill(from, out);
            }
            fn write(x: &[Self], to: &mut Vec<u8>) {
                to.extend(x.iter().flat_map(|value| value.to_le_bytes()));
            }
            fn read(from: &[u8], to: &mut [Self]) {
                for (bytes, value) in from.chunks_exact(size_of::<$type>()).zip(to) {
                    *value = $type::from_le_bytes(bytes.try_into().expect("chunks of this size"));
                }
            }
        }
    };
}

macro_rules! complex {
    ($type:ident, $real:ident) => {
        impl Number for $type {
            type Real = $real;
            const COMPLEX: bool = true;
            #[inline(always)]
            fn new(re: $real, im: $real) -> Self {
                Self { re, im }
            }
            #[inline(always)]
            fn re(self) -> $real {
                self.re
            }
            #[inline(always)]
            fn im(self) -> $real {
                self.im
            }
            #[inline(always)]
            fn conj(self) -> Self {
                Self { re: self.re, im: -self.im }
            }
            #[inline(always)]
            fn scale(self, factor: $real) -> Self {
                Self { re: self.re * factor, im: self.im * factor }
            }
            #[inline(always)]
            fn square(self) -> $real {
                self.re * self.re + self.im * self.im
            }
            fn reals(x: &[Self]) -> &[$real] {
                // SAFETY: a complex number is repr(C) with two parts, so n of them are 2n reals without padding.
                unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), 2 * x.len()) }
            }
            fn reals_mut(x: &mut [Self]) -> &mut [$real] {
                // SAFETY: as in `reals`; the borrow is exclusive.
                unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), 2 * x.len()) }
            }
            fn of_reals(x: &[$real]) -> &[Self] {
                // SAFETY: as in `reals`; both types have the alignment of a part.
                unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len() / 2) }
            }
            fn of_reals_mut(x: &mut [$real]) -> &mut [Self] {
                // SAFETY: as in `of_reals`; the borrow is exclusive.
                unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len() / 2) }
            }
        }
    };
}

real!(f32, F32, fill_f32);
real!(f64, F64, fill_f64);
complex!(Complex32, f32);
complex!(Complex64, f64);
