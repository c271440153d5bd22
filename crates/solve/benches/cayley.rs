//! Times of a Cayley step on the three-scale small world: `cargo bench -p headwater-solve`.
//!
//! Prints, does not judge. The best of many short runs, as other processes only ever add time.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use headwater_base::Control;
use headwater_solve::{Cayley, CayleySettings, Complex64, Graph, Hamiltonian, Operator, Solver};

fn best(runs: usize, repeats: usize, mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let start = Instant::now();
        for _ in 0..repeats {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() / repeats as f64);
    }
    best
}

fn main() {
    for n in [64, 256, 512, 1024, 4096] {
        let parts: Vec<Graph> = (0..3).map(|k| Graph::ring_with_pairs(n, 5 << k, 42).expect("a ring")).collect();
        let weighted: Vec<(f64, &Graph)> = parts.iter().map(|g| (0.74 / 3.0, g)).collect();
        let h = Graph::combine(&weighted).expect("same nodes").laplacian().expect("no flux");
        let top = headwater_solve::lanczos(&h, 60, 0).expect("square").max;
        let elements = h.nnz();
        let psi: Vec<Complex64> =
            (0..n).map(|i| Complex64::from_polar(1.0 / (n as f64).sqrt(), (i * i) as f64)).collect();
        let h = Hamiltonian::from(h);
        let mut image = psi.clone();
        let product = best(30, 10, || h.apply(&psi, &mut image));
        println!("n {n}: {elements} elements, lambda_max {top:.2}, product {:.2} us", product * 1e6);
        for lambda in [0.5, 5.0] {
            let dt = 2.0 * lambda / top;
            let mut solvers = vec![Solver::Galerkin, Solver::Cgnr];
            if n <= 1024 {
                solvers.splice(0..0, [Solver::Direct, Solver::Eigen]);
            }
            let mut ends = Vec::new();
            for solver in solvers {
                let start = Instant::now();
                let settings = CayleySettings { dt, solver, rtol: 1e-10, energy: false, ..CayleySettings::default() };
                let mut cayley = Cayley::new(h.clone(), settings).expect("Hermitian");
                // The direct solver is set up by the first step.
                let mut end = psi.clone();
                let residual = cayley.step(&mut end, 1, Control::none()).expect("sizes").worst_residual();
                ends.push(end);
                let setup = start.elapsed().as_secs_f64();
                let mut state = psi.clone();
                let steps = (65536 / n).clamp(4, 100);
                let mut matvecs = 0;
                let step = best(40, 1, || {
                    matvecs = cayley.step(&mut state, steps, Control::none()).expect("sizes").matvecs;
                }) / steps as f64;
                let per_step = matvecs as f64 / steps as f64;
                println!(
                    "  Lambda {lambda}: {solver:?} {:.4} ms a step, {per_step:.1} products, set-up {:.1} ms, residual {residual:.1e}, {:.1e} from the first",
                    step * 1e3,
                    setup * 1e3,
                    ends[0].iter().zip(&ends[ends.len() - 1]).map(|(x, y)| (x - y).norm_sqr()).sum::<f64>().sqrt()
                );
            }
        }
    }
}
