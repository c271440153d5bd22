//! Time of one sweep of each method, beside the GEMM peak measured in the same run.
//!
//! `cargo bench -p headwater-pmf`. Planted data of two sizes, one thread. Throughput is in flop: for a sweep those of
//! its Gram matrices, 4·cells·(p²/2 + 3p/2), so solutions of the small systems count against it.
#![allow(missing_docs)] // it is a program

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
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

fn gemm(c: &mut Criterion) {
    let n = 512;
    let a = nalgebra::DMatrix::from_fn(n, n, |i, j| (i * 7 + j) as f64 * 1e-3);
    let mut product = nalgebra::DMatrix::zeros(n, n);
    let mut group = c.benchmark_group("f64 GEMM");
    group.throughput(Throughput::Elements(2 * (n as u64).pow(3)));
    group.bench_function(BenchmarkId::from_parameter(n), |b| b.iter(|| product.gemm(1.0, &a, &a, 0.0)));
    group.finish();
}

fn sweeps(c: &mut Criterion) {
    // Larger sizes drown in the judgement of the end point, which both runs of the difference make.
    for (m, n, p, most) in [(630, 26, 7, 100), (2000, 60, 8, 60)] {
        let problem = planted(m, n, p);
        let mut group = c.benchmark_group(format!("sweep {m} x {n}, p = {p}"));
        group.throughput(Throughput::Elements((2 * m * n * (p * p + 3 * p)) as u64));
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
        for (name, method) in [("anls", Method::Anls), ("hals", Method::Hals), ("mu", Method::Mu)] {
            group.bench_function(name, |b| {
                // The difference of a long and a short run, which share everything else, scaled to one sweep each.
                b.iter_custom(|iterations| {
                    let mut sum = Duration::ZERO;
                    for _ in 0..iterations {
                        sum += run(&problem, method, p, 2 * most).saturating_sub(run(&problem, method, p, most)) / most;
                    }
                    sum
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, gemm, sweeps);
criterion_main!(benches);
