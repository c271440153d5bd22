//! One core: a triad as measure of memory, products with the 2-D Poisson matrix 1024², conjugate gradients per
//! iteration on it, and one shifted-Hermitian solve on a 256-node graph.
#![allow(clippy::print_stdout, missing_docs)] // it is a program

#[allow(dead_code)] // tests need the rest
#[path = "../tests/suite/common.rs"]
mod common;

use std::hint::black_box;
use std::time::Instant;

use common::poisson;
use headwater_base::Control;
use headwater_base::rng::{Purpose, Stream};
use headwater_solve::{Complex64, Csr, Jacobi, Method, Operator, Preconditioner, Settings, solve};

fn best(repeats: usize, mut work: impl FnMut()) -> f64 {
    (0..repeats)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    let m = 1024;
    let n = m * m;
    let a = poisson(m);
    let mut random = Stream::new(1, Purpose::Synthetic, 0);
    let b: Vec<f64> = (0..n).map(|_| random.normal()).collect();

    let (x, y, mut z) = (b.clone(), b.clone(), vec![0.0; n]);
    let wide: Vec<f64> = vec![1.0; 8 * n];
    let mut sink = vec![0.0; 8 * n];
    let other = wide.clone();
    let seconds = best(5, || {
        for ((s, a), b) in sink.iter_mut().zip(&wide).zip(&other) {
            *s = a + 3.0 * b;
        }
        black_box(&mut sink);
    });
    let bandwidth = 24.0 * 8.0 * n as f64 / seconds;
    println!("triad {:.2} GB/s", bandwidth / 1e9);
    let seconds = best(20, || {
        a.apply(black_box(&x), &mut z);
        black_box(&mut z);
    });
    // By diagonals: their values, x and y.
    let bytes = a.layout_bytes() as f64 + 16.0 * n as f64;
    println!(
        "SpMV {:.2} ms, {:.2} GB/s, {:.2} of the triad's time for its bytes",
        seconds * 1e3,
        bytes / seconds / 1e9,
        seconds / (bytes / bandwidth)
    );
    black_box(y);
    let jacobi = Jacobi::new(&a.diagonal()).expect("positive");
    a.is_hermitian();
    for (name, preconditioner) in [("plain", None), ("Jacobi", Some(&jacobi as &dyn Preconditioner<f64>))] {
        let per = |k| {
            let settings = Settings { max_iterations: Some(k), rtol: 1e-8, ..Settings::default() };
            best(3, || {
                black_box(solve(Method::Cg, &a, preconditioner, &b, &settings, Control::none()).expect("no misuse"));
            })
        };
        println!("CG {name}: {:.2} ms an iteration", (per(60) - per(20)) / 40.0 * 1e3);
    }
    let size = 256;
    let mut triplets = Vec::new();
    for i in 0..size {
        for step in 1..=10 {
            let j = (i + step * step) % size;
            for (r, c, v) in [(i, i, 0.5), (j, j, 0.5), (i, j, -0.5), (j, i, -0.5)] {
                triplets.push((r, c, v));
            }
        }
    }
    let h = Csr::from_triplets(size, size, &triplets).expect("a graph");
    let psi: Vec<Complex64> = (0..size).map(|_| Complex64::new(random.normal(), random.normal())).collect();
    h.is_hermitian();
    let settings = Settings { rtol: 1e-10, ..Settings::default() };
    let lifted = h.lifted();
    let step = Method::ShiftedHermitian { sigma: 1.0, a: 0.05 };
    let out = solve(step, &lifted, None, &psi, &settings, Control::none()).expect("no misuse");
    let seconds = best(2000, || {
        black_box(solve(step, &lifted, None, &psi, &settings, Control::none()).expect("no misuse"));
    });
    println!("Galerkin n = 256, {} elements, {} iterations: {:.4} ms", h.nnz(), out.iterations, seconds * 1e3);
}
