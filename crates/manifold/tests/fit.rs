//! Whole fits on the planted cases.

mod planted_data;

use headwater_base::Control;
use headwater_base::parallel::Crew;
use headwater_manifold::coding::fitted;
use headwater_manifold::fit::{Fit, FitSettings, Rows, Smoothing, fit};
use headwater_manifold::{AmplitudePrior, Gate, InnerSettings, OuterSettings, Topology};
use planted_data::{Case, fixture, planted};
use std::f64::consts::TAU;

fn settings(atoms: usize, active: usize, gate: Gate, seed: u64) -> FitSettings {
    FitSettings {
        atoms: vec![Topology::Circle { harmonics: 1 }; atoms],
        gate,
        active,
        non_negative: false,
        centre: true,
        prune: true,
        seed,
        restarts: 4,
        beam: 8,
        smoothing: Smoothing::Size,
        entropy: 0.0,
        incoherence: 0.0,
        repulsion: 0.0,
        max_rounds: 12,
        inner: InnerSettings::default(),
        outer: OuterSettings::default(),
    }
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
    let mean: Vec<f64> = (0..p).map(|o| test.values.iter().skip(o).step_by(p).sum::<f64>() / test.count as f64).collect();
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

/// Seconds that this thread has run.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).expect("a number") * 1e-9
}

#[test]
fn probe() {
    let crew = Crew::new(1, Control::none());
    let all = fixture();
    for name in std::env::var("CASES").unwrap_or("T1a T1b T1c T1d T2a T2b T3 T5".into()).split(' ') {
        let about = &all["cases"][name];
        let case = planted(about, None);
        let atoms = about["K"].as_u64().expect("K") as usize;
        for gate in [Gate::Amplitude(AmplitudePrior::Normal), Gate::Unit] {
            for seed in 0..2 {
                let clock = cpu();
                let found = fit(&rows(&case, true), case.p, &settings(atoms, case.active, gate, seed), crew)
                    .expect("good")
                    .expect("not stopped");
                let time = cpu() - clock;
                let (ev, lock, recall) = score(&case, &found, crew);
                eprintln!(
                    "{name} {gate:?} seed {seed}: {:?} kept {} EV {ev:.6} ({:+.4}) lock {lock:.4} recall {recall:.4} rounds {} moved {} missed {} seed {:?} {time:.2} s noise {:.5} {:?}",
                    found.status,
                    found.kept.len(),
                    ev - about["ceiling"]["ev"].as_f64().unwrap_or(f64::NAN),
                    found.rounds, found.moved, found.missed, found.seed,
                    found.model.strengths.noise,
                    found.evidence,
                );
                for atom in &found.atoms {
                    if std::env::var("ATOMS").is_ok() { eprintln!("   {:?} rows {} worth {:?} spread {:?} coverage {:.2} kurtosis {:?} ± {:?}", atom.claim, atom.used.rows, atom.worth.map(f64::round), atom.spread, atom.coverage, atom.kurtosis, atom.kurtosis_error); }
                }
            }
        }
    }
}

#[test]
fn debug_t3() {
    let crew = Crew::new(1, Control::none());
    let all = fixture();
    let about = &all["cases"]["T3"];
    let case = planted(about, None);
    let found = fit(&rows(&case, true), case.p, &settings(4, 2, Gate::Unit, 0), crew).expect("good").expect("not stopped");
    let fit = fitted(&found.codes.problem, &found.codes.state);
    let p = case.p;
    let mut sizes = [0; 3];
    for n in 0..1200 {
        let support = found.codes.state.layout.support(n);
        sizes[support.len()] += 1;
        let left: f64 = (0..p).map(|o| (found.codes.problem.row(n)[o] - fit[n * p + o]).powi(2)).sum();
        if left > 0.15 {
            // Brute force.
            let d = &found.model.decoders;
            let mut best = (f64::INFINITY, 0, 0, 0.0, 0.0);
            for k in 0..4 { for l in 0..k { for a in 0..100 { for b in 0..100 {
                let (t, u) = (a as f64 / 100.0, b as f64 / 100.0);
                let (s, c) = (TAU * t).sin_cos();
                let (v, w) = (TAU * u).sin_cos();
                let e: f64 = (0..p).map(|o| {
                    let m = d[3 * k * p + o] + s * d[(3 * k + 1) * p + o] + c * d[(3 * k + 2) * p + o]
                     + d[3 * l * p + o] + v * d[(3 * l + 1) * p + o] + w * d[(3 * l + 2) * p + o];
                    (found.codes.problem.row(n)[o] - m).powi(2) }).sum();
                if e < best.0 { best = (e, k, l, t, u); }
            }}}}
            eprintln!("row {n} {support:?} {:?} left {left:.4} best {best:?} truth {:?} {:?}", found.codes.state.coordinates(n), &case.support[2*n..2*n+2], &case.phase[2*n..2*n+2]);
        }
    }
    eprintln!("{sizes:?} {:?}", found.model.decoders.chunks(p).map(|x| x.iter().map(|x| x*x).sum::<f64>().sqrt()).collect::<Vec<_>>());
}
