//! Displacement intervals against those of an independent program.

use crate::common::*;
use headwater_base::{Control, Status};
use headwater_pmf::{Displacement, DisplacementSettings, EndKind, displace};

const LEVELS: [f64; 4] = [4.0, 8.0, 15.0, 25.0];

fn settings(elements: Vec<(usize, usize)>) -> DisplacementSettings {
    DisplacementSettings {
        levels: LEVELS.to_vec(),
        elements,
        check: true,
        nonnegative_contributions: true,
        nonnegative_profiles: true,
        seed: 1,
        threads: 2,
    }
}

fn base(data: &Data, p: usize) -> (Vec<f64>, Vec<f64>) {
    let found = fit(data, &crate::common::settings(p, 12, 1)).solution;
    assert_eq!(found.status, Status::Converged);
    (found.contributions, found.profiles)
}

fn displaced(data: &Data, p: usize, base: &(Vec<f64>, Vec<f64>), settings: &DisplacementSettings) -> Displacement {
    displace(&data.problem(), p, &base.0, &base.1, settings, Control::none()).expect("intervals")
}

#[test]
fn intervals_are_the_golden_ones() {
    let mut further = 0;
    for expected in fixture("disp.json")["problems"].as_array().expect("problems") {
        let (set, p) = (expected["set"].as_str().expect("a set"), number(expected, "p") as usize);
        let data = epa(set);
        let base = base(&data, p);
        let list = expected["elements"].as_array().expect("elements");
        let elements = list.iter().map(|e| (number(e, "factor") as usize, number(e, "species") as usize)).collect();
        let found = displaced(&data, p, &base, &settings(elements));
        assert_eq!((found.status, found.largest_decrease), (Status::Converged, 0.0));
        assert!((found.base_q / number(expected, "Q_base") - 1.0).abs() < 1e-9);
        assert_eq!(found.elements.len(), list.len());
        for (e, found) in list.iter().zip(&found.elements) {
            for ((level, ends), name) in LEVELS.iter().zip(&found.ends).zip(["4", "8", "15", "25"]) {
                let expected = &e["levels"][name];
                let (lo, hi) = (number(expected, "lo"), number(expected, "hi"));
                let sides = [(ends[0], lo, number(expected, "lo_dQ")), (ends[1], hi, number(expected, "hi_dQ"))];
                for (sign, (end, value, dq)) in [-1.0, 1.0].into_iter().zip(sides) {
                    let at = format!("{set} {} {} level {level}: {end:?}, not {value}", found.factor, found.species);
                    let kind = if dq < level - 1e-2 { EndKind::Zero } else { EndKind::Reached };
                    assert_eq!(end.kind, kind, "{at}");
                    // At zero there is no level to meet, and sometimes two minima that differ by 1e-3 (the fixture's
                    // program ends in either: its `check_max`).
                    let miss = if kind == EndKind::Zero { 1e-4 * level } else { 1e-3 };
                    assert!((end.delta_q - dq).abs() <= miss || kind == EndKind::Zero && end.delta_q < dq, "{at}");
                    let off = (end.value - value) * sign / (hi - lo);
                    // Further out at the same ΔQ means a lower minimum than the fixture's program found.
                    if off > 1e-4 {
                        further += 1;
                        assert!(off < 2e-2, "{at}");
                    }
                    assert!(off >= -1e-4, "{at}: {off:e}");
                }
            }
        }
        // The elements that are on a lower branch there are found on it.
        for (e, found) in list.iter().zip(&found.elements) {
            if e["lower_branch"].as_bool() == Some(true) {
                assert!(
                    found.ends.iter().flatten().any(|end| end.lower_branch),
                    "{set} {} {}",
                    found.factor,
                    found.species
                );
            }
        }
    }
    assert!(further <= 2, "{further} ends lie further out");
}

#[test]
fn intervals_do_not_depend_on_threads_or_on_company() {
    let data = epa("stlouis");
    let base = base(&data, 6);
    let elements = vec![(0, 2), (1, 5), (3, 9), (5, 0)];
    let together = displaced(&data, 6, &base, &settings(elements.clone()));
    let alone = displaced(&data, 6, &base, &DisplacementSettings { threads: 1, ..settings(elements) });
    assert_eq!(together, alone);
}

#[test]
fn half_widths_are_the_quadratic_ones_where_the_likelihood_is() {
    // Fixture: half-width at ΔQ = 4 over twice the standard error.
    let expected = &fixture("disp.json")["problems"][0];
    let data = epa("stlouis");
    let base = base(&data, 6);
    let list: Vec<_> = expected["elements"]
        .as_array()
        .expect("elements")
        .iter()
        .filter(|e| e["half_width_4_over_2se_exact"].is_f64())
        .collect();
    let elements = list.iter().map(|e| (number(e, "factor") as usize, number(e, "species") as usize)).collect();
    let found = displaced(&data, 6, &base, &DisplacementSettings { levels: vec![4.0], ..settings(elements) });
    for (e, found) in list.iter().zip(&found.elements) {
        let [lower, upper] = found.ends[0];
        let ratio = 0.5 * (upper.value - lower.value) / (2.0 * number(e, "se_exact"));
        let expected = number(e, "half_width_4_over_2se_exact");
        assert!((ratio - expected).abs() < 1e-3, "{} {}: {ratio} instead of {expected}", found.factor, found.species);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let data = epa("stlouis");
    let (w, h) = (vec![1.0; data.rows * 2], vec![1.0; 2 * data.cols]);
    let refuse = |settings: DisplacementSettings| {
        displace(&data.problem(), 2, &w, &h, &settings, Control::none()).err().map(|error| error.code)
    };
    let good = || settings(vec![(0, 0)]);
    assert_eq!(refuse(DisplacementSettings { levels: vec![4.0, 0.0], ..good() }), Some("option-out-of-range"));
    assert_eq!(refuse(DisplacementSettings { levels: vec![8.0, 4.0], ..good() }), Some("option-out-of-range"));
    assert_eq!(refuse(DisplacementSettings { levels: vec![], ..good() }), Some("option-out-of-range"));
    assert_eq!(refuse(settings(vec![(2, 0)])), Some("option-out-of-range"));
    assert_eq!(refuse(settings(vec![(0, 13)])), Some("option-out-of-range"));
}

#[test]
fn small_intervals_of_every_loss_are_the_standard_errors() {
    use headwater_pmf::{ErrorSettings, Loss, Settings, factorize, standard_errors};
    let data = epa("stlouis");
    for (loss, p) in [(Loss::Squares, 4), (Loss::Huber { alpha: 2.0 }, 4), (Loss::Student { freedom: 10.0 }, 2)] {
        let problem = data.problem().with_loss(loss).expect("a loss");
        let options = Settings { threads: 2, ..crate::common::settings(p, 10, 1) };
        let base = factorize(&problem, &options, Control::none()).expect("a fit").solution;
        assert_eq!(base.status, Status::Converged, "{loss:?} {:?}", base.certificate);
        let (w, h) = (&base.contributions, &base.profiles);
        let errors = standard_errors(&problem, p, w, h, &ErrorSettings::default(), Control::none()).expect("errors");
        // Well off zero, and so near that no row and no cell changes its side: there the likelihood is a parabola.
        let elements: Vec<(usize, usize)> = (0..p * data.cols)
            .filter(|&at| h[at] > 8.0 * errors.profiles[at])
            .map(|at| (at / data.cols, at % data.cols))
            .step_by(3)
            .collect();
        assert!(elements.len() >= 3, "{loss:?}: {}", elements.len());
        let small = DisplacementSettings { levels: vec![1e-5], check: false, ..settings(elements) };
        let found = displace(&problem, p, w, h, &small, Control::none()).expect("intervals");
        for element in &found.elements {
            let se = errors.profiles[element.factor * data.cols + element.species];
            let [lower, upper] = element.ends[0];
            let ratio = 0.5 * (upper.value - lower.value) / (1e-5_f64.sqrt() * se);
            assert!((ratio - 1.0).abs() < 1e-4, "{loss:?} {} {}: {ratio}", element.factor, element.species);
        }
    }
}

#[test]
fn a_cell_that_is_known_exactly_moves_intervals_and_errors_no_more_than_one_known_very_well() {
    use headwater_pmf::{ErrorSettings, standard_errors};
    let low = |elements| DisplacementSettings { levels: vec![4.0, 8.0], ..settings(elements) };
    // The engine treats a weight of 1e10 times its neighbours' apart (by a multiplier), one of 1e8 times not.
    let found: Vec<_> = [1e-4, 1e-7]
        .into_iter()
        .map(|share| {
            let mut data = epa("stlouis");
            let cell = 5 * data.cols + 3;
            data.values[cell] *= 2.0;
            data.uncertainties[cell] *= share;
            let base = base(&data, 4);
            let elements = vec![(0, 3), (1, 3), (2, 7), (3, 0)];
            let found = displaced(&data, 4, &base, &low(elements));
            assert_eq!(found.largest_decrease, 0.0, "{share}");
            let errors =
                standard_errors(&data.problem(), 4, &base.0, &base.1, &ErrorSettings::default(), Control::none());
            (found, errors.expect("errors"))
        })
        .collect();
    for (well, exact) in found[0].0.elements.iter().zip(&found[1].0.elements) {
        for ([lower, upper], exact) in well.ends.iter().zip(&exact.ends) {
            let width = upper.value - lower.value;
            for (well, exact) in [lower, upper].into_iter().zip(exact) {
                assert_eq!(well.kind, exact.kind);
                assert!((well.value - exact.value).abs() <= 1e-4 * width, "{well:?} {exact:?}");
            }
        }
    }
    for (well, exact) in found[0].1.profiles.iter().zip(&found[1].1.profiles).filter(|(well, _)| !well.is_nan()) {
        assert!((well / exact - 1.0).abs() < 1e-3, "{well} {exact}");
    }
}
