//! Whole fits on the planted cases.

use crate::planted_data::{Case, Generator, fixture, planted};
use headwater_base::parallel::Crew;
use headwater_base::{Control, Status};
use headwater_manifold::coding::fitted;
use headwater_manifold::fit::{Claim, Fit, FitSettings, Rows, amortise, fit, gap};
use headwater_manifold::{AmplitudePrior, Gate, Topology};
use std::f64::consts::TAU;

fn settings(atoms: usize, active: usize, gate: Gate, seed: u64) -> FitSettings {
    of_shapes(vec![Topology::Circle { harmonics: 1 }; atoms], active, gate, seed)
}

fn of_shapes(atoms: Vec<Topology>, active: usize, gate: Gate, seed: u64) -> FitSettings {
    FitSettings { gate, seed, ..FitSettings::new(atoms, active) }
}

fn rows(case: &Case, train: bool) -> Rows {
    let at = case.train * case.p;
    let values = if train { case.rows[..at].to_vec() } else { case.rows[at..].to_vec() };
    Rows { count: values.len() / case.p, values, ..Rows::default() }
}

/// EV on held-out rows, least lock and recall.
fn score(case: &Case, found: &Fit, crew: Crew) -> (f64, f64, f64) {
    let test = rows(case, false);
    let encoded = found.model.encode(&test, crew).expect("good rows").expect("not stopped");
    let fit = fitted(&encoded.problem, &encoded.state);
    let p = case.p;
    let mean: Vec<f64> =
        (0..p).map(|o| test.values.iter().skip(o).step_by(p).sum::<f64>() / test.count as f64).collect();
    let (mut left, mut total) = (0.0, 0.0);
    for (at, x) in test.values.iter().enumerate() {
        left += (x - found.model.offset[at % p] - fit[at]).powi(2);
        total += (x - mean[at % p]).powi(2);
    }
    let (mut lock, mut recall) = (1.0_f64, 1.0_f64);
    for c in 0..case.circles {
        let best = (0..found.kept.len())
            .map(|k| {
                let (mut rows, mut on, mut sums) = (0.0, 0.0, [[0.0; 2]; 2]);
                for i in 0..test.count {
                    let own = (case.train + i) * case.active;
                    let Some(a) = (own..own + case.active).find(|&a| case.support[a] == c) else { continue };
                    rows += 1.0;
                    let support = encoded.state.layout.support(i);
                    let Some(b) = support.iter().position(|&l| l as usize == k) else { continue };
                    on += 1.0;
                    for (sum, sign) in sums.iter_mut().zip([-1.0, 1.0]) {
                        let (s, co) = (TAU * (encoded.state.coordinates(i)[b] + sign * case.phase[a])).sin_cos();
                        *sum = [sum[0] + co, sum[1] + s];
                    }
                }
                let lock = sums.iter().map(|[c, s]| c.hypot(*s)).fold(0.0, f64::max) / f64::max(on, 1.0);
                (lock, on / rows)
            })
            .fold((0.0, 0.0), |a, b| if b.1 > a.1 { b } else { a });
        lock = lock.min(best.0);
        recall = recall.min(best.1);
    }
    (1.0 - left / total, lock, recall)
}

/// Held-out EV, lock and recall of the case, for every one of these seeds.
fn judge(name: &str, gate: Gate, seeds: std::ops::Range<u64>, short: f64) {
    let crew = Crew::new(2, Control::none());
    let about = &fixture()["cases"][name];
    let case = planted(about, None);
    let atoms = about["K"].as_u64().expect("K") as usize;
    let ceiling = about["ceiling"]["ev"].as_f64().expect("EV*");
    for seed in seeds {
        let found = fit(&rows(&case, true), case.p, &settings(atoms, case.active, gate, seed), crew)
            .expect("good")
            .expect("not stopped");
        let (ev, lock, recall) = score(&case, &found, crew);
        let said = format!("{name}, seed {seed}: EV {ev} of {ceiling}, lock {lock}, recall {recall}");
        assert_eq!(found.status, Status::Converged, "{said}");
        assert_eq!(found.kept.len(), case.circles, "{said}: as many atoms as circles");
        assert!(ev >= ceiling - short && lock >= 0.998 && recall >= 0.99, "{said}");
        assert!(found.moved == 0 && found.missed == 0, "{said}");
        assert!(found.atoms.iter().all(|atom| atom.claim == Claim::Holds), "{said}: {:?}", found.atoms);
    }
}

const USUAL: Gate = Gate::Amplitude(AmplitudePrior::Normal);

/// All ten seeds and all hundred data sets of noise with HEADWATER_LONG=1 (minutes); else so many.
fn usually(few: u64, all: u64) -> u64 {
    if std::env::var_os("HEADWATER_LONG").is_some() { all } else { few }
}

#[test]
fn planted_circles_are_found_by_every_seed() {
    for name in ["T1a", "T1b", "T1c", "T1d", "T5"] {
        judge(name, USUAL, 0..usually(2, 10), 0.002);
    }
}

#[test]
fn two_active_circles_are_found() {
    // T2a is T2b with other weights of the circles: with the long runs only.
    for name in ["T2b", "T3"] {
        judge(name, USUAL, 0..usually(1, 10), 0.005);
    }
    judge("T2a", USUAL, 0..usually(0, 10), 0.005);
    judge("T3", Gate::Unit, 0..1, 0.005);
}

/// T4: seven labels on a circle, ten rows each.
#[test]
fn seven_points_of_a_circle_are_a_circle() {
    let about = &fixture()["cases"]["T4"];
    let crew = Crew::new(2, Control::none());
    for data in 0..20 {
        let noise = Generator { seed: 2691 + data, drawn: 0 }.normals(560);
        let mut values: Vec<f64> = noise.iter().map(|x| 0.352 * x).collect();
        let label = |i: usize| (i / 10) as f64 / 7.0;
        for i in 0..70 {
            let (s, c) = (TAU * label(i)).sin_cos();
            values[i * 8] += 2.086 * c;
            values[i * 8 + 1] += 2.086 * s;
        }
        if data == 0 {
            let sum: f64 = values.iter().sum();
            assert!((sum - about["sum"].as_f64().expect("a number")).abs() < 1e-9 * sum.abs(), "{sum}");
        }
        let rows = Rows { count: 70, values, ..Rows::default() };
        let found = fit(&rows, 8, &settings(1, 1, USUAL, 0), crew).expect("good").expect("not stopped");
        assert_eq!((found.status, found.kept.len()), (Status::Converged, 1), "data {data}");
        // A row that the noise has brought to less than half the radius is nearer to nothing.
        let on: Vec<usize> = (0..70).filter(|&i| !found.codes.state.layout.support(i).is_empty()).collect();
        assert!(on.len() >= 68, "data {data}: {} rows", on.len());
        let phase = |i: usize| found.codes.state.coordinates(i)[0];
        let correlation = [-1.0, 1.0].map(|sign| {
            let sums = on.iter().fold((0.0, 0.0), |(a, b), &i| {
                let (s, c) = (TAU * (phase(i) + sign * label(i))).sin_cos();
                (a + c, b + s)
            });
            sums.0.hypot(sums.1) / on.len() as f64
        });
        assert!(correlation[0].max(correlation[1]) >= 0.95, "data {data}: {correlation:?}");
        assert!(found.atoms[0].spread[0] > 0.9 && found.missed == 0, "data {data}: {:?}", found.atoms);
    }
}

#[test]
fn noise_makes_no_circle() {
    let crew = Crew::new(2, Control::none());
    let mut claimed = 0;
    let sets = usually(20, 100);
    for data in 0..sets {
        let values = Generator { seed: 6000 + data, drawn: 0 }.normals(300 * 8)[..240 * 8].to_vec();
        let noise = Rows { count: 240, values, ..Rows::default() };
        let found = fit(&noise, 8, &settings(4, 1, USUAL, 0), crew).expect("good").expect("not stopped");
        claimed += u64::from(found.atoms.iter().any(|atom| atom.claim == Claim::Holds));
    }
    assert!(20 * claimed <= sets, "{claimed} of {sets} data sets of noise have a circle");
}

#[test]
fn rows_get_the_codes_of_the_fit_again() {
    let crew = Crew::new(2, Control::none());
    for (name, gate) in [("T1b", USUAL), ("T1b", Gate::Unit), ("T3", USUAL)] {
        let about = &fixture()["cases"][name];
        let case = planted(about, None);
        let train = rows(&case, true);
        let atoms = about["K"].as_u64().expect("K") as usize;
        let found = fit(&train, case.p, &settings(atoms, case.active, gate, 0), crew).expect("good").expect("done");
        let again = found.model.encode(&train, crew).expect("good").expect("done");
        assert_eq!(again.state.theta, found.codes.state.theta, "{name}");
        // One row alone, and one thread.
        let one = Rows { count: 1, values: train.values[7 * case.p..8 * case.p].to_vec(), ..Rows::default() };
        let alone = found.model.encode(&one, Crew::new(1, Control::none())).expect("good").expect("done");
        assert_eq!(alone.state.gates(0), found.codes.state.gates(7), "{name}");
        assert_eq!(alone.state.coordinates(0), found.codes.state.coordinates(7), "{name}");
    }
}

#[test]
fn threads_change_nothing() {
    let case = planted(&fixture()["cases"]["T1b"], None);
    let of = |threads| {
        let crew = Crew::new(threads, Control::none());
        fit(&rows(&case, true), case.p, &settings(6, 1, USUAL, 3), crew).expect("good").expect("done")
    };
    let (one, eight) = (of(1), of(8));
    assert_eq!(one.codes.state.theta, eight.codes.state.theta);
    assert_eq!(one.value.to_bits(), eight.value.to_bits());
}

#[test]
fn one_product_says_nearly_the_same_codes() {
    let crew = Crew::new(2, Control::none());
    let about = &fixture()["cases"]["T1b"];
    let case = planted(about, None);
    let (train, held) = (rows(&case, true), rows(&case, false));
    let found = fit(&train, case.p, &settings(6, 1, USUAL, 0), crew).expect("good").expect("done");
    let encoder = amortise(&found.model, &train, &found.codes).expect("complete rows");
    let exact = found.model.encode(&held, crew).expect("good").expect("done");
    let quick = encoder.encode(&found.model, &held).expect("of this dictionary");
    let gap = gap(&found.model, &held, &exact, &quick).expect("the same rows");
    let [best, other] = gap.explained.map(|ev| ev.expect("rows differ"));
    assert!(best > other && other > 0.8, "EV {best} exact, {other} by one product");
    // Phases of one circle are linear in the row: no seam at 0, a few degrees off.
    let [half, most, _] = gap.coordinates.expect("coordinates");
    assert!(gap.agreement > 0.98 && half < 0.02 && most < 0.06, "{gap:?}");
    let holed = Rows { values: train.values.iter().map(|x| if *x > 0.7 { f64::NAN } else { *x }).collect(), ..train };
    assert_eq!(amortise(&found.model, &holed, &found.codes).expect_err("missing cells").code, "option-not-valid");
}
