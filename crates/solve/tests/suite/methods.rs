//! MINRES, CR and least squares.

use crate::common::*;
use headwater_base::Control;
use headwater_solve::operator::FnPreconditioner;
use headwater_solve::{Complex64, Csr, Dense, Location, Method, Operator, Reason, Scalar, Settings, solve};

fn indefinite<T: Scalar>(n: usize, index: u32) -> Dense<T> {
    let values: Vec<f64> =
        geometric(100.0, n).iter().enumerate().map(|(i, v)| if i % 3 == 0 { -v } else { *v }).collect();
    with_spectrum(&values, index)
}

fn check<T: Scalar>(method: Method, a: &Dense<T>, index: u32) {
    let n = a.rows();
    let b = gaussian::<T>(n, index);
    let m = FnPreconditioner(move |r: &[T], z: &mut [T]| {
        for i in 0..r.len() {
            z[i] = r[i].scale(1.0 / (1.0 + (i % 5) as f64));
        }
    });
    for m in [None, Some(&m as &dyn headwater_solve::Preconditioner<T>)] {
        let settings = Settings { history: true, ..to_rtol(1e-10) };
        let out = solve(method, a, m, &b, &settings, Control::none()).expect("no misuse");
        assert_eq!(out.reason, Reason::Rtol, "{method:?} {:?} after {}", out.residual, out.iterations);
        assert!(relative(a, &out.x, &b) <= 1e-10 * (1.0 + 1e-6));
        assert!(out.iterations <= 3 * n, "{}", out.iterations);
        assert!(out.gap.expect("known") <= 1e-11 * norm(&b));
        if m.is_none() {
            let history = out.history.expect("asked for");
            assert!(history.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-10)), "{method:?} is monotone");
        }
    }
}

#[test]
fn minres_solves_indefinite_systems_with_monotone_residual() {
    check(Method::Minres, &indefinite::<f64>(40, 1), 1);
    check(Method::Minres, &indefinite::<Complex64>(30, 2), 2);
    let case = cases("definite").into_iter().find(|c| c["name"] == "indefinite").expect("a case");
    let a = dense::<f64>(24, array("definite", &case["A"]));
    let b = array::<f64>("definite", &case["b"]);
    let out = run(Method::Minres, &a, &b, &to_rtol(1e-10));
    assert_eq!(out.reason, Reason::Rtol);
    assert!(out.iterations <= 38 && distance(&out.x, &array::<f64>("definite", &case["x"])) < 1e-7);
    let diagonal = diagonal(&{
        let mut values = [1.0; 24];
        values[23] = -1.0;
        values
    });
    let out = run(Method::Minres, &diagonal, &[1.0; 24], &Settings::default());
    assert_eq!(out.reason, Reason::Rtol);
    assert!((out.x[23] + 1.0).abs() < 1e-12 && (out.x[0] - 1.0).abs() < 1e-12);
}

#[test]
fn conjugate_residuals_solve_definite_systems_and_name_indefinite_ones() {
    check(Method::Cr, &with_spectrum::<f64>(&geometric(100.0, 40), 3), 3);
    check(Method::Cr, &with_spectrum::<Complex64>(&geometric(100.0, 30), 4), 4);
    let out = run(Method::Cr, &indefinite::<f64>(40, 1), &gaussian(40, 1), &Settings::default());
    assert_eq!(out.reason, Reason::IndefiniteOperator);
    assert!(out.curvature.expect("given") < 0.0);
}

#[test]
fn an_inconsistent_system_is_no_success_of_minres() {
    let values: Vec<f64> = (0..30).map(|i| if i < 2 { 0.0 } else { 1.0 + i as f64 }).collect();
    let a = with_spectrum::<f64>(&values, 5);
    let out = run(Method::Minres, &a, &gaussian(30, 5), &to_rtol(1e-8));
    assert_eq!(out.reason, Reason::ZeroCurvature);
    // x is nearly a least-squares solution all the same.
    let mut r = vec![0.0; 30];
    a.apply(&out.x, &mut r);
    let r: Vec<f64> = r.iter().zip(gaussian::<f64>(30, 5)).map(|(ax, b)| b - ax).collect();
    let mut g = vec![0.0; 30];
    a.apply(&r, &mut g);
    assert!(norm(&g) < 1e-3 * norm(&r), "{}", norm(&g) / norm(&r));
}

fn rectangular<T: Scalar>(rows: usize, cols: usize, index: u32) -> Dense<T> {
    Dense::new(rows, cols, gaussian(rows * cols, index)).expect("sizes agree")
}

fn least_squares<T: Scalar>(method: Method, index: u32) {
    let a = rectangular::<T>(40, 15, index);
    let b = gaussian::<T>(40, index + 1);
    let out = run(method, &a, &b, &to_rtol(1e-11));
    assert_eq!(out.reason, Reason::Rtol, "{method:?}");
    let mut r = vec![T::default(); 40];
    a.apply(&out.x, &mut r);
    let r: Vec<T> = b.iter().zip(&r).map(|(&b, &ax)| b - ax).collect();
    let mut g = vec![T::default(); 15];
    a.apply_adjoint(&r, &mut g);
    assert!(norm(&g) < 1e-9 * norm(&r));
    assert!((norm(&g) - out.normal_residual.expect("reported")).abs() < 1e-10);
    assert!(norm(&r) > 0.1 * norm(&b), "inconsistent");
    // A consistent right-hand side ends by the residual.
    let x = gaussian::<T>(15, index + 2);
    let mut b = vec![T::default(); 40];
    a.apply(&x, &mut b);
    let out = run(method, &a, &b, &to_rtol(1e-11));
    assert_eq!(out.reason, Reason::Rtol);
    assert!(distance(&out.x, &x) < 1e-9 && out.normal_residual.is_none());
}

#[test]
fn least_squares_end_by_the_normal_residual_or_by_the_residual() {
    for method in [Method::Lsqr, Method::Cgnr] {
        least_squares::<f64>(method, 20);
        least_squares::<Complex64>(method, 30);
    }
}

#[test]
fn damping_is_the_regularised_problem() {
    let (rows, cols, damp) = (25, 10, 0.7);
    let a = rectangular::<f64>(rows, cols, 40);
    let b = gaussian::<f64>(rows, 41);
    let out = run(Method::Lsqr, &a, &b, &Settings { damp, ..to_rtol(1e-12) });
    assert_eq!(out.reason, Reason::Rtol);
    let mut data = a.data().to_vec();
    for i in 0..cols {
        data.extend((0..cols).map(|j| if i == j { damp } else { 0.0 }));
    }
    let stacked = Dense::new(rows + cols, cols, data).expect("sizes agree");
    let mut rhs = b.clone();
    rhs.resize(rows + cols, 0.0);
    let other = run(Method::Lsqr, &stacked, &rhs, &to_rtol(1e-12));
    assert!(distance(&out.x, &other.x) < 1e-10);
}

#[test]
fn a_wide_system_gets_the_solution_of_least_norm() {
    let a = rectangular::<f64>(10, 30, 50);
    let b = gaussian::<f64>(10, 51);
    let out = run(Method::Lsqr, &a, &b, &to_rtol(1e-11));
    assert_eq!(out.reason, Reason::Rtol);
    let matrix = nalgebra::DMatrix::from_row_slice(10, 30, a.data());
    let exact = matrix.clone().pseudo_inverse(1e-12).expect("of full rank") * nalgebra::DVector::from_row_slice(&b);
    assert!(distance(&out.x, exact.as_slice()) < 1e-9);
}

#[test]
fn no_method_returns_nan_for_a_planted_one() {
    let mut data = with_spectrum::<f64>(&geometric(10.0, 12), 9).data().to_vec();
    (data[5 * 12 + 7], data[7 * 12 + 5]) = (f64::NAN, f64::NAN);
    let a = dense(12, data);
    let b = gaussian::<f64>(12, 9);
    for method in [Method::Cg, Method::Minres, Method::Cr, Method::Cocg, Method::Cgw, Method::Cgnr, Method::Lsqr] {
        for probe in [false, true] {
            let out = run(method, &a, &b, &Settings { probe, ..Settings::default() });
            assert_eq!((out.reason, out.location), (Reason::NonFinite, Some(Location::Operator)), "{method:?}");
            assert!(out.x.iter().all(|v| v.is_finite()));
        }
    }
}

#[test]
fn a_right_hand_side_in_the_null_space_has_no_negative_curvature() {
    let n = 16;
    let triplets: Vec<_> =
        (0..n).flat_map(|i| [(i, i, 2.0), (i, (i + 1) % n, -1.0), (i, (i + n - 1) % n, -1.0)]).collect();
    let ring = Csr::from_triplets(n, n, &triplets).expect("a ring");
    for method in [Method::Cg, Method::Cr] {
        let out = run(method, &ring, &vec![1.0; n], &Settings::default());
        assert_eq!((out.reason, out.curvature.unwrap_or(0.0)), (Reason::ZeroCurvature, 0.0), "{method:?}");
    }
}

#[test]
fn where_x_underflows_the_residual_is_that_of_the_x_returned() {
    let a = diagonal(&[2.0_f64.powi(664), 3.0 * 2.0_f64.powi(664)]);
    let b = [2.0_f64.powi(-664), 2.0_f64.powi(-664)];
    for method in [Method::Cg, Method::Minres, Method::Cr, Method::Cgnr, Method::Lsqr] {
        let out = run(method, &a, &b, &Settings::default());
        assert_eq!((out.reason, out.x.as_slice()), (Reason::AccuracyLimit, [0.0, 0.0].as_slice()), "{method:?}");
        assert_eq!(out.residual.relative, Some(1.0), "{method:?}");
    }
}

#[test]
fn cgnr_does_not_call_an_ill_conditioned_matrix_singular() {
    // ‖Aᴴr‖ falls below rtol‖A‖‖r‖ with ‖r‖ near ‖b‖.
    let values: Vec<f64> = (0..12).map(|k| 10.0_f64.powf(-8.0 * f64::from(k) / 11.0)).collect();
    let out = run(Method::Cgnr, &diagonal(&values), &[1.0; 12], &to_rtol(1e-4));
    assert_ne!(out.reason, Reason::ZeroCurvature);
}

#[test]
fn a_nilpotent_operator_is_not_taken_for_a_hermitian_one() {
    // A²u = 0 ends the probe's chain of products, which once passed for nothing left to compare.
    struct Nilpotent;
    impl Operator<Complex64> for Nilpotent {
        fn rows(&self) -> usize {
            2
        }
        fn cols(&self) -> usize {
            2
        }
        fn apply(&self, x: &[Complex64], y: &mut [Complex64]) {
            (y[0], y[1]) = (x[1], Complex64::default());
        }
    }
    let b = [Complex64::new(1.0, 0.0), Complex64::default()];
    for method in [Method::ShiftedHermitian { sigma: 1.0, a: 0.3 }, Method::Cg, Method::Minres, Method::Cgw] {
        let out = solve(method, &Nilpotent, None, &b, &Settings::default(), Control::none()).expect("no misuse");
        assert_eq!(out.reason, Reason::NotHermitian, "{method:?}");
    }
}
