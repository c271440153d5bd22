//! The incoherence penalty alone: derivatives, dense form, pairs.

use crate::common::*;
use headwater_manifold::{AmplitudePrior, CoActivation, DecoderIncoherence, Gate, Pair, Schedule, co_activations};

const SIZES: [usize; 4] = [3, 1, 5, 2];
const P: usize = 4;

fn setup() -> (DecoderIncoherence, Vec<f64>, Vec<f64>) {
    let mut random = Random::new(41);
    let weights: Vec<f64> = (0..16).map(|_| random.uniform()).collect();
    let penalty = DecoderIncoherence::from_dense(&SIZES, P, &weights, 1.7).expect("good weights");
    let decoders = random.normals(penalty.len(), 1.0);
    let v = random.normals(penalty.len(), 1.0);
    (penalty, decoders, v)
}

fn along(b: &[f64], v: &[f64], by: f64) -> Vec<f64> {
    b.iter().zip(v).map(|(b, v)| b + by * v).collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

#[test]
fn gradient_and_products_are_differences() {
    let (penalty, b, v) = setup();
    let gradient = |b: &[f64]| {
        let mut out = vec![0.0; b.len()];
        penalty.gradient(b, &mut out);
        out
    };
    let h = 1e-3;
    // The value is a quartic: Richardson's step is exact.
    let slope = |h: f64| (penalty.value(&along(&b, &v, h)) - penalty.value(&along(&b, &v, -h))) / (2.0 * h);
    let expected = (4.0 * slope(h / 2.0) - slope(h)) / 3.0;
    assert!((dot(&gradient(&b), &v) - expected).abs() < 1e-9 * expected.abs());
    assert_eq!(penalty.gradient_rho(&b), penalty.value(&b));

    let change = |h: f64| -> Vec<f64> {
        let (up, down) = (gradient(&along(&b, &v, h)), gradient(&along(&b, &v, -h)));
        up.iter().zip(down).map(|(x, y)| (x - y) / (2.0 * h)).collect()
    };
    let expected: Vec<f64> =
        change(h / 2.0).iter().zip(change(h)).map(|(fine, coarse)| (4.0 * fine - coarse) / 3.0).collect();
    let mut found = vec![0.0; b.len()];
    penalty.hessian_vector(&b, &v, 1.0, &mut found);
    assert!(distance(&found, &expected) < 1e-9);

    // vᵀ(Gauss–Newton)v = wΣW‖dC‖² >= 0, and its slope by B.
    let form = |b: &[f64]| {
        let mut out = vec![0.0; b.len()];
        penalty.majorizer_vector(b, &v, 1.0, &mut out);
        dot(&out, &v)
    };
    assert!(form(&b) > 0.0);
    let u = Random::new(2).normals(b.len(), 1.0);
    let mut slope = vec![0.0; b.len()];
    penalty.majorizer_slope(&b, &v, &mut slope);
    let expected = (form(&along(&b, &u, h)) - form(&along(&b, &u, -h))) / (2.0 * h);
    assert!((dot(&slope, &u) - expected).abs() < 1e-9 * expected.abs());
}

#[test]
fn the_dense_form_is_that_of_the_products() {
    let (penalty, b, v) = setup();
    let (n, stride) = (b.len(), b.len() + 3);
    for exact in [false, true] {
        let mut h = vec![0.0; n * stride];
        penalty.accumulate_majorizer(&b, 0.5, exact, &mut h, stride);
        let found: Vec<f64> = (0..n).map(|i| dot(&h[i * stride..i * stride + n], &v)).collect();
        let mut expected = vec![0.0; n];
        if exact {
            penalty.hessian_vector(&b, &v, 0.5, &mut expected);
        } else {
            penalty.majorizer_vector(&b, &v, 0.5, &mut expected);
            let mut diagonal = vec![0.0; n];
            penalty.majorizer_diagonal(&b, &mut diagonal);
            (0..n).for_each(|i| assert!((h[i * stride + i] - 0.5 * diagonal[i]).abs() < 1e-12));
        }
        assert!(distance(&found, &expected) < 1e-13);
    }
}

#[test]
fn pairs_are_those_of_the_supports() {
    let case = every_shape(Gate::Amplitude(AmplitudePrior::HalfNormal));
    let pairs = co_activations(&case.problem, &case.state);
    let k = case.problem.atoms.len();
    let mut brute = vec![0.0; k * k];
    for n in 0..case.problem.rows {
        let (support, gates) = (case.state.layout.support(n), case.state.gates(n));
        for (x, &j) in support.iter().enumerate() {
            for (y, &l) in support.iter().enumerate() {
                brute[j as usize * k + l as usize] += gates[x] * gates[y] / case.problem.rows as f64;
            }
        }
    }
    let mut seen = 0;
    for j in 0..k {
        for l in j + 1..k {
            let found = pairs.iter().find(|pair| (pair.first, pair.second) == (j, l)).map_or(0.0, |pair| pair.weight);
            assert!((found - brute[j * k + l]).abs() < 1e-14);
            seen += usize::from(found > 0.0);
        }
    }
    assert_eq!(seen, pairs.len());
}

#[test]
fn many_atoms_take_a_sparse_list() {
    // 32768 atoms, eight active in each of 10⁴ rows: a K × K matrix would be 8 GiB.
    let (atoms, rows, active, p) = (32768, 10_000, 8, 16);
    let mut random = Random::new(8);
    let start = std::time::Instant::now();
    let mut sums = CoActivation::default();
    for _ in 0..rows {
        let mut support: Vec<u32> = (0..active).map(|_| (random.uniform() * f64::from(atoms)) as u32).collect();
        support.sort_unstable();
        support.dedup();
        let amounts = random.weights(support.len());
        sums.push(&support, &amounts);
    }
    let pairs = sums.pairs();
    assert!(pairs.len() > 270_000 && pairs.len() <= 280_000, "{}", pairs.len());
    let penalty = DecoderIncoherence::from_pairs(&vec![3; atoms as usize], p, pairs, 1.0).expect("good pairs");
    assert!(start.elapsed().as_secs_f64() <= 2.0, "{:?}", start.elapsed());
    let decoders: Vec<f64> = (0..penalty.len()).map(|i| (i as f64).sin()).collect();
    let mut gradient = vec![0.0; penalty.len()];
    penalty.gradient(&decoders, &mut gradient);
    // A quartic: Euler's identity.
    let along = dot(&gradient, &decoders);
    assert!((along / (4.0 * penalty.value(&decoders)) - 1.0).abs() < 1e-12);
}

#[test]
fn repulsion_acts_on_nearly_equal_decoders_only() {
    let pairs = vec![Pair { first: 0, second: 1, weight: 0.5 }, Pair { first: 0, second: 2, weight: 0.5 }];
    let penalty = DecoderIncoherence::from_pairs(&[1, 1, 1], 2, pairs, 1.0).expect("good pairs");
    let decoders = [3.0, 0.0, 2.9, 0.3, 0.0, 1.0];
    let close = penalty.repulsion(&decoders, 2.0);
    assert_eq!(close.len(), 1);
    assert_eq!((close[0].first, close[0].second), (0, 1));
    let s = (3.0_f64 * 2.9).powi(2) / (9.0 * (2.9_f64.powi(2) + 0.09));
    let u = 2.0 * s - 1.0;
    let expected = 2e-4 * u * u * (3.0 - 2.0 * u) / (9.0 * (2.9_f64.powi(2) + 0.09));
    assert!((close[0].weight - expected).abs() < 1e-18);
    let overlap = penalty.overlaps(&decoders);
    assert!((overlap.largest - s).abs() < 1e-15 && (overlap.mean - s / 2.0).abs() < 1e-15 && overlap.pairs == 2);
}

#[test]
fn schedules_and_bad_pairs() {
    let mut penalty = setup().0;
    let schedule = Schedule { from: 1.0, to: 16.0, steps: 4, geometric: true };
    penalty.apply_schedule(&schedule, 1);
    assert!((penalty.strength() - 2.0).abs() < 1e-15);
    let linear = Schedule { geometric: false, ..schedule };
    assert_eq!([linear.at(0), linear.at(2), linear.at(9)], [1.0, 8.5, 16.0]);

    let code = |pairs: Vec<Pair>| DecoderIncoherence::from_pairs(&[1, 1], 2, pairs, 1.0).expect_err("bad pairs").code;
    let pair = Pair { first: 0, second: 1, weight: 1.0 };
    assert_eq!(code(vec![Pair { second: 2, ..pair }]), "pair-not-valid");
    assert_eq!(code(vec![pair, pair]), "pair-not-valid");
    assert_eq!(code(vec![Pair { weight: -1.0, ..pair }]), "weight-not-valid");
}
