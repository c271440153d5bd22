//! Small problems with known answers: exact data, missing cells, bad input, extreme scales, several minima.

use crate::common::*;
use headwater_base::{Control, Status};
use headwater_pmf::{Factorization, Initial, Method, Problem, Settings, Starts, Stop, certify, factorize};

/// Fits a planted case that is expected to succeed, and checks Q, H and warnings against its expectations.
fn check(case: &str) -> Factorization {
    let (data, p, expected) = planted(case);
    assert_eq!(expected["status"], "ok", "{case}");
    let found = fit(&data, &Settings { seed: 5, ..Settings::new(p) });
    let s = &found.solution;
    assert_eq!(s.status, Status::Converged, "{case}: {s:?}");
    let q = number(&expected, "Q");
    if let Some(relative) = expected["Q_abs_tol_rel_to_scale"].as_f64() {
        assert!(s.q <= relative * number(&expected, "Q_scale"), "{case}: Q {}", s.q);
    } else {
        let tolerance = expected["Q_rel_tol"].as_f64().unwrap_or(1e-8);
        assert!((s.q / q - 1.0).abs() <= tolerance, "{case}: Q {} instead of {q}", s.q);
    }
    let unique = !s.warnings.iter().any(|w| w.code == "not-unique");
    if expected["H"].is_array() && !unique && expected["unique"].is_null() {
        // An interior optimum can be mixed by any small rotation: the space of the profiles is what the data tell.
        let error = space_error(p, &s.profiles, &matrix(&expected["H"]));
        assert!(error <= 1e-6, "{case}: the profiles' space is off by {error:e}");
    } else if expected["H"].is_array() && expected["unique"].is_null() {
        let tolerance = expected["H_rel_tol"].as_f64().unwrap_or(1e-6);
        let error = profile_error(p, &s.profiles, &matrix(&expected["H"]));
        assert!(error <= tolerance, "{case}: H off by {error:e}");
    }
    for warning in expected["warnings"].as_array().into_iter().flatten() {
        let index = warning["row"].as_u64().or(warning["column"].as_u64()).map(|i| i as usize);
        let there = s.warnings.iter().any(|w| w.code == warning["code"] && (index.is_none() || w.index == index));
        assert!(there, "{case}: no {warning} in {:?}", s.warnings);
    }
    found
}

/// Largest residual of `expected`'s rows in the row space of `found`, relative to each row's norm; NaN columns left out.
fn space_error(p: usize, found: &[f64], expected: &[f64]) -> f64 {
    let n = found.len() / p;
    let kept: Vec<usize> = (0..n).filter(|&j| !found[j].is_nan() && !expected[j].is_nan()).collect();
    // Columns in their own units: the largest expected element.
    let unit: Vec<f64> = kept.iter().map(|&j| (0..p).map(|k| expected[k * n + j]).fold(1e-300, f64::max)).collect();
    let pick = |x: &[f64]| nalgebra::DMatrix::from_fn(kept.len(), p, |j, k| x[k * n + kept[j]] / unit[j]);
    let (basis, targets) = (pick(found).qr().q(), pick(expected));
    let rest = &targets - &basis * (basis.transpose() * &targets);
    (0..p).map(|k| rest.column(k).norm() / targets.column(k).norm()).fold(0.0, f64::max)
}

#[test]
fn exact_data_are_recovered() {
    for case in ["exact_separable", "exact_zeros"] {
        check(case);
    }
}

#[test]
fn noise_missing_cells_and_weak_columns_give_the_known_optimum() {
    for case in ["noisy", "missing10", "weak_column", "infinite_uncertainty", "rank_one_svd"] {
        check(case);
    }
}

#[test]
fn a_weight_that_dwarfs_all_others_is_named_and_the_fit_passes_through_its_cell() {
    let (data, p, expected) = planted("tiny_uncertainty");
    let s = fit(&data, &Settings { seed: 5, ..Settings::new(p) }).solution;
    assert_eq!(s.status, Status::Converged);
    // The fixture's Q is 1.1e-6 too high: its program lost what the weight drowned. Q is summed here from the data.
    let sum: f64 = (0..data.values.len())
        .map(|at| {
            let fit: f64 = (0..p)
                .map(|k| s.contributions[at / data.cols * p + k] * s.profiles[k * data.cols + at % data.cols])
                .sum();
            ((data.values[at] - fit) / data.uncertainties[at]).powi(2)
        })
        .sum();
    assert!((s.q / sum - 1.0).abs() < 1e-10, "{} {sum}", s.q);
    let known = number(&expected, "Q");
    assert!(s.q <= known && s.q > known * (1.0 - 2e-6), "{}", s.q);
    assert!(s.warnings.iter().any(|w| w.code == "weights-too-uneven" && w.index == Some(6)), "{:?}", s.warnings);
    let cell = &expected["cell"];
    let (i, j) = (number(cell, "row") as usize, number(cell, "column") as usize);
    let fit: f64 = (0..p).map(|k| s.contributions[i * p + k] * s.profiles[k * data.cols + j]).sum();
    assert!((fit / data.values[i * data.cols + j] - 1.0).abs() < 1e-14, "{fit}");
    // What it found is certified as a point from elsewhere too, and a point that misses the cell is not.
    let judge =
        |w: &[f64]| certify(&data.problem(), w, &s.profiles, &Settings::new(p), Control::none()).expect("a verdict");
    let verdict = judge(&s.contributions);
    assert_eq!(verdict.solution.status, Status::Converged, "{:?}", verdict.solution.certificate);
    assert!((verdict.solution.q / s.q - 1.0).abs() < 1e-9, "{} {}", verdict.solution.q, s.q);
    let mut missed = s.contributions.clone();
    missed[i * p] *= 1.0 + 1e-6;
    let verdict = judge(&missed);
    assert_eq!(verdict.solution.status, Status::Stalled);
    assert!(verdict.excess > 1.0 && (verdict.local_minimum.q / s.q - 1.0).abs() < 1e-9, "{}", verdict.excess);
}

#[test]
fn filling_the_partner_of_a_missing_cell_changes_no_bit() {
    let (data, p, _) = planted("missing10");
    let mut filled = Problem::new(data.rows, data.cols, data.values.clone(), data.uncertainties.clone()).expect("data");
    let before = factorize(&filled, &settings(p, 3, 1), Control::none()).expect("a fit");
    let (mut v, mut u) = (data.values.clone(), data.uncertainties.clone());
    for at in 0..v.len() {
        match (v[at].is_nan(), u[at].is_nan()) {
            (true, false) => u[at] = 123.0,
            (false, true) => v[at] = 456.0,
            _ => {}
        }
    }
    filled = Problem::new(data.rows, data.cols, v, u).expect("data");
    assert_eq!(factorize(&filled, &settings(p, 3, 1), Control::none()).expect("a fit"), before);
}

#[test]
fn rows_and_columns_without_data_are_nan_and_named() {
    let found = check("row_missing");
    assert!(found.solution.contributions[17 * 3..18 * 3].iter().all(|w| w.is_nan()));
    assert_eq!(found.solution.contributions.iter().filter(|w| w.is_nan()).count(), 3);
    check("column_missing");
}

#[test]
fn rows_and_columns_of_zeros_get_exact_zeros() {
    let s = check("zero_row_column").solution;
    assert!(s.contributions[3 * 3..4 * 3].iter().all(|w| *w == 0.0));
    assert!((0..3).all(|k| s.profiles[k * 12 + 11] == 0.0));
}

#[test]
fn units_of_a_species_or_a_sample_do_not_matter() {
    let noisy = check("noisy").solution;
    let by_columns = check("scale_columns").solution;
    let (_, _, meta) = planted("scale_columns");
    assert_eq!(meta["same_Q_as"], "noisy");
    let scale: Vec<f64> =
        serde_json::from_value(fixture("planted/scale_columns.json")["column_scale"].clone()).expect("12");
    let unscaled: Vec<f64> = by_columns.profiles.iter().enumerate().map(|(at, h)| h / scale[at % 12]).collect();
    assert!(space_error(3, &unscaled, &noisy.profiles) < 1e-6);
    check("scale_rows");
}

#[test]
fn duplicates_get_equal_factor_elements() {
    let s = check("duplicate_columns").solution;
    for k in 0..3 {
        let h = &s.profiles[k * 14..(k + 1) * 14];
        assert!((h[2] - h[12]).abs() < 1e-9 && (h[2] - h[13]).abs() < 1e-9, "{h:?}");
    }
    let s = check("duplicate_rows").solution;
    for i in 0..5 {
        for k in 0..3 {
            assert!((s.contributions[i * 3 + k] - s.contributions[(40 + i) * 3 + k]).abs() < 1e-9);
        }
    }
}

#[test]
fn more_factors_than_the_rank_are_said_not_to_be_unique() {
    let s = check("rank_deficient").solution;
    assert!(s.warnings.iter().any(|w| w.code == "not-unique"));
}

#[test]
fn the_best_of_several_minima_is_found() {
    let found = check("several_minima");
    assert!(found.basins.len() >= 3, "{:?}", found.basins);
}

#[test]
fn a_symmetric_start_does_not_end_at_its_saddle() {
    let (data, p, expected) = planted("symmetric_start");
    for method in [Method::Auto, Method::Anls, Method::Hals, Method::Mu] {
        let initial = Initial { contributions: vec![1.0; data.rows * p], profiles: vec![1.0; p * data.cols] };
        let s = fit(&data, &Settings { method, initial: Some(initial), ..Settings::new(p) }).solution;
        let at_minimum = (s.q / number(&expected, "Q") - 1.0).abs() < 1e-6;
        assert!(at_minimum || s.status != Status::Converged, "{method:?}: {} at {}", s.status, s.q);
        assert!(at_minimum, "{method:?} {} {}", s.status, s.q);
    }
}

#[test]
fn mixed_signs_with_and_without_the_bound_on_contributions() {
    let (data, p, expected) = planted("semi");
    let mut settings = Settings { seed: 1, ..Settings::new(p) };
    let s = fit(&data, &settings).solution;
    assert_eq!(s.status, Status::Converged);
    assert!((s.q / number(&expected["nonnegative"], "Q") - 1.0).abs() < 1e-8, "{}", s.q);
    settings.nonnegative_contributions = false;
    let s = fit(&data, &settings).solution;
    assert!((s.q / number(&expected["semi"], "Q") - 1.0).abs() < 1e-8, "{}", s.q);
    assert_eq!(s.status, Status::Converged, "{:?}", s.certificate);
    for k in 0..p {
        let square: f64 = (0..data.rows).map(|i| s.contributions[i * p + k].powi(2)).sum::<f64>() / data.rows as f64;
        assert!((square - 1.0).abs() < 1e-12);
    }
}

#[test]
fn without_any_bound_the_optimum_is_the_truncated_svd() {
    let (data, p, _) = planted("semi");
    let uniform = Problem::new(data.rows, data.cols, data.values.clone(), vec![1.0; data.values.len()]).expect("data");
    let settings = Settings { nonnegative_contributions: false, nonnegative_profiles: false, ..Settings::new(p) };
    let s = factorize(&uniform, &settings, Control::none()).expect("a fit").solution;
    let v = nalgebra::DMatrix::from_row_slice(data.rows, data.cols, &data.values);
    let q: f64 = v.svd(false, false).singular_values.iter().skip(p).map(|x| x * x).sum();
    assert!((s.q / q - 1.0).abs() < 1e-9, "{} {q}", s.q);
    assert_eq!(s.status, Status::Converged, "{:?}", s.certificate);
}

#[test]
fn outliers_do_not_hinder_the_plain_optimum() {
    let (data, p, expected) = planted("outliers");
    let s = fit(&data, &Settings::new(p)).solution;
    assert!((s.q / number(&expected["plain"], "Q") - 1.0).abs() < 1e-8);
    assert!(profile_error(p, &s.profiles, &matrix(&expected["plain"]["H"])) < 1e-6);
}

#[test]
fn bad_input_is_refused_before_any_work() {
    for case in ["zero_uncertainty", "negative_uncertainty", "infinite_value"] {
        let (data, _, expected) = planted(case);
        let error = Problem::new(data.rows, data.cols, data.values, data.uncertainties).err().expect("refused");
        assert_eq!(error.code, expected["code"].as_str().expect("a code"), "{case}");
        assert_eq!(
            (error.row, error.col),
            (expected["row"].as_u64().map(|x| x as usize), expected["column"].as_u64().map(|x| x as usize))
        );
    }
    for case in ["m_less_than_p", "p_zero"] {
        let (data, p, expected) = planted(case);
        let error = factorize(&data.problem(), &Settings::new(p), Control::none()).expect_err("refused");
        assert_eq!(error.code, expected["code"].as_str().expect("a code"), "{case}");
    }
}

#[test]
fn every_method_ends_certified_at_one_minimum_and_transposing_changes_nothing() {
    let (data, p, expected) = planted("noisy");
    let transpose =
        |x: &[f64]| -> Vec<f64> { (0..x.len()).map(|at| x[at % data.rows * data.cols + at / data.rows]).collect() };
    let turned = Data {
        rows: data.cols,
        cols: data.rows,
        values: transpose(&data.values),
        uncertainties: transpose(&data.uncertainties),
    };
    for method in [Method::Auto, Method::Anls, Method::Hals, Method::Mu] {
        for initialization in [headwater_pmf::Initialization::Random, headwater_pmf::Initialization::Nndsvd] {
            for data in [&data, &turned] {
                let s = fit(data, &Settings { method, initialization, starts: Starts::Count(2), ..Settings::new(p) });
                assert_eq!(s.solution.status, Status::Converged, "{method:?}");
                assert!((s.solution.q / number(&expected, "Q") - 1.0).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn the_older_programs_rule_is_not_taken_for_convergence() {
    let data = epa("stlouis");
    let settings = Settings {
        method: Method::Mu,
        stop: Stop::Decrease { decrease: 0.1, over: 100 },
        starts: Starts::Count(1),
        ..Settings::new(7)
    };
    let s = fit(&data, &settings).solution;
    assert_eq!(s.status, Status::Stalled);
    assert!(s.q > 2372.7866 + 1e-3, "{}", s.q);
}

#[test]
fn budget_and_abort_are_said_and_leave_a_feasible_point() {
    let data = epa("stlouis");
    let s = fit(&data, &Settings { max_iterations: 5, starts: Starts::Count(1), ..Settings::new(6) }).solution;
    assert_eq!(s.status, Status::Budget);
    assert!(s.q.is_finite() && s.contributions.iter().chain(&s.profiles).all(|x| *x >= 0.0));
    let flag = std::sync::atomic::AtomicBool::new(true);
    let control = Control::new(Some(&flag), None);
    let found = factorize(&data.problem(), &Settings::new(6), control).expect("a partial result");
    assert_eq!(found.solution.status, Status::Aborted);
    assert!(found.solution.contributions.iter().chain(&found.solution.profiles).all(|x| *x >= 0.0));
}

#[test]
fn one_start_can_be_repeated_alone() {
    let data = epa("stlouis");
    let all = fit(&data, &settings(6, 4, 9));
    let alone = fit(&data, &Settings { first_start: 2, ..settings(6, 1, 9) });
    assert_eq!(alone.starts[0].q, all.starts[2].q);
    let chosen = fit(&data, &Settings { choose: Some(2), ..settings(6, 4, 9) });
    assert_eq!(chosen.solution, alone.solution);
    assert_eq!(chosen.starts[chosen.chosen].start, 2);
}
