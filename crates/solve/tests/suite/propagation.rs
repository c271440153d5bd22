//! Cayley steps, Strang splitting, Chebyshev, Padé and imaginary time, against fixtures and closed forms.

#![allow(clippy::print_stdout)]

use std::f64::consts::PI;

use crate::common::*;
use headwater_base::Control;
use headwater_solve::cayley::{chebyshev, imaginary_time};
use headwater_solve::{Cayley, CayleySettings, Complex64, Csr, Graph, Hamiltonian, Operator, Reason, Report, Solver};

const NONE: fn() -> Control<'static> = Control::none;

/// The real case as a real matrix, the magnetic one as a complex one.
fn hamiltonian(case: &serde_json::Value) -> Hamiltonian {
    let n = case["n"].as_u64().expect("n") as usize;
    let edges: Vec<[u32; 2]> =
        array::<f64>("cayley", &case["edges"]).chunks_exact(2).map(|e| [e[0] as u32, e[1] as u32]).collect();
    let graph = Graph::from_edges(n, edges, array::<f64>("cayley", &case["weights"])).expect("edges");
    match case.get("flux") {
        Some(flux) => Hamiltonian::from(&graph.with_flux(array::<f64>("cayley", flux)).expect("angles")),
        None => Hamiltonian::from(&graph),
    }
}

fn propagator(h: &Hamiltonian, dt: f64, solver: Solver, rtol: f64) -> Cayley {
    let settings = CayleySettings { dt, solver, rtol, ..CayleySettings::default() };
    Cayley::new(h.clone(), settings).expect("Hermitian")
}

fn stepped(cayley: &mut Cayley, psi: &[Complex64], steps: usize) -> (Vec<Complex64>, Report) {
    let mut out = psi.to_vec();
    let report = cayley.step(&mut out, steps, NONE()).expect("sizes");
    assert!(report.converged() && report.steps == steps && report.residuals.len() >= steps, "{}", report.reason);
    (out, report)
}

/// Hᵏ x.
fn power(h: &Hamiltonian, x: &[Complex64], k: usize) -> Vec<Complex64> {
    let (mut out, mut image) = (x.to_vec(), x.to_vec());
    for _ in 0..k {
        h.apply(&out, &mut image);
        std::mem::swap(&mut out, &mut image);
    }
    out
}

#[test]
fn a_step_is_that_of_the_fixtures_by_every_solver() {
    for case in cases("cayley") {
        let h = hamiltonian(&case);
        let b = array::<Complex64>("cayley", &case["b"]);
        for step in case["steps"].as_array().expect("steps") {
            let dt = step["dt"].as_f64().expect("dt");
            let plus = array::<Complex64>("cayley", &step["psi_plus"]);
            for solver in [Solver::Direct, Solver::Galerkin, Solver::Cocg, Solver::Cgw, Solver::Cgnr] {
                if solver == Solver::Cocg && !h.is_real() {
                    continue;
                }
                let (out, report) = stepped(&mut propagator(&h, dt, solver, 1e-12), &b, 1);
                let error = distance(&out, &plus);
                let label = format!("{} {solver:?} dt {dt}: {error:e}", case["name"]);
                assert!(error <= if solver == Solver::Direct { 2e-13 } else { 4e-12 }, "{label}");
                assert!(report.worst_residual() <= 1e-12, "{label}");
                if solver == Solver::Galerkin {
                    let allowed = step["matvecs_to_1e12"]["galerkin"].as_u64().expect("a count") as usize + 2;
                    // Two products more are the energies; one confirms.
                    assert!(report.matvecs - 3 <= allowed, "{label}: {}", report.matvecs);
                }
            }
        }
    }
}

#[test]
fn a_hundred_steps_end_where_the_eigendecomposition_does_and_miss_the_exponential_as_predicted() {
    for case in cases("cayley") {
        let h = hamiltonian(&case);
        let b = array::<Complex64>("cayley", &case["b"]);
        let evolution = &case["evolution"];
        let exact = array::<Complex64>("cayley", &evolution["psi_exact"]);
        let expected = array::<Complex64>("cayley", &evolution["psi_cayley"]);
        let mut cayley = propagator(&h, 0.01, Solver::Auto, 1e-12);
        assert_eq!(cayley.solver(), Solver::Direct);
        let (states, report) = cayley.evolve(&b, 100, 40, NONE()).expect("sizes");
        assert_eq!(states.len(), 4 * b.len());
        let last = &states[3 * b.len()..];
        assert!(distance(last, &expected) < 5e-13, "{:e}", distance(last, &expected));
        let predicted = evolution["predicted_error"].as_f64().expect("a number");
        assert!((distance(last, &exact) / predicted - 1.0).abs() < 0.01);
        let energy = report.energy.expect("asked for");
        assert!((energy[0] / evolution["energy"].as_f64().expect("a number") - 1.0).abs() < 1e-12);
        assert!(report.energy_defect().expect("asked for").abs() < 1e-12 * energy[0]);
        assert_eq!(cayley.statistics().steps, 100);
        // The same time by Chebyshev and by order 4.
        let out = chebyshev(&h, &b, 1.0, 1e-14, None, NONE()).expect("bounds");
        assert_eq!(out.reason, Reason::Rtol);
        assert!(distance(&out.psi, &exact) < 2e-13, "{:e}", distance(&out.psi, &exact));
        assert!(out.norm_defect.abs() < 1e-13 && out.truncation <= 1e-14);
        let mut psi = b.clone();
        let order4 = propagator(&h, 0.02, Solver::Galerkin, 1e-13).pade(&mut psi, 50, NONE()).expect("sizes");
        assert!(order4.converged() && order4.residuals.len() == 100);
        let predicted = 0.02_f64.powi(4) / 720.0 * norm(&power(&h, &b, 5));
        assert!((distance(&psi, &exact) / predicted - 1.0).abs() < 0.01, "{:e}", distance(&psi, &exact));
    }
}

#[test]
fn the_norm_drifts_by_less_than_1e_12_in_a_thousand_direct_steps_and_1e_11_in_iterative_ones() {
    for case in cases("cayley") {
        let h = hamiltonian(&case);
        let b = array::<Complex64>("cayley", &case["b"]);
        for dt in [0.1, 1.0] {
            let (_, report) = stepped(&mut propagator(&h, dt, Solver::Direct, 1e-12), &b, 1000);
            println!("{} dt {dt}: direct {:e}", case["name"], report.norm_defect());
            assert!(report.norm_defect().abs() <= 1e-12, "direct dt {dt}: {:e}", report.norm_defect());
            assert!(report.energy_defect().expect("known").abs() <= 1e-11 * report.energy.expect("known")[0]);
        }
        let solvers = [(Solver::Galerkin, 1000), (Solver::Cgnr, 200)];
        for (solver, steps) in solvers {
            let (_, report) = stepped(&mut propagator(&h, 0.1, solver, 1e-13), &b, steps);
            println!("{} {solver:?}: {:e}", case["name"], report.norm_defect());
            assert!(report.norm_defect().abs() <= 1e-11, "{solver:?}: {:e}", report.norm_defect());
            assert!(report.residuals.len() == steps && report.worst_residual() <= 1e-13);
        }
    }
}

#[test]
fn a_truncated_galerkin_run_conserves_and_its_report_says_that_it_is_wrong() {
    let case = &cases("cayley")[0];
    let h = hamiltonian(case);
    let b = array::<Complex64>("cayley", &case["b"]);
    let settings = CayleySettings {
        dt: 1.0,
        solver: Solver::Galerkin,
        max_iterations: Some(2),
        allow_inexact: true,
        ..CayleySettings::default()
    };
    let mut psi = b.clone();
    let mut cayley = Cayley::new(h.clone(), settings.clone()).expect("Hermitian");
    let report = cayley.step(&mut psi, 100, NONE()).expect("sizes");
    assert!(report.norm_defect().abs() < 1e-14 && report.energy_defect().expect("known").abs() < 1e-12);
    assert!(report.steps == 100 && report.reason == Reason::MaxIterations && report.worst_residual() > 0.1);
    // Without leave it stops at once, with the state it had.
    let mut psi = b.clone();
    let strict = CayleySettings { allow_inexact: false, ..settings };
    let report = Cayley::new(h, strict).expect("Hermitian").step(&mut psi, 100, NONE()).expect("sizes");
    assert!(report.steps == 0 && report.residuals.len() == 1 && psi == b);
}

#[test]
fn the_order_is_two_and_that_of_pade_four() {
    let case = &cases("cayley")[0];
    let h = hamiltonian(case);
    let b = array::<Complex64>("cayley", &case["b"]);
    let exact = array::<Complex64>("cayley", &case["evolution"]["psi_exact"]);
    let mut errors = Vec::new();
    for halving in 0..6 {
        let steps = 40 << halving;
        let (out, _) = stepped(&mut propagator(&h, 1.0 / steps as f64, Solver::Galerkin, 1e-13), &b, steps);
        errors.push(distance(&out, &exact));
    }
    for pair in errors.windows(2) {
        let order = (pair[0] / pair[1]).log2();
        assert!((order - 2.0).abs() <= 0.03, "{order}");
    }
    let predicted = (1.0 / 1280.0_f64).powi(2) / 12.0 * norm(&power(&h, &b, 3));
    assert!((errors[5] / predicted - 1.0).abs() < 0.01, "{} against {predicted}", errors[5]);
    let fourth: Vec<f64> = [20_usize, 40, 80]
        .iter()
        .map(|&steps| {
            let mut psi = b.clone();
            let mut cayley = propagator(&h, 1.0 / steps as f64, Solver::Galerkin, 1e-13);
            assert!(cayley.pade(&mut psi, steps, NONE()).expect("sizes").converged());
            distance(&psi, &exact)
        })
        .collect();
    for pair in fourth.windows(2) {
        assert!(((pair[0] / pair[1]).log2() - 4.0).abs() <= 0.1, "{fourth:?}");
    }
}

#[test]
fn a_step_back_undoes_a_step_and_all_solvers_agree() {
    for case in cases("cayley") {
        let h = hamiltonian(&case);
        let b = array::<Complex64>("cayley", &case["b"]);
        let mut ends = Vec::new();
        for solver in [Solver::Direct, Solver::Galerkin, Solver::Cocg, Solver::Cgnr] {
            if solver == Solver::Cocg && !h.is_real() {
                continue;
            }
            let (there, _) = stepped(&mut propagator(&h, 0.1, solver, 1e-13), &b, 1);
            let (back, _) = stepped(&mut propagator(&h, -0.1, solver, 1e-13), &there, 1);
            assert!(distance(&back, &b) <= 1e-12, "{solver:?}: {:e}", distance(&back, &b));
            ends.push(stepped(&mut propagator(&h, 0.1, solver, 1e-13), &b, 20).0);
        }
        for end in &ends[1..] {
            assert!(distance(end, &ends[0]) <= 1e-11, "{:e}", distance(end, &ends[0]));
        }
    }
}

#[test]
fn a_walk_on_a_ring_has_the_phases_of_its_plane_waves() {
    let n = 24;
    let h = Hamiltonian::from(&Graph::ring(n).expect("a ring"));
    let (dt, steps) = (0.3, 50);
    for k in [0, 1, 5, 12, 23] {
        let wave = |j: usize| Complex64::from_polar(1.0, 2.0 * PI * (k * j) as f64 / n as f64);
        let psi: Vec<Complex64> = (0..n).map(wave).collect();
        let eigenvalue = 2.0 - 2.0 * (2.0 * PI * k as f64 / n as f64).cos();
        let phase = -2.0 * (0.5 * dt * eigenvalue).atan() * f64::from(steps);
        for solver in [Solver::Direct, Solver::Galerkin] {
            let (out, _) = stepped(&mut propagator(&h, dt, solver, 1e-13), &psi, steps as usize);
            let expected: Vec<Complex64> = psi.iter().map(|v| v * Complex64::from_polar(1.0, phase)).collect();
            assert!(distance(&out, &expected) < 1e-12, "{k} {solver:?}");
        }
        let t = dt * f64::from(steps);
        let exact: Vec<Complex64> = psi.iter().map(|v| v * Complex64::from_polar(1.0, -eigenvalue * t)).collect();
        for sign in [1.0, -1.0] {
            let start = if sign > 0.0 { &psi } else { &exact };
            let out = chebyshev(&h, start, sign * t, 1e-14, None, NONE()).expect("bounds");
            assert!(distance(&out.psi, if sign > 0.0 { &exact } else { &psi }) < 1e-12, "{k}");
        }
    }
    // With a flux φ on every edge the waves stay and λ_k = 2 − 2cos(2πk/n + φ).
    let flux = 0.2;
    let magnetic = Graph::ring(n).expect("a ring").with_flux(vec![flux; n]).expect("angles");
    let psi: Vec<Complex64> =
        (0..n).map(|j| Complex64::from_polar(1.0, 2.0 * PI * (3 * j) as f64 / n as f64)).collect();
    let eigenvalue = 2.0 - 2.0 * (2.0 * PI * 3.0 / n as f64 + flux).cos();
    let mut image = psi.clone();
    magnetic.magnetic_laplacian().apply(&psi, &mut image);
    let expected: Vec<Complex64> = psi.iter().map(|v| v * eigenvalue).collect();
    assert!(distance(&image, &expected) < 1e-14);
}

#[test]
fn a_strang_step_is_of_order_two_reversible_and_keeps_the_energy_without_drift() {
    let n = 32;
    let graph = Graph::ring(n).expect("a ring");
    let h = Hamiltonian::from(&graph);
    let g = 1.5;
    let psi: Vec<Complex64> = (0..n)
        .map(|j| Complex64::new((-((j as f64 - 16.0) / 4.0).powi(2)).exp(), 0.1 * (j as f64 * 0.7).sin()))
        .collect();
    let energy = |psi: &[Complex64]| {
        let mut image = psi.to_vec();
        h.apply(psi, &mut image);
        let linear: f64 = psi.iter().zip(&image).map(|(a, b)| (a.conj() * b).re).sum();
        linear + 0.5 * g * psi.iter().map(|v| v.norm_sqr().powi(2)).sum::<f64>()
    };
    let run = |psi: &[Complex64], steps: usize, dt: f64| {
        let mut out = psi.to_vec();
        let phase = |v: &[Complex64], theta: &mut [f64]| {
            for (t, v) in theta.iter_mut().zip(v) {
                *t = -0.5 * g * dt * v.norm_sqr();
            }
        };
        let (report, location) =
            propagator(&h, dt, Solver::Direct, 1e-12).strang(&mut out, steps, phase, NONE()).expect("sizes");
        assert!(report.converged() && report.steps == steps && location.is_none());
        assert!(report.norm_defect().abs() < 1e-12);
        out
    };
    let reference = run(&psi, 4096, 1.0 / 4096.0);
    let errors: Vec<f64> = [32, 64, 128].iter().map(|&s| distance(&run(&psi, s, 1.0 / s as f64), &reference)).collect();
    for pair in errors.windows(2) {
        assert!(((pair[0] / pair[1]).log2() - 2.0).abs() < 0.03, "{errors:?}");
    }
    let there = run(&psi, 100, 0.05);
    assert!(distance(&run(&there, 100, -0.05), &psi) < 1e-11);
    let defect = |t: usize| (energy(&run(&psi, t * 20, 0.05)) / energy(&psi) - 1.0).abs();
    assert!((1..=10).map(|t| defect(10 * t)).fold(0.0, f64::max) < 3e-3);
    // An angle that is not a number ends the run, the state as before.
    let mut out = psi.clone();
    let (report, location) = propagator(&h, 0.1, Solver::Direct, 1e-12)
        .strang(&mut out, 3, |_, theta| theta.fill(f64::NAN), NONE())
        .expect("sizes");
    assert!(report.reason == Reason::NonFinite && location.is_some() && out == psi);
}

#[test]
fn imaginary_time_damps_each_mode_and_names_an_indefinite_system() {
    let n = 20;
    let graph = Graph::ring(n).expect("a ring");
    let h = graph.laplacian().expect("no flux");
    let mut u: Vec<f64> = (0..n).map(|j| 1.0 + (2.0 * PI * (3 * j) as f64 / n as f64).cos()).collect();
    let report = imaginary_time(&h, &mut u, 0.4, 10, 1e-13, NONE()).expect("sizes");
    assert!(report.steps == 10 && report.reason == Reason::Rtol && report.residuals.len() == 10);
    let factor = (1.0 + 0.4 * (2.0 - 2.0 * (2.0 * PI * 3.0 / n as f64).cos())).powi(-10);
    for (j, u) in u.iter().enumerate() {
        let expected = 1.0 + factor * (2.0 * PI * (3 * j) as f64 / n as f64).cos();
        assert!((u - expected).abs() < 1e-11, "{j}");
    }
    let report = imaginary_time(&h, &mut gaussian::<f64>(n, 1), -1.0, 1, 1e-10, NONE()).expect("sizes");
    assert!(matches!(report.reason, Reason::IndefiniteOperator | Reason::ZeroCurvature) && report.steps == 0);
}

#[test]
fn bounds_that_do_not_hold_are_found_out() {
    let case = &cases("cayley")[0];
    let h = hamiltonian(case);
    let b = array::<Complex64>("cayley", &case["b"]);
    let out = chebyshev(&h, &b, 10.0, 1e-12, Some((0.0, 7.0)), NONE()).expect("finite");
    assert!(out.reason == Reason::Diverged && out.psi == b);
    let tight = chebyshev(&h, &b, 10.0, 1e-14, Some((0.0, 9.945)), NONE()).expect("finite");
    let safe = chebyshev(&h, &b, 10.0, 1e-14, None, NONE()).expect("finite");
    assert!(distance(&tight.psi, &safe.psi) < 1e-12 && tight.terms < safe.terms);
}

#[test]
fn misuse_is_refused_and_broken_numbers_are_named() {
    let code = |h: Hamiltonian, settings: CayleySettings| Cayley::new(h, settings).expect_err("refused").code;
    let csr = |t: &[(usize, usize, f64)]| Hamiltonian::from(Csr::from_triplets(2, 2, t).expect("in range"));
    let plain = CayleySettings::default;
    assert_eq!(code(csr(&[(0, 1, 1.0)]), plain()), "not-hermitian");
    assert_eq!(code(csr(&[(0, 0, f64::NAN)]), plain()), "operator-not-finite");
    assert_eq!(code(csr(&[(0, 0, 1.0)]), CayleySettings { dt: f64::INFINITY, ..plain() }), "option-not-valid");
    assert_eq!(code(csr(&[(0, 0, 1.0)]), CayleySettings { rtol: 0.0, ..plain() }), "option-not-valid");
    let magnetic = Graph::ring(4).expect("a ring").with_flux(vec![0.3; 4]).expect("angles");
    assert_eq!(
        code(Hamiltonian::from(&magnetic), CayleySettings { solver: Solver::Cocg, ..plain() }),
        "option-not-valid"
    );
    // A matrix-free operator is probed.
    let skew = headwater_solve::operator::FnOperator {
        size: 3,
        apply: |x: &[Complex64], y: &mut [Complex64]| y.copy_from_slice(&[x[1], -x[0], x[2]]),
    };
    assert_eq!(code(Hamiltonian::Operator(std::sync::Arc::new(skew)), plain()), "not-hermitian");
    let good = headwater_solve::operator::FnOperator {
        size: 3,
        apply: |x: &[Complex64], y: &mut [Complex64]| y.copy_from_slice(&[x[1], x[0], x[2]]),
    };
    let good = Hamiltonian::Operator(std::sync::Arc::new(good));
    for solver in [Solver::Direct, Solver::Galerkin] {
        let mut cayley = propagator(&good, 0.2, solver, 1e-12);
        for bad in [f64::NAN, f64::INFINITY] {
            let mut psi = vec![Complex64::new(1.0, 0.0), Complex64::new(bad, 0.0), Complex64::default()];
            let report = cayley.step(&mut psi, 3, NONE()).expect("sizes");
            assert!(report.reason == Reason::NonFinite && report.steps == 0, "{solver:?}");
        }
        for scale in [1e-200, 1e200] {
            let psi = vec![Complex64::new(scale, 0.0), Complex64::default(), Complex64::new(0.0, scale)];
            let (out, report) = stepped(&mut cayley, &psi, 2);
            assert!((norm(&out) / norm(&psi) - 1.0).abs() < 1e-12 && report.worst_residual() < 1e-12, "{solver:?}");
        }
        let (zero, _) = stepped(&mut cayley, &[Complex64::default(); 3], 2);
        assert_eq!(norm(&zero), 0.0);
        assert_eq!(cayley.step(&mut [Complex64::default()], 1, NONE()).expect_err("refused").code, "option-not-valid");
    }
}

#[test]
fn generated_graphs_are_what_they_say() {
    let grid = Graph::grid(3, 4, false).expect("a grid");
    assert_eq!((grid.nodes(), grid.edges().len()), (12, 17));
    assert_eq!(Graph::grid(3, 4, true).expect("a torus").edges().len(), 24);
    let world = Graph::small_world(100, 6, 0.2, 7).expect("a small world");
    assert_eq!(world.edges().len(), 300);
    let distinct: std::collections::HashSet<_> = world.edges().iter().collect();
    assert!(distinct.len() == 300 && world.edges().iter().all(|[i, j]| i < j));
    assert_ne!(world, Graph::small_world(100, 6, 0.2, 8).expect("another"));
    assert_eq!(world, Graph::small_world(100, 6, 0.2, 7).expect("the same"));
    // Nothing moved: the ring lattice; all moved: hardly a lattice edge is left.
    let lattice = Graph::small_world(50, 4, 0.0, 1).expect("a lattice");
    assert!(lattice.edges().iter().all(|[i, j]| matches!(j - i, 1 | 2 | 48 | 49)));
    let complete = Graph::small_world(9, 8, 1.0, 1).expect("complete");
    assert_eq!(complete.edges().len(), 36);
    let pairs = Graph::ring_with_pairs(256, 5, 42).expect("a ring");
    assert!((620..=640).contains(&pairs.edges().len()));
    let h = Graph::combine(&[(0.5, &grid), (2.0, &grid)]).expect("same nodes").laplacian().expect("no flux");
    let sums: f64 = (0..12).map(|i| h.row(i).1.iter().sum::<f64>().abs()).sum();
    assert!(sums < 1e-14 && h.get(0, 1) == -2.5 && h.is_hermitian());
    for refused in [
        Graph::ring(2),
        Graph::grid(2, 5, true),
        Graph::small_world(5, 3, 0.1, 0),
        Graph::small_world(9, 4, 1.5, 0),
        Graph::ring_with_pairs(8, 9, 0),
        Graph::from_edges(2, vec![[0, 0]], vec![1.0]),
        Graph::from_edges(2, vec![[0, 2]], vec![1.0]),
        Graph::from_edges(2, vec![[0, 1]], vec![f64::NAN]),
        Graph::from_edges(2, vec![[0, 1]], vec![]),
        Graph::combine(&[]),
    ] {
        assert_eq!(refused.expect_err("refused").code, "graph-not-valid");
    }
}
