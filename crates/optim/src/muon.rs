//! Muon: momentum whose direction is made nearly orthogonal.
//!
//! b ← μb + g,   u = g + μb (Nesterov) or b,   O = NS(u),   θ ← (1 − lr·λ)θ − lr·scale·O.
//!
//! NS: X = u/(‖u‖_F + 1e-7), five times A = XXᴴ, X ← aX + (bA + cA²)X with (a, b, c) = (3.4445, −4.7750, 2.0315), which
//! takes every singular value σ to aσ + bσ³ + cσ⁵ and so to about 1 (0.7 to 1.2) in five steps. A tensor of more axes is a
//! matrix of its first axis by the rest. One that is no matrix (a scalar, a vector, a matrix with one row or column) is
//! moved by AdamW.
//!
//! Cost of a step for m × n, m ≤ n: 10·(2m²n + m³) multiply-adds, all in GEMM, which bounds it. Memory: the momentum twice,
//! three arrays of the tensor's size, and two of the smaller side squared.
//!
//! Source: K. Jordan et al. (2024), "Muon: an optimizer for hidden layers in neural networks"; J. Liu et al. (2025), "Muon
//! is scalable for LLM training", arXiv 2502.16982 (the scale by size).

use headwater_base::Error;
use headwater_linalg::gemm::{View, multiply};

use crate::adamw::AdamW;
use crate::number::{Number, Real};
use crate::rule::{Change, Fault, Probe, Proposal, Rule, State, Step, What, check};
use crate::settings::fraction;
use crate::vector;

/// What the orthogonal direction is multiplied by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// √max(1, rows/cols).
    #[default]
    Aspect,
    /// 0.2 √max(rows, cols): the root mean square of AdamW's updates, so that one rate serves both.
    Rms,
}

/// Settings; the defaults are the author's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Muon {
    /// μ in [0, 1). 0.95.
    pub momentum: f64,
    /// Look ahead along the momentum. True.
    pub nesterov: bool,
    /// See [`Scale`].
    pub scale: Scale,
    /// For tensors that are no matrices.
    pub rest: AdamW,
    /// Their learning rate over that of the matrices. 0.015: 3e-4 beside 0.02.
    pub rest_rate: f64,
}

impl Default for Muon {
    fn default() -> Self {
        Self { momentum: 0.95, nesterov: true, scale: Scale::Aspect, rest: AdamW::default(), rest_rate: 0.015 }
    }
}

impl Muon {
    /// Refuses settings outside their ranges.
    pub fn check(&self) -> Result<(), Error> {
        fraction("momentum", self.momentum)?;
        crate::settings::positive("restRate", self.rest_rate)?;
        self.rest.check()
    }

    /// Rows and columns, if this shape is a matrix.
    pub fn sides(shape: &[usize]) -> Option<(usize, usize)> {
        let (rows, cols) = (*shape.first()?, shape[1..].iter().product());
        (rows > 1 && cols > 1).then_some((rows, cols))
    }
}

const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
const ROUNDS: usize = 5;

/// Muon for one matrix.
pub struct MuonRule<T: Number> {
    settings: Muon,
    rows: usize,
    cols: usize,
    momentum: Vec<T>,
    momentum_next: Vec<T>,
    /// O·scale of the last proposal.
    update: Vec<T>,
    x: Vec<T>,
    conjugate: Vec<T>,
    gram: Vec<T>,
    inner: Vec<T>,
}

impl<T: Number> MuonRule<T> {
    /// For a matrix of this size.
    pub fn new(settings: Muon, rows: usize, cols: usize) -> Self {
        let (count, side) = (rows * cols, rows.min(cols));
        let array = |length: usize| vec![T::default(); length];
        Self {
            settings,
            rows,
            cols,
            momentum: array(count),
            momentum_next: array(count),
            update: array(count),
            x: array(count),
            conjugate: array(if T::COMPLEX { count } else { 0 }),
            gram: array(side * side),
            inner: array(side * side),
        }
    }

    /// `update` made nearly orthogonal.
    fn orthogonalise(&mut self) {
        let (m, n) = (self.rows, self.cols);
        let tall = m > n;
        let side = m.min(n);
        // Scaled first: squares of very large or small numbers do not fit.
        let peak = vector::peak(&self.update);
        if peak == 0.0 {
            return;
        }
        vector::scale(1.0 / peak, &mut self.update);
        let norm = vector::squares(&self.update).sqrt();
        vector::scale(1.0 / (norm + 1e-7 / peak), &mut self.update);
        let [a, b, c] = COEFFICIENTS.map(|c| T::real(T::Real::from_f64(c)));
        let zero = T::default();
        for _ in 0..ROUNDS {
            let (from, to) = (&self.update, &mut self.x);
            let conjugated: &[T] = if T::COMPLEX {
                self.conjugate.iter_mut().zip(from).for_each(|(to, from)| *to = from.conj());
                &self.conjugate
            } else {
                from
            };
            let (x, adjoint) = (View::new(from, m, n, n), View::new(conjugated, m, n, n).transposed());
            // XXᴴ of a wide, XᴴX of a tall matrix: the smaller one.
            let (left, right) = if tall { (adjoint, x) } else { (x, adjoint) };
            multiply(T::ONE, left, right, zero, &mut self.gram, side);
            let gram = View::new(&self.gram, side, side, side);
            self.inner.copy_from_slice(&self.gram);
            multiply(c, gram, gram, b, &mut self.inner, side);
            let inner = View::new(&self.inner, side, side, side);
            to.copy_from_slice(from);
            let (left, right) = if tall { (x, inner) } else { (inner, x) };
            multiply(T::ONE, left, right, a, to, n);
            std::mem::swap(&mut self.update, &mut self.x);
        }
        let (m, n) = (m as f64, n as f64);
        let scale = match self.settings.scale {
            Scale::Aspect => (m / n).max(1.0).sqrt(),
            Scale::Rms => 0.2 * m.max(n).sqrt(),
        };
        vector::scale(scale, &mut self.update);
    }
}

impl<T: Number> Rule<T> for MuonRule<T> {
    fn propose(
        &mut self,
        step: &Step,
        parameter: &[T],
        gradient: &[T],
        _: Option<Probe<'_, T>>,
    ) -> Result<Proposal, Fault> {
        let Muon { momentum, nesterov, .. } = self.settings;
        vector::combine(momentum, &self.momentum, step.gradient_scale, gradient, &mut self.momentum_next);
        check(What::State, T::reals(&self.momentum_next))?;
        if nesterov {
            vector::combine(momentum, &self.momentum_next, step.gradient_scale, gradient, &mut self.update);
            check(What::State, T::reals(&self.update))?;
        } else {
            self.update.copy_from_slice(&self.momentum_next);
        }
        self.orthogonalise();
        match vector::bad_candidate(1.0 - step.lr * step.decay, step.lr, &self.update, parameter) {
            Some((index, value)) => Err(Fault { what: What::Candidate, index, value }),
            None => Ok(Proposal::default()),
        }
    }

    fn commit(&mut self, step: &Step, parameter: &mut [T], _: &[T], _: f64) -> Change {
        let squares = vector::descend(1.0 - step.lr * step.decay, step.lr, &self.update, parameter);
        std::mem::swap(&mut self.momentum, &mut self.momentum_next);
        Change { squares, noise_squares: 0.0 }
    }

    fn state(&mut self, state: &mut dyn State<T::Real>) {
        state.array("momentum", T::reals_mut(&mut self.momentum));
    }
}

/// A rule with another learning rate.
pub struct Rated<T: Number> {
    /// Factor on the rate.
    pub factor: f64,
    /// The rule.
    pub rule: Box<dyn Rule<T>>,
}

impl<T: Number> Rule<T> for Rated<T> {
    fn admits(&self, parameter: &[T]) -> Result<(), Error> {
        self.rule.admits(parameter)
    }

    fn propose(
        &mut self,
        step: &Step,
        parameter: &[T],
        gradient: &[T],
        probe: Option<Probe<'_, T>>,
    ) -> Result<Proposal, Fault> {
        self.rule.propose(&Step { lr: self.factor * step.lr, ..*step }, parameter, gradient, probe)
    }

    fn commit(&mut self, step: &Step, parameter: &mut [T], gradient: &[T], scale: f64) -> Change {
        self.rule.commit(&Step { lr: self.factor * step.lr, ..*step }, parameter, gradient, scale)
    }

    fn probe(&mut self, step: &Step, v: &mut Vec<T>) -> bool {
        self.rule.probe(step, v)
    }

    fn state(&mut self, state: &mut dyn State<T::Real>) {
        self.rule.state(state);
    }
}
