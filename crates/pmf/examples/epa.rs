//! Fits one of the EPA sets and prints what every run found: `cargo run --example epa -- s|b|r FACTORS STARTS [SEED]`.
//! STARTS 0: automatic. HEADWATER_FORMED_UP_TO=0 tries the second order without a formed Hessian.
#![allow(clippy::print_stdout)] // it is a program
use headwater_base::Control;
use headwater_pmf::*;
use std::time::Instant;
fn load(name: &str) -> (usize, usize, Vec<f64>, Vec<f64>) {
    let (c, u) = match name {
        "s" => ("StLouis-con.csv", "StLouis-unc.csv"),
        "b" => ("Baltimore_con.txt", "Baltimore_unc.txt"),
        _ => ("BatonRouge-con.csv", "BatonRouge-unc.csv"),
    };
    let read = |f: &str| {
        let t = std::fs::read_to_string(format!("examples/data/Dataset-{f}")).unwrap();
        let d = if t.lines().next().unwrap().contains('\t') { '\t' } else { ',' };
        t.lines()
            .skip(1)
            .map(|l| l.split(d).skip(1).map(|x| x.trim().parse::<f64>().unwrap_or(f64::NAN)).collect::<Vec<_>>())
            .filter(|r| r.iter().any(|x| !x.is_nan()))
            .collect::<Vec<_>>()
    };
    let (v, u) = (read(c), read(u));
    (v.len(), v[0].len(), v.concat(), u.concat())
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (m, n, v, u) = load(&a[1]);
    let limit = std::env::var("HEADWATER_FORMED_UP_TO").map_or(1500, |x| x.parse().unwrap());
    let pr = Problem::new(m, n, v, u).unwrap().with_formed_up_to(limit);
    let mut s = Settings::new(a[2].parse().unwrap());
    let starts: u32 = a[3].parse().unwrap();
    if starts > 0 {
        s.starts = Starts::Count(starts);
    }
    s.seed = a.get(4).map_or(1, |x| x.parse().unwrap());
    let t = Instant::now();
    let f = factorize(&pr, &s, Control::none()).unwrap();
    println!("{:.2?} per run {:.2?}", t.elapsed(), t.elapsed() / f.starts.len() as u32);
    if starts < 30 {
        for r in &f.starts {
            println!(
                "  {:?} {} q {:.9} it {} lambda {:?} E {:.2e} gap {:.2e}",
                r.start, r.status, r.q, r.iterations, r.newton_decrement, r.coordinate_gap, r.block_gap
            );
        }
    }
    let mut counts = std::collections::BTreeMap::new();
    for r in &f.starts {
        *counts.entry(r.status.as_str()).or_insert(0) += 1;
    }
    println!("{counts:?} unseen {:?} chains {:?} runs {}", f.unseen_basin_probability, f.chains, f.starts.len());
    for b in f.basins.iter().take(4) {
        println!("  basin {:.9} hits {}", b.q, b.hits);
    }
    let x = &f.solution;
    println!(
        "{} q {:.9} robust {:.4} exp {} nu {} {:?} {:?}",
        x.status, x.q, x.q_robust, x.q_expected, x.degrees_of_freedom, x.certificate, x.warnings
    );
}
