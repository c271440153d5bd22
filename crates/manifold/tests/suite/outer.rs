//! Hyperparameters chosen by evidence: what is smooth comes out smooth, what is noise is told.

use crate::common::*;
use headwater_base::parallel::Crew;
use headwater_base::{Control, Status};
use headwater_manifold::{
    Gate, InnerSettings, Input, Layout, Outer, OuterSettings, Parameter, Problem, RowWeights, State, Strengths,
    Topology, choose,
};

use std::sync::atomic::{AtomicBool, Ordering};

const TAU: f64 = std::f64::consts::TAU;

/// Rows on a closed curve in six columns with these amplitudes of harmonics 1, 2, 3, noise σ; the atom has three.
fn curve(amplitudes: [f64; 3], sigma: f64, rows: usize) -> (Problem, State) {
    let mut random = Random::new(61);
    let p = 6;
    let mut decoders = vec![0.0; 7 * p];
    // Orthogonal directions for sine and cosine of each harmonic.
    for h in 0..3 {
        decoders[(2 * h + 1) * p + 2 * h] = amplitudes[h];
        decoders[(2 * h + 2) * p + 2 * h + 1] = amplitudes[h];
    }
    let phases: Vec<f64> = (0..rows).map(|_| random.uniform()).collect();
    let mut values = Vec::new();
    for t in &phases {
        for o in 0..p {
            let mut z = 0.0;
            for h in 0..3 {
                let angle = TAU * (h + 1) as f64 * t;
                z += angle.sin() * decoders[(2 * h + 1) * p + o] + angle.cos() * decoders[(2 * h + 2) * p + o];
            }
            values.push(z + sigma * random.normal());
        }
    }
    let problem = Problem::new(Input {
        rows,
        columns: p,
        values,
        cell_weights: None,
        row_weights: None,
        weighting: RowWeights::Precision,
        atoms: vec![Topology::Circle { harmonics: 3 }],
        // One atom: its share is 1 in every row.
        gate: Gate::Softmax { temperature: 1.0, ridge: 0.1 },
        non_negative: false,
    })
    .expect("a problem");
    let start: Vec<f64> = decoders.iter().map(|b| b + 0.02 * random.normal()).collect();
    let state = State::new(&problem, Layout::dense(&problem), &[], &phases, &start).expect("a state");
    (problem, state)
}

fn energy(state: &State, functions: std::ops::Range<usize>) -> f64 {
    state.decoders()[functions.start * 6..functions.end * 6].iter().map(|b| b * b).sum()
}

#[test]
fn harmonics_that_are_not_there_are_smoothed_away_and_those_that_are_stay() {
    let parameters = [Parameter::Noise, Parameter::Roughness(0), Parameter::Ridge(0)];
    let sigma = 0.05;
    let fit = |amplitudes: [f64; 3]| {
        let (problem, state) = curve(amplitudes, sigma, 300);
        let strengths = Strengths::unit(&problem, 0.01);
        let found =
            choose(&problem, &strengths, None, &state, &parameters, &OuterSettings::default(), crew(2)).expect("valid");
        assert!((found.strengths.noise / (sigma * sigma) - 1.0).abs() < 0.1, "{}", found.strengths.noise);
        let degrees = found.criterion.as_ref().and_then(|c| c.gradient.as_ref()).expect("at the end").degrees.clone();
        (degrees[3..].iter().sum::<f64>(), energy(&found.state, 3..7) / energy(&found.state, 1..3), found)
    };
    let (degrees, share, found) = fit([1.0, 0.0, 0.0]);
    // The data want no roughness at all: its strength ends on the face of the box, and that is said.
    assert_eq!((found.status, found.boundary), (Status::Boundary, vec![Parameter::Roughness(0)]));
    assert!(degrees <= 0.3 && share <= 0.02, "{degrees} {share}");

    let (degrees, share, found) = fit([1.0, 0.3, 0.3]);
    assert_eq!((found.status, found.boundary), (Status::Converged, vec![]));
    assert!(degrees >= 3.5 && (share - 0.18).abs() < 0.02, "{degrees} {share}");
    assert!(found.gradient <= 1e-4 * (1.0 + found.criterion.expect("at the end").value.abs()).sqrt());
}

#[test]
fn noise_is_no_circle() {
    let mut random = Random::new(62);
    let (rows, p) = (120, 5);
    let problem = Problem::new(Input {
        rows,
        columns: p,
        values: random.normals(rows * p, 1.0),
        cell_weights: None,
        row_weights: None,
        weighting: RowWeights::Precision,
        atoms: vec![Topology::Circle { harmonics: 1 }],
        gate: Gate::Softmax { temperature: 1.0, ridge: 0.1 },
        non_negative: false,
    })
    .expect("a problem");
    let phases: Vec<f64> = (0..rows).map(|_| random.uniform()).collect();
    let decoders = random.normals(3 * p, 0.3);
    let state = State::new(&problem, Layout::dense(&problem), &[], &phases, &decoders).expect("a state");
    let parameters = [Parameter::Noise, Parameter::Ridge(0)];
    let strengths = Strengths::unit(&problem, 1.0);
    let found =
        choose(&problem, &strengths, None, &state, &parameters, &OuterSettings::default(), crew(2)).expect("valid");
    assert_eq!((found.status, found.boundary), (Status::Boundary, vec![Parameter::Ridge(0)]));
    assert!(found.state.decoders().iter().all(|b| b.abs() < 1e-2));
}

#[test]
fn a_coordinate_that_is_not_needed_is_switched_off() {
    // A parabola in five columns, fitted by a patch of two coordinates.
    let mut random = Random::new(63);
    let (rows, p, sigma) = (150, 5, 0.05);
    let truth = random.normals(3 * p, 1.0);
    let t: Vec<f64> = random.normals(rows, 1.0);
    let mut values = Vec::new();
    for t in &t {
        values.extend((0..p).map(|o| truth[o] + t * truth[p + o] + t * t * truth[2 * p + o] + sigma * random.normal()));
    }
    let fit = |dimension: usize| {
        let mut random = Random::new(64);
        let problem = Problem::new(Input {
            rows,
            columns: p,
            values: values.clone(),
            cell_weights: None,
            row_weights: None,
            weighting: RowWeights::Precision,
            atoms: vec![Topology::Patch { dimension }],
            gate: Gate::Softmax { temperature: 1.0, ridge: 0.1 },
            non_negative: false,
        })
        .expect("a problem");
        let coordinates: Vec<f64> = t.iter().flat_map(|t| [*t, 0.3 * random.normal()][..dimension].to_vec()).collect();
        let functions = problem.channels;
        let mut decoders = random.normals(functions * p, 0.05);
        decoders[..2 * p].copy_from_slice(&truth[..2 * p]);
        let square = if dimension == 1 { 2 } else { 3 };
        decoders[square * p..(square + 1) * p].copy_from_slice(&truth[2 * p..]);
        let state = State::new(&problem, Layout::dense(&problem), &[], &coordinates, &decoders).expect("a state");
        let mut parameters = vec![Parameter::Noise, Parameter::Ridge(0)];
        parameters.extend((0..dimension).map(Parameter::Ard));
        let strengths = Strengths { roughness: vec![0.0], ..Strengths::unit(&problem, 0.01) };
        choose(&problem, &strengths, None, &state, &parameters, &OuterSettings::default(), crew(2)).expect("valid")
    };
    let (two, one) = (fit(2), fit(1));
    let value = |found: &Outer| found.criterion.as_ref().expect("at the end").value;
    let square = |axis: usize| (0..rows).map(|n| two.state.coordinates(n)[axis].powi(2)).sum::<f64>();
    assert_eq!((two.status, one.status), (Status::Converged, Status::Converged));
    assert!(square(1) <= 1e-3 * square(0), "{} {}", square(0), square(1));
    // The second coordinate buys nothing.
    assert!(value(&one) <= value(&two) + 1e-6, "{} {}", value(&one), value(&two));
    assert!((two.strengths.noise / (sigma * sigma) - 1.0).abs() < 0.1, "{}", two.strengths.noise);
}

#[test]
fn limits_aborts_and_misuse() {
    let (problem, state) = curve([1.0, 0.0, 0.0], 0.05, 60);
    let strengths = Strengths::unit(&problem, 0.01);
    let parameters = [Parameter::Noise, Parameter::Ridge(0)];
    let settings = OuterSettings { max_evaluations: 2, ..OuterSettings::default() };
    let found = choose(&problem, &strengths, None, &state, &parameters, &settings, crew(1)).expect("valid");
    assert_eq!((found.status, found.evaluations), (Status::Budget, 2));
    // A face of the box that is reached at once.
    let settings = OuterSettings { above: 0.1, below: 0.1, ..OuterSettings::default() };
    let found = choose(&problem, &strengths, None, &state, &parameters, &settings, crew(1)).expect("valid");
    assert_eq!((found.status, found.boundary[0]), (Status::Boundary, Parameter::Noise));
    // A minimisation that cannot end is no criterion.
    let inner = InnerSettings { max_iterations: 1, ..InnerSettings::default() };
    let settings = OuterSettings { inner, ..OuterSettings::default() };
    let found = choose(&problem, &strengths, None, &state, &parameters, &settings, crew(1)).expect("valid");
    assert!(found.status == Status::Budget && found.criterion.is_none());

    let stop = AtomicBool::new(false);
    let sink = |progress: headwater_base::Progress| {
        stop.fetch_or(progress.done == 2, Ordering::Relaxed);
    };
    let crew = Crew::new(1, Control::new(Some(&stop), Some(&sink)));
    let found =
        choose(&problem, &strengths, None, &state, &parameters, &OuterSettings::default(), crew).expect("valid");
    assert!(found.status == Status::Aborted && found.criterion.is_some());

    let error = choose(&problem, &strengths, None, &state, &[Parameter::Ard(0)], &OuterSettings::default(), crew);
    assert_eq!(error.expect_err("it is off").code, "option-not-valid");
    let improper = Strengths { ridge: vec![0.0], ..strengths };
    let error = choose(&problem, &improper, None, &state, &[Parameter::Noise], &OuterSettings::default(), crew);
    assert_eq!(error.expect_err("no prior").code, "prior-not-proper");
}
