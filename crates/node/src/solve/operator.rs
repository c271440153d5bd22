//! Operators: the data are copied from JavaScript once and shared by all solves.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use headwater_base::{Control, Error};
use headwater_solve::{Csr, Dense, Direct, ExactHessian, KroneckerSum, Lifted, Operator, Scalar};
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object, ObjectFinalize};
use napi_derive::napi;

use super::number::Number;
use super::{mixed, tagged};
use crate::settings::integer;

/// An operator with what else is known of it.
#[derive(Clone)]
pub struct Held<T> {
    /// The map.
    pub operator: Arc<dyn Operator<T>>,
    /// Its elements, where it is sparse.
    pub csr: Option<Arc<Csr<T>>>,
    dense: Option<Arc<Dense<T>>>,
    direct: Arc<OnceLock<Arc<Direct<T>>>>,
}

impl<T: Scalar> Held<T> {
    fn of(operator: Arc<dyn Operator<T>>) -> Self {
        Self { operator, csr: None, dense: None, direct: Arc::default() }
    }

    /// The elements by rows, where they are known.
    pub fn elements(&self) -> Result<Dense<T>, Error> {
        if let Some(dense) = &self.dense {
            return Ok((**dense).clone());
        }
        let Some(csr) = &self.csr else {
            return Err(Error::new(
                "matrix-needed",
                "this needs a matrix (Csr or dense), not an operator made of others",
            ));
        };
        let (rows, cols) = (csr.rows(), csr.cols());
        let mut data = vec![T::default(); rows * cols];
        for i in 0..rows {
            let (columns, values) = csr.row(i);
            for (&j, &value) in columns.iter().zip(values) {
                data[i * cols + j as usize] = value;
            }
        }
        Dense::new(rows, cols, data)
    }

    /// The diagonal, where the elements are known.
    pub fn diagonal(&self) -> Result<Vec<T>, Error> {
        if let Some(csr) = &self.csr {
            return Ok(csr.diagonal());
        }
        let dense = self.elements()?;
        Ok((0..dense.rows().min(dense.cols())).map(|i| dense.data()[i * dense.cols() + i]).collect())
    }

    /// The sparse elements, or the reason why there are none.
    pub fn sparse(&self) -> Result<&Arc<Csr<T>>, Error> {
        self.csr.as_ref().ok_or_else(|| Error::new("matrix-needed", "this needs a sparse matrix (Csr)"))
    }

    /// The factors of the dense matrix, computed at the first call and kept; `None` if that was cancelled.
    pub fn direct(&self, control: Control<'_>) -> Result<Option<Arc<Direct<T>>>, Error> {
        if let Some(direct) = self.direct.get() {
            return Ok(Some(Arc::clone(direct)));
        }
        let Some(direct) = Direct::watched(self.elements()?, control)?.map(Arc::new) else { return Ok(None) };
        Ok(Some(Arc::clone(self.direct.get_or_init(|| direct))))
    }
}

impl<T: Number> Held<T>
where
    Csr<T>: Operator<T>,
{
    /// From a sparse matrix.
    pub(super) fn of_csr(csr: Csr<T>) -> Self {
        let csr = Arc::new(csr);
        let operator: Arc<dyn Operator<T>> = csr.clone();
        Self { csr: Some(csr), ..Self::of(operator) }
    }

    /// The operator with its products split over threads, where it can be.
    pub fn on_threads(&self, threads: usize) -> Arc<dyn Operator<T>> {
        match &self.csr {
            Some(csr) if threads > 1 => Arc::new((**csr).clone().with_threads(threads)),
            _ => Arc::clone(&self.operator),
        }
    }
}

/// Real or complex.
#[derive(Clone)]
pub enum Operand {
    /// f64.
    Real(Held<f64>),
    /// Complex, interleaved in JavaScript.
    Complex(Held<headwater_solve::Complex64>),
}

/// Runs the same expression for whichever type it is.
macro_rules! with {
    ($operand:expr, $held:ident => $body:expr) => {
        match $operand {
            Operand::Real($held) => $body,
            Operand::Complex($held) => $body,
        }
    };
}

/// A matrix, or an operator made of others, of which products can be had.
#[napi(custom_finalize)]
pub struct NativeOperator {
    pub(super) operand: Operand,
    /// Memory of its own that the garbage collector has been told of.
    bytes: i64,
    /// The same of the dense factors, which the first direct solve adds.
    factors: AtomicI64,
}

impl ObjectFinalize for NativeOperator {
    fn finalize(self, env: Env) -> napi::Result<()> {
        env.adjust_external_memory(-self.bytes - self.factors.into_inner())?;
        Ok(())
    }
}

impl NativeOperator {
    /// Tells the garbage collector of the dense factors that a call is about to make and keep: the matrix and its factors,
    /// 2n² numbers. Before the job, which has no way to tell; one that is aborted leaves them announced until the end.
    pub(super) fn announce_factors(&self, env: &Env) -> napi::Result<()> {
        fn numbers<T: Number>(held: &Held<T>) -> usize {
            let kept = held.csr.is_some() || held.dense.is_some();
            if kept { 2 * held.operator.rows() * held.operator.cols() * size_of::<T>() } else { 0 }
        }
        if self.factors.load(Ordering::Relaxed) == 0 {
            let bytes = with!(&self.operand, held => numbers(held)) as i64;
            self.factors.store(bytes, Ordering::Relaxed);
            env.adjust_external_memory(bytes)?;
        }
        Ok(())
    }

    /// Whether its numbers are complex.
    pub(super) fn is_complex(&self) -> bool {
        matches!(self.operand, Operand::Complex(_))
    }

    /// As an operator on complex vectors: itself, or a real one applied to both parts.
    pub(super) fn on_complex(&self) -> Held<headwater_solve::Complex64> {
        match &self.operand {
            Operand::Real(held) => Held::of(Arc::new(Lifted(Arc::clone(&held.operator)))),
            Operand::Complex(held) => held.clone(),
        }
    }
}

#[napi]
impl NativeOperator {
    /// Rows.
    #[napi(getter)]
    pub fn rows(&self) -> f64 {
        with!(&self.operand, held => held.operator.rows() as f64)
    }

    /// Columns.
    #[napi(getter)]
    pub fn cols(&self) -> f64 {
        with!(&self.operand, held => held.operator.cols() as f64)
    }

    /// Whether its numbers are complex.
    #[napi(getter)]
    pub fn complex(&self) -> bool {
        self.is_complex()
    }

    /// Whether it equals its adjoint, where the elements say so.
    #[napi(getter)]
    pub fn hermitian(&self) -> Option<bool> {
        with!(&self.operand, held => held.operator.hermitian())
    }

    /// Stored elements of a sparse matrix.
    #[napi(getter)]
    pub fn nnz(&self) -> Option<f64> {
        with!(&self.operand, held => held.csr.as_ref().map(|csr| csr.nnz() as f64))
    }

    /// Whether it can be applied from the left.
    #[napi(getter)]
    pub fn has_adjoint(&self) -> bool {
        with!(&self.operand, held => held.operator.has_adjoint())
    }

    /// y = A x, or Aᴴ x, without a copy unless x and y overlap. False if the lengths do not fit.
    #[napi(catch_unwind)]
    pub fn apply(&self, x: Float64ArraySlice<'_>, mut y: Float64ArraySlice<'_>, adjoint: bool) -> bool {
        fn product<T: Number>(held: &Held<T>, x: &[f64], y: &mut [f64], adjoint: bool) -> bool {
            let (rows, cols) = (held.operator.rows(), held.operator.cols());
            let (from, to) = if adjoint { (rows, cols) } else { (cols, rows) };
            let width = if T::COMPLEX { 2 } else { 1 };
            if x.len() != from * width || y.len() != to * width || (adjoint && !held.operator.has_adjoint()) {
                return false;
            }
            let (x, y) = (T::of_reals(x), T::of_reals_mut(y));
            if adjoint {
                held.operator.apply_adjoint(x, y);
            } else {
                held.operator.apply(x, y);
            }
            true
        }
        let copy;
        let input: &[f64] =
            if x.as_ptr_range().start < y.as_ptr_range().end && y.as_ptr_range().start < x.as_ptr_range().end {
                copy = x.to_vec();
                &copy
            } else {
                &x
            };
        // SAFETY: nothing else runs on this thread meanwhile, no job has this memory, and the input is elsewhere.
        let y = unsafe { y.as_mut() };
        with!(&self.operand, held => product(held, input, y, adjoint))
    }
}

fn size(name: &str, value: f64) -> Result<usize, Error> {
    Ok(integer(name, value, f64::from(u32::MAX))? as usize)
}

/// The operator as JavaScript holds it, not yet announced.
pub(super) fn wrap<T: Number>(held: Held<T>) -> NativeOperator {
    NativeOperator { operand: T::operand(held), bytes: 0, factors: AtomicI64::new(0) }
}

/// Hands an operator over and tells the garbage collector of its memory: without it, matrices would look like empty
/// objects. Only here, since what is taken off at the end must have been added.
pub(super) fn announce<'env>(env: &'env Env, built: Result<NativeOperator, Error>) -> napi::Result<Object<'env>> {
    fn own<T: Number>(held: &Held<T>) -> i64 {
        let of = |elements: usize, index: usize| (elements * (size_of::<T>() + index)) as i64;
        held.csr.as_ref().map_or(0, |csr| of(csr.nnz(), 4))
            + held.dense.as_ref().map_or(0, |dense| of(dense.data().len(), 0))
    }
    // What products lay out besides the matrix, see `Csr::layout_bytes`.
    fn layout(operand: &Operand) -> i64 {
        match operand {
            Operand::Real(held) => held.csr.as_ref().map_or(0, |csr| csr.layout_bytes() as i64),
            Operand::Complex(_) => 0,
        }
    }
    let built = match built {
        Ok(mut operator) => {
            operator.bytes = with!(&operator.operand, held => own(held)) + layout(&operator.operand);
            env.adjust_external_memory(operator.bytes)?;
            Ok(operator)
        }
        failed => failed,
    };
    tagged(env, built)
}

/// A sparse matrix from triplets; values at one place are summed.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeOperator }>", catch_unwind)]
pub fn csr_from_triplets<'env>(
    env: &'env Env,
    rows: f64,
    cols: f64,
    at_rows: &[u32],
    at_cols: &[u32],
    values: &[f64],
    complex: bool,
) -> napi::Result<Object<'env>> {
    fn build<T: Number>(
        rows: usize,
        cols: usize,
        is: &[u32],
        js: &[u32],
        values: &[f64],
    ) -> Result<NativeOperator, Error>
    where
        Csr<T>: Operator<T>,
    {
        let values = T::from_reals(values);
        if is.len() != values.len() || js.len() != values.len() {
            return Err(Error::new("matrix-not-valid", "triplets need as many rows and columns as values"));
        }
        let triplets: Vec<_> =
            is.iter().zip(js).zip(&values).map(|((&i, &j), &value)| (i as usize, j as usize, value)).collect();
        Ok(wrap(Held::of_csr(Csr::from_triplets(rows, cols, &triplets)?)))
    }
    let sizes = size("rows", rows).and_then(|rows| Ok((rows, size("cols", cols)?)));
    let built = sizes.and_then(|(rows, cols)| {
        if complex {
            build::<headwater_solve::Complex64>(rows, cols, at_rows, at_cols, values)
        } else {
            build::<f64>(rows, cols, at_rows, at_cols, values)
        }
    });
    announce(env, built)
}

/// A sparse matrix from its arrays.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeOperator }>", catch_unwind)]
pub fn csr_from_arrays<'env>(
    env: &'env Env,
    rows: f64,
    cols: f64,
    pointers: &[u32],
    columns: &[u32],
    values: &[f64],
    complex: bool,
) -> napi::Result<Object<'env>> {
    let build = || -> Result<NativeOperator, Error> {
        let (rows, cols) = (size("rows", rows)?, size("cols", cols)?);
        let (pointers, columns) = (pointers.to_vec(), columns.to_vec());
        Ok(if complex {
            let values = headwater_solve::Complex64::from_reals(values);
            wrap(Held::of_csr(Csr::from_arrays(rows, cols, pointers, columns, values)?))
        } else {
            wrap(Held::of_csr(Csr::from_arrays(rows, cols, pointers, columns, values.to_vec())?))
        })
    };
    announce(env, build())
}

/// A dense matrix, by rows.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeOperator }>", catch_unwind)]
pub fn dense_operator<'env>(
    env: &'env Env,
    rows: f64,
    cols: f64,
    data: &[f64],
    complex: bool,
) -> napi::Result<Object<'env>> {
    fn build<T: Number>(rows: usize, cols: usize, data: &[f64]) -> Result<NativeOperator, Error> {
        let dense = Arc::new(Dense::new(rows, cols, T::from_reals(data))?);
        let operator: Arc<dyn Operator<T>> = dense.clone();
        Ok(wrap(Held { dense: Some(dense), ..Held::of(operator) }))
    }
    let sizes = size("rows", rows).and_then(|rows| Ok((rows, size("cols", cols)?)));
    let built = sizes.and_then(|(rows, cols)| {
        if complex { build::<headwater_solve::Complex64>(rows, cols, data) } else { build::<f64>(rows, cols, data) }
    });
    announce(env, built)
}

/// A ⊗ I + I ⊗ B.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeOperator }>", catch_unwind)]
pub fn kronecker_sum<'env>(env: &'env Env, a: &NativeOperator, b: &NativeOperator) -> napi::Result<Object<'env>> {
    fn build<T: Number>(a: &Held<T>, b: &Held<T>) -> Result<NativeOperator, Error> {
        let (a, b) = (Arc::clone(&a.operator), Arc::clone(&b.operator));
        if a.rows() != a.cols() || b.rows() != b.cols() {
            return Err(Error::new("shape-mismatch", "a Kronecker sum needs square operators"));
        }
        Ok(wrap(Held::of(Arc::new(KroneckerSum { a, b }))))
    }
    announce(
        env,
        match (&a.operand, &b.operand) {
            (Operand::Real(a), Operand::Real(b)) => build(a, b),
            (Operand::Complex(a), Operand::Complex(b)) => build(a, b),
            _ => mixed(),
        },
    )
}

/// B + δC.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeOperator }>", catch_unwind)]
pub fn exact_hessian_operator<'env>(
    env: &'env Env,
    base: &NativeOperator,
    correction: &NativeOperator,
    delta: f64,
) -> napi::Result<Object<'env>> {
    fn build<T: Number>(base: &Held<T>, correction: &Held<T>, delta: f64) -> Result<NativeOperator, Error> {
        let (base, correction) = (Arc::clone(&base.operator), Arc::clone(&correction.operator));
        if (base.rows(), base.cols()) != (correction.rows(), correction.cols()) {
            return Err(Error::new("shape-mismatch", "the factored part and the correction have different sizes"));
        }
        Ok(wrap(Held::of(Arc::new(ExactHessian { base, correction, delta }))))
    }
    announce(
        env,
        match (&base.operand, &correction.operand) {
            (Operand::Real(base), Operand::Real(correction)) => build(base, correction, delta),
            (Operand::Complex(base), Operand::Complex(correction)) => build(base, correction, delta),
            _ => mixed(),
        },
    )
}

/// A real operator as one on complex vectors.
#[napi]
pub fn lifted_operator(a: &NativeOperator) -> NativeOperator {
    NativeOperator { operand: Operand::Complex(a.on_complex()), bytes: 0, factors: AtomicI64::new(0) }
}
