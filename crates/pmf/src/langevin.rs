//! Metropolis-adjusted Langevin trajectories.
//!
//! The target is exp(−U(u)). A momentum z ~ N(0, 1) is drawn, and Langevin's equations with friction γ,
//!   du = Lz dt,   dz = −Lᵀ∇U dt − γz dt + √(2γ) dB,
//! are followed for some steps of length h: noise for half a step, z ← e^{−γh/2} z + √(1 − e^{−γh}) ξ; half a kick by what the
//! stand-in lacks, z ← z − (h/2) Lᵀ(∇U − ∇U₀); the stand-in's flow for h ([`crate::reflected`]); half a kick; noise. The end is
//! accepted with probability min(1, e^{−Δ}), Δ the sum of what the steps between the noises changed of U + ½|z|². So neither h
//! nor the stand-in has an effect on the law, only on how fast chains move. One step, without stand-in and walls, is MALA.
//!
//! Steps are of random length, ±10 %, against resonances. While a chain warms up, h is found by dual averaging for the wanted
//! share of accepted trajectories.
//!
//! Sources: L. Riou-Durand, J. Vogrinc (2022), "Metropolis adjusted Langevin trajectories", arXiv:2202.13230;
//! G. O. Roberts, R. L. Tweedie (1996), "Exponential convergence of Langevin distributions and their discrete approximations",
//! Bernoulli 2:341 (why it must be Metropolis-adjusted); R. M. Neal (2011), "MCMC using Hamiltonian dynamics", in Handbook of
//! Markov chain Monte Carlo, ch. 5; M. D. Hoffman, A. Gelman (2014), J. Mach. Learn. Res. 15:1593 (dual averaging).

use crate::reflected::Reflected;
use headwater_base::parallel::Crew;
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::dense;

/// γ, in the metric's units of time.
const FRICTION: f64 = 0.5;
/// Share of accepted trajectories that h is chosen for.
const WANTED: f64 = 0.75;
/// Rise of U + ½|z|² at which a trajectory is given up: it would be accepted once in 1e21 times.
const LOST: f64 = 50.0;

/// What is sampled from.
pub trait Potential: Sync {
    /// What a place knows that helps to find the next.
    type Memory: Clone + Send + Sync;
    /// U and its gradient; `None` where U is not finite or the crew was stopped.
    fn place(&self, u: Vec<f64>, near: &Self::Memory, crew: Crew) -> Option<Place<Self::Memory>>;
}

/// A point of a chain.
#[derive(Clone)]
pub struct Place<M> {
    pub u: Vec<f64>,
    /// U.
    pub value: f64,
    /// ∇U.
    pub gradient: Vec<f64>,
    pub memory: M,
}

/// One chain.
#[derive(Clone)]
pub struct Chain<M> {
    pub at: Place<M>,
    /// Its own noise.
    pub random: Stream,
    /// Evaluations of the potential.
    pub steps: u64,
    /// Sum of the probabilities of acceptance, and trajectories.
    pub accepted: f64,
    pub tried: f64,
}

/// How long trajectories are.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// h.
    pub step: f64,
    /// Steps of a trajectory.
    pub count: usize,
}

impl Pace {
    /// Trajectories of one length in the metric's units: a third of a turn.
    pub fn of(step: f64) -> Self {
        Self { step, count: ((2.0 / step).round() as usize).clamp(1, 40) }
    }
}

impl<M: Clone + Send + Sync> Chain<M> {
    pub fn new(at: Place<M>, seed: u64, chain: u32) -> Self {
        let random = Stream::new(seed, Purpose::Chain, chain);
        Self { at, random, steps: 0, accepted: 0.0, tried: 0.0 }
    }

    /// One trajectory, accepted or not; returns the probability of acceptance.
    pub fn advance<P: Potential<Memory = M>>(
        &mut self,
        potential: &P,
        flow: &Reflected,
        pace: Pace,
        crew: Crew,
    ) -> f64 {
        let h = pace.step * (0.9 + 0.2 * self.random.uniform());
        let (end, rise) = self.trajectory(potential, flow, h, pace.count, crew);
        let chance = if rise < LOST { (-rise).exp().min(1.0) } else { 0.0 };
        // Drawn in any case, so that a stream does not depend on rounding.
        let fortune = self.random.uniform();
        if let Some(end) = end
            && fortune < chance
        {
            self.at = end;
        }
        self.accepted += chance;
        self.tried += 1.0;
        chance
    }

    fn trajectory<P: Potential<Memory = M>>(
        &mut self,
        potential: &P,
        flow: &Reflected,
        h: f64,
        count: usize,
        crew: Crew,
    ) -> (Option<Place<M>>, f64) {
        let kept = (-0.5 * FRICTION * h).exp();
        let fresh = (1.0 - kept * kept).sqrt();
        let mut at = self.at.clone();
        let mut z: Vec<f64> = (0..at.u.len()).map(|_| self.random.normal()).collect();
        let mut missing = flow.missing(&at.u, &at.gradient);
        let mut rise = 0.0;
        for _ in 0..count {
            z.iter_mut().for_each(|z| *z = kept * *z + fresh * self.random.normal());
            let before = at.value + 0.5 * dense::inner(&z, &z);
            dense::add_scaled(-0.5 * h, &missing, &mut z);
            let mut u = at.u.clone();
            if !flow.flow(&mut u, &mut z, h) {
                return (None, f64::INFINITY);
            }
            let Some(next) = potential.place(u, &at.memory, crew) else { return (None, f64::INFINITY) };
            self.steps += 1;
            missing = flow.missing(&next.u, &next.gradient);
            dense::add_scaled(-0.5 * h, &missing, &mut z);
            rise += next.value + 0.5 * dense::inner(&z, &z) - before;
            at = next;
            if rise.is_nan() || rise >= LOST {
                return (None, f64::INFINITY);
            }
            z.iter_mut().for_each(|z| *z = kept * *z + fresh * self.random.normal());
        }
        (Some(at), rise)
    }
}

/// Dual averaging of ln h.
pub struct Tuning {
    centre: f64,
    off: f64,
    count: f64,
    now: f64,
    averaged: f64,
}

impl Tuning {
    pub fn new(step: f64) -> Self {
        Self { centre: (1.5 * step).ln(), off: 0.0, count: 0.0, now: step.ln(), averaged: step.ln() }
    }

    /// What to try next.
    pub fn step(&self) -> f64 {
        self.now.exp()
    }

    /// After a trajectory with this chance of acceptance.
    pub fn learn(&mut self, chance: f64) {
        self.count += 1.0;
        self.off += (WANTED - chance - self.off) / (self.count + 10.0);
        self.now = self.centre - self.count.sqrt() / 0.05 * self.off;
        self.averaged += self.count.powf(-0.75) * (self.now - self.averaged);
    }

    /// ln h, averaged.
    pub fn result(&self) -> f64 {
        self.averaged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::Control;

    /// ½(x − a)ᵀP(x − a) + quartic·Σx⁴ of two unknowns.
    struct Two {
        p: [f64; 3],
        a: [f64; 2],
        quartic: f64,
    }

    impl Potential for Two {
        type Memory = ();
        fn place(&self, u: Vec<f64>, (): &(), _: Crew) -> Option<Place<()>> {
            let (x, y) = (u[0] - self.a[0], u[1] - self.a[1]);
            let [xx, xy, yy] = self.p;
            let quartic = self.quartic;
            let value = 0.5 * (xx * x * x + 2.0 * xy * x * y + yy * y * y) + quartic * (u[0].powi(4) + u[1].powi(4));
            let gradient =
                vec![xx * x + xy * y + 4.0 * quartic * u[0].powi(3), xy * x + yy * y + 4.0 * quartic * u[1].powi(3)];
            Some(Place { u, value, gradient, memory: () })
        }
    }

    /// Means and deviations of both unknowns, by draws and by a sum over a grid.
    fn both(target: &Two, bounded: bool, pace: Pace, draws: usize) -> ([f64; 4], [f64; 4], f64) {
        let crew = Crew::new(1, Control::none());
        let start = target.place(vec![0.3, 0.4], &(), crew).expect("finite");
        // A stand-in that is nothing: every trajectory relies on the correction.
        let metric = vec![2.0, 0.3, 0.3, 1.0];
        let flow = Reflected::new(bounded, vec![0.0; 2], vec![0.0; 2], metric, &[], &[]);
        let mut chain = Chain::new(start, 7, 0);
        let mut sums = [0.0; 4];
        for count in 0..draws + 500 {
            chain.advance(target, &flow, pace, crew);
            if count >= 500 {
                let u = &chain.at.u;
                assert!(!bounded || (u[0] >= 0.0 && u[1] >= 0.0));
                sums = [sums[0] + u[0], sums[1] + u[1], sums[2] + u[0] * u[0], sums[3] + u[1] * u[1]];
            }
        }
        let low = if bounded { 0.0 } else { -5.0 };
        let (cells, width) = (1000, (5.0 - low) / 1000.0);
        let mut exact = [0.0; 5];
        for i in 0..cells {
            for j in 0..cells {
                let u = vec![low + (f64::from(i) + 0.5) * width, low + (f64::from(j) + 0.5) * width];
                let (x, y) = (u[0], u[1]);
                let p = (-target.place(u, &(), crew).expect("finite").value).exp();
                for (sum, term) in exact.iter_mut().zip([x, y, x * x, y * y, 1.0]) {
                    *sum += p * term;
                }
            }
        }
        let finished = |sums: [f64; 4], count: f64| {
            let [x, y, xx, yy] = sums.map(|sum| sum / count);
            [x, y, (xx - x * x).sqrt(), (yy - y * y).sqrt()]
        };
        let [x, y, xx, yy, total] = exact;
        (finished(sums, draws as f64), finished([x, y, xx, yy], total), chain.accepted / chain.tried)
    }

    #[test]
    fn draws_have_the_law_of_the_potential_at_any_step() {
        let target = Two { p: [3.0, 1.2, 1.5], a: [0.4, -0.6], quartic: 0.3 };
        for (bounded, step, count) in [(false, 0.3, 5), (false, 0.9, 2), (true, 0.3, 5), (true, 0.9, 2), (true, 0.7, 1)]
        {
            let (found, exact, accepted) = both(&target, bounded, Pace { step, count }, 40_000);
            assert!(accepted < 0.999, "{accepted}: nothing to correct");
            for (found, exact) in found.iter().zip(&exact) {
                assert!((found - exact).abs() < 0.012, "bounded {bounded} step {step}: {found} is not {exact}");
            }
        }
    }

    #[test]
    fn tuning_finds_the_step_that_is_accepted_as_often_as_wanted() {
        let target = Two { p: [3.0, 1.2, 1.5], a: [0.4, -0.6], quartic: 0.3 };
        let crew = Crew::new(1, Control::none());
        let flow = Reflected::new(true, vec![0.0; 2], vec![0.0; 2], vec![2.0, 0.3, 0.3, 1.0], &[], &[]);
        let mut chain = Chain::new(target.place(vec![0.3, 0.4], &(), crew).expect("finite"), 7, 0);
        let mut tuning = Tuning::new(0.01);
        for _ in 0..500 {
            let pace = Pace { step: tuning.step(), count: 3 };
            tuning.learn(chain.advance(&target, &flow, pace, crew));
        }
        let step = tuning.result().exp();
        let mut fixed = Chain::new(chain.at, 8, 0);
        (0..2000).for_each(|_| {
            fixed.advance(&target, &flow, Pace { step, count: 3 }, crew);
        });
        assert!((fixed.accepted / fixed.tried - WANTED).abs() < 0.06, "{}", fixed.accepted / fixed.tried);
    }
}
