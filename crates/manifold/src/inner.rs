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
use headwater_base::{Progress, Status};
use headwater_linalg::dense::inner;

use crate::arrow::{Arrow, Refusal};
use crate::assembly::{Assembly, Kind};
use crate::curvature::{min_curvature, negative_curvature};
use crate::freedom::Freedom;
use crate::local::relax;
use crate::objective::Objective;
use crate::state::{State, bounds};
use crate::step::{Step, bounded_step};

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
/// Of 1 + |L|: an element whose whole energy is below this is put on its bound if its gradient says so.
const NEAR: f64 = 1e-6;
/// Newton steps after convergence.
const POLISH: usize = 4;
/// Of 1 + |L|: a decrement of which no step can take anything.
const ROUNDING: f64 = 1e-22;

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

enum Move {
    To(State),
    /// No step lowers L.
    Stuck,
    Stopped,
}

/// The outcome of damped steps; what the model promised for the first of them, and its damping.
struct Trial {
    to: Move,
    promised: f64,
    damping: f64,
    kind: Kind,
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
            let freedom = Freedom::within(&assembly, &state, &self.bounded, NEAR * (1.0 + value.abs()));
            let slope = freedom.slope(&assembly);
            self.evidence.gradient = inner(&slope, &slope).sqrt();
            self.evidence.held = freedom.free.iter().filter(|free| !**free).count();
            self.evidence.gauges = freedom.pins.len();
            self.evidence.decrement = None;
            let small = self.settings.tolerance * (1.0 + value.abs());

            if self.settings.newton {
                match self.step(&assembly, &state, &freedom, Kind::Exact, 0.0) {
                    Ok(step) => {
                        self.evidence.decrement = Some(step.gain);
                        // A step that the model says goes uphill is no proof of anything.
                        if step.settled && step.gain.abs() <= small {
                            (state, value) = self.polish(&state, step).unwrap_or((state, value));
                            break (Status::Converged, None);
                        }
                        match self.search(&assembly, &state, &step.direction) {
                            Move::To(next) => {
                                state = next;
                                self.evidence.newton_steps += 1;
                                self.damping = (self.damping / 5.0).max(DAMPING[0]);
                                continue;
                            }
                            Move::Stuck => {}
                            Move::Stopped => break (Status::Aborted, None),
                        }
                    }
                    Err(Refusal::Stopped) => break (Status::Aborted, None),
                    Err(_) => {}
                }
            }
            let definite = self.evidence.decrement.is_some();
            let trial = self.damped(&assembly, &freedom, &state);
            let next = match trial.to {
                Move::Stopped => break (Status::Aborted, None),
                Move::To(next) => Some(next),
                Move::Stuck => None,
            };
            let stationary = trial.promised <= small && trial.damping <= FIRST_DAMPING;
            if let Some(next) = next
                && !(stationary && self.settings.newton && !definite)
            {
                state = next;
                *(match trial.kind {
                    Kind::Exact => &mut self.evidence.damped_steps,
                    _ => &mut self.evidence.surrogate_steps,
                }) += 1;
                continue;
            }
            if definite || !self.settings.newton {
                break (Status::Stalled, None);
            }
            // Nothing (more) to gain by damped steps, and A is not positive definite.
            let found = negative_curvature(&assembly, &freedom.frame(FLAT), self.crew);
            let Some((v, _)) = found else {
                // Flat, not negative: the decrement decides.
                let Ok(step) = self.step(&assembly, &state, &freedom, Kind::Exact, FLAT) else {
                    break (if self.crew.stopped() { Status::Aborted } else { Status::Stalled }, None);
                };
                self.evidence.decrement = Some(step.gain);
                self.evidence.flat = true;
                break (
                    if step.settled && step.gain.abs() <= small { Status::Converged } else { Status::Stalled },
                    None,
                );
            };
            match self.escape(&assembly, &state, &v) {
                Move::To(next) => {
                    state = next;
                    self.evidence.escapes += 1;
                }
                Move::Stuck => break (Status::Saddle, Some(v)),
                Move::Stopped => break (Status::Aborted, None),
            }
        };
        if status == Status::Converged && !self.evidence.flat {
            self.evidence.min_curvature = self.curvature(&state);
        }
        state.retract(self.objective.problem);
        Inner { state, value, status, evidence: self.evidence, direction }
    }

    fn step(
        &self,
        assembly: &Assembly,
        state: &State,
        freedom: &Freedom,
        kind: Kind,
        damping: f64,
    ) -> Result<Step, Refusal> {
        bounded_step(assembly, state, freedom, &self.bounded, kind, damping, self.crew)
    }

    /// At the end point, over what is free there.
    fn curvature(&self, state: &State) -> Option<f64> {
        let assembly = Assembly::new(self.objective, state, self.crew)?;
        let freedom = Freedom::new(&assembly, state);
        let factor = Arrow::new(&assembly, Kind::Exact, &freedom.frame(0.0), self.crew).ok()?;
        min_curvature(&assembly, &factor, &freedom)
    }

    /// With the locals relaxed, where A is used; and L there.
    fn relaxed(&self, state: &State) -> Option<(State, f64)> {
        let next = if self.settings.newton { relax(self.objective, state, self.crew)? } else { state.clone() };
        let value = self.objective.value(&next, self.crew)?;
        Some((next, value))
    }

    /// Along a descent direction, halving until L falls enough.
    fn search(&self, assembly: &Assembly, state: &State, direction: &[f64]) -> Move {
        let mut alpha = 1.0;
        for _ in 0..=HALVINGS {
            let (next, way) = moved(state, direction, alpha, &self.bounded);
            let slope = inner(&assembly.gradient, &way);
            let Some((next, value)) = self.relaxed(&next) else { return Move::Stopped };
            if slope < 0.0 && value <= assembly.value + ARMIJO * slope {
                return Move::To(next);
            }
            alpha *= 0.5;
        }
        Move::Stuck
    }

    /// A step with A + μ diag B, or with B + μ diag B where that takes more than `MOST_DAMPING`.
    fn damped(&mut self, assembly: &Assembly, freedom: &Freedom, state: &State) -> Trial {
        let kind = if self.settings.newton { Kind::Exact } else { Kind::Surrogate };
        let mut trial = Trial { to: Move::Stuck, promised: f64::NAN, damping: f64::NAN, kind };
        while self.damping <= DAMPING[1] {
            if trial.kind == Kind::Exact && self.damping > MOST_DAMPING {
                (trial.kind, self.damping) = (Kind::Surrogate, FIRST_DAMPING);
            }
            let step = match self.step(assembly, state, freedom, trial.kind, self.damping) {
                Ok(step) => step,
                Err(Refusal::Stopped) => return Trial { to: Move::Stopped, ..trial },
                Err(_) => {
                    self.damping *= 4.0;
                    continue;
                }
            };
            if trial.promised.is_nan() {
                (trial.promised, trial.damping) = (step.gain, self.damping);
            }
            let (next, _) = moved(state, &step.direction, 1.0, &self.bounded);
            let Some((next, value)) = self.relaxed(&next) else {
                return Trial { to: Move::Stopped, ..trial };
            };
            if step.gain > 0.0 && assembly.value - value >= ARMIJO * step.gain {
                self.damping = (self.damping / 5.0).max(DAMPING[0]);
                return Trial { to: Move::To(next), ..trial };
            }
            self.damping *= 4.0;
        }
        self.damping = FIRST_DAMPING;
        trial
    }

    /// Along ±v, as far as L falls most among some lengths.
    fn escape(&self, assembly: &Assembly, state: &State, v: &[f64]) -> Move {
        let size = 1.0 + inner(&state.theta, &state.theta).sqrt();
        let mut best = (assembly.value - 1e-13 * (1.0 + assembly.value.abs()), None);
        for exponent in 0..24 {
            let length = size * 0.5_f64.powi(exponent);
            for sign in [1.0, -1.0] {
                let (next, _) = moved(state, v, sign * length, &self.bounded);
                let Some(value) = self.objective.value(&next, self.crew) else { return Move::Stopped };
                if value < best.0 {
                    best = (value, Some(next));
                }
            }
            // The best of the lengths so far, once shorter ones no longer help.
            if best.1.is_some() && exponent > 6 {
                break;
            }
        }
        best.1.map_or(Move::Stuck, Move::To)
    }

    /// Newton steps while the decrement falls fourfold.
    fn polish(&mut self, state: &State, mut step: Step) -> Option<(State, f64)> {
        let mut best: Option<(State, f64)> = None;
        for _ in 0..POLISH {
            if step.gain <= ROUNDING * (1.0 + best.as_ref().map_or(0.0, |(_, value)| value.abs())) {
                break;
            }
            let from = best.as_ref().map_or(state, |(state, _)| state);
            let (next, _) = moved(from, &step.direction, 1.0, &self.bounded);
            let next = relax(self.objective, &next, self.crew)?;
            let assembly = Assembly::new(self.objective, &next, self.crew)?;
            let freedom = Freedom::within(&assembly, &next, &self.bounded, NEAR * (1.0 + assembly.value.abs()));
            let Ok(found) = self.step(&assembly, &next, &freedom, Kind::Exact, 0.0) else { break };
            // NaN ends it too.
            let fell = found.settled && found.gain < 0.25 * step.gain;
            if !fell {
                break;
            }
            let slope = freedom.slope(&assembly);
            self.evidence.decrement = Some(found.gain);
            self.evidence.gradient = inner(&slope, &slope).sqrt();
            self.evidence.held = freedom.free.iter().filter(|free| !**free).count();
            self.evidence.newton_steps += 1;
            step = found;
            best = Some((next, assembly.value));
        }
        best
    }
}
