//! Adafactor: second moments of a matrix by those of its rows and columns.
//!
//! t = count + 1, β̂ = 1 − t^(−0.8), s = |g|² + ε₁. Of tensors with two axes or more the last two are factored:
//!
//!   R ← β̂R + (1−β̂) mean over columns of s,   C ← β̂C + (1−β̂) mean over rows of s,   V̂ = R Cᵀ/mean R,
//!
//! others have V̂ ← β̂V̂ + (1−β̂)s. U = g/√V̂, Û = U/max(1, RMS(U)/d), m ← β₁m + (1−β₁)Û,
//! θ ← θ − α(λθ + m), α = lr·max(ε₂, RMS(θ))·min(10⁻², 1/√t) (relative) or α = lr.
//!
//! Memory of a matrix m × n: m + n numbers, mn with momentum, and twice that while a step is proposed. Bound by memory.
//!
//! Source: N. Shazeer, M. Stern (2018), "Adafactor: adaptive learning rates with sublinear memory cost", arXiv 1804.04235.

use headwater_base::Error;

use crate::number::{Number, Real};
use crate::rule::{Change, Fault, Probe, Proposal, Rule, State, Step, What, check};
use crate::settings::{at_least, fraction, positive};
use crate::vector;

/// Settings; the defaults are the paper's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adafactor {
    /// α relative to the parameter's size. True.
    pub relative: bool,
    /// ε₁ added to squares. 1e-30.
    pub epsilon1: f64,
    /// ε₂, the smallest size of a parameter. 1e-3.
    pub epsilon2: f64,
    /// d, largest root mean square of U. 1.
    pub clip: f64,
    /// β₁ in [0, 1). 0: no memory for a momentum.
    pub beta1: f64,
}

impl Default for Adafactor {
    fn default() -> Self {
        Self { relative: true, epsilon1: 1e-30, epsilon2: 1e-3, clip: 1.0, beta1: 0.0 }
    }
}

impl Adafactor {
    /// Refuses settings outside their ranges.
    pub fn check(&self) -> Result<(), Error> {
        positive("epsilon1", self.epsilon1)?;
        at_least("epsilon2", self.epsilon2, 0.0)?;
        positive("clip", self.clip)?;
        fraction("beta1", self.beta1)
    }
}

/// Adafactor for one tensor. Moments are kept in f64: ε₁ is below the range of f32.
pub struct AdafactorRule<T: Number> {
    settings: Adafactor,
    count: usize,
    /// Matrices, rows, columns; one row where the tensor is not factored.
    layout: [usize; 3],
    factored: bool,
    moments: Moments,
    moments_next: Moments,
    momentum: Vec<T>,
    /// m of the last proposal, and its α.
    update: Vec<T>,
    rate: f64,
}

#[derive(Clone, Default)]
struct Moments {
    rows: Vec<f64>,
    cols: Vec<f64>,
}

impl<T: Number> AdafactorRule<T> {
    /// For a tensor of this shape.
    pub fn new(settings: Adafactor, shape: &[usize]) -> Self {
        let count: usize = shape.iter().product();
        let factored = shape.len() >= 2;
        let layout = match shape {
            [rest @ .., rows, cols] => [rest.iter().product(), *rows, *cols],
            _ => [1, 1, count],
        };
        let [batch, rows, cols] = layout;
        let moments =
            Moments { rows: vec![0.0; if factored { batch * rows } else { 0 }], cols: vec![0.0; batch * cols] };
        Self {
            settings,
            count,
            layout,
            factored,
            moments_next: moments.clone(),
            moments,
            momentum: vec![T::default(); if settings.beta1 > 0.0 { count } else { 0 }],
            update: vec![T::default(); count],
            rate: 0.0,
        }
    }

    fn moments(&mut self, beta: f64, scale: f64, gradient: &[T]) {
        let [_, rows, cols] = self.layout;
        let next = &mut self.moments_next;
        next.rows.iter_mut().zip(&self.moments.rows).for_each(|(next, now)| *next = beta * now);
        next.cols.iter_mut().zip(&self.moments.cols).for_each(|(next, now)| *next = beta * now);
        let (of_row, of_col) = ((1.0 - beta) / cols as f64, (1.0 - beta) / rows as f64);
        for (row, g) in gradient.chunks_exact(cols).enumerate() {
            let mut sum = 0.0;
            let to = &mut next.cols[row / rows * cols..][..cols];
            for (to, g) in to.iter_mut().zip(g) {
                let (re, im) = (scale * g.re().to_f64(), scale * g.im().to_f64());
                let s = re * re + im * im + self.settings.epsilon1;
                sum += s;
                *to += of_col * s;
            }
            if self.factored {
                next.rows[row] += of_row * sum;
            }
        }
    }

    /// U into `update`.
    fn divide(&mut self, scale: f64, gradient: &[T]) {
        let [_, rows, cols] = self.layout;
        let next = &self.moments_next;
        for (row, (u, g)) in self.update.chunks_exact_mut(cols).zip(gradient.chunks_exact(cols)).enumerate() {
            let of_row = if self.factored {
                let matrix = &next.rows[row / rows * rows..][..rows];
                next.rows[row] / (matrix.iter().sum::<f64>() / rows as f64)
            } else {
                1.0
            };
            for ((u, g), of_col) in u.iter_mut().zip(g).zip(&next.cols[row / rows * cols..]) {
                let by = scale / (of_row * of_col).sqrt();
                *u = T::new(T::Real::from_f64(by * g.re().to_f64()), T::Real::from_f64(by * g.im().to_f64()));
            }
        }
    }
}

impl<T: Number> Rule<T> for AdafactorRule<T> {
    fn propose(
        &mut self,
        step: &Step,
        parameter: &[T],
        gradient: &[T],
        _: Option<Probe<'_, T>>,
    ) -> Result<Proposal, Fault> {
        let t = (step.count + 1) as f64;
        self.moments(1.0 - t.powf(-0.8), step.gradient_scale, gradient);
        check(What::State, &self.moments_next.rows)?;
        check(What::State, &self.moments_next.cols)?;
        self.divide(step.gradient_scale, gradient);
        let size = |x: &[T]| (vector::squares(x) / self.count as f64).sqrt();
        let rms = size(&self.update);
        self.rate = if self.settings.relative {
            step.lr * size(parameter).max(self.settings.epsilon2) * t.sqrt().recip().min(1e-2)
        } else {
            step.lr
        };
        vector::scale((self.settings.clip / rms).min(1.0), &mut self.update);
        let beta1 = self.settings.beta1;
        if beta1 > 0.0 {
            let (keep, rest) = (T::Real::from_f64(beta1), T::Real::from_f64(1.0 - beta1));
            for (u, m) in self.update.iter_mut().zip(&self.momentum) {
                *u = m.scale(keep) + u.scale(rest);
            }
        }
        check(What::State, T::reals(&self.update))?;
        match vector::bad_candidate(1.0 - self.rate * step.decay, self.rate, &self.update, parameter) {
            Some((index, value)) => Err(Fault { what: What::Candidate, index, value }),
            None => Ok(Proposal::default()),
        }
    }

    fn commit(&mut self, step: &Step, parameter: &mut [T], _: &[T], _: f64) -> Change {
        let squares = vector::descend(1.0 - self.rate * step.decay, self.rate, &self.update, parameter);
        std::mem::swap(&mut self.moments, &mut self.moments_next);
        if !self.momentum.is_empty() {
            self.momentum.copy_from_slice(&self.update);
        }
        Change { squares, noise_squares: 0.0 }
    }

    fn state(&mut self, state: &mut dyn State<T::Real>) {
        self.moments.rows.iter_mut().for_each(|value| state.real("row", value));
        self.moments.cols.iter_mut().for_each(|value| state.real("col", value));
        state.array("momentum", T::reals_mut(&mut self.momentum));
    }
}
