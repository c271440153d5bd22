//! One factor of the preconditioner, and the products of a tensor with it along its axis.
//!
//! A row-major tensor of shape n₁ × … × n_r is, for axis k, `before` blocks of n_k × `after` numbers. Contraction of axis k
//! with M is Y[a, i, b] = Σ_j M_ij X[a, j, b]: one product of matrices for the first and the last axis, one per block
//! between them (where those are short, one for all, with the axis moved to the front and back). Every axis is contracted by index, without conjugation: for a matrix, Q₁XQ₂ᵀ.

use headwater_linalg::gemm::{View, multiply};
use headwater_linalg::triangular::{multiply_left, multiply_right, solve_adjoint, transpose, upper_of_product};

use super::settings::Settings;
use crate::number::{Number, Real};

/// One factor: a matrix n × n, row-major, or a diagonal of n.
#[derive(Clone, Debug)]
pub struct Factor<T> {
    /// Length of the axis.
    pub n: usize,
    /// Product of the lengths of the axes before it.
    pub before: usize,
    /// Product of the lengths of the axes behind it.
    pub after: usize,
    /// Whether it is a matrix.
    pub dense: bool,
    /// Q (or P's factor, in the geometries that fit P).
    pub q: Vec<T>,
    /// Smoothness L.
    pub smoothness: f64,
    /// Q as proposed.
    pub(crate) q_next: Vec<T>,
    /// L as proposed.
    pub(crate) smoothness_next: f64,
    /// QᴴQ, and as proposed; empty where Q is P's factor.
    pub(crate) p: Vec<T>,
    pub(crate) p_next: Vec<T>,
}

/// Blocks with fewer columns are not worth products of their own.
const SHORT: usize = 32;

/// How a matrix is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In full.
    Full,
    /// Hermitian, in full.
    Hermitian,
    /// Upper triangular.
    Upper,
}

/// Factors of a tensor of this shape, all of them `scale`^{1/r}·I. A scalar has one factor of size 1.
pub fn factors<T: Number>(shape: &[usize], scale: f64, settings: &Settings) -> Vec<Factor<T>> {
    let shape = if shape.is_empty() { &[1] } else { shape };
    let count: usize = shape.iter().product();
    let root = scale.powf(1.0 / shape.len() as f64);
    let mut before = 1;
    shape
        .iter()
        .map(|&n| {
            let size = n as f64;
            let dense = 1 < n && n <= settings.max_size && size * size <= settings.max_skew * count as f64;
            let length = if dense { n * n } else { n };
            let products = if settings.geometry.fits_p() { 0 } else { length };
            let zero = T::default();
            let mut factor = Factor {
                n,
                before,
                after: count / (before * n),
                dense,
                q: vec![zero; length],
                smoothness: 0.0,
                q_next: vec![zero; length],
                smoothness_next: 0.0,
                p: vec![zero; products],
                p_next: vec![zero; products],
            };
            before *= n;
            fill_identity(factor.n, dense, root, &mut factor.q);
            factor
        })
        .collect()
}

/// value·I.
pub fn fill_identity<T: Number>(n: usize, dense: bool, value: f64, q: &mut [T]) {
    let step = if dense { n + 1 } else { 1 };
    q.fill(T::default());
    q.iter_mut().step_by(step).for_each(|q| *q = T::real(T::Real::from_f64(value)));
}

impl<T: Number> Factor<T> {
    /// What the gradient's axis is multiplied by: P's factor, the proposed one where `next`.
    pub fn operator(&self, next: bool) -> &[T] {
        match (self.p.is_empty(), next) {
            (true, false) => &self.q,
            (true, true) => &self.q_next,
            (false, false) => &self.p,
            (false, true) => &self.p_next,
        }
    }

    /// Whether a product per block would be one of slivers.
    pub fn moves_to_front(&self) -> bool {
        self.dense && self.before > 1 && (2..SHORT).contains(&self.after)
    }

    /// y ← x contracted with `matrix`, which is as large as this factor; `turned` is as long as x where the axis is moved.
    /// Cost: 2nN flop, half of it where triangular, N where diagonal.
    pub fn contract(&self, form: Form, matrix: &[T], x: &[T], y: &mut [T], turned: &mut [T]) {
        let (n, block) = (self.n, self.n * self.after);
        if !self.dense {
            for (x, y) in x.chunks_exact(block).zip(y.chunks_exact_mut(block)) {
                if self.after == 1 {
                    y.iter_mut().zip(x).zip(matrix).for_each(|((y, x), q)| *y = x.scale(q.re()));
                    continue;
                }
                for (i, q) in matrix.iter().enumerate() {
                    let q = q.re();
                    let span = i * self.after..(i + 1) * self.after;
                    for (y, x) in y[span.clone()].iter_mut().zip(&x[span]) {
                        *y = x.scale(q);
                    }
                }
            }
            return;
        }
        // GEMM packs its left side fastest by columns and its right side by rows; a real symmetric matrix has both.
        let by_columns = form == Form::Hermitian && !T::COMPLEX;
        let view = View::new(matrix, n, n, n);
        if self.after == 1 {
            let x = View::new(x, self.before, n, n);
            return match form {
                Form::Upper => multiply_right(x, view, y, n),
                _ if by_columns => multiply(T::ONE, x, view, T::default(), y, n),
                _ => multiply(T::ONE, x, view.transposed(), T::default(), y, n),
            };
        }
        let view = if by_columns { view.transposed() } else { view };
        let front = |x: &[T], y: &mut [T], step: usize| {
            let x = View::new(x, n, step, step);
            match form {
                Form::Upper => multiply_left(view, x, y, step),
                _ => multiply(T::ONE, view, x, T::default(), y, step),
            }
        };
        if self.moves_to_front() {
            self.to_front(x, y);
            front(y, turned, self.before * self.after);
            self.restore(turned, y);
        } else {
            x.chunks_exact(block).zip(y.chunks_exact_mut(block)).for_each(|(x, y)| front(x, y, self.after));
        }
    }

    /// y[i, a, b] ← x[a, i, b].
    fn to_front(&self, x: &[T], y: &mut [T]) {
        let (n, after) = (self.n, self.after);
        if after == 1 {
            return transpose(self.before, n, x, y);
        }
        for (i, y) in y.chunks_exact_mut(self.before * after).enumerate() {
            for (x, y) in x.chunks_exact(n * after).zip(y.chunks_exact_mut(after)) {
                y.copy_from_slice(&x[i * after..(i + 1) * after]);
            }
        }
    }

    /// y[a, i, b] ← x[i, a, b].
    fn restore(&self, x: &[T], y: &mut [T]) {
        let (n, after) = (self.n, self.after);
        if after == 1 {
            return transpose(n, self.before, x, y);
        }
        for (i, x) in x.chunks_exact(self.before * after).enumerate() {
            for (x, y) in x.chunks_exact(after).zip(y.chunks_exact_mut(n * after)) {
                y[i * after..(i + 1) * after].copy_from_slice(x);
            }
        }
    }

    /// x ← x contracted with Q⁻ᴴ, Q upper triangular; `conjugate` is that of Q. `turned` holds as many elements as x.
    /// Cost: nN flop.
    pub fn solve(&self, conjugate: &[T], x: &mut [T], turned: &mut [T]) {
        let (n, block) = (self.n, self.n * self.after);
        if !self.dense {
            for x in x.chunks_exact_mut(block) {
                if self.after == 1 {
                    x.iter_mut().zip(conjugate).for_each(|(x, q)| *x = T::new(x.re() / q.re(), x.im() / q.re()));
                    continue;
                }
                for (i, q) in conjugate.iter().enumerate() {
                    let q = q.re();
                    for part in T::reals_mut(&mut x[i * self.after..(i + 1) * self.after]) {
                        *part = *part / q;
                    }
                }
            }
        } else if self.after == 1 || self.moves_to_front() {
            self.to_front(x, turned);
            solve_adjoint(n, conjugate, turned, self.before * self.after);
            self.restore(turned, x);
        } else {
            x.chunks_exact_mut(block).for_each(|x| solve_adjoint(n, conjugate, x, self.after));
        }
    }

    /// The upper triangle of X_(k)X_(k)ᴴ for the unfolding along this axis; its diagonal alone for a diagonal factor.
    /// `conjugate` is room for as many elements as x where they are complex, `turned` always; `sums` is
    /// resized to n. Cost: nN flop.
    pub fn gram(&self, x: &[T], conjugate: &mut [T], turned: &mut [T], sums: &mut Vec<f64>, out: &mut [T]) {
        let (n, step) = (self.n, self.after);
        let block = n * step;
        if !self.dense {
            sums.clear();
            sums.resize(n, 0.0);
            for x in x.chunks_exact(block) {
                if step == 1 {
                    sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += crate::vector::square(x));
                } else {
                    let rows = x.chunks_exact(step);
                    sums.iter_mut().zip(rows).for_each(|(sum, row)| *sum += crate::vector::squares(row));
                }
            }
            out.iter_mut().zip(sums).for_each(|(out, &mut sum)| *out = T::real(T::Real::from_f64(sum)));
            return;
        }
        // With the axis last, GEMM packs both sides along rows: half of the time at n = 512.
        let x = if step == 1 {
            x
        } else {
            for (x, turned) in x.chunks_exact(block).zip(turned.chunks_exact_mut(block)) {
                transpose(n, step, x, turned);
            }
            turned
        };
        let conjugate = conjugated(x, conjugate);
        let (x, conjugate) = (View::new(x, x.len() / n, n, n), View::new(conjugate, x.len() / n, n, n));
        upper_of_product(T::ONE, x.transposed(), conjugate, T::default(), out, n);
    }
}

/// The conjugate of `x`: itself, or written to `into`.
pub fn conjugated<'a, T: Number>(x: &'a [T], into: &'a mut [T]) -> &'a [T] {
    if !T::COMPLEX {
        return x;
    }
    into.iter_mut().zip(x).for_each(|(to, x)| *to = x.conj());
    &into[..x.len()]
}

/// `out` ← x contracted along every axis in turn, by what `matrix` gives for each factor; `spare` is as long, and so is
/// `turned` where an axis is moved.
pub fn contract_all<'a, T: Number>(
    factors: &'a [Factor<T>],
    form: Form,
    matrix: impl Fn(&'a Factor<T>) -> &'a [T],
    x: &[T],
    [out, spare, turned]: [&mut Vec<T>; 3],
) {
    for (k, factor) in factors.iter().enumerate() {
        if k == 0 {
            factor.contract(form, matrix(factor), x, out, turned);
        } else {
            factor.contract(form, matrix(factor), out, spare, turned);
            std::mem::swap(out, spare);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Complex64;

    fn value(i: usize) -> Complex64 {
        Complex64::new((i as f64 * 1.3).sin(), (i as f64 * 0.7 + 1.0).cos())
    }

    #[test]
    fn contractions_solves_and_grams_are_those_of_the_index_formulas() {
        // Axes with slivers behind them, and with whole products.
        contractions(&[3, 4, 2, 5]);
        contractions(&[2, 3, 40]);
    }

    fn contractions(shape: &[usize]) {
        let count: usize = shape.iter().product();
        let settings = Settings { max_skew: f64::INFINITY, ..Settings::whitening() };
        let x: Vec<Complex64> = (0..count).map(value).collect();
        for factor in factors::<Complex64>(shape, 1.0, &settings) {
            let (n, after) = (factor.n, factor.after);
            let mut m: Vec<Complex64> = (0..n * n).map(|i| value(i + 5)).collect();
            for i in 0..n {
                m[i * n..i * n + i].fill(Complex64::default());
                m[i * n + i] += 2.0;
            }
            let at = |a: usize, i: usize, b: usize| (a * n + i) * after + b;
            let mut right = vec![Complex64::default(); count];
            let mut gram = vec![Complex64::default(); n * n];
            for a in 0..factor.before {
                for b in 0..after {
                    for i in 0..n {
                        for j in 0..n {
                            right[at(a, i, b)] += m[i * n + j] * x[at(a, j, b)];
                            gram[i * n + j] += x[at(a, i, b)] * x[at(a, j, b)].conj();
                        }
                    }
                }
            }
            let far =
                |x: &[Complex64], y: &[Complex64]| x.iter().zip(y).map(|(x, y)| (x - y).norm()).fold(0.0, f64::max);
            let mut y = vec![Complex64::default(); count];
            for form in [Form::Full, Form::Upper] {
                factor.contract(form, &m, &x, &mut y, &mut x.clone());
                assert!(far(&y, &right) < 1e-13);
            }
            let mut found = vec![Complex64::default(); n * n];
            factor.gram(&x, &mut x.clone(), &mut x.clone(), &mut Vec::new(), &mut found);
            for i in 0..n {
                assert!(far(&found[i * n + i..(i + 1) * n], &gram[i * n + i..(i + 1) * n]) < 1e-12);
            }
            // Qᴴ contracted with the solution gives x back.
            let adjoint: Vec<Complex64> = (0..n * n).map(|at| m[at % n * n + at / n].conj()).collect();
            let upper_conjugate: Vec<Complex64> = m.iter().map(|m| m.conj()).collect();
            let (mut solved, mut turned) = (x.clone(), x.clone());
            factor.solve(&upper_conjugate, &mut solved, &mut turned);
            factor.contract(Form::Full, &adjoint, &solved, &mut y, &mut x.clone());
            assert!(far(&y, &x) < 1e-12);
        }
    }

    #[test]
    fn a_side_is_dense_as_the_rule_says() {
        let dense = |shape: &[usize], max_size: usize, max_skew: f64| {
            let settings = Settings { max_size, max_skew, ..Settings::whitening() };
            factors::<f32>(shape, 1.0, &settings).iter().map(|f| f.dense).collect::<Vec<bool>>()
        };
        assert_eq!(dense(&[16, 12], 100, 1.0), [false, true]);
        assert_eq!(dense(&[16, 12], 100, f64::INFINITY), [true, true]);
        assert_eq!(dense(&[16, 12], 12, f64::INFINITY), [false, true]);
        assert_eq!(dense(&[64, 16], 100, 4.0), [true, true]);
        assert_eq!(dense(&[65, 16], 100, 4.0), [false, true]);
        assert_eq!(dense(&[10], 100, 4.0), [false]);
        assert_eq!(dense(&[10], 100, f64::INFINITY), [true]);
        assert_eq!(dense(&[], 100, f64::INFINITY), [false]);
        assert_eq!(dense(&[1, 7], 100, f64::INFINITY), [false, true]);
    }
}
