//! The minimum of an objective from a start: Newton steps with the exact Hessian A wherever it is positive definite, damped
//! steps with the surrogate B elsewhere.
//!
//! Elements at their bound whose gradient pushes them there are held; steps are cut off at the bounds. A point is a minimum
//! (`converged`) if and only if half the squared Newton decrement, ½gᵀA⁻¹g over the free elements and off the gauges, is at
//! most `tolerance`·(1 + |L|) and A is positive definite there. That L no longer falls is never enough. A stationary point
//! where A is not definite is left along negative curvature; it is a `saddle` if that does not lower L.
//!
//! After convergence a few more Newton steps are taken while the decrement falls fourfold: the end point is Newton's fixed
//! point to rounding, which derivatives of what depends on it need.

use headwater_base::parallel::Crew;
use headwater_base::rng::{Purpose, Stream};
use headwater_base::{Progress, Status};
use headwater_linalg::dense::inner;

use crate::arrow::{Arrow, Refusal, negative_curvature};
use crate::assembly::{Assembly, Kind};
use crate::freedom::Freedom;
use crate::objective::Objective;
use crate::state::{State, bounds};

/// How a minimisation runs.
#[derive(Clone, Copy, Debug)]
pub struct InnerSettings {
    /// Most iterations (assemblies); 200.
    pub max_iterations: usize,
    /// On the decrement; 10⁻¹⁰.
    pub tolerance: f64,
    /// Newton steps with A. Without them only the surrogate is used, which converges linearly at best: to measure what A is
    /// worth.
    pub newton: bool,
}

impl Default for InnerSettings {
    fn default() -> Self {
        Self { max_iterations: 200, tolerance: 1e-10, newton: true }
    }
}

/// What is known about the end point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Assemblies.
    pub iterations: usize,
    /// Steps with A.
    pub newton_steps: usize,
    /// Steps with A and damping.
    pub damped_steps: usize,
    /// Steps with B.
    pub surrogate_steps: usize,
    /// Steps along negative curvature.
    pub escapes: usize,
    /// ½gᵀA⁻¹g over the free elements; `None` where A is not positive definite.
    pub decrement: Option<f64>,
    /// ‖g‖ over the free elements.
    pub gradient: f64,
    /// Estimate, from above, of the smallest eigenvalue of A off the gauges, with the diagonal of B scaled to 1.
    pub min_curvature: Option<f64>,
    /// A is only positive definite up to −10⁻⁸ of the diagonal of B: some direction is flat.
    pub flat: bool,
    /// Elements held: those at their bound, and coordinates of atoms whose amplitude is.
    pub held: usize,
    /// Gauges taken out.
    pub gauges: usize,
}

/// The end of a minimisation.
#[derive(Clone, Debug)]
pub struct Inner {
    /// The best state, with coordinates in their charts.
    pub state: State,
    /// L there.
    pub value: f64,
    /// `converged`, `saddle`, `stalled`, `budget` or `aborted`.
    pub status: Status,
    /// Why.
    pub evidence: Evidence,
    /// At a saddle: a direction of negative curvature, ‖v‖ = 1.
    pub direction: Option<Vec<f64>>,
}

/// Decrease that a step must bring, of what its slope promises.
const ARMIJO: f64 = 1e-4;
/// Halvings of a Newton step.
const HALVINGS: usize = 6;
const DAMPING: [f64; 2] = [1e-12, 1e12];
const FIRST_DAMPING: f64 = 1e-3;
/// μ up to which A + μ diag B is tried.
const MOST_DAMPING: f64 = 30.0;
/// Of the diagonal of B: negative curvature below this is taken for rounding.
const FLAT: f64 = 1e-8;
/// Newton steps after convergence.
const POLISH: usize = 4;

/// θ + αd, cut off at the bounds, and how far that is from θ.
fn moved(state: &State, direction: &[f64], alpha: f64, bounded: &[bool]) -> (State, Vec<f64>) {
    let mut next = state.clone();
    for i in 0..direction.len() {
        let x = state.theta[i] + alpha * direction[i];
        next.theta[i] = if bounded[i] { x.max(0.0) } else { x };
    }
    let way = next.theta.iter().zip(&state.theta).map(|(x, y)| x - y).collect();
    (next, way)
}

struct Run<'r> {
    objective: &'r Objective<'r>,
    bounded: Vec<bool>,
    settings: InnerSettings,
    crew: Crew<'r>,
    damping: f64,
    evidence: Evidence,
}

enum Step {
    To(State),
    /// No step lowers L.
    Stuck,
    Stopped,
}

/// Minimises from a start.
pub fn minimise(objective: &Objective, start: &State, settings: &InnerSettings, crew: Crew) -> Inner {
    let bounded = bounds(objective.problem, &start.layout);
    let run =
        Run { objective, bounded, settings: *settings, crew, damping: FIRST_DAMPING, evidence: Evidence::default() };
    run.run(start.clone())
}

impl Run<'_> {
    fn run(mut self, mut state: State) -> Inner {
        let mut value = f64::NAN;
        let (status, direction) = loop {
            let Some(assembly) = Assembly::new(self.objective, &state, self.crew) else {
                break (Status::Aborted, None);
            };
            value = assembly.value;
            if self.evidence.iterations >= self.settings.max_iterations {
                break (Status::Budget, None);
            }
            self.evidence.iterations += 1;
            self.crew.control.report(Progress {
                done: self.evidence.iterations as u64,
                total: self.settings.max_iterations as u64,
                best: Some(value),
                basins: None,
            });
            let freedom = Freedom::new(&assembly, &state);
            let slope = freedom.slope(&assembly);
            self.evidence.gradient = inner(&slope, &slope).sqrt();
            self.evidence.held = freedom.free.iter().filter(|free| !**free).count();
            self.evidence.gauges = freedom.pins.len();
            self.evidence.decrement = None;
            let small = self.settings.tolerance * (1.0 + value.abs());

            if self.settings.newton {
                match Arrow::new(&assembly, Kind::Exact, &freedom.frame(0.0), self.crew) {
                    Ok(factor) => {
                        let newton = factor.solve(&slope);
                        let decrement = 0.5 * inner(&newton, &slope);
                        self.evidence.decrement = Some(decrement);
                        if decrement <= small {
                            self.evidence.min_curvature = Some(min_curvature(&assembly, &factor, &freedom));
                            let polished = self.polish(&state, newton, decrement);
                            (state, value) = polished.unwrap_or((state, value));
                            break (Status::Converged, None);
                        }
                        let way: Vec<f64> = newton.iter().map(|x| -x).collect();
                        match self.search(&assembly, &state, &way) {
                            Step::To(next) => {
                                state = next;
                                self.evidence.newton_steps += 1;
                                self.damping = (self.damping / 5.0).max(DAMPING[0]);
                                continue;
                            }
                            Step::Stuck => {}
                            Step::Stopped => break (Status::Aborted, None),
                        }
                    }
                    Err(Refusal::Stopped) => break (Status::Aborted, None),
                    Err(_) => {}
                }
            }
            let (step, promised, kind) = self.damped(&assembly, &freedom, &state, &slope);
            let stationary = promised <= small;
            match step {
                Step::Stopped => break (Status::Aborted, None),
                Step::To(next) if !stationary => {
                    state = next;
                    *(match kind {
                        Kind::Exact => &mut self.evidence.damped_steps,
                        _ => &mut self.evidence.surrogate_steps,
                    }) += 1;
                    continue;
                }
                _ if self.evidence.decrement.is_some() || !self.settings.newton => break (Status::Stalled, None),
                // Nothing (more) to gain along the surrogate, and A is not positive definite.
                _ => {}
            }
            let found = negative_curvature(&assembly, &freedom.frame(FLAT), self.crew);
            let Some((v, _)) = found else {
                // Flat, not negative: the decrement decides.
                let Ok(factor) = Arrow::new(&assembly, Kind::Exact, &freedom.frame(FLAT), self.crew) else {
                    break (if self.crew.stopped() { Status::Aborted } else { Status::Stalled }, None);
                };
                let decrement = 0.5 * inner(&factor.solve(&slope), &slope);
                self.evidence.decrement = Some(decrement);
                self.evidence.flat = true;
                break (if decrement <= small { Status::Converged } else { Status::Stalled }, None);
            };
            match self.escape(&assembly, &state, &v) {
                Step::To(next) => {
                    state = next;
                    self.evidence.escapes += 1;
                }
                Step::Stuck => break (Status::Saddle, Some(v)),
                Step::Stopped => break (Status::Aborted, None),
            }
        };
        state.retract(self.objective.problem);
        Inner { state, value, status, evidence: self.evidence, direction }
    }

    /// Along a descent direction, halving until L falls enough.
    fn search(&self, assembly: &Assembly, state: &State, direction: &[f64]) -> Step {
        let mut alpha = 1.0;
        for _ in 0..=HALVINGS {
            let (next, way) = moved(state, direction, alpha, &self.bounded);
            let slope = inner(&assembly.gradient, &way);
            let Some(value) = self.objective.value(&next, self.crew) else { return Step::Stopped };
            if slope < 0.0 && value <= assembly.value + ARMIJO * slope {
                return Step::To(next);
            }
            alpha *= 0.5;
        }
        Step::Stuck
    }

    /// A step with A + μ diag B, or with B + μ diag B where that takes more than `MOST_DAMPING`; what the model of the first
    /// trial promised; and which it was.
    fn damped(&mut self, assembly: &Assembly, freedom: &Freedom, state: &State, slope: &[f64]) -> (Step, f64, Kind) {
        let mut promised = f64::NAN;
        let mut kind = if self.settings.newton { Kind::Exact } else { Kind::Surrogate };
        while self.damping <= DAMPING[1] {
            if kind == Kind::Exact && self.damping > MOST_DAMPING {
                (kind, self.damping) = (Kind::Surrogate, FIRST_DAMPING);
            }
            let factor = match Arrow::new(assembly, kind, &freedom.frame(self.damping), self.crew) {
                Ok(factor) => factor,
                Err(Refusal::Stopped) => return (Step::Stopped, promised, kind),
                Err(_) => {
                    self.damping *= 4.0;
                    continue;
                }
            };
            let solved = factor.solve(slope);
            let (next, way) = moved(state, &solved, -1.0, &self.bounded);
            let image = assembly.product(kind, &way);
            let gain = -inner(&assembly.gradient, &way) - 0.5 * inner(&way, &image);
            if promised.is_nan() {
                promised = gain.abs();
            }
            let Some(value) = self.objective.value(&next, self.crew) else { return (Step::Stopped, promised, kind) };
            if gain > 0.0 && assembly.value - value >= ARMIJO * gain {
                self.damping = (self.damping / 5.0).max(DAMPING[0]);
                return (Step::To(next), promised, kind);
            }
            self.damping *= 4.0;
        }
        self.damping = FIRST_DAMPING;
        (Step::Stuck, promised, kind)
    }

    /// Along ±v, as far as L falls most among some lengths.
    fn escape(&self, assembly: &Assembly, state: &State, v: &[f64]) -> Step {
        let size = 1.0 + inner(&state.theta, &state.theta).sqrt();
        let mut best = (assembly.value - 1e-13 * (1.0 + assembly.value.abs()), None);
        for exponent in 0..24 {
            let length = size * 0.5_f64.powi(exponent);
            for sign in [1.0, -1.0] {
                let (next, _) = moved(state, v, sign * length, &self.bounded);
                let Some(value) = self.objective.value(&next, self.crew) else { return Step::Stopped };
                if value < best.0 {
                    best = (value, Some(next));
                }
            }
            // The best of the lengths so far, once shorter ones no longer help.
            if best.1.is_some() && exponent > 6 {
                break;
            }
        }
        best.1.map_or(Step::Stuck, Step::To)
    }

    /// Newton steps while the decrement falls fourfold.
    fn polish(&mut self, state: &State, mut newton: Vec<f64>, mut decrement: f64) -> Option<(State, f64)> {
        let mut best: Option<(State, f64)> = None;
        for _ in 0..POLISH {
            let from = best.as_ref().map_or(state, |(state, _)| state);
            let (next, _) = moved(from, &newton, -1.0, &self.bounded);
            let assembly = Assembly::new(self.objective, &next, self.crew)?;
            let freedom = Freedom::new(&assembly, &next);
            let slope = freedom.slope(&assembly);
            let Ok(factor) = Arrow::new(&assembly, Kind::Exact, &freedom.frame(0.0), self.crew) else { break };
            newton = factor.solve(&slope);
            let found = 0.5 * inner(&newton, &slope);
            // NaN ends it too.
            let fell = found < 0.25 * decrement;
            if !fell {
                break;
            }
            decrement = found;
            self.evidence.decrement = Some(found);
            self.evidence.gradient = inner(&slope, &slope).sqrt();
            self.evidence.newton_steps += 1;
            best = Some((next, assembly.value));
        }
        best
    }
}

/// The smallest eigenvalue of A in the metric of diag B, by inverse iteration from a fixed start: an estimate from above.
fn min_curvature(assembly: &Assembly, factor: &Arrow, freedom: &Freedom) -> f64 {
    let mut random = Stream::new(1, Purpose::Probe, 0);
    let weigh = |x: &[f64]| -> Vec<f64> { x.iter().zip(&assembly.diagonal).map(|(x, d)| x * d).collect() };
    let free = |x: f64, free: bool| if free { x } else { 0.0 };
    let mut x: Vec<f64> = freedom.free.iter().map(|&on| free(random.normal(), on)).collect();
    let mut found = f64::INFINITY;
    for _ in 0..30 {
        let next = factor.solve(&weigh(&x));
        let (square, against) = (inner(&next, &weigh(&next)), inner(&next, &weigh(&x)));
        let value = against / square;
        x = next.iter().map(|x| x / square.sqrt()).collect();
        let settled = (found - value).abs() <= 1e-3 * value.abs();
        found = value;
        if settled {
            break;
        }
    }
    found
}
