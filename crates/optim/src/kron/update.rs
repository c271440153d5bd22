//! One update of all factors from a pair (v, h).
//!
//! | geometry | X, Y | T₂ | new factor |
//! |---|---|---|---|
//! | EQ | A = Qh, B = Q⁻ᴴv on all axes | Y_(k)Y_(k)ᴴ | Q − s·triu(ℰ)Q |
//! | QEP | Q_k p, Q_k v | Y_(k)Y_(k)ᴴ, or (N/n)QQᴴ | Q − sℰQ |
//! | QEQ | p = Ph, v | Y_(k)Y_(k)ᴴ, or (N/n)I | Q − sQℰ |
//! | QUAD | p, v | as before | (I − (s/2)ℰ)Q(I − (s/2)ℰ), made symmetric |
//! | Q0.5EQ1.5 | p, v | as before | Q − sℰQ, rotated once |
//!
//! with T₁ = X_(k)X_(k)ᴴ, ℰ = T₁ − T₂, s = μ/L, L ← max(βL·L + (1 − βL)ℓ, ℓ), ℓ = ‖T₁ + T₂‖₂; the second form of T₂ is that
//! of whitening, where v is integrated out. A diagonal factor takes the diagonals of T₁ and T₂. Every factor uses the X and
//! Y from before any of them has moved: where P is (1 + δ) times too large, r factors that each move by −μδρ, ρ <= 1 being
//! the mean eigenvalue of T₁ over the largest, take P to 1 + δ(1 − 2rμρ). So no μ above 1/r is used; with μ = 0.5, arrays of
//! 4 × 4 × 4 × 4 never come nearer than 40 %, with 1/4 they fit to rounding in 200 updates.
//!
//! X and Y are scaled by a power of two before they are squared where they are very large or small, and L by its square:
//! exact, and nothing overflows that is not out of range itself.
//!
//! Cost for a matrix n × n: EQ about 8.7n³ flop, Q0.5EQ1.5 20n³, all in GEMM but the leaves of the solves. What bounds it:
//! the multiply-adds of GEMM.
//!
//! Sources: X.-L. Li (2015), "Preconditioned stochastic gradient descent", arXiv 1512.04202 (the criterion); X.-L. Li
//! (2018), "Preconditioner on matrix Lie group for SGD", arXiv 1809.10232 (triangular factors); X.-L. Li (2024), "Stochastic
//! Hessian fittings with Lie groups", arXiv 2402.11858 (L, the geometries).

use headwater_linalg::gemm::{View, multiply};
use headwater_linalg::triangular::{add_upper_product, gram_of_upper, mirror, upper_of_product};

use super::factor::{Factor, Form, conjugated, contract_all, fill_identity};
use super::settings::{Criterion, Geometry, Settings};
use super::{norm, procrustes};
use crate::number::{Number, Real};
use crate::rule::{Fault, What, check};
use crate::vector;

/// Memory of an update; N elements each but for the squares.
#[derive(Debug)]
pub struct Memory<T> {
    /// The gradient or Hessian product h; later of no meaning.
    pub h: Vec<T>,
    /// The probe v; later B.
    pub v: Vec<T>,
    a: Vec<T>,
    spare: Vec<T>,
    /// Where an axis is moved, and for the geometry that needs all others at once.
    pub turned: Vec<T>,
    /// Conjugates, for complex numbers only.
    conjugate: Vec<T>,
    /// As large as the largest dense factor.
    squares: [Vec<T>; 3],
    norm: norm::Work<T>,
}

impl<T: Number> Memory<T> {
    /// For these factors of a tensor of `count` elements.
    pub fn new(geometry: Geometry, count: usize, factors: &[Factor<T>]) -> Self {
        let side = factors.iter().filter(|f| f.dense).map(|f| f.n).max().unwrap_or(0);
        let longest = factors.iter().map(|f| f.n).max().unwrap_or(0);
        let array = |length: usize| vec![T::default(); length];
        let conjugate = if T::COMPLEX { count.max(side * side) } else { 0 };
        let squares = [(); 3].map(|()| array((side * side).max(longest)));
        let exact = side.min(32) * (side.min(32) + 1);
        let numbers = Vec::with_capacity((4 * exact).max(longest));
        Self {
            h: array(count),
            v: array(count),
            a: array(count),
            spare: array(count),
            turned: array(if geometry == Geometry::Qep || factors.iter().any(Factor::moves_to_front) {
                count
            } else {
                0
            }),
            conjugate: array(conjugate),
            squares,
            norm: norm::Work { vectors: array(4 * side), numbers },
        }
    }
}

/// What an update multiplies the factors by on the way: the initial scale, or a balance.
#[derive(Clone, Debug)]
pub struct Gains {
    /// One for each factor.
    pub each: [f64; 4],
}

/// c = 2^k such that c·size lies within 1024 of 1.
fn power_of_two(size: f64) -> f64 {
    if size == 0.0 || !size.is_finite() || (1.0 / 1024.0..1024.0).contains(&size) {
        return 1.0;
    }
    (-size.log2().round()).clamp(-1000.0, 1000.0).exp2()
}

/// What the second term is made of.
#[derive(Clone, Copy, PartialEq)]
enum Second {
    /// Y_(k)Y_(k)ᴴ.
    Gram,
    /// w·I.
    Identity(f64),
    /// w·QQᴴ.
    Factor(f64),
}

/// Computes `q_next`, `smoothness_next` and `p_next` of every factor from `memory.h` and `memory.v`.
pub fn update<T: Number>(
    settings: &Settings,
    factors: &mut [Factor<T>],
    memory: &mut Memory<T>,
    gains: &Gains,
) -> Result<(), Fault> {
    let geometry = settings.geometry;
    let Memory { h, v, a, spare, turned, conjugate, .. } = &mut *memory;
    let total: f64 = gains.each[..factors.len()].iter().product();
    let (gain_a, gain_b);
    if geometry == Geometry::Eq {
        (gain_a, gain_b) = (total, 1.0 / total);
        contract_all(factors, Form::Upper, |f| &f.q, h, [a, spare, turned]);
        for factor in &*factors {
            let inverse = conjugated(&factor.q, conjugate);
            factor.solve(inverse, v, spare);
        }
    } else {
        (gain_a, gain_b) = (if geometry.fits_p() { total } else { total * total }, 1.0);
        contract_all(factors, Form::Hermitian, |f| f.operator(false), h, [a, spare, turned]);
    }
    // Whitening with v integrated out: N/n of the identity, or of QQᴴ.
    let integrated = settings.criterion == Criterion::Whitening && geometry != Geometry::Eq;
    let count = memory.h.len() as f64;
    let precond_lr = settings.precond_lr.min(1.0 / factors.len() as f64);
    let shared = if geometry == Geometry::Qep { 1.0 } else { fit(memory, gain_a, gain_b, integrated) };
    for k in 0..factors.len() {
        let (factor, gain) = (&mut factors[k], gains.each[k]);
        let weight = count / factor.n as f64;
        let mut scale = shared;
        let mut second = if integrated { Second::Identity(weight * scale * scale) } else { Second::Gram };
        if geometry == Geometry::Qep {
            factor.contract(Form::Full, &factor.q, &memory.a, &mut memory.h, &mut memory.turned);
            let mut size = gain_a * gain * vector::peak(&memory.h);
            if integrated {
                size = size.max(gain * vector::peak(&factor.q));
            } else {
                factor.contract(Form::Full, &factor.q, &memory.v, &mut memory.spare, &mut memory.turned);
                size = size.max(gain * vector::peak(&memory.spare));
            }
            scale = power_of_two(size);
            vector::scale(gain_a * gain * scale, &mut memory.h);
            if integrated {
                second = Second::Factor(weight * (gain * scale).powi(2));
            } else {
                vector::scale(gain * scale, &mut memory.spare);
            }
        }
        let Memory { h, v, a, spare, turned, conjugate: other, squares, norm } = &mut *memory;
        let (x, y, turned) = if geometry == Geometry::Qep { (&*h, &*spare, turned) } else { (&*a, &*v, spare) };
        let [first, term, third] = squares;
        factor.gram(x, other, turned, &mut norm.numbers, first);
        match second {
            Second::Gram => factor.gram(y, other, turned, &mut norm.numbers, term),
            Second::Identity(_) => {}
            Second::Factor(weight) => square_of_factor(factor, weight, other, term),
        }
        let size = if factor.dense {
            difference(settings, factor.n, first, term, second, norm)
        } else {
            difference_of_diagonals(factor.n, first, term, second)
        };
        let size = size / scale / scale;
        let memory = settings.norm_memory;
        factor.smoothness_next = size.max(memory * factor.smoothness + (1.0 - memory) * size);
        if !factor.smoothness_next.is_finite() {
            return Err(Fault { what: What::State, index: k, value: factor.smoothness_next });
        }
        let step =
            if factor.smoothness_next == 0.0 { 0.0 } else { precond_lr / factor.smoothness_next / scale / scale };
        if factor.dense {
            move_dense(settings, factor, gain, step, [first, term, third], norm);
        } else {
            move_diagonal(settings, factor, gain, step, first);
        }
    }
    for factor in factors.iter_mut() {
        check(What::State, T::reals(&factor.q_next))?;
        // Should P overflow, so does the update, and its candidate is refused.
        square(settings.geometry, factor, &mut memory.conjugate, true);
    }
    Ok(())
}

/// Brings A and B to a size whose squares neither overflow nor vanish; returns the factor.
fn fit<T: Number>(memory: &mut Memory<T>, gain_a: f64, gain_b: f64, integrated: bool) -> f64 {
    let size = gain_a * vector::peak(&memory.a);
    let other = if integrated { 1.0 } else { gain_b * vector::peak(&memory.v) };
    let scale = power_of_two(size.max(other));
    for (factor, x) in [(gain_a * scale, &mut memory.a), (gain_b * scale, &mut memory.v)] {
        if factor != 1.0 {
            vector::scale(factor, x);
        }
    }
    scale
}

/// w·QQᴴ: its upper triangle, or its diagonal.
fn square_of_factor<T: Number>(factor: &Factor<T>, weight: f64, other: &mut [T], out: &mut [T]) {
    let n = factor.n;
    if factor.dense {
        let adjoint = View::new(conjugated(&factor.q, other), n, n, n).transposed();
        let weight = T::real(T::Real::from_f64(weight));
        upper_of_product(weight, View::new(&factor.q, n, n, n), adjoint, T::default(), out, n);
    } else {
        for (out, q) in out.iter_mut().zip(&factor.q) {
            *out = T::real(T::Real::from_f64(weight * q.square().to_f64()));
        }
    }
}

/// `first` ← T₁ − T₂ (upper triangle, zero below); returns ‖T₁ + T₂‖₂. `term` is T₂ at first, and lost.
fn difference<T: Number>(
    settings: &Settings,
    n: usize,
    first: &mut [T],
    term: &mut [T],
    second: Second,
    work: &mut norm::Work<T>,
) -> f64 {
    for i in 0..n {
        first[i * n..i * n + i].fill(T::default());
        first[i * n + i] = T::real(first[i * n + i].re());
    }
    if let Second::Identity(weight) = second {
        // ‖T₁ + wI‖ = ‖T₁‖ + w.
        let size = norm::spectral(settings.norm, n, &first[..n * n], work);
        let weight_here = T::real(T::Real::from_f64(weight));
        (0..n).for_each(|i| first[i * n + i] -= weight_here);
        return size + weight;
    }
    for i in 0..n {
        term[i * n..i * n + i].fill(T::default());
        let (row, other) = (&mut first[i * n + i..(i + 1) * n], &mut term[i * n + i..(i + 1) * n]);
        other[0] = T::real(other[0].re());
        for (one, two) in row.iter_mut().zip(other) {
            (*one, *two) = (*one - *two, *one + *two);
        }
    }
    norm::spectral(settings.norm, n, &term[..n * n], work)
}

/// The same for diagonals: `first` ← t₁ − t₂; returns max(t₁ + t₂).
fn difference_of_diagonals<T: Number>(n: usize, first: &mut [T], term: &mut [T], second: Second) -> f64 {
    let mut most = 0.0_f64;
    for (one, two) in first[..n].iter_mut().zip(term) {
        let other = match second {
            Second::Identity(weight) => T::real(T::Real::from_f64(weight)),
            _ => *two,
        };
        most = most.max((*one + other).re().to_f64());
        *one -= other;
    }
    most
}

/// q_next of a matrix from ℰ, whose upper triangle is in `e`.
fn move_dense<T: Number>(
    settings: &Settings,
    factor: &mut Factor<T>,
    gain: f64,
    step: f64,
    [e, spare, third]: [&mut Vec<T>; 3],
    work: &mut norm::Work<T>,
) {
    let n = factor.n;
    let (e, spare, third) = (&mut e[..n * n], &mut spare[..n * n], &mut third[..n * n]);
    let (q, next) = (&factor.q[..], &mut factor.q_next[..]);
    vector::scaled(gain, q, next);
    if step == 0.0 {
        return;
    }
    let minus = |size: f64| T::real(T::Real::from_f64(-size));
    if settings.geometry == Geometry::Eq {
        return add_upper_product(n, minus(gain * step), e, q, next);
    }
    mirror(n, e);
    let (e_view, q_view) = (View::new(&*e, n, n, n), View::new(q, n, n, n));
    match settings.geometry {
        Geometry::Eq => unreachable!("done above"),
        Geometry::Qeq => multiply(minus(gain * step), q_view, e_view, T::ONE, next, n),
        Geometry::Qep => multiply(minus(gain * step), e_view, q_view, T::ONE, next, n),
        Geometry::Quad | Geometry::Quad4p => {
            let half = if settings.geometry == Geometry::Quad { 0.5 * step } else { step };
            multiply(minus(gain * half), e_view, q_view, T::ONE, next, n);
            spare.copy_from_slice(next);
            multiply(minus(half), View::new(next, n, n, n), e_view, T::ONE, spare, n);
            let half = T::Real::from_f64(0.5);
            for i in 0..n {
                for j in i..n {
                    let mean = (spare[i * n + j] + spare[j * n + i].conj()).scale(half);
                    next[i * n + j] = mean;
                    next[j * n + i] = mean.conj();
                }
            }
        }
        Geometry::Q0p5Eq1p5 | Geometry::Pro4p => {
            multiply(minus(gain * step), e_view, q_view, T::ONE, next, n);
            let rounds = if settings.geometry == Geometry::Pro4p { 10 } else { 1 };
            for _ in 0..rounds {
                procrustes::rotate(settings.norm, n, next, [e, spare, third], work);
                if rounds > 1 && skewness(n, next) < 1e-3 * vector::peak(next) {
                    break;
                }
            }
        }
    }
}

/// Largest |part| of P − Pᴴ.
fn skewness<T: Number>(n: usize, p: &[T]) -> f64 {
    let mut most = 0.0_f64;
    for i in 0..n {
        for j in i..n {
            let d = p[i * n + j] - p[j * n + i].conj();
            most = most.max(d.re().to_f64().abs()).max(d.im().to_f64().abs());
        }
    }
    most
}

/// q_next of a diagonal from t₁ − t₂.
fn move_diagonal<T: Number>(settings: &Settings, factor: &mut Factor<T>, gain: f64, step: f64, e: &[T]) {
    for ((next, q), e) in factor.q_next.iter_mut().zip(&factor.q).zip(e) {
        let move_by = step * e.re().to_f64();
        let growth = match settings.geometry {
            Geometry::Quad => (1.0 - 0.5 * move_by).powi(2),
            Geometry::Quad4p => (1.0 - move_by).powi(2),
            _ => 1.0 - move_by,
        };
        *next = T::real(T::Real::from_f64(gain * growth * q.re().to_f64()));
    }
}

/// P = QᴴQ of the factor, proposed or not; nothing for those that are P's already.
pub fn square_now<T: Number>(geometry: Geometry, factor: &mut Factor<T>, memory: &mut Memory<T>, proposed: bool) {
    square(geometry, factor, &mut memory.conjugate, proposed);
}

fn square<T: Number>(geometry: Geometry, factor: &mut Factor<T>, other: &mut [T], proposed: bool) {
    let n = factor.n;
    let (q, p) = if proposed { (&factor.q_next, &mut factor.p_next) } else { (&factor.q, &mut factor.p) };
    if p.is_empty() {
        return;
    }
    if !factor.dense {
        p.iter_mut().zip(q).for_each(|(p, q)| *p = T::real(q.square()));
        return;
    }
    let view = View::new(&q[..], n, n, n);
    let adjoint = View::new(conjugated(q, other), n, n, n).transposed();
    if geometry == Geometry::Eq {
        gram_of_upper(n, adjoint, view, p);
    } else {
        upper_of_product(T::ONE, adjoint, view, T::default(), p, n);
    }
    mirror(n, p);
}

/// All factors as proposed ← root·I without memory of L.
pub fn reset<T: Number>(settings: &Settings, factors: &mut [Factor<T>], memory: &mut Memory<T>, root: f64) {
    for factor in factors {
        fill_identity(factor.n, factor.dense, root, &mut factor.q_next);
        factor.smoothness_next = 0.0;
        square(settings.geometry, factor, &mut memory.conjugate, true);
    }
}
