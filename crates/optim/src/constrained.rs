//! Parameters that must stay somewhere: on the Stiefel manifold (orthonormal columns), or at or above zero.
//!
//! Any rule moves W to W + Δ; then W′ is the point of the set that Δ leads to.
//!
//! - **Stiefel**: WᴴW = I, W n × p, p ≤ n. The gradient is made tangent first, G ← G − W(WᴴG + GᴴW)/2, and Δ is followed
//!   along Cayley's curve: W′ = (I − A/2)⁻¹(I + A/2)W with A = PΔWᴴ − WΔᴴP, P = I − WWᴴ/2, which is skew, so that WᴴW is kept to
//!   rounding. A has rank 2p: with U = [PΔ, W], V = [W, −PΔ], W′ = W + U(I − VᴴU/2)⁻¹VᴴW, a system of 2p.
//! - **Non-negative**: W′ = max(W + Δ, 0).
//!
//! Source: Z. Wen, W. Yin (2013), "A feasible method for optimization with orthogonality constraints", Math. Program. 142:397.

use headwater_base::Error;
use headwater_linalg::gemm::{View, multiply};

use crate::number::{Number, Real};
use crate::rule::{Change, Fault, Probe, Proposal, Rule, State, Step, Survey, What, check};
use crate::vector;

/// Where a parameter must stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// Orthonormal columns.
    Stiefel,
    /// No element below 0.
    NonNegative,
}

/// Largest ‖Δ‖ that is followed: Cayley's curve has come to its end long before, and nothing overflows.
const FAR: f64 = 1e6;

/// A rule whose parameter has orthonormal columns.
pub struct Stiefel<T: Number> {
    rule: Box<dyn Rule<T>>,
    n: usize,
    p: usize,
    tangent: Vec<T>,
    /// Of the tangent gradient, from the last proposal.
    survey: Survey,
    start: Vec<T>,
}

impl<T: Number> Stiefel<T> {
    /// For an n × p matrix, p ≤ n.
    pub fn new(rule: Box<dyn Rule<T>>, n: usize, p: usize) -> Self {
        Self { rule, n, p, tangent: vec![T::default(); n * p], survey: Survey::default(), start: Vec::new() }
    }

    /// Largest part of WᴴW − I.
    fn defect(&self, w: &[T]) -> f64 {
        let mut gram = adjoint_product(self.n, self.p, self.p, w, w);
        (0..self.p).for_each(|k| gram[k * self.p + k] -= T::ONE);
        vector::peak(&gram)
    }
}

/// AᴴB of A (n × p) and B (n × q).
fn adjoint_product<T: Number>(n: usize, p: usize, q: usize, a: &[T], b: &[T]) -> Vec<T> {
    let conjugate: Vec<T> = a.iter().map(|a| a.conj()).collect();
    let mut out = vec![T::default(); p * q];
    multiply(T::ONE, View::new(&conjugate, n, p, p).transposed(), View::new(b, n, q, q), T::default(), &mut out, q);
    out
}

/// W of the curve's end from `w` along `delta`.
fn retract<T: Number>(n: usize, p: usize, w: &[T], delta: &[T]) -> Vec<T> {
    let half = T::real(T::Real::from_f64(0.5));
    // D = PΔ = Δ − W(WᴴΔ)/2.
    let overlap = adjoint_product(n, p, p, w, delta);
    let mut d = delta.to_vec();
    multiply(-half, View::new(w, n, p, p), View::new(&overlap, p, p, p), T::ONE, &mut d, p);
    // VᴴU with U = [D, W], V = [W, −D]; VᴴW = [I, −DᴴW].
    let (wd, ww, dd) =
        (adjoint_product(n, p, p, w, &d), adjoint_product(n, p, p, w, w), adjoint_product(n, p, p, &d, &d));
    let q = 2 * p;
    let mut system = vec![T::default(); q * q];
    let mut right = vec![T::default(); q * p];
    for i in 0..p {
        for j in 0..p {
            let minus = |x: T| -(half * x);
            system[i * q + j] = minus(wd[i * p + j]);
            system[i * q + p + j] = minus(ww[i * p + j]);
            system[(p + i) * q + j] = half * dd[i * p + j];
            // −DᴴW = −(WᴴD)ᴴ.
            let dw = wd[j * p + i].conj();
            system[(p + i) * q + p + j] = half * dw;
            right[i * p + j] = ww[i * p + j];
            right[(p + i) * p + j] = -dw;
        }
    }
    (0..q).for_each(|k| system[k * q + k] += T::ONE);
    solve(q, p, &mut system, &mut right);
    let mut out = w.to_vec();
    multiply(T::ONE, View::new(&d, n, p, p), View::new(&right[..p * p], p, p, p), T::ONE, &mut out, p);
    multiply(T::ONE, View::new(w, n, p, p), View::new(&right[p * p..], p, p, p), T::ONE, &mut out, p);
    out
}

/// X of SX = B by Gauss's elimination with row exchanges, in place. I − A/2 of a skew A is never singular.
fn solve<T: Number>(n: usize, columns: usize, s: &mut [T], b: &mut [T]) {
    for k in 0..n {
        let size = |row: usize, s: &[T]| s[row * n + k].square().to_f64();
        let pivot = (k..n).fold(k, |best, row| if size(row, s) > size(best, s) { row } else { best });
        if pivot != k {
            (0..n).for_each(|j| s.swap(k * n + j, pivot * n + j));
            (0..columns).for_each(|j| b.swap(k * columns + j, pivot * columns + j));
        }
        let inverse = reciprocal(s[k * n + k]);
        for row in k + 1..n {
            let factor = s[row * n + k] * inverse;
            for j in k..n {
                let by = factor * s[k * n + j];
                s[row * n + j] -= by;
            }
            for j in 0..columns {
                let by = factor * b[k * columns + j];
                b[row * columns + j] -= by;
            }
        }
    }
    for k in (0..n).rev() {
        let inverse = reciprocal(s[k * n + k]);
        for j in 0..columns {
            let mut sum = b[k * columns + j];
            for i in k + 1..n {
                sum -= s[k * n + i] * b[i * columns + j];
            }
            b[k * columns + j] = sum * inverse;
        }
    }
}

fn reciprocal<T: Number>(z: T) -> T {
    let one = T::Real::from_f64(1.0);
    z.conj().scale(one / z.square())
}

impl<T: Number> Rule<T> for Stiefel<T> {
    fn admits(&self, parameter: &[T]) -> Result<(), Error> {
        let (defect, most) = (self.defect(parameter), T::Real::EPSILON.to_f64().sqrt());
        if defect <= most {
            return Ok(());
        }
        let message = format!(
            "the columns must be orthonormal within {most:.0e}: an element of WᴴW − I is {defect:.1e}; start from a QR \
             factorisation's Q"
        );
        Err(Error::new("parameter-not-admitted", message).with_limit(most))
    }

    fn propose(
        &mut self,
        step: &Step,
        parameter: &[T],
        gradient: &[T],
        probe: Option<Probe<'_, T>>,
    ) -> Result<Proposal, Fault> {
        let (n, p) = (self.n, self.p);
        let overlap = adjoint_product(n, p, p, parameter, gradient);
        let mut symmetric = vec![T::default(); p * p];
        for i in 0..p {
            for j in 0..p {
                symmetric[i * p + j] = overlap[i * p + j] + overlap[j * p + i].conj();
            }
        }
        let half = T::real(T::Real::from_f64(-0.5));
        self.tangent.copy_from_slice(gradient);
        let (w, s) = (View::new(parameter, n, p, p), View::new(&symmetric, p, p, p));
        multiply(half, w, s, T::ONE, &mut self.tangent, p);
        check(What::Gradient, T::reals(&self.tangent))?;
        // The rule's bounds are about the gradient that it is given, which may have larger elements than the one that came.
        self.survey = Survey { gradient_peak: vector::peak(&self.tangent), ..step.survey };
        self.rule.propose(&Step { survey: self.survey, ..*step }, parameter, &self.tangent, probe)
    }

    fn commit(&mut self, step: &Step, parameter: &mut [T], _: &[T], scale: f64) -> Change {
        let step = &Step { survey: self.survey, ..*step };
        self.start.clear();
        self.start.extend_from_slice(parameter);
        // Decay would leave the manifold, and leads nowhere on it.
        let change = self.rule.commit(step, parameter, &self.tangent, scale);
        let mut delta: Vec<T> = parameter.iter().zip(&self.start).map(|(to, from)| *to - *from).collect();
        let size = vector::peak(&delta);
        if size > FAR {
            vector::scale(FAR / size, &mut delta);
        }
        parameter.copy_from_slice(&retract(self.n, self.p, &self.start, &delta));
        // Without noise a step is known before the retraction only.
        if change.noise_squares > 0.0 {
            return change;
        }
        let squares = parameter.iter().zip(&self.start).map(|(to, from)| (*to - *from).square().to_f64()).sum();
        Change { squares, ..change }
    }

    fn probe(&mut self, step: &Step, v: &mut Vec<T>) -> bool {
        self.rule.probe(step, v)
    }

    fn state(&mut self, state: &mut dyn State<T::Real>) {
        self.rule.state(state);
    }
}

/// A rule whose parameter has no element below 0.
pub struct NonNegative<T: Number> {
    /// The rule that moves it.
    pub rule: Box<dyn Rule<T>>,
}

impl<T: Number> Rule<T> for NonNegative<T> {
    fn admits(&self, parameter: &[T]) -> Result<(), Error> {
        let zero = T::Real::default();
        match T::reals(parameter).iter().position(|x| *x < zero) {
            None => Ok(()),
            Some(at) => {
                let message = format!("element {at} is {}; none may be below 0", T::reals(parameter)[at].to_f64());
                Err(Error::new("parameter-not-admitted", message))
            }
        }
    }

    fn propose(
        &mut self,
        step: &Step,
        parameter: &[T],
        gradient: &[T],
        probe: Option<Probe<'_, T>>,
    ) -> Result<Proposal, Fault> {
        self.rule.propose(step, parameter, gradient, probe)
    }

    fn commit(&mut self, step: &Step, parameter: &mut [T], gradient: &[T], scale: f64) -> Change {
        let change = self.rule.commit(step, parameter, gradient, scale);
        let zero = T::Real::default();
        for x in T::reals_mut(parameter) {
            *x = x.max(zero);
        }
        change
    }

    fn probe(&mut self, step: &Step, v: &mut Vec<T>) -> bool {
        self.rule.probe(step, v)
    }

    fn state(&mut self, state: &mut dyn State<T::Real>) {
        self.rule.state(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves nothing, and takes a gradient for what its survey says.
    struct Trusting;

    impl Rule<f32> for Trusting {
        fn propose(
            &mut self,
            step: &Step,
            _: &[f32],
            gradient: &[f32],
            _: Option<Probe<'_, f32>>,
        ) -> Result<Proposal, Fault> {
            assert_eq!(step.survey.gradient_peak, vector::peak(gradient));
            Ok(Proposal::default())
        }

        fn commit(&mut self, step: &Step, _: &mut [f32], gradient: &[f32], _: f64) -> Change {
            assert_eq!(step.survey.gradient_peak, vector::peak(gradient));
            Change::default()
        }

        fn state(&mut self, _: &mut dyn State<f32>) {}
    }

    #[test]
    fn a_rule_on_the_manifold_is_told_of_its_own_gradient() {
        let n = 16;
        let mut w = vec![0.25_f32; n];
        let mut rule = Stiefel::new(Box::new(Trusting), n, 1);
        // All of one sign but one element, whose tangent part is nearly twice as large.
        let gradient = |peak: f32| -> Vec<f32> { (0..n).map(|k| if k == 3 { -peak } else { peak }).collect() };
        let step = |peak: f32| Step {
            count: 0,
            lr: 1.0,
            decay: 0.0,
            gradient_scale: 1.0,
            temperature: 0.0,
            seed: 0,
            tensor: 0,
            survey: Survey { gradient_peak: f64::from(peak), ..Survey::default() },
        };
        let small = gradient(1.0);
        rule.propose(&step(1.0), &w, &small, None).expect("finite");
        assert!(vector::peak(&rule.tangent) > 1.8);
        rule.commit(&step(1.0), &mut w, &small, 1.0);
        let fault = rule.propose(&step(3e38), &w, &gradient(3e38), None).expect_err("twice that is no f32");
        assert_eq!(fault.what, What::Gradient);
    }
}
