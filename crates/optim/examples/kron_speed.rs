//! Milliseconds of Kron-PSGD on n × n parameters in f32, one thread:
//! `cargo run --profile fast -p headwater-optim --example kron_speed [runs]`.
//!
//! update: what an update of the factors adds to a step; apply: P·g with the cached factors; step: one without an update;
//! p = 0.03: mean of 100 steps with the default schedule's last probability; gemm: one product of two n × n matrices at the
//! same time, the unit that speaks of other machines (apply is two, an EQ update about nine). Medians.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use headwater_base::normal::Normals;
use headwater_base::rng::Purpose;
use headwater_linalg::gemm::{View, multiply};
use headwater_optim::kron::{Geometry, Schedule, Settings};
use headwater_optim::{KronPsgd, Rule, Step};

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let runs: usize = std::env::args().nth(1).map_or(15, |runs| runs.parse().expect("a number of runs"));
    println!(
        "{:<12} {:>5} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "geometry", "n", "update", "apply", "step", "full", "p = 0.03", "gemm"
    );
    for n in [128, 256, 512] {
        for geometry in [
            Geometry::Eq,
            Geometry::Q0p5Eq1p5,
            Geometry::Quad,
            Geometry::Qeq,
            Geometry::Qep,
            Geometry::Quad4p,
            Geometry::Pro4p,
        ] {
            let settings = Settings { geometry, schedule: Schedule::Constant(0.01), ..Settings::whitening() };
            let mut rule = KronPsgd::<f32>::new(&[n, n], &settings).expect("valid settings");
            let mut parameter = vec![0.0_f32; n * n];
            let mut gradient = vec![0.0_f32; n * n];
            let mut out = vec![0.0_f32; n * n];
            let mut draw = 0;
            let mut time = |rule: &mut KronPsgd<f32>, count: u64| {
                draw += 1;
                Normals::new(1, Purpose::Synthetic, draw).fill_f32(0, &mut gradient);
                let step = Step {
                    count,
                    lr: 1e-3,
                    decay: 0.01,
                    gradient_scale: 1.0,
                    temperature: 0.0,
                    seed: 1,
                    tensor: 0,
                    survey: Default::default(),
                };
                let begin = Instant::now();
                rule.propose(&step, &parameter, &gradient, None).expect("finite");
                rule.commit(&step, &mut parameter, &gradient, 1.0);
                begin.elapsed().as_secs_f64() * 1e3
            };
            // Step 0 updates, step 1 does not.
            (0..10).for_each(|_| {
                time(&mut rule, 0);
            });
            let full = median((0..runs).map(|_| time(&mut rule, 0)).collect());
            let plain = median((0..runs).map(|_| time(&mut rule, 1)).collect());
            let scheduled = Schedule::Constant(0.03);
            let mean = (0..100).map(|t| time(&mut rule, u64::from(!scheduled.fires(t)))).sum::<f64>() / 100.0;
            let apply = median(
                (0..runs)
                    .map(|_| {
                        let begin = Instant::now();
                        rule.apply(&parameter, &mut out);
                        begin.elapsed().as_secs_f64() * 1e3
                    })
                    .collect(),
            );
            let side = View::new(&parameter, n, n, n);
            let gemm = median(
                (0..runs)
                    .map(|_| {
                        let begin = Instant::now();
                        multiply(1.0, side, side, 0.0, &mut out, n);
                        begin.elapsed().as_secs_f64() * 1e3
                    })
                    .collect(),
            );
            println!(
                "{:<12} {n:>5} {:>9.3} {apply:>9.3} {plain:>9.3} {full:>9.3} {mean:>9.3} {gemm:>9.3}",
                format!("{geometry:?}"),
                full - plain
            );
        }
    }
}
