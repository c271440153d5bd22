//! Where the time of a large fit goes: `cargo run --example big -- ROWS COLS FACTORS THREADS [ITERATIONS [ABORT_MS]]`.
//! HEADWATER_FORMED_UP_TO sets the limit up to which the Hessian is formed: the figures in `problem.rs` come from here.
#![allow(clippy::print_stdout)] // it is a program
use headwater_base::rng::{Purpose, Stream};
use headwater_base::{Control, Progress};
use headwater_pmf::*;
use std::time::Instant;
fn main() {
    let a: Vec<usize> = std::env::args().skip(1).map(|x| x.parse().unwrap()).collect();
    let (m, n, p) = (a[0], a[1], a[2]);
    let mut r = Stream::new(1, Purpose::Synthetic, 0);
    let w: Vec<f64> = (0..m * p).map(|_| -(1.0 - r.uniform()).ln()).collect();
    let h: Vec<f64> = (0..p * n).map(|_| if r.uniform() < 0.4 { 0.0 } else { -(1.0 - r.uniform()).ln() }).collect();
    let (mut v, mut u) = (Vec::new(), Vec::new());
    for i in 0..m {
        for j in 0..n {
            let f: f64 = (0..p).map(|k| w[i * p + k] * h[k * n + j]).sum();
            u.push(0.05 + 0.1 * f);
            v.push(f + (0.05 + 0.1 * f) * r.normal());
        }
    }
    let t = Instant::now();
    let limit = std::env::var("HEADWATER_FORMED_UP_TO").map_or(1500, |x| x.parse().unwrap());
    let problem = Problem::new(m, n, v, u).unwrap().with_formed_up_to(limit);
    println!("problem {:.2?}", t.elapsed());
    let mut s = Settings::new(p);
    s.starts = Starts::Count(1);
    s.threads = a[3];
    s.max_iterations = a.get(4).copied().unwrap_or(20000) as u32;
    let t = Instant::now();
    let sink = |p: Progress| println!("  {p:?} {:.2?}", t.elapsed());
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    if let Some(&ms) = a.get(5) {
        let flag = flag.clone();
        std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(ms as u64));
            flag.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
    let f = factorize(&problem, &s, Control::new(Some(&flag), Some(&sink))).unwrap();
    println!("{:.2?} {} {} it", t.elapsed(), f.solution.status, f.solution.iterations);
}
