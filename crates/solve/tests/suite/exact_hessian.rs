//! A = B + δC: solved where definite, refused with a direction otherwise, truncated in a ball.

use crate::common::*;
use headwater_base::Control;
use headwater_solve::{Direct, ExactHessian, Method, Operator, Reason, Settings, exact_hessian, solve};

#[test]
fn definite_hessians_are_solved_and_indefinite_ones_are_refused_with_a_direction() {
    let n = 80;
    let b_matrix = dense(n, npy("exact_hessian", "B.npy"));
    let c_matrix = dense(n, npy("exact_hessian", "C.npy"));
    let b = npy("exact_hessian", "b.npy");
    let factor = Direct::new(b_matrix.clone()).expect("square");
    assert!(factor.is_definite());
    for case in cases("exact_hessian") {
        let delta = case["delta"].as_f64().expect("delta");
        let a = ExactHessian { base: &b_matrix, correction: &c_matrix, delta };
        let run = |settings: &Settings<f64>| {
            exact_hessian(&b_matrix, &factor, &c_matrix, delta, &b, settings, Control::none()).expect("no misuse")
        };
        let out = run(&to_rtol(1e-10));
        let stored = case["pcg"]["iterations"].as_u64().expect("a count") as usize;
        if case["positive_definite"] == true {
            assert_eq!(out.reason, Reason::Rtol, "delta {delta}");
            assert!(out.iterations <= stored + 2, "{} of {stored}", out.iterations);
            assert!(distance(&out.x, &array::<f64>("exact_hessian", &case["x"])) < 1e-7);
            let kappa = case["kappa_pre"].as_f64().expect("known");
            assert!((out.condition.expect("estimated").kappa / kappa - 1.0).abs() < 0.05);
        } else {
            assert_eq!((out.reason, out.iterations), (Reason::IndefiniteOperator, stored), "delta {delta}");
            let (p, curvature) = (out.direction.expect("a direction"), out.curvature.expect("its curvature"));
            let mut q = vec![0.0; n];
            a.apply(&p, &mut q);
            let product: f64 = p.iter().zip(&q).map(|(p, q)| p * q).sum();
            assert!(curvature < 0.0 && (product / curvature - 1.0).abs() < 1e-8);
        }
        for step in case["steihaug"].as_array().expect("steps") {
            let radius = step["radius"].as_f64().expect("a radius");
            let out = run(&Settings { radius: Some(radius), ..to_rtol(1e-10) });
            let label = format!("delta {delta} radius {radius}");
            assert_eq!(out.reason.as_str(), step["reason"].as_str().expect("a reason"), "{label}");
            assert!(out.converged());
            let count = step["iterations"].as_u64().expect("a count") as usize;
            assert!(out.iterations.abs_diff(count) <= if count > 10 { 2 } else { 0 }, "{label}: {}", out.iterations);
            let tolerance = if out.reason == Reason::NegativeCurvature && count > 1 { 1e-6 } else { 1e-8 };
            assert!(distance(&out.x, &array::<f64>("exact_hessian", &step["x"])) < tolerance, "{label}");
            let mut image = vec![0.0; n];
            b_matrix.apply(&out.x, &mut image);
            let length: f64 = out.x.iter().zip(&image).map(|(x, y)| x * y).sum::<f64>().sqrt();
            assert!(length <= radius * (1.0 + 1e-9));
            if out.reason != Reason::Rtol {
                assert!((length / radius - 1.0).abs() < 1e-9);
            }
        }
        let out = solve(Method::Minres, &a, Some(&factor), &b, &to_rtol(1e-10), Control::none()).expect("no misuse");
        assert_eq!(out.reason, Reason::Rtol, "minres, delta {delta}");
        let count = case["minres"]["iterations"].as_u64().expect("a count") as usize;
        assert!(out.iterations <= count + 2, "{} of {count}", out.iterations);
    }
}

#[test]
fn a_truncated_solve_returns_a_direction_of_descent() {
    let a = diagonal(&[-1.0, 2.0, 3.0]);
    let settings = Settings { truncated: true, ..Settings::default() };
    let out = run(Method::Cg, &a, &[3.0, 0.1, 0.1], &settings);
    assert_eq!((out.reason, out.iterations), (Reason::NegativeCurvature, 0));
    assert_eq!(out.x, [3.0, 0.1, 0.1]);
    let out = run(Method::Cg, &a, &[0.1, 3.0, 3.0], &settings);
    assert_eq!(out.reason, Reason::NegativeCurvature);
    assert!(out.iterations > 0 && out.curvature.expect("given") < 0.0);
}

#[test]
fn a_radius_means_the_same_at_extreme_scales() {
    let values = geometric(100.0, 20);
    let a = with_spectrum::<f64>(&values, 3);
    let b = gaussian::<f64>(20, 3);
    let plain = run(Method::Cg, &a, &b, &Settings { radius: Some(0.5), ..Settings::default() });
    assert_eq!(plain.reason, Reason::TrustBoundary);
    // The residual that the iteration knows of is that of the step to the boundary.
    assert!(plain.gap.expect("known") < 1e-12 * norm(&b));
    let factor = 2.0_f64.powi(500);
    let scaled = dense(20, a.data().iter().map(|v| v * factor).collect());
    let rhs: Vec<f64> = b.iter().map(|v| v * factor).collect();
    let out = run(Method::Cg, &scaled, &rhs, &Settings { radius: Some(0.5), ..Settings::default() });
    assert_eq!((out.reason, out.x), (Reason::TrustBoundary, plain.x));
}
