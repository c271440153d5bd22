//! The streaming lane: what it finds in data of known make, what it claims, and what it refuses.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use headwater_base::parallel::Crew;
use headwater_base::rng::{Purpose, Stream};
use headwater_base::{Control, Error, Progress, Status};
use headwater_linalg::dense::inner;
use headwater_manifold::lane::{Codes, Dictionary, Lane, Rows, Seeds, Settings, Shape, Table, encode, fit, resume};
use headwater_manifold::metrics::{Decoders, Reconstruction, agreement, nearest, phase_agreement};

fn crew(threads: usize) -> Crew<'static> {
    Crew::new(threads, Control::none())
}

fn random(index: u32) -> Stream {
    Stream::new(7, Purpose::Synthetic, index)
}

fn normals(count: usize, scale: f64, random: &mut Stream) -> Vec<f64> {
    (0..count).map(|_| scale * random.normal()).collect()
}

fn units(count: usize, p: usize, random: &mut Stream) -> Vec<f64> {
    let mut out = normals(count * p, 1.0, random);
    for x in out.chunks_exact_mut(p) {
        let size = inner(x, x).sqrt();
        x.iter_mut().for_each(|x| *x /= size);
    }
    out
}

/// Different numbers below `limit`.
fn distinct(count: usize, limit: usize, random: &mut Stream) -> Vec<usize> {
    let mut out: Vec<usize> = Vec::new();
    while out.len() < count {
        let k = random.below(limit);
        if !out.contains(&k) {
            out.push(k);
        }
    }
    out
}

/// Rows of `active` features with amplitudes in [½, 1½] (of either sign where `signed`), noise, and an offset.
fn superposition(
    truth: &[f64],
    p: usize,
    rows: usize,
    active: usize,
    signed: bool,
    offset: f64,
    index: u32,
) -> Vec<f64> {
    let mut random = random(index);
    let mut out = normals(rows * p, 0.05, &mut random);
    for x in out.chunks_exact_mut(p) {
        x.iter_mut().enumerate().for_each(|(c, x)| *x += offset * (c as f64).sin());
        for k in distinct(active, truth.len() / p, &mut random) {
            let sign = if signed && random.uniform() < 0.5 { -1.0 } else { 1.0 };
            let a = sign * (0.5 + random.uniform());
            x.iter_mut().zip(&truth[k * p..]).for_each(|(x, d)| *x += a * d);
        }
    }
    out
}

fn reconstructed(dictionary: &Dictionary, codes: &Codes) -> Vec<f64> {
    let p = dictionary.columns();
    let mut out = vec![0.0; codes.rows() * p];
    out.chunks_exact_mut(p).enumerate().for_each(|(n, x)| dictionary.decode(codes, n, x));
    out
}

fn explained(data: &[f64], dictionary: &Dictionary, codes: &Codes) -> f64 {
    let mut of = Reconstruction::new(dictionary.columns());
    of.add(data, &reconstructed(dictionary, codes), None).expect("finite");
    of.metrics().explained_variance.expect("varies")
}

fn held_out(found: &Dictionary, test: &[f64], settings: &Settings) -> f64 {
    let rows = Table::new(test, found.columns()).expect("rows");
    let codes = encode(found, &rows, settings, crew(2)).expect("codes").expect("not stopped");
    explained(test, found, &codes)
}

fn oracle(truth: &[f64], p: usize) -> Dictionary {
    Dictionary {
        shape: Shape::Direction,
        non_negative: true,
        ridge: 1e-6,
        offset: vec![0.0; p],
        directions: truth.to_vec(),
    }
}

/// F of a dictionary and codes, from nothing else.
fn objective(data: &[f64], dictionary: &Dictionary, codes: &Codes) -> f64 {
    let left = data.iter().zip(reconstructed(dictionary, codes)).map(|(x, f)| (x - f) * (x - f)).sum::<f64>();
    let size: f64 = (0..codes.rows()).flat_map(|n| codes.row(n).1).map(|c| c * c).sum();
    0.5 * left + 0.5 * dictionary.ridge * size
}

/// Everything that a result says about itself, computed anew.
fn check(data: &[f64], found: &Lane, settings: &Settings) {
    let (dictionary, codes) = (&found.dictionary, &found.codes);
    let (p, w, k) = (dictionary.columns(), dictionary.shape.width(), dictionary.atoms());
    assert_eq!((k, codes.rows()), (settings.atoms, data.len() / p));
    for atom in dictionary.directions.chunks_exact(w * p) {
        for u in 0..w {
            for v in 0..w {
                let g = inner(&atom[u * p..(u + 1) * p], &atom[v * p..(v + 1) * p]);
                assert!((g - f64::from(u8::from(u == v))).abs() < 1e-12, "axes are not orthonormal: {g}");
            }
        }
    }
    let mut uses = vec![0; k];
    for n in 0..codes.rows() {
        let (support, values) = codes.row(n);
        assert!(support.len() <= settings.active && support.is_sorted_by(|x, y| x < y), "row {n}: {support:?}");
        assert!(support.iter().all(|&atom| (atom as usize) < k) && values.iter().all(|c| c.is_finite()));
        assert!(w == 2 || !settings.non_negative || values.iter().all(|c| *c > 0.0), "row {n}: {values:?}");
        support.iter().for_each(|&atom| uses[atom as usize] += 1);
    }
    let now = objective(data, dictionary, codes);
    let Some(said) = found.objective else { return };
    if found.status == Status::Aborted {
        return;
    }
    assert!((now - said).abs() < 1e-9 * said.max(1e-12), "F is {now}, said was {said}");
    let last = found.passes.last().expect("a pass");
    assert_eq!(uses.iter().filter(|count| **count == 0).count(), last.unused);
    let claim = gradient(data, dictionary, codes, settings.offset);
    assert!((claim - last.gradient).abs() < 1e-3 * last.gradient + 1e-9, "gradient {claim}, said {}", last.gradient);
}

/// √(Σ‖g_k‖²/h_k / Σ‖x − x̄‖²) straight from the formula.
fn gradient(data: &[f64], dictionary: &Dictionary, codes: &Codes, offset: bool) -> f64 {
    let (p, w) = (dictionary.columns(), dictionary.shape.width());
    let rows = dictionary.directions.len() / p;
    let fitted = reconstructed(dictionary, codes);
    let (mut g, mut h) = (vec![0.0; (rows + 1) * p], vec![0.0; rows + 1]);
    for n in 0..codes.rows() {
        let (support, values) = codes.row(n);
        let left: Vec<f64> = (n * p..(n + 1) * p).map(|at| data[at] - fitted[at]).collect();
        for (&atom, c) in support.iter().zip(values.chunks_exact(w)) {
            let axes = &dictionary.directions[atom as usize * w * p..][..w * p];
            for u in 0..w {
                let at = atom as usize * w + u;
                h[at] += (1.0 + dictionary.ridge) * c[u] * c[u];
                for o in 0..p {
                    let part: f64 = (0..w).map(|v| c[v] * axes[v * p + o]).sum();
                    g[at * p + o] += c[u] * (dictionary.ridge * part - left[o]);
                }
            }
        }
        if offset {
            h[rows] += 1.0;
            (0..p).for_each(|o| g[rows * p + o] -= left[o]);
        }
    }
    let mean: Vec<f64> =
        (0..p).map(|c| data.iter().skip(c).step_by(p).sum::<f64>() * p as f64 / data.len() as f64).collect();
    let total: f64 = data.iter().enumerate().map(|(at, x)| (x - mean[at % p]).powi(2)).sum();
    let sum: f64 =
        (0..=rows).filter(|&i| h[i] > 0.0).map(|i| inner(&g[i * p..(i + 1) * p], &g[i * p..(i + 1) * p]) / h[i]).sum();
    (sum / total).sqrt()
}

#[test]
fn features_in_superposition_are_recovered_from_rows_and_from_random_directions() {
    let (p, count, s) = (32, 128, 4);
    let truth = units(count, p, &mut random(0));
    let data = superposition(&truth, p, 6000, s, false, 0.3, 1);
    let test = superposition(&truth, p, 2000, s, false, 0.3, 2);
    let mut best = oracle(&truth, p);
    best.offset = (0..p).map(|c| 0.3 * (c as f64).sin()).collect();
    for seeds in [Seeds::Rows, Seeds::Random] {
        let settings = Settings { seeds, ..Settings::new(count, s) };
        let found = fit(&Table::new(&data, p).expect("rows"), &settings, crew(2)).expect("a fit");
        check(&data, &found, &settings);
        let ones = vec![1; count];
        let of = |values| Decoders { functions: &ones, values };
        let near = nearest(of(&truth), of(&found.dictionary.directions), p, crew(1))
            .expect("directions")
            .expect("not stopped");
        let recovered = near.iter().filter(|cosine| **cosine > 0.95).count() as f64 / count as f64;
        assert!(recovered > 0.97, "{seeds:?}: {recovered}");
        let (ev, ceiling) = (held_out(&found.dictionary, &test, &settings), held_out(&best, &test, &settings));
        assert!(ev > ceiling - 0.01, "{seeds:?}: {ev} below {ceiling}");
    }
}

#[test]
fn atoms_of_little_use_move_to_where_two_features_share_one() {
    // Seeds leave atoms that stand between two features, and as many for a few odd rows.
    let (p, count, s) = (64, 384, 4);
    let truth = units(count, p, &mut random(30));
    let data = superposition(&truth, p, 9000, s, false, 0.0, 31);
    let table = Table::new(&data, p).expect("rows");
    let settings = Settings { offset: false, ..Settings::new(count, s) };
    let found = fit(&table, &settings, crew(2)).expect("a fit");
    let best = resume(&table, &oracle(&truth, p), &Settings { early: 0, ..settings }, crew(2)).expect("a fit");
    check(&data, &best, &settings);
    let ones = vec![1; count];
    let of = |values| Decoders { functions: &ones, values };
    let near =
        nearest(of(&truth), of(&found.dictionary.directions), p, crew(1)).expect("as wide").expect("not stopped");
    let missed = near.iter().filter(|cosine| **cosine < 0.95).count();
    let (own, least) = (found.objective.expect("a pass"), best.objective.expect("a pass"));
    assert!(missed == 0 && own < least * (1.0 + 1e-3), "{missed} features missed, F {own} where {least} is possible");
}

#[test]
fn a_fit_goes_on_from_its_result_where_it_was() {
    let truth = units(30, 12, &mut random(32));
    let data = superposition(&truth, 12, 900, 2, false, 0.1, 33);
    let table = Table::new(&data, 12).expect("rows");
    let settings = Settings::new(30, 2);
    let half = fit(&table, &Settings { passes: 4, ..settings }, crew(2)).expect("a fit");
    let on = resume(&table, &half.dictionary, &Settings { early: 0, passes: 12, ..settings }, crew(2)).expect("a fit");
    check(&data, &on, &settings);
    let values = (half.objective.expect("a pass"), on.objective.expect("a pass"));
    assert!(values.1 < values.0 && on.passes[0].objective < 1.05 * values.0, "{values:?}");
    let narrow = Table::new(&data, 6).expect("rows");
    assert_eq!(resume(&narrow, &half.dictionary, &settings, crew(1)).expect_err("6 columns").code, "shape-mismatch");
}

#[test]
fn the_objective_never_rises_between_passes_where_no_atom_begins_again() {
    for (p, signed, shape) in [
        (16, false, Shape::Direction),
        // So many atoms in so few columns that what leaving one out costs is often wrong beside a bound.
        (4, false, Shape::Direction),
        (16, true, Shape::Direction),
        (16, true, Shape::Circle),
    ] {
        let data = superposition(&units(60, p, &mut random(3)), p, 1500, 3, signed, 0.0, 4);
        let settings = Settings { shape, non_negative: !signed, early: 0, passes: 15, ..Settings::new(40, 3) };
        let found = fit(&Table::new(&data, p).expect("rows"), &settings, crew(2)).expect("a fit");
        check(&data, &found, &settings);
        assert!(found.passes.len() > 5);
        for two in found.passes.windows(2) {
            let (before, after) = (two[0].objective, two[1].objective);
            assert!(after <= before * (1.0 + 1e-12), "{shape:?} {p} signed {signed}: {before} became {after}");
        }
    }
}

#[test]
fn clusters_converge_and_the_proof_holds() {
    // One atom a row: directions of clusters, whose assignments settle.
    let (p, k) = (12, 6);
    let truth = units(k, p, &mut random(5));
    let data = superposition(&truth, p, 900, 1, false, 0.0, 6);
    let settings = Settings { offset: false, passes: 200, stall: 0.0, ..Settings::new(k, 1) };
    let found = fit(&Table::new(&data, p).expect("rows"), &settings, crew(2)).expect("a fit");
    check(&data, &found, &settings);
    assert_eq!(found.status, Status::Converged);
    let last = found.passes.last().expect("a pass");
    assert!(last.changed == 0.0 && gradient(&data, &found.dictionary, &found.codes, false) <= settings.tolerance);
    let of = |values| Decoders { functions: &[1; 6], values };
    let same =
        agreement(of(&truth), of(&found.dictionary.directions), p, crew(1)).expect("as many").expect("not stopped");
    assert!(same.matches.iter().all(|of| of.cosine > 0.995), "{same:?}");
    // The same rows coded anew get the codes of the fit.
    let again = encode(&found.dictionary, &Table::new(&data, p).expect("rows"), &settings, crew(1)).expect("codes");
    let again = again.expect("not stopped");
    for n in 0..900 {
        let ((support, values), (other, others)) = (found.codes.row(n), again.row(n));
        assert_eq!(support, other, "row {n}");
        assert!((values[0] - others[0]).abs() < 1e-12, "row {n}");
    }
    // The same without the passes it needs is not called converged.
    let short = Settings { passes: 2, ..settings };
    let found = fit(&Table::new(&data, p).expect("rows"), &short, crew(2)).expect("a fit");
    assert_eq!((found.status, found.passes.len()), (Status::Budget, 2));
    // Less than proven is stalled, however small the gain that is left.
    let strict = Settings { tolerance: 0.0, stall: 1e-3, ..settings };
    assert_eq!(fit(&Table::new(&data, p).expect("rows"), &strict, crew(2)).expect("a fit").status, Status::Stalled);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let truth = units(100, 20, &mut random(8));
    let data = superposition(&truth, 20, 3000, 3, false, 0.2, 9);
    for shape in [Shape::Direction, Shape::Circle] {
        let settings = Settings { shape, passes: 6, ..Settings::new(70, 3) };
        let table = Table::new(&data, 20).expect("rows");
        let one = fit(&table, &settings, crew(1)).expect("a fit");
        check(&data, &one, &settings);
        for threads in [2, 5] {
            assert!(one == fit(&table, &settings, crew(threads)).expect("a fit"), "{shape:?} {threads} threads");
        }
        let codes = encode(&one.dictionary, &table, &settings, crew(1)).expect("codes");
        assert!(codes == encode(&one.dictionary, &table, &settings, crew(3)).expect("codes"));
    }
}

#[test]
fn the_unit_of_the_data_does_not_matter_however_small_or_large() {
    let truth = units(30, 10, &mut random(10));
    let data = superposition(&truth, 10, 800, 2, false, 0.1, 11);
    let settings = Settings { passes: 8, ..Settings::new(25, 2) };
    let base = fit(&Table::new(&data, 10).expect("rows"), &settings, crew(2)).expect("a fit");
    for exponent in [-900, 40] {
        let unit = 2.0_f64.powi(exponent);
        let scaled: Vec<f64> = data.iter().map(|x| x * unit).collect();
        let found = fit(&Table::new(&scaled, 10).expect("rows"), &settings, crew(2)).expect("a fit");
        assert!(found.dictionary.directions == base.dictionary.directions, "2^{exponent}");
        for n in 0..800 {
            assert_eq!(found.codes.row(n).0, base.codes.row(n).0);
            assert!(found.codes.row(n).1.iter().zip(base.codes.row(n).1).all(|(x, y)| *x == y * unit));
        }
    }
}

#[test]
fn greedy_codes_with_exchanges_are_nearly_always_the_best_of_all_supports() {
    let (p, k) = (16, 24);
    let truth = units(k, p, &mut random(12));
    let data = superposition(&truth, p, 400, 2, false, 0.0, 13);
    let dictionary = oracle(&truth, p);
    let settings = Settings::new(k, 2);
    let codes = encode(&dictionary, &Table::new(&data, p).expect("rows"), &settings, crew(2)).expect("codes");
    let codes = codes.expect("not stopped");
    let mut best = 0;
    for (n, x) in data.chunks_exact(p).enumerate() {
        let mut least = f64::INFINITY;
        for i in 0..k {
            let (d, b) = (&truth[i * p..(i + 1) * p], inner(&truth[i * p..(i + 1) * p], x));
            least = least.min(inner(x, x) - b.max(0.0).powi(2));
            for j in 0..i {
                let e = &truth[j * p..(j + 1) * p];
                let (c, g) = (inner(e, x), inner(d, e));
                let (u, v) = ((b - g * c) / (1.0 - g * g), (c - g * b) / (1.0 - g * g));
                if u > 0.0 && v > 0.0 {
                    least = least.min(inner(x, x) - b * u - c * v);
                }
            }
        }
        let mut fitted = vec![0.0; p];
        dictionary.decode(&codes, n, &mut fitted);
        let loss: f64 = x.iter().zip(&fitted).map(|(x, f)| (x - f) * (x - f)).sum();
        assert!(loss > least - 1e-5, "row {n}: {loss} below the least, {least}");
        best += usize::from(loss < least + 1e-5);
    }
    assert!(best >= 392, "{best} of 400");
}

#[test]
fn planted_circles_give_their_planes_and_phases() {
    for (p, count, s) in [(24, 6, 1), (24, 30, 2)] {
        let mut random = random(14);
        let mut planes = units(2 * count, p, &mut random);
        for plane in planes.chunks_exact_mut(2 * p) {
            let (u, v) = plane.split_at_mut(p);
            let along = inner(u, v);
            v.iter_mut().zip(&*u).for_each(|(v, u)| *v -= along * u);
            let size = inner(v, v).sqrt();
            v.iter_mut().for_each(|v| *v /= size);
        }
        let rows = 4000;
        let mut data = normals(rows * p, 0.03, &mut random);
        let mut phases = vec![f64::NAN; rows * count];
        for (n, x) in data.chunks_exact_mut(p).enumerate() {
            for k in distinct(s, count, &mut random) {
                let (t, a) = (random.uniform(), 0.7 + 0.6 * random.uniform());
                phases[n * count + k] = t;
                let (sin, cos) = (t * std::f64::consts::TAU).sin_cos();
                x.iter_mut()
                    .enumerate()
                    .for_each(|(c, x)| *x += a * (cos * planes[2 * k * p + c] + sin * planes[(2 * k + 1) * p + c]));
            }
        }
        let settings = Settings { shape: Shape::Circle, ..Settings::new(count, s) };
        let found = fit(&Table::new(&data, p).expect("rows"), &settings, crew(2)).expect("a fit");
        check(&data, &found, &settings);
        let twos = vec![2; count];
        let of = |values| Decoders { functions: &twos, values };
        let same = agreement(of(&planes), of(&found.dictionary.directions), p, crew(1))
            .expect("as many")
            .expect("not stopped");
        let good: Vec<_> = same.matches.iter().filter(|of| of.smallest() > 0.98).collect();
        assert!(good.len() == count, "{} of {count} planes", good.len());
        for pair in good {
            let mut own = vec![f64::NAN; rows];
            for (n, own) in own.iter_mut().enumerate() {
                let at = found.codes.row(n).0.iter().position(|&k| k as usize == pair.second);
                at.iter().for_each(|&at| *own = found.codes.polar(n)[at].1);
            }
            let right: Vec<f64> = (0..rows).map(|n| phases[n * count + pair.first]).collect();
            let agreed = phase_agreement(&right, &own).expect("as many").expect("spread");
            assert!(agreed > 0.98, "{pair:?}: {agreed}");
        }
    }
}

#[test]
fn noise_teaches_nothing_that_other_rows_confirm() {
    let data = normals(600 * 16, 1.0, &mut random(15));
    let test = normals(600 * 16, 1.0, &mut random(16));
    let settings = Settings { passes: 15, ..Settings::new(64, 2) };
    let found = fit(&Table::new(&data, 16).expect("rows"), &settings, crew(2)).expect("a fit");
    check(&data, &found, &settings);
    assert_ne!(found.status, Status::Converged);
    // Supports that still change are no proof, whatever counts as a small gradient.
    for passes in [3, 6, 15] {
        let loose = Settings { tolerance: 1.0, passes, early: 0, ..settings };
        let found = fit(&Table::new(&data, 16).expect("rows"), &loose, crew(2)).expect("a fit");
        let still = found.passes.last().expect("a pass").changed > 0.0;
        assert!(still && found.status != Status::Converged, "{passes}: {}", found.status);
    }
    let (own, other) =
        (explained(&data, &found.dictionary, &found.codes), held_out(&found.dictionary, &test, &settings));
    assert!(own > other + 0.05, "{own} and {other}");
}

#[test]
fn rows_that_repeat_are_learnt_once_and_surplus_atoms_say_that_they_are_unused() {
    let few = units(5, 10, &mut random(17));
    let data: Vec<f64> = (0..200).flat_map(|n| few[n % 5 * 10..(n % 5 + 1) * 10].to_vec()).collect();
    let settings = Settings { offset: false, ..Settings::new(20, 1) };
    let found = fit(&Table::new(&data, 10).expect("rows"), &settings, crew(2)).expect("a fit");
    check(&data, &found, &settings);
    assert!(explained(&data, &found.dictionary, &found.codes) > 1.0 - 1e-9);
    assert_eq!(found.passes.last().expect("a pass").unused, 15);
}

#[test]
fn empty_rows_get_no_atom_and_constant_data_are_all_offset() {
    let truth = units(8, 6, &mut random(18));
    let mut data = superposition(&truth, 6, 300, 2, false, 0.0, 19);
    data[60..120].fill(0.0);
    let settings = Settings { offset: false, ..Settings::new(8, 2) };
    let found = fit(&Table::new(&data, 6).expect("rows"), &settings, crew(2)).expect("a fit");
    check(&data, &found, &settings);
    assert!((10..20).all(|n| found.codes.row(n).0.is_empty()));
    let constant: Vec<f64> = (0..300).map(|at| [1.0, 2.5, -0.3][at % 3]).collect();
    let settings = Settings::new(4, 2);
    let found = fit(&Table::new(&constant, 3).expect("rows"), &settings, crew(2)).expect("a fit");
    assert_eq!((found.status, found.passes[0].explained), (Status::Converged, None));
    assert!((0..100).all(|n| found.codes.row(n).0.is_empty()));
    assert!(found.dictionary.offset.iter().zip([1.0, 2.5, -0.3]).all(|(b, x)| (b - x).abs() < 1e-12));
}

#[test]
fn input_without_meaning_is_refused_with_what_to_do() {
    let data = normals(50 * 4, 1.0, &mut random(20));
    let of = |data: &[f64], settings: &Settings| {
        fit(&Table::new(data, 4).expect("rows"), settings, crew(1)).expect_err("no meaning")
    };
    let error = of(&data, &Settings::new(51, 2));
    assert_eq!((error.code, error.limit), ("too-many-atoms", Some(50.0)));
    assert!(error.message.contains("50 rows") && error.message.contains("fewer atoms"), "{error}");
    assert_eq!(of(&data, &Settings::new(0, 2)).code, "too-few-atoms");
    for (name, settings) in [
        ("active", Settings::new(10, 5)),
        ("active", Settings::new(10, 0)),
        ("active", Settings { shape: Shape::Circle, ..Settings::new(10, 3) }),
        ("passes", Settings { passes: 0, ..Settings::new(10, 2) }),
        ("updates", Settings { updates: 0, ..Settings::new(10, 2) }),
        ("searches", Settings { searches: 0, ..Settings::new(10, 2) }),
        ("candidates", Settings { candidates: 7, ..Settings::new(10, 2) }),
        ("ridge", Settings { ridge: f64::NAN, ..Settings::new(10, 2) }),
        ("tolerance", Settings { tolerance: -1.0, ..Settings::new(10, 2) }),
        ("stall", Settings { stall: 2.0, ..Settings::new(10, 2) }),
    ] {
        let error = of(&data, &settings);
        assert!(error.code == "option-out-of-range" && error.message.starts_with(name), "{error}");
    }
    for (value, code) in [(f64::NAN, "value-missing"), (f64::NEG_INFINITY, "value-not-finite")] {
        let mut bad = data.clone();
        bad[4 * 31 + 2] = value;
        let error = of(&bad, &Settings::new(10, 2));
        assert_eq!((error.code, error.row, error.col), (code, Some(31), Some(2)));
    }
    assert_eq!(Table::new(&data, 7).expect_err("no rows").code, "shape-mismatch");
    let dictionary = oracle(&units(3, 5, &mut random(21)), 5);
    let rows = Table::new(&data, 4).expect("rows");
    assert_eq!(
        encode(&dictionary, &rows, &Settings::new(3, 1), crew(1)).expect_err("4 columns").code,
        "shape-mismatch"
    );
    // What a source of rows has to say ends the fit.
    struct Broken;
    impl Rows for Broken {
        fn count(&self) -> usize {
            100
        }
        fn columns(&self) -> usize {
            4
        }
        fn read(&self, _: usize, _: &mut [f64]) -> Result<(), Error> {
            Err(Error::new("batch-not-valid", "the file ended"))
        }
    }
    assert_eq!(fit(&Broken, &Settings::new(10, 2), crew(1)).expect_err("broken").code, "batch-not-valid");
}

#[test]
fn a_fit_that_is_stopped_anywhere_returns_what_there_is_at_once() {
    let truth = units(100, 20, &mut random(22));
    let data = superposition(&truth, 20, 3000, 3, false, 0.2, 23);
    let table = Table::new(&data, 20).expect("rows");
    let settings = Settings::new(70, 3);
    for stop_at in [0, 1, 1500, 4000, 9000, 12_345] {
        let (stop, reported) = (AtomicBool::new(stop_at == 0), AtomicU64::new(0));
        let sink = |progress: Progress| {
            let before = reported.swap(progress.done, Ordering::Relaxed);
            assert!(progress.done > before && progress.done <= progress.total);
            stop.fetch_or(progress.done >= stop_at, Ordering::Relaxed);
        };
        let found = fit(&table, &settings, Crew::new(2, Control::new(Some(&stop), Some(&sink)))).expect("a fit");
        assert_eq!(found.status, Status::Aborted);
        check(&data, &found, &settings);
        assert_eq!(found.objective.is_some(), stop_at > 3000);
        assert!(reported.load(Ordering::Relaxed) < stop_at + 3000);
        if stop_at > 3000 {
            // What it has improves on its last whole pass.
            let now = objective(&data, &found.dictionary, &found.codes);
            assert!(now <= found.objective.expect("a pass") * 1.001, "{stop_at}");
        }
    }
    let stop = AtomicBool::new(true);
    let halted = Crew::new(1, Control::new(Some(&stop), None));
    let dictionary = oracle(&truth, 20);
    assert!(encode(&dictionary, &table, &settings, halted).expect("no error").is_none());
}
