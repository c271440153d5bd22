//! Draws of the posterior beside what is known of it: by sums over a grid, by standard errors, by displacement.

use crate::common::*;
use headwater_base::rng::{Purpose, Stream};
use headwater_base::{Control, Progress, Status};
use headwater_pmf::{
    DisplacementSettings, EndKind, Loss, POSTERIOR_QUANTILES, Posterior, PosteriorSettings, Problem, displace,
    posterior,
};
use std::sync::atomic::{AtomicBool, Ordering};

fn sample(data: &Data, p: usize, w: &[f64], h: &[f64], settings: &PosteriorSettings) -> Posterior {
    posterior(&data.problem(), p, w, h, settings, Control::none()).expect("draws")
}

/// One factor, three species, the last of which measures below zero more often than not.
fn one_factor(noise: f64) -> Data {
    let (rows, cols) = (12, 3);
    let mut random = Stream::new(21, Purpose::Synthetic, 0);
    let truth = [2.0, 1.0, -0.03];
    let (mut values, mut uncertainties) = (Vec::new(), Vec::new());
    for i in 0..rows {
        // One sample is near its own bound.
        let w = if i == 0 { 0.02 } else { 0.5 + random.uniform() };
        for truth in truth {
            let u = noise * (1.0 + random.uniform());
            values.push(w * truth + u * random.normal());
            uncertainties.push(u);
        }
    }
    Data { rows, cols, values, uncertainties }
}

/// What the sampled law says of the three elements, by a sum over a grid: mean, deviation, quantiles.
fn by_grid(data: &Data, h: &[f64], temperature: f64) -> Vec<[f64; 7]> {
    let (m, n) = (data.rows, data.cols);
    let cell = |i: usize, j: usize| (data.values[i * n + j], data.uncertainties[i * n + j].powi(-2));
    // (Q, mean contribution, its variance, contributions) with the best contributions.
    let at = |h: &[f64]| {
        let (mut q, mut mean, mut variance, mut all) = (0.0, 0.0, 0.0, Vec::new());
        for i in 0..m {
            let a: f64 = (0..n).map(|j| cell(i, j).1 * h[j] * h[j]).sum();
            let b: f64 = (0..n).map(|j| cell(i, j).1 * h[j] * cell(i, j).0).sum();
            let w = (b / a).max(0.0);
            q += (0..n).map(|j| cell(i, j).1 * (cell(i, j).0 - w * h[j]).powi(2)).sum::<f64>();
            mean += w / m as f64;
            if w > 0.0 {
                variance += temperature / (a * (m * m) as f64);
            }
            all.push(w);
        }
        (q, mean, variance, all)
    };
    let (least, _, _, w) = at(h);
    let weight: Vec<f64> = (0..n).map(|j| h[j] * (0..m).map(|i| cell(i, j).1 * w[i] * w[i]).sum::<f64>()).collect();
    assert_eq!(h[2], 0.0, "the last element is at its bound");
    let total = weight[0] * h[0] + weight[1] * h[1];
    let mut points = Vec::new();
    // The first element all around the base, the last one above its bound.
    let (firsts, thirds, reach) = (120, 1500, temperature.sqrt());
    for a in 0..firsts {
        let first = h[0] * (1.0 + reach * ((f64::from(a) + 0.5) / f64::from(firsts) - 0.5));
        for b in 0..thirds {
            let third = 0.12 * h[0] * reach * (f64::from(b) + 0.5) / f64::from(thirds);
            let point = [first, (total - weight[0] * first) / weight[1], third];
            let (q, mean, variance, _) = at(&point);
            let p = (-0.5 * (q - least) / temperature).exp();
            if point[1] > 0.0 && p > 1e-12 {
                points.push((p, point, mean, variance));
            }
        }
    }
    let whole: f64 = points.iter().map(|point| point.0).sum();
    let expect = |f: &dyn Fn([f64; 3], f64, f64) -> f64| -> f64 {
        points.iter().map(|(p, h, mean, variance)| p / whole * f(*h, *mean, *variance)).sum()
    };
    (0..n)
        .map(|j| {
            let mean = expect(&|h, m, _| h[j] * m);
            let square = expect(&|h, m, v| h[j] * h[j] * (m * m + v));
            let below = |c: f64| expect(&|h, m, v| normal_distribution((c / h[j] - m) / v.sqrt()));
            let mut out = [mean, (square - mean * mean).sqrt(), 0.0, 0.0, 0.0, 0.0, 0.0];
            for (quantile, p) in out[2..].iter_mut().zip(POSTERIOR_QUANTILES) {
                let (mut low, mut high) = (0.0, 3.0 * h[0]);
                for _ in 0..30 {
                    let middle = 0.5 * (low + high);
                    if below(middle) < p { low = middle } else { high = middle }
                }
                *quantile = low;
            }
            out
        })
        .collect()
}

/// Φ to 1e-7 (Abramowitz and Stegun 26.2.17).
fn normal_distribution(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.2316419 * z.abs());
    let series = ((((1.330274429 * t - 1.821255978) * t + 1.781477937) * t - 0.356563782) * t + 0.319381530) * t;
    let tail = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt() * series;
    if z > 0.0 { 1.0 - tail } else { tail }
}

#[test]
fn draws_have_the_law_that_a_grid_gives_at_a_bound_too() {
    let data = one_factor(0.15);
    let base = fit(&data, &settings(1, 3, 1)).solution;
    for temperature in [1.0, 0.25] {
        let asked = PosteriorSettings {
            minimum_effective: 8000.0,
            max_draws: 20_000,
            temperature,
            seed: 3,
            ..Default::default()
        };
        let found = sample(&data, 1, &base.contributions, &base.profiles, &asked);
        assert_eq!(found.status, Status::Converged);
        for (j, exact) in by_grid(&data, &base.profiles, temperature).iter().enumerate() {
            let e = &found.elements[j];
            let values = [e.mean, e.deviation].into_iter().chain(e.quantiles.iter().copied());
            let errors = [e.mean_error, e.deviation_error].into_iter().chain(e.quantile_errors.iter().copied());
            for ((value, error), exact) in values.zip(errors).zip(exact) {
                assert!(error > 0.0 && error < 0.05 * e.deviation, "{error} of {}", e.deviation);
                assert!((value - exact).abs() < 4.0 * error + 0.003 * e.deviation, "{j}: {value} ± {error}, {exact}");
            }
        }
    }
}

#[test]
fn draws_of_a_parabola_spread_as_the_standard_errors_say() {
    let mut data = one_factor(0.01);
    // All species well above zero.
    (0..data.rows).for_each(|i| data.values[i * 3 + 2] += data.values[i * 3]);
    let base = fit(&data, &settings(1, 3, 1)).solution;
    let asked = PosteriorSettings { minimum_effective: 8000.0, max_draws: 20_000, ..Default::default() };
    let found = sample(&data, 1, &base.contributions, &base.profiles, &asked);
    for (e, (error, base)) in found.elements.iter().zip(found.standard_errors.iter().zip(&base.profiles)) {
        assert!((e.deviation - error).abs() < 3.0 * e.deviation_error + 0.005 * error, "{e:?} {error}");
        assert!((e.mean - base).abs() < 4.0 * e.mean_error + 0.02 * error, "{e:?} {base}");
    }
    // Scaling the law scales its width.
    let hot = PosteriorSettings { temperature: 4.0, ..asked };
    let hot = sample(&data, 1, &base.contributions, &base.profiles, &hot);
    for (hot, e) in hot.elements.iter().zip(&found.elements) {
        assert!((hot.deviation / e.deviation / 2.0 - 1.0).abs() < 0.04, "{} {}", hot.deviation, e.deviation);
    }
}

#[test]
fn draws_of_an_epa_set_agree_with_standard_errors_and_displacement() {
    let (data, p) = (epa("stlouis"), 6);
    let base = fit(&data, &settings(p, 10, 1)).solution;
    let (w, h) = (&base.contributions, &base.profiles);
    let asked = PosteriorSettings { threads: 2, seed: 5, ..PosteriorSettings::default() };
    let found = sample(&data, p, w, h, &asked);
    assert_eq!(found.status, Status::Converged);
    for e in &found.elements {
        assert!(e.r_hat <= 1.01 && e.effective >= 400.0, "{e:?}");
    }
    for chain in &found.chains {
        assert!((0.6..0.95).contains(&chain.acceptance) && chain.swapped == 0, "{chain:?}");
    }
    let settings = DisplacementSettings {
        levels: vec![4.0],
        elements: (0..p * data.cols).map(|at| (at / data.cols, at % data.cols)).collect(),
        check: false,
        nonnegative_contributions: true,
        nonnegative_profiles: true,
        seed: 1,
        threads: 2,
    };
    let intervals = displace(&data.problem(), p, w, h, &settings, Control::none()).expect("intervals");
    let (mut ratios, mut all) = (Vec::new(), Vec::new());
    for element in &intervals.elements {
        let at = element.factor * data.cols + element.species;
        let [low, high] = element.ends[0];
        let error = found.standard_errors[at];
        let (lower, upper) = (low.value, if high.kind == EndKind::Unbounded { f64::INFINITY } else { high.value });
        let draws = found.draws.iter().skip(at).step_by(p * data.cols);
        let inside = draws.clone().filter(|x| (lower..=upper).contains(*x)).count();
        let share = inside as f64 / draws.count() as f64;
        all.push(share);
        // Where Q is a parabola as far as displacement sees it, all three say the same.
        if low.kind == EndKind::Reached && (0.25 * (upper - lower) / error - 1.0).abs() < 0.1 {
            ratios.push(found.elements[at].deviation / error);
            assert!((0.91..0.995).contains(&share), "element {at}: {share} of the draws inside");
        }
    }
    ratios.sort_by(f64::total_cmp);
    assert!(ratios.len() >= 8 && ratios[0] > 0.75 && ratios[ratios.len() - 1] < 1.2, "{ratios:?}");
    let median = ratios[ratios.len() / 2];
    assert!((0.85..1.05).contains(&median), "median ratio {median}");
    // A parabola has 95.4 % within ΔQ = 4, a parabola cut off at its top too, an exponential 86.5 %.
    all.sort_by(f64::total_cmp);
    assert!(all[0] > 0.8 && all[all.len() / 2] > 0.95, "{all:?}");
}

#[test]
fn a_species_without_data_has_no_posterior_and_is_no_obstacle() {
    let mut data = one_factor(0.15);
    (0..data.rows).for_each(|i| data.values[i * 3 + 1] = f64::NAN);
    (0..3).for_each(|j| data.values[4 * 3 + j] = f64::NAN);
    let base = fit(&data, &settings(1, 3, 1)).solution;
    let found = sample(&data, 1, &base.contributions, &base.profiles, &PosteriorSettings::default());
    assert_eq!(found.status, Status::Converged);
    let known: Vec<bool> = found.elements.iter().map(|e| e.mean.is_finite() && e.effective >= 400.0).collect();
    assert_eq!(known, [true, false, true]);
    assert!(found.draws.iter().skip(1).step_by(3).all(|x| x.is_nan()));
}

#[test]
fn the_same_seed_gives_the_same_bits_for_any_number_of_threads() {
    let data = one_factor(0.15);
    let base = fit(&data, &settings(1, 3, 1)).solution;
    let quick = PosteriorSettings { max_draws: 50, seed: 9, ..PosteriorSettings::default() };
    let run = |settings: PosteriorSettings| sample(&data, 1, &base.contributions, &base.profiles, &settings);
    let one = run(quick.clone());
    // Few draws are not called enough.
    assert_eq!((one.status, one.draws_of_each), (Status::Budget, 50));
    let two = run(PosteriorSettings { threads: 2, ..quick.clone() });
    assert_eq!((&one.draws, &one.elements, &one.chains), (&two.draws, &two.elements, &two.chains));
    assert_ne!(one.draws, run(PosteriorSettings { seed: 10, ..quick }).draws);
}

#[test]
fn what_was_drawn_before_an_abort_is_kept() {
    let data = one_factor(0.15);
    let base = fit(&data, &settings(1, 3, 1)).solution;
    let asked = PosteriorSettings { minimum_effective: 1e9, threads: 2, ..PosteriorSettings::default() };
    for (after, kept) in [(100, false), (3000, true)] {
        let stop = AtomicBool::new(false);
        let sink = |progress: Progress| {
            assert_eq!(progress.total, 4 * (260 + 4000));
            stop.fetch_or(progress.done >= after, Ordering::Relaxed);
        };
        let control = Control::new(Some(&stop), Some(&sink));
        let (w, h) = (&base.contributions, &base.profiles);
        let found = posterior(&data.problem(), 1, w, h, &asked, control).expect("draws");
        assert_eq!(found.status, Status::Aborted);
        assert_eq!(found.draws.len(), 4 * 3 * found.draws_of_each);
        assert_eq!(found.draws_of_each > 0, kept, "{}", found.draws_of_each);
        assert_eq!(found.elements[0].mean.is_finite(), kept);
    }
}

#[test]
fn robust_and_censored_fits_are_sampled_and_students_is_refused() {
    let data = one_factor(0.15);
    let quick = PosteriorSettings { minimum_effective: 1000.0, ..PosteriorSettings::default() };
    let censored: Vec<bool> = (0..data.values.len()).map(|at| at % 7 == 2).collect();
    let problems: [Problem; 2] = [
        data.problem().with_loss(Loss::Huber { alpha: 2.0 }).expect("a loss"),
        data.problem().with_censored(&censored).expect("flags"),
    ];
    for problem in problems {
        let base = headwater_pmf::factorize(&problem, &settings(1, 3, 1), Control::none()).expect("a fit").solution;
        let (w, h) = (&base.contributions, &base.profiles);
        let found = posterior(&problem, 1, w, h, &quick, Control::none()).expect("draws");
        assert_eq!(found.status, Status::Converged);
        for at in 0..2 {
            let ratio = found.elements[at].deviation / found.standard_errors[at];
            assert!((0.8..1.25).contains(&ratio), "{at}: {ratio}");
        }
    }
    let student = data.problem().with_loss(Loss::Student { freedom: 5.0 }).expect("a loss");
    let (w, h) = (vec![1.0; data.rows], vec![1.0; 3]);
    let refused = posterior(&student, 1, &w, &h, &quick, Control::none()).expect_err("refused");
    assert_eq!(refused.code, "posterior-not-defined");
    for wrong in [
        PosteriorSettings { chains: 1, ..quick.clone() },
        PosteriorSettings { max_draws: 3, ..quick.clone() },
        PosteriorSettings { temperature: 0.0, ..quick.clone() },
        PosteriorSettings { minimum_effective: f64::NAN, ..quick },
    ] {
        let refused = posterior(&data.problem(), 1, &w, &h, &wrong, Control::none()).expect_err("refused");
        assert_eq!(refused.code, "option-out-of-range");
    }
}
