//! Factors against dense matrices, the solve with A, saddles.

use crate::common::*;
use headwater_base::Control;
use headwater_linalg::cholesky;
use headwater_manifold::{
    AmplitudePrior, Arrow, Assembly, DecoderIncoherence, Frame, Freedom, Gate, InnerSettings, Kind, Objective, Pair,
    Refusal, SolveStatus, gauges, minimise, negative_curvature, solve_stationarity,
};

fn dense_solve(n: usize, a: &[f64], b: &[f64]) -> (Vec<f64>, f64) {
    let mut l = a.to_vec();
    assert!(cholesky::factor(n, &mut l), "not positive definite");
    let mut x = b.to_vec();
    cholesky::solve(n, &l, &mut x);
    // One step of refinement, so that it is the judge of the other.
    let mut rest: Vec<f64> = (0..n).map(|i| b[i] - (0..n).map(|j| a[i * n + j] * x[j]).sum::<f64>()).collect();
    cholesky::solve(n, &l, &mut rest);
    x.iter_mut().zip(&rest).for_each(|(x, r)| *x += r);
    (x, 2.0 * (0..n).map(|i| l[i * n + i].ln()).sum::<f64>())
}

#[test]
fn factors_solve_what_dense_ones_solve() {
    for (case, held) in [
        (softmax_circles(), false),
        (softmax_circles(), true),
        (every_shape(Gate::Amplitude(AmplitudePrior::HalfNormal)), false),
        (every_shape(Gate::Amplitude(AmplitudePrior::HalfNormal)), true),
        (every_shape(Gate::Unit), false),
    ] {
        let objective = case.objective();
        let assembly = Assembly::new(&objective, &moved(&case, 0.05, 2), crew(1)).expect("not stopped");
        let n = assembly.len();
        let mut random = Random::new(12);
        let free: Vec<bool> = (0..n).map(|_| !held || random.uniform() > 0.2).collect();
        let b: Vec<f64> = random.normals(n, 1.0).iter().zip(&free).map(|(b, f)| if *f { *b } else { 0.0 }).collect();
        for (kind, damping) in [(Kind::Surrogate, 0.0), (Kind::Surrogate, 0.3), (Kind::Exact, 60.0)] {
            let mut a = assembly.dense(kind);
            for i in 0..n {
                a[i * n + i] += damping * assembly.diagonal[i];
                if !free[i] {
                    (0..n).for_each(|j| (a[i * n + j], a[j * n + i]) = (0.0, 0.0));
                    a[i * n + i] = 1.0;
                }
            }
            let frame = Frame { free: &free, pins: &[], damping };
            let arrow = Arrow::new(&assembly, kind, &frame, crew(1)).expect("factors");
            let (x, log) = dense_solve(n, &a, &b);
            let error = distance(&arrow.solve(&b).expect("solved"), &x);
            assert!(error < 1e-10, "{kind:?} {damping}: {error:e}");
            let found = arrow.log_determinant.expect("formed");
            assert!((found - log).abs() < 1e-9 * log.abs().max(1.0), "{found} {log}");
        }
    }
}

#[test]
fn the_exact_system_is_solved_or_its_negative_curvature_told() {
    let case = softmax_circles();
    let objective = case.objective();
    let mut seen = [0; 2];
    let minimum = minimise(&objective, &case.state, &InnerSettings::default(), crew(1)).state;
    let near = |by: f64, seed| moved(&Case { state: minimum.clone(), ..softmax_circles() }, by, seed);
    for (by, seed) in [(0.0, 1), (1e-3, 2), (1.0, 3), (2.0, 4)] {
        let assembly = Assembly::new(&objective, &near(by, seed), crew(1)).expect("not stopped");
        let n = assembly.len();
        let freedom = Freedom::new(&assembly, &near(by, seed));
        assert!(freedom.gauges.is_empty() && freedom.free.iter().all(|free| *free));
        let frame = freedom.frame(0.0);
        let factor = Arrow::new(&assembly, Kind::Surrogate, &frame, crew(1)).expect("B is definite");
        let b = Random::new(seed).normals(n, 1.0);
        let found = solve_stationarity(&assembly, &factor, &freedom, &b, Control::none()).expect("right lengths");
        let definite = Arrow::new(&assembly, Kind::Exact, &frame, crew(1));
        match found.status {
            SolveStatus::Converged => {
                seen[0] += 1;
                assert!(found.residual <= 1e-10 && found.iterations <= 60, "{} {:e}", found.iterations, found.residual);
                let (x, _) = dense_solve(n, &assembly.dense(Kind::Exact), &b);
                assert!(distance(&found.x, &x) < 1e-7 && definite.is_ok());
                assert!(negative_curvature(&assembly, &frame, crew(1)).is_none());
            }
            SolveStatus::NegativeCurvature { direction, curvature } => {
                seen[1] += 1;
                let product = assembly.product(Kind::Exact, &direction);
                let form: f64 = direction.iter().zip(&product).map(|(v, w)| v * w).sum();
                assert!(form < 0.0 && (form - curvature).abs() < 1e-9 * form.abs(), "{form} {curvature}");
                assert!(matches!(definite, Err(Refusal::Row(_) | Refusal::Schur)));
                let (v, least) = negative_curvature(&assembly, &frame, crew(1)).expect("a direction");
                let product = assembly.product(Kind::Exact, &v);
                let form: f64 = v.iter().zip(&product).map(|(v, w)| v * w).sum();
                assert!(form < 0.0 && (form - least).abs() < 1e-9 * form.abs() && (norm(&v) - 1.0).abs() < 1e-12);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
}

#[test]
fn nothing_changes_along_a_gauge() {
    let case = every_shape(Gate::Amplitude(AmplitudePrior::HalfNormal));
    let objective = case.objective();
    let state = moved(&case, 0.05, 8);
    let free = vec![true; state.theta.len()];
    let directions = gauges(&objective, &state, &free);
    // Two axes of the torus and the circle without a prior of its phase.
    assert_eq!(directions.len(), 3);
    let slope = gradient(&objective, &state);
    for direction in &directions {
        let along: f64 = slope.iter().zip(direction).map(|(g, v)| g * v).sum();
        assert!(along.abs() < 1e-10 * norm(&slope) * norm(direction), "{along:e}");
    }
}

#[test]
fn a_border_that_is_not_formed_gives_the_same_solutions() {
    let case = every_shape(Gate::Amplitude(AmplitudePrior::HalfNormal));
    let objective = case.objective();
    let state = moved(&case, 0.05, 2);
    let assembly = Assembly::new(&objective, &state, crew(1)).expect("not stopped");
    let mut random = Random::new(13);
    let freedom = Freedom::new(&assembly, &state);
    let b = random.normals(assembly.len(), 1.0);
    for (kind, damping) in [(Kind::Surrogate, 0.0), (Kind::Exact, 60.0)] {
        let frame = freedom.frame(damping);
        let formed = Arrow::new(&assembly, kind, &frame, crew(1)).expect("factors");
        let free = Arrow::within(&assembly, kind, &frame, 10, crew(1)).expect("factors");
        assert!(free.log_determinant.is_none());
        let (x, y) = (free.solve(&b).expect("definite"), formed.solve(&b).expect("definite"));
        assert!(distance(&x, &y) < 1e-7, "{:e}", distance(&x, &y));
    }
}

#[test]
fn atoms_that_never_meet_have_parts_of_their_own() {
    // One circle a row: S is a block an atom, and the log-determinant their sum. A pair of decoders with a penalty joins two.
    let case = apart();
    let pair = vec![Pair { first: 1, second: 3, weight: 2.0 }];
    let penalty = DecoderIncoherence::from_pairs(&[3; 4], 5, pair, 1.0).expect("a good pair");
    for (coupling, largest) in [(None, 15), (Some(penalty), 30)] {
        let objective = Objective::new(&case.problem, case.strengths.clone(), coupling).expect("proper");
        let assembly = Assembly::new(&objective, &case.state, crew(1)).expect("not stopped");
        let free = vec![true; assembly.len()];
        let frame = Frame { free: &free, pins: &[], damping: 0.0 };
        // Each atom has 3 × 5 elements; all four have 60.
        let build = |limit: usize| Arrow::within(&assembly, Kind::Surrogate, &frame, limit, crew(1)).expect("factors");
        assert!(build(largest - 1).log_determinant.is_none());
        let arrow = build(largest);
        let b = Random::new(1).normals(assembly.len(), 1.0);
        let (x, log) = dense_solve(assembly.len(), &assembly.dense(Kind::Surrogate), &b);
        assert!(distance(&arrow.solve(&b).expect("solved"), &x) < 1e-10);
        assert!((arrow.log_determinant.expect("formed") - log).abs() < 1e-9 * log.abs());
    }
}

#[test]
fn what_lies_along_a_gauge_is_taken_off() {
    let case = apart();
    let objective = Objective::new(&case.problem, case.strengths.clone(), None).expect("proper");
    let minimum = minimise(&objective, &case.state, &InnerSettings::default(), crew(1)).state;
    let assembly = Assembly::new(&objective, &minimum, crew(1)).expect("not stopped");
    let freedom = Freedom::new(&assembly, &minimum);
    assert_eq!(freedom.gauges.len(), 4);
    for gauge in &freedom.gauges {
        let flat = norm(&assembly.product(Kind::Exact, gauge));
        assert!(flat < 1e-6 * norm(gauge), "A does not vanish along a gauge: {flat:e}");
    }
    let factor = Arrow::new(&assembly, Kind::Surrogate, &freedom.frame(0.0), crew(1)).expect("B is definite");
    let b = Random::new(3).normals(assembly.len(), 1.0);
    let found = solve_stationarity(&assembly, &factor, &freedom, &b, Control::none()).expect("right lengths");
    assert_eq!(found.status, SolveStatus::Converged);
    for gauge in &freedom.gauges {
        let along: f64 = found.x.iter().zip(gauge).map(|(x, y)| x * y).sum();
        assert!(along.abs() < 1e-9 * norm(&found.x) * norm(gauge), "{along:e}");
    }
}

#[test]
fn bits_of_solutions_do_not_depend_on_threads() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().expect("a pool");
    let case = every_shape(Gate::Amplitude(AmplitudePrior::HalfNormal));
    let objective = case.objective();
    let run = |threads: usize| {
        let assembly = Assembly::new(&objective, &case.state, crew(threads)).expect("not stopped");
        let free = vec![true; assembly.len()];
        let frame = Frame { free: &free, pins: &[], damping: 0.1 };
        let arrow = Arrow::new(&assembly, Kind::Surrogate, &frame, crew(threads)).expect("factors");
        (arrow.solve(&assembly.gradient).expect("solved"), arrow.log_determinant)
    };
    let one = run(1);
    assert_eq!(one, pool.install(|| run(8)));
}
