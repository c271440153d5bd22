//! Fits whose sweeps run elsewhere: what comes back, and what happens when the device gives up.

use crate::common::*;
use headwater_base::{Control, Status};
use headwater_linalg::device::{Limited, Place};
use headwater_pmf::{Loss, Settings, Starts, Stop, factorize, factorize_on};

#[test]
fn sweeps_run_on_the_device_and_the_result_is_that_of_the_cpu() {
    let data = epa("stlouis");
    let device = Limited::new(u32::MAX);
    let place = Place { device: &device, fall_back: false };
    // Random starts, and perturbation chains behind them.
    for starts in [Starts::Count(3), Starts::Auto { cap: 400 }] {
        let settings = Settings { starts, seed: 1, threads: 2, ..Settings::new(6) };
        let own = fit(&data, &settings).solution;
        let there = factorize_on(&data.problem(), &settings, place, Control::none()).expect("a fit");
        assert_eq!(there.solution.status, Status::Converged);
        assert!((there.solution.q / own.q - 1.0).abs() < 1e-10, "{} {}", there.solution.q, own.q);
        // The first pair and 80 sweeps of every batch, and all starts of a batch at once.
        let batches = if starts == Starts::Count(3) { 1 } else { there.starts.len() as u32 / 12 };
        assert_eq!(device.take_calls(), 81 * batches);
        assert!(there.starts.iter().all(|start| start.iterations > 80));
    }
}

#[test]
fn a_full_memory_is_an_error_with_its_size_or_a_warning_and_the_result_of_the_cpu() {
    let data = epa("stlouis");
    let settings = Settings { starts: Starts::Count(2), seed: 1, ..Settings::new(6) };
    let device = Limited::new(7);
    let error = factorize_on(&data.problem(), &settings, Place { device: &device, fall_back: false }, Control::none());
    let error = error.expect_err("no memory");
    assert_eq!((error.code, error.limit), ("device-out-of-memory", Some(5.0 * f64::from(1 << 30))));
    assert!(error.message.contains("limited:0") && error.message.contains("5120.0 MiB"), "{}", error.message);

    let device = Limited::new(7);
    let place = Place { device: &device, fall_back: true };
    let mut found = factorize_on(&data.problem(), &settings, place, Control::none()).expect("a fit");
    let warnings = std::mem::take(&mut found.solution.warnings);
    assert!(warnings.iter().any(|w| w.code == "device-gave-up" && w.message.contains("5120.0 MiB")), "{warnings:?}");
    let mut own = fit(&data, &settings);
    own.solution.warnings.clear();
    assert_eq!(found, own);
}

#[test]
fn what_a_device_cannot_minimise_is_refused_or_left_to_the_cpu() {
    let data = epa("stlouis");
    let device = Limited::new(u32::MAX);
    let plain = Settings { starts: Starts::Count(1), seed: 1, ..Settings::new(3) };
    let robust = data.problem().with_loss(Loss::Huber { alpha: 4.0 }).expect("a robust problem");
    let older = Settings { stop: Stop::Decrease { decrease: 0.1, over: 10 }, ..plain.clone() };
    for (problem, settings) in [(robust, plain), (data.problem(), older)] {
        let error = factorize_on(&problem, &settings, Place { device: &device, fall_back: false }, Control::none());
        assert_eq!(error.expect_err("refused").code, "options-conflict");
        let there = factorize_on(&problem, &settings, Place { device: &device, fall_back: true }, Control::none());
        assert_eq!(there.expect("a fit"), factorize(&problem, &settings, Control::none()).expect("a fit"));
    }
    assert_eq!(device.take_calls(), 0);
}

#[test]
fn a_limit_of_iterations_holds_for_sweeps_on_a_device_too() {
    let data = epa("stlouis");
    let device = Limited::new(u32::MAX);
    let settings = Settings { starts: Starts::Count(2), max_iterations: 9, ..Settings::new(6) };
    let place = Place { device: &device, fall_back: false };
    let found = factorize_on(&data.problem(), &settings, place, Control::none()).expect("a fit");
    assert!(
        found.starts.iter().all(|start| start.iterations == 9 && start.status == Status::Budget),
        "{:?}",
        found.starts
    );
}
