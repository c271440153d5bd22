//! Gradient and Hessian products against differences, with all penalties on.

use crate::common::*;
use headwater_manifold::{AmplitudePrior, Assembly, Gate, Kind};

fn cases() -> Vec<Case> {
    let amplitudes =
        [AmplitudePrior::Normal, AmplitudePrior::HalfNormal, AmplitudePrior::Exponential].map(Gate::Amplitude);
    let mut cases = vec![softmax_circles(), every_shape(Gate::Unit)];
    cases.extend(amplitudes.map(every_shape));
    cases
}

#[test]
fn the_gradient_is_that_of_the_value() {
    for case in cases() {
        let objective = case.objective();
        let state = moved(&case, 0.1, 5);
        let found = gradient(&objective, &state);
        let mut expected = Vec::new();
        for i in 0..found.len() {
            let mut unit = vec![0.0; found.len()];
            unit[i] = 1.0;
            expected.extend(difference(&state, &unit, 1e-3, |state| [value(&objective, state)]));
        }
        let error = distance(&found, &expected);
        assert!(error < 1e-7, "{error:e}");
    }
}

#[test]
fn products_with_a_are_differences_of_gradients() {
    for case in cases() {
        let objective = case.objective();
        let state = moved(&case, 0.1, 6);
        let assembly = Assembly::new(&objective, &state, crew(1)).expect("not stopped");
        let mut random = Random::new(4);
        for _ in 0..3 {
            let v = random.normals(assembly.len(), 1.0);
            let expected = difference(&state, &v, 1e-4, |state| gradient(&objective, state));
            let error = distance(&assembly.product(Kind::Exact, &v), &expected);
            assert!(error < 1e-8, "{error:e}");
            // What A is made of.
            let (b, c) = (assembly.product(Kind::Surrogate, &v), assembly.product(Kind::Correction, &v));
            let sum: Vec<f64> = b.iter().zip(&c).map(|(b, c)| b + c).collect();
            assert!(distance(&sum, &expected) < 1e-8 && norm(&c) > 0.05 * norm(&b));
        }
    }
}

#[test]
fn a_is_symmetric_and_b_positive_definite() {
    for case in cases() {
        let objective = case.objective();
        let state = moved(&case, 0.3, 7);
        let assembly = Assembly::new(&objective, &state, crew(1)).expect("not stopped");
        let n = assembly.len();
        for kind in [Kind::Exact, Kind::Surrogate] {
            let a = assembly.dense(kind);
            let transposed: Vec<f64> = (0..n * n).map(|at| a[at % n * n + at / n]).collect();
            let error = distance(&a, &transposed);
            assert!(error < 1e-12, "{error:e}");
        }
        let b = assembly.dense(Kind::Surrogate);
        (0..n).for_each(|i| assert!((b[i * n + i] - assembly.diagonal[i]).abs() < 1e-12 * (1.0 + b[i * n + i])));
        let (values, _) = headwater_linalg::eigen::symmetric(n, &b).expect("eigenvalues");
        let exponential = values[0];
        assert!(exponential > -1e-10 * values[n - 1], "{exponential:e}");
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().expect("a pool");
    for case in cases() {
        let objective = case.objective();
        let v = Random::new(3).normals(case.state.theta.len(), 1.0);
        let run = |threads: usize| {
            let assembly = Assembly::new(&objective, &case.state, crew(threads)).expect("not stopped");
            let value = objective.value(&case.state, crew(threads)).expect("not stopped");
            assert_eq!(value, assembly.value);
            (value, assembly.product(Kind::Exact, &v), assembly.gradient)
        };
        let one = run(1);
        assert_eq!(one, pool.install(|| run(8)));
    }
}
