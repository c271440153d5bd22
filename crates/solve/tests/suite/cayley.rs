//! (I + iaH)y = b on graphs: each method within the matvec counts of the fixtures.

use crate::common::*;
use headwater_solve::operator::Shifted;
use headwater_solve::{Complex64, Method, Operator, Reason, Settings};

#[test]
fn each_method_reaches_a_true_1e_12_within_its_matvecs() {
    for case in cases("cayley") {
        let h = graph(&case);
        let b = array::<Complex64>("cayley", &case["b"]);
        for step in case["steps"].as_array().expect("steps") {
            let a = 0.5 * step["dt"].as_f64().expect("dt");
            let y = array::<Complex64>("cayley", &step["y"]);
            let system = Shifted { operator: &h, shift: Complex64::new(1.0, 0.0), factor: Complex64::new(0.0, a) };
            for (name, count) in step["matvecs_to_1e12"].as_object().expect("counts") {
                let method = match name.as_str() {
                    "galerkin" => Method::ShiftedHermitian { sigma: 1.0, a },
                    "cocg" => Method::Cocg,
                    "cgw" => Method::Cgw,
                    "cgnr" => Method::Cgnr,
                    other => panic!("{other}"),
                };
                let operator: &dyn Operator<Complex64> =
                    if matches!(method, Method::ShiftedHermitian { .. }) { &h } else { &system };
                let out = run(method, operator, &b, &to_rtol(1e-12));
                let label = format!("{} {name} a {a}", case["name"]);
                assert_eq!(out.reason, Reason::Rtol, "{label}");
                assert!(relative(&system, &out.x, &b) <= 1e-12 * (1.0 + 1e-3), "{label}");
                assert!(distance(&out.x, &y) <= 2e-12, "{label}");
                let allowed = count.as_u64().expect("a count") as usize + if name == "cgnr" { 4 } else { 2 };
                assert!(out.matvecs <= allowed, "{label}: {} matvecs, {allowed} allowed", out.matvecs);
            }
        }
    }
}

#[test]
fn a_truncated_galerkin_step_keeps_norm_and_energy_and_reports_its_residual() {
    let case = &cases("cayley")[0];
    let h = graph(case);
    let b = array::<Complex64>("cayley", &case["b"]);
    let settings = Settings { max_iterations: Some(2), probe: false, ..Settings::default() };
    let out = run(Method::ShiftedHermitian { sigma: 1.0, a: 0.5 }, &h, &b, &settings);
    assert_eq!(out.reason, Reason::MaxIterations);
    assert!(out.residual.relative.expect("known") > 0.1);
    let plus: Vec<Complex64> = out.x.iter().zip(&b).map(|(y, b)| y * 2.0 - b).collect();
    let energy = |v: &[Complex64]| {
        let mut image = v.to_vec();
        Operator::apply(&h, v, &mut image);
        <Complex64 as headwater_solve::Scalar>::dot(v, &image).re
    };
    assert!((norm(&plus) - norm(&b)).abs() < 1e-14);
    assert!((energy(&plus) / energy(&b) - 1.0).abs() < 1e-13);
}

#[test]
fn the_symmetry_each_method_needs_is_probed() {
    let case = &cases("cayley")[1];
    let h = graph(case);
    let b = array::<Complex64>("cayley", &case["b"]);
    let shifted = |re, im| Shifted { operator: &h, shift: Complex64::new(1.0, 0.0), factor: Complex64::new(re, im) };
    // Magnetic: Hermitian but not symmetric; I + H has a Hermitian part besides I; I + iH is not Hermitian.
    let settings = Settings::default();
    assert_eq!(run(Method::Cocg, &shifted(0.0, 0.5), &b, &settings).reason, Reason::NotHermitian);
    assert_eq!(run(Method::Cgw, &shifted(0.5, 0.5), &b, &settings).reason, Reason::NotHermitian);
    for method in [Method::Cg, Method::Minres, Method::Cr, Method::ShiftedHermitian { sigma: 1.0, a: 1.0 }] {
        assert_eq!(run(method, &shifted(0.0, 0.5), &b, &settings).reason, Reason::NotHermitian, "{method:?}");
    }
}
