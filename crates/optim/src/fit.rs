//! The iterations of a least-squares fit.

use headwater_linalg::singular::{norm, triangularise};

use crate::dialogue::{Caller, Halt, Request};
use crate::estimates::estimates;
use crate::least_squares::{Derivative, LeastSquaresOutcome, LeastSquaresReason, LeastSquaresSettings};
use crate::trust_region::Model;

/// A running fit.
pub(crate) struct Fit {
    caller: Caller,
    s: LeastSquaresSettings,
    x: Vec<f64>,
    /// As given.
    raw: Vec<f64>,
    /// Over sigma.
    r: Vec<f64>,
    /// D.
    d: Vec<f64>,
    model: Option<Model>,
    /// Norm of a lower bound of the residuals' rounding.
    noise: f64,
    offset: f64,
    step: f64,
    evaluations: u64,
    jacobians: u64,
    iterations: u64,
    non_finite: u64,
}

/// Ends from within.
enum End {
    Halt(Halt),
    Reason(LeastSquaresReason),
}

impl From<Halt> for End {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl Fit {
    pub fn new(caller: Caller, x: Vec<f64>, raw: Vec<f64>, s: LeastSquaresSettings) -> Self {
        let r = raw.iter().zip(&s.sigma).map(|(r, sigma)| r / sigma).collect();
        let d = vec![0.0; x.len()];
        let (model, noise, offset, step) = (None, 0.0, f64::NAN, f64::NAN);
        let (evaluations, jacobians, iterations, non_finite) = (1, 0, 0, 0);
        Self { caller, s, x, raw, r, d, model, noise, offset, step, evaluations, jacobians, iterations, non_finite }
    }

    fn cost(&self) -> f64 {
        let size = norm(&self.r);
        0.5 * size * size
    }

    pub async fn run(mut self) -> LeastSquaresOutcome {
        let reason = match self.descend().await {
            Ok(reason) | Err(End::Reason(reason)) => reason,
            Err(End::Halt(halt)) => halt.into(),
        };
        let n = self.x.len();
        let held = |model: &Model, j: usize| match model.held[j] {
            false => 0,
            true if self.x[j] == self.s.lower[j] => -1,
            true => 1,
        };
        let share = self.s.derivative.accuracy(self.r.len(), n);
        let cost = self.cost();
        let gradient: Vec<f64> = match &self.model {
            Some(model) => (0..n).map(|j| model.gradient[j] * self.d[j]).collect(),
            None => vec![f64::NAN; n],
        };
        let free = |j: usize| self.model.as_ref().is_none_or(|model| !model.held[j]);
        let gradient_norm = norm(&(0..n).filter(|&j| free(j)).map(|j| gradient[j]).collect::<Vec<f64>>());
        LeastSquaresOutcome {
            reason,
            cost,
            gradient,
            gradient_norm,
            offset: self.offset,
            step: self.step,
            held: self.model.as_ref().map_or(vec![0; n], |m| (0..n).map(|j| held(m, j)).collect()),
            estimates: self
                .model
                .as_ref()
                .map(|m| estimates(&m.a, &self.d, &m.held, share, 2.0 * cost, self.r.len(), self.s.absolute_sigma)),
            point: self.x,
            residuals: self.raw,
            iterations: self.iterations,
            evaluations: self.evaluations,
            jacobians: self.jacobians,
            non_finite: self.non_finite,
        }
    }

    async fn descend(&mut self) -> Result<LeastSquaresReason, End> {
        use LeastSquaresReason::{MaxIterations, NoDecrease, Offset, Rounding, Step, Target};
        let loose = if self.s.derivative == Derivative::Forward { 1e-6 } else { 1e-8 };
        let tolerance = self.s.tolerance.unwrap_or(loose);
        let mut radius = f64::NAN;
        let mut trusted = None;
        loop {
            self.linearise().await?;
            let size = norm(&self.r);
            let scaled: Vec<f64> = self.x.iter().zip(&self.d).map(|(x, d)| x * d).collect();
            let reach = norm(&scaled);
            let model = self.model.as_ref().expect("it was made above");
            let projected = model.offset();
            self.offset = if size > 0.0 { projected / size } else { 0.0 };
            let whole = model.step(f64::INFINITY);
            let length = norm(&whole.z);
            self.step = if length == 0.0 { 0.0 } else { length / reach }.min(f64::MAX);
            if self.iterations > 0 && self.s.observe {
                let progress = [self.iterations as f64, 0.5 * size * size, self.offset, self.evaluations as f64];
                self.caller.tell(progress).await?;
            }
            let cost = self.cost();
            if cost <= self.s.target {
                return Ok(Target);
            }
            if self.offset <= tolerance {
                return Ok(Offset);
            }
            if length <= self.s.step_tolerance * reach {
                return Ok(Step);
            }
            // A step was taken on trust, and has not brought the residuals nearer to orthogonality.
            if projected <= self.noise || trusted.is_some_and(|before: f64| self.offset > 0.9 * before) {
                return Ok(Rounding);
            }
            if self.iterations >= self.s.max_iterations {
                return Ok(MaxIterations);
            }
            if radius.is_nan() {
                radius = self.s.initial_radius * if reach > 0.0 { reach } else { 1.0 };
            }
            // What even the whole step promises cannot be seen in the cost: it is taken, and judged by the offset.
            let rounding = 8.0 * f64::EPSILON * cost + size * self.noise;
            let invisible = whole.predicted <= rounding;
            if invisible {
                radius = f64::INFINITY;
            }
            let mut first = self.iterations == 0;
            loop {
                let step = self.model.as_ref().expect("it was made above").step(radius);
                let trial = self.moved(&step.z);
                if trial == self.x {
                    return Ok(if invisible { Rounding } else { NoDecrease });
                }
                let length = norm(&step.z);
                if first {
                    radius = radius.min(length);
                    first = false;
                }
                let found = self.evaluate(&trial).await?;
                let actual = found.as_ref().map_or(f64::NEG_INFINITY, |(_, r)| {
                    // As a difference of the vectors: squares would lose the last steps to rounding.
                    0.5 * self.r.iter().zip(r).map(|(old, new)| (old - new) * (old + new)).sum::<f64>()
                });
                let hidden = invisible && actual.abs() <= rounding;
                if invisible && actual < -rounding {
                    return Ok(Rounding);
                }
                let gain = if hidden { 1.0 } else { actual / step.predicted };
                if gain <= 0.25 || gain.is_nan() {
                    // Where the cost along the step, as a parabola, is least.
                    let slope = step.predicted;
                    let share = if actual >= 0.0 { 0.5 } else { 0.5 * slope / (slope - 0.5 * actual) };
                    let share = if share >= 0.1 && actual > -49.0 * cost { share } else { 0.1 };
                    radius = share * radius.min(length / 0.1);
                } else if !step.damped || gain >= 0.75 {
                    radius = 2.0 * length;
                }
                if gain >= 1e-4
                    && let Some((raw, r)) = found
                {
                    trusted = hidden.then_some(self.offset);
                    (self.x, self.raw, self.r) = (trial, raw, r);
                    self.model = None;
                    (self.offset, self.step) = (f64::NAN, f64::NAN);
                    self.iterations += 1;
                    break;
                }
            }
        }
    }

    /// x + D⁻¹z, exactly at a bound where z is.
    fn moved(&self, z: &[f64]) -> Vec<f64> {
        let model = self.model.as_ref().expect("a step has a model");
        (0..z.len())
            .map(|j| match z[j] {
                0.0 => self.x[j],
                z if z == model.low[j] => self.s.lower[j],
                z if z == model.high[j] => self.s.upper[j],
                z => (self.x[j] + z / self.d[j]).clamp(self.s.lower[j], self.s.upper[j]),
            })
            .collect()
    }

    /// Residuals as given and weighted; `None` if one is not finite.
    async fn evaluate(&mut self, x: &[f64]) -> Result<Option<(Vec<f64>, Vec<f64>)>, End> {
        if self.evaluations >= self.s.max_evaluations {
            return Err(End::Reason(LeastSquaresReason::MaxEvaluations));
        }
        let mut raw = vec![0.0; self.r.len()];
        if !x.iter().all(|x| x.is_finite()) {
            self.non_finite += 1;
            return Ok(None);
        }
        self.caller.ask(Request::Values, x, &mut raw).await?;
        self.evaluations += 1;
        let r: Vec<f64> = raw.iter().zip(&self.s.sigma).map(|(r, sigma)| r / sigma).collect();
        if !norm(&r).is_finite() || r.iter().any(|r| r.is_nan()) {
            self.non_finite += 1;
            return Ok(None);
        }
        Ok(Some((raw, r)))
    }

    /// The Jacobian at x, its scale, its triangle.
    async fn linearise(&mut self) -> Result<(), End> {
        let (m, n) = (self.r.len(), self.x.len());
        // Column by column, over sigma.
        let mut columns = match self.s.derivative {
            Derivative::Given => {
                let mut rows = vec![0.0; m * n];
                self.caller.ask(Request::Jacobian, &self.x, &mut rows).await?;
                let mut columns = vec![0.0; m * n];
                for (i, row) in rows.chunks_exact(n).enumerate() {
                    for (j, value) in row.iter().enumerate() {
                        columns[j * m + i] = value / self.s.sigma[i];
                    }
                }
                columns
            }
            central => self.differences(central == Derivative::Central).await?,
        };
        self.jacobians += 1;
        if columns.iter().any(|value| !value.is_finite()) {
            return Err(End::Reason(LeastSquaresReason::JacobianNotFinite));
        }
        let mut noise: Vec<f64> = self.r.iter().map(|r| r.abs()).collect();
        for (j, column) in columns.chunks_exact_mut(m).enumerate() {
            self.d[j] = self.d[j].max(norm(column));
            noise.iter_mut().zip(column.iter()).for_each(|(noise, a)| *noise += (a * self.x[j]).abs());
            if self.d[j] == 0.0 {
                self.d[j] = 1.0;
            }
            column.iter_mut().for_each(|a| *a /= self.d[j]);
        }
        self.noise = 2.0 * f64::EPSILON * norm(&noise);
        let mut c = self.r.clone();
        triangularise(&mut columns, m, n, &mut c);
        let k = m.min(n);
        c.truncate(k);
        let a = columns.chunks_exact(m).flat_map(|column| column[..k].to_vec()).collect();
        let bound = |of: &[f64]| (0..n).map(|j| (of[j] - self.x[j]) * self.d[j]).collect::<Vec<f64>>();
        let share = self.s.derivative.accuracy(m, n);
        self.model = Some(Model::new(a, c, bound(&self.s.lower), bound(&self.s.upper), share));
        Ok(())
    }

    /// The Jacobian by differences; a column is NaN where no two points around x are finite.
    async fn differences(&mut self, central: bool) -> Result<Vec<f64>, End> {
        let mut columns = Vec::with_capacity(self.r.len() * self.x.len());
        for j in 0..self.x.len() {
            let (low, high) = (self.s.lower[j], self.s.upper[j]);
            let size = self.x[j].abs().max(self.s.typical[j]);
            let step = size * if central { f64::EPSILON.cbrt() } else { f64::EPSILON.sqrt() };
            if low == high {
                columns.resize(columns.len() + self.r.len(), 0.0);
                continue;
            }
            // The way with more room, and as much of it as there is.
            let (down, up) = (self.x[j] - low, high - self.x[j]);
            let both = central && down.min(up) >= step;
            let sign = if up >= step || up >= down { 1.0 } else { -1.0 };
            let room = if sign > 0.0 { up } else { down };
            let h = if both { step } else { step.min(if central { 0.5 * room } else { room }) };
            let offsets: &[f64] = match (central, both) {
                (true, true) => &[1.0, -1.0],
                (true, false) => &[1.0, 2.0],
                _ => &[1.0],
            };
            let mut column = self.column(j, sign * h, offsets).await?;
            if column.is_none() && !both {
                let back = step.min(0.5 * if sign > 0.0 { down } else { up });
                column = if back > 0.0 { self.column(j, -sign * back, offsets).await? } else { None };
            } else if column.is_none() {
                column = match self.column(j, h, &[1.0, 2.0]).await? {
                    None => self.column(j, -h, &[1.0, 2.0]).await?,
                    found => found,
                };
            }
            match column {
                Some(column) => columns.extend(column),
                None => columns.resize(columns.len() + self.r.len(), f64::NAN),
            }
        }
        Ok(columns)
    }

    /// ∂r/∂xⱼ from values at x + h·offsets: (1), (1, −1) or (1, 2).
    async fn column(&mut self, j: usize, h: f64, offsets: &[f64]) -> Result<Option<Vec<f64>>, End> {
        let mut at = self.x.clone();
        let mut found = Vec::with_capacity(2);
        for offset in offsets {
            at[j] = (self.x[j] + h * offset).clamp(self.s.lower[j], self.s.upper[j]);
            // What was stepped in floating-point numbers.
            let taken = at[j] - self.x[j];
            match self.evaluate(&at).await? {
                Some((_, r)) => found.push((taken, r)),
                None => return Ok(None),
            }
        }
        let old = &self.r;
        Ok(Some(match found.as_slice() {
            [(h, r)] => old.iter().zip(r).map(|(old, r)| (r - old) / h).collect(),
            [(a, up), (b, down)] => {
                // Of the parabola through three points: exact for steps of any two lengths.
                let (wa, wb) = (-b / (a * (a - b)), a / (b * (a - b)));
                (0..old.len()).map(|i| wa * (up[i] - old[i]) + wb * (down[i] - old[i])).collect()
            }
            _ => unreachable!("one or two points"),
        }))
    }
}
