//! Gradient descent with momentum and decoupled decay, and plain Langevin dynamics.
//!
//! b ← μb + g,   d = b (heavy ball) or g + μb (Nesterov),   θ ← (1 − lr·λ)θ − lr·d + √(2T·lr) ξ.
//!
//! With μ = 0 and a temperature this is stochastic gradient Langevin dynamics: on a quadratic of curvature λ the
//! stationary variance is T/(λ(1 − lr·λ/2)). Bound by memory: 5 reads and writes of a number per parameter (3 without
//! momentum), and 2 of the pass before.
//!
//! Sources: B. T. Polyak (1964), "Some methods of speeding up the convergence of iteration methods"; I. Sutskever,
//! J. Martens, G. Dahl, G. Hinton (2013), "On the importance of initialization and momentum in deep learning";
//! M. Welling, Y. W. Teh (2011), "Bayesian learning via stochastic gradient Langevin dynamics".

use headwater_base::Error;

use crate::elementwise::{Bounds, Chunk, LARGEST_NOISE, Plan, Recurrence, WIDTH, change, kernel, lanes, prefetch};
use crate::number::{Number, Real};
use crate::rule::{Change, Step};
use crate::settings::fraction;

/// Settings. Without momentum by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sgd {
    /// μ in [0, 1).
    pub momentum: f64,
    /// Look ahead along the momentum.
    pub nesterov: bool,
}

impl Sgd {
    /// Refuses settings outside their ranges.
    pub fn check(&self) -> Result<(), Error> {
        fraction("momentum", self.momentum)?;
        if self.nesterov && self.momentum == 0.0 {
            return Err(Error::new("option-not-valid", "nesterov needs a momentum above 0"));
        }
        Ok(())
    }
}

/// Coefficients of one step.
#[derive(Clone, Copy)]
pub struct Coefficients<R> {
    scale: R,
    momentum: R,
    keep: R,
    rate: R,
    noise: R,
    nesterov: bool,
}

impl<T: Number> Recurrence<T> for Sgd
where
    T::Real: Kernel,
{
    type Coefficients = Coefficients<T::Real>;

    fn arrays(&self) -> [usize; 2] {
        [if self.momentum > 0.0 { T::PARTS } else { 0 }, 0]
    }

    fn plan(&self, step: &Step, bounds: Bounds) -> Plan<Self::Coefficients> {
        let peak = step.survey.gradient_peak * step.gradient_scale;
        let momentum = self.momentum * bounds[0] + peak;
        let keep = 1.0 - step.lr * step.decay;
        let noise = (2.0 * step.temperature * step.lr).sqrt();
        let direction = if self.nesterov { peak + self.momentum * momentum } else { momentum };
        let reach = keep.abs() * step.survey.parameter_peak + step.lr * (1.0 + direction) + noise * LARGEST_NOISE;
        let number = <T::Real as Real>::from_f64;
        let coefficients = Coefficients {
            scale: number(step.gradient_scale),
            momentum: number(self.momentum),
            keep: number(keep),
            rate: number(step.lr),
            noise: number(noise),
            nesterov: self.nesterov,
        };
        Plan { coefficients, reach, bounds: [momentum, 0.0], noisy: noise > 0.0 }
    }

    fn run(coefficients: &Self::Coefficients, chunk: Chunk<'_, T::Real>) -> Change {
        T::Real::run(coefficients, chunk)
    }
}

#[inline(always)]
fn advance<R: Real>(c: &Coefficients<R>, chunk: Chunk<'_, R>) -> Change {
    let c = *c;
    let Chunk { parameter, gradient, first, noise, .. } = chunk;
    let (mut squares, mut noise_squares) = ([R::default(); WIDTH], [R::default(); WIDTH]);
    if !noise.is_empty() {
        // Drawing the noise is what takes time.
        for (at, ((theta, g), noise)) in parameter.iter_mut().zip(gradient).zip(noise).enumerate() {
            let direction = match first.get_mut(at) {
                Some(momentum) => look(c, *g * c.scale, momentum),
                None => *g * c.scale,
            };
            let xi = c.noise * *noise;
            squares[at % WIDTH] += descend(c, theta, direction, xi);
            noise_squares[at % WIDTH] += xi * xi;
        }
    } else if first.is_empty() {
        // By value: where the loop writes as it goes, the compiler takes it apart into single numbers.
        let (blocks, rest) = parameter.as_chunks_mut::<WIDTH>();
        let (of_blocks, of_rest) = gradient.as_chunks::<WIDTH>();
        for (theta, g) in blocks.iter_mut().zip(of_blocks) {
            prefetch(theta.as_ptr());
            prefetch(g.as_ptr());
            let (now, g) = (*theta, *g);
            let mut next = now;
            for e in 0..WIDTH {
                next[e] = c.keep * now[e] - c.rate * (g[e] * c.scale);
            }
            for e in 0..WIDTH {
                squares[e] += (next[e] - now[e]) * (next[e] - now[e]);
            }
            *theta = next;
        }
        for (e, (theta, g)) in rest.iter_mut().zip(of_rest).enumerate() {
            squares[e] += descend(c, theta, *g * c.scale, R::default());
        }
    } else {
        lanes!(write parameter first; read gradient; e => {
            let direction = look(c, gradient[e] * c.scale, &mut first[e]);
            squares[e] += descend(c, &mut parameter[e], direction, R::default());
        });
    }
    change(squares, noise_squares)
}

/// The momentum moved; the direction that it gives.
#[inline(always)]
fn look<R: Real>(c: Coefficients<R>, g: R, momentum: &mut R) -> R {
    *momentum = c.momentum * *momentum + g;
    if c.nesterov { g + c.momentum * *momentum } else { *momentum }
}

/// The parameter moved; the square of its change.
#[inline(always)]
fn descend<R: Real>(c: Coefficients<R>, theta: &mut R, direction: R, xi: R) -> R {
    let moved = c.keep * *theta - c.rate * direction;
    let by = moved - *theta;
    *theta = moved + xi;
    by * by
}

kernel!(Coefficients, advance);
