//! Minimisation: ends, their proof, and what the exact Hessian is worth.

use crate::common::*;
use headwater_base::parallel::Crew;
use headwater_base::{Control, Status};
use headwater_manifold::{AmplitudePrior, Assembly, Gate, Inner, InnerSettings, Kind, Objective, minimise};
use std::sync::atomic::{AtomicBool, Ordering};

fn run(case: &Case, settings: &InnerSettings, by: f64, seed: u64) -> Inner {
    minimise(&case.objective(), &moved_inside(case, by, seed), settings, crew(1))
}

/// A start in which no amplitude is negative.
fn moved_inside(case: &Case, by: f64, seed: u64) -> headwater_manifold::State {
    let mut state = moved(case, by, seed);
    if matches!(case.problem.gate, headwater_manifold::Gate::Amplitude(_)) {
        for n in 0..case.problem.rows {
            let first = state.layout.locals(n).start;
            (first..first + state.layout.gates(n)).for_each(|at| state.theta[at] = state.theta[at].abs());
        }
    }
    state
}

#[test]
fn newton_with_the_exact_hessian_converges_where_the_surrogate_creeps() {
    let case = softmax_circles();
    for seed in [9, 10, 11] {
        let found = run(&case, &InnerSettings::default(), 0.3, seed);
        assert_eq!(found.status, Status::Converged);
        assert!(found.evidence.iterations <= 80, "{:?}", found.evidence);
        assert!(
            found.evidence.decrement.expect("definite") < 1e-20 && found.evidence.min_curvature.expect("known") > 0.0
        );
    }
    let settings = InnerSettings { newton: false, max_iterations: 400, ..InnerSettings::default() };
    let slow = run(&case, &settings, 0.3, 9);
    assert_eq!(slow.status, Status::Budget);
    assert!(slow.evidence.gradient > 1e-3, "{:?}", slow.evidence);
}

#[test]
fn amplitudes_stay_above_their_bound_and_the_end_is_a_minimum() {
    for prior in [AmplitudePrior::HalfNormal, AmplitudePrior::Exponential] {
        let case = every_shape(Gate::Amplitude(prior));
        let objective = case.objective();
        let found = run(&case, &InnerSettings::default(), 0.1, 9);
        assert_eq!(found.status, Status::Converged, "{:?}", found.evidence);
        assert!(found.evidence.held > 0 && found.evidence.gauges == 3);
        let assembly = Assembly::new(&objective, &found.state, crew(1)).expect("not stopped");
        let mut free = Vec::new();
        for n in 0..case.problem.rows {
            let locals = found.state.layout.locals(n);
            for (slot, at) in locals.clone().enumerate() {
                let gate = slot < found.state.layout.gates(n);
                assert!(!gate || found.state.theta[at] >= 0.0);
                let held = gate && found.state.theta[at] == 0.0;
                assert!(!held || assembly.gradient[at] >= 0.0, "a multiplier of the wrong sign");
                if !held {
                    free.push(assembly.gradient[at]);
                }
            }
        }
        free.extend(&assembly.gradient[found.state.layout.beta()..]);
        assert!(norm(&free) < 1e-9, "{:e}", norm(&free));
        // Along random feasible directions L rises.
        let mut random = Random::new(6);
        for _ in 0..20 {
            let mut state = found.state.clone();
            for (at, x) in state.theta.iter_mut().enumerate() {
                let step = 1e-3 * random.normal();
                *x = if *x == 0.0 && at < state.layout.beta() { step.abs() } else { *x + step };
            }
            assert!(value(&objective, &state) > found.value);
        }
    }
}

#[test]
fn a_constant_chart_is_a_saddle_and_is_left() {
    // All phases 0 and no sine: gradients of phases and of the sine's decoder vanish, whatever the data are.
    let mut case = ring(0.2);
    let (p, beta) = (case.problem.columns, case.state.layout.beta());
    for n in 0..case.problem.rows {
        let coordinate = case.state.layout.locals(n).start + 1;
        case.state.theta[coordinate] = 0.0;
    }
    case.state.theta[beta + p..beta + 2 * p].fill(0.0);
    let objective = case.objective();
    let collapsed = gradient(&objective, &case.state);
    assert_eq!(norm(&collapsed[beta + p..beta + 2 * p]), 0.0);

    let found = run(&case, &InnerSettings::default(), 0.0, 1);
    assert_eq!(found.status, Status::Converged, "{:?}", found.evidence);
    assert!(found.evidence.escapes > 0 && found.evidence.gauges == 1, "{:?}", found.evidence);
    // The rotation is the only direction without curvature.
    let assembly = Assembly::new(&objective, &found.state, crew(1)).expect("not stopped");
    let (values, _) =
        headwater_linalg::eigen::symmetric(assembly.len(), &assembly.dense(Kind::Exact)).expect("eigenvalues");
    assert!(values[0].abs() < 1e-9 * values[1] && values[1] > 0.0, "{:?}", &values[..2]);
    let phases: Vec<f64> = (0..case.problem.rows).map(|n| found.state.coordinates(n)[0]).collect();
    let mean = |f: fn(f64) -> f64| phases.iter().map(|t| f(std::f64::consts::TAU * t)).sum::<f64>() / 50.0;
    assert!(mean(f64::cos).hypot(mean(f64::sin)) < 0.5, "the chart is still constant");
}

#[test]
fn a_limit_is_a_budget_and_a_cancelled_run_is_aborted() {
    let case = softmax_circles();
    let found = run(&case, &InnerSettings { max_iterations: 3, ..InnerSettings::default() }, 0.3, 9);
    assert_eq!((found.status, found.evidence.iterations), (Status::Budget, 3));
    let objective = case.objective();
    assert_eq!(found.value, value(&objective, &found.state));

    let stop = AtomicBool::new(false);
    let sink = |progress: headwater_base::Progress| {
        stop.fetch_or(progress.done == 5, Ordering::Relaxed);
    };
    let crew = Crew::new(1, Control::new(Some(&stop), Some(&sink)));
    let start = moved_inside(&case, 0.3, 9);
    let found = minimise(&objective, &start, &InnerSettings::default(), crew);
    assert_eq!(found.status, Status::Aborted);
    assert!(value(&objective, &found.state) < value(&objective, &start));
}

#[test]
fn bits_do_not_depend_on_threads() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().expect("a pool");
    let case = every_shape(Gate::Amplitude(AmplitudePrior::HalfNormal));
    let objective = case.objective();
    let start = moved_inside(&case, 0.1, 9);
    let run = |threads| minimise(&objective, &start, &InnerSettings::default(), crew(threads));
    let (one, many) = (run(1), pool.install(|| run(8)));
    assert_eq!((one.state, one.evidence), (many.state, many.evidence));
}

#[test]
fn duplicates_separate() {
    // Both atoms start as the first one, phases and all, but for a thousandth.
    let case = together();
    let (p, beta) = (case.problem.columns, case.state.layout.beta());
    let mut state = case.state.clone();
    let mut random = Random::new(3);
    for n in 0..case.problem.rows {
        let first = state.layout.locals(n).start;
        state.theta[first + 1] = state.theta[first];
        state.theta[first + 3] = state.theta[first + 2];
    }
    for at in 0..3 * p {
        state.theta[beta + 3 * p + at] = state.theta[beta + at] * (1.0 + 1e-3 * random.normal());
    }
    let mut largest = Vec::new();
    for _ in 0..4 {
        let coupling = Objective::coupling(&case.problem, &state, 1.0, 1.0).expect("a coupling");
        let objective = Objective::new(&case.problem, case.strengths.clone(), Some(coupling)).expect("proper");
        let found =
            minimise(&objective, &state, &InnerSettings { max_iterations: 500, ..InnerSettings::default() }, crew(2));
        assert_eq!(found.status, Status::Converged, "{:?}", found.evidence);
        largest.push(objective.coupling.overlaps(found.state.decoders()).largest);
        state = found.state;
    }
    assert!(largest[3] <= 0.3, "{largest:?}");
}
