//! Lion: the sign of an interpolated momentum.
//!
//! θ ← (1 − lr·λ)θ − lr·sign(β₁m + (1−β₁)g),   m ← β₂m + (1−β₂)g.
//!
//! The sign of a complex number is z/|z| (0 of 0), so that turning the gradient turns the step. Bound by memory: 5 reads
//! and writes of a number per parameter, and 2 of the pass before.
//!
//! Source: X. Chen et al. (2023), "Symbolic discovery of optimization algorithms", arXiv 2302.06675.

use headwater_base::Error;

use crate::elementwise::{Bounds, Chunk, Plan, Recurrence, WIDTH, change, kernel, lanes};
use crate::number::{Number, Real};
use crate::rule::{Change, Step};
use crate::settings::fraction;

/// Settings; the defaults are the paper's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    /// β₁ in [0, 1). 0.9.
    pub beta1: f64,
    /// β₂ in [0, 1). 0.99.
    pub beta2: f64,
}

impl Default for Lion {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99 }
    }
}

impl Lion {
    /// Refuses settings outside their ranges.
    pub fn check(&self) -> Result<(), Error> {
        fraction("beta1", self.beta1)?;
        fraction("beta2", self.beta2)
    }
}

/// Coefficients of one step.
#[derive(Clone, Copy)]
pub struct Coefficients<R> {
    scale: R,
    beta1: R,
    rest1: R,
    beta2: R,
    rest2: R,
    keep: R,
    rate: R,
    complex: bool,
}

impl<T: Number> Recurrence<T> for Lion
where
    T::Real: Kernel,
{
    type Coefficients = Coefficients<T::Real>;

    fn arrays(&self) -> [usize; 2] {
        [T::PARTS, 0]
    }

    fn plan(&self, step: &Step, bounds: Bounds) -> Plan<Self::Coefficients> {
        let keep = 1.0 - step.lr * step.decay;
        let number = <T::Real as Real>::from_f64;
        let coefficients = Coefficients {
            scale: number(step.gradient_scale),
            beta1: number(self.beta1),
            rest1: number(1.0 - self.beta1),
            beta2: number(self.beta2),
            rest2: number(1.0 - self.beta2),
            keep: number(keep),
            rate: number(step.lr),
            complex: T::COMPLEX,
        };
        let momentum = bounds[0].max(step.survey.gradient_peak * step.gradient_scale);
        let reach = keep.abs() * step.survey.parameter_peak + step.lr;
        Plan { coefficients, reach, bounds: [momentum, 0.0], noisy: false }
    }

    fn run(coefficients: &Self::Coefficients, chunk: Chunk<'_, T::Real>) -> Change {
        T::Real::run(coefficients, chunk)
    }
}

#[inline(always)]
fn sign<R: Real>(value: R) -> R {
    let (zero, one) = (R::default(), R::from_f64(1.0));
    if value > zero {
        one
    } else if value < zero {
        -one
    } else {
        zero
    }
}

#[inline(always)]
fn advance<R: Real>(c: &Coefficients<R>, chunk: Chunk<'_, R>) -> Change {
    let c = *c;
    let Chunk { parameter, gradient, first, .. } = chunk;
    let mut squares = [R::default(); WIDTH];
    if c.complex {
        let pairs = parameter.as_chunks_mut::<2>().0.iter_mut().zip(gradient.as_chunks::<2>().0);
        for ((theta, g), m) in pairs.zip(first.as_chunks_mut::<2>().0) {
            let look = [0, 1].map(|part| c.beta1 * m[part] + c.rest1 * (g[part] * c.scale));
            // Scaled first: squares of small or large parts do not fit.
            let most = look[0].abs().max(look[1].abs());
            let unit = if most > R::default() { look.map(|part| part / most) } else { [R::default(); 2] };
            let size = (unit[0] * unit[0] + unit[1] * unit[1]).sqrt();
            for part in 0..2 {
                let turn = if size > R::default() { unit[part] / size } else { R::default() };
                let next = c.keep * theta[part] - c.rate * turn;
                let by = next - theta[part];
                squares[part] += by * by;
                theta[part] = next;
                m[part] = c.beta2 * m[part] + c.rest2 * (g[part] * c.scale);
            }
        }
    } else {
        lanes!(write parameter first; read gradient; e => {
            let (g, m) = (gradient[e] * c.scale, first[e]);
            let next = c.keep * parameter[e] - c.rate * sign(c.beta1 * m + c.rest1 * g);
            let by = next - parameter[e];
            squares[e] += by * by;
            parameter[e] = next;
            first[e] = c.beta2 * m + c.rest2 * g;
        });
    }
    change(squares, [R::default(); WIDTH])
}

kernel!(Coefficients, advance);
