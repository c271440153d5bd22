//! Incomplete Cholesky: A + σ·diag(A) ≈ LLᴴ with a sparse L.
//!
//! Row by row: l_ik = (a_ik − Σ_{j<k} l_ij conj(l_kj))/l_kk on the pattern, l_ii² = (1+σ)a_ii − Σ|l_ij|².
//! * IC(0): the pattern of A's lower triangle.
//! * ICT: any place, but |l_ik| <= drop·√a_ii is dropped, and a row keeps its (elements of A's row + fill) largest.
//!
//! A pivot <= εa_ii starts again with the Manteuffel shift σ = 10⁻³, then doubled (reported by
//! [`IncompleteCholesky::shift`]). Cost of an application: two sparse triangular solves, sequential, 4·nnz(L) flop;
//! memory 12 bytes an element (real) and 8 a row.
//!
//! Sources: J. A. Meijerink, H. A. van der Vorst (1977), "An iterative solution method for linear systems of which the
//! coefficient matrix is a symmetric M-matrix"; T. A. Manteuffel (1980), "An incomplete factorization technique for
//! positive definite linear systems"; C.-J. Lin, J. J. Moré (1999) (limited memory).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use headwater_base::Error;

use crate::blocks::not_definite;
use crate::csr::Csr;
use crate::operator::Preconditioner;
use crate::scalar::Scalar;

const FIRST_SHIFT: f64 = 1e-3;
/// Doubled this often, σ is above 10⁵: then A has a diagonal that no shift cures.
const DOUBLINGS: usize = 28;

/// Which elements L keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// IC(0).
    Zero,
    /// ICT.
    Threshold {
        /// Elements below drop·√a_ii are dropped.
        drop: f64,
        /// Elements a row may have more than the lower triangle of A.
        fill: usize,
    },
}

/// A factor L, by rows, its diagonal apart.
#[derive(Clone, Debug)]
pub struct IncompleteCholesky<T> {
    pointers: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<T>,
    inverse_diagonal: Vec<f64>,
    shift: f64,
}

impl<T: Scalar> IncompleteCholesky<T> {
    /// Factors the lower triangle of a Hermitian matrix, with a first σ of `shift` (0 where nothing else is known).
    ///
    /// Errors: `option-not-valid` for a matrix that is not square or a negative number; `not-positive-definite` for a
    /// diagonal element that is not above zero.
    pub fn new(a: &Csr<T>, pattern: Pattern, shift: f64) -> Result<Self, Error> {
        let numbers = matches!(pattern, Pattern::Threshold { drop, .. } if !(drop >= 0.0));
        if a.rows() != a.cols() || !(shift >= 0.0 && shift.is_finite()) || numbers {
            let message = "incomplete Cholesky needs a square matrix, shift >= 0 and drop >= 0";
            return Err(Error::new("option-not-valid", message));
        }
        let diagonal: Vec<f64> = a.diagonal().iter().map(|d| d.re()).collect();
        if let Some(row) = diagonal.iter().position(|d| !(*d > 0.0 && d.is_finite())) {
            return Err(not_definite("the diagonal", row));
        }
        let mut sigma = shift;
        let mut failed = 0;
        for _ in 0..DOUBLINGS {
            match attempt(a, &diagonal, pattern, sigma) {
                Ok(factor) => return Ok(factor),
                Err(row) => failed = row,
            }
            sigma = if sigma == 0.0 { FIRST_SHIFT } else { 2.0 * sigma };
        }
        Err(not_definite("the matrix, whatever its shift,", failed))
    }

    /// The σ that was needed.
    pub fn shift(&self) -> f64 {
        self.shift
    }

    /// Elements of L, with the diagonal.
    pub fn nnz(&self) -> usize {
        self.values.len() + self.inverse_diagonal.len()
    }
}

fn attempt<T: Scalar>(
    a: &Csr<T>,
    diagonal: &[f64],
    pattern: Pattern,
    shift: f64,
) -> Result<IncompleteCholesky<T>, usize> {
    let n = a.rows();
    let mut out = IncompleteCholesky {
        pointers: vec![0],
        columns: Vec::new(),
        values: Vec::new(),
        inverse_diagonal: Vec::with_capacity(n),
        shift,
    };
    // Column k of the finished rows: (row, l_row,k).
    let mut finished: Vec<Vec<(u32, T)>> = vec![Vec::new(); n];
    let mut work = vec![T::default(); n];
    let mut present = vec![false; n];
    let mut queue = BinaryHeap::new();
    let mut row: Vec<(u32, T)> = Vec::new();
    for i in 0..n {
        row.clear();
        let (columns, values) = a.row(i);
        let mut own = 0;
        for (&j, &value) in columns.iter().zip(values) {
            if (j as usize) < i {
                (work[j as usize], present[j as usize]) = (value, true);
                queue.push(Reverse(j));
                own += 1;
            }
        }
        while let Some(Reverse(k)) = queue.pop() {
            let column = k as usize;
            let l = work[column].scale(out.inverse_diagonal[column]);
            present[column] = false;
            if let Pattern::Threshold { drop, .. } = pattern
                && l.modulus() <= drop * diagonal[i].sqrt()
            {
                continue;
            }
            row.push((k, l));
            for &(j, other) in &finished[column] {
                let place = j as usize;
                if present[place] {
                    work[place] -= l * other.conj();
                } else if pattern != Pattern::Zero {
                    (work[place], present[place]) = (-(l * other.conj()), true);
                    queue.push(Reverse(j));
                }
            }
        }
        if let Pattern::Threshold { fill, .. } = pattern
            && row.len() > own + fill
        {
            row.sort_by(|a, b| b.1.modulus().total_cmp(&a.1.modulus()).then(a.0.cmp(&b.0)));
            row.truncate(own + fill);
            row.sort_by_key(|&(k, _)| k);
        }
        let taken: f64 = row.iter().map(|(_, l)| (*l * l.conj()).re()).sum();
        let pivot = diagonal[i] * (1.0 + shift) - taken;
        if !(pivot > f64::EPSILON * diagonal[i]) {
            return Err(i);
        }
        for &(k, l) in &row {
            out.columns.push(k);
            out.values.push(l);
            finished[k as usize].push((i as u32, l));
        }
        out.pointers.push(out.columns.len());
        out.inverse_diagonal.push(1.0 / pivot.sqrt());
    }
    Ok(out)
}

impl<T: Scalar> Preconditioner<T> for IncompleteCholesky<T> {
    fn apply(&self, r: &[T], z: &mut [T]) {
        let n = self.inverse_diagonal.len();
        for i in 0..n {
            let mut sum = r[i];
            for at in self.pointers[i]..self.pointers[i + 1] {
                sum -= self.values[at] * z[self.columns[at] as usize];
            }
            z[i] = sum.scale(self.inverse_diagonal[i]);
        }
        for i in (0..n).rev() {
            z[i] = z[i].scale(self.inverse_diagonal[i]);
            let value = z[i];
            for at in self.pointers[i]..self.pointers[i + 1] {
                z[self.columns[at] as usize] -= self.values[at].conj() * value;
            }
        }
    }
}
