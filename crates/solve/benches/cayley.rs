//! Times of a Cayley step. Prints, does not judge: `cargo bench -p headwater-solve`.
#![allow(clippy::print_stdout, missing_docs)]

use std::time::Instant;
use headwater_base::Control;
use headwater_solve::graph::Graph;
use headwater_solve::*;

fn main() {
    let n = 256;
    let parts: Vec<Graph> = (0..3).map(|k| Graph::ring_with_pairs(n, 5 << k, 42).unwrap()).collect();
    let g = Graph::combine(&parts.iter().map(|g| (0.75 / 3.0, g)).collect::<Vec<_>>()).unwrap();
    let h = g.laplacian().unwrap();
    println!("{} {:?}", h.nnz(), lanczos(&h, 40, 0).unwrap());
    let psi: Vec<Complex64> = (0..n).map(|i| Complex64::from_polar(1.0, (i * i) as f64)).collect();
    let l = h.lifted();
    let settings = Settings { rtol: 1e-10, ..Settings::default() };
    for _ in 0..3 {
        let t = Instant::now();
        let mut m = 0;
        for _ in 0..2000 {
            let out = solve(Method::ShiftedHermitian { sigma: 1.0, a: 0.05 }, &l, None, &psi, &settings, Control::none()).unwrap();
            m = out.matvecs;
        }
        println!("galerkin core {:.4} ms {m}", t.elapsed().as_secs_f64() * 1e3 / 2000.0);
    }
    let mut y = psi.clone();
    let t = Instant::now();
    for _ in 0..2000 { l.apply(&psi, &mut y); std::hint::black_box(&y); }
    println!("spmv {:.4} us", t.elapsed().as_secs_f64() * 1e6 / 2000.0);
}
