//! Standard errors against an independent program's.

use crate::common::*;
use headwater_base::Control;
use headwater_pmf::{ErrorSettings, StandardErrors, standard_errors};

fn errors(data: &Data, p: usize, w: &[f64], h: &[f64], settings: &ErrorSettings) -> StandardErrors {
    standard_errors(&data.problem(), p, w, h, settings, Control::none()).expect("errors")
}

#[test]
fn profiles_have_the_golden_standard_errors() {
    for expected in fixture("golden.json")["solutions"].as_array().expect("solutions") {
        let (set, p) = (expected["set"].as_str().expect("a set"), number(expected, "p") as usize);
        let data = epa(set);
        let found =
            fit(&data, &headwater_pmf::Settings { seed: 1, threads: 2, ..headwater_pmf::Settings::new(p) }).solution;
        let found = errors(
            &data,
            p,
            &found.contributions,
            &found.profiles,
            &ErrorSettings { threads: 2, ..ErrorSettings::default() },
        );
        let mut worst: f64 = 0.0;
        for (at, (found, se)) in found.profiles.iter().zip(matrix(&expected["H_se"])).enumerate() {
            assert_eq!(found.is_nan(), se.is_nan(), "{set} {p} element {at}");
            if !se.is_nan() {
                worst = worst.max((found / se - 1.0).abs());
            }
        }
        assert!(worst < 1e-4, "{set} {p}: {worst:e}");
    }
}

/// V = WH + noise · U, with profiles that keep zeros apart.
fn simulated(seed: u32, noise: f64) -> (Data, Vec<f64>, Vec<f64>) {
    use headwater_base::rng::{Purpose, Stream};
    let mut random = Stream::new(17, Purpose::Synthetic, seed);
    let (rows, cols, p) = (150, 10, 3);
    // Sources are off at times, and each lacks some species: that makes the solution unique.
    let w: Vec<f64> =
        (0..rows * p).map(|_| if random.uniform() < 0.3 { 0.0 } else { -(1.0 - random.uniform()).ln() }).collect();
    let h: Vec<f64> =
        (0..p * cols).map(|at| if (at / cols + at % cols) % p == 0 { 0.0 } else { 0.2 + random.uniform() }).collect();
    let (mut values, mut uncertainties) = (Vec::new(), Vec::new());
    for at in 0..rows * cols {
        let fit: f64 = (0..p).map(|k| w[at / cols * p + k] * h[k * cols + at % cols]).sum();
        let u = 0.05 + 0.05 * fit;
        uncertainties.push(u);
        values.push(fit + noise * u * random.normal());
    }
    (Data { rows, cols, values, uncertainties }, w, h)
}

#[test]
fn the_sandwich_measures_the_noise_and_laplace_believes_the_uncertainties() {
    for (noise, low, high) in [(1.0, 0.9, 1.1), (2.0, 1.8, 2.2)] {
        let (data, w, h) = simulated(1, noise);
        let start = headwater_pmf::Initial { contributions: w, profiles: h };
        let settings = headwater_pmf::Settings { initial: Some(start), ..headwater_pmf::Settings::new(3) };
        let found = fit(&data, &settings).solution;
        assert_eq!(found.status, headwater_base::Status::Converged);
        let errors = errors(&data, 3, &found.contributions, &found.profiles, &ErrorSettings::default());
        assert!((low..high).contains(&errors.sandwich_ratio), "noise {noise}: ratio {}", errors.sandwich_ratio);
        assert!((errors.reduced_q.sqrt() / noise - 1.0).abs() < 0.1, "{}", errors.reduced_q);
    }
}

#[test]
fn shares_and_totals_have_the_errors_of_their_derivatives() {
    // Shares of one species over factors sum to 1, so that with two factors their errors are equal.
    let (data, w, h) = simulated(2, 1.0);
    let start = headwater_pmf::Initial { contributions: w, profiles: h };
    let settings = headwater_pmf::Settings { initial: Some(start), ..headwater_pmf::Settings::new(3) };
    let found = fit(&data, &settings).solution;
    let settings = ErrorSettings { total: Some(4), ..ErrorSettings::default() };
    let errors = errors(&data, 3, &found.contributions, &found.profiles, &settings);
    let n = data.cols;
    let mut pairs = 0;
    for j in 0..n {
        let share = |k: usize| (errors.share_of_species.value[k * n + j], errors.share_of_species.error[k * n + j]);
        let sum: f64 = (0..3).map(|k| share(k).0).sum();
        assert!((sum - 1.0).abs() < 1e-12);
        let alive: Vec<usize> = (0..3).filter(|&k| found.profiles[k * n + j] > 0.0).collect();
        if let [a, b] = alive[..] {
            assert!((share(a).1 / share(b).1 - 1.0).abs() < 1e-6, "species {j}: {:?} {:?}", share(a), share(b));
            pairs += 1;
        }
    }
    assert!(pairs > 0, "no species with two factors");
    // A factor's total is its element of the total species.
    for k in 0..3 {
        assert!((errors.totals.value[k] - found.profiles[k * n + 4]).abs() <= 1e-12 * found.profiles[k * n + 4]);
        assert!(found.profiles[k * n + 4] == 0.0 || (errors.share_of_factor.value[k * n + 4] - 1.0).abs() < 1e-12);
        let zero = found.profiles[k * n + 4] == 0.0;
        assert!(zero || (errors.totals.error[k] / errors.profiles[k * n + 4] - 1.0).abs() < 1e-12);
    }
}

#[test]
fn more_species_than_samples_give_the_errors_that_refits_of_perturbed_data_show() {
    use headwater_base::rng::{Purpose, Stream};
    // 9 samples × 30 species: the engine's long side is the species; errors must not care.
    let mut random = Stream::new(18, Purpose::Synthetic, 0);
    let (rows, cols, p) = (9, 30, 2);
    let w: Vec<f64> = (0..rows * p).map(|at| if at / p % 3 == at % p { 0.0 } else { 0.5 + random.uniform() }).collect();
    let h: Vec<f64> =
        (0..p * cols).map(|at| if at % cols % 3 == at / cols { 0.0 } else { 0.5 + random.uniform() }).collect();
    let fit_at = |at: usize| -> f64 { (0..p).map(|k| w[at / cols * p + k] * h[k * cols + at % cols]).sum() };
    let uncertainties = vec![0.02; rows * cols];
    let start = headwater_pmf::Initial { contributions: w.clone(), profiles: h.clone() };
    let settings = headwater_pmf::Settings { initial: Some(start), ..headwater_pmf::Settings::new(p) };
    let mut runs = 0.0;
    let mut sums = vec![(0.0, 0.0); p * cols];
    let mut contributions = vec![(0.0, 0.0); rows * p];
    let mut mean_error = vec![0.0; p * cols];
    let mut mean_contribution_error = vec![0.0; rows * p];
    for _ in 0..400 {
        let values: Vec<f64> = (0..rows * cols).map(|at| fit_at(at) + 0.02 * random.normal()).collect();
        let data = Data { rows, cols, values, uncertainties: uncertainties.clone() };
        let found = fit(&data, &settings).solution;
        let errors = errors(&data, p, &found.contributions, &found.profiles, &ErrorSettings::default());
        // Where noise opens a rotation, the affected elements have no errors.
        let unique = found.certificate.flat_directions == 0;
        assert_eq!(errors.warnings.is_empty(), unique, "{:?}", found.certificate);
        if !unique {
            continue;
        }
        runs += 1.0;
        for at in 0..p * cols {
            sums[at] = (sums[at].0 + found.profiles[at], sums[at].1 + found.profiles[at].powi(2));
            mean_error[at] += errors.profiles[at];
        }
        for at in 0..rows * p {
            contributions[at] =
                (contributions[at].0 + found.contributions[at], contributions[at].1 + found.contributions[at].powi(2));
            mean_contribution_error[at] += errors.contributions[at];
        }
    }
    let spread = |(a, b): (f64, f64)| (b / runs - (a / runs).powi(2)).sqrt() * runs;
    let median = |mut ratios: Vec<f64>| {
        ratios.retain(|r| r.is_finite());
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    };
    let profiles = median((0..p * cols).map(|at| mean_error[at] / spread(sums[at])).collect());
    let samples = median((0..rows * p).map(|at| mean_contribution_error[at] / spread(contributions[at])).collect());
    assert!((profiles - 1.0).abs() < 0.1 && (samples - 1.0).abs() < 0.1, "{profiles} {samples}");
}

#[test]
fn scaling_multiplies_laplace_errors_by_the_root_of_the_reduced_q_and_leaves_the_sandwich() {
    let (data, w, h) = simulated(3, 2.0);
    let plain = errors(&data, 3, &w, &h, &ErrorSettings::default());
    let scaled = plain.clone().scaled();
    let by = plain.reduced_q.sqrt();
    assert!(by > 1.5, "{by}");
    for (a, b) in plain.profiles.iter().zip(&scaled.profiles).filter(|(a, _)| !a.is_nan()) {
        assert!((b / a - by).abs() < 1e-12);
    }
    assert!((scaled.totals.error[0] / plain.totals.error[0] - by).abs() < 1e-12);
    assert_eq!(scaled.totals.value, plain.totals.value);
    let same = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
    assert!(same(&plain.profiles_sandwich, &scaled.profiles_sandwich));
    assert!((plain.sandwich_ratio / scaled.sandwich_ratio - by).abs() < 1e-12);
}
