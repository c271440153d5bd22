//! What every optimiser is: a rule for one tensor, in two phases.

use headwater_base::Error;

use crate::number::{Number, Real};

/// What the stepper has found in one pass over a tensor's gradient and values, all of them finite.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Survey {
    /// Largest |part| of the gradient, before it is scaled.
    pub gradient_peak: f64,
    /// √Σ|g|².
    pub gradient_norm: f64,
    /// Largest |part| of the parameter.
    pub parameter_peak: f64,
}

/// What a step needs to know beside the arrays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Steps committed before this one.
    pub count: u64,
    /// Learning rate of this step and tensor: schedule, group and guard have been applied.
    pub lr: f64,
    /// Decoupled weight decay λ: θ ← (1 − lr·λ)θ.
    pub decay: f64,
    /// Factor in (0, 1] on the gradient, from clipping by its norm.
    pub gradient_scale: f64,
    /// Temperature T of Langevin noise; 0 for none.
    pub temperature: f64,
    /// Keys of the step's random numbers, with `count`.
    pub seed: u64,
    /// Number of the tensor.
    pub tensor: u32,
    /// One pass over the arrays.
    pub survey: Survey,
}

/// A pair of the Newton criterion: v ~ N(0, I) and h = Hv.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a, T> {
    /// Direction.
    pub v: &'a [T],
    /// The Hessian's product with it.
    pub h: &'a [T],
}

/// What was proposed, all of it finite.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Proposal {
    /// Σ|u|² of the update u, before it is scaled by the rate; 0 of a rule whose updates are not to be capped.
    pub update_squares: f64,
    /// Whether the preconditioner changes in this step.
    pub preconditioner_updated: bool,
    /// Smallest |diagonal element| and largest |element| of the preconditioner's factors, where there is one.
    pub factor_range: Option<(f64, f64)>,
    /// Whether the preconditioner goes back to its initial scale, since a factor would have become singular.
    pub preconditioner_reset: bool,
}

/// What a step has done to a tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// Σ|θ′ − θ|², of decay too, without Langevin noise. (A difference of two sums would lose it where noise prevails.)
    pub squares: f64,
    /// Σ|ξ|² of the noise.
    pub noise_squares: f64,
}

/// Where a number was found that is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The gradient.
    Gradient,
    /// The parameter as it came.
    Parameter,
    /// The Hessian's product with a probe.
    Probe,
    /// The optimiser's own state: moments or preconditioner, as proposed.
    State,
    /// The parameter as proposed.
    Candidate,
}

/// A number that is not finite; nothing has been changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// Where.
    pub what: What,
    /// 0-based position; of the part, for complex numbers.
    pub index: usize,
    /// NaN or ±∞.
    pub value: f64,
}

/// An optimiser's arithmetic and memory for one tensor.
pub trait Rule<T: Number>: Send {
    /// Refuses a parameter that is not where this rule keeps it.
    fn admits(&self, _parameter: &[T]) -> Result<(), Error> {
        Ok(())
    }

    /// Computes the step without touching anything that is visible: neither `parameter` nor what [`Rule::state`] shows.
    fn propose(
        &mut self,
        step: &Step,
        parameter: &[T],
        gradient: &[T],
        probe: Option<Probe<'_, T>>,
    ) -> Result<Proposal, Fault>;

    /// Carries out what was proposed last, with the same arguments; cannot fail. `scale` in (0, 1] shortens the update
    /// of rules that report `update_squares` (a cap on its norm over all tensors).
    fn commit(&mut self, step: &Step, parameter: &mut [T], gradient: &[T], scale: f64) -> Change;

    /// Whether the next step needs a probe pair, and then writes v.
    fn probe(&mut self, _step: &Step, _v: &mut Vec<T>) -> bool {
        false
    }

    /// Shows everything that a later step depends on, in a fixed order, to be read or to be replaced.
    fn state(&mut self, state: &mut dyn State<T::Real>);
}

/// Reads or replaces a rule's memory; one walk serves saving and loading, so that they cannot differ.
pub trait State<R: Real> {
    /// An array of the rule's own, whose length is fixed by the tensor's shape and the settings.
    fn array(&mut self, name: &'static str, values: &mut [R]);
    /// A real number.
    fn real(&mut self, name: &'static str, value: &mut f64);
    /// A whole number or flag.
    fn whole(&mut self, name: &'static str, value: &mut u64);
}

/// The first number of `values` that is not finite, as a fault.
pub fn check<R: Real>(what: What, values: &[R]) -> Result<(), Fault> {
    // One sum of x·0 finds any: 0 for finite numbers, NaN otherwise.
    let zero = R::from_f64(0.0);
    let mut sums = [zero; 16];
    let chunks = values.chunks_exact(16);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += value * zero;
        }
    }
    if sums.iter().chain(rest).all(|sum| (*sum * zero) == zero) {
        return Ok(());
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Fault { what, index, value: values[index].to_f64() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_that_is_not_finite_is_found() {
        let mut values = vec![1.0_f32; 1000];
        assert_eq!(check(What::Gradient, &values), Ok(()));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for index in [0, 17, 992, 999] {
                values[index] = bad;
                let fault = check(What::State, &values).expect_err("a fault");
                assert_eq!((fault.what, fault.index), (What::State, index));
                values[index] = 1.0;
            }
        }
    }
}
