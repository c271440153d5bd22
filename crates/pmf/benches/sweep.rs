//! Time of one sweep of each method, beside the GEMM peak measured in the same run.
//!
//! `cargo bench -p headwater-pmf`: middle time and quartiles. Planted data of two sizes, one thread. Throughput is in flop: for a sweep those of
//! its Gram matrices, 4·cells·(p²/2 + 3p/2), so solutions of the small systems count against it.
#![allow(clippy::print_stdout, missing_docs)] // it is a program

use headwater_base::Control;
use headwater_base::rng::{Purpose, Stream};
use headwater_pmf::{Method, Problem, Settings, Starts, Stop, factorize};
use std::time::{Duration, Instant};

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

/// Time of a run of so many sweeps and nothing else.
fn run(problem: &Problem, method: Method, p: usize, sweeps: u32) -> Duration {
    let settings = Settings {
        method,
        starts: Starts::Count(1),
        stop: Stop::Decrease { decrease: f64::MIN_POSITIVE, over: 1 << 30 },
        max_iterations: sweeps,
        ..Settings::new(p)
    };
    let began = Instant::now();
    factorize(problem, &settings, Control::none()).expect("a fit");
    began.elapsed()
}

fn main() {
    let n = 512;
    let a = nalgebra::DMatrix::from_fn(n, n, |i, j| (i * 7 + j) as f64 * 1e-3);
    let mut product = nalgebra::DMatrix::zeros(n, n);
    let gemm = quartiles(40, || {
        let began = Instant::now();
        product.gemm(1.0, &a, &a, 0.0);
        began.elapsed()
    });
    say(&format!("f64 GEMM {n}"), gemm, 2.0 * (n as f64).powi(3));
    // Larger sizes drown in the judgement of the end point, which both runs of the difference make.
    for (m, n, p, most) in [(630, 26, 7, 100), (2000, 60, 8, 60)] {
        let problem = planted(m, n, p);
        for (name, method) in [("anls", Method::Anls), ("hals", Method::Hals), ("mu", Method::Mu)] {
            // The difference of a long and a short run, which share everything else, scaled to one sweep each.
            let times = quartiles(10, || {
                run(&problem, method, p, 2 * most).saturating_sub(run(&problem, method, p, most)) / most
            });
            say(&format!("sweep {m} x {n}, p = {p}, {name}"), times, (2 * m * n * (p * p + 3 * p)) as f64);
        }
    }
}

/// Quartiles of the seconds that some work took, in so many repetitions.
fn quartiles(repetitions: usize, mut work: impl FnMut() -> Duration) -> [f64; 3] {
    let mut times: Vec<f64> = (0..repetitions).map(|_| work().as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| times[(quarter * (repetitions - 1) + 2) / 4])
}

fn say(name: &str, [low, middle, high]: [f64; 3], flop: f64) {
    let [low, middle, high] = [low, middle, high].map(|seconds| 1e3 * seconds);
    println!("{name:34} {middle:9.4} ms ({low:.4} to {high:.4}), {:6.2} Gflop/s", 1e-6 * flop / middle);
}
