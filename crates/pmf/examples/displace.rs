//! Times the displacement of the elements of an EPA set: `cargo run --example displace -- baltimore 7 [FACTOR [SPECIES]]`.
//! UNCHECKED=1 leaves out the search for lower branches.
#![allow(clippy::print_stdout)] // it is a program

#[path = "../tests/suite/common.rs"]
#[allow(dead_code)] // tests need the rest
mod common;

use headwater_base::Control;
use headwater_pmf::{DisplacementSettings, displace};
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|a| a.parse::<usize>().ok());
    let (set, p) = (arguments.first().map_or("stlouis", String::as_str), number(1).unwrap_or(6));
    let data = common::epa(set);
    let base = common::fit(&data, &common::settings(p, 20, 1)).solution;
    let every = (0..p).flat_map(|k| (0..data.cols).map(move |j| (k, j)));
    let chosen = |e: &(usize, usize)| number(2).is_none_or(|k| k == e.0) && number(3).is_none_or(|j| j == e.1);
    let settings = DisplacementSettings {
        levels: vec![4.0, 8.0, 15.0, 25.0],
        elements: every.filter(chosen).collect(),
        check: std::env::var_os("UNCHECKED").is_none(),
        nonnegative_contributions: true,
        nonnegative_profiles: true,
        seed: 1,
        threads: 1,
    };
    let started = Instant::now();
    let before = cpu();
    let found = displace(&data.problem(), p, &base.contributions, &base.profiles, &settings, Control::none());
    let (found, took) = (found.expect("intervals"), started.elapsed());
    let failed =
        found.elements.iter().flat_map(|e| &e.ends).flatten().filter(|e| e.kind == headwater_pmf::EndKind::Failed);
    println!(
        "{set} {p}: {} elements in {took:?}, {:?} each; failed ends {}, decrease {}, swaps {:?}",
        found.elements.len(),
        took / found.elements.len().max(1) as u32,
        failed.count(),
        found.largest_decrease,
        found.swaps
    );
    if std::env::var_os("SHOW").is_some() {
        for e in &found.elements {
            for (l, ends) in e.ends.iter().enumerate() {
                println!("{} {} level {l}: {:?}", e.factor, e.species, ends);
            }
        }
    }
    println!("{:.1} ms of processor time each", (cpu() - before) / 1e6 / found.elements.len() as f64);
}

/// Nanoseconds that this thread has run.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|x| x.parse().ok()).unwrap_or(f64::NAN)
}
