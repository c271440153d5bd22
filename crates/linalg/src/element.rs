//! Number types of the dense kernels: `f32`, `f64`, `Complex32`, `Complex64`.

use std::fmt::Debug;
use std::ops::{Add, Mul, Neg, Sub};

use headwater_base::simd;
use num_complex::{Complex32, Complex64};

use crate::{hermitian, triangular};

/// An element of a dense matrix, with the kernels that are compiled for each type.
pub trait Element:
    Copy
    + Default
    + Debug
    + PartialEq
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// 1.
    const ONE: Self;
    /// Whether there is an imaginary part.
    const HAS_IMAGINARY: bool;
    /// re + i·im, rounded; `im` is dropped by the real types.
    fn from_parts(re: f64, im: f64) -> Self;
    /// Real and imaginary part, exact.
    fn parts(self) -> (f64, f64);
    /// Complex conjugate.
    fn conjugate(self) -> Self;
    /// self·factor + add; rounded once by the real types.
    fn times_plus(self, factor: Self, add: Self) -> Self;

    /// The leaf of [`triangular::solve_adjoint`], compiled for several instruction sets.
    fn substitute(n: usize, u: &[Self], step: usize, x: &mut [Self], columns: usize);

    /// y ← Ax for A = ±Aᴴ by its upper triangle, compiled for several instruction sets.
    fn hermitian_product(n: usize, a: &[Self], sign: f64, x: &[Self], y: &mut [Self]);
}

macro_rules! kernels {
    ($type:ty, $width:expr, $substitute:ident, $product:ident) => {
        simd! {
        fn $substitute(n: usize, u: &[$type], step: usize, x: &mut [$type], columns: usize) {
            triangular::substitute::<$type, { $width }>(n, u, step, x, columns);
        }

        fn $product(n: usize, a: &[$type], sign: f64, x: &[$type], y: &mut [$type]) {
            hermitian::product(n, a, sign, x, y);
        }
        }
    };
}

// Columns in registers: eight AVX2 ones, enough to hide a multiply-add's latency.
kernels!(f32, 64, substitute_f32, product_f32);
kernels!(f64, 32, substitute_f64, product_f64);
kernels!(Complex32, 32, substitute_c32, product_c32);
kernels!(Complex64, 16, substitute_c64, product_c64);

macro_rules! shared {
    ($substitute:ident, $product:ident) => {
        fn substitute(n: usize, u: &[Self], step: usize, x: &mut [Self], columns: usize) {
            $substitute(n, u, step, x, columns);
        }
        fn hermitian_product(n: usize, a: &[Self], sign: f64, x: &[Self], y: &mut [Self]) {
            $product(n, a, sign, x, y);
        }
    };
}

macro_rules! real {
    ($type:ident, $substitute:ident, $product:ident) => {
        impl Element for $type {
            const ONE: Self = 1.0;
            const HAS_IMAGINARY: bool = false;
            #[inline(always)]
            fn from_parts(re: f64, _: f64) -> Self {
                re as $type
            }
            #[inline(always)]
            fn parts(self) -> (f64, f64) {
                (f64::from(self), 0.0)
            }
            #[inline(always)]
            fn conjugate(self) -> Self {
                self
            }
            #[inline(always)]
            fn times_plus(self, factor: Self, add: Self) -> Self {
                self.mul_add(factor, add)
            }
            shared!($substitute, $product);
        }
    };
}

macro_rules! complex {
    ($type:ident, $real:ident, $substitute:ident, $product:ident) => {
        impl Element for $type {
            const ONE: Self = Self { re: 1.0, im: 0.0 };
            const HAS_IMAGINARY: bool = true;
            #[inline(always)]
            fn from_parts(re: f64, im: f64) -> Self {
                Self { re: re as $real, im: im as $real }
            }
            #[inline(always)]
            fn parts(self) -> (f64, f64) {
                (f64::from(self.re), f64::from(self.im))
            }
            #[inline(always)]
            fn conjugate(self) -> Self {
                Self { re: self.re, im: -self.im }
            }
            #[inline(always)]
            fn times_plus(self, factor: Self, add: Self) -> Self {
                Self {
                    re: self.re.mul_add(factor.re, (-self.im).mul_add(factor.im, add.re)),
                    im: self.re.mul_add(factor.im, self.im.mul_add(factor.re, add.im)),
                }
            }
            shared!($substitute, $product);
        }
    };
}

real!(f32, substitute_f32, product_f32);
real!(f64, substitute_f64, product_f64);
complex!(Complex32, f32, substitute_c32, product_c32);
complex!(Complex64, f64, substitute_c64, product_c64);
