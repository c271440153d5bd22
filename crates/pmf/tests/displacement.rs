//! Displacement intervals against those of an independent program.

mod common;
use common::*;
use headwater_base::{Control, Status};
use headwater_pmf::{Displacement, DisplacementSettings, EndKind, Settings, displace};

fn settings(elements: Vec<(usize, usize)>) -> DisplacementSettings {
    DisplacementSettings {
        levels: vec![4.0, 8.0, 15.0, 25.0],
        elements,
        check: true,
        nonnegative_contributions: true,
        nonnegative_profiles: true,
        seed: 1,
        threads: 2,
    }
}

#[test]
fn intervals_are_the_golden_ones() {
    for expected in fixture("disp.json")["problems"].as_array().expect("problems") {
        let (set, p) = (expected["set"].as_str().expect("a set"), number(expected, "p") as usize);
        let data = epa(set);
        let base = fit(&data, &Settings { seed: 1, threads: 2, ..Settings::new(p) }).solution;
        let list = expected["elements"].as_array().expect("elements");
        let list: Vec<_> = list
            .iter()
            .filter(|e| {
                std::env::var("EL").is_err()
                    || std::env::var("EL").unwrap() == format!("{set} {} {}", e["factor"], e["species"])
            })
            .collect();
        let elements = list.iter().map(|e| (number(e, "factor") as usize, number(e, "species") as usize)).collect();
        let started = std::time::Instant::now();
        let found: Displacement =
            displace(&data.problem(), p, &base.contributions, &base.profiles, &settings(elements), Control::none())
                .expect("intervals");
        eprintln!(
            "{set} {p}: {} elements in {:?}; decrease {} swaps {:?}",
            list.len(),
            started.elapsed(),
            found.largest_decrease,
            found.swaps
        );
        eprintln!("{:?}", headwater_pmf::pinned::COUNT);
        assert_eq!(found.status, Status::Converged);
        let mut wrong = Vec::new();
        for (e, found) in list.iter().zip(&found.elements) {
            let at = format!("{set} {} {} ({})", found.factor, found.species, e["name"]);
            for ((level, ends), name) in [4.0, 8.0, 15.0, 25.0].iter().zip(&found.ends).zip(["4", "8", "15", "25"]) {
                let expected = &e["levels"][name];
                let (lo, hi) = (number(expected, "lo"), number(expected, "hi"));
                for (end, value, dq) in
                    [(ends[0], lo, number(expected, "lo_dQ")), (ends[1], hi, number(expected, "hi_dQ"))]
                {
                    let at_zero = dq < level - 1e-2;
                    let kind = if at_zero { EndKind::Zero } else { EndKind::Reached };
                    let off = (end.value - value).abs() / (hi - lo);
                    if end.kind != kind || (end.delta_q - dq).abs() > 1e-3 || off.is_nan() || off > 1e-4 {
                        wrong.push(format!("{at} level {level}: {end:?} instead of {value} ({dq}); off {off:e}"));
                    }
                }
            }
        }
        eprintln!("{}", wrong.join("\n"));
    }
}
