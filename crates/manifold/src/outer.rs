//! Hyperparameters by the least criterion V(ρ): a quasi-Newton method with a trust region in a box.
//!
//! Every value of V comes from a minimisation that converged; where one does not, V counts as infinite and the region
//! shrinks. The best point is kept with its state, and its V never rises. `converged`: the projected gradient is at most
//! 10⁻⁴√(1 + |V|), and the model (BFGS) promises less than 10⁻⁶(1 + |V|). An optimum on a face of the box is a `boundary`:
//! the data want the hyperparameter beyond any limit, a prior that is useless or an atom that is empty.

use headwater_base::parallel::Crew;
use headwater_base::{Control, Error, Progress, Status};
use headwater_linalg::dense::inner;

use crate::criterion::{Criterion, Failure, criterion};
use crate::incoherence::DecoderIncoherence;
use crate::inner::{Evidence, Inner, InnerSettings, minimise};
use crate::objective::Objective;
use crate::problem::Problem;
use crate::state::State;
use crate::strengths::{Parameter, Strengths};

/// How hyperparameters are chosen.
#[derive(Clone, Copy, Debug)]
pub struct OuterSettings {
    /// Most evaluations of V; 100.
    pub max_evaluations: usize,
    /// ρ may fall so far below its start; 8.
    pub below: f64,
    /// And rise so far above; 12.
    pub above: f64,
    /// Of the minimisations.
    pub inner: InnerSettings,
}

impl Default for OuterSettings {
    fn default() -> Self {
        Self { max_evaluations: 100, below: 8.0, above: 12.0, inner: InnerSettings::default() }
    }
}

/// The chosen hyperparameters.
#[derive(Clone, Debug)]
pub struct Outer {
    /// They, and those that were not asked for.
    pub strengths: Strengths,
    /// The minimum for them.
    pub state: State,
    /// V and its gradient there; `None` if the first minimisation did not converge.
    pub criterion: Option<Criterion>,
    /// `converged`, `boundary`, `stalled`, `budget`, `aborted`, or that of the first minimisation if it did not converge.
    pub status: Status,
    /// Evaluations of V.
    pub evaluations: usize,
    /// Minimisations that did not converge.
    pub failures: usize,
    /// Largest element of the projected gradient.
    pub gradient: f64,
    /// What the model still promises.
    pub promised: f64,
    /// Hyperparameters at a face of the box that V would cross.
    pub boundary: Vec<Parameter>,
    /// Of the minimisation at the chosen point.
    pub inner: Evidence,
}

const GRADIENT: f64 = 1e-4;
const PROMISE: f64 = 1e-6;
const FIRST_RADIUS: f64 = 1.0;
const LARGEST_RADIUS: f64 = 4.0;
const SMALLEST_RADIUS: f64 = 1e-7;

struct Point {
    rho: Vec<f64>,
    value: f64,
    slopes: Vec<f64>,
    inner: Inner,
    criterion: Criterion,
}

enum Evaluation {
    Found(Box<Point>),
    /// The minimisation, or the criterion after it, failed.
    Infeasible(Box<Inner>),
    Stopped,
}

struct Search<'s> {
    problem: &'s Problem,
    base: &'s Strengths,
    coupling: DecoderIncoherence,
    parameters: &'s [Parameter],
    settings: OuterSettings,
    crew: Crew<'s>,
}

/// Chooses `parameters` by V, from strengths and a state to start from; the pair weights of the incoherence stay as given.
///
/// Errors: those of [`Objective::new`]; `prior-not-proper` where a decoder has no proper prior; `option-not-valid` for a
/// parameter whose strength is 0.
pub fn choose(
    problem: &Problem,
    strengths: &Strengths,
    coupling: Option<DecoderIncoherence>,
    start: &State,
    parameters: &[Parameter],
    settings: &OuterSettings,
    crew: Crew,
) -> Result<Outer, Error> {
    let objective = Objective::new(problem, strengths.clone(), coupling)?;
    if let Some(off) = parameters.iter().find(|&&parameter| strengths.get(parameter) == 0.0) {
        let message = format!("{off:?} is off (strength 0) and cannot be chosen; start it above 0");
        return Err(Error::new("option-not-valid", message));
    }
    let coupling = objective.coupling;
    Search { problem, base: strengths, coupling, parameters, settings: *settings, crew }.run(start)
}

impl Search<'_> {
    fn strengths(&self, rho: &[f64]) -> Strengths {
        self.base.with_logarithms(self.parameters, rho)
    }

    fn evaluate(&self, rho: Vec<f64>, from: &State) -> Result<Evaluation, Error> {
        let objective = Objective::new(self.problem, self.strengths(&rho), Some(self.coupling.clone()))?;
        let quiet = Crew::new(self.crew.threads, self.crew.control.silent());
        let inner = minimise(&objective, from, &self.settings.inner, quiet);
        match inner.status {
            Status::Aborted => return Ok(Evaluation::Stopped),
            Status::Converged => {}
            _ => return Ok(Evaluation::Infeasible(Box::new(inner))),
        }
        match criterion(&objective, &inner.state, self.parameters, true, true, quiet) {
            Ok(criterion) => {
                let (value, slopes) =
                    (criterion.value, criterion.gradient.as_ref().map_or(Vec::new(), |g| g.slopes.clone()));
                if !value.is_finite() || slopes.iter().any(|slope| !slope.is_finite()) {
                    return Ok(Evaluation::Infeasible(Box::new(inner)));
                }
                Ok(Evaluation::Found(Box::new(Point { rho, value, slopes, inner, criterion })))
            }
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Stopped) => Ok(Evaluation::Stopped),
            Err(_) => Ok(Evaluation::Infeasible(Box::new(inner))),
        }
    }

    fn run(self, start: &State) -> Result<Outer, Error> {
        let rho = self.base.logarithms(self.parameters);
        let floor: Vec<f64> = rho.iter().map(|x| x - self.settings.below).collect();
        let ceiling: Vec<f64> = rho.iter().map(|x| x + self.settings.above).collect();
        let mut best = match self.evaluate(rho, start)? {
            Evaluation::Found(point) => point,
            Evaluation::Infeasible(inner) => {
                let status = if inner.status == Status::Converged { Status::Stalled } else { inner.status };
                return Ok(self.unfinished(*inner, status));
            }
            Evaluation::Stopped => {
                let inner = Inner {
                    state: start.clone(),
                    value: f64::NAN,
                    status: Status::Aborted,
                    evidence: Evidence::default(),
                    direction: None,
                };
                return Ok(self.unfinished(inner, Status::Aborted));
            }
        };
        let count = self.parameters.len();
        // About as curved as steep, until steps tell.
        let mut model = vec![0.0; count * count];
        (0..count).for_each(|i| model[i * count + i] = best.slopes[i].abs().max(1.0));
        let (mut evaluations, mut failures, mut radius) = (1, 0, FIRST_RADIUS);
        let (status, gradient, promised) = loop {
            self.report(evaluations, best.value);
            let room = |radius: f64| -> (Vec<f64>, Vec<f64>) {
                let low = (0..count).map(|i| (floor[i] - best.rho[i]).max(-radius)).collect();
                (low, (0..count).map(|i| (ceiling[i] - best.rho[i]).min(radius)).collect())
            };
            let (low, high) = room(f64::INFINITY);
            let free = |i: usize| if best.slopes[i] > 0.0 { low[i] < 0.0 } else { high[i] > 0.0 };
            let gradient = (0..count).filter(|&i| free(i)).map(|i| best.slopes[i].abs()).fold(0.0, f64::max);
            let size = 1.0 + best.value.abs();
            let (_, promised) = box_step(&best.slopes, &model, &low, &high);
            if gradient <= GRADIENT * size.sqrt() && promised <= PROMISE * size {
                let pushed = (0..count).any(|i| pushed(best.slopes[i], low[i], high[i], size));
                break (if pushed { Status::Boundary } else { Status::Converged }, gradient, promised);
            }
            if evaluations >= self.settings.max_evaluations {
                break (Status::Budget, gradient, promised);
            }
            if radius < SMALLEST_RADIUS {
                break (Status::Stalled, gradient, promised);
            }
            let (low, high) = room(radius);
            let (step, gain) = box_step(&best.slopes, &model, &low, &high);
            let length = step.iter().fold(0.0_f64, |a, d| a.max(d.abs()));
            let rho = best.rho.iter().zip(&step).map(|(x, d)| x + d).collect();
            evaluations += 1;
            match self.evaluate(rho, &best.inner.state)? {
                Evaluation::Stopped => break (Status::Aborted, gradient, promised),
                Evaluation::Infeasible(_) => {
                    failures += 1;
                    radius = length / 4.0;
                }
                Evaluation::Found(point) => {
                    let change: Vec<f64> = point.slopes.iter().zip(&best.slopes).map(|(x, y)| x - y).collect();
                    update(&mut model, &step, &change);
                    let ratio = (best.value - point.value) / gain;
                    if ratio > 0.75 && length > 0.9 * radius {
                        radius = (2.0 * radius).min(LARGEST_RADIUS);
                    } else if ratio.is_nan() || ratio < 0.25 {
                        radius = length / 3.0;
                    }
                    if point.value < best.value {
                        best = point;
                    }
                }
            }
        };
        let stuck = |&i: &usize| {
            let (low, high) = (floor[i] - best.rho[i], ceiling[i] - best.rho[i]);
            pushed(best.slopes[i], low, high, 1.0 + best.value.abs())
        };
        let boundary = (0..count).filter(stuck).map(|i| self.parameters[i]).collect();
        Ok(Outer {
            strengths: self.strengths(&best.rho),
            state: best.inner.state,
            criterion: Some(best.criterion),
            status,
            evaluations,
            failures,
            gradient,
            promised,
            boundary,
            inner: best.inner.evidence,
        })
    }

    fn report(&self, evaluations: usize, best: f64) {
        let control: Control = self.crew.control;
        let (done, total) = (evaluations as u64, self.settings.max_evaluations as u64);
        control.report(Progress { done, total, best: Some(best), basins: None });
    }

    fn unfinished(&self, inner: Inner, status: Status) -> Outer {
        Outer {
            strengths: self.base.clone(),
            state: inner.state,
            criterion: None,
            status,
            evaluations: 1,
            failures: 1,
            gradient: f64::INFINITY,
            promised: f64::INFINITY,
            boundary: Vec::new(),
            inner: inner.evidence,
        }
    }
}

/// Whether a slope that counts pushes a parameter out of its box; `low` and `high` are the ways to its faces, `size` is 1 + |V|.
fn pushed(slope: f64, low: f64, high: f64, size: f64) -> bool {
    slope.abs() > GRADIENT * size.sqrt() && (slope > 0.0 && low >= 0.0 || slope < 0.0 && high <= 0.0)
}

/// The least gᵀd + ½dᵀHd in a box around 0, by coordinate descent; and how far below 0 it is. H is positive definite and
/// small.
fn box_step(g: &[f64], h: &[f64], low: &[f64], high: &[f64]) -> (Vec<f64>, f64) {
    let n = g.len();
    let (mut d, mut slope) = (vec![0.0; n], g.to_vec());
    for _ in 0..1000 {
        let mut moved = 0.0_f64;
        for i in 0..n {
            let to = (d[i] - slope[i] / h[i * n + i]).clamp(low[i].min(0.0), high[i].max(0.0));
            let by = to - d[i];
            if by != 0.0 {
                (0..n).for_each(|j| slope[j] += by * h[j * n + i]);
                d[i] = to;
                moved = moved.max(by.abs());
            }
        }
        if moved < 1e-12 {
            break;
        }
    }
    let gain = -0.5 * (inner(g, &d) + inner(&slope, &d));
    (d, gain)
}

/// Powell's damped BFGS update: H stays positive definite.
fn update(h: &mut [f64], step: &[f64], change: &[f64]) {
    let n = step.len();
    let image: Vec<f64> = (0..n).map(|i| inner(&h[i * n..(i + 1) * n], step)).collect();
    let (form, along) = (inner(step, &image), inner(step, change));
    if form <= 0.0 || !form.is_finite() || !along.is_finite() {
        return;
    }
    let share = if along >= 0.2 * form { 1.0 } else { 0.8 * form / (form - along) };
    let y: Vec<f64> = change.iter().zip(&image).map(|(y, z)| share * y + (1.0 - share) * z).collect();
    let along = inner(step, &y);
    for i in 0..n {
        for j in 0..n {
            h[i * n + j] += y[i] * y[j] / along - image[i] * image[j] / form;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_least_in_their_box_and_updates_meet_the_secant() {
        let h = [2.0, 0.5, 0.5, 1.0];
        let (d, gain) = box_step(&[1.0, -3.0], &h, &[-9.0; 2], &[9.0; 2]);
        // H d = −g.
        assert!((2.0 * d[0] + 0.5 * d[1] + 1.0).abs() < 1e-9 && (0.5 * d[0] + d[1] - 3.0).abs() < 1e-9);
        assert!((gain + 0.5 * (d[0] - 3.0 * d[1])).abs() < 1e-9);
        let (d, _) = box_step(&[1.0, -3.0], &h, &[-9.0; 2], &[9.0, 1.0]);
        assert!((d[1] - 1.0).abs() < 1e-12 && (d[0] + 0.75).abs() < 1e-9);

        let (mut model, step, change) = (h.to_vec(), [0.3, -0.2], [0.5, -0.1]);
        update(&mut model, &step, &change);
        for i in 0..2 {
            assert!((inner(&model[i * 2..i * 2 + 2], &step) - change[i]).abs() < 1e-12);
        }
        // Against negative curvature: still positive definite.
        update(&mut model, &step, &[-0.5, 0.1]);
        assert!(model[0] > 0.0 && model[0] * model[3] > model[1] * model[2]);
    }
}
