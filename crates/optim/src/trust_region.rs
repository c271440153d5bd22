//! The step of a bounded least-squares problem within a trust region: min ‖Az + c‖, ‖z‖ ≤ Δ, low ≤ z ≤ high.
//!
//! A is the triangle of the scaled Jacobian JD⁻¹ = QA, c = Qᵀr and z = Dδ, so that no normal equations are formed. With
//! A = UΣVᵀ the step of damping λ is z = −V(Σ² + λ)⁻¹ΣUᵀc, and λ follows from ‖z‖ = Δ by Newton's method on 1/‖z‖
//! (J. J. Moré 1978, "The Levenberg-Marquardt algorithm: implementation and theory"). A variable that a step takes over
//! its bound is put there, and the others are solved for again.

use headwater_linalg::dense::{add_scaled, inner};
use headwater_linalg::singular::{Singular, norm, singular};

/// How well ‖z‖ = Δ has to be met.
const NEAR: f64 = 0.1;
/// A step has to promise this share of what the steepest descent promises within the bounds.
const CAUCHY: f64 = 0.1;

/// A linear model of the residuals at a point, in scaled variables.
pub(crate) struct Model {
    /// A, column by column.
    pub a: Vec<f64>,
    /// Qᵀr.
    pub c: Vec<f64>,
    /// Aᵀc: the gradient.
    pub gradient: Vec<f64>,
    /// Bounds of z.
    pub low: Vec<f64>,
    /// See `low`.
    pub high: Vec<f64>,
    /// Variables held at a bound by their gradient.
    pub held: Vec<bool>,
    /// Of the columns that are not held.
    pub factors: Singular,
    /// Smaller singular values, relative to the largest, are rounding.
    pub share: f64,
}

/// A step.
pub(crate) struct Move {
    /// z.
    pub z: Vec<f64>,
    /// Whether it is damped by the trust region.
    pub damped: bool,
    /// ½‖c‖² − ½‖Az + c‖².
    pub predicted: f64,
}

impl Model {
    /// From the triangle; `low` and `high` hold 0.
    pub fn new(a: Vec<f64>, c: Vec<f64>, low: Vec<f64>, high: Vec<f64>, share: f64) -> Self {
        let (n, k) = (low.len(), c.len());
        let gradient: Vec<f64> = (0..n).map(|j| inner(&a[j * k..(j + 1) * k], &c)).collect();
        let held: Vec<bool> = (0..n)
            .map(|j| low[j] == high[j] || low[j] == 0.0 && gradient[j] >= 0.0 || high[j] == 0.0 && gradient[j] <= 0.0)
            .collect();
        let mut model = Self { a, c, gradient, low, high, held, factors: Singular::default(), share };
        model.factors = model.factors_of(&model.held);
        model
    }

    fn column(&self, j: usize) -> &[f64] {
        let k = self.c.len();
        &self.a[j * k..(j + 1) * k]
    }

    fn factors_of(&self, fixed: &[bool]) -> Singular {
        let free: Vec<usize> = (0..fixed.len()).filter(|&j| !fixed[j]).collect();
        let columns: Vec<f64> = free.iter().flat_map(|&j| self.column(j).to_vec()).collect();
        singular(columns, self.c.len(), free.len())
    }

    /// ‖UUᵀc‖, the part of the residuals that the variables that are not held can take away.
    pub fn offset(&self) -> f64 {
        let rank = self.factors.rank(self.share);
        let shares = self.factors.projections(&self.c);
        norm(&(0..rank).map(|j| shares[j] / self.factors.values[j]).collect::<Vec<f64>>())
    }

    /// ½‖c‖² − ½‖Az + c‖².
    fn predicted(&self, z: &[f64]) -> f64 {
        let mut image = vec![0.0; self.c.len()];
        z.iter().enumerate().for_each(|(j, z)| add_scaled(*z, self.column(j), &mut image));
        -(inner(&self.c, &image) + 0.5 * inner(&image, &image))
    }

    /// The step within the radius (∞: the whole Gauss-Newton step).
    pub fn step(&self, radius: f64) -> Move {
        let n = self.low.len();
        let mut fixed = self.held.clone();
        let mut z = vec![0.0; n];
        let mut damped = false;
        let mut hit = false;
        let mut smaller;
        let mut factors = &self.factors;
        loop {
            let mut c = self.c.clone();
            (0..n).filter(|&j| fixed[j]).for_each(|j| add_scaled(z[j], self.column(j), &mut c));
            let spent: f64 = (0..n).filter(|&j| fixed[j]).map(|j| z[j] * z[j]).sum();
            let left = (radius * radius - spent).max(0.01 * radius * radius).sqrt();
            let (part, damping) = damped_step(factors, &c, left, self.share);
            damped |= damping > 0.0;
            let free = (0..n).filter(|&j| !fixed[j]);
            free.zip(part).for_each(|(j, part)| z[j] = part);
            let over: Vec<usize> =
                (0..n).filter(|&j| !fixed[j] && (z[j] < self.low[j] || z[j] > self.high[j])).collect();
            if over.is_empty() {
                break;
            }
            hit = true;
            for j in over {
                z[j] = z[j].clamp(self.low[j], self.high[j]);
                fixed[j] = true;
            }
            if fixed.iter().all(|&fixed| fixed) {
                break;
            }
            smaller = self.factors_of(&fixed);
            factors = &smaller;
        }
        let predicted = self.predicted(&z);
        if hit {
            let (descent, promised) = self.cauchy(radius);
            if predicted < CAUCHY * promised {
                return Move { z: descent, damped: true, predicted: promised };
            }
        }
        Move { z, damped, predicted }
    }

    /// The steepest descent bent at the bounds, with what it promises.
    fn cauchy(&self, radius: f64) -> (Vec<f64>, f64) {
        let n = self.low.len();
        let steepest: Vec<f64> = (0..n).map(|j| if self.held[j] { 0.0 } else { -self.gradient[j] }).collect();
        let size = norm(&steepest);
        // No singular value of A exceeds √n: its columns are at most 1 long.
        let mut length = (radius / size).min(1e4);
        let mut best = (vec![0.0; n], 0.0);
        for _ in 0..60 {
            let z: Vec<f64> = (0..n).map(|j| (length * steepest[j]).clamp(self.low[j], self.high[j])).collect();
            let promised = self.predicted(&z);
            if promised > best.1 {
                best = (z, promised);
            } else if best.1 > 0.0 {
                break;
            }
            length *= 0.5;
        }
        best
    }
}

/// z and its damping λ ≥ 0 with ‖z‖ ≤ Δ.
fn damped_step(factors: &Singular, c: &[f64], radius: f64, share: f64) -> (Vec<f64>, f64) {
    let rank = factors.rank(share);
    let projections = factors.projections(c);
    let weights = |damping: f64| -> Vec<f64> {
        let used = if damping > 0.0 { factors.cols } else { rank };
        (0..used).map(|j| -projections[j] / factors.values[j].mul_add(factors.values[j], damping)).collect()
    };
    let mut part = weights(0.0);
    let mut damping = 0.0;
    let mut size = norm(&part);
    if size > (1.0 + NEAR) * radius {
        let gradient = norm(&projections);
        let (mut low, mut high) = (0.0, gradient / radius);
        damping = (1e-3 * high).max((low * high).sqrt());
        for _ in 0..60 {
            part = weights(damping);
            size = norm(&part);
            if (size - radius).abs() <= NEAR * radius {
                break;
            }
            if size > radius {
                low = damping;
            } else {
                high = damping;
            }
            let slope: f64 = (0..factors.cols)
                .map(|j| part[j] * part[j] / factors.values[j].mul_add(factors.values[j], damping))
                .sum();
            let next = damping + (size - radius) / radius * (size * size / slope);
            damping = if next > low && next < high { next } else { (low * high).sqrt().max(1e-3 * high) };
        }
    }
    let mut z = vec![0.0; factors.cols];
    part.iter().enumerate().for_each(|(j, part)| add_scaled(*part, factors.direction(j), &mut z));
    (z, damping)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    fn model(k: usize, n: usize, key: u32, bound: f64) -> Model {
        let mut random = Stream::new(3, Purpose::Probe, key);
        let a: Vec<f64> = (0..k * n).map(|_| random.normal()).collect();
        let c: Vec<f64> = (0..k).map(|_| 3.0 * random.normal()).collect();
        Model::new(a, c, vec![-bound; n], vec![bound; n], 1e-13)
    }

    #[test]
    fn a_free_step_solves_the_problem_and_a_short_one_is_as_long_as_allowed() {
        for key in 0..20 {
            let model = model(8, 4, key, f64::INFINITY);
            let free = model.step(f64::INFINITY);
            let mut rest = model.c.clone();
            free.z.iter().enumerate().for_each(|(j, z)| add_scaled(*z, model.column(j), &mut rest));
            assert!((0..4).all(|j| inner(model.column(j), &rest).abs() < 1e-12));
            let left = 0.5 * (inner(&model.c, &model.c) - inner(&rest, &rest));
            assert!((free.predicted - left).abs() < 1e-12 && !free.damped);
            assert!((0.5 * model.offset().powi(2) - left).abs() < 1e-12);
            let length = norm(&free.z);
            for share in [0.5, 1e-3, 1e-9] {
                let short = model.step(share * length);
                assert!(short.damped && (norm(&short.z) / (share * length) - 1.0).abs() <= NEAR + 1e-12);
                assert!(short.predicted > 0.0 && short.predicted < free.predicted);
            }
        }
    }

    #[test]
    fn bounds_hold_and_the_step_promises_a_decrease() {
        for key in 0..200 {
            let model = model(6, 5, key, 0.3);
            for radius in [f64::INFINITY, 1.0, 0.1] {
                let found = model.step(radius);
                assert!(found.z.iter().all(|z| z.abs() <= 0.3));
                assert!(found.predicted >= CAUCHY * model.cauchy(radius).1 && found.predicted > 0.0);
            }
        }
    }
}
