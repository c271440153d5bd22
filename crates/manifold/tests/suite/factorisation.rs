//! Points with amplitudes and decoders that are not negative are weighted non-negative factorisation: the golden optima of
//! the main engine.

#[path = "../../../pmf/tests/suite/common.rs"]
#[allow(dead_code)] // tests there need the rest
mod pmf;

use crate::common::{Random, crew};
use headwater_base::Status;
use headwater_manifold::{
    AmplitudePrior, Gate, InnerSettings, Input, Layout, Objective, Problem, RowWeights, State, Strengths, Topology,
    minimise,
};
use pmf::{Data, epa, fixture, matrix, number};

fn problem(data: &Data, factors: usize) -> Problem {
    let weight = |u: &f64| if u.is_finite() { 1.0 / (u * u) } else { 0.0 };
    Problem::new(Input {
        rows: data.rows,
        columns: data.cols,
        values: data.values.clone(),
        cell_weights: Some(data.uncertainties.iter().map(weight).collect()),
        row_weights: None,
        weighting: RowWeights::Precision,
        atoms: vec![Topology::Constant; factors],
        gate: Gate::Amplitude(AmplitudePrior::HalfNormal),
        non_negative: true,
    })
    .expect("good data")
}

/// Contributions that fit given profiles, by coordinate descent.
fn contributions(data: &Data, h: &[f64], p: usize) -> Vec<f64> {
    let n = data.cols;
    let mut w = vec![1.0; data.rows * p];
    for i in 0..data.rows {
        let omega: Vec<f64> = (0..n)
            .map(|j| {
                let (v, u) = (data.values[i * n + j], data.uncertainties[i * n + j]);
                if v.is_nan() || !u.is_finite() { 0.0 } else { 1.0 / (u * u) }
            })
            .collect();
        let w = &mut w[i * p..(i + 1) * p];
        for _ in 0..200 {
            for k in 0..p {
                let (mut slope, mut square) = (0.0, 0.0);
                for j in (0..n).filter(|&j| omega[j] > 0.0) {
                    let fit: f64 = (0..p).map(|l| w[l] * h[l * n + j]).sum();
                    slope += omega[j] * h[k * n + j] * (data.values[i * n + j] - fit);
                    square += omega[j] * h[k * n + j].powi(2);
                }
                w[k] = if square > 0.0 { (w[k] + slope / square).max(0.0) } else { 0.0 };
            }
        }
    }
    w
}

#[test]
fn golden_optima_are_found_from_nearby() {
    for expected in fixture("golden.json")["solutions"].as_array().expect("solutions") {
        let (set, p) = (expected["set"].as_str().expect("a set"), number(expected, "p") as usize);
        let data = epa(set);
        let golden = matrix(&expected["H"]);
        let mut random = Random::new(7);
        let h: Vec<f64> = golden.iter().map(|h| h * (1.0 + 0.02 * random.normal())).map(|h| h.max(0.0)).collect();
        let w = contributions(&data, &h, p);
        let problem = problem(&data, p);
        let state = State::new(&problem, Layout::dense(&problem), &w, &[], &h).expect("a state");
        let objective = Objective::new(&problem, Strengths::none(&problem), None).expect("an objective");
        let found = minimise(&objective, &state, &InnerSettings::default(), crew(2));
        let (q, evidence) = (number(expected, "Q"), &found.evidence);
        assert_eq!(found.status, Status::Converged, "{set} {p}: {evidence:?}");
        assert!((2.0 * found.value / q - 1.0).abs() < 1e-8, "{set} {p}: Q {} for {q}", 2.0 * found.value);
        // To rounding, in a few iterations; one scale of each factor is left open by the data and by nothing else.
        assert!(evidence.decrement.expect("definite") < 1e-15 * q && evidence.iterations <= 20, "{evidence:?}");
        assert_eq!((evidence.gauges, evidence.flat), (p, false));
        assert!(evidence.min_curvature.expect("known") > 0.0);
        // Zeros of the profiles are zeros, and profiles agree up to that scale.
        let found = found.state.decoders();
        for k in 0..p {
            let (row, right) =
                (&found[k * data.cols..(k + 1) * data.cols], &golden[k * data.cols..(k + 1) * data.cols]);
            let scale = right.iter().sum::<f64>() / row.iter().sum::<f64>();
            let largest = right.iter().copied().fold(0.0, f64::max);
            for (x, y) in row.iter().zip(right) {
                assert!((scale * x - y).abs() < 1e-6 * largest && (*x == 0.0) == (*y == 0.0), "{set} {p}: {x} {y}");
            }
        }
    }
}

#[test]
fn exact_data_are_fitted_from_any_start() {
    // 50 × 12 of rank 3 with zeros, from starts of which half the elements are zero.
    let (m, n, p) = (50, 12, 3);
    let mut random = Random::new(5);
    let mut sparse = |count: usize| -> Vec<f64> {
        (0..count).map(|_| if random.uniform() < 0.4 { 0.0 } else { random.uniform() }).collect()
    };
    let (w, h) = (sparse(m * p), sparse(p * n));
    let mut values = vec![0.0; m * n];
    for at in 0..m * n {
        values[at] = (0..p).map(|k| w[at / n * p + k] * h[k * n + at % n]).sum::<f64>();
    }
    let uncertainties: Vec<f64> = values.iter().map(|v| 0.01 + 0.02 * v).collect();
    let data = Data { rows: m, cols: n, values, uncertainties };
    let problem = problem(&data, p);
    let objective = Objective::new(&problem, Strengths::none(&problem), None).expect("an objective");
    for seed in 0..20 {
        let mut random = Random::new(100 + seed);
        let mut sparse = |count: usize| -> Vec<f64> {
            (0..count).map(|_| if random.uniform() < 0.5 { 0.0 } else { random.uniform() }).collect()
        };
        let state =
            State::new(&problem, Layout::dense(&problem), &sparse(m * p), &[], &sparse(p * n)).expect("a state");
        let found = minimise(&objective, &state, &InnerSettings::default(), crew(2));
        assert_eq!(found.status, Status::Converged, "seed {seed}: {:?}", found.evidence);
        assert!(2.0 * found.value < 1e-6 && found.evidence.iterations <= 30, "{} {:?}", found.value, found.evidence);
        assert_eq!((found.evidence.gauges, found.evidence.flat), (p, false), "seed {seed}");
    }
}
