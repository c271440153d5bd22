//! Throw-away stand-in for the engine: same signatures, plain multiplicative updates. Deleted when the engine lands.
use crate::*;
use headwater_base::rng::{Purpose, Stream};
use headwater_base::{Control, Error, Progress, Status};

/// Data with uncertainties.
pub struct Problem {
    rows: usize,
    cols: usize,
    values: Vec<f64>,
    weights: Vec<f64>,
}

impl Problem {
    /// Row-major.
    pub fn new(rows: usize, cols: usize, mut values: Vec<f64>, uncertainties: Vec<f64>) -> Result<Self, Error> {
        if values.len() != rows * cols || uncertainties.len() != rows * cols {
            return Err(Error::new("shape-mismatch", "values and uncertainties must hold rows × cols numbers"));
        }
        let mut weights = vec![0.0; values.len()];
        for at in 0..values.len() {
            let (v, u) = (values[at], uncertainties[at]);
            if v.is_infinite() {
                return Err(Error::new("value-not-finite", format!("value {v}")).at(at / cols, at % cols));
            }
            if u <= 0.0 {
                return Err(Error::new("uncertainty-not-positive", format!("uncertainty {u}")).at(at / cols, at % cols));
            }
            if v.is_nan() || u.is_nan() || u.is_infinite() {
                values[at] = 0.0;
            } else {
                weights[at] = 1.0 / (u * u);
            }
        }
        Ok(Self { rows, cols, values, weights })
    }
}

fn product(w: &[f64], h: &[f64], m: usize, n: usize, p: usize) -> Vec<f64> {
    (0..m * n).map(|at| (0..p).map(|k| w[at / n * p + k] * h[k * n + at % n]).sum()).collect()
}

fn solve(d: &Problem, w: &mut [f64], h: &mut [f64], p: usize, limit: u32, control: Control) -> (Status, f64, u32) {
    let (m, n) = (d.rows, d.cols);
    for iteration in 0..limit {
        if control.cancelled() {
            return (Status::Aborted, objective(d, w, h, p), iteration);
        }
        let x = product(w, h, m, n, p);
        for k in 0..p {
            for i in 0..m {
                let sum = |y: &[f64]| (0..n).map(|j| d.weights[i * n + j] * y[i * n + j] * h[k * n + j]).sum::<f64>();
                w[i * p + k] *= sum(&d.values).max(0.0) / (sum(&x) + 1e-300);
            }
        }
        let x = product(w, h, m, n, p);
        for k in 0..p {
            for j in 0..n {
                let sum = |y: &[f64]| (0..m).map(|i| d.weights[i * n + j] * y[i * n + j] * w[i * p + k]).sum::<f64>();
                h[k * n + j] *= sum(&d.values).max(0.0) / (sum(&x) + 1e-300);
            }
        }
    }
    (Status::Budget, objective(d, w, h, p), limit)
}

fn objective(d: &Problem, w: &[f64], h: &[f64], p: usize) -> f64 {
    let x = product(w, h, d.rows, d.cols, p);
    (0..x.len()).map(|at| d.weights[at] * (d.values[at] - x[at]).powi(2)).sum()
}

fn solution(status: Status, q: f64, iterations: u32, w: Vec<f64>, h: Vec<f64>) -> Solution {
    let certificate = Certificate { unit: 1.0, coordinate_gap: q * 1e-3, ..Certificate::default() };
    Solution {
        status,
        q,
        q_true: q,
        q_robust: q,
        q_expected: 1.0,
        degrees_of_freedom: 1.0,
        iterations,
        certificate,
        warnings: Vec::new(),
        contributions: w,
        profiles: h,
    }
}

/// Stand-in.
pub fn factorize(d: &Problem, s: &Settings, control: Control) -> Result<Factorization, Error> {
    s.validate(d.rows, d.cols)?;
    let p = s.factors;
    let count = match s.starts {
        Starts::Count(count) => count,
        Starts::Auto { cap } => cap.min(3),
    };
    let mut best: Option<Solution> = None;
    let mut chosen = 0;
    let mut starts = Vec::new();
    for start in 0..count {
        let mut stream = Stream::new(s.seed, Purpose::Start, s.first_start + start);
        let mut draw = |count: usize| (0..count).map(|_| stream.uniform()).collect::<Vec<f64>>();
        let (mut w, mut h) = (draw(d.rows * p), draw(p * d.cols));
        let limit = if s.method == Method::Mu { s.max_iterations } else { s.max_iterations.min(200) };
        let (status, q, iterations) = solve(d, &mut w, &mut h, p, limit, control);
        starts.push(StartReport {
            start: s.first_start + start,
            origin: Origin::Random,
            status,
            q,
            iterations,
            basin: None,
            coordinate_gap: q,
            block_gap: q,
            newton_decrement: None,
        });
        if best.as_ref().is_none_or(|b| q < b.q) {
            best = Some(solution(status, q, iterations, w, h));
            chosen = start as usize;
        }
        let best_q = best.as_ref().map(|b| b.q);
        control.report(Progress { done: u64::from(start) + 1, total: u64::from(count), best: best_q, basins: Some(0) });
        if control.cancelled() {
            break;
        }
    }
    let solution = best.expect("at least one start");
    Ok(Factorization { chosen, solution, starts, basins: vec![], unseen_basin_probability: None, chains: (0, 0) })
}

/// Stand-in.
pub fn certify(d: &Problem, w: &[f64], h: &[f64], s: &Settings, control: Control) -> Result<Verdict, Error> {
    s.validate(d.rows, d.cols)?;
    let q = objective(d, w, h, s.factors);
    let (mut w2, mut h2) = (w.to_vec(), h.to_vec());
    let (status, low, iterations) = solve(d, &mut w2, &mut h2, s.factors, s.max_iterations.min(200), control);
    Ok(Verdict {
        solution: solution(Status::Stalled, q, 0, w.to_vec(), h.to_vec()),
        local_minimum: solution(status, low, iterations, w2, h2),
        excess: q - low,
    })
}
