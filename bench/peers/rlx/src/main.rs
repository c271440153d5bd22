//! Times optimiser steps of rlx-optim and prints one JSON document: CPU seconds of one thread a step.
//!
//! usage: rlx-peer [CASE ...]   cases: kron-N (an N x N matrix), adamw-N (N parameters)

use cpu_time::ThreadTime;
use rlx_optim::{AdamW, KronPsgd, Optimizer};

/// The numbers of bench/peers/torch/run.py: fractional parts of multiples of the golden ratio, less a half.
fn numbers(count: usize, key: usize) -> Vec<f32> {
    (0..count).map(|i| ((((i + 1 + 1000003 * key) as f64) * 0.6180339887498949).fract() - 0.5) as f32).collect()
}

fn time(optimizer: &mut dyn Optimizer, shape: &[usize], repetitions: usize) -> Vec<f64> {
    let count = shape.iter().product();
    let (mut parameter, gradient) = (numbers(count, 1), numbers(count, 2));
    // The first step makes the memory.
    optimizer.step("w", shape, &mut parameter, &gradient);
    let mut times: Vec<f64> = (0..repetitions)
        .map(|_| {
            let start = ThreadTime::now();
            optimizer.step("w", shape, &mut parameter, &gradient);
            start.elapsed().as_secs_f64()
        })
        .collect();
    assert!(parameter.iter().all(|value| value.is_finite()));
    times.sort_by(f64::total_cmp);
    times
}

fn main() {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names = ["kron-128", "kron-256", "kron-512", "adamw-10000000"].map(String::from).to_vec();
    }
    let cases: Vec<String> = names
        .iter()
        .map(|name| {
            let (kind, size) = name.split_once('-').expect("a case is NAME-SIZE");
            let n: usize = size.parse().expect("a case ends in a whole number");
            let times = match kind {
                "kron" => time(&mut KronPsgd::new(1e-3), &[n, n], if n < 512 { 9 } else { 5 }),
                "adamw" => time(&mut AdamW::new(1e-3), &[n], 9),
                _ => panic!("unknown case {name}"),
            };
            let (median, smallest, repetitions) = (times[times.len() / 2], times[0], times.len());
            format!(r#""{name}":{{"median":{median},"smallest":{smallest},"repetitions":{repetitions}}}"#)
        })
        .collect();
    println!(
        r#"{{"version":"rlx-optim 0.2.5","unit":"seconds of CPU of one thread","cases":{{{}}}}}"#,
        cases.join(",")
    );
}
