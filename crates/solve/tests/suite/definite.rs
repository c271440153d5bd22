//! Conjugate gradients against the fixtures with known spectrum, and each of its reasons.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::*;
use headwater_base::Control;
use headwater_solve::operator::FnOperator;
use headwater_solve::{Complex64, Csr, Jacobi, Location, Method, NullSpace, Operator, Reason, Scalar, Settings, solve};

fn check_case<T: Scalar>(case: &serde_json::Value) {
    let n = case["n"].as_u64().expect("n") as usize;
    let a = dense::<T>(n, array("definite", &case["A"]));
    let (b, x) = (array::<T>("definite", &case["b"]), array::<T>("definite", &case["x"]));
    let kappa = case["kappa"].as_f64().unwrap_or(200.0);
    // Beyond n iterations the count depends on the order of summation: the same system with its unknowns permuted takes
    // 125 to 132 iterations in textbook form. The median over permutations is compared.
    for (rtol, expected) in case["iterations"].as_object().expect("by rtol") {
        let rtol: f64 = rtol.parse().expect("a number");
        let mut counts = Vec::new();
        for step in [1, 7, 11, 13, 17, 19, 23, 29, 31].into_iter().filter(|step| !n.is_multiple_of(*step) || *step == 1)
        {
            let order: Vec<usize> = (0..n).map(|i| i * step % n).collect();
            let data = (0..n * n).map(|k| a.data()[order[k / n] * n + order[k % n]]).collect();
            let (a, b) = (dense(n, data), order.iter().map(|&i| b[i]).collect::<Vec<T>>());
            let out = run(Method::Cg, &a, &b, &to_rtol(rtol));
            assert_eq!(out.reason, Reason::Rtol, "{}", case["name"]);
            assert!(relative(&a, &out.x, &b) <= rtol * (1.0 + 1e-6));
            let x: Vec<T> = order.iter().map(|&i| x[i]).collect();
            assert!(distance(&out.x, &x) <= 10.0 * kappa * rtol);
            let condition = out.condition.expect("an estimate");
            assert!(condition.kappa <= kappa * (1.0 + 1e-6), "a lower bound: {} of {kappa}", condition.kappa);
            assert!(condition.kappa >= 0.5 * kappa, "{}: {} of {kappa}", case["name"], condition.kappa);
            counts.push(out.iterations);
        }
        counts.sort_unstable();
        let bound = expected["bound"].as_u64().or(expected["cg"].as_u64().map(|k| k + 2)).expect("a count") as usize;
        if kappa <= 1e3 {
            assert!(counts[counts.len() / 2] <= bound, "{}: {counts:?} iterations, {bound} allowed", case["name"]);
        }
    }
}

#[test]
fn systems_of_known_spectrum_are_solved_in_the_known_number_of_iterations() {
    for case in cases("definite") {
        if case.get("iterations").is_some_and(serde_json::Value::is_object) && case.get("A").is_some() {
            if case["complex"] == true { check_case::<Complex64>(&case) } else { check_case::<f64>(&case) }
        }
    }
}

fn named(name: &str) -> serde_json::Value {
    cases("definite").into_iter().find(|case| case["name"] == name).expect("a case")
}

#[test]
fn an_unattainable_tolerance_is_an_accuracy_limit_with_its_gap() {
    let case = named("accuracy_limit");
    let a = dense::<f64>(20, array("definite", &case["A"]));
    let b = array("definite", &case["b"]);
    let out = run(Method::Cg, &a, &b, &to_rtol(1e-15));
    assert_eq!(out.reason, Reason::AccuracyLimit, "after {}", out.iterations);
    assert!(out.gap.expect("a gap") > 0.0 && out.residual.relative.expect("known") < 1e-8);
}

#[test]
fn a_negative_eigenvalue_is_found_with_its_direction() {
    let case = named("diag_minus_one");
    let a = diagonal(&numbers(&case["A_diagonal"]));
    let out = run(Method::Cg, &a, &[1.0; 24], &Settings::default());
    assert_eq!(out.reason, Reason::IndefiniteOperator);
    assert_eq!(out.iterations, 1);
    let (p, curvature) = (out.direction.expect("a direction"), out.curvature.expect("its curvature"));
    let mut q = vec![0.0; 24];
    Operator::apply(&a, &p, &mut q);
    assert!((f64::dot(&p, &q) - curvature).abs() < 1e-14 && curvature < 0.0);
    assert!(out.x.iter().all(|v| v.is_finite()));

    let case = named("indefinite");
    let a = dense::<f64>(24, array("definite", &case["A"]));
    let out = run(Method::Cg, &a, &array("definite", &case["b"]), &to_rtol(1e-10));
    assert_eq!((out.reason, out.iterations), (Reason::IndefiniteOperator, 1));
}

#[test]
fn a_singular_laplacian_is_solved_with_its_null_space_and_refused_when_inconsistent_without() {
    let case = named("ring_laplacian_singular");
    let edges: Vec<_> = case["edges"]
        .as_array()
        .expect("edges")
        .iter()
        .zip(numbers(&case["weights"]))
        .map(|(e, w)| (e[0].as_u64().expect("i") as usize, e[1].as_u64().expect("j") as usize, w))
        .collect();
    let a = laplacian::<f64>(12, &edges, None);
    let b = numbers(&case["b_consistent"]);
    let space = std::sync::Arc::new(NullSpace::new(&[vec![1.0; 12]]).expect("a basis"));
    let settings = Settings { null_space: Some(space.clone()), ..to_rtol(1e-12) };
    let out = run(Method::Cg, &a, &b, &settings);
    assert_eq!(out.reason, Reason::Rtol);
    assert!(distance(&out.x, &numbers(&case["x_minimum_norm"])) < 1e-11);
    assert!(out.inconsistency.expect("reported") < 1e-14);
    for shift in [1.0, 1e-3] {
        let shifted: Vec<f64> = b.iter().map(|v| v + shift).collect();
        let out = run(Method::Cg, &a, &shifted, &to_rtol(1e-12));
        assert_eq!(out.reason, Reason::ZeroCurvature, "after {}", out.iterations);
        let out = run(Method::Cg, &a, &shifted, &settings);
        assert_eq!(out.reason, Reason::Rtol);
        assert!((out.inconsistency.expect("reported") - shift * 12.0_f64.sqrt()).abs() < 1e-12);
    }
}

#[test]
fn larger_inconsistent_laplacians_end_as_zero_curvature() {
    for m in [10, 30] {
        let mut edges = Vec::new();
        for i in 0..m * m {
            if i % m + 1 < m {
                edges.push((i, i + 1, 1.0));
            }
            if i + m < m * m {
                edges.push((i, i + m, 1.0 + 0.1 * (i % 7) as f64));
            }
        }
        let a = laplacian::<f64>(m * m, &edges, None);
        let out = run(Method::Cg, &a, &gaussian(m * m, 3), &to_rtol(1e-10));
        assert_eq!(out.reason, Reason::ZeroCurvature, "after {} at {:?}", out.iterations, out.residual);
    }
}

#[test]
fn non_finite_input_is_located() {
    let a = diagonal(&[1.0, 2.0, 3.0]);
    let at = |b: [f64; 3], settings: &Settings<f64>, a: &dyn Operator<f64>| {
        let out = run(Method::Cg, a, &b, settings);
        assert!(out.x.iter().all(|v| v.is_finite()));
        (out.reason, out.location)
    };
    let fine = Settings::default();
    assert_eq!(at([1.0, f64::NAN, 0.0], &fine, &a), (Reason::NonFinite, Some(Location::Rhs)));
    let guess = Settings { x0: Some(vec![f64::INFINITY, 0.0, 0.0]), ..Settings::default() };
    assert_eq!(at([1.0, 1.0, 0.0], &guess, &a), (Reason::NonFinite, Some(Location::Guess)));
    let bad = diagonal(&[1.0, f64::NAN, 3.0]);
    assert_eq!(at([1.0, 1.0, 1.0], &fine, &bad), (Reason::NonFinite, Some(Location::Operator)));
    let nan = headwater_solve::operator::FnPreconditioner(|_: &[f64], z: &mut [f64]| z.fill(f64::NAN));
    let out = solve(Method::Cg, &a, Some(&nan), &[1.0; 3], &fine, Control::none()).expect("no misuse");
    assert_eq!((out.reason, out.location), (Reason::NonFinite, Some(Location::Preconditioner)));
}

#[test]
fn extreme_scales_change_nothing_but_the_exponent() {
    let a = with_spectrum::<f64>(&geometric(1e3, 30), 1);
    let b = gaussian::<f64>(30, 1);
    let plain = run(Method::Cg, &a, &b, &to_rtol(1e-10));
    // Powers of two: the same bits.
    let (big, small) = (2.0_f64.powi(660), 2.0_f64.powi(-660));
    for (fa, fb) in [(big, big), (small, small), (1.0, small), (1.0, big), (big, 1.0), (small, 1.0)] {
        let scaled = dense(30, a.data().iter().map(|v| v * fa).collect());
        let rhs: Vec<f64> = b.iter().map(|v| v * fb).collect();
        let out = run(Method::Cg, &scaled, &rhs, &to_rtol(1e-10));
        assert_eq!((out.reason, out.iterations), (Reason::Rtol, plain.iterations), "{fa:e} {fb:e}");
        for i in 0..30 {
            assert_eq!(out.x[i], plain.x[i] * (fb / fa));
        }
        assert!((out.condition.expect("one").max / fa / plain.condition.expect("one").max - 1.0).abs() < 1e-12);
    }
    // A solution outside the range is said to be so.
    let scaled = dense(30, a.data().iter().map(|v| v * small).collect());
    let rhs: Vec<f64> = b.iter().map(|v| v * big).collect();
    let out = run(Method::Cg, &scaled, &rhs, &to_rtol(1e-10));
    assert_eq!((out.reason, out.location), (Reason::NonFinite, Some(Location::Solution)));
    let scaled = dense(30, a.data().iter().map(|v| v * big).collect());
    let rhs: Vec<f64> = b.iter().map(|v| v * small).collect();
    assert_eq!(run(Method::Cg, &scaled, &rhs, &to_rtol(1e-10)).reason, Reason::AccuracyLimit);
}

#[test]
fn a_skew_part_is_found_by_the_entries_by_the_probe_and_on_the_way() {
    let case = &cases("cayley")[0];
    let h = graph(case);
    let n = 2 * h.rows();
    // The real-block form of I + i(dt/2)H.
    let apply = |x: &[f64], y: &mut [f64]| {
        let z: Vec<Complex64> = (0..n / 2).map(|i| Complex64::new(x[i], x[n / 2 + i])).collect();
        let mut image = z.clone();
        Operator::apply(&h, &z, &mut image);
        for i in 0..n / 2 {
            let v = z[i] + Complex64::new(0.0, 0.05) * image[i];
            (y[i], y[n / 2 + i]) = (v.re, v.im);
        }
    };
    let a = FnOperator { size: n, apply };
    let b = gaussian::<f64>(n, 5);
    let out = run(Method::Cg, &a, &b, &Settings::default());
    assert_eq!((out.reason, out.iterations, out.probes), (Reason::NotHermitian, 0, 3));
    let out = run(Method::Cg, &a, &b, &Settings { probe: false, ..Settings::default() });
    assert_eq!(out.reason, Reason::NotHermitian);
    assert!(out.iterations <= 3, "after {}", out.iterations);
    let skew = Csr::from_triplets(2, 2, &[(0, 0, 1.0), (0, 1, 1e-6), (1, 1, 1.0)]).expect("valid");
    assert_eq!(run(Method::Cg, &skew, &[1.0, 2.0], &Settings::default()).reason, Reason::NotHermitian);
    // In complex form the imaginary part shows it at once.
    let form = headwater_solve::operator::Shifted {
        operator: &h,
        shift: Complex64::new(1.0, 0.0),
        factor: Complex64::new(0.0, 0.05),
    };
    let out = run(Method::Cg, &form, &gaussian(n / 2, 6), &Settings { probe: false, ..Settings::default() });
    assert_eq!((out.reason, out.iterations), (Reason::NotHermitian, 0));
}

#[test]
fn a_complex_system_and_its_real_embedding_have_the_same_iterates() {
    let n = 20;
    let a = with_spectrum::<Complex64>(&geometric(50.0, n), 4);
    let b = gaussian::<Complex64>(n, 4);
    let mut data = vec![0.0; 4 * n * n];
    for i in 0..n {
        for j in 0..n {
            let v = a.data()[i * n + j];
            data[i * 2 * n + j] = v.re;
            data[(n + i) * 2 * n + n + j] = v.re;
            data[i * 2 * n + n + j] = -v.im;
            data[(n + i) * 2 * n + j] = v.im;
        }
    }
    let embedding = dense(2 * n, data);
    let rhs: Vec<f64> = b.iter().map(|v| v.re).chain(b.iter().map(|v| v.im)).collect();
    for k in 1..12 {
        let settings = Settings { max_iterations: Some(k), ..Settings::default() };
        let x = run(Method::Cg, &a, &b, &settings).x;
        let settings = Settings { max_iterations: Some(k), ..Settings::default() };
        let y = run(Method::Cg, &embedding, &rhs, &settings).x;
        let y: Vec<Complex64> = (0..n).map(|i| Complex64::new(y[i], y[n + i])).collect();
        assert!(distance(&x, &y) < 1e-12, "iteration {k}");
    }
}

#[test]
fn random_definite_systems_keep_to_the_bound_of_the_rate() {
    for (n, kappa) in [(10, 10.0), (10, 1e3), (200, 10.0), (200, 1e3), (200, 1e6)] {
        let a = with_spectrum::<f64>(&geometric(kappa, n), 7);
        let b = gaussian::<f64>(n, 7);
        let out = run(Method::Cg, &a, &b, &Settings { max_iterations: Some(50 * n), ..to_rtol(1e-8) });
        assert_eq!(out.reason, Reason::Rtol, "n {n} kappa {kappa}");
        assert!(relative(&a, &out.x, &b) <= 1e-8);
        if kappa <= 1e3 {
            let rho = (kappa.sqrt() - 1.0) / (kappa.sqrt() + 1.0);
            // The residual norm is within √κ of the A-norm that the bound is about.
            let bound = ((2.0 * kappa.sqrt() / 1e-8).ln() / -rho.ln()).ceil() as usize + 5;
            assert!(out.iterations <= bound, "{} > {bound}", out.iterations);
        }
    }
    let values: Vec<f64> = (0..60).map(|i| [1.0, 3.0, 50.0][i % 3]).collect();
    assert!(run(Method::Cg, &with_spectrum::<f64>(&values, 8), &gaussian(60, 8), &to_rtol(1e-10)).iterations <= 5);
}

#[test]
fn trivial_ends_have_their_own_reasons() {
    let a = diagonal(&[1.0, 2.0, 4.0]);
    assert_eq!(run(Method::Cg, &a, &[0.0; 3], &Settings::default()).reason, Reason::ZeroRhs);
    let settings = Settings { x0: Some(vec![1.0, 1.0, 1.0]), ..Settings::default() };
    let out = run(Method::Cg, &a, &[1.0, 2.0, 4.0], &settings);
    assert_eq!((out.reason, out.iterations, out.guess_used), (Reason::ExactGuess, 0, true));
    let settings = Settings { x0: Some(vec![1e3, 0.0, 0.0]), ..Settings::default() };
    let out = run(Method::Cg, &a, &[1.0, 2.0, 4.0], &settings);
    assert!(out.converged() && !out.guess_used);
    let settings = Settings { atol: 1e-3, ..to_rtol(1e-9) };
    assert_eq!(run(Method::Cg, &a, &[1.0, 2.0, 4.0], &settings).reason, Reason::Atol);
    let grid = poisson(20);
    let b = gaussian::<f64>(400, 2);
    let out = run(Method::Cg, &grid, &b, &Settings { max_iterations: Some(5), ..Settings::default() });
    assert_eq!((out.reason, out.iterations), (Reason::MaxIterations, 5));
    let settings = Settings { time_limit: Some(std::time::Duration::ZERO), ..Settings::default() };
    assert_eq!(run(Method::Cg, &grid, &b, &settings).reason, Reason::TimeLimit);
    let flag = AtomicBool::new(false);
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let sink = |_| {
        if seen.fetch_add(1, Ordering::Relaxed) == 6 {
            flag.store(true, Ordering::Relaxed);
        }
    };
    let control = Control::new(Some(&flag), Some(&sink));
    let out = solve(Method::Cg, &grid, None, &b, &Settings::default(), control).expect("no misuse");
    assert_eq!((out.reason, out.iterations), (Reason::Aborted, 8));
    // A matrix answers at once, so that the residual of what is returned is known after an abort too.
    let known = out.residual.relative.expect("a native operator");
    assert!((known - relative(&grid, &out.x, &b)).abs() < 1e-14 && known < 1.0);
    let settings = Settings { history: true, ..to_rtol(1e-9) };
    let out = run(Method::Cg, &grid, &b, &settings);
    let history = out.history.expect("asked for");
    assert_eq!(history.len(), out.iterations + 1);
    assert_eq!(history[0], norm(&b));
}

#[test]
fn misuse_is_an_error() {
    let a = diagonal(&[1.0, 2.0, 4.0]);
    let refused =
        |b: &[f64], settings: Settings<f64>| solve(Method::Cg, &a, None, b, &settings, Control::none()).is_err();
    assert!(refused(&[1.0; 2], Settings::default()));
    assert!(refused(&[1.0; 3], to_rtol(-1.0)));
    assert!(refused(&[1.0; 3], to_rtol(f64::NAN)));
    assert!(refused(&[1.0; 3], Settings { radius: Some(0.0), ..Settings::default() }));
    assert!(refused(&[1.0; 3], Settings { x0: Some(vec![0.0; 2]), ..Settings::default() }));
}

#[test]
fn the_energy_error_is_estimated_from_below() {
    let a = with_spectrum::<f64>(&geometric(100.0, 40), 9);
    let b = gaussian::<f64>(40, 9);
    let exact = run(Method::Cg, &a, &b, &to_rtol(1e-14)).x;
    let at = |k| run(Method::Cg, &a, &b, &Settings { max_iterations: Some(k), ..to_rtol(1e-14) });
    let estimate = at(15).energy_error.expect("after 15 iterations");
    let e: Vec<f64> = at(10).x.iter().zip(&exact).map(|(x, y)| x - y).collect();
    let mut image = vec![0.0; 40];
    a.apply(&e, &mut image);
    let energy = f64::dot(&e, &image).sqrt();
    assert!(estimate <= energy * (1.0 + 1e-10) && estimate > 0.5 * energy, "{estimate} of {energy}");
}

#[test]
fn no_tolerance_at_all_ends_at_the_limit_of_rounding_not_at_a_wrong_accusation() {
    for n in [3, 12, 40] {
        let row = |i: usize| [(i, i, 2.0), (i, (i + 1) % n, -0.9), ((i + 1) % n, i, -0.9)];
        let a = Csr::from_triplets(n, n, &(0..n).flat_map(row).collect::<Vec<_>>()).expect("valid");
        let b: Vec<f64> = (0..n).map(|i| (i as f64).sin() + 0.3).collect();
        for method in [Method::Cg, Method::Minres, Method::Cr, Method::Cgnr, Method::Lsqr] {
            let out = run(method, &a, &b, &to_rtol(0.0));
            let ends = [Reason::AccuracyLimit, Reason::Stagnation, Reason::MaxIterations, Reason::Rtol];
            assert!(ends.contains(&out.reason), "{method:?} {n}: {}", out.reason);
            assert!(out.residual.relative.expect("known") < 1e-12, "{method:?} {n}");
        }
        let diagonal = Jacobi::new(&a.diagonal()).expect("positive");
        let out = solve(Method::Cg, &a, Some(&diagonal), &b, &to_rtol(0.0), Control::none()).expect("valid");
        assert!([Reason::AccuracyLimit, Reason::Rtol].contains(&out.reason), "{n}: {}", out.reason);
        let complex: Vec<Complex64> = b.iter().map(|&v| Complex64::new(v, 1.0)).collect();
        for method in [Method::ShiftedHermitian { sigma: 1.0, a: 0.5 }, Method::Cg] {
            let out = run(method, &a.lifted(), &complex, &to_rtol(0.0));
            assert!([Reason::AccuracyLimit, Reason::Rtol].contains(&out.reason), "{method:?} {n}: {}", out.reason);
        }
    }
}
