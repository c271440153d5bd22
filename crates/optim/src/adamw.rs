//! AdamW for real and complex parameters, and preconditioned Langevin dynamics.
//!
//! g ← gradient_scale · gradient, t = count + 1:
//!
//!   m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)s(g),   m̂ = m/(1−β₁ᵗ),   v̂ = v/(1−β₂ᵗ),
//!   G = min(cap, 1/(√v̂ + ε)),   θ ← (1 − lr·λ)θ − lr·G·m̂ + √(2T·lr·G) ξ,   ξ ~ N(0, 1) for each real part.
//!
//! s(g) of a complex g is |g|², shared by both parts (`Modulus`: turning g turns the step), or the square of each part
//! (`PerPart`: what programs that see a complex number as two reals do). The cap is in drift and noise alike: with
//! different metrics the stationary law would not be exp(−U/T).
//!
//! Bound by memory: 7 reads and writes of a number per parameter, and 2 of the pass before (`survey`).
//!
//! Sources: D. P. Kingma, J. Ba (2015), "Adam: a method for stochastic optimization", arXiv 1412.6980; I. Loshchilov,
//! F. Hutter (2019), "Decoupled weight decay regularization", arXiv 1711.05101; C. Li, C. Chen, D. Carlson, L. Carin
//! (2016), "Preconditioned stochastic gradient Langevin dynamics for deep neural networks", arXiv 1512.07666.

use headwater_base::Error;

use crate::elementwise::{Bounds, Chunk, LARGEST_NOISE, Plan, Recurrence, WIDTH, change, kernel, lanes};
use crate::number::{Number, Real};
use crate::rule::{Change, Step};
use crate::settings::{at_least, fraction, positive};

/// What a complex gradient's second moment is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondMoment {
    /// |g|², one number for both parts.
    #[default]
    Modulus,
    /// (Re g)² and (Im g)².
    PerPart,
}

/// Settings; the defaults are those of the papers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// β₁ in [0, 1). 0.9; 0 when sampling, since momentum raises the temperature of what is sampled.
    pub beta1: f64,
    /// β₂ in [0, 1). 0.999.
    pub beta2: f64,
    /// ε > 0. 1e-8.
    pub epsilon: f64,
    /// For complex parameters.
    pub second_moment: SecondMoment,
    /// Largest G. Infinite: 1/ε is the limit then.
    pub cap: f64,
    /// Noise only once 1 − β₂ᵗ > ½: before that v̂ is the square of a few gradients and G is anything.
    pub burn_in: bool,
}

impl Default for AdamW {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            second_moment: SecondMoment::Modulus,
            cap: f64::INFINITY,
            burn_in: true,
        }
    }
}

impl AdamW {
    /// Refuses settings outside their ranges.
    pub fn check(&self) -> Result<(), Error> {
        fraction("beta1", self.beta1)?;
        fraction("beta2", self.beta2)?;
        positive("epsilon", self.epsilon)?;
        at_least("metricCap", self.cap, f64::MIN_POSITIVE)
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
    /// 1/√(1 − β₂ᵗ).
    unbias2: R,
    epsilon: R,
    cap: R,
    keep: R,
    rate: R,
    noise: R,
    modulus: bool,
}

impl<T: Number> Recurrence<T> for AdamW
where
    T::Real: Kernel,
{
    type Coefficients = Coefficients<T::Real>;

    fn arrays(&self) -> [usize; 2] {
        let shared = T::COMPLEX && self.second_moment == SecondMoment::Modulus;
        [T::PARTS, if shared { 1 } else { T::PARTS }]
    }

    fn plan(&self, step: &Step, bounds: Bounds) -> Plan<Self::Coefficients> {
        let t = (step.count + 1) as f64;
        let (unbias1, unbias2) = (1.0 - self.beta1.powf(t), 1.0 - self.beta2.powf(t));
        let noisy = step.temperature > 0.0 && (!self.burn_in || unbias2 > 0.5);
        let noise = if noisy { (2.0 * step.temperature * step.lr).sqrt() } else { 0.0 };
        let rate = step.lr / unbias1;
        let peak = step.survey.gradient_peak * step.gradient_scale;
        // |g|² of a complex number is at most 2 peak².
        let bounds = [bounds[0].max(peak), bounds[1].max(2.0 * peak * peak)];
        let metric = self.cap.min(1.0 / self.epsilon);
        let keep = 1.0 - step.lr * step.decay;
        let reach = keep.abs() * step.survey.parameter_peak
            + rate * metric * bounds[0]
            + noise * metric.sqrt() * LARGEST_NOISE
            + rate
            + noise;
        let number = <T::Real as Real>::from_f64;
        let coefficients = Coefficients {
            scale: number(step.gradient_scale),
            beta1: number(self.beta1),
            rest1: number(1.0 - self.beta1),
            beta2: number(self.beta2),
            rest2: number(1.0 - self.beta2),
            unbias2: number(unbias2.sqrt().recip()),
            epsilon: number(self.epsilon),
            cap: number(self.cap),
            keep: number(keep),
            rate: number(rate),
            noise: number(noise),
            modulus: T::COMPLEX && self.second_moment == SecondMoment::Modulus,
        };
        // ε may vanish in the type's precision.
        let reach = if coefficients.epsilon > number(0.0) { reach } else { f64::INFINITY };
        Plan { coefficients, reach, bounds, noisy }
    }

    fn run(coefficients: &Self::Coefficients, chunk: Chunk<'_, T::Real>) -> Change {
        T::Real::run(coefficients, chunk)
    }
}

#[inline(always)]
fn metric<R: Real>(c: Coefficients<R>, v: R) -> R {
    let g = R::from_f64(1.0) / (v.sqrt() * c.unbias2 + c.epsilon);
    if g > c.cap { c.cap } else { g }
}

#[inline(always)]
fn advance<R: Real>(c: &Coefficients<R>, chunk: Chunk<'_, R>) -> Change {
    let c = *c;
    let Chunk { parameter, gradient, first, second, noise } = chunk;
    let mut squares = [R::default(); WIDTH];
    let mut noise_squares = [R::default(); WIDTH];
    if c.modulus {
        let pairs = parameter.as_chunks_mut::<2>().0.iter_mut().zip(gradient.as_chunks::<2>().0);
        let pairs = pairs.zip(first.as_chunks_mut::<2>().0).zip(second);
        for (at, (((theta, g), m), v)) in pairs.enumerate() {
            let g = [g[0] * c.scale, g[1] * c.scale];
            *v = c.beta2 * *v + c.rest2 * (g[0] * g[0] + g[1] * g[1]);
            let metric = metric(c, *v);
            let spread = c.noise * metric.sqrt();
            for part in 0..2 {
                m[part] = c.beta1 * m[part] + c.rest1 * g[part];
                let xi = if noise.is_empty() { R::default() } else { spread * noise[2 * at + part] };
                let moved = c.keep * theta[part] - c.rate * metric * m[part];
                let by = moved - theta[part];
                squares[part] += by * by;
                noise_squares[part] += xi * xi;
                theta[part] = moved + xi;
            }
        }
    } else if noise.is_empty() {
        lanes!(write parameter first second; read gradient; e => {
            squares[e] += plain(c, &mut parameter[e], gradient[e], &mut first[e], &mut second[e]);
        });
    } else {
        for at in 0..parameter.len() {
            let g = gradient[at] * c.scale;
            first[at] = c.beta1 * first[at] + c.rest1 * g;
            second[at] = c.beta2 * second[at] + c.rest2 * g * g;
            let metric = metric(c, second[at]);
            let xi = c.noise * metric.sqrt() * noise[at];
            let moved = c.keep * parameter[at] - c.rate * metric * first[at];
            let by = moved - parameter[at];
            squares[at % WIDTH] += by * by;
            noise_squares[at % WIDTH] += xi * xi;
            parameter[at] = moved + xi;
        }
    }
    change(squares, noise_squares)
}

/// One part without noise; the square of its change.
#[inline(always)]
fn plain<R: Real>(c: Coefficients<R>, theta: &mut R, g: R, m: &mut R, v: &mut R) -> R {
    let g = g * c.scale;
    *m = c.beta1 * *m + c.rest1 * g;
    *v = c.beta2 * *v + c.rest2 * g * g;
    let next = c.keep * *theta - c.rate * metric(c, *v) * *m;
    let by = next - *theta;
    *theta = next;
    by * by
}

kernel!(Coefficients, advance);
