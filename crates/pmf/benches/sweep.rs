//! Time of one sweep, its share of the GEMM peak measured in the same run, and the multiplicative baseline.
//!
//! `cargo bench -p headwater-pmf`. Planted data of two sizes, one thread, best of three; a sweep's flop are those of
//! its Gram matrices, 4·cells·(p²/2 + 3p/2), so solutions of the small systems count against it.
#![allow(clippy::print_stdout, missing_docs)] // it is a program

use headwater_base::Control;
use headwater_base::rng::{Purpose, Stream};
use headwater_pmf::{Method, Problem, Settings, Starts, Stop, factorize};
use std::time::Instant;

fn planted(m: usize, n: usize, p: usize) -> Problem {
    let mut random = Stream::new(1, Purpose::Synthetic, 0);
    let mut draw = |size: usize| (0..size).map(|_| -random.uniform().ln()).collect::<Vec<f64>>();
    let (w, h) = (draw(m * p), draw(p * n));
    let mut noise = Stream::new(1, Purpose::Synthetic, 1);
    let (mut v, mut u) = (Vec::new(), Vec::new());
    for i in 0..m {
        for j in 0..n {
            let fit: f64 = (0..p).map(|k| w[i * p + k] * h[k * n + j]).sum();
            u.push(0.05 + 0.1 * fit);
            v.push(fit + (0.05 + 0.1 * fit) * noise.normal());
        }
    }
    Problem::new(m, n, v, u).expect("good data")
}

/// Seconds per sweep: the difference of a long and a short run, which share everything else.
fn per_sweep(problem: &Problem, method: Method, p: usize, sweeps: u32) -> f64 {
    let run = |max_iterations: u32| {
        let settings = Settings {
            method,
            starts: Starts::Count(1),
            stop: Stop::Decrease { decrease: f64::MIN_POSITIVE, over: 1 << 30 },
            max_iterations,
            ..Settings::new(p)
        };
        let began = Instant::now();
        factorize(problem, &settings, Control::none()).expect("a fit");
        began.elapsed().as_secs_f64()
    };
    let best = (0..3).map(|_| run(2 * sweeps) - run(sweeps)).fold(f64::INFINITY, f64::min);
    best / f64::from(sweeps)
}

fn gemm_peak() -> f64 {
    let n = 512;
    let a = nalgebra::DMatrix::from_fn(n, n, |i, j| (i * 7 + j) as f64 * 1e-3);
    let mut c = nalgebra::DMatrix::zeros(n, n);
    let time = (0..10)
        .map(|_| {
            let began = Instant::now();
            c.gemm(1.0, &a, &a, 0.0);
            began.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    assert!(c[(0, 0)] > 0.0);
    2.0 * (n as f64).powi(3) / time * 1e-9
}

fn main() {
    let peak = gemm_peak();
    println!("f64 GEMM, n = 512, one thread: {peak:.1} GF/s");
    for (m, n, p, sweeps) in [(630, 26, 7, 2000), (10_000, 100, 8, 60)] {
        let problem = planted(m, n, p);
        let flop = 4.0 * (m * n * (p * p + 3 * p)) as f64 / 2.0;
        for (name, method) in [("anls", Method::Anls), ("hals", Method::Hals), ("mu", Method::Mu)] {
            let time = per_sweep(&problem, method, p, sweeps);
            let share = if method == Method::Anls {
                format!(", {:.1} GF/s = {:.0} % of GEMM", flop / time * 1e-9, flop / time * 1e-7 / peak)
            } else {
                String::new()
            };
            println!("{m} × {n}, p = {p}, {name}: {:.3} ms a sweep{share}", time * 1e3);
        }
    }
}
