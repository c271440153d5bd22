//! The streaming lane on synthetic superposition: rows are sums of `active` of `features` random directions of p columns, with
//! amplitudes uniform in [½, 1½] and noise of 0.05 a column. Prints a line a pass, held-out figures and the peak of memory.
//!
//! `cargo run --profile fast -p headwater-manifold --example lane -- rows=100000 columns=512 features=4096 atoms=4096 active=8`;
//! others: passes, early, updates, searches, candidates, held, threads, noise, seed, random=1 (seeds without data), oracle=0 (not
//! also coding by the features themselves, which is the ceiling), truth=1 (begin at the features: what these rows can teach at best),
//! seconds (stop after so many). `bench/peers/torch/sae.py` runs a top-k autoencoder beside it.
//!
//! Measured at p = 512, 4096 features, s = 8 on two cores shared with other work (seconds are of CPU, memory above the data):
//! K = 4096, N = 10⁵, stopped in the fifth pass: 250 s, held-out explained variance 0.864 (the features themselves: 0.873, of which what
//! these rows can teach lacks 0.005), 99.5 % of them recovered (in the eighth: 0.867, 99.9 %); K = 32768, N = 10⁵, a first pass: 153 s, 361 MB.
//! The autoencoder in 64 s (one epoch of batches of 512 at K = 4096, learning rate 3·10⁻³): 0.20, none, 1.2 GB in all.
#![allow(clippy::print_stdout)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use headwater_base::normal::Normals;
use headwater_base::parallel::{Crew, for_each_piece};
use headwater_base::rng::{Purpose, Stream};
use headwater_base::{Control, Progress};
use headwater_manifold::lane::{Codes, Dictionary, Seeds, Settings, Shape, Table, encode, fit, resume};
use headwater_manifold::metrics::{Decoders, Reconstruction, Usage, nearest};

fn option(name: &str, default: f64) -> f64 {
    let found = std::env::args().find_map(|a| a.strip_prefix(&format!("{name}=")).map(str::to_owned));
    found.map_or(default, |value| value.parse().expect("a number"))
}

fn units(count: usize, p: usize, index: u32) -> Vec<f32> {
    let mut out = vec![0.0; count * p];
    Normals::new(1, Purpose::Synthetic, index).fill_f32(0, &mut out);
    for x in out.chunks_exact_mut(p) {
        let size = x.iter().map(|x| x * x).sum::<f32>().sqrt();
        x.iter_mut().for_each(|x| *x /= size);
    }
    out
}

/// Rows `from`, `from + 1`, … of the endless table.
fn rows(truth: &[f32], p: usize, active: usize, noise: f32, from: usize, count: usize, threads: usize) -> Vec<f32> {
    let features = truth.len() / p;
    let mut out = vec![0.0; count * p];
    for_each_piece(threads, &mut out, p, |n, x| {
        Normals::new(2, Purpose::Synthetic, (from + n) as u32).fill_f32(0, x);
        x.iter_mut().for_each(|x| *x *= noise);
        let mut random = Stream::new(3, Purpose::Synthetic, (from + n) as u32);
        let mut taken: Vec<usize> = Vec::new();
        while taken.len() < active {
            let k = random.below(features);
            if !taken.contains(&k) {
                taken.push(k);
                let a = 0.5 + random.uniform() as f32;
                x.iter_mut().zip(&truth[k * p..]).for_each(|(x, d)| *x += a * d);
            }
        }
    });
    out
}

fn report(name: &str, dictionary: &Dictionary, data: &[f32], codes: &Codes) {
    let p = dictionary.columns();
    let mut of = Reconstruction::new(p);
    let mut usage = Usage::new(&vec![dictionary.shape.dimension(); dictionary.atoms()], true);
    let mut fitted = vec![0.0; p];
    for (n, x) in data.chunks_exact(p).enumerate() {
        dictionary.decode(codes, n, &mut fitted);
        of.add(&x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>(), &fitted, None).expect("finite");
        let (support, _) = codes.row(n);
        usage.add(support, &codes.polar(n).iter().map(|(a, _)| *a).collect::<Vec<_>>()).expect("a support");
    }
    let (found, used) = (of.metrics(), usage.metrics());
    println!(
        "{name}: ev {:.4} centred {:.4} cosine {:.4} l0 {:.2} dead {:.4}",
        found.explained_variance.unwrap_or(f64::NAN),
        found.explained_variance_centred.unwrap_or(f64::NAN),
        found.cosine.unwrap_or(f64::NAN),
        used.active,
        used.dead
    );
}

/// σ²pK/N of the energy of a row: what least squares on the true supports and amplitudes leave of the decoders' errors.
fn cost(n: usize, p: usize, k: usize, s: usize, noise: f32) -> f64 {
    let (variance, signal) = (f64::from(noise * noise), s as f64 * 13.0 / 12.0);
    variance * (p * k) as f64 / n as f64 / (signal + variance * p as f64)
}

fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(f64::NAN) / 1024.0
}

fn main() {
    let whole = |name: &str, default: usize| option(name, default as f64) as usize;
    let (n, p, c) = (whole("rows", 20_000), whole("columns", 64), whole("features", 512));
    let (k, s, held, threads) = (whole("atoms", c), whole("active", 4), whole("held", 4096), whole("threads", 2));
    let noise = option("noise", 0.05) as f32;
    let truth = units(c, p, 0);
    let data = rows(&truth, p, s, noise, 0, n, threads);
    let test = rows(&truth, p, s, noise, n, held, threads);
    println!("decoders from these rows cost an expected {:.4} of held-out ev", cost(n, p, k, s, noise));
    println!("data {:.0} MB, decoder {:.0} MB in f64", (n * p * 4) as f64 / 1048576.0, (k * p * 8) as f64 / 1048576.0);
    let base = Settings::new(k, s);
    let settings = Settings {
        passes: whole("passes", base.passes),
        early: whole("early", base.early),
        updates: whole("updates", base.updates),
        searches: whole("searches", base.searches),
        candidates: whole("candidates", base.candidates),
        seeds: if option("random", 0.0) > 0.0 { Seeds::Random } else { Seeds::Rows },
        seed: whole("seed", 0) as u64,
        ..base
    };
    let start = Instant::now();
    let limit = option("seconds", f64::INFINITY);
    let stop = AtomicBool::new(false);
    // Lines as it goes: a long run may be cut short.
    let sink = |progress: Progress| {
        stop.fetch_or(start.elapsed().as_secs_f64() > limit, Ordering::Relaxed);
        if progress.done.is_multiple_of(n as u64) {
            let best = progress.best.unwrap_or(f64::NAN);
            println!(
                "pass {} at {:.1} s, F before {best:.6e}",
                progress.done / n as u64,
                start.elapsed().as_secs_f64()
            );
        }
    };
    let crew = Crew::new(threads, Control::new(Some(&stop), Some(&sink)));
    let of = |d: &[f32]| d.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let oracle = Dictionary {
        shape: Shape::Direction,
        non_negative: true,
        ridge: 1e-6,
        offset: vec![0.0; p],
        directions: of(&truth),
    };
    let (table, before) = (Table::new(&data, p).expect("rows"), peak());
    let found = if option("truth", 0.0) > 0.0 {
        resume(&table, &oracle, &settings, crew).expect("a fit")
    } else {
        fit(&table, &settings, crew).expect("a fit")
    };
    let seconds = start.elapsed().as_secs_f64();
    let crew = Crew::new(threads, Control::none());
    for (at, pass) in found.passes.iter().enumerate() {
        println!(
            "{at:>3} F {:.6e} 1-2F/T {:.5} changed {:.4} gradient {:.1e} unused {} joined {} idle {} reborn {}",
            pass.objective,
            pass.explained.unwrap_or(f64::NAN),
            pass.changed,
            pass.gradient,
            pass.unused,
            pass.joined,
            pass.idle,
            pass.reborn
        );
    }
    println!(
        "{} in {seconds:.1} s, {:.2} s a pass, peak {:.0} MB, {before:.0} before",
        found.status,
        seconds / found.passes.len() as f64,
        peak()
    );
    report("train", &found.dictionary, &data, &found.codes);
    let tests = Table::new(&test, p).expect("rows");
    let start = Instant::now();
    let codes = encode(&found.dictionary, &tests, &settings, crew).expect("codes").expect("not stopped");
    println!("encode {:.1} µs a row", start.elapsed().as_secs_f64() / held as f64 * 1e6);
    report("held", &found.dictionary, &test, &codes);
    let exact = &oracle.directions;
    let (ones, all) = (vec![1; c], vec![1; k]);
    let (first, second) = (
        Decoders { functions: &ones, values: exact },
        Decoders { functions: &all, values: &found.dictionary.directions },
    );
    let near = nearest(first, second, p, crew).expect("directions").expect("not stopped");
    let over = |t: f64| near.iter().filter(|x| **x > t).count() as f64 / c as f64;
    println!(
        "recovered: {:.4} over .95, {:.4} over .9, mean {:.4}",
        over(0.95),
        over(0.9),
        near.iter().sum::<f64>() / c as f64
    );
    if option("oracle", 1.0) > 0.0 {
        for searches in [2, 4, s + 1] {
            let coding = Settings { searches, ..settings };
            let codes = encode(&oracle, &tests, &coding, crew).expect("codes").expect("not stopped");
            report(&format!("oracle, {searches} searches"), &oracle, &test, &codes);
        }
    }
}
