//! What must hold in every step, whatever comes: transactions, finite numbers, positive diagonals, equivariance.

use crate::common::{ALL, Restore, gaussian, plain, sandwich, snapshot, step, take};
use headwater_optim::kron::{Balance, Criterion, Geometry, Norm, Schedule, Settings};
use headwater_optim::{Complex32, Complex64, KronPsgd, Number, Probe, Real, Rule, Step, What};

/// A few steps on noise, so that everything has a history.
fn experienced(settings: &Settings, steps: u64) -> (KronPsgd<f64>, Vec<f64>) {
    let mut rule = KronPsgd::<f64>::new(&[9, 7], settings).expect("valid settings");
    let mut x: Vec<f64> = gaussian(63, 20, 0);
    for t in 0..steps {
        run(&mut rule, &mut x, t);
    }
    (rule, x)
}

fn run(rule: &mut KronPsgd<f64>, x: &mut [f64], t: u64) {
    let mut v = Vec::new();
    let (g, h) = (gaussian::<f64>(63, 21, t), gaussian::<f64>(63, 22, t));
    let probe = rule.probe(&step(t, 0.01), &mut v).then_some(());
    take(rule, &step(t, 0.01), x, &g, probe.map(|()| Probe { v: &v, h: &h }));
}

#[test]
fn a_discarded_step_leaves_everything_as_it_was() {
    for geometry in ALL {
        for settings in [Settings::whitening(), Settings::newton()] {
            let settings = Settings { geometry, ..settings };
            let (mut rule, mut x) = experienced(&settings, 5);
            let (mut same, mut y) = experienced(&settings, 5);
            let (before, parameter) = (snapshot(&mut rule), x.clone());
            // Proposed and given up: a good step, one whose candidate overflows, one with NaN in gradient or probe.
            let huge = vec![1e200; 63];
            let mut poisoned: Vec<f64> = gaussian(63, 23, 0);
            poisoned[17] = f64::NAN;
            let fine: Vec<f64> = gaussian(63, 24, 0);
            let _ = rule.propose(&step(5, 0.3), &x, &fine, Some(Probe { v: &fine, h: &poisoned }));
            let _ = rule.propose(&step(5, 0.3), &x, &fine, Some(Probe { v: &poisoned, h: &fine }));
            assert!(rule.propose(&step(5, 1e300), &x, &huge, None).is_err());
            let fault = rule.propose(&step(5, 0.3), &x, &poisoned, Some(Probe { v: &fine, h: &fine }));
            assert!(fault.is_err_and(|fault| !fault.value.is_finite()));
            assert!(rule.propose(&step(5, 0.3), &x, &fine, Some(Probe { v: &fine, h: &fine })).is_ok());
            assert_eq!(before, snapshot(&mut rule));
            assert_eq!(parameter, x);
            for t in 5..12 {
                run(&mut rule, &mut x, t);
                run(&mut same, &mut y, t);
            }
            assert_eq!(x, y, "{geometry:?}");
            assert_eq!(snapshot(&mut rule), snapshot(&mut same));
        }
    }
}

#[test]
fn a_rule_restored_from_its_state_goes_on_with_the_same_bits() {
    for geometry in ALL {
        for settings in [Settings::whitening(), Settings::newton()] {
            let settings = Settings { geometry, ..settings };
            let (mut rule, mut x) = experienced(&settings, 6);
            let saved = snapshot(&mut rule);
            // One that has been somewhere else.
            let (mut other, _) = experienced(&settings, 3);
            let mut restore = Restore(saved.into_iter());
            other.state(&mut restore);
            assert_eq!(restore.0.len(), 0);
            let mut y = x.clone();
            for t in 6..12 {
                run(&mut rule, &mut x, t);
                run(&mut other, &mut y, t);
            }
            assert_eq!(x, y, "{geometry:?}");
            assert_eq!(snapshot(&mut rule), snapshot(&mut other));
        }
    }
}

#[test]
fn faults_say_what_is_not_finite() {
    let (mut rule, x) = experienced(&Settings::newton(), 3);
    let fine: Vec<f64> = gaussian(63, 24, 0);
    let mut poisoned = fine.clone();
    poisoned[40] = f64::INFINITY;
    let fault = rule.propose(&step(3, 0.1), &x, &fine, Some(Probe { v: &fine, h: &poisoned })).expect_err("a fault");
    assert_eq!(fault.what, What::State);
    let fault = rule.propose(&step(3, 0.1), &x, &poisoned, None).expect_err("a fault");
    assert_eq!(fault.what, What::Candidate);
    let fault = rule.propose(&step(3, 0.1), &poisoned, &fine, None).expect_err("a fault");
    assert_eq!((fault.what, fault.index, fault.value), (What::Candidate, 40, f64::INFINITY));
    // A factor that overflows on the way, from finite numbers.
    let settings = Settings { geometry: Geometry::Eq, ..plain(Settings::newton(), 1e33) };
    let mut rule = KronPsgd::<f32>::new(&[2], &settings).expect("valid settings");
    let (v, h) = ([1.0, -1.0], [1e10, 1e10]);
    let fault = rule.propose(&step(0, 0.1), &[0.0; 2], &[1e-30; 2], Some(Probe { v: &v, h: &h })).expect_err("a fault");
    assert_eq!(fault.what, What::State);
}

#[test]
fn the_scale_of_a_gradient_is_that_of_its_clipping() {
    for momentum in [0.0, 0.9] {
        let settings = Settings { momentum, ..Settings::whitening() };
        let (mut rule, mut x) = experienced(&settings, 4);
        let (mut same, mut y) = experienced(&settings, 4);
        let g: Vec<f64> = gaussian(63, 25, 0);
        let half: Vec<f64> = g.iter().map(|g| 0.5 * g).collect();
        take(&mut rule, &Step { gradient_scale: 0.5, ..step(4, 0.1) }, &mut x, &g, None);
        take(&mut same, &step(4, 0.1), &mut y, &half, None);
        assert_eq!((x, snapshot(&mut rule)), (y, snapshot(&mut same)));
    }
    // The cap of the commit shortens the update alone.
    let (mut rule, x) = experienced(&Settings::whitening(), 4);
    let g: Vec<f64> = gaussian(63, 25, 0);
    let with = |rule: &mut KronPsgd<f64>, cap: f64| {
        let mut y = x.clone();
        let step = Step { decay: 0.1, ..step(4, 0.1) };
        rule.propose(&step, &y, &g, None).expect("finite");
        rule.commit(&step, &mut y, &g, cap);
        y
    };
    let whole = with(&mut rule, 1.0);
    let (mut rule, _) = experienced(&Settings::whitening(), 4);
    for ((x, whole), quarter) in x.iter().zip(whole).zip(with(&mut rule, 0.25)) {
        assert!((quarter - (0.99 * x + 0.25 * (whole - 0.99 * x))).abs() < 1e-14);
    }
}

/// Gradients of one kind; `t` picks the kind.
fn gradient<T: Number>(shape: &[usize], t: u64) -> Vec<T> {
    let count: usize = shape.iter().product();
    let noise: Vec<T> = gaussian(count, 30, t);
    let last = shape.last().copied().unwrap_or(1).max(1);
    let scaled = |x: T, size: f64| x.scale(T::Real::from_f64(size));
    let wide = if T::Real::MAX > 1e300 { 1e100 } else { 1e20 };
    match t % 9 {
        0 => noise,
        1 => vec![T::default(); count],
        2 => noise.iter().map(|&x| scaled(x, wide)).collect(),
        3 => noise.iter().map(|&x| scaled(x, 1.0 / wide)).collect(),
        // Rank one.
        4 => (0..count).map(|at| noise[at / last] * noise[at % last]).collect(),
        // One row, one element.
        5 => noise.iter().enumerate().map(|(at, &x)| if at / last == 0 { x } else { T::default() }).collect(),
        6 => noise
            .iter()
            .enumerate()
            .map(|(at, &x)| if at + 1 == count { scaled(x, wide) } else { T::default() })
            .collect(),
        // All sizes at once.
        7 => noise.iter().enumerate().map(|(at, &x)| scaled(x, 10_f64.powi((at % 40) as i32 - 20))).collect(),
        _ => vec![T::ONE; count],
    }
}

fn fuzz<T: Number>() {
    let shapes: [&[usize]; 9] = [&[], &[1], &[9], &[6, 5], &[1, 8], &[40, 3], &[4, 3, 5], &[2, 3, 2, 3], &[2, 1, 4, 1]];
    for shape in shapes {
        let count: usize = shape.iter().product();
        for (number, geometry) in ALL.into_iter().enumerate() {
            for criterion in [Criterion::Whitening, Criterion::Newton] {
                for (damping, skew, scale) in [(1e-9, 4.0, None), (0.0, f64::INFINITY, Some(1.0))] {
                    let base = if criterion == Criterion::Newton { Settings::newton() } else { Settings::whitening() };
                    let settings = Settings { geometry, damping, max_skew: skew, scale, ..base };
                    let mut rule = KronPsgd::<T>::new(shape, &settings).expect("valid settings");
                    let mut x: Vec<T> = gaussian(count, 31, 0);
                    for t in 0..36 {
                        let g = gradient::<T>(shape, t * 5 + number as u64);
                        let step = step(t, 1e-3);
                        let mut v = Vec::new();
                        let probed = rule.probe(&step, &mut v);
                        let h = gradient::<T>(shape, t * 7 + 1);
                        let probe = probed.then(|| Probe { v: &v[..], h: &h[..] });
                        let proposal = rule.propose(&step, &x, &g, probe);
                        let proposal = proposal.unwrap_or_else(|e| panic!("{shape:?} {settings:?} step {t}: {e:?}"));
                        rule.commit(&step, &mut x, &g, 1.0);
                        let (least, most) = proposal.factor_range.expect("factors");
                        let kept = matches!(geometry, Geometry::Eq | Geometry::Quad | Geometry::Quad4p);
                        assert!(least > 0.0 || !kept, "{shape:?} {settings:?} step {t}: {least}");
                        assert!(least.is_finite() && most.is_finite() && proposal.update_squares.is_finite());
                        assert!(T::reals(&x).iter().all(|x| x.is_finite()));
                        for factor in rule.factors() {
                            assert!(T::reals(&factor.q).iter().all(|q| q.is_finite()));
                            assert!(factor.smoothness.is_finite() && factor.smoothness >= 0.0);
                            if geometry == Geometry::Eq && factor.dense {
                                let n = factor.n;
                                assert!((0..n).all(|i| factor.q[i * n + i].im() == T::Real::default()));
                                assert!((0..n).all(|i| factor.q[i * n..i * n + i].iter().all(|&q| q == T::default())));
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn invariants_hold_under_fuzz_f32() {
    fuzz::<f32>();
}

#[test]
fn invariants_hold_under_fuzz_f64() {
    fuzz::<f64>();
}

#[test]
fn invariants_hold_under_fuzz_complex32() {
    fuzz::<Complex32>();
}

#[test]
fn invariants_hold_under_fuzz_complex64() {
    fuzz::<Complex64>();
}

/// Gradients of 1e±20 (f32) and 1e±100 (f64) from the first step on: the automatic scale whitens them all the same.
#[test]
fn the_size_of_gradients_does_not_matter_to_whitening() {
    fn path<T: Number>(size: f64, geometry: Geometry) -> Vec<T> {
        let settings = Settings { geometry, damping: 0.0, ..Settings::whitening() };
        let mut rule = KronPsgd::<T>::new(&[8, 6], &settings).expect("valid settings");
        let mut x = vec![T::default(); 48];
        for t in 0..60 {
            let g: Vec<T> = gaussian::<T>(48, 33, t).iter().map(|g| g.scale(T::Real::from_f64(size))).collect();
            take(&mut rule, &step(t, 0.1), &mut x, &g, None);
        }
        x
    }
    fn same<T: Number>(sizes: [f64; 2], tolerance: f64) {
        for geometry in ALL {
            let right = path::<T>(1.0, geometry);
            for size in sizes {
                let far = path::<T>(size, geometry)
                    .iter()
                    .zip(&right)
                    .fold(0.0, |far, (a, b)| f64::max(far, (*a - *b).square().to_f64()));
                assert!(far.sqrt() < tolerance, "{geometry:?} at {size}: {}", far.sqrt());
            }
        }
    }
    same::<f32>([1e-20, 1e20], 1e-2);
    same::<f64>([1e-100, 1e100], 1e-8);
    same::<Complex64>([1e-100, 1e100], 1e-8);
}

#[test]
fn a_gradient_of_zeros_changes_nothing_and_leaves_the_scale_open() {
    let mut rule = KronPsgd::<f64>::new(&[3, 4], &Settings::whitening()).expect("valid settings");
    let mut x: Vec<f64> = gaussian(12, 34, 0);
    let (start, before) = (x.clone(), snapshot(&mut rule));
    for t in 0..3 {
        let proposal = take(&mut rule, &step(t, 0.1), &mut x, &[0.0; 12], None);
        assert!(!proposal.preconditioner_updated && proposal.update_squares == 0.0);
    }
    assert_eq!((x.clone(), snapshot(&mut rule)), (start, before));
    let g: Vec<f64> = gaussian::<f64>(12, 34, 1).iter().map(|g| g * 1e8).collect();
    let proposal = take(&mut rule, &step(3, 0.1), &mut x, &g, None);
    assert!(proposal.preconditioner_updated && proposal.factor_range.is_some_and(|(_, most)| most < 0.05));
}

#[test]
fn balancing_brings_factors_to_one_size_and_leaves_the_product() {
    for geometry in ALL {
        for (balance, due) in
            [(Balance { every: 0, ratio: 1e3 }, 1e4), (Balance { every: 5, ratio: f64::INFINITY }, 10.0)]
        {
            let settings = Settings { geometry, precond_lr: 1e-300, scale: Some(1.0), ..Settings::whitening() };
            let settings = Settings { balance, schedule: Schedule::Constant(1.0), ..settings };
            let (mut rule, mut x) = experienced(&settings, 2);
            // Unbalance the two factors, whose product stays; each is followed by its smoothness.
            let mut saved = snapshot(&mut rule);
            let scale = |range: std::ops::Range<usize>, by: f64, saved: &mut Vec<u64>| {
                saved[range].iter_mut().for_each(|x| *x = (f64::from_bits(*x) * by).to_bits());
            };
            scale(0..81, due, &mut saved);
            scale(82..82 + 49, 1.0 / due, &mut saved);
            rule.state(&mut Restore(saved.into_iter()));
            let (g, mut before, mut after) = (gaussian::<f64>(63, 35, 0), vec![0.0; 63], vec![0.0; 63]);
            rule.apply(&g, &mut before);
            let peak =
                |rule: &KronPsgd<f64>, k: usize| rule.factors()[k].q.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
            // Update 5 is the first multiple; the ratio is seen at once.
            for t in [4, 5] {
                let ratio = peak(&rule, 0) / peak(&rule, 1);
                let waits = balance.every > 0 && geometry != Geometry::Qep;
                assert!(t == 5 && !waits || ratio > 50.0, "{geometry:?}: {ratio}");
                run(&mut rule, &mut x, t);
            }
            let ratio = peak(&rule, 0) / peak(&rule, 1);
            assert!((ratio - 1.0).abs() < 1e-12, "{geometry:?}: {ratio}");
            rule.apply(&g, &mut after);
            assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() <= 1e-12 * a.abs().max(1.0)), "{geometry:?}");
        }
    }
}

/// Puts factors in the place of a fresh rule's, each n × n.
fn with_factors(shape: [usize; 2], settings: &Settings, left: &[f64], right: &[f64]) -> KronPsgd<f64> {
    let mut rule = KronPsgd::<f64>::new(&shape, settings).expect("valid settings");
    let mut saved = snapshot(&mut rule);
    let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<u64>>();
    let (m, n) = (left.len(), right.len());
    saved[..m].copy_from_slice(&bits(left));
    saved[m + 1..m + 1 + n].copy_from_slice(&bits(right));
    rule.state(&mut Restore(saved.into_iter()));
    rule
}

fn product(n: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let cols = b.len() / n;
    (0..a.len() / n * cols).map(|at| (0..n).map(|k| a[at / cols * n + k] * b[k * cols + at % cols]).sum()).collect()
}

fn transposed(n: usize, a: &[f64]) -> Vec<f64> {
    (0..n * n).map(|at| a[at % n * n + at / n]).collect()
}

/// S⁻¹ for lower triangular S.
fn inverse_lower(n: usize, s: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for j in 0..n {
        for i in j..n {
            let sum: f64 = (j..i).map(|k| s[i * n + k] * out[k * n + j]).sum();
            out[i * n + j] = (f64::from(u8::from(i == j)) - sum) / s[i * n + i];
        }
    }
    out
}

/// The path of W under ½⟨W, H_L W H_R⟩, from `factors`, with probes `v(t)` and gradients as `gradient` gives them for W.
fn path(
    mut rule: KronPsgd<f64>,
    mut w: Vec<f64>,
    hessian: impl Fn(&[f64]) -> Vec<f64>,
    probe: impl Fn(u64) -> Vec<f64>,
    steps: u64,
) -> Vec<Vec<f64>> {
    let mut seen = Vec::new();
    for t in 0..steps {
        let (v, g) = (probe(t), hessian(&w));
        let h = hessian(&v);
        take(&mut rule, &step(t, 0.3), &mut w, &g, Some(Probe { v: &v, h: &h }));
        seen.push(w.clone());
    }
    seen
}

/// W = S_L W′ S_Rᵀ with lower triangular S, Q′ = QS⁻ᵀ, v′ = S_L⁻¹vS_R⁻ᵀ: triangular factors go the same way.
#[test]
fn triangular_factors_are_equivariant_under_triangular_changes_of_basis() {
    let (m, n) = (6, 5);
    let lower = |n: usize, index: u32| -> Vec<f64> {
        let noise: Vec<f64> = gaussian(n * n, index, 0);
        (0..n * n)
            .map(|at| {
                if at / n == at % n {
                    1.0 + noise[at].abs()
                } else if at / n > at % n {
                    0.4 * noise[at]
                } else {
                    0.0
                }
            })
            .collect()
    };
    let definite = |n: usize, index: u32| {
        let l = lower(n, index);
        product(n, &l, &transposed(n, &l))
    };
    let (hl, hr, sl, sr) = (definite(m, 40), definite(n, 41), lower(m, 42), lower(n, 43));
    let settings = Settings { geometry: Geometry::Eq, precond_lr: 0.3, ..plain(Settings::newton(), 1.0) };
    let settings = Settings { norm: Norm::Exact, ..settings };
    let diagonal =
        |n: usize, s: f64| -> Vec<f64> { (0..n * n).map(|at| if at / n == at % n { s } else { 0.0 }).collect() };
    let (ql, qr) = (diagonal(m, 0.4), diagonal(n, 0.5));
    let (il, ir) = (inverse_lower(m, &sl), inverse_lower(n, &sr));
    let start: Vec<f64> = gaussian(m * n, 44, 0);
    let v = |t: u64| gaussian::<f64>(m * n, 45, t);
    let plain_path = path(with_factors([m, n], &settings, &ql, &qr), start.clone(), |w| sandwich(&hl, w, &hr), v, 100);
    let both = |l: &[f64], x: &[f64], r: &[f64]| product(n, &product(m, l, x), r);
    let (hl2, hr2) = (
        product(m, &product(m, &transposed(m, &sl), &hl), &sl),
        product(n, &product(n, &transposed(n, &sr), &hr), &sr),
    );
    let changed = path(
        with_factors([m, n], &settings, &product(m, &ql, &transposed(m, &il)), &product(n, &qr, &transposed(n, &ir))),
        both(&il, &start, &transposed(n, &ir)),
        |w| sandwich(&hl2, w, &hr2),
        |t| both(&il, &v(t), &transposed(n, &ir)),
        100,
    );
    for (t, (w, w2)) in plain_path.iter().zip(&changed).enumerate() {
        let back = both(&sl, w2, &transposed(n, &sr));
        let size = w.iter().fold(1e-300, |a: f64, b| a.max(b.abs()));
        let far = w.iter().zip(&back).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far <= 1e-10 * size.max(1e-6), "step {t}: {far:e} of {size:e}");
    }
}

/// W = U W′ Vᵀ with orthogonal U, V: the other geometries go the same way, from multiples of I.
#[test]
fn the_other_geometries_are_equivariant_under_rotations() {
    let (m, n) = (6, 5);
    let orthogonal = |n: usize, index: u32| -> Vec<f64> {
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for k in 0..n {
            let mut x: Vec<f64> = gaussian(n, index, k as u64);
            for _ in 0..2 {
                for u in &rows {
                    let along = crate::common::dot(u, &x);
                    x.iter_mut().zip(u).for_each(|(x, u)| *x -= along * u);
                }
            }
            let size = crate::common::dot(&x, &x).sqrt();
            rows.push(x.iter().map(|x| x / size).collect());
        }
        rows.concat()
    };
    let (u, w) = (orthogonal(m, 50), orthogonal(n, 51));
    let spectrum = |n: usize| -> Vec<f64> {
        (0..n * n).map(|at| if at / n == at % n { 1.0 + (at % n) as f64 } else { 0.0 }).collect()
    };
    let (hl, hr) = (spectrum(m), spectrum(n));
    let turn = |n: usize, u: &[f64], h: &[f64]| product(n, &product(n, &transposed(n, u), h), u);
    let (hl2, hr2) = (turn(m, &u, &hl), turn(n, &w, &hr));
    let into = |x: &[f64]| product(n, &product(m, &transposed(m, &u), x), &w);
    let back = |x: &[f64]| product(n, &product(m, &u, x), &transposed(n, &w));
    let start: Vec<f64> = gaussian(m * n, 52, 0);
    let v = |t: u64| gaussian::<f64>(m * n, 53, t);
    for geometry in [Geometry::Q0p5Eq1p5, Geometry::Quad, Geometry::Qeq, Geometry::Quad4p] {
        let settings = Settings { geometry, precond_lr: 0.3, norm: Norm::Exact, ..plain(Settings::newton(), 0.4) };
        let rule = || KronPsgd::<f64>::new(&[m, n], &settings).expect("valid settings");
        let first = path(rule(), start.clone(), |w| sandwich(&hl, w, &hr), v, 60);
        let second = path(rule(), into(&start), |w| sandwich(&hl2, w, &hr2), |t| into(&v(t)), 60);
        for (t, (a, b)) in first.iter().zip(&second).enumerate() {
            let far = a.iter().zip(back(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far <= 1e-9, "{geometry:?}, step {t}: {far:e}");
        }
    }
}
