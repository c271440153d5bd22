//! Times a bootstrap of an EPA set: `cargo run --example resample -- baltimore 7 [RUNS]`; without cold starts and with.
#![allow(clippy::print_stdout)] // it is a program

#[path = "../tests/suite/common.rs"]
#[allow(dead_code)] // tests need the rest
mod common;

use headwater_base::{Control, Status};
use headwater_pmf::{BootstrapSettings, bootstrap};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|a| a.parse::<usize>().ok());
    let (set, p) = (arguments.first().map_or("stlouis", String::as_str), number(1).unwrap_or(6));
    let runs = number(2).unwrap_or(40) as u32;
    let data = common::epa(set);
    let base = common::fit(&data, &common::settings(p, 20, 1)).solution;
    for cold_starts in [0, 1] {
        let settings = BootstrapSettings { runs, cold_starts, threads: 1, ..BootstrapSettings::default() };
        let before = cpu();
        let found = bootstrap(&data.problem(), p, &base.contributions, &base.profiles, &settings, Control::none());
        let (found, took) = (found.expect("resamples"), (cpu() - before) / 1e6 / f64::from(runs));
        let open = found.resamples.iter().filter(|one| one.status != Status::Converged).count();
        println!(
            "{set} {p}, {cold_starts} cold: {took:.1} ms of processor time a run, median Q {}, {open} not converged",
            found.q[2]
        );
    }
}

/// Nanoseconds that this thread has run.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|x| x.parse().ok()).unwrap_or(f64::NAN)
}
