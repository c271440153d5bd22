//! Codes of rows against a search by brute force.

mod common;
use common::*;
use headwater_manifold::coding::{CodingSettings, code};
use headwater_manifold::{AmplitudePrior, Gate, Input, Objective, Problem, RowWeights, Strengths, Topology};
use std::f64::consts::TAU;

/// 5000 rows, one curve of 1 to 3 harmonics, every gate: nothing lies below what was found, on 4096 places and after Newton's
/// method from the best of them.
#[test]
fn one_circle_is_coded_exactly() {
    let amplitudes =
        [AmplitudePrior::Normal, AmplitudePrior::HalfNormal, AmplitudePrior::Exponential].map(Gate::Amplitude);
    for (trial, gate) in [Gate::Unit].into_iter().chain(amplitudes).enumerate() {
        for harmonics in 1..=3 {
            let mut random = Random::new(100 + trial as u64);
            let (rows, p, m) = (417, 5, 2 * harmonics + 1);
            let decoders = random.normals(m * p, 1.0);
            let problem = Problem::new(Input {
                rows,
                columns: p,
                values: random.normals(rows * p, 1.5),
                cell_weights: None,
                row_weights: None,
                weighting: RowWeights::Precision,
                atoms: vec![Topology::Circle { harmonics }],
                gate,
                non_negative: false,
            })
            .expect("a problem");
            // With and without a prior of the phase.
            let ard = if harmonics == 2 { 20.0 } else { 0.0 };
            let strengths = Strengths { ard: vec![ard], ..Strengths::unit(&problem, 0.3) };
            let objective = Objective::new(&problem, strengths, None).expect("proper");
            let coding = CodingSettings { active: 1, beam: 8, restarts: true };
            let state = code(&objective, &decoders, coding, crew(2)).expect("not stopped");
            let energy = |n: usize, t: f64| -> (f64, f64) {
                let mut curve = vec![0.0; p];
                for i in 0..m {
                    let phi = match i {
                        0 => 1.0,
                        _ if i % 2 == 1 => (TAU * t * i.div_ceil(2) as f64).sin(),
                        _ => (TAU * t * (i / 2) as f64).cos(),
                    };
                    (0..p).for_each(|o| curve[o] += phi * decoders[i * p + o]);
                }
                let z = problem.row(n);
                let c: f64 = curve.iter().zip(z).map(|(m, z)| m * z / 0.3).sum();
                let q: f64 = curve.iter().map(|m| m * m / 0.3).sum();
                let a = match gate {
                    Gate::Amplitude(AmplitudePrior::Normal) => ((c + 1.0) / (q + 1.0)).max(0.0),
                    Gate::Amplitude(AmplitudePrior::HalfNormal) => (c / (q + 1.0)).max(0.0),
                    Gate::Amplitude(AmplitudePrior::Exponential) => ((c - 1.0) / q).max(0.0),
                    _ => 1.0,
                };
                let prior = match gate {
                    Gate::Amplitude(AmplitudePrior::Normal) => 0.5 * (a - 1.0) * (a - 1.0),
                    Gate::Amplitude(AmplitudePrior::HalfNormal) => 0.5 * a * a,
                    Gate::Amplitude(AmplitudePrior::Exponential) => a,
                    _ => 0.0,
                };
                (0.5 * a * a * q - a * c + prior + ard / (TAU * TAU) * (1.0 - (TAU * t).cos()), a)
            };
            for n in 0..rows {
                let own = match state.layout.support(n) {
                    [] => 0.0,
                    _ => energy(n, state.coordinates(n)[0]).0,
                };
                let mut best = (0..4096).map(|i| i as f64 / 4096.0).fold((f64::INFINITY, 0.0), |best, t| {
                    let e = energy(n, t).0;
                    if e < best.0 { (e, t) } else { best }
                });
                // Newton's method by differences.
                for _ in 0..8 {
                    let h = 1e-4;
                    let of = |by: f64| energy(n, best.1 + by).0;
                    let (slope, bend) = ((of(h) - of(-h)) / (2.0 * h), (of(h) - 2.0 * of(0.0) + of(-h)) / (h * h));
                    let next = best.1 - slope / bend;
                    if bend > 0.0 && energy(n, next).0 < best.0 {
                        best = (energy(n, next).0, next);
                    }
                }
                let least = best.0.min(0.0);
                assert!(
                    own <= least + 1e-7 * (1.0 + least.abs()),
                    "{gate:?} H = {harmonics}, row {n}: {own} > {least}"
                );
            }
        }
    }
}

/// Two of five curves in a row: the same as trying all pairs on a grid.
#[test]
fn two_circles_are_the_best_pair() {
    let mut random = Random::new(5);
    let (rows, p, atoms) = (60, 8, 4);
    let decoders = random.normals(3 * atoms * p, 1.0);
    let problem = Problem::new(Input {
        rows,
        columns: p,
        values: random.normals(rows * p, 2.0),
        cell_weights: None,
        row_weights: None,
        weighting: RowWeights::Precision,
        atoms: vec![Topology::Circle { harmonics: 1 }; atoms],
        gate: Gate::Unit,
        non_negative: false,
    })
    .expect("a problem");
    let objective = Objective::new(&problem, Strengths::unit(&problem, 1.0), None).expect("proper");
    let state =
        code(&objective, &decoders, CodingSettings { active: 2, beam: 8, restarts: true }, crew(2)).expect("done");
    let point = |k: usize, t: f64, o: usize| {
        let (s, c) = (TAU * t).sin_cos();
        decoders[3 * k * p + o] + s * decoders[(3 * k + 1) * p + o] + c * decoders[(3 * k + 2) * p + o]
    };
    for n in 0..rows {
        let z = problem.row(n);
        let left = |said: &dyn Fn(usize) -> f64| -> f64 { (0..p).map(|o| (z[o] - said(o)).powi(2)).sum() };
        let (support, t) = (state.layout.support(n), state.coordinates(n));
        let own = left(&|o| support.iter().zip(t).map(|(&k, &t)| point(k as usize, t, o)).sum());
        let mut best = left(&|_| 0.0);
        for k in 0..atoms {
            for i in 0..90 {
                best = best.min(left(&|o| point(k, i as f64 / 90.0, o)));
                for l in 0..k {
                    for j in 0..90 {
                        best = best.min(left(&|o| point(k, i as f64 / 90.0, o) + point(l, j as f64 / 90.0, o)));
                    }
                }
            }
        }
        assert!(own <= best + 1e-9, "row {n}: {own} > {best}");
    }
}

/// Three of seven, with noise: the beam finds them.
#[test]
fn three_circles_are_found() {
    let mut random = Random::new(9);
    let (rows, p, atoms) = (200, 32, 7);
    let decoders = random.normals(3 * atoms * p, 1.0);
    let (mut values, mut truth) = (Vec::new(), Vec::new());
    for n in 0..rows {
        let mut support = vec![n % 7, (n + 1 + n % 3) % 7, (n + 4 + n % 2) % 7];
        support.sort_unstable();
        let mut row = random.normals(p, 0.3);
        for &k in &support {
            let (s, c) = (TAU * random.uniform()).sin_cos();
            for (m, phi) in [1.0, s, c].into_iter().enumerate() {
                (0..p).for_each(|o| row[o] += phi * decoders[(3 * k + m) * p + o]);
            }
        }
        values.extend(row);
        truth.push(support);
    }
    let problem = Problem::new(Input {
        rows,
        columns: p,
        values,
        cell_weights: None,
        row_weights: None,
        weighting: RowWeights::Precision,
        atoms: vec![Topology::Circle { harmonics: 1 }; atoms],
        gate: Gate::Unit,
        non_negative: false,
    })
    .expect("a problem");
    let objective = Objective::new(&problem, Strengths::unit(&problem, 0.09), None).expect("proper");
    let state =
        code(&objective, &decoders, CodingSettings { active: 3, beam: 8, restarts: true }, crew(2)).expect("done");
    let right = (0..rows).filter(|&n| state.layout.support(n).iter().map(|&k| k as usize).eq(truth[n].iter().copied()));
    let right = right.count();
    assert!(right >= 198, "{right} of {rows} supports");
}
