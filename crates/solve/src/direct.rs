//! Dense direct solves: Cholesky where A is Hermitian positive definite, else LU with partial pivoting.
//!
//! Cost: n³/3 or 2n³/3 multiply-adds once, 2n² a solve; n² numbers of memory besides A. The condition number in the
//! 1-norm is estimated from solves (Hager's method, within a small factor, from below), one step of refinement is kept
//! if it lowers the residual, and the true residual decides: `rtol`/`atol`, else `accuracyLimit`. A zero pivot is
//! `zeroCurvature`.
//! Sources: W. W. Hager (1984), "Condition estimates"; N. J. Higham (2002), "Accuracy and stability of numerical
//! algorithms".

use headwater_base::{Control, Error};
use headwater_linalg::cholesky;

use crate::dense::Dense;
use crate::operator::{Operator, Preconditioner};
use crate::outcome::{Condition, Location, Outcome, Reason};
use crate::scalar::Scalar;
use crate::settings::Settings;
use crate::{small, vector};

#[derive(Clone, Debug)]
enum Factors<T> {
    Cholesky(Vec<T>),
    /// L (unit) and U in one matrix; row i of PA is row `order[i]` of A.
    Lu {
        lu: Vec<T>,
        order: Vec<usize>,
    },
    Singular,
    NotFinite,
}

/// A factored dense matrix.
#[derive(Clone, Debug)]
pub struct Direct<T> {
    a: Dense<T>,
    factors: Factors<T>,
    condition: Option<f64>,
}

impl<T: Scalar> Direct<T> {
    /// Factors A. Singular and non-finite matrices are kept as such: the solve says so.
    ///
    /// Error: `matrix-not-valid` if A is not square.
    pub fn new(a: Dense<T>) -> Result<Self, Error> {
        Ok(Self::watched(a, Control::none())?.expect("nobody cancels"))
    }

    /// [`Direct::new`], polling at every column; `None` if it was cancelled. Error: as there.
    pub fn watched(a: Dense<T>, control: Control<'_>) -> Result<Option<Self>, Error> {
        let n = a.rows();
        if a.cols() != n {
            return Err(Error::new(
                "matrix-not-valid",
                format!("a direct solve needs a square matrix, not {n} × {}", a.cols()),
            ));
        }
        let factors = if !vector::finite(T::reals(a.data())) {
            Factors::NotFinite
        } else {
            let definite = (a.is_hermitian()).then(|| definite(n, a.data(), control)).flatten();
            definite.map(Factors::Cholesky).or_else(|| lu(n, a.data(), control)).unwrap_or(Factors::Singular)
        };
        if control.cancelled() {
            return Ok(None);
        }
        let mut out = Self { a, factors, condition: None };
        out.condition = out.estimate();
        Ok(Some(out))
    }

    /// The outcome of a solve whose factorisation was cancelled: x = 0, `aborted`, or what b alone decides.
    pub fn cancelled(b: &[T], settings: &Settings<T>) -> Outcome<T> {
        let mut out = Outcome::at_zero(b.len(), b, settings.rtol, settings.atol);
        if out.reason == Reason::MaxIterations {
            out.reason = Reason::Aborted;
        }
        out
    }

    /// Whether A was found Hermitian positive definite.
    pub fn is_definite(&self) -> bool {
        matches!(self.factors, Factors::Cholesky(_))
    }

    /// Estimated ‖A‖₁‖A⁻¹‖₁; `None` for a singular or non-finite A.
    pub fn condition(&self) -> Option<f64> {
        self.condition
    }

    /// x ← A⁻¹x, or A⁻ᴴx. False, with x untouched, if A is singular or not finite.
    pub fn solve_in_place(&self, adjoint: bool, x: &mut [T]) -> bool {
        let n = self.a.rows();
        match &self.factors {
            Factors::Cholesky(l) if T::COMPLEX => small::solve(n, l, x),
            Factors::Cholesky(l) => cholesky::solve(n, T::reals(l), T::reals_mut(x)),
            Factors::Lu { lu, order } => solve_lu(n, lu, order, adjoint, x),
            Factors::Singular | Factors::NotFinite => return false,
        }
        true
    }

    /// Solves Ax = b. Of the settings, rtol and atol count.
    ///
    /// Error: `option-not-valid` if b has another length than A.
    pub fn solve(&self, b: &[T], settings: &Settings<T>) -> Result<Outcome<T>, Error> {
        self.run(false, b, settings)
    }

    /// Solves Aᴴx = b with the factors of A, as [`Direct::solve`].
    pub fn solve_adjoint(&self, b: &[T], settings: &Settings<T>) -> Result<Outcome<T>, Error> {
        self.run(true, b, settings)
    }

    /// A.
    pub fn matrix(&self) -> &Dense<T> {
        &self.a
    }

    fn run(&self, adjoint: bool, b: &[T], settings: &Settings<T>) -> Result<Outcome<T>, Error> {
        let n = self.a.rows();
        if b.len() != n {
            return Err(Error::new("option-not-valid", format!("b has {} elements, the matrix {n} rows", b.len())));
        }
        let start = std::time::Instant::now();
        let mut out = Outcome::at_zero(n, b, settings.rtol, settings.atol);
        if out.reason != Reason::MaxIterations {
            return Ok(out);
        }
        let (mut x, mut r) = (b.to_vec(), vec![T::default(); n]);
        if !self.solve_in_place(adjoint, &mut x) {
            let finite = matches!(self.factors, Factors::Singular);
            (out.reason, out.location) =
                if finite { (Reason::ZeroCurvature, None) } else { (Reason::NonFinite, Some(Location::Operator)) };
            return Ok(out);
        }
        out.condition = self.condition.map(|kappa| {
            let max = one_norm(&self.a);
            Condition { min: max / kappa, max, kappa }
        });
        let residual = |x: &[T], r: &mut [T]| {
            if adjoint {
                self.a.apply_adjoint(x, r)
            } else {
                self.a.apply(x, r)
            }
            vector::axpby(1.0, T::reals(b), -1.0, T::reals_mut(r));
            vector::norm(T::reals(r))
        };
        let mut norm = residual(&x, &mut r);
        out.matvecs = 1;
        if norm.is_finite() && norm > 0.0 {
            let mut refined = r.clone();
            self.solve_in_place(adjoint, &mut refined);
            vector::axpy(1.0, T::reals(&x), T::reals_mut(&mut refined));
            let after = residual(&refined, &mut r);
            out.matvecs = 2;
            if after < norm {
                (x, norm) = (refined, after);
            }
        }
        if !vector::finite(T::reals(&x)) {
            (out.reason, out.location, out.residual.true_norm) = (Reason::NonFinite, Some(Location::Solution), None);
            return Ok(out);
        }
        out.reason = Reason::AccuracyLimit;
        out.x = x;
        out.residual.recurrence = 0.0;
        out.judge(norm, vector::norm(T::reals(b)));
        out.seconds = start.elapsed().as_secs_f64();
        Ok(out)
    }

    /// ‖A‖₁ times an estimate of ‖A⁻¹‖₁ from at most five pairs of solves.
    fn estimate(&self) -> Option<f64> {
        let n = self.a.rows();
        if n == 0 || matches!(self.factors, Factors::Singular | Factors::NotFinite) {
            return None;
        }
        let mut x = vec![T::real(1.0 / n as f64); n];
        let mut best = 0.0_f64;
        let mut visited = usize::MAX;
        for _ in 0..5 {
            let mut y = x.clone();
            self.solve_in_place(false, &mut y);
            let sum: f64 = y.iter().map(|v| v.modulus()).sum();
            if !sum.is_finite() {
                return Some(f64::INFINITY);
            }
            if sum <= best {
                break;
            }
            best = sum;
            let mut sign: Vec<T> =
                y.iter().map(|v| if v.modulus() == 0.0 { T::real(1.0) } else { v.scale(1.0 / v.modulus()) }).collect();
            self.solve_in_place(true, &mut sign);
            let top = (0..n).max_by(|&i, &j| sign[i].modulus().total_cmp(&sign[j].modulus()))?;
            if top == visited {
                break;
            }
            visited = top;
            x.fill(T::default());
            x[top] = T::real(1.0);
        }
        Some(best * one_norm(&self.a))
    }
}

impl<T: Scalar> Preconditioner<T> for Direct<T> {
    fn apply(&self, r: &[T], z: &mut [T]) {
        z.copy_from_slice(r);
        self.solve_in_place(false, z);
    }
    fn apply_adjoint(&self, r: &[T], z: &mut [T]) {
        z.copy_from_slice(r);
        self.solve_in_place(true, z);
    }
}

fn one_norm<T: Scalar>(a: &Dense<T>) -> f64 {
    let mut sums = vec![0.0; a.cols()];
    for row in a.data().chunks(a.cols().max(1)) {
        for (sum, v) in sums.iter_mut().zip(row) {
            *sum += v.modulus();
        }
    }
    sums.into_iter().fold(0.0, f64::max)
}

fn definite<T: Scalar>(n: usize, a: &[T], control: Control<'_>) -> Option<Vec<T>> {
    let mut l = a.to_vec();
    let stop = || control.cancelled();
    let done = if T::COMPLEX {
        small::factor_unless(n, &mut l, &stop).is_ok()
    } else {
        cholesky::factor_unless(n, T::reals_mut(&mut l), &stop)
    };
    done.then_some(l)
}

fn lu<T: Scalar>(n: usize, a: &[T], control: Control<'_>) -> Option<Factors<T>> {
    let mut lu = a.to_vec();
    let mut order: Vec<usize> = (0..n).collect();
    for k in 0..n {
        if control.cancelled() {
            return None;
        }
        let pivot = (k..n).max_by(|&i, &j| lu[i * n + k].modulus().total_cmp(&lu[j * n + k].modulus()))?;
        if lu[pivot * n + k].modulus() == 0.0 {
            return None;
        }
        if pivot != k {
            order.swap(pivot, k);
            for j in 0..n {
                lu.swap(pivot * n + j, k * n + j);
            }
        }
        let (above, below) = lu.split_at_mut((k + 1) * n);
        let row = &above[k * n..];
        for other in below.chunks_mut(n) {
            let factor = other[k] / row[k];
            other[k] = factor;
            if factor != T::default() {
                T::axpy(-factor, &row[k + 1..], &mut other[k + 1..]);
            }
        }
    }
    // An overflow inside makes the factors useless; the matrix is then called singular, numerically.
    vector::finite(T::reals(&lu)).then_some(Factors::Lu { lu, order })
}

fn solve_lu<T: Scalar>(n: usize, lu: &[T], order: &[usize], adjoint: bool, x: &mut [T]) {
    if !adjoint {
        let b: Vec<T> = order.iter().map(|&i| x[i]).collect();
        x.copy_from_slice(&b);
        for i in 0..n {
            let part = T::dot_transposed(&lu[i * n..i * n + i], &x[..i]);
            x[i] -= part;
        }
        for i in (0..n).rev() {
            let part = T::dot_transposed(&lu[i * n + i + 1..(i + 1) * n], &x[i + 1..]);
            x[i] = (x[i] - part) / lu[i * n + i];
        }
        return;
    }
    // Aᴴ = UᴴLᴴP.
    for i in 0..n {
        x[i] = x[i] / lu[i * n + i].conj();
        let value = x[i];
        for j in i + 1..n {
            x[j] -= lu[i * n + j].conj() * value;
        }
    }
    for i in (0..n).rev() {
        let value = x[i];
        for j in 0..i {
            x[j] -= lu[i * n + j].conj() * value;
        }
    }
    let y = x.to_vec();
    for (i, &place) in order.iter().enumerate() {
        x[place] = y[i];
    }
}
