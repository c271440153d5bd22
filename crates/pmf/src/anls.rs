//! Alternating exact non-negative least squares with extrapolation.
//!
//! One sweep, for the factors Y (short) and X (long), extrapolated copies Ŷ, X̂ and momentum β:
//!   Y⁺ = argmin Q(X̂, ·),  Ŷ = [Y⁺ + β(Y⁺ − Y)]₊,  X⁺ = argmin Q(·, Ŷ),  X̂ = [X⁺ + β(X⁺ − X)]₊.
//! It is accepted if Q(X⁺, Ŷ) fell: β ← min(β̄, γβ), β̄ ← min(1, γ̄β̄). Otherwise the pair before it is
//! restored, β̄ ← the last good β, β ← β/η, and a plain sweep (β = 0) follows, which cannot raise Q.
//!
//! Cost of a sweep: 4·cells·(p²/2 + 3p/2) flop and (long + short)·(p³/3 + 4p²) for the solutions.
//! Guarantees: Q never rises between accepted pairs; the same bits for any thread count.
//! Source: A. M. S. Ang, N. Gillis (2019), "Accelerating nonnegative matrix factorization algorithms using
//! extrapolation", Neural Computation 31:417. Deviation: the exact solver of each half is [`crate::block`].

use crate::block::{self, Factor, Normal};
use crate::problem::Problem;
use headwater_base::parallel::Crew;

pub(crate) const GROWTH: f64 = 1.05;
pub(crate) const CAP_GROWTH: f64 = 1.01;
pub(crate) const SHRINK: f64 = 1.5;

/// A pair of factors (long, short) that belongs together, its Q, and what sweeps need between calls.
pub struct Sweeper<'a> {
    problem: &'a Problem,
    crew: Crew<'a>,
    /// Best accepted pair: `long` is the exact minimiser for `short`.
    pub long: Factor,
    pub short: Factor,
    /// Q of that pair, scaled units.
    pub q: f64,
    /// Normal equations of the long side at the accepted pair.
    pub normal: Normal,
    long_hat: Vec<f64>,
    last_short: Vec<f64>,
    short_normal: Normal,
    beta: f64,
    beta_cap: f64,
    last_beta: f64,
}

impl<'a> Sweeper<'a> {
    /// Starts from a long factor; the short one is then solved for. `short.rows` gives the passive sets a first guess.
    pub fn new(problem: &'a Problem, long: Factor, short: Factor, crew: Crew<'a>) -> Self {
        let p = long.p;
        let normal = Normal::new(problem.long.blocks(), p);
        let short_normal = Normal::new(problem.short.blocks(), p);
        let long_hat = long.rows.clone();
        let last_short = short.rows.clone();
        let mut sweeper = Self {
            problem,
            crew,
            long,
            short,
            q: f64::INFINITY,
            normal,
            long_hat,
            last_short,
            short_normal,
            beta: 0.5,
            beta_cap: 1.0,
            last_beta: 0.5,
        };
        sweeper.plain();
        sweeper
    }

    /// One sweep without extrapolation from the current long factor.
    pub fn plain(&mut self) {
        let (problem, crew) = (self.problem, self.crew);
        block::solve(&problem.short, &self.long.rows, &mut self.short, &mut self.short_normal, crew);
        self.settle();
    }

    /// Solves for the long factor at the current short one, and takes the pair as the accepted one.
    pub fn settle(&mut self) {
        let (problem, crew) = (self.problem, self.crew);
        block::solve(&problem.long, &self.short.rows, &mut self.long, &mut self.normal, crew);
        let q = block::objective(&problem.long, &self.long, &self.short.rows, crew);
        // A stopped crew has not raised Q, and cannot tell by how much it fell.
        self.q = if crew.stopped() { self.q } else { q };
        self.long_hat.copy_from_slice(&self.long.rows);
        self.last_short.copy_from_slice(&self.short.rows);
    }

    /// One extrapolated sweep, or a plain one where that does not lower Q. A crew that is stopped changes nothing.
    pub fn sweep(&mut self) {
        let (problem, crew) = (self.problem, self.crew);
        let mut short = self.short.clone();
        block::descend(&problem.short, &self.long_hat, &mut short, &mut self.short_normal, crew);
        let newest = short.rows.clone();
        extrapolate(&mut short.rows, &self.last_short, self.beta, short.bounded);
        short.guess_passive();
        let mut long = self.long.clone();
        block::descend(&problem.long, &short.rows, &mut long, &mut self.normal, crew);
        let q = block::objective(&problem.long, &long, &short.rows, crew);
        if crew.stopped() {
            return;
        }
        if q < self.q {
            self.long_hat.copy_from_slice(&long.rows);
            extrapolate(&mut self.long_hat, &self.long.rows, self.beta, long.bounded);
            self.q = q;
            self.long = long;
            self.short = short;
            self.last_short = newest;
            self.last_beta = self.beta;
            self.beta = (self.beta * GROWTH).min(self.beta_cap);
            self.beta_cap = (self.beta_cap * CAP_GROWTH).min(1.0);
        } else {
            self.beta_cap = self.last_beta;
            self.beta /= SHRINK;
            self.plain();
        }
    }
}

/// new ← [new + β (new − old)]₊ (without the bound where there is none).
fn extrapolate(new: &mut [f64], old: &[f64], beta: f64, bounded: bool) {
    for (new, old) in new.iter_mut().zip(old) {
        let value = *new + beta * (*new - old);
        *new = if bounded { value.max(0.0) } else { value };
    }
}
