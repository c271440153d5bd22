//! Times the elementwise optimisers beside what memory allows: `cargo run --example memory_speed -- [PARAMETERS [NAME]]`.
#![allow(clippy::print_stdout)] // it is a program

use headwater_optim::{AdamW, Lion, Method, Parts, PartsMut, Rates, Sgd, Stepper, StepperSettings, Tensor, Told};
use std::time::Instant;

fn best(rounds: usize, mut work: impl FnMut()) -> f64 {
    (0..rounds)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    let size = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(10_000_000);
    let gradient: Vec<f32> = (0..size).map(|i| (i as f32 * 0.37).sin()).collect();
    // What AdamW has to move at least: θ, m, v read and written, g read.
    let (mut a, mut b, mut c) = (vec![1.0_f32; size], vec![1.0_f32; size], vec![1.0_f32; size]);
    let triad = best(7, || {
        for (((a, b), c), g) in a.iter_mut().zip(&mut b).zip(&mut c).zip(&gradient) {
            *a = 0.9 * *a + g;
            *b = 0.9 * *b + g;
            *c = 0.9 * *c + g;
        }
    });
    println!(
        "28 bytes a parameter, moved by a loop: {:.1} ms, {:.1} GB/s",
        1e3 * triad,
        28.0 * size as f64 / triad / 1e9
    );
    let methods = [
        ("AdamW", Method::AdamW(AdamW::default())),
        ("AdamW, sampling", Method::AdamW(AdamW { beta1: 0.0, burn_in: false, ..AdamW::default() })),
        ("SGD", Method::Sgd(Sgd::default())),
        ("momentum", Method::Sgd(Sgd { momentum: 0.9, nesterov: false })),
        ("Lion", Method::Lion(Lion::default())),
    ];
    let only = std::env::args().nth(2);
    for (name, method) in methods {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let tensor = Tensor { name: "w".into(), shape: vec![size], double: false, complex: false, constraint: None };
        let mut stepper = Stepper::new(&method, vec![tensor], StepperSettings::default()).expect("an optimiser");
        let mut parameter = vec![1.0_f32; size];
        let told = Told { temperature: if name.contains("sampling") { 1e-4 } else { 0.0 }, ..Told::default() };
        let time = best(7, || {
            let rates = [Rates { lr: 1e-3, decay: 0.01 }];
            let mut parameters = [PartsMut::F32(&mut parameter)];
            stepper.step(&mut parameters, &[Parts::F32(&gradient)], None, &rates, &told).expect("a step");
        });
        println!("{name}: {:.1} ms a step, {:.2} of the loop's time", 1e3 * time, time / triad);
    }
}
