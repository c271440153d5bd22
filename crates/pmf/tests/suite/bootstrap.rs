//! The bootstrap of real and planted data.

use crate::common::*;
use headwater_base::{Control, Status};
use headwater_pmf::{Bootstrap, BootstrapSettings, DisplacementSettings, bootstrap, bootstrap_displacement};

fn run(data: &Data, p: usize, settings: &BootstrapSettings) -> (Vec<f64>, Bootstrap) {
    let base = fit(data, &crate::common::settings(p, 12, 1)).solution;
    assert_eq!(base.status, Status::Converged);
    let found = bootstrap(&data.problem(), p, &base.contributions, &base.profiles, settings, Control::none());
    (base.profiles, found.expect("a bootstrap"))
}

#[test]
fn st_louis_maps_most_factors_and_covers_the_base() {
    let data = epa("stlouis");
    let settings = BootstrapSettings { runs: 30, seed: 1, threads: 2, ..BootstrapSettings::default() };
    let (base, found) = run(&data, 6, &settings);
    assert_eq!((found.status, found.resamples.len()), (Status::Converged, 30));
    let converged = found.resamples.iter().filter(|r| r.status == Status::Converged).count();
    assert!(converged >= 29, "{converged} of 30 fits are certified");
    // Each resample's Q is that of about as many cells as the base's.
    assert!(found.q[0] > 3000.0 && found.q[4] < 13_000.0, "{:?}", found.q);
    let (mapped, unmapped) = found.mapped.iter().fold((0, 0), |sum, m| (sum.0 + m.0, sum.1 + m.1));
    assert!(mapped + unmapped == 180 && mapped > 150, "{:?}", found.mapped);
    assert_eq!(found.nearest.iter().flatten().sum::<u32>(), 180);
    // 5 to 95 % of the resamples hold the base value of most large elements.
    let large = |at: usize| base[at] > 0.05 * base.iter().skip(at % 13).step_by(13).sum::<f64>();
    let inside = |at: usize| {
        let q = found.elements[at].quantiles;
        (q[1]..=q[5]).contains(&base[at])
    };
    let all: Vec<usize> = (0..base.len()).filter(|&at| large(at)).collect();
    let held = all.iter().filter(|&&at| inside(at)).count();
    assert!(held * 10 > all.len() * 8, "{held} of {}", all.len());
    for element in &found.elements {
        assert!(element.quantiles.is_sorted(), "{element:?}");
    }
}

#[test]
fn resamples_do_not_depend_on_threads_or_on_how_many_there_are() {
    let data = epa("stlouis");
    let settings = BootstrapSettings { runs: 6, seed: 5, threads: 2, block: Some(7), ..BootstrapSettings::default() };
    let (_, found) = run(&data, 6, &settings);
    let (_, alone) = run(&data, 6, &BootstrapSettings { threads: 1, runs: 3, ..settings });
    assert_eq!(found.resamples[..3], alone.resamples[..]);
    assert_eq!(found.block, 7);
}

#[test]
fn a_sample_drawn_three_times_counts_as_three_samples() {
    // Fitting integer weights is fitting copies of the rows.
    let (data, p, _) = planted("noisy");
    let settings = BootstrapSettings { runs: 1, block: Some(1), cold_starts: 0, ..BootstrapSettings::default() };
    let (_, found) = run(&data, p, &settings);
    let drawn = &found.resamples[0];
    let copies: Vec<usize> = (0..data.rows).flat_map(|i| std::iter::repeat_n(i, drawn.counts[i] as usize)).collect();
    let take = |x: &[f64]| copies.iter().flat_map(|&i| x[i * data.cols..(i + 1) * data.cols].to_vec()).collect();
    let repeated = Data {
        rows: copies.len(),
        cols: data.cols,
        values: take(&data.values),
        uncertainties: take(&data.uncertainties),
    };
    let best = fit(&repeated, &crate::common::settings(p, 12, 1)).solution;
    assert_eq!(drawn.status, Status::Converged);
    assert!((drawn.q / best.q - 1.0).abs() < 1e-9, "{} instead of {}", drawn.q, best.q);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let data = epa("stlouis");
    let (w, h) = (vec![1.0; data.rows * 2], vec![1.0; 2 * data.cols]);
    let refuse = |settings: BootstrapSettings| {
        bootstrap(&data.problem(), 2, &w, &h, &settings, Control::none()).err().map(|error| error.code)
    };
    let good = BootstrapSettings::default;
    assert_eq!(refuse(BootstrapSettings { runs: 0, ..good() }), Some("option-out-of-range"));
    assert_eq!(refuse(BootstrapSettings { block: Some(0), ..good() }), Some("option-out-of-range"));
    assert_eq!(refuse(BootstrapSettings { block: Some(500), ..good() }), Some("option-out-of-range"));
    assert_eq!(refuse(BootstrapSettings { threshold: 1.5, ..good() }), Some("option-out-of-range"));
}

#[test]
fn displacement_of_resamples_holds_the_base_and_widens_with_the_level() {
    let data = epa("stlouis");
    let base = fit(&data, &crate::common::settings(4, 12, 1)).solution;
    let settings = BootstrapSettings { runs: 6, seed: 2, threads: 2, cold_starts: 0, ..BootstrapSettings::default() };
    let elements: Vec<(usize, usize)> = (0..4).map(|k| (k, 8)).collect();
    let displacement = DisplacementSettings {
        levels: vec![0.5, 1.0, 2.0, 4.0],
        elements: elements.clone(),
        check: false,
        nonnegative_contributions: true,
        nonnegative_profiles: true,
        seed: 0,
        threads: 1,
    };
    let (w, h) = (&base.contributions, &base.profiles);
    let run = |threads: usize| {
        let settings = BootstrapSettings { threads, ..settings.clone() };
        bootstrap_displacement(&data.problem(), 4, w, h, &settings, &displacement, Control::none()).expect("BS-DISP")
    };
    let found = run(2);
    assert_eq!(found, run(1));
    assert_eq!((found.status, found.resamples.len()), (Status::Converged, 6));
    let accepted = found.resamples.iter().filter(|r| r.accepted).count() as u32;
    assert!(accepted >= 3, "{accepted} of 6 accepted");
    for (summary, element) in found.elements.iter().zip(elements) {
        assert_eq!((summary.factor, summary.species), element);
        assert!(summary.levels.iter().all(|level| level.2 <= accepted && level.0 <= level.1), "{summary:?}");
        assert!(summary.levels.windows(2).all(|pair| pair[1].0 <= pair[0].0 && pair[1].1 >= pair[0].1), "{summary:?}");
    }
    for resample in found.resamples.iter().filter(|r| r.accepted) {
        for element in &resample.displacement.as_ref().expect("accepted").elements {
            for [lower, upper] in &element.ends {
                assert!(lower.value <= element.base && element.base <= upper.value, "{element:?}");
            }
        }
    }
}

#[test]
fn a_resample_counts_if_each_factor_has_its_own_even_where_two_are_nearest_to_one() {
    // Two sources a and b; the base's first contributions are a + b, its second ones b and something else. b then
    // resembles the first more than the second, and still is the second's own.
    let (rows, cols) = (300, 5);
    let wave = |i: usize, speed: f64| 1.0 + (speed * i as f64).sin();
    let (a, b, other) = (|i| wave(i, 0.7), |i| wave(i, 1.9), |i| wave(i, 2.7));
    let profiles = vec![4.0, 2.0, 0.5, 0.0, 1.0, 0.0, 0.5, 2.0, 5.0, 1.0];
    let noise = |at: usize| {
        0.1 * (f64::from((at as u32 + 1).wrapping_mul(2_654_435_761).rotate_left(13) % 1000) / 1000.0 - 0.5)
    };
    let values: Vec<f64> = (0..rows * cols)
        .map(|at| a(at / cols) * profiles[at % cols] + b(at / cols) * profiles[cols + at % cols] + noise(at))
        .map(|x| x.max(0.0))
        .collect();
    let data = Data { rows, cols, values, uncertainties: vec![0.03; rows * cols] };
    let contributions: Vec<f64> = (0..rows).flat_map(|i| [a(i) + b(i), b(i) + 1.5 * other(i)]).collect();
    let settings =
        BootstrapSettings { runs: 4, block: Some(1), cold_starts: 0, threshold: 0.4, ..BootstrapSettings::default() };
    let displacement = DisplacementSettings {
        levels: vec![0.5],
        elements: vec![(0, 0), (1, 3)],
        check: false,
        nonnegative_contributions: true,
        nonnegative_profiles: true,
        seed: 0,
        threads: 1,
    };
    let found = bootstrap_displacement(
        &data.problem(),
        2,
        &contributions,
        &profiles,
        &settings,
        &displacement,
        Control::none(),
    )
    .expect("BS-DISP");
    for (resample, displaced) in found.bootstrap.resamples.iter().zip(&found.resamples) {
        assert_eq!((resample.status, &resample.factors[..]), (Status::Converged, &[Some(0), Some(1)][..]));
        assert_eq!(resample.nearest, [Some(0), Some(0)]);
        assert!(displaced.accepted && !displaced.swapped_in_fit, "{displaced:?}");
    }
    assert_eq!(found.bootstrap.swaps, 4);
    assert!(found.elements.iter().all(|element| element.levels[0].2 == 4));
    // Below the threshold a factor has none of its own.
    let strict = BootstrapSettings { threshold: 0.9, ..settings };
    let (problem, w) = (data.problem(), &contributions);
    let found = bootstrap_displacement(&problem, 2, w, &profiles, &strict, &displacement, Control::none());
    let found = found.expect("BS-DISP");
    assert!(found.resamples.iter().all(|r| r.swapped_in_fit && !r.accepted && r.displacement.is_none()));
    assert!(found.elements.iter().all(|e| e.levels[0].2 == 0 && e.levels[0].0.is_nan() && e.levels[0].1.is_nan()));
}
