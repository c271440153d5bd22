//! Dense kernels of headwater: weighted normal equations and non-negative least squares for many small
//! systems at once, Cholesky factors and eigenvalues of one larger matrix, assignments.
//!
//! # Lanes
//! Kernels that treat many small systems work on [`LANES`] of them at once, one per SIMD lane: a quantity
//! that is a number per system is stored as `LANES` consecutive numbers. Symmetric p × p matrices are packed
//! by rows of the lower triangle, element (k, l), l <= k, at [`packed`]`(k, l)`.

pub mod assignment;
pub mod cholesky;
pub mod dense;
pub mod device;
pub mod eigen;
pub mod element;
pub mod gemm;
pub mod gram;
pub mod hermitian;
pub mod nnls;
pub mod residual;
pub mod routing;
pub mod singular;
pub mod triangular;
pub mod tridiagonal;

/// Kernels compiled for several instruction sets; the module, and the macro of the same name.
pub use headwater_base::simd;

/// Systems treated at once: one AVX-512 register or two AVX2 registers of f64.
pub const LANES: usize = 8;

/// Position of element (k, l), l <= k, in a packed lower triangle.
#[inline(always)]
pub const fn packed(k: usize, l: usize) -> usize {
    k * (k + 1) / 2 + l
}

/// Number of elements of a packed p × p triangle.
#[inline(always)]
pub const fn packed_len(p: usize) -> usize {
    p * (p + 1) / 2
}
