//! Circles found where they were planted: the cases of `__test__/fixtures/manifold/planted.json`.

mod planted_data;

use headwater_manifold::seed::{Codes, Rings, encode, planes, refine};
use planted_data::{Case, Generator, fixture, planted};
use serde_json::Value;
use std::f64::consts::TAU;

/// Held-out EV, and over the circles the least lock and recall of the best matching ring.
fn score(case: &Case, rings: &Rings) -> (f64, f64, f64) {
    let test = &case.rows[case.train * case.p..];
    let codes = encode(rings, test, case.active, 1);
    let n = test.len() / case.p;
    let mean: Vec<f64> = (0..case.p).map(|o| test.iter().skip(o).step_by(case.p).sum::<f64>() / n as f64).collect();
    let total: f64 = test.iter().enumerate().map(|(at, x)| (x - mean[at % case.p]).powi(2)).sum();
    let (mut lock, mut recall) = (1.0_f64, 1.0_f64);
    for c in 0..case.circles {
        let best = (0..rings.axes.len())
            .map(|k| matched(case, &codes, c, k))
            .fold((0.0, 0.0), |a, b| if b.1 > a.1 { b } else { a });
        lock = lock.min(best.0);
        recall = recall.min(best.1);
    }
    (1.0 - codes.residual / total, lock, recall)
}

/// Lock and recall of ring k for circle c, over the held-out rows.
fn matched(case: &Case, codes: &Codes, c: usize, k: usize) -> (f64, f64) {
    let (mut rows, mut on) = (0.0, 0.0);
    let mut sums = [[0.0; 2]; 2];
    for i in 0..codes.support.len() / codes.active {
        let own = |a: usize| (case.train + i) * case.active + a;
        let Some(a) = (0..case.active).find(|&a| case.support[own(a)] == c) else { continue };
        rows += 1.0;
        let at = |b: usize| i * codes.active + b;
        let Some(b) = (0..codes.active).find(|&b| codes.support[at(b)] as usize == k) else { continue };
        on += 1.0;
        for (sum, sign) in sums.iter_mut().zip([-1.0, 1.0]) {
            let (s, co) = (TAU * (codes.phase[at(b)] + sign * case.phase[own(a)])).sin_cos();
            sum[0] += co;
            sum[1] += s;
        }
    }
    if on == 0.0 {
        return (0.0, 0.0);
    }
    (sums.iter().map(|s| s[0].hypot(s[1]) / on).fold(0.0, f64::max), on / rows)
}

/// Rings of a case's training rows.
fn fitted(case: &Case, most: usize, seed: u64) -> Rings {
    let train = &case.rows[..case.train * case.p];
    let planes = planes(train, case.p, most, case.active, seed, 2);
    refine(&planes, train, case.active, 2).0
}

#[test]
fn every_seed_finds_the_planted_circles_and_no_others() {
    let fixture = fixture();
    // The held-out EV may lie this much below that of the true frames: with 8 planes in 48 dimensions their estimation from 1200
    // rows costs 0.002.
    for (name, below) in [
        ("T1a", 0.002),
        ("T1b", 0.002),
        ("T1c", 0.002),
        ("T1d", 0.0025),
        ("T5", 0.002),
        ("T2a", 0.005),
        ("T2b", 0.005),
        ("T3", 0.005),
    ] {
        let about = &fixture["cases"][name];
        let case = planted(about, None);
        let number = |of: &Value| of.as_f64().expect("a number");
        let (sum, squares) = (case.rows.iter().sum::<f64>(), case.rows.iter().map(|x| x * x).sum::<f64>());
        assert!(
            (sum - number(&about["sum"])).abs() < 1e-9 * sum.abs()
                && (squares - number(&about["sumsq"])).abs() < 1e-9 * squares
        );
        let (ceiling, most) = (number(&about["ceiling"]["ev"]), about["K"].as_u64().expect("K") as usize);
        for seed in 0..10 {
            let rings = fitted(&case, most, seed);
            assert_eq!(rings.axes.len(), case.circles, "{name}, seed {seed}: as many as were planted, of {most}");
            let (ev, lock, recall) = score(&case, &rings);
            assert!(ev >= ceiling - below, "{name}, seed {seed}: ev {ev} of {ceiling}");
            // What the fixture's own reference reaches, where it does.
            let reference = about["reference"]["ev"].as_f64().unwrap_or(0.0);
            assert!(ev >= reference - 2e-4, "{name}, seed {seed}: ev {ev}, the reference {reference}");
            assert!(lock >= 0.998 && recall >= 0.99, "{name}, seed {seed}: lock {lock}, recall {recall}");
        }
    }
}

#[test]
fn seven_points_of_a_circle_are_a_circle() {
    let about = &fixture()["cases"]["T4"];
    for data in 0..20 {
        let noise = Generator { seed: 2691 + data, drawn: 0 }.normals(560);
        let mut rows: Vec<f64> = noise.iter().map(|x| 0.352 * x).collect();
        let label = |i: usize| i as f64 / 10.0;
        for i in 0..70 {
            let (s, c) = (TAU * label(i).floor() / 7.0).sin_cos();
            rows[i * 8] += 2.086 * c;
            rows[i * 8 + 1] += 2.086 * s;
        }
        if data == 0 {
            let sum: f64 = rows.iter().sum();
            assert!((sum - about["sum"].as_f64().expect("a number")).abs() < 1e-9 * sum.abs(), "{sum}");
        }
        let planes = planes(&rows, 8, 1, 1, 0, 1);
        let (rings, codes) = refine(&planes, &rows, 1, 1);
        assert_eq!(rings.axes.len(), 1, "data {data}");
        let correlation = [-1.0, 1.0].map(|sign| {
            let sums = (0..70).fold((0.0, 0.0), |(a, b), i| {
                let (s, c) = (TAU * (codes.phase[i] + sign * label(i).floor() / 7.0)).sin_cos();
                (a + c, b + s)
            });
            sums.0.hypot(sums.1) / 70.0
        });
        assert!(correlation[0].max(correlation[1]) >= 0.95, "data {data}: {correlation:?}");
        let (c, s) = codes.phase.iter().fold((0.0, 0.0), |(c, s), t| (c + (TAU * t).cos(), s + (TAU * t).sin()));
        assert!(1.0 - c.hypot(s) / 70.0 > 0.9, "data {data}: the phases are spread");
    }
}

#[test]
fn noise_has_no_circles() {
    for data in 0..100 {
        let rows = Generator { seed: 6000 + data, drawn: 0 }.normals(2400);
        assert_eq!(planes(&rows[..240 * 8], 8, 4, 1, 0, 1).axes.len(), 0, "data {data}");
    }
}

#[test]
fn codes_are_the_best_there_are() {
    // Against a grid of phases, for ellipses in planes at random.
    let mut random = Generator { seed: 5, drawn: 0 };
    let p = 16;
    let rings = Rings { mean: random.normals(p), axes: (0..3).map(|_| random.normals(2 * p)).collect() };
    for active in [1, 2] {
        // Points of some of them, with noise.
        let mut rows: Vec<f64> = random.normals(40 * p).iter().map(|x| 0.5 * x).collect();
        for x in rows.chunks_exact_mut(p) {
            let without = (random.uniform() * 3.0) as usize;
            x.iter_mut().zip(&rings.mean).for_each(|(x, m)| *x += m);
            for axes in rings.axes.iter().cycle().skip(without + 1).take(active) {
                let (s, c) = (TAU * random.uniform()).sin_cos();
                (0..p).for_each(|o| x[o] += c * axes[o] + s * axes[p + o]);
            }
        }
        let codes = encode(&rings, &rows, active, 1);
        let mut worst = 0.0_f64;
        for (n, x) in rows.chunks_exact(p).enumerate() {
            let left = |points: &[(usize, f64)]| -> f64 {
                (0..p)
                    .map(|o| {
                        let fit: f64 = points
                            .iter()
                            .map(|&(k, t)| {
                                let (s, c) = (TAU * t).sin_cos();
                                c * rings.axes[k][o] + s * rings.axes[k][p + o]
                            })
                            .sum();
                        (x[o] - rings.mean[o] - fit).powi(2)
                    })
                    .sum()
            };
            let own: Vec<(usize, f64)> =
                (n * active..(n + 1) * active).map(|at| (codes.support[at] as usize, codes.phase[at])).collect();
            let grid = |steps: usize| (0..steps).map(move |i| i as f64 / steps as f64);
            let mut least = f64::INFINITY;
            for k in 0..3 {
                for t in grid(120) {
                    if active == 1 {
                        least = least.min(left(&[(k, t)]));
                        continue;
                    }
                    for l in 0..k {
                        for u in grid(120) {
                            least = least.min(left(&[(l, u), (k, t)]));
                        }
                    }
                }
            }
            worst = worst.max(left(&own) - least);
        }
        assert!(worst < 1e-6, "{active} active: {worst} above the grid's least");
    }
}

#[test]
fn three_active_rings_are_found_one_after_the_other() {
    let mut random = Generator { seed: 9, drawn: 0 };
    let p = 32;
    let rings = Rings { mean: random.normals(p), axes: (0..7).map(|_| random.normals(2 * p)).collect() };
    let mut rows = Vec::new();
    let mut truth = Vec::new();
    for n in 0..200 {
        let mut support = [n % 7, (n + 1 + n % 3) % 7, (n + 4 + n % 2) % 7];
        support.sort_unstable();
        let mut x: Vec<f64> = random.normals(p).iter().zip(&rings.mean).map(|(e, m)| 0.3 * e + m).collect();
        for &k in &support {
            let (s, c) = (TAU * random.uniform()).sin_cos();
            (0..p).for_each(|o| x[o] += c * rings.axes[k][o] + s * rings.axes[k][p + o]);
        }
        truth.extend(support.map(|k| k as u32));
        rows.extend(x);
    }
    let codes = encode(&rings, &rows, 3, 2);
    let right = codes.support.chunks_exact(3).zip(truth.chunks_exact(3)).filter(|(a, b)| a == b).count();
    assert!(right >= 198, "{right} of 200 supports");
    assert!(codes.residual < 1.1 * 0.09 * rows.len() as f64, "{}", codes.residual);
}
