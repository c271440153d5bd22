//! Kron-PSGD: stochastic gradient descent with a preconditioner that is a Kronecker product, learned on the way.
//!
//! For a parameter of shape n₁ × … × n_r, P = QᴴQ with Q = Q₁ ⊗ … ⊗ Q_r, one factor per axis, each a matrix or a diagonal.
//! P minimises E[hᴴPh + vᴴP⁻¹v] over the factors:
//!
//! - **whitening**: h is the gradient, v independent noise, so P = (E hhᴴ)^{-1/2};
//! - **Newton**: v is noise and h = Hv the Hessian's product with it, so P = (H²)^{-1/2} = |H|⁻¹, also where H is indefinite.
//!
//! v is never the gradient: then P = I would be stationary, and nothing would be learned.
//!
//! A step, with t steps before it and everything from the state before the step:
//!
//! 1. m ← β_t m + (1 − β_t)g, β_t = min(t/(t + 1), β): the mean is taken before P is applied, so that it keeps the size of
//!    a gradient and is always seen with the newest P.
//! 2. If the schedule says so, one update of Q, see `update.rs`.
//! 3. u = Pm; whole arrays are shortened to a root mean square, then elements to a modulus.
//! 4. θ ← (1 − lr·λ)θ − lr·u: the decay is decoupled, P never sees it.
//!
//! Memory for a parameter of N elements: m twice, u, and four arrays of N for updates (one more for complex numbers, one
//! more for QEP and where axes between others are followed by fewer than 32 numbers); per dense factor 4n² (2n² in the
//! geometries that fit P), and 3n² of the longest. Nothing is allocated after the construction but GEMM's packing buffers.
//!
//! Cost of a step without an update, for a matrix n × n: 4n³ flop, two products with the cached P₁, P₂.

mod factor;
mod norm;
mod procrustes;
mod schedule;
mod settings;
mod update;

use headwater_base::Error;
use headwater_base::normal::Normals;
use headwater_base::rng::Purpose;

pub use factor::Factor;
use factor::{Form, contract_all, factors};
pub use schedule::Schedule;
pub use settings::{Balance, Criterion, Geometry, Norm, Settings, Source};
use update::{Gains, Memory, reset, square_now, update};

use crate::number::{Number, Real};
use crate::rule::{Change, Fault, Probe, Proposal, Rule, State, Step, What};
use crate::vector;

/// Most axes.
pub const MAX_RANK: usize = 4;

/// Kron-PSGD for one tensor; see the [module](self).
#[derive(Debug)]
pub struct KronPsgd<T: Number> {
    settings: Settings,
    count: usize,
    factors: Vec<Factor<T>>,
    memory: Memory<T>,
    /// P = scale²·I at the beginning; 0 as long as it is not known.
    scale: f64,
    momentum: Vec<T>,
    momentum_next: Vec<T>,
    update: Vec<T>,
    /// Smallest |diagonal element| and largest |element| of the factors.
    range: (f64, f64),
    /// Whether the products QᴴQ are those of the factors: not after somebody may have replaced them.
    fresh: bool,
    /// Of the last proposal: whether it moves the factors, the scale, the range.
    moved: bool,
    scale_next: f64,
    range_next: (f64, f64),
}

impl<T: Number> KronPsgd<T> {
    /// For a tensor of this shape, row-major; `[]` is a scalar.
    ///
    /// # Errors
    ///
    /// `option-out-of-range` for settings out of range, and for more than four axes.
    pub fn new(shape: &[usize], settings: &Settings) -> Result<Self, Error> {
        settings.check()?;
        if shape.len() > MAX_RANK {
            let message = format!(
                "KronPsgd takes arrays of at most {MAX_RANK} axes, not {}: merge neighbouring axes in the shape you give \
                 (the data stay as they are)",
                shape.len()
            );
            return Err(Error::new("option-out-of-range", message).with_limit(MAX_RANK as f64));
        }
        let count = shape.iter().product();
        let scale = settings.scale.unwrap_or(0.0);
        let initial = settings.scale.map_or(1.0, |scale| in_factors(settings.geometry, scale));
        // An array without elements has no factors either, and every step leaves it alone.
        let factors = if count == 0 { Vec::new() } else { factors(shape, initial, settings) };
        let momentum = if settings.momentum > 0.0 { count } else { 0 };
        Ok(Self {
            settings: *settings,
            count,
            memory: Memory::new(settings.geometry, count, &factors),
            factors,
            scale,
            momentum: vec![T::default(); momentum],
            momentum_next: vec![T::default(); momentum],
            update: vec![T::default(); count],
            range: (0.0, 0.0),
            fresh: false,
            moved: false,
            scale_next: scale,
            range_next: (0.0, 0.0),
        })
    }

    /// The factors, one for each axis, to be looked at.
    pub fn factors(&self) -> &[Factor<T>] {
        &self.factors
    }

    /// Another μ from the next update on, for schedules of the caller's.
    ///
    /// # Errors
    ///
    /// `option-out-of-range` if it is not in (0, 1].
    pub fn set_precond_lr(&mut self, precond_lr: f64) -> Result<(), Error> {
        let settings = Settings { precond_lr, ..self.settings };
        settings.check()?;
        self.settings = settings;
        Ok(())
    }

    /// P·x with the factors as they are committed.
    ///
    /// # Panics
    ///
    /// If an array has another size than the tensor.
    pub fn apply(&mut self, x: &[T], out: &mut [T]) {
        assert!(x.len() == self.count && out.len() == self.count, "an array of the tensor's size");
        self.refresh();
        let Memory { h, v, turned, .. } = &mut self.memory;
        contract_all(&self.factors, Form::Hermitian, |f| f.operator(false), x, [h, v, turned]);
        out.copy_from_slice(h);
    }

    /// Computes what follows from the factors, if they may have been replaced.
    fn refresh(&mut self) {
        if self.fresh {
            return;
        }
        for factor in &mut self.factors {
            square_now(self.settings.geometry, factor, &mut self.memory, false);
        }
        self.range = range(&self.factors, false);
        self.fresh = true;
    }

    fn random(&self, step: &Step) -> (Normals, u64) {
        let parts = (T::PARTS * self.count) as u64;
        (Normals::new(step.seed, Purpose::Preconditioner, step.tensor), step.count.wrapping_mul(parts))
    }

    /// v of this step, E|v_i|² = 1; into `memory.v`.
    fn draw(&mut self, step: &Step) {
        let (normals, from) = self.random(step);
        fill(normals, from, &mut self.memory.v);
    }

    /// Proposes new factors from h in `memory.h` and v in `memory.v`; whether they were reset.
    fn propose_factors(&mut self, step: &Step) -> Result<bool, Fault> {
        let settings = &self.settings;
        let rank = self.factors.len();
        let mut gains = Gains { each: [1.0; MAX_RANK] };
        self.scale_next = self.scale;
        if self.scale == 0.0 {
            self.scale_next = initial_scale(settings.criterion, &self.memory.v, &self.memory.h);
            let initial = in_factors(settings.geometry, self.scale_next);
            gains.each[..rank].fill(initial.powf(1.0 / rank as f64));
        } else {
            self.balance(step, &mut gains);
        }
        update(&self.settings, &mut self.factors, &mut self.memory, &gains)?;
        self.range_next = range(&self.factors, true);
        if self.broken() {
            let root = in_factors(self.settings.geometry, self.scale_next).powf(1.0 / rank as f64);
            reset(&self.settings, &mut self.factors, &mut self.memory, root);
            self.range_next = range(&self.factors, true);
            return Ok(true);
        }
        Ok(false)
    }

    /// Q_k ← Q_k·(Π ν_j)^{1/r}/ν_k with the largest |elements| ν, which leaves P as it is.
    fn balance(&self, step: &Step, gains: &mut Gains) {
        let (rank, balance) = (self.factors.len(), self.settings.balance);
        if rank < 2 {
            return;
        }
        let mut sizes = [1.0; MAX_RANK];
        for (size, factor) in sizes.iter_mut().zip(&self.factors) {
            *size = vector::peak(&factor.q);
        }
        let sizes = &sizes[..rank];
        let (least, most) = sizes.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), &x| (a.min(x), b.max(x)));
        let number = self.settings.schedule.updates(step.count);
        let due = balance.every > 0 && number > 0 && number.is_multiple_of(balance.every);
        if (self.settings.geometry == Geometry::Qep || due || most > balance.ratio * least) && least > 0.0 {
            let mean = (sizes.iter().map(|x| x.ln()).sum::<f64>() / rank as f64).exp();
            gains.each.iter_mut().zip(sizes).for_each(|(gain, size)| *gain = mean / size);
        }
    }

    /// Whether a diagonal that must be positive is not: of a diagonal factor, or of a matrix whose geometry keeps it.
    fn broken(&self) -> bool {
        let positive = |x: &T| x.re().to_f64() > 0.0;
        self.factors.iter().any(|factor| match factor.dense {
            false => !factor.q_next.iter().all(positive),
            true => {
                self.settings.geometry.keeps_diagonal() && !factor.q_next.iter().step_by(factor.n + 1).all(positive)
            }
        })
    }
}

/// Standard normal numbers, E|x|² = 1.
fn fill<T: Number>(normals: Normals, from: u64, out: &mut [T]) {
    T::Real::fill_normal(normals, from, T::reals_mut(out));
    if T::COMPLEX {
        vector::scale(std::f64::consts::FRAC_1_SQRT_2, out);
    }
}

/// What the factors' product is at the beginning.
fn in_factors(geometry: Geometry, scale: f64) -> f64 {
    if geometry.fits_p() { scale * scale } else { scale }
}

/// The scale at the beginning, P = scale²·I.
///
/// Whitening: 1/(mean |h|⁴)^{1/4}. Newton: the root mean square of v in the numerator, and N^{1/4} below. A pair tells the
/// root mean square of H's eigenvalues; the largest one is between that and √N times as large. P too large by c lets steps
/// grow until it is learned, too small by c costs ln c/ln 5 updates, so the middle of the two is taken. Measured on
/// quadratics with a condition number of 1e6 (64 × 48, 20 seeds, lr = μ = 0.5): without N^{1/4} the objective grew up to
/// 26-fold first (EQ), with it never; it costs 3 to 6 steps.
fn initial_scale<T: Number>(criterion: Criterion, v: &[T], h: &[T]) -> f64 {
    let count = h.len() as f64;
    let size = vector::quartic_mean(h);
    match criterion {
        Criterion::Whitening => (1.0 / size).sqrt(),
        Criterion::Newton => ((vector::squares(v) / count).sqrt() / size / count.powf(0.25)).sqrt(),
    }
}

/// Smallest |diagonal element| and largest |element|.
fn range<T: Number>(factors: &[Factor<T>], next: bool) -> (f64, f64) {
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for factor in factors {
        let q = if next { &factor.q_next } else { &factor.q };
        let step = if factor.dense { factor.n + 1 } else { 1 };
        least = q.iter().step_by(step).fold(least, |least, q| least.min(vector::modulus(*q)));
        most = most.max(vector::peak(q));
    }
    (least, most)
}

impl<T: Number> Rule<T> for KronPsgd<T> {
    /// With the whitening criterion, the v of a given `probe` takes the place of the random one (its h is not read); it
    /// must be independent of the gradient. With the Newton criterion a pair updates the factors, whatever the schedule;
    /// without one they stay.
    fn propose(
        &mut self,
        step: &Step,
        parameter: &[T],
        gradient: &[T],
        probe: Option<Probe<'_, T>>,
    ) -> Result<Proposal, Fault> {
        self.moved = false;
        if self.count == 0 {
            return Ok(Proposal::default());
        }
        self.refresh();
        let settings = self.settings;
        let clipped = step.gradient_scale;
        if settings.momentum > 0.0 {
            let t = step.count as f64;
            let beta = (t / (t + 1.0)).min(settings.momentum);
            let (old, new) = (&self.momentum, &mut self.momentum_next);
            vector::combine(beta, old, (1.0 - beta) * clipped, gradient, new);
        }
        let mut proposal = Proposal::default();
        let due = match settings.criterion {
            Criterion::Newton => probe.is_some(),
            Criterion::Whitening => settings.schedule.fires(step.count),
        };
        if due {
            match (settings.criterion, probe) {
                (Criterion::Newton, Some(pair)) => {
                    self.memory.h.copy_from_slice(pair.h);
                    self.memory.v.copy_from_slice(pair.v);
                }
                (_, probe) => {
                    if settings.source == Source::Momentum && settings.momentum > 0.0 {
                        self.memory.h.copy_from_slice(&self.momentum_next);
                    } else {
                        vector::scaled(clipped, gradient, &mut self.memory.h);
                    }
                    match probe {
                        Some(probe) => self.memory.v.copy_from_slice(probe.v),
                        None => self.draw(step),
                    }
                }
            }
            // What is zero throughout says nothing about a scale.
            if vector::peak(&self.memory.h) > 0.0 {
                if settings.damping > 0.0 {
                    let epsilon = match settings.criterion {
                        Criterion::Whitening => T::Real::EPSILON.to_f64(),
                        Criterion::Newton => 0.0,
                    };
                    let Memory { h, v, .. } = &mut self.memory;
                    vector::damp(settings.damping, epsilon, v, h);
                }
                proposal.preconditioner_reset = self.propose_factors(step)?;
                self.moved = true;
            }
        }
        proposal.preconditioner_updated = self.moved;
        proposal.factor_range = Some(if self.moved { self.range_next } else { self.range });
        let (moved, scaled) = (self.moved, settings.momentum == 0.0 && clipped != 1.0);
        let source = if settings.momentum > 0.0 { &self.momentum_next[..] } else { gradient };
        let Memory { h, turned, .. } = &mut self.memory;
        let memory = [&mut self.update, h, turned];
        contract_all(&self.factors, Form::Hermitian, |f| f.operator(moved), source, memory);
        if scaled {
            vector::scale(clipped, &mut self.update);
        }
        proposal.update_squares = vector::shorten(settings.clip_rms, settings.clip_element, &mut self.update);
        let keep = 1.0 - step.lr * step.decay;
        match vector::bad_candidate(keep, step.lr, &self.update, parameter) {
            Some((index, value)) => Err(Fault { what: What::Candidate, index, value }),
            None => Ok(proposal),
        }
    }

    fn commit(&mut self, step: &Step, parameter: &mut [T], _gradient: &[T], scale: f64) -> Change {
        if self.count == 0 {
            return Change::default();
        }
        let squares = vector::descend(1.0 - step.lr * step.decay, step.lr * scale, &self.update, parameter);
        std::mem::swap(&mut self.momentum, &mut self.momentum_next);
        if self.moved {
            for factor in &mut self.factors {
                std::mem::swap(&mut factor.q, &mut factor.q_next);
                std::mem::swap(&mut factor.p, &mut factor.p_next);
                factor.smoothness = factor.smoothness_next;
            }
            (self.scale, self.range) = (self.scale_next, self.range_next);
            self.moved = false;
        }
        Change { squares, noise_squares: 0.0 }
    }

    /// Newton criterion only: v where the schedule fires.
    fn probe(&mut self, step: &Step, v: &mut Vec<T>) -> bool {
        if self.settings.criterion != Criterion::Newton || self.count == 0 || !self.settings.schedule.fires(step.count)
        {
            return false;
        }
        let (normals, from) = self.random(step);
        v.resize(self.count, T::default());
        fill(normals, from, v);
        true
    }

    fn state(&mut self, state: &mut dyn State<T::Real>) {
        for factor in &mut self.factors {
            state.array("factor", T::reals_mut(&mut factor.q));
            state.real("smoothness", &mut factor.smoothness);
        }
        state.real("scale", &mut self.scale);
        state.array("momentum", T::reals_mut(&mut self.momentum));
        self.fresh = false;
    }
}
