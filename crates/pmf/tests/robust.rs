//! Robust fits against the minima of Huber's objective that an independent program found.

mod common;
use common::*;
use headwater_base::{Control, Status};
use headwater_pmf::{Loss, Settings, factorize};

#[test]
fn random_starts_reach_the_golden_minima_of_the_huber_objective() {
    for expected in fixture("robust.json")["solutions"].as_array().expect("solutions") {
        let (set, p) = (expected["set"].as_str().expect("a set"), number(expected, "p") as usize);
        let data = epa(set);
        let problem = data.problem().with_loss(Loss::Huber { alpha: number(expected, "alpha") }).expect("a loss");
        let started = std::time::Instant::now();
        let settings = Settings { seed: 1, threads: 2, ..Settings::new(p) };
        let found = factorize(&problem, &settings, Control::none()).expect("a fit");
        let s = &found.solution;
        let statuses: Vec<_> = found.starts.iter().map(|s| (s.status, s.q, s.iterations)).collect();
        eprintln!(
            "{set} {p}: {:?} {} {:?} starts {} {:?}",
            s.status,
            s.q,
            started.elapsed(),
            found.starts.len(),
            statuses
        );
        eprintln!("{:?} outliers {} expected {}", s.certificate, s.outliers, expected["n_outliers"]);
        let close = |key: &str, value: f64, relative: f64| {
            assert!((value / number(expected, key) - 1.0).abs() < relative, "{set} {p}: {key} {value}");
        };
        assert_eq!(s.status, Status::Converged, "{set} {p}");
        close("Q_huber", s.q, 1e-8);
        close("Q_robust", s.q_robust, 1e-6);
        close("Q_true", s.q_true, 1e-6);
        assert_eq!(s.outliers, number(expected, "n_outliers") as usize);
        let error = profile_error(p, &s.profiles, &matrix(&expected["H"]));
        assert!(error < 1e-5, "{set} {p}: {error}");
    }
}
