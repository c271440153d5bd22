//! Random systems, judged against a dense eigendecomposition: the stated reason is right, no NaN is returned.

#![allow(clippy::print_stdout)] // the rate of success is a result

use crate::common::*;
use headwater_base::rng::{Purpose, Stream};
use headwater_solve::{Complex64, Dense, Location, Method, Operator, Reason, Scalar, Settings};

const SEED: u64 = 20_261;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Definite,
    Indefinite,
    Singular,
    NanInA,
    NanInB,
    Skew,
}

struct Case<T> {
    kind: Kind,
    a: Dense<T>,
    b: Vec<T>,
    kappa: f64,
    rtol: f64,
}

fn draw<T: Scalar>(index: u32) -> Case<T> {
    let mut random = Stream::new(SEED, Purpose::Synthetic, index);
    let n = 2 + random.below(24);
    let kinds = [
        Kind::Definite,
        Kind::Definite,
        Kind::Definite,
        Kind::Indefinite,
        Kind::Singular,
        Kind::NanInA,
        Kind::NanInB,
        Kind::Skew,
    ];
    let kind = kinds[random.below(kinds.len())];
    let kappa = 10.0_f64.powf(8.0 * random.uniform());
    let mut values: Vec<f64> = (0..n).map(|_| kappa.powf(random.uniform())).collect();
    (values[0], values[n - 1]) = (1.0, kappa);
    match kind {
        Kind::Indefinite => values.iter_mut().step_by(2).for_each(|v| *v = -*v),
        Kind::Singular => values[0] = 0.0,
        _ => {}
    }
    let scale = [1.0, 1.0, 2.0_f64.powi(664), 2.0_f64.powi(-664)];
    let (scale_a, scale_b) = (scale[random.below(4)], scale[random.below(4)]);
    // A solution that cannot be represented is another test.
    let scale_b = if scale_a != 1.0 && scale_b != 1.0 { scale_a } else { scale_b };
    let mut data: Vec<T> = with_spectrum::<T>(&values, 1000 + index).data().iter().map(|v| v.scale(scale_a)).collect();
    let mut b: Vec<T> = (0..n).map(|_| T::normal(&mut random).scale(scale_b)).collect();
    match kind {
        Kind::NanInA => {
            let (i, j) = (random.below(n), random.below(n));
            data[i * n + j] = T::real(f64::NAN);
            data[j * n + i] = T::real(f64::NAN);
        }
        Kind::NanInB => b[random.below(n)] = T::real(if random.below(2) == 0 { f64::NAN } else { f64::INFINITY }),
        Kind::Skew => data[1] += T::real(0.1 * scale_a * kappa),
        _ => {}
    }
    let rtol = 10.0_f64.powf(-2.0 - 7.0 * random.uniform());
    Case { kind, a: dense(n, data), b, kappa, rtol }
}

/// (definite, of those converged)
fn judge<T: Scalar>(index: u32) -> (usize, usize) {
    let case = draw::<T>(index);
    let n = case.b.len();
    let mut counts = (0, 0);
    for method in [Method::Cg, Method::Minres, Method::Cr, Method::Cgnr, Method::Lsqr] {
        let out = run(method, &case.a, &case.b, &Settings { probe: index.is_multiple_of(2), ..to_rtol(case.rtol) });
        let label = format!(
            "seed {SEED} index {index} {method:?} {:?} n {n} kappa {:e} rtol {:e}: {} after {}",
            case.kind, case.kappa, case.rtol, out.reason, out.iterations
        );
        assert!(out.x.iter().all(|v| v.finite()), "{label}");
        assert!(out.direction.iter().flatten().all(|v| v.finite()), "{label}");
        // Success is success.
        let normal = method == Method::Lsqr && out.normal_residual.is_some();
        if out.converged() && !normal {
            assert!(
                relative_scaled(&case.a, &out.x, &case.b) <= case.rtol * (1.0 + 1e-3) + 1e-14 * case.kappa,
                "{label}"
            );
        }
        match case.kind {
            Kind::NanInB => assert_eq!((out.reason, out.location), (Reason::NonFinite, Some(Location::Rhs)), "{label}"),
            Kind::NanInA => {
                assert_eq!((out.reason, out.location), (Reason::NonFinite, Some(Location::Operator)), "{label}");
            }
            Kind::Skew if index.is_multiple_of(2) && matches!(method, Method::Cg | Method::Minres | Method::Cr) => {
                assert_eq!(out.reason, Reason::NotHermitian, "{label}");
            }
            Kind::Definite if method == Method::Cg => {
                assert_ne!(out.reason, Reason::IndefiniteOperator, "{label}");
                assert_ne!(out.reason, Reason::NotHermitian, "{label}");
                counts.0 += 1;
                counts.1 += usize::from(out.converged());
                if !out.converged() {
                    println!("{label}");
                }
            }
            Kind::Definite | Kind::Indefinite | Kind::Singular => {
                assert!(!matches!(out.reason, Reason::NotHermitian | Reason::NonFinite), "{label}");
            }
            Kind::Skew => {}
        }
        if case.kind == Kind::Singular && n > 2 && !normal {
            assert!(!out.converged() || method == Method::Lsqr || case.rtol > 1e-4 || case.kappa > 1e6, "{label}");
        }
        if out.reason == Reason::IndefiniteOperator {
            assert!(matches!(case.kind, Kind::Indefinite | Kind::Singular | Kind::Skew), "{label}");
            let (p, curvature) = (out.direction.expect("a direction"), out.curvature.expect("its curvature"));
            let mut q = vec![T::default(); n];
            case.a.apply(&p, &mut q);
            let top = case.a.data().iter().map(|v| v.modulus()).fold(0.0, f64::max);
            let error = (T::dot(&p, &q).re() - curvature).abs();
            assert!(curvature < 0.0 && error <= -1e-6 * curvature + 1e-14 * n as f64 * top, "{label}");
        }
    }
    counts
}

/// ‖b − Ax‖/‖b‖ at any scale.
fn relative_scaled<T: Scalar>(a: &Dense<T>, x: &[T], b: &[T]) -> f64 {
    let mut image = vec![T::default(); b.len()];
    a.apply(x, &mut image);
    distance(&image, b)
}

#[test]
fn random_systems_get_the_right_reason() {
    let (mut definite, mut converged) = (0, 0);
    for index in 0..600 {
        let (d, c) = if index % 3 == 0 { judge::<Complex64>(index) } else { judge::<f64>(index) };
        definite += d;
        converged += c;
    }
    println!("{converged} of {definite} definite systems with a condition below 1e8 converged");
    assert!(converged * 100 >= definite * 99, "{converged} of {definite}");
}
