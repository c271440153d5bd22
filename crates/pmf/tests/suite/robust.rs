//! Robust fits: the minima of Huber's objective that an independent program found, and points that no small move
//! improves, for every loss.

use crate::common::*;
use headwater_base::rng::{Purpose, Stream};
use headwater_base::{Control, Status};
use headwater_pmf::{Loss, Problem, Settings, Starts, factorize};

#[test]
fn random_starts_reach_the_golden_minima_of_the_huber_objective() {
    for expected in fixture("robust.json")["solutions"].as_array().expect("solutions") {
        let (set, p) = (expected["set"].as_str().expect("a set"), number(expected, "p") as usize);
        let problem = epa(set).problem().with_loss(Loss::Huber { alpha: number(expected, "alpha") }).expect("a loss");
        let settings = Settings { seed: 1, threads: 2, ..Settings::new(p) };
        let s = factorize(&problem, &settings, Control::none()).expect("a fit").solution;
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

/// Values, uncertainties and censored cells of a small problem with outliers.
fn made(seed: u32) -> (usize, usize, usize, Vec<f64>, Vec<f64>, Vec<bool>) {
    let mut random = Stream::new(21, Purpose::Synthetic, seed);
    let (m, n, p) = (14 + random.below(20), 6 + random.below(6), 2 + random.below(2));
    let mut draw = |size: usize| -> Vec<f64> { (0..size).map(|_| -(1.0 - random.uniform()).ln()).collect() };
    let (w, h, noise, wild, low) = (draw(m * p), draw(p * n), draw(m * n), draw(m * n), draw(m * n));
    let (mut values, mut uncertainties, mut censored) = (Vec::new(), Vec::new(), Vec::new());
    for at in 0..m * n {
        let fit: f64 = (0..p).map(|k| w[at / n * p + k] * h[k * n + at % n]).sum();
        let u = 0.05 + 0.1 * fit;
        let outlier = if wild[at] > 2.5 { 30.0 * u } else { 0.0 };
        uncertainties.push(u);
        values.push(fit + (noise[at] - 1.0) * u + outlier);
        censored.push(low[at] > 2.3);
    }
    (m, n, p, values, uncertainties, censored)
}

/// The objective from its definition.
fn cost(loss: Loss, v: &[f64], u: &[f64], censored: &[bool], w: &[f64], h: &[f64], n: usize, p: usize) -> f64 {
    let cell = |at: usize| {
        let fit: f64 = (0..p).map(|k| w[at / n * p + k] * h[k * n + at % n]).sum();
        if censored[at] && fit <= v[at] {
            return 0.0;
        }
        let t = (v[at] - fit).abs() / u[at];
        match loss {
            Loss::Squares => t * t,
            Loss::Huber { alpha } if t > alpha => 2.0 * alpha * t - alpha * alpha,
            Loss::Huber { .. } => t * t,
            Loss::Student { freedom } => (freedom + 1.0) * (1.0 + t * t / freedom).ln(),
        }
    };
    (0..v.len()).map(cell).sum()
}

#[test]
fn no_small_move_lowers_what_is_called_converged() {
    let losses = [Loss::Squares, Loss::Huber { alpha: 2.0 }, Loss::Student { freedom: 5.0 }];
    let mut converged = 0;
    for seed in 0..24 {
        let (m, n, p, v, u, censored) = made(seed);
        let loss = losses[seed as usize % 3];
        let censored = if seed % 2 == 0 { vec![false; m * n] } else { censored };
        let problem = Problem::new(m, n, v.clone(), u.clone()).expect("good data");
        let problem = problem.with_loss(loss).expect("a loss").with_censored(&censored).expect("flags");
        let settings = Settings { starts: Starts::Count(6), seed: 4, ..Settings::new(p) };
        let s = factorize(&problem, &settings, Control::none()).expect("a fit").solution;
        let of = |w: &[f64], h: &[f64]| cost(loss, &v, &u, &censored, w, h, n, p);
        let q = of(&s.contributions, &s.profiles);
        assert!((s.q / q - 1.0).abs() < 1e-10, "seed {seed} {loss:?}: q {} is {q}", s.q);
        if s.status != Status::Converged {
            continue;
        }
        converged += 1;
        let mut random = Stream::new(22, Purpose::Probe, seed);
        for trial in 0..400 {
            let size = 10_f64.powi(-1 - trial % 6);
            let mut moved = |x: &[f64]| -> Vec<f64> {
                x.iter().map(|x| (x + size * random.normal() * (x.abs() + 0.01)).max(0.0)).collect()
            };
            let (w, h) = (moved(&s.contributions), moved(&s.profiles));
            let there = of(&w, &h);
            assert!(there >= q * (1.0 - 1e-10), "seed {seed} {loss:?} trial {trial}: {there} below {q}");
        }
    }
    assert!(converged >= 20, "{converged} of 24");
}

#[test]
fn an_objective_that_makes_no_sense_is_refused() {
    let problem = || Problem::new(3, 3, vec![1.0; 9], vec![1.0; 9]).expect("good data");
    for number in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for loss in [Loss::Huber { alpha: number }, Loss::Student { freedom: number }] {
            assert_eq!(problem().with_loss(loss).err().map(|e| e.code), Some("option-out-of-range"), "{loss:?}");
        }
    }
    assert_eq!(problem().with_censored(&[true; 8]).err().map(|e| e.code), Some("shape-mismatch"));
}
