//! The best minima of the EPA sets, found and certified by an independent program.

use crate::common::*;
use headwater_base::{Control, Status};
use headwater_pmf::{Settings, certify, factorize};

#[test]
fn default_options_reproduce_the_golden_optima() {
    let golden = fixture("golden.json");
    for expected in golden["solutions"].as_array().expect("solutions") {
        let (set, p) = (expected["set"].as_str().expect("a set"), number(expected, "p") as usize);
        let data = epa(set);
        let settings = Settings { seed: 1, threads: 2, ..Settings::new(p) };
        let found = fit(&data, &settings).solution;
        let q = number(expected, "Q");
        assert_eq!(found.status, Status::Converged, "{set} {p}");
        assert!((found.q / q - 1.0).abs() < 1e-9, "{set} {p}: Q {} instead of {q}", found.q);
        assert_eq!(found.q_expected, number(expected, "Qexp"));

        // Tight: within 1e-6 standard errors and 1e-9 of the profile's largest element; zeros exactly where expected.
        let (h, se) = (matrix(&expected["H"]), matrix(&expected["H_se"]));
        let n = data.cols;
        for at in 0..h.len() {
            let largest = h[at / n * n..(at / n + 1) * n].iter().fold(0.0, |a: f64, b| a.max(*b));
            let allowed = if se[at].is_nan() { 0.0 } else { 1e-6 * se[at] } + 1e-9 * largest;
            assert!(
                (found.profiles[at] - h[at]).abs() <= allowed,
                "{set} {p}: H[{at}] {} {}",
                found.profiles[at],
                h[at]
            );
            assert_eq!(found.profiles[at] == 0.0, h[at] == 0.0, "{set} {p}: H[{at}] {} {}", found.profiles[at], h[at]);
        }

        let certificate = &expected["certificate"];
        let c = &found.certificate;
        assert!(c.coordinate_gap < 1e-10 * q && c.block_gap() < 1e-6);
        assert!(c.newton_decrement.expect("definite") < 4e-3);
        let curvature = certificate["reduced_exact_eig_min"][0].as_f64().expect("an eigenvalue");
        assert!((c.min_curvature.expect("computed") / curvature - 1.0).abs() < 1e-4, "{set} {p}: {c:?}");
        assert_eq!(c.free_elements, number(certificate, "full_dim") as usize);
        assert_eq!(c.null_directions, p);
        assert!((found.degrees_of_freedom - (data.rows * n - c.free_elements + p) as f64).abs() < 1e-9);
    }
}

#[test]
fn every_seed_finds_the_golden_optimum_with_default_options() {
    for expected in fixture("golden.json")["solutions"].as_array().expect("solutions") {
        let (set, p) = (expected["set"].as_str().expect("a set"), number(expected, "p") as usize);
        let data = epa(set);
        for seed in 2..=5 {
            let found = fit(&data, &Settings { seed, threads: 2, ..Settings::new(p) }).solution;
            assert_eq!(found.status, Status::Converged, "{set} {p} seed {seed}");
            let error = found.q / number(expected, "Q") - 1.0;
            assert!(error.abs() < 1e-6, "{set} {p} seed {seed}: relative difference {error:e}");
        }
    }
}

#[test]
fn stop_points_of_other_programs_are_judged_rightly() {
    let mut statuses = Vec::new();
    for point in fixture("stop_points.json")["points"].as_array().expect("points") {
        let data = epa(point["set"].as_str().expect("a set"));
        let (w, h) = (matrix(&point["W"]), matrix(&point["H"]));
        let settings = Settings::new(number(point, "p") as usize);
        let verdict = certify(&data.problem(), &w, &h, &settings, Control::none()).expect("a verdict");
        let expected = &point["expected"];
        let close = |name: &str, found: f64, relative: f64, absolute: f64| {
            let value = number(expected, name);
            assert!((found - value).abs() <= relative * value.abs() + absolute, "{name}: {found} instead of {value}");
        };
        let s = &verdict.solution;
        close("Q", s.q, 1e-9, 0.0);
        let e = number(expected, "E_W") + number(expected, "E_H");
        assert!((s.certificate.coordinate_gap / e - 1.0).abs() < 1e-7, "{:?} {e}", s.certificate);
        close("gap_W", s.certificate.block_gap_contributions, 1e-5, 1e-7);
        close("gap_H", s.certificate.block_gap_profiles, 1e-5, 1e-8);
        close("Q_local_minimum", verdict.local_minimum.q, 1e-9, 0.0);
        assert_eq!(verdict.local_minimum.status, Status::Converged);
        let excess = number(expected, "excess");
        assert!((verdict.excess - excess).abs() <= 1e-6 * excess + 1e-9 * s.q, "{} {excess}", verdict.excess);
        statuses.push((s.status, excess));
    }
    for (status, excess) in &statuses {
        assert_eq!(*status == Status::Converged, *excess < 1e-3, "{statuses:?}");
    }
    assert!(statuses[..3].iter().all(|(status, _)| *status == Status::Stalled), "{statuses:?}");
}

#[test]
fn bits_do_not_depend_on_threads() {
    let data = epa("stlouis");
    let run = |threads: usize| {
        let settings = Settings { threads, seed: 3, ..Settings::new(6) };
        let pool = rayon_pool(threads);
        pool.install(|| factorize(&data.problem(), &settings, Control::none()).expect("a fit"))
    };
    let one = run(1);
    for threads in [2, 8] {
        assert_eq!(run(threads), one);
    }
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool")
}
