//! Preconditioners, made of operators.

use std::sync::Arc;

use headwater_base::Error;
use headwater_solve::{
    Arrow, BlockJacobi, Complex64, Csr, Direct, IncompleteCholesky, Jacobi, Operator, Pattern, Preconditioner, Scalar,
};
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object, ObjectFinalize};
use napi_derive::napi;

use super::number::Number;
use super::operator::{Held, NativeOperator, Operand};
use super::{announced, mixed};

/// M⁻¹ with what is known of it.
#[derive(Clone)]
pub struct Factor<T> {
    /// The map.
    pub preconditioner: Arc<dyn Preconditioner<T>>,
    size: usize,
    shift: Option<f64>,
    nnz: Option<usize>,
}

/// Real or complex.
#[derive(Clone)]
pub enum Inverse {
    /// f64.
    Real(Factor<f64>),
    /// Complex.
    Complex(Factor<Complex64>),
}

macro_rules! with {
    ($inverse:expr, $factor:ident => $body:expr) => {
        match $inverse {
            Inverse::Real($factor) => $body,
            Inverse::Complex($factor) => $body,
        }
    };
}

/// M⁻¹.
#[napi(custom_finalize)]
pub struct NativePreconditioner {
    pub(super) inverse: Inverse,
    /// Memory of its own that the garbage collector has been told of.
    bytes: i64,
}

impl ObjectFinalize for NativePreconditioner {
    fn finalize(self, env: Env) -> napi::Result<()> {
        env.adjust_external_memory(-self.bytes)?;
        Ok(())
    }
}

fn announce<'env>(env: &'env Env, built: Result<NativePreconditioner, Error>) -> napi::Result<Object<'env>> {
    announced(env, built, |made| made.bytes)
}

#[napi]
impl NativePreconditioner {
    /// Rows and columns.
    #[napi(getter)]
    pub fn size(&self) -> f64 {
        with!(&self.inverse, factor => factor.size as f64)
    }

    /// Whether its numbers are complex.
    #[napi(getter)]
    pub fn complex(&self) -> bool {
        matches!(self.inverse, Inverse::Complex(_))
    }

    /// The shift that an incomplete factorisation needed.
    #[napi(getter)]
    pub fn shift(&self) -> Option<f64> {
        with!(&self.inverse, factor => factor.shift)
    }

    /// Elements of an incomplete factor.
    #[napi(getter)]
    pub fn nnz(&self) -> Option<f64> {
        with!(&self.inverse, factor => factor.nnz.map(|nnz| nnz as f64))
    }

    /// z = M⁻¹ r. False if the lengths do not fit.
    #[napi(catch_unwind)]
    pub fn apply(&self, r: &[f64], mut z: Float64ArraySlice<'_>) -> bool {
        fn product<T: Number>(factor: &Factor<T>, r: &[f64], z: &mut [f64]) -> bool {
            let width = if T::COMPLEX { 2 } else { 1 };
            if r.len() != factor.size * width || z.len() != r.len() {
                return false;
            }
            let (input, mut output) = (T::from_reals(r), vec![T::default(); factor.size]);
            factor.preconditioner.apply(&input, &mut output);
            z.copy_from_slice(T::reals(&output));
            true
        }
        // SAFETY: nothing else runs on this thread meanwhile, and no job has this memory.
        let z = unsafe { z.as_mut() };
        with!(&self.inverse, factor => product(factor, r, z))
    }
}

/// `elements`: how many numbers it holds, in the units of T.
fn wrap<T: Number>(
    size: usize,
    preconditioner: impl Preconditioner<T> + 'static,
    shift: Option<f64>,
    nnz: Option<usize>,
    elements: usize,
) -> NativePreconditioner {
    let bytes = (elements * size_of::<T>() + nnz.unwrap_or(0) * size_of::<u32>()) as i64;
    let inverse = T::inverse(Factor { preconditioner: Arc::new(preconditioner), size, shift, nnz });
    NativePreconditioner { inverse, bytes }
}

fn square<T: Scalar>(a: &Held<T>) -> Result<usize, Error> {
    let (rows, cols) = (a.operator.rows(), a.operator.cols());
    if rows == cols {
        return Ok(rows);
    }
    Err(Error::new("shape-mismatch", format!("a preconditioner needs a square matrix, not {rows} × {cols}")))
}

/// The inverse diagonal.
#[napi(ts_return_type = "NativeOutcome<{ value: NativePreconditioner }>", catch_unwind)]
pub fn jacobi_preconditioner<'env>(env: &'env Env, a: &NativeOperator) -> napi::Result<Object<'env>> {
    fn build<T: Number>(a: &Held<T>) -> Result<NativePreconditioner, Error> {
        let size = square(a)?;
        Ok(wrap::<T>(size, Jacobi::new(&a.diagonal()?)?, None, None, size))
    }
    announce(
        env,
        match &a.operand {
            Operand::Real(a) => build(a),
            Operand::Complex(a) => build(a),
        },
    )
}

/// The inverse of diagonal blocks: one size for all, or the size of each.
#[napi(ts_return_type = "NativeOutcome<{ value: NativePreconditioner }>", catch_unwind)]
pub fn block_jacobi_preconditioner<'env>(
    env: &'env Env,
    a: &NativeOperator,
    sizes: &[u32],
    uniform: bool,
) -> napi::Result<Object<'env>> {
    fn build<T: Number>(a: &Held<T>, sizes: &[u32], uniform: bool) -> Result<NativePreconditioner, Error> {
        let (size, csr) = (square(a)?, a.sparse()?);
        let sizes: Vec<usize> = sizes.iter().map(|&size| size as usize).collect();
        let blocks = match sizes.first() {
            Some(&one) if uniform => BlockJacobi::uniform(csr, one)?,
            _ => BlockJacobi::new(csr, &sizes)?,
        };
        let square = |n: usize| n * n;
        let elements = match sizes.first() {
            Some(&one) if uniform => size / one * square(one) + square(size % one),
            _ => sizes.iter().map(|&n| square(n)).sum(),
        };
        Ok(wrap(size, blocks, None, None, elements))
    }
    announce(
        env,
        match &a.operand {
            Operand::Real(a) => build(a, sizes, uniform),
            Operand::Complex(a) => build(a, sizes, uniform),
        },
    )
}

/// Incomplete Cholesky: IC(0) without `drop`, else ICT.
#[napi(ts_return_type = "NativeOutcome<{ value: NativePreconditioner }>", catch_unwind)]
pub fn incomplete_cholesky_preconditioner<'env>(
    env: &'env Env,
    a: &NativeOperator,
    shift: f64,
    drop: Option<f64>,
    fill: Option<u32>,
) -> napi::Result<Object<'env>> {
    fn build<T: Number>(a: &Held<T>, pattern: Pattern, shift: f64) -> Result<NativePreconditioner, Error> {
        let factor = IncompleteCholesky::new(a.sparse()?, pattern, shift)?;
        let (shift, nnz) = (factor.shift(), factor.nnz());
        Ok(wrap(square(a)?, factor, Some(shift), Some(nnz), nnz))
    }
    let pattern = match (drop, fill) {
        (None, None) => Pattern::Zero,
        (drop, fill) => Pattern::Threshold { drop: drop.unwrap_or(0.0), fill: fill.map_or(0, |fill| fill as usize) },
    };
    announce(
        env,
        match &a.operand {
            Operand::Real(a) => build(a, pattern, shift),
            Operand::Complex(a) => build(a, pattern, shift),
        },
    )
}

/// The inverse of an arrow matrix.
#[napi(ts_return_type = "NativeOutcome<{ value: NativePreconditioner }>", catch_unwind)]
pub fn arrow_preconditioner<'env>(
    env: &'env Env,
    blocks: Vec<&NativeOperator>,
    border: &NativeOperator,
    corner: &NativeOperator,
) -> napi::Result<Object<'env>> {
    fn build<T: Number>(
        blocks: &[&NativeOperator],
        border: &NativeOperator,
        corner: &NativeOperator,
    ) -> Result<NativePreconditioner, Error>
    where
        Csr<T>: Operator<T>,
    {
        let mut d = Vec::with_capacity(blocks.len());
        for block in blocks {
            let Some(held) = T::operator(&block.operand) else { return mixed() };
            d.push(held.elements()?);
        }
        let (Some(e), Some(corner)) = (T::operator(&border.operand), T::operator(&corner.operand)) else {
            return mixed();
        };
        let size = e.operator.rows() + e.operator.cols();
        let elements = d.iter().map(|block| block.data().len()).sum::<usize>() + e.operator.cols().pow(2);
        Ok(wrap(size, Arrow::new(d, (**e.sparse()?).clone(), &corner.elements()?)?, None, None, elements))
    }
    announce(
        env,
        if border.is_complex() {
            build::<Complex64>(&blocks, border, corner)
        } else {
            build::<f64>(&blocks, border, corner)
        },
    )
}

struct Shared<T>(Arc<Direct<T>>);

impl<T: Scalar> Preconditioner<T> for Shared<T> {
    fn apply(&self, r: &[T], z: &mut [T]) {
        self.0.apply(r, z);
    }
}

/// The inverse of a dense Hermitian positive definite matrix, by its Cholesky factor.
#[napi(ts_return_type = "NativeOutcome<{ value: NativePreconditioner }>", catch_unwind)]
pub fn cholesky_preconditioner<'env>(env: &'env Env, a: &NativeOperator) -> napi::Result<Object<'env>> {
    fn build<T: Number>(a: &Held<T>) -> Result<NativePreconditioner, Error> {
        let direct = a.direct(headwater_base::Control::none())?.expect("nobody cancels");
        if !direct.is_definite() {
            return Err(Error::new(
                "not-positive-definite",
                "the matrix to be factored is not Hermitian positive definite",
            ));
        }
        // The factors stay with the matrix.
        Ok(wrap(square(a)?, Shared(direct), None, None, 0))
    }
    a.announce_factors(env)?;
    announce(
        env,
        match &a.operand {
            Operand::Real(a) => build(a),
            Operand::Complex(a) => build(a),
        },
    )
}
