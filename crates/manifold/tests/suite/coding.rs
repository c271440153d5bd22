//! Codes of rows against a search by brute force.

use crate::common::*;
use headwater_manifold::coding::{CodingSettings, code};
use headwater_manifold::{AmplitudePrior, Gate, Input, Objective, Problem, RowWeights, Strengths, Topology};
use std::f64::consts::TAU;

fn problem(values: Vec<f64>, columns: usize, atoms: Vec<Topology>, gate: Gate) -> Problem {
    let rows = values.len() / columns;
    let (cell_weights, row_weights, weighting) = (None, None, RowWeights::Precision);
    let input = Input { rows, columns, values, cell_weights, row_weights, weighting, atoms, gate, non_negative: false };
    Problem::new(input).expect("a problem")
}

fn coding(active: usize) -> CodingSettings {
    CodingSettings { active, beam: 8, thorough: true }
}

/// 6000 rows, one line, parabola or circle of 1 to 3 harmonics, every gate: nothing lies below what was found, on 4096 places
/// and after Newton's method from the best of them.
#[test]
fn one_curve_is_coded_exactly() {
    let amplitudes =
        [AmplitudePrior::Normal, AmplitudePrior::HalfNormal, AmplitudePrior::Exponential].map(Gate::Amplitude);
    let shapes = [
        (Topology::Linear, 1.0),
        (Topology::Patch { dimension: 1 }, 0.2),
        (Topology::Circle { harmonics: 1 }, 0.0),
        (Topology::Circle { harmonics: 2 }, 20.0),
        (Topology::Circle { harmonics: 3 }, 0.0),
    ];
    for (trial, gate) in [Gate::Unit].into_iter().chain(amplitudes).enumerate() {
        for (shape, ard) in shapes {
            let mut random = Random::new(100 + trial as u64);
            let basis = shape.basis().expect("a shape");
            let (rows, p, m) = (300, 5, basis.functions());
            let decoders = random.normals(m * p, 1.0);
            let problem = problem(random.normals(rows * p, 1.5), p, vec![shape], gate);
            let strengths = Strengths { ard: vec![ard], ..Strengths::unit(&problem, 0.3) };
            let objective = Objective::new(&problem, strengths, None).expect("proper");
            let state = code(&objective, &decoders, coding(1), crew(2)).expect("not stopped").state;
            let mut jet = vec![0.0; 3 * m];
            let mut energy = |n: usize, t: f64| -> f64 {
                basis.jet(&[t], &mut jet);
                let curve: Vec<f64> = (0..p)
                    .map(|o| jet[..m].iter().enumerate().map(|(i, phi)| phi * decoders[i * p + o]).sum())
                    .collect();
                let c: f64 = curve.iter().zip(problem.row(n)).map(|(m, z)| m * z / 0.3).sum();
                let q: f64 = curve.iter().map(|m| m * m / 0.3).sum();
                let Gate::Amplitude(prior) = gate else { return 0.5 * q - c + place_prior(shape, ard, t) };
                let (a, own): (f64, fn(f64) -> f64) = match prior {
                    AmplitudePrior::Normal => ((c + 1.0) / (q + 1.0), |a| 0.5 * (a - 1.0) * (a - 1.0)),
                    AmplitudePrior::HalfNormal => (c / (q + 1.0), |a| 0.5 * a * a),
                    AmplitudePrior::Exponential => ((c - 1.0) / q, |a| a),
                };
                let a = a.max(0.0);
                0.5 * a * a * q - a * c + own(a) + place_prior(shape, ard, t)
            };
            let nodes: Vec<f64> = (0..4096)
                .map(|i| f64::from(i) / 4096.0)
                .map(|u| if basis.period(0).is_some() { u } else { (16.0 * u - 8.0) / ard.sqrt() })
                .collect();
            let step = nodes[1] - nodes[0];
            for n in 0..rows {
                let own = if state.layout.support(n).is_empty() { 0.0 } else { energy(n, state.coordinates(n)[0]) };
                let mut best = (f64::INFINITY, 0.0);
                for &t in &nodes {
                    let e = energy(n, t);
                    best = if e < best.0 { (e, t) } else { best };
                }
                // Newton's method by differences.
                for _ in 0..8 {
                    let h = 0.4 * step;
                    let mut of = |by: f64| energy(n, best.1 + by);
                    let (slope, bend) = ((of(h) - of(-h)) / (2.0 * h), (of(h) - 2.0 * of(0.0) + of(-h)) / (h * h));
                    let next = best.1 - slope / bend;
                    let e = energy(n, next);
                    if bend > 0.0 && e < best.0 {
                        best = (e, next);
                    }
                }
                // No atom costs nothing.
                let least = best.0.min(0.0);
                assert!(own <= least + 1e-7 * (1.0 + least.abs()), "{gate:?} {shape:?}, row {n}: {own} > {least}");
            }
        }
    }
}

fn place_prior(shape: Topology, ard: f64, t: f64) -> f64 {
    match shape {
        Topology::Circle { .. } | Topology::Torus { .. } => ard / (TAU * TAU) * (1.0 - (TAU * t).cos()),
        _ => 0.5 * ard * t * t,
    }
}

/// Tori and patches of two coordinates, every gate: nothing lies below what was found, on a grid and after descents from its
/// best nodes, and all of it is said to be proved.
#[test]
fn one_surface_is_coded_exactly() {
    let amplitudes =
        [AmplitudePrior::Normal, AmplitudePrior::HalfNormal, AmplitudePrior::Exponential].map(Gate::Amplitude);
    let shapes = [
        (Topology::Torus { harmonics: 1 }, [0.0, 0.0], 60),
        (Topology::Torus { harmonics: 1 }, [30.0, 5.0], 30),
        (Topology::Torus { harmonics: 2 }, [0.0, 10.0], 12),
        (Topology::Patch { dimension: 2 }, [0.3, 2.0], 60),
    ];
    for (trial, gate) in [Gate::Unit].into_iter().chain(amplitudes).enumerate() {
        for (shape, ard, rows) in shapes {
            let mut random = Random::new(300 + trial as u64);
            let basis = shape.basis().expect("a shape");
            let m = basis.functions();
            let p = m + 3;
            let decoders = random.normals(m * p, 1.0);
            let problem = problem(random.normals(rows * p, 2.0), p, vec![shape], gate);
            let strengths = Strengths { ard: ard.to_vec(), ..Strengths::unit(&problem, 0.3) };
            let objective = Objective::new(&problem, strengths, None).expect("proper");
            let coded = code(&objective, &decoders, coding(1), crew(2)).expect("not stopped");
            let state = coded.state;
            let mut jet = vec![0.0; 6 * m];
            let mut energy = |n: usize, t: [f64; 2]| -> f64 {
                basis.jet(&t, &mut jet);
                let (mut c, mut q) = (0.0, 0.0);
                for (o, z) in problem.row(n).iter().enumerate() {
                    let said: f64 = jet[..m].iter().enumerate().map(|(i, phi)| phi * decoders[i * p + o]).sum();
                    (c, q) = (c + said * z / 0.3, q + said * said / 0.3);
                }
                let prior: f64 = t.iter().zip(ard).map(|(t, ard)| place_prior(shape, ard, *t)).sum();
                let Gate::Amplitude(own) = gate else { return 0.5 * q - c + prior };
                let (a, own): (f64, fn(f64) -> f64) = match own {
                    AmplitudePrior::Normal => ((c + 1.0) / (q + 1.0), |a| 0.5 * (a - 1.0) * (a - 1.0)),
                    AmplitudePrior::HalfNormal => (c / (q + 1.0), |a| 0.5 * a * a),
                    AmplitudePrior::Exponential => ((c - 1.0) / q, |a| a),
                };
                let a = a.max(0.0);
                0.5 * a * a * q - a * c + own(a) + prior
            };
            let side = 96;
            let axis = |i: usize, c: usize| {
                let u = (i as f64 + 0.5) / side as f64;
                if basis.period(0).is_some() { u } else { (12.0 * u - 6.0) / ard[c].sqrt() }
            };
            for n in 0..rows {
                let own = if state.layout.support(n).is_empty() {
                    0.0
                } else {
                    energy(n, state.coordinates(n).try_into().expect("two"))
                };
                let mut nodes: Vec<(f64, [f64; 2])> = (0..side * side)
                    .map(|at| [axis(at / side, 0), axis(at % side, 1)])
                    .map(|t| (energy(n, t), t))
                    .collect();
                nodes.sort_by(|a, b| a.0.total_cmp(&b.0));
                let mut least = 0.0_f64;
                for (mut e, mut t) in nodes.into_iter().take(5) {
                    // A search by shrinking crosses.
                    let mut step = [axis(1, 0) - axis(0, 0), axis(1, 1) - axis(0, 1)];
                    while step[0] > 1e-9 {
                        let around = [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 1.0), (-1.0, -1.0)];
                        let tried = around.map(|(x, y)| [t[0] + x * step[0], t[1] + y * step[1]]);
                        let better = tried.into_iter().map(|t| (energy(n, t), t)).find(|(other, _)| *other < e);
                        match better {
                            Some(found) => (e, t) = found,
                            None => step = step.map(|step| 0.5 * step),
                        }
                    }
                    least = least.min(e);
                }
                assert!(own <= least + 1e-7 * (1.0 + least.abs()), "{gate:?} {shape:?}, row {n}: {own} > {least}");
            }
            assert_eq!(coded.open, 0, "{gate:?} {shape:?}");
        }
    }
}

/// Two of five curves in a row: the same as trying all pairs on a grid.
#[test]
fn two_circles_are_the_best_pair() {
    let mut random = Random::new(5);
    let (rows, p, atoms) = (60, 8, 4);
    let decoders = random.normals(3 * atoms * p, 1.0);
    let shapes = vec![Topology::Circle { harmonics: 1 }; atoms];
    let problem = problem(random.normals(rows * p, 2.0), p, shapes, Gate::Unit);
    let objective = Objective::new(&problem, Strengths::unit(&problem, 1.0), None).expect("proper");
    let state = code(&objective, &decoders, coding(2), crew(2)).expect("done").state;
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
    let problem = problem(values, p, vec![Topology::Circle { harmonics: 1 }; atoms], Gate::Unit);
    let objective = Objective::new(&problem, Strengths::unit(&problem, 0.09), None).expect("proper");
    let state = code(&objective, &decoders, coding(3), crew(2)).expect("done").state;
    let right = (0..rows).filter(|&n| state.layout.support(n).iter().map(|&k| k as usize).eq(truth[n].iter().copied()));
    let right = right.count();
    assert!(right >= 198, "{right} of {rows} supports");
}
