//! What a published implementation does wrong (rlx-optim 0.2.5, `KronPsgd`), shown as properties of this one. Where its
//! mistake can be fed in from outside, the test shows what it would do.

use crate::common::{gaussian, plain, step, take};
use headwater_optim::kron::{Geometry, Settings, Source};
use headwater_optim::{Complex64, KronPsgd, Number, Probe, Rule, Step};

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|at| f64::from(u8::from(at / n == at % n))).collect()
}

/// Error 1: It takes the gradient as both halves of the pair: at Q = I the two terms cancel, and Q stays there for ever.
#[test]
fn a_probe_equal_to_the_gradient_learns_nothing_and_ours_is_drawn_independently() {
    let settings = Settings { geometry: Geometry::Eq, ..plain(Settings::whitening(), 1.0) };
    let mut fed = KronPsgd::<f64>::new(&[6, 5], &settings).expect("valid settings");
    let mut own = KronPsgd::<f64>::new(&[6, 5], &settings).expect("valid settings");
    let (mut x, mut y) = (vec![0.0; 30], vec![0.0; 30]);
    for t in 0..50 {
        let g: Vec<f64> = gaussian(30, 1, t);
        take(&mut fed, &step(t, 0.0), &mut x, &g, Some(Probe { v: &g, h: &g }));
        take(&mut own, &step(t, 0.0), &mut y, &g, None);
    }
    assert_eq!(fed.factors()[0].q, identity(6));
    assert_eq!(fed.factors()[1].q, identity(5));
    let moved = own.factors()[0].q.iter().zip(identity(6)).map(|(q, i)| (q - i).abs()).fold(0.0, f64::max);
    assert!(moved > 0.05, "{moved}");
}

/// The drawn probe has nothing to do with the gradient: another gradient, the same probe; another step, another one.
#[test]
fn probes_depend_on_seed_tensor_and_step_alone() {
    let settings = Settings::newton();
    let mut rule = KronPsgd::<Complex64>::new(&[50, 40], &settings).expect("valid settings");
    let draw = |rule: &mut KronPsgd<Complex64>, step: Step| {
        let mut v = Vec::new();
        assert!(rule.probe(&step, &mut v));
        v
    };
    let first = draw(&mut rule, step(7, 0.1));
    let g: Vec<Complex64> = gaussian(2000, 3, 0);
    let mut x = vec![Complex64::default(); 2000];
    take(&mut rule, &step(0, 0.1), &mut x, &g, Some(Probe { v: &first, h: &g }));
    assert_eq!(first, draw(&mut rule, step(7, 0.3)));
    for other in [step(8, 0.1), Step { seed: 2, ..step(7, 0.1) }, Step { tensor: 1, ..step(7, 0.1) }] {
        assert!(first.iter().zip(draw(&mut rule, other)).all(|(a, b)| *a != b));
    }
    // E|v|² = 1 for complex numbers too.
    let mean = first.iter().map(|v| v.norm_sqr()).sum::<f64>() / 2000.0;
    assert!((mean - 1.0).abs() < 0.1, "{mean}");
}

/// Errors 2 and 3: The upper triangle, without ½, multiplied from the left: one update from Q ≠ I against the formula in loops.
#[test]
fn the_update_is_the_whole_upper_triangle_from_the_left() {
    let n = 3;
    let settings = Settings { geometry: Geometry::Eq, precond_lr: 0.4, ..plain(Settings::newton(), 0.7) };
    let mut rule = KronPsgd::<f64>::new(&[n, 1], &settings).expect("valid settings");
    let mut parameter = vec![0.0; n];
    let pair = |t: u64| (gaussian::<f64>(n, 4, t), gaussian::<f64>(n, 5, t));
    let (v, h) = pair(0);
    take(&mut rule, &step(0, 0.0), &mut parameter, &h, Some(Probe { v: &v, h: &h }));
    let (q, other) = (rule.factors()[0].q.clone(), rule.factors()[1].q[0]);
    let smoothness = rule.factors()[0].smoothness;
    assert!(q[1] != 0.0 && q[3] == 0.0);
    let (v, h) = pair(1);
    take(&mut rule, &step(1, 0.0), &mut parameter, &h, Some(Probe { v: &v, h: &h }));
    // A = Qh·q₂ and B = Q⁻ᵀv/q₂, by hand.
    let a: Vec<f64> = (0..n).map(|i| (0..n).map(|j| q[i * n + j] * h[j]).sum::<f64>() * other).collect();
    let mut b = v.clone();
    for i in 0..n {
        for k in 0..i {
            b[i] -= q[k * n + i] * b[k];
        }
        b[i] /= q[i * n + i];
    }
    b.iter_mut().for_each(|b| *b /= other);
    // ‖aaᵀ + bbᵀ‖ of two vectors.
    let dot = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
    let (aa, bb, ab) = (dot(&a, &a), dot(&b, &b), dot(&a, &b));
    let norm = 0.5 * (aa + bb) + (0.25 * (aa - bb).powi(2) + ab * ab).sqrt();
    let l = norm.max(0.9 * smoothness + 0.1 * norm);
    for i in 0..n {
        for j in 0..n {
            let moved: f64 = (i..n).map(|k| (a[i] * a[k] - b[i] * b[k]) * q[k * n + j]).sum();
            let right = q[i * n + j] - 0.4 / l * moved;
            let found = rule.factors()[0].q[i * n + j];
            assert!((found - right).abs() < 1e-14, "{i} {j}: {found} for {right}");
        }
    }
}

/// Error 4: Its steps have constant length. Here they go to zero with the misfit, since ℰ does and L does not.
#[test]
fn updates_anneal_themselves() {
    let n = 5;
    let settings = Settings { geometry: Geometry::Eq, ..plain(Settings::newton(), 0.5) };
    let mut rule = KronPsgd::<f64>::new(&[n, n], &settings).expect("valid settings");
    let mut parameter = vec![0.0; n * n];
    let mut moves = Vec::new();
    let mut v = Vec::new();
    for t in 0..2500 {
        rule.probe(&step(t, 0.0), &mut v);
        let h: Vec<f64> =
            v.iter().enumerate().map(|(at, v)| v * (1.0 + (at / n) as f64) * (1.0 + (at % n) as f64)).collect();
        let before = rule.factors()[0].q.clone();
        take(&mut rule, &step(t, 0.0), &mut parameter, &h, Some(Probe { v: &v, h: &h }));
        moves.push(before.iter().zip(&rule.factors()[0].q).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max));
    }
    assert!(moves[0] > 1e-2 && moves[2499] < 1e-12, "{} and {}", moves[0], moves[2499]);
    assert!(rule.factors()[0].smoothness > 1.0);
}

/// Error 5: It applies QQᵀ on the right. P = QᴴQ on every axis, here with complex triangular factors.
#[test]
fn what_is_applied_is_q_adjoint_q_on_every_axis() {
    let (m, n) = (4, 3);
    let settings = Settings { geometry: Geometry::Eq, ..plain(Settings::newton(), 1.0) };
    let mut rule = KronPsgd::<Complex64>::new(&[m, n], &settings).expect("valid settings");
    let mut parameter = vec![Complex64::default(); m * n];
    for t in 0..20 {
        let (v, h): (Vec<Complex64>, Vec<Complex64>) = (gaussian(m * n, 6, t), gaussian(m * n, 7, t));
        take(&mut rule, &step(t, 0.0), &mut parameter, &h, Some(Probe { v: &v, h: &h }));
    }
    let gram = |n: usize, q: &[Complex64]| -> Vec<Complex64> {
        (0..n * n).map(|at| (0..n).map(|k| q[k * n + at / n].conj() * q[k * n + at % n]).sum()).collect()
    };
    let (left, right) = (gram(m, &rule.factors()[0].q), gram(n, &rule.factors()[1].q));
    let (x, mut y): (Vec<Complex64>, _) = (gaussian(m * n, 8, 0), vec![Complex64::default(); m * n]);
    rule.apply(&x, &mut y);
    for i in 0..m {
        for j in 0..n {
            let mut sum = Complex64::default();
            for k in 0..m {
                for l in 0..n {
                    sum += left[i * m + k] * right[j * n + l] * x[k * n + l];
                }
            }
            assert!((y[i * n + j] - sum).norm() < 1e-12 * sum.norm().max(1.0));
        }
    }
}

/// Error 7: It rescales by the largest element before momentum, so that steps grow tenfold. Here the final update is bounded.
#[test]
fn the_final_update_is_clipped_whatever_the_gradients_are() {
    let settings = Settings::whitening();
    let mut rule = KronPsgd::<f64>::new(&[40, 30], &settings).expect("valid settings");
    let mut x = vec![0.0; 1200];
    for t in 0..200 {
        let size = 10_f64.powi((t as i32 * 7) % 23 - 11);
        let g: Vec<f64> = gaussian(1200, 9, t).iter().map(|g: &f64| g * size).collect();
        let before = x.clone();
        let proposal = take(&mut rule, &step(t, 0.5), &mut x, &g, None);
        let moves: Vec<f64> = x.iter().zip(&before).map(|(a, b)| (a - b) / 0.5).collect();
        let squares: f64 = moves.iter().map(|m| m * m).sum();
        assert!((squares / 1200.0).sqrt() <= 1.1 + 1e-9, "step {t}: {}", (squares / 1200.0).sqrt());
        assert!(moves.iter().all(|m| m.abs() <= 10.0 + 1e-9));
        assert!((proposal.update_squares - squares).abs() <= 1e-9 * squares);
    }
    // One element that is far out is shortened alone.
    let settings = Settings { clip_rms: f64::INFINITY, ..plain(Settings::newton(), 1.0) };
    let settings = Settings { clip_element: 10.0, ..settings };
    let mut rule = KronPsgd::<Complex64>::new(&[3], &settings).expect("valid settings");
    let mut x = vec![Complex64::default(); 3];
    let g = [Complex64::new(1.0, 0.0), Complex64::new(30.0, -40.0), Complex64::new(0.0, 9.0)];
    take(&mut rule, &step(0, 1.0), &mut x, &g, None);
    let right = [-g[0], -g[1].scale(0.2), -g[2]];
    assert!(x.iter().zip(right).all(|(a, b)| (a - b).norm() < 1e-14), "{x:?}");
}

/// Error 8: Its momentum adds up preconditioned gradients, for ten times the rate, with stale preconditioners. Here it is their
/// mean from the first step on, and P is the newest one.
#[test]
fn momentum_is_a_mean_taken_before_preconditioning() {
    // Without pairs P stays I: a constant gradient moves by lr in every step, also in the first.
    let settings = Settings { momentum: 0.9, ..plain(Settings::newton(), 1.0) };
    let mut rule = KronPsgd::<f64>::new(&[2, 2], &settings).expect("valid settings");
    let mut x = vec![0.0; 4];
    for t in 0..30 {
        take(&mut rule, &step(t, 0.1), &mut x, &[1.0, -2.0, 3.0, 0.5], None);
        let right = -0.1 * (t + 1) as f64;
        assert!((x[0] - right).abs() < 1e-12, "{t}: {}", x[0]);
    }
    // β_t = min(t/(t + 1), β): at first the plain mean.
    let mut rule = KronPsgd::<f64>::new(&[1], &settings).expect("valid settings");
    let mut x = vec![0.0];
    for (t, g) in [4.0, 8.0, 3.0].into_iter().enumerate() {
        let before = x[0];
        take(&mut rule, &step(t as u64, 1.0), &mut x, &[g], None);
        let mean = [4.0, 6.0, 5.0][t];
        assert!((before - x[0] - mean).abs() < 1e-14);
    }
    // After an update the whole mean is seen with the new P.
    let (v, h) = ([1.0], [2.0]);
    let before = x[0];
    take(&mut rule, &step(3, 1.0), &mut x, &[5.0], Some(Probe { v: &v, h: &h }));
    let p = rule.factors()[0].q[0].powi(2);
    assert!(p < 0.99 && (before - x[0] - 5.0 * p).abs() < 1e-14);
}

/// Error 9: Its decay is neither L2 nor decoupled. Here θ shrinks by lr·λ, P and momentum never see it.
#[test]
fn decay_is_decoupled() {
    let run = |decay: f64, gradients: bool| {
        let mut rule = KronPsgd::<f64>::new(&[3, 2], &Settings::whitening()).expect("valid settings");
        let mut x: Vec<f64> = gaussian(6, 10, 0);
        let mut seen = Vec::new();
        for t in 0..40 {
            let g: Vec<f64> = gaussian(6, 11, t).iter().map(|g: &f64| if gradients { g * 3.0 } else { 0.0 }).collect();
            let before = x.clone();
            take(&mut rule, &Step { decay, ..step(t, 0.01) }, &mut x, &g, None);
            seen.push((before, x.clone()));
        }
        seen
    };
    let start: Vec<f64> = gaussian(6, 10, 0);
    let shrunk = run(0.5, false);
    for (x, start) in shrunk[39].1.iter().zip(&start) {
        assert!((x - start * 0.995_f64.powi(40)).abs() < 1e-14);
    }
    for (with, without) in run(0.5, true).iter().zip(run(0.0, true)) {
        for i in 0..6 {
            let update = without.0[i] - without.1[i];
            assert!((with.0[i] * 0.995 - update - with.1[i]).abs() < 1e-14);
        }
    }
}

/// Error 10: Its solve answers 0 where a diagonal element is small. Here a diagonal cannot come near zero for μ < 1; where it
/// does (μ = 1 and a pair that is all h), the factors go back to the initial scale, and the proposal says so.
#[test]
fn a_factor_that_would_become_singular_is_an_event() {
    let settings = Settings { geometry: Geometry::Eq, precond_lr: 1.0, ..plain(Settings::newton(), 0.25) };
    let mut rule = KronPsgd::<f64>::new(&[2], &settings).expect("valid settings");
    let mut x = vec![0.0; 2];
    let usual = ([0.4, 0.0], [0.9, 0.0]);
    let proposal = take(&mut rule, &step(0, 0.1), &mut x, &usual.1, Some(Probe { v: &usual.0, h: &usual.1 }));
    assert!(!proposal.preconditioner_reset && rule.factors()[0].q[0] != 0.25);
    let (v, h) = ([0.0; 2], [0.0, 1e3]);
    let proposal = take(&mut rule, &step(1, 0.1), &mut x, &h, Some(Probe { v: &v, h: &h }));
    assert!(proposal.preconditioner_reset && proposal.preconditioner_updated);
    let factor = &rule.factors()[0];
    assert_eq!((&factor.q[..], factor.smoothness), (&[0.25, 0.0, 0.0, 0.25][..], 0.0));
    assert_eq!(proposal.factor_range, Some((0.25, 0.25)));
    // A hair below μ = 1 the diagonal stays.
    let mut rule = KronPsgd::<f64>::new(&[2], &Settings { precond_lr: 0.999, ..settings }).expect("valid settings");
    let proposal = take(&mut rule, &step(0, 0.1), &mut x, &h, Some(Probe { v: &v, h: &h }));
    assert!(!proposal.preconditioner_reset && proposal.factor_range.is_some_and(|(least, _)| least > 0.0));
}

/// Error 11: It falls back to plain descent where the shape is not a matrix. Here scalars, vectors and arrays of up to four axes
/// are preconditioned: every one of them ends with PH = I on a diagonal Hessian that is a Kronecker product.
#[test]
fn scalars_vectors_and_higher_arrays_are_preconditioned() {
    for shape in [&[][..], &[7], &[1, 5], &[4, 3, 2], &[4, 4, 4, 4], &[1, 1, 1, 1]] {
        let count: usize = shape.iter().product();
        // Π over the axes of (1 + position).
        let curvature = |mut at: usize| {
            let mut product = 0.5;
            for n in shape.iter().rev() {
                product *= 1.0 + (at % n) as f64;
                at /= n;
            }
            product
        };
        for skew in [1.0, f64::INFINITY] {
            let settings = Settings { max_skew: skew, damping: 0.0, ..Settings::newton() };
            let mut rule = KronPsgd::<f64>::new(shape, &settings).expect("valid settings");
            let mut x: Vec<f64> = gaussian(count, 13, 0);
            let mut v = Vec::new();
            for t in 0..900 {
                let step = step(t, 0.5);
                assert!(rule.probe(&step, &mut v));
                let h: Vec<f64> = v.iter().enumerate().map(|(at, v)| v * curvature(at)).collect();
                let g: Vec<f64> = x.iter().enumerate().map(|(at, x)| x * curvature(at)).collect();
                take(&mut rule, &step, &mut x, &g, Some(Probe { v: &v, h: &h }));
            }
            let ones: Vec<f64> = (0..count).map(curvature).collect();
            let mut out = vec![0.0; count];
            rule.apply(&ones, &mut out);
            assert!(out.iter().all(|one| (one - 1.0).abs() < 1e-9), "{shape:?}, skew {skew}: {out:?}");
            assert!(x.iter().all(|x| x.abs() < 1e-12), "{shape:?}: {x:?}");
        }
    }
    let error = KronPsgd::<f32>::new(&[2; 5], &Settings::whitening()).expect_err("five axes");
    assert_eq!((error.code, error.limit), ("option-out-of-range", Some(4.0)));
    assert!(error.message.contains("merge neighbouring axes"));
    let mut empty = KronPsgd::<f32>::new(&[0, 3], &Settings::whitening()).expect("nothing to do");
    take(&mut empty, &step(0, 0.1), &mut [], &[], None);
}

/// Error 6: What is whitened is said, and the momentum is smaller than the gradient by √((1 − β)/(1 + β)).
#[test]
fn the_source_of_whitening_sets_the_size_of_updates() {
    let rms = |source: Source| {
        let settings =
            Settings { source, clip_rms: f64::INFINITY, clip_element: f64::INFINITY, ..Settings::whitening() };
        let mut rule = KronPsgd::<f64>::new(&[12, 10], &settings).expect("valid settings");
        let mut x = vec![0.0; 120];
        let mut mean = 0.0;
        for t in 0..1500 {
            let g: Vec<f64> = gaussian(120, 14, t).iter().map(|g: &f64| g * 1e-3).collect();
            let proposal = take(&mut rule, &step(t, 0.0), &mut x, &g, None);
            mean += if t >= 500 { proposal.update_squares / 120.0 / 1000.0 } else { 0.0 };
        }
        mean.sqrt()
    };
    let (gradient, momentum) = (rms(Source::Gradient), rms(Source::Momentum));
    assert!((momentum - 1.0).abs() < 0.1, "{momentum}");
    assert!((gradient - (0.1_f64 / 1.9).sqrt()).abs() < 0.03, "{gradient}");
}

#[test]
fn settings_out_of_range_are_refused_with_the_limit() {
    let good = Settings::whitening();
    for (settings, limit) in [
        (Settings { precond_lr: 0.0, ..good }, 0.0),
        (Settings { precond_lr: 1.5, ..good }, 1.0),
        (Settings { norm_memory: 1.0, ..good }, 1.0),
        (Settings { momentum: -0.1, ..good }, 0.0),
        (Settings { momentum: f64::NAN, ..good }, 1.0),
        (Settings { max_skew: -1.0, ..good }, 0.0),
        (Settings { damping: f64::INFINITY, ..good }, 0.0),
        (Settings { scale: Some(0.0), ..good }, 0.0),
        (Settings { clip_rms: 0.0, ..good }, 0.0),
        (Settings { clip_element: -1.0, ..good }, 0.0),
    ] {
        let error = KronPsgd::<f64>::new(&[2, 2], &settings).expect_err("out of range");
        assert_eq!((error.code, error.limit), ("option-out-of-range", Some(limit)), "{}", error.message);
    }
    let mut rule = KronPsgd::<f64>::new(&[2], &good).expect("valid settings");
    assert!(rule.set_precond_lr(2.0).is_err() && rule.set_precond_lr(1.0).is_ok());
    assert_eq!(f64::PARTS, 1);
}
