//! Systems that differ by a factor alone: the same iterations, whatever its size. Each test is of a fault that was there.

use headwater_base::Control;
use headwater_base::rng::{Purpose, Stream};
use headwater_solve::{Complex64, Csr, Method, Outcome, Scalar, Settings, solve};

fn random<T: Scalar>(n: usize, seed: u32) -> Vec<T> {
    let mut random = Stream::new(9, Purpose::Probe, seed);
    (0..n).map(|_| T::normal(&mut random)).collect()
}

fn relative<T: Scalar>(x: &[T], scale: f64, y: &[T]) -> f64 {
    let square = |v: T| v.modulus() * v.modulus();
    let difference: f64 = x.iter().zip(y).map(|(x, y)| square(x.scale(scale) - *y)).sum();
    (difference / y.iter().map(|y| square(*y)).sum::<f64>()).sqrt()
}

#[test]
fn minres_does_not_take_a_large_right_hand_side_for_a_large_matrix() {
    // ‖b‖ once went into the estimate of ‖A‖, beside which every pivot looked like rounding.
    let n = 60;
    let triplets: Vec<_> = (0..n)
        .flat_map(|i| [(i, i, if i % 2 == 0 { 2.0 } else { -1.5 }), (i, (i + 1) % n, 0.3), ((i + 1) % n, i, 0.3)])
        .collect();
    let a = Csr::from_triplets(n, n, &triplets).expect("a ring");
    let b: Vec<f64> = random(n, 1);
    let run = |factor: f64| -> Outcome<f64> {
        let b: Vec<f64> = b.iter().map(|v| v * factor).collect();
        solve(Method::Minres, &a, None, &b, &Settings { rtol: 1e-10, ..Settings::default() }, Control::none())
            .expect("no misuse")
    };
    let plain = run(1.0);
    for factor in [1e-40, 1e8, 1e17, 1e30, 1e50] {
        let out = run(factor);
        assert!(out.converged(), "{factor:e}: {}", out.reason);
        assert!(out.iterations.abs_diff(plain.iterations) <= 1, "{factor:e}: {} {}", out.iterations, plain.iterations);
        assert!(relative(&out.x, 1.0 / factor, &plain.x) < 1e-8, "{factor:e}");
    }
}

#[test]
fn the_damping_of_lsqr_is_in_the_units_of_the_matrix() {
    // The matrix is brought into range by a power of two; the damping once was not.
    let (rows, cols) = (30, 12);
    let values: Vec<f64> = random(rows * cols, 2);
    let b: Vec<f64> = random(rows, 3);
    let run = |factor: f64| -> Outcome<f64> {
        let triplets: Vec<_> = values.iter().enumerate().map(|(k, v)| (k / cols, k % cols, v * factor)).collect();
        let a = Csr::from_triplets(rows, cols, &triplets).expect("dense");
        let settings = Settings { rtol: 1e-12, damp: 2.5 * factor, ..Settings::default() };
        solve(Method::Lsqr, &a, None, &b, &settings, Control::none()).expect("no misuse")
    };
    let plain = run(1.0);
    assert!(plain.converged());
    for factor in [1e-120, 1e-70, 1e70, 1e120] {
        let out = run(factor);
        assert!(out.converged(), "{factor:e}: {}", out.reason);
        assert!(relative(&out.x, factor, &plain.x) < 1e-9, "{factor:e}: {:e}", relative(&out.x, factor, &plain.x));
    }
}

#[test]
fn the_quotients_of_cocg_neither_overflow_nor_vanish() {
    // |b|² of a complex quotient a/b leaves the range where a and b themselves are well inside.
    let n = 40;
    let b: Vec<Complex64> = random(n, 4);
    let run = |matrix: f64, right: f64| -> Outcome<Complex64> {
        let triplets: Vec<_> = (0..n)
            .flat_map(|i| {
                let side = Complex64::new(-1.0, 0.2).scale(matrix);
                let middle = Complex64::new(3.0 + (i as f64).sin(), 1.0).scale(matrix);
                [(i, i, middle), (i, (i + 1) % n, side), ((i + 1) % n, i, side)]
            })
            .collect();
        let a = Csr::from_triplets(n, n, &triplets).expect("a ring");
        let b: Vec<Complex64> = b.iter().map(|v| v.scale(right)).collect();
        let settings = Settings { rtol: 1e-10, ..Settings::default() };
        solve(Method::Cocg, &a, None, &b, &settings, Control::none()).expect("no misuse")
    };
    let plain = run(1.0, 1.0);
    assert!(plain.converged());
    for (matrix, right) in [(1e55, 1e55), (1e-55, 1e-55), (1e-55, 1e55), (1e59, 1e59), (1e-59, 1e-59)] {
        let out = run(matrix, right);
        assert!(out.converged(), "{matrix:e} {right:e}: {}", out.reason);
        assert_eq!(out.iterations, plain.iterations, "{matrix:e} {right:e}");
        assert!(relative(&out.x, matrix / right, &plain.x) < 1e-9, "{matrix:e} {right:e}");
    }
}
