//! Cayley steps by the stored transform, by either route, and of many states at once.

use headwater_base::Control;
use headwater_base::rng::{Purpose, Stream};
use headwater_solve::{Cayley, CayleySettings, Complex64, Csr, Graph, Hamiltonian, Operator, Reason, Scalar, Solver};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const NONE: fn() -> Control<'static> = Control::none;

fn graph(n: usize, magnetic: bool) -> Hamiltonian {
    let graph = Graph::small_world(n, 6, 0.3, 5).expect("a small world");
    if !magnetic {
        return Hamiltonian::from(&graph);
    }
    let flux = (0..graph.edges().len()).map(|k| (k as f64).sin()).collect();
    Hamiltonian::from(&graph.with_flux(flux).expect("angles"))
}

fn random(n: usize, seed: u32) -> Vec<Complex64> {
    let mut random = Stream::new(3, Purpose::Probe, seed);
    (0..n).map(|_| Complex64::normal(&mut random)).collect()
}

fn distance(x: &[Complex64], y: &[Complex64]) -> f64 {
    let difference: f64 = x.iter().zip(y).map(|(x, y)| (x - y).norm_sqr()).sum();
    (difference / y.iter().map(|v| v.norm_sqr()).sum::<f64>()).sqrt()
}

fn propagator(h: &Hamiltonian, dt: f64, solver: Solver) -> Cayley {
    Cayley::new(h.clone(), CayleySettings { dt, solver, rtol: 1e-11, ..CayleySettings::default() }).expect("Hermitian")
}

#[test]
fn both_routes_to_the_transform_agree_and_leave_a_residual_of_rounding() {
    for (n, magnetic) in [(1, false), (7, false), (64, false), (65, true), (130, false), (131, true)] {
        let h = if n < 8 {
            Hamiltonian::from(
                Csr::from_triplets(n, n, &(0..n).map(|i| (i, i, i as f64 + 0.5)).collect::<Vec<_>>())
                    .expect("a diagonal"),
            )
        } else {
            graph(n, magnetic)
        };
        let psi = random(n, 1);
        // Λ from 0.1 to 7 by factors, beyond 16 by the eigendecomposition.
        for dt in [0.02, 0.1, 1.0, -1.0, 40.0, 1e4] {
            let mut ends = Vec::new();
            for solver in [Solver::Direct, Solver::Eigen] {
                let mut out = psi.clone();
                let report = propagator(&h, dt, solver).step(&mut out, 1, NONE()).expect("sizes");
                let lambda = 0.5 * f64::abs(dt) * h.bounds().expect("elements").1;
                assert!(
                    report.worst_residual() < 2e-15 * (4.0 + lambda.min(16.0).powi(2) / 16.0 + lambda) * 4.0,
                    "{n} {dt} {solver:?}: {:e}",
                    report.worst_residual()
                );
                assert!(report.norm_defect().abs() < 4e-15, "{n} {dt} {solver:?}: {:e}", report.norm_defect());
                ends.push(out);
            }
            assert!(
                distance(&ends[0], &ends[1]) < 1e-13 * (1.0 + dt.abs()),
                "{n} {dt}: {:e}",
                distance(&ends[0], &ends[1])
            );
        }
    }
}

#[test]
fn a_step_too_long_for_any_proof_is_finite_unitary_and_not_called_right() {
    let n = 30;
    for solver in [Solver::Direct, Solver::Eigen] {
        let settings =
            CayleySettings { dt: 1e200, solver, allow_inexact: true, energy: false, ..CayleySettings::default() };
        let mut out = random(n, 2);
        let report =
            Cayley::new(graph(n, false), settings).expect("Hermitian").step(&mut out, 1, NONE()).expect("sizes");
        assert!(out.iter().all(|v| v.is_finite()) && report.norm_defect().abs() < 1e-13);
        assert_eq!(report.reason, Reason::AccuracyLimit);
    }
}

#[test]
fn a_dense_real_operator_is_seen_to_be_real() {
    let n = 40;
    let Hamiltonian::Real(h) = graph(n, false) else { unreachable!("no flux") };
    let psi = random(n, 3);
    let (mut one, mut two) = (psi.clone(), psi);
    propagator(&Hamiltonian::Real(h.clone()), 0.3, Solver::Direct).step(&mut one, 5, NONE()).expect("sizes");
    let lifted: Arc<dyn Operator<Complex64>> = Arc::new(headwater_solve::Lifted(Arc::new(h)));
    propagator(&Hamiltonian::Operator(lifted), 0.3, Solver::Direct).step(&mut two, 5, NONE()).expect("sizes");
    assert_eq!(one, two);
}

#[test]
fn the_norm_holds_for_a_thousand_steps_by_the_eigendecomposition() {
    for magnetic in [false, true] {
        let mut out = random(50, 4);
        let report = propagator(&graph(50, magnetic), 0.3, Solver::Eigen).step(&mut out, 1000, NONE()).expect("sizes");
        assert!(report.converged() && report.norm_defect().abs() < 1e-12, "{:e}", report.norm_defect());
    }
}

#[test]
fn a_set_up_is_given_up_when_it_is_cancelled() {
    for solver in [Solver::Direct, Solver::Eigen] {
        let flag = AtomicBool::new(false);
        flag.store(true, Ordering::Relaxed);
        let mut out = random(60, 5);
        let before = out.clone();
        let report = propagator(&graph(60, false), 0.1, solver)
            .step(&mut out, 3, Control::new(Some(&flag), None))
            .expect("sizes");
        assert_eq!((report.reason, report.steps), (Reason::Aborted, 0));
        assert_eq!(out, before);
    }
}

#[test]
fn states_side_by_side_are_those_one_by_one_each_with_its_report() {
    for (magnetic, solvers) in [
        (false, &[Solver::Direct, Solver::Eigen, Solver::Galerkin, Solver::Cocg, Solver::Cgw, Solver::Cgnr][..]),
        (true, &[Solver::Direct, Solver::Galerkin, Solver::Cgnr][..]),
    ] {
        let (n, k) = (40, 5);
        let h = graph(n, magnetic);
        let mut columns: Vec<Vec<Complex64>> = (0..k).map(|c| random(n, 10 + c as u32)).collect();
        // One that is zero and one with a size of its own.
        columns[1].fill(Complex64::default());
        columns[2].iter_mut().for_each(|v| *v = v.scale(1e150));
        let block: Vec<Complex64> = (0..n * k).map(|at| columns[at % k][at / k]).collect();
        for &solver in solvers {
            let mut many = block.clone();
            let reports = propagator(&h, 0.4, solver).step_many(&mut many, k, 7, NONE()).expect("sizes");
            let mut one = propagator(&h, 0.4, solver);
            for c in 0..k {
                let mut alone = columns[c].clone();
                let report = one.step(&mut alone, 7, NONE()).expect("sizes");
                let found: Vec<Complex64> = (0..n).map(|i| many[i * k + c]).collect();
                if c != 1 {
                    let scale = if c == 2 { 1e-150 } else { 1.0 };
                    let scaled = |x: &[Complex64]| x.iter().map(|v| v.scale(scale)).collect::<Vec<_>>();
                    assert!(distance(&scaled(&found), &scaled(&alone)) < 1e-10, "{solver:?} {c}");
                }
                assert_eq!(
                    (reports[c].steps, reports[c].converged()),
                    (7, true),
                    "{solver:?} {c}: {}",
                    reports[c].reason
                );
                assert_eq!(reports[c].residuals.len(), report.residuals.len());
                assert!(reports[c].norm_defect().abs() < 1e-9, "{solver:?} {c}");
            }
        }
        let (states, reports) =
            propagator(&h, 0.4, Solver::Direct).evolve_many(&block, k, 5, 2, NONE()).expect("sizes");
        assert_eq!((states.len(), reports.len()), (4 * n * k, k));
        assert_eq!(states[..n * k], block[..]);
    }
}

#[test]
fn a_state_that_fails_stays_and_the_others_go_on() {
    let (n, k) = (40, 3);
    let h = graph(n, false);
    let mut block: Vec<Complex64> = random(n * k, 20);
    block[7 * k + 1] = Complex64::new(f64::NAN, 0.0);
    for solver in [Solver::Direct, Solver::Galerkin] {
        let mut many = block.clone();
        let reports = propagator(&h, 0.4, solver).step_many(&mut many, k, 4, NONE()).expect("sizes");
        assert_eq!(reports.iter().map(|r| r.steps).collect::<Vec<_>>(), [4, 0, 4], "{solver:?}");
        assert_eq!(reports[1].reason, Reason::NonFinite);
        assert!(reports[0].converged() && reports[2].converged());
        for i in 0..n {
            assert_eq!(many[i * k + 1].re.to_bits(), block[i * k + 1].re.to_bits());
        }
    }
    let mut short = block.clone();
    assert!(propagator(&h, 0.4, Solver::Direct).step_many(&mut short, 2, 4, NONE()).is_err());
    assert!(propagator(&h, 0.4, Solver::Direct).step_many(&mut [], 0, 4, NONE()).is_err());
}
