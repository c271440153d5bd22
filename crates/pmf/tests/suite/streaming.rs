//! Fits by passes against fits in memory.

use headwater_base::Control;
use headwater_base::rng::{Purpose, Stream as Random};
use headwater_pmf::*;
use std::f64::consts::TAU;
use std::sync::LazyLock;

fn settings(factors: usize) -> StreamSettings {
    StreamSettings { factors, starts: Starts::Count(5), seed: 1, max_passes: 40, threads: 2 }
}

/// A fit by passes, rows in batches of `batch`, from a sample of `sample` rows.
fn streamed(n: usize, v: &[f64], u: &[f64], sample: usize, batch: usize, settings: &StreamSettings) -> Streamed {
    let mut kept = Sample::new(n, sample, settings.seed);
    kept.add(v, u).expect("whole rows");
    let mut stream = Stream::begin(&kept, settings, Control::none()).expect("good data");
    loop {
        for (v, u) in v.chunks(batch * n).zip(u.chunks(batch * n)) {
            stream.add(v, u, Control::none()).expect("good data");
        }
        if stream.end_pass(Control::none()).expect("the same rows") == Next::Done {
            return stream.result(false);
        }
    }
}

/// The first rows of a long table like St Louis: rows drawn from its fit, with noise of the given uncertainties.
fn long_table(rows: usize) -> (usize, &'static [f64], &'static [f64]) {
    static TABLE: LazyLock<(usize, Vec<f64>, Vec<f64>)> = LazyLock::new(|| {
        let data = crate::common::epa("stlouis");
        let fit = crate::common::fit(&data, &crate::common::settings(6, 5, 1)).solution;
        let n = data.cols;
        let mut random = Random::new(5, Purpose::Synthetic, 0);
        let (mut v, mut u) = (Vec::new(), Vec::new());
        for _ in 0..20_000 {
            let row = random.below(data.rows);
            for j in 0..n {
                let sigma = data.uncertainties[row * n + j];
                let model: f64 = (0..6).map(|k| fit.contributions[row * 6 + k] * fit.profiles[k * n + j]).sum();
                let normal = (-2.0 * random.uniform().ln()).sqrt() * (TAU * random.uniform()).cos();
                v.push(model + sigma * normal);
                u.push(sigma);
            }
        }
        (n, v, u)
    });
    let (n, v, u) = &*TABLE;
    (*n, &v[..rows * n], &u[..rows * n])
}

/// Q with contributions minimised out, at the profiles of a stream that has only learnt.
fn q_of(stream: &mut Stream, v: &[f64], u: &[f64]) -> f64 {
    stream.add(v, u, Control::none()).expect("good data");
    stream.end_pass(Control::none()).expect("data");
    stream.result(false).q.expect("a pass was made")
}

#[test]
fn a_fit_by_passes_is_the_fit_in_memory() {
    for (set, factors, sample) in [("stlouis", 6, 150), ("batonrouge", 4, 250)] {
        let data = crate::common::epa(set);
        let out = streamed(data.cols, &data.values, &data.uncertainties, sample, 64, &settings(factors));
        assert_eq!(out.status.as_str(), "converged", "{set}: {:?}", out.passes);
        let certificate = out.certificate.clone().expect("converged");
        // The same minimum in memory, from there.
        let problem = data.problem();
        let scored = score(&problem, &out.profiles, factors, true, 2, Control::none()).expect("good profiles");
        let verdict = certify(&problem, &scored.contributions, &out.profiles, &Settings::new(factors), Control::none());
        let whole = verdict.expect("good factors").solution;
        assert_eq!(whole.status.as_str(), "converged", "{set}");
        let near = |a: f64, b: f64, close: f64, what: &str| {
            assert!((a - b).abs() <= close * b.abs(), "{set}: {what} {a} by passes, {b} in memory");
        };
        near(out.q.expect("a number"), whole.q, 1e-12, "q");
        near(scored.q, whole.q, 1e-12, "q of the scored samples");
        near(out.q_robust.expect("a number"), whole.q_robust, 1e-9, "robust q");
        near(out.degrees_of_freedom.expect("a number"), whole.degrees_of_freedom, 0.0, "ν");
        near(out.q_expected, whole.q_expected, 0.0, "expected q");
        let curvature = |c: &Certificate| c.min_curvature.expect("positive definite");
        near(curvature(&certificate), curvature(&whole.certificate), 1e-5, "curvature");
        assert_eq!(out.outliers, Some(whole.outliers));
        assert_eq!(certificate.free_elements, whole.certificate.free_elements);
        assert_eq!(certificate.weakly_active_zeros, whole.certificate.weakly_active_zeros);
        assert_eq!(certificate.null_directions, whole.certificate.null_directions);
        assert!(crate::common::profile_error(factors, &out.profiles, &whole.profiles) < 1e-12, "{set}: the gauge");
        assert!(certificate.newton_decrement.expect("solved") < 1e-6 && certificate.block_gap() < 1e-6);
    }
}

#[test]
fn neither_threads_nor_batches_matter() {
    let (n, v, u) = long_table(5000);
    let run = |batch: usize, threads: usize| streamed(n, v, u, 800, batch, &StreamSettings { threads, ..settings(6) });
    let one = run(5000, 1);
    assert_eq!(one, run(5000, 2), "the same bits for any number of threads");
    let other = run(37, 2);
    assert!((one.q.expect("q") - other.q.expect("q")).abs() < 1e-9 && other.status == one.status);
    assert!(crate::common::profile_error(6, &one.profiles, &other.profiles) < 1e-5);
}

#[test]
fn one_look_at_every_row_learns_almost_all_and_leaves_junk_out() {
    let (n, v, u) = long_table(20_000);
    let begin = || {
        let mut kept = Sample::new(n, usize::MAX, 1);
        kept.add(&v[..1000 * n], &u[..1000 * n]).expect("whole rows");
        Stream::begin(&kept, &settings(6), Control::none()).expect("good data")
    };
    let least = streamed(n, v, u, 1000, 2000, &settings(6)).q.expect("converged");
    let start = q_of(&mut begin(), v, u) - least;
    // Every twentieth batch: as it is, or with a column of it a thousand times too large.
    let learn = |junk: bool| {
        let mut stream = begin();
        let mut left_out = 0;
        for (at, (v, u)) in v[1000 * n..].chunks(100 * n).zip(u[1000 * n..].chunks(100 * n)).enumerate() {
            let mut v = v.to_vec();
            if junk && at % 20 == 19 && at > 70 {
                v.iter_mut().skip(3).step_by(n).for_each(|v| *v *= 1000.0);
            }
            let learnt = stream.learn(&v, u, Control::none()).expect("good data");
            left_out += learnt.rows[1];
        }
        (q_of(&mut stream, v, u) - least, left_out)
    };
    let ((clean, none), (with_junk, left_out)) = (learn(false), learn(true));
    assert!(start > 500.0 && clean < 0.1 * start && none == 0, "{start} {clean} {none}");
    assert!(with_junk < 0.15 * start && left_out == 600, "{with_junk} {left_out}");
}

#[test]
fn a_stream_says_what_is_wrong_with_it() {
    let (n, v, u) = long_table(3000);
    let mut kept = Sample::new(n, 500, 1);
    assert_eq!(kept.add(&v[1..], u).err().map(|e| e.code), Some("shape-mismatch"));
    kept.add(v, u).expect("whole rows");
    assert_eq!((kept.rows(), kept.seen()), (500, 3000));
    let begin = |kept: &Sample| Stream::begin(kept, &settings(6), Control::none()).expect("good data");
    let mut stream = begin(&kept);
    assert_eq!(stream.end_pass(Control::none()).err().map(|e| e.code), Some("no-data"));
    let mut bad = u.to_vec();
    bad[2500 * n + 4] = 0.0;
    let error = stream.add(v, &bad, Control::none()).expect_err("refused");
    assert_eq!((error.code, error.row, error.col), ("uncertainty-not-positive", Some(2500), Some(4)));
    assert!(error.message.contains("row 2500, column 4"), "{}", error.message);
    bad[2500 * n + 4] = 1e-30;
    let error = begin(&kept).add(v, &bad, Control::none()).expect_err("refused");
    assert_eq!((error.code, error.row, error.col), ("weights-too-uneven", Some(2500), Some(4)));
    // The sample is laid out with its weights as they are, too.
    let mut uneven = Sample::new(n, 500, 1);
    uneven.add(&v[..100 * n], &bad[2450 * n..2550 * n]).expect("whole rows");
    let error = Stream::begin(&uneven, &settings(6), Control::none()).err().map(|e| (e.code, e.row, e.col));
    assert_eq!(error, Some(("weights-too-uneven", Some(50), Some(4))));
    // Other rows in the second pass.
    let mut stream = begin(&kept);
    stream.add(v, u, Control::none()).expect("good data");
    assert_eq!(stream.end_pass(Control::none()), Ok(Next::Pass));
    stream.add(&v[n..], &u[n..], Control::none()).expect("good data");
    assert_eq!(stream.end_pass(Control::none()).err().map(|e| e.code), Some("source-changed"));
    let wide = StreamSettings { factors: 6, ..settings(6) };
    let mut broad = Sample::new(700, 10, 1);
    broad.add(&vec![1.0; 7000], &vec![1.0; 7000]).expect("whole rows");
    assert_eq!(Stream::begin(&broad, &wide, Control::none()).err().map(|e| e.code), Some("too-many-unknowns"));
}

#[test]
fn a_budget_is_a_budget_and_the_point_is_kept() {
    let (n, v, u) = long_table(5000);
    let out = streamed(n, v, u, 300, 1000, &StreamSettings { max_passes: 3, ..settings(6) });
    assert_eq!((out.status.as_str(), out.passes.len()), ("budget", 3));
    let lowest = out.passes.iter().filter(|pass| pass.accepted).map(|pass| pass.q).fold(f64::INFINITY, f64::min);
    assert_eq!(out.q, Some(lowest));
    assert!(out.certificate.expect("made").newton_decrement.is_none_or(|d| d > 1e-4));
}

#[test]
fn species_that_only_appear_after_the_sample_are_fitted() {
    let (n, v, u) = long_table(4000);
    let mut v = v.to_vec();
    v[..1000 * n].iter_mut().skip(2).step_by(n).for_each(|v| *v = f64::NAN);
    v[500 * n..501 * n].fill(f64::NAN);
    let mut kept = Sample::new(n, usize::MAX, 1);
    kept.add(&v[..1000 * n], &u[..1000 * n]).expect("whole rows");
    let mut stream = Stream::begin(&kept, &settings(6), Control::none()).expect("good data");
    loop {
        stream.add(&v, u, Control::none()).expect("good data");
        if stream.end_pass(Control::none()).expect("the same rows") == Next::Done {
            break;
        }
    }
    let out = stream.result(false);
    assert_eq!(out.status.as_str(), "converged", "{:?}", out.passes);
    assert!(out.profiles.iter().all(|h| h.is_finite()) && (0..6).any(|k| out.profiles[k * n + 2] > 0.0));
    assert_eq!(out.warnings.iter().map(|w| w.code).collect::<Vec<_>>(), ["row-without-data"]);
}
