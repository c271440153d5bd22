//! What a device is worth: the rows of the table in docs/gpu.md.
//!
//!   cargo run --profile cuda --features cuda -p headwater-candle --example measure -- cuda:0 [small]
//!
//! On a machine without a GPU: `candle-cpu small`, without the feature, which only shows that the program works.
#![allow(clippy::print_stdout, clippy::print_stderr)] // it is a program

#[path = "../../pmf/tests/suite/common.rs"]
#[allow(dead_code)] // tests need the rest
mod common;

use std::process::Command;
use std::time::Instant;

use common::epa;
use headwater_base::Control;
use headwater_base::rng::{Purpose, Stream};
use headwater_candle::{Candle, cuda_devices};
use headwater_linalg::device::{Batch, Cpu, Device, Failure, Place, Scoring, Shape, Side};
use headwater_pmf::{Problem, Settings, Starts, factorize, factorize_on};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("cuda:0", String::as_str);
    let small = arguments.get(1).is_some_and(|word| word == "small");
    println!("| what | 2 CPU threads | {name} | times |\n| --- | --- | --- | --- |");
    {
        let device = open(name)?;
        let cpu = Cpu { threads: 2 };
        let sizes: &[(usize, usize, usize, usize)] = if small {
            &[(630, 26, 7, 8)]
        } else {
            &[(630, 26, 7, 64), (10_000, 100, 8, 16), (100_000, 100, 10, 4), (1_000_000, 100, 10, 1)]
        };
        for &(rows, cols, p, starts) in sizes {
            let times = [sweep(&cpu, rows, cols, p, starts), sweep(&device, rows, cols, p, starts)]
                .map(|time| time.map_err(told));
            let [own, there] = times;
            row(&format!("a sweep of {starts} starts, {rows} × {cols}, p = {p}"), own?, there?);
        }
        fits(&device, small)?;
        routing(&device, small)?;
    }
    memory(name, if small { 3 } else { 1000 })
}

fn told(failure: Failure) -> String {
    format!("{failure:?}")
}

fn open(name: &str) -> Result<Candle, String> {
    match name.strip_prefix("cuda:") {
        None => Candle::cpu().map_err(told),
        Some(index) => {
            let found = cuda_devices().map_err(|why| format!("{}: {}", why.reason, why.message))?;
            println!("{found:?}\n");
            Candle::cuda(index.parse().map_err(|_| "cuda:N, N a number")?).map_err(told)
        }
    }
}

fn row(what: &str, own: f64, there: f64) {
    println!("| {what} | {own:.4} s | {there:.4} s | {:.1} |", own / there);
}

/// Seconds of a sweep, the best of three.
fn sweep(device: &dyn Device, rows: usize, cols: usize, p: usize, starts: usize) -> Result<f64, Failure> {
    let (weights, values) = data(rows, cols, p);
    let mut random = Stream::new(2, Purpose::Synthetic, 1);
    let mut draw = |count: usize| -> Vec<f64> { (0..count * p).map(|_| random.uniform()).collect() };
    let table = device.table(rows, cols, &weights, &values)?;
    let batch = |count: usize| Batch { starts, count, p };
    let mut x = device.factors(batch(rows), &draw(starts * rows))?;
    let mut y = device.factors(batch(cols), &draw(starts * cols))?;
    let mut best = f64::INFINITY;
    for _ in 0..4 {
        let began = Instant::now();
        y = device.nnls(&device.normal_equations(&table, Side::Columns, &x)?, &y, true)?;
        x = device.nnls(&device.normal_equations(&table, Side::Rows, &y)?, &x, true)?;
        // Numbers on the CPU: everything before them is done.
        device.objective(&table, &x, &y)?;
        best = best.min(began.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// Weights, one in ten zero, and values around a product of random factors.
fn data(rows: usize, cols: usize, p: usize) -> (Vec<f64>, Vec<f64>) {
    let mut random = Stream::new(1, Purpose::Synthetic, 0);
    let mut draw = |count: usize| -> Vec<f64> { (0..count).map(|_| random.uniform()).collect() };
    let (w, h, missing, noise) = (draw(rows * p), draw(cols * p), draw(rows * cols), draw(rows * cols));
    let fit = |at: usize| -> f64 { (0..p).map(|k| w[at / cols * p + k] * h[at % cols * p + k]).sum() };
    let values: Vec<f64> = (0..rows * cols).map(|at| fit(at) * (0.9 + 0.2 * noise[at])).collect();
    let weights =
        (0..rows * cols).map(|at| if missing[at] < 0.1 { 0.0 } else { (0.1 + 0.1 * fit(at)).powi(-2) }).collect();
    (weights, values)
}

/// Whole fits, certificate included.
fn fits(device: &dyn Device, small: bool) -> Outcome {
    let set = epa("baltimore");
    let baltimore = set.problem();
    let mut cases = vec![(baltimore, 7, if small { 2 } else { 64 }, format!("fit of {} × {}", set.rows, set.cols))];
    if !small {
        let (rows, cols, p) = (1_000_000, 100, 10);
        let (weights, values) = data(rows, cols, p);
        let uncertainties = weights.iter().map(|w| if *w == 0.0 { f64::NAN } else { w.powf(-0.5) }).collect();
        cases.push((Problem::new(rows, cols, values, uncertainties)?, p, 1, format!("fit of {rows} × {cols}")));
    }
    for (problem, p, starts, what) in cases {
        let settings = Settings { seed: 1, threads: 2, starts: Starts::Count(starts), ..Settings::new(p) };
        let began = Instant::now();
        let own = factorize(&problem, &settings, Control::none())?.solution;
        let middle = Instant::now();
        let place = Place { device, fall_back: false };
        let there = factorize_on(&problem, &settings, place, Control::none())?.solution;
        let (first, second) = ((middle - began).as_secs_f64(), middle.elapsed().as_secs_f64());
        row(&format!("{what}, p = {p}, {starts} starts"), first, second);
        println!("<!-- {} {:.12e}, {} {:.12e} -->", own.status, own.q, there.status, there.q);
    }
    Ok(())
}

/// Rows of residuals to the best atoms, and the product alone.
fn routing(device: &dyn Device, small: bool) -> Outcome {
    let (atoms, columns, rows) = if small { (8192, 64, 512) } else { (32_768, 4096, 8192) };
    let mut random = Stream::new(3, Purpose::Synthetic, 0);
    let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| random.uniform() as f32 - 0.5).collect() };
    let (directions, residuals) = (draw(atoms * columns), draw(rows * columns));
    let held = device.directions(Shape { rows: atoms, cols: columns }, &directions).map_err(told)?;
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let began = Instant::now();
        device.route(&held, Scoring { width: 1, non_negative: false }, &residuals, 32).map_err(told)?;
        best = best.min(began.elapsed().as_secs_f64());
    }
    let rate = 2.0 * (atoms * columns * rows) as f64 / best / 1e12;
    println!(
        "| routing of {rows} rows to {atoms} atoms of {columns} columns, 32 kept, f32 | | {best:.4} s | {rate:.2} TFLOP/s |"
    );
    Ok(())
}

/// Memory in use before, between and after fits that open and close the device.
fn memory(name: &str, rounds: usize) -> Outcome {
    let used = || -> String {
        let query = ["--query-gpu=memory.used", "--format=csv,noheader"];
        let answer = Command::new("nvidia-smi").args(query).output().ok();
        answer.map_or("unknown".to_string(), |out| String::from_utf8_lossy(&out.stdout).trim().replace('\n', ", "))
    };
    let before = used();
    let problem = epa("baltimore").problem();
    let settings = Settings { starts: Starts::Count(1), ..Settings::new(4) };
    let mut after_first = String::new();
    for round in 0..rounds {
        let device = open(name)?;
        factorize_on(&problem, &settings, Place { device: &device, fall_back: false }, Control::none())?;
        drop(device);
        if round == 0 {
            after_first = used();
        }
    }
    println!("\nmemory of the GPU: {before} before, {after_first} after one fit, {} after {rounds}", used());
    Ok(())
}
