//! Preconditioners, deflation, batches and the other operators.

use std::sync::Arc;

use crate::common::*;
use headwater_base::Control;
use headwater_solve::operator::FnPreconditioner;
use headwater_solve::{
    Arrow, BlockJacobi, Complex64, Csr, Deflation, Dense, Direct, IncompleteCholesky, Jacobi, KroneckerSum, Method,
    Norm, Operator, Pattern, Preconditioner, Reason, Scalar, Settings, gershgorin, lanczos, neumann, solve, solve_many,
};

fn with<T: Scalar>(
    a: &dyn Operator<T>,
    m: &dyn Preconditioner<T>,
    b: &[T],
    settings: &Settings<T>,
) -> headwater_solve::Outcome<T> {
    let out = solve(Method::Cg, a, Some(m), b, settings, Control::none()).expect("no misuse");
    assert!(relative(a, &out.x, b) <= settings.rtol * (1.0 + 1e-6), "{}", out.reason);
    out
}

#[test]
fn each_preconditioner_saves_iterations_on_a_grid() {
    let a = poisson(64);
    let b = gaussian::<f64>(64 * 64, 1);
    let settings = to_rtol(1e-8);
    let plain = run(Method::Cg, &a, &b, &settings).iterations;
    let jacobi = with(&a, &Jacobi::new(&a.diagonal()).expect("positive"), &b, &settings).iterations;
    // The diagonal is constant: the same iteration.
    assert_eq!(jacobi, plain);
    let block = with(&a, &BlockJacobi::uniform(&a, 64).expect("definite"), &b, &settings).iterations;
    assert!(block < plain, "{block} {plain}");
    let zero = IncompleteCholesky::new(&a, Pattern::Zero, 0.0).expect("definite");
    assert_eq!((zero.shift(), zero.nnz()), (0.0, 3 * 64 * 64 - 2 * 64));
    let zero = with(&a, &zero, &b, &settings).iterations;
    assert!(zero * 2 < plain, "{zero} {plain}");
    let more = IncompleteCholesky::new(&a, Pattern::Threshold { drop: 1e-3, fill: 10 }, 0.0).expect("definite");
    let more = with(&a, &more, &b, &settings).iterations;
    assert!(more * 2 < zero, "{more} {zero}");
}

#[test]
fn an_incomplete_factor_without_dropping_is_complete() {
    let a = with_spectrum::<Complex64>(&geometric(100.0, 20), 2);
    let triplets: Vec<_> = (0..400).map(|k| (k / 20, k % 20, a.data()[k])).collect();
    let sparse = Csr::from_triplets(20, 20, &triplets).expect("in range");
    let factor = IncompleteCholesky::new(&sparse, Pattern::Threshold { drop: 0.0, fill: 20 }, 0.0).expect("definite");
    let out = with(&sparse, &factor, &gaussian(20, 2), &to_rtol(1e-12));
    assert!(out.iterations <= 2);
}

#[test]
fn a_breakdown_of_the_incomplete_factor_is_cured_by_a_reported_shift() {
    // Kershaw's matrix: definite, but IC(0) meets a negative pivot.
    let k = [[3.0, -2.0, 0.0, 2.0], [-2.0, 3.0, -2.0, 0.0], [0.0, -2.0, 3.0, -2.0], [2.0, 0.0, -2.0, 3.0]];
    let mut triplets = Vec::new();
    for i in 0..4 {
        for j in 0..4 {
            if k[i][j] != 0.0 {
                triplets.push((i, j, k[i][j]));
            }
        }
    }
    let a = Csr::from_triplets(4, 4, &triplets).expect("in range");
    let factor = IncompleteCholesky::new(&a, Pattern::Zero, 0.0).expect("with a shift");
    assert!(factor.shift() >= 1e-3, "{}", factor.shift());
    with(&a, &factor, &[1.0, 2.0, 3.0, 4.0], &to_rtol(1e-10));
    let bad = Csr::from_triplets(2, 2, &[(0, 0, 1.0), (1, 1, -1.0)]).expect("in range");
    assert_eq!(IncompleteCholesky::new(&bad, Pattern::Zero, 0.0).expect_err("negative").row, Some(1));
    assert_eq!(Jacobi::new(&bad.diagonal()).expect_err("negative").row, Some(1));
    assert_eq!(BlockJacobi::uniform(&bad, 2).expect_err("negative").row, Some(1));
}

fn arrow<T: Scalar>() {
    let blocks: Vec<Dense<T>> = (0..3).map(|i| with_spectrum(&[3.0, 4.0, 5.0], 30 + i)).collect();
    let border: Vec<_> = (0..18).map(|k| (k / 2, k % 2, gaussian::<T>(18, 33)[k].scale(0.3))).collect();
    let e = Csr::from_triplets(9, 2, &border).expect("in range");
    let corner = with_spectrum::<T>(&[6.0, 9.0], 34);
    let mut data = vec![T::default(); 121];
    for (index, block) in blocks.iter().enumerate() {
        for k in 0..9 {
            data[(3 * index + k / 3) * 11 + 3 * index + k % 3] = block.data()[k];
        }
    }
    for &(i, j, v) in &border {
        data[i * 11 + 9 + j] = v;
        data[(9 + j) * 11 + i] = v.conj();
    }
    for k in 0..4 {
        data[(9 + k / 2) * 11 + 9 + k % 2] = corner.data()[k];
    }
    let a = dense(11, data);
    let m = arrow_of(blocks.clone(), e.clone(), &corner).expect("definite");
    let b = gaussian::<T>(11, 35);
    let mut x = b.clone();
    m.apply(&b, &mut x);
    assert!(relative(&a, &x, &b) < 1e-13);
    let error = arrow_of(blocks, e, &dense(2, corner.data().iter().map(|v| v.scale(1e-3)).collect()));
    assert!(error.err().expect("not definite").row.expect("a pivot") >= 9);
}

/// The bound on `Csr<T>` made generic for the test.
fn arrow_of<T: Scalar>(
    d: Vec<Dense<T>>,
    e: Csr<T>,
    s: &Dense<T>,
) -> Result<Box<dyn Preconditioner<T>>, headwater_base::Error> {
    use std::any::Any;
    let boxed: Box<dyn Any> = Box::new((d, e, s.clone()));
    match boxed.downcast::<(Vec<Dense<f64>>, Csr<f64>, Dense<f64>)>() {
        Ok(parts) => {
            let out: Box<dyn Preconditioner<f64>> = Box::new(Arrow::new(parts.0, parts.1, &parts.2)?);
            Ok(*(Box::new(out) as Box<dyn Any>).downcast().expect("T is f64"))
        }
        Err(boxed) => {
            let parts = boxed.downcast::<(Vec<Dense<Complex64>>, Csr<Complex64>, Dense<Complex64>)>().expect("complex");
            let out: Box<dyn Preconditioner<Complex64>> = Box::new(Arrow::new(parts.0, parts.1, &parts.2)?);
            Ok(*(Box::new(out) as Box<dyn Any>).downcast().expect("T is complex"))
        }
    }
}

#[test]
fn an_arrow_is_inverted_by_its_schur_complement() {
    arrow::<f64>();
    arrow::<Complex64>();
}

#[test]
fn an_indefinite_preconditioner_is_named() {
    let a = poisson(10);
    let m = FnPreconditioner(|r: &[f64], z: &mut [f64]| {
        for i in 0..r.len() {
            z[i] = if i % 2 == 0 { r[i] } else { -r[i] };
        }
    });
    for method in [Method::Cg, Method::Minres, Method::Cr] {
        let settings = Settings { probe: false, ..Settings::default() };
        let out = solve(method, &a, Some(&m), &gaussian(100, 1), &settings, Control::none()).expect("no misuse");
        assert_eq!(out.reason, Reason::IndefinitePreconditioner, "{method:?}");
    }
}

#[test]
fn a_varying_preconditioner_needs_the_flexible_form() {
    let a = poisson(40);
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let inner = IncompleteCholesky::new(&a, Pattern::Zero, 0.0).expect("definite");
    let m = FnPreconditioner(|r: &[f64], z: &mut [f64]| {
        let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        inner.apply(r, z);
        for i in 0..r.len() {
            z[i] *= 1.0 + 0.3 * ((i * 7 + call * 13) % 5) as f64 / 5.0;
        }
    });
    let b = gaussian::<f64>(1600, 4);
    let out = with(&a, &m, &b, &Settings { flexible: true, ..to_rtol(1e-8) });
    assert_eq!(out.reason, Reason::Rtol);
    let fixed = IncompleteCholesky::new(&a, Pattern::Zero, 0.0).expect("definite");
    let same = with(&a, &fixed, &b, &Settings { flexible: true, ..to_rtol(1e-8) }).iterations;
    assert!(same.abs_diff(with(&a, &fixed, &b, &to_rtol(1e-8)).iterations) <= 1, "equal for a fixed M");
    let plain = run(Method::Cg, &a, &b, &to_rtol(1e-8)).iterations;
    assert!(out.iterations < 3 * same && out.iterations < plain, "{} {same} {plain}", out.iterations);
}

#[test]
fn other_norms_stop_by_their_own_measure() {
    let a = poisson(20);
    let m = Jacobi::new(&a.diagonal()).expect("positive");
    let b = gaussian::<f64>(400, 5);
    for norm in [Norm::Preconditioned, Norm::Natural] {
        let out =
            solve(Method::Cg, &a, Some(&m), &b, &Settings { norm, ..to_rtol(1e-6) }, Control::none()).expect("fine");
        assert_eq!(out.reason, Reason::Rtol);
        // A constant diagonal: all three norms are proportional.
        assert!((out.residual.recurrence / out.tolerance.value) <= 1.0);
        assert!(out.residual.relative.expect("known") <= 1e-6 * (1.0 + 1e-6));
    }
}

#[test]
fn deflation_removes_the_lowest_eigenvalues_and_can_be_harvested() {
    let mut values = geometric(10.0, 60);
    (values[0], values[1]) = (1e-4, 2e-4);
    let a = with_spectrum::<f64>(&values, 6);
    let b = gaussian::<f64>(60, 6);
    let plain = run(Method::Cg, &a, &b, &Settings { harvest: 2, ..to_rtol(1e-10) });
    let ritz = plain.ritz.expect("asked for");
    assert_eq!(ritz.len(), 2);
    let mut image = vec![0.0; 60];
    for v in &ritz {
        a.apply(v, &mut image);
        let value = f64::dot(v, &image);
        assert!(value < 3e-4, "a low Ritz value: {value}");
    }
    let space = Arc::new(Deflation::new(&ritz).expect("independent"));
    let other = gaussian::<f64>(60, 7);
    let before = run(Method::Cg, &a, &other, &to_rtol(1e-10)).iterations;
    let out = run(Method::Cg, &a, &other, &Settings { deflation: Some(space), ..to_rtol(1e-10) });
    assert_eq!(out.reason, Reason::Rtol);
    assert!(relative(&a, &out.x, &other) <= 1e-10);
    assert!(out.iterations + 5 < before, "{} {before}", out.iterations);
}

fn batch<T: Scalar>(method: Method, a: &dyn Operator<T>, k: usize, settings: &Settings<T>) {
    let n = a.rows();
    let mut columns: Vec<Vec<T>> = (0..k as u32).map(|c| gaussian(n, 60 + c)).collect();
    columns[1].fill(T::default());
    columns[2][3] = T::real(f64::NAN);
    for v in &mut columns[3] {
        *v = v.scale(1e-8);
    }
    let b: Vec<T> = (0..n * k).map(|at| columns[at % k][at / k]).collect();
    let many = solve_many(method, a, None, k, &b, settings, Control::none()).expect("no misuse");
    assert_eq!(many.len(), k);
    for (out, column) in many.iter().zip(&columns) {
        let one = run(method, a, column, settings);
        assert_eq!(out.reason, one.reason);
        assert!(out.iterations.abs_diff(one.iterations) <= 1);
        if one.converged() && one.reason != Reason::ZeroRhs {
            assert!(distance(&out.x, &one.x) < 1e-8);
        }
    }
    assert_eq!((many[1].reason, many[2].reason), (Reason::ZeroRhs, Reason::NonFinite));
}

#[test]
fn a_batch_has_a_reason_for_each_column() {
    let a = poisson(12);
    for k in [5, 8, 11] {
        batch(Method::Cg, &a, k, &to_rtol(1e-9));
    }
    batch(Method::Lsqr, &a, 4, &to_rtol(1e-9));
    let case = &cases("cayley")[1];
    batch(Method::ShiftedHermitian { sigma: 1.0, a: 0.5 }, &graph(case), 4, &to_rtol(1e-9));
    let out = solve_many(Method::Cg, &a, None, 2, &[1.0; 287], &Settings::default(), Control::none());
    assert!(out.is_err());
}

fn operators_agree<T: Scalar>(a: &dyn Operator<T>, reference: &dyn Operator<T>) {
    let (rows, cols) = (a.rows(), a.cols());
    assert_eq!((rows, cols), (reference.rows(), reference.cols()));
    for k in [1, 2, 3, 4, 8] {
        let x = gaussian::<T>(cols * k, 70);
        let mut y = vec![T::real(9.0); rows * k];
        a.apply_many(k, &x, &mut y);
        let mut z = gaussian::<T>(rows * k, 71);
        let mut w = vec![T::real(9.0); cols * k];
        a.apply_adjoint_many(k, &z, &mut w);
        for c in 0..k {
            let column: Vec<T> = (0..cols).map(|i| x[i * k + c]).collect();
            let mut image = vec![T::default(); rows];
            reference.apply(&column, &mut image);
            let got: Vec<T> = (0..rows).map(|i| y[i * k + c]).collect();
            assert!(distance(&got, &image) < 1e-13, "k {k}");
        }
        // ⟨Ax, z⟩ = ⟨x, Aᴴz⟩
        z.truncate(rows * k);
        assert!((T::dot(&y, &z) - T::dot(&x, &w)).modulus() < 1e-11 * norm(&y) * norm(&z));
    }
}

#[test]
fn sparse_dense_and_kronecker_products_agree() {
    let mut random = headwater_base::rng::Stream::new(1, headwater_base::rng::Purpose::Synthetic, 99);
    let triplets: Vec<(usize, usize, Complex64)> =
        (0..300).map(|_| (random.below(30), random.below(20), Complex64::normal(&mut random))).collect();
    let mut data = vec![Complex64::default(); 600];
    for &(i, j, v) in &triplets {
        data[i * 20 + j] += v;
    }
    let sparse = Csr::from_triplets(30, 20, &triplets).expect("in range");
    operators_agree(&sparse, &Dense::new(30, 20, data.clone()).expect("sizes"));
    let real: Vec<_> = triplets.iter().map(|&(i, j, v)| (i, j, v.re)).collect();
    let sparse = Csr::from_triplets(30, 20, &real).expect("in range");
    let dense_real = Dense::new(30, 20, data.iter().map(|v| v.re).collect()).expect("sizes");
    operators_agree(&sparse, &dense_real);
    operators_agree(&sparse.clone().with_threads(2), &dense_real);
    let lifted = Dense::new(30, 20, data.iter().map(|v| Complex64::real(v.re)).collect()).expect("sizes");
    operators_agree(&sparse.lifted(), &lifted);
    let path = |n: usize| {
        let edges: Vec<_> = (0..n - 1).map(|i| (i, i + 1, 1.0)).collect();
        let l = laplacian::<f64>(n, &edges, None);
        let mut triplets: Vec<_> =
            (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| (i, j, l.get(i, j))).collect();
        triplets.push((0, 0, 1.0));
        triplets.push((n - 1, n - 1, 1.0));
        Csr::from_triplets(n, n, &triplets).expect("in range")
    };
    let sum = KroneckerSum { a: path(7), b: path(7) };
    operators_agree(&sum, &poisson(7));
    assert_eq!(Operator::<f64>::hermitian(&sum), Some(true));
}

#[test]
fn direct_solves_say_what_the_matrix_is() {
    for (kappa, limit) in [(10.0, 1.0), (1e6, 1.0)] {
        let a = with_spectrum::<Complex64>(&geometric(kappa, 40), 80);
        let direct = Direct::new(a.clone()).expect("square");
        assert!(direct.is_definite());
        let b = gaussian::<Complex64>(40, 80);
        let out = direct.solve(&b, &to_rtol(1e-10)).expect("sizes");
        assert_eq!(out.reason, Reason::Rtol);
        assert!(relative(&a, &out.x, &b) <= 1e-10);
        let condition = out.condition.expect("estimated").kappa;
        assert!(condition > limit * kappa / 10.0 && condition < 40.0 * kappa, "{condition} {kappa}");
    }
    let a = Dense::new(30, 30, gaussian::<f64>(900, 81)).expect("sizes");
    let direct = Direct::new(a.clone()).expect("square");
    assert!(!direct.is_definite());
    let b = gaussian::<f64>(30, 82);
    assert_eq!(direct.solve(&b, &to_rtol(1e-12)).expect("sizes").reason, Reason::Rtol);
    let mut y = b.clone();
    assert!(direct.solve_in_place(true, &mut y));
    let mut back = vec![0.0; 30];
    a.apply_adjoint(&y, &mut back);
    assert!(distance(&back, &b) < 1e-11);
    let singular = Direct::new(dense(2, vec![1.0, 2.0, 2.0, 4.0])).expect("square");
    assert_eq!(singular.solve(&[1.0, 1.0], &Settings::default()).expect("sizes").reason, Reason::ZeroCurvature);
    let nan = Direct::new(dense(2, vec![1.0, f64::NAN, 2.0, 4.0])).expect("square");
    assert_eq!(nan.solve(&[1.0, 1.0], &Settings::default()).expect("sizes").reason, Reason::NonFinite);
}

#[test]
fn bounds_enclose_the_spectrum() {
    let case = &cases("cayley")[0];
    let h = graph(case);
    let top = case["lambda_max"].as_f64().expect("known");
    let bounds = lanczos(&h, 30, 1).expect("finite");
    assert!(bounds.max <= top * (1.0 + 1e-12) && bounds.upper >= top * (1.0 - 1e-12) && bounds.max > 0.99 * top);
    let (low, high) = gershgorin(&h);
    assert!(low <= 0.0 && (high - case["gershgorin"].as_f64().expect("known")).abs() < 1e-9);
    let all = lanczos(&with_spectrum::<f64>(&geometric(1e3, 12), 1), 50, 1).expect("finite");
    assert!((all.min - 1.0).abs() < 1e-10 && (all.max - 1e3).abs() < 1e-9 && all.steps == 12);
}

#[test]
fn the_neumann_series_converges_only_inside_its_disc() {
    let values: Vec<f64> = (0..20).map(|i| 0.6 + 0.8 * f64::from(i) / 19.0).collect();
    let a = with_spectrum::<f64>(&values, 90);
    let b = gaussian::<f64>(20, 90);
    let out = neumann(&a, &b, 40, 1e-10, Control::none()).expect("sizes");
    assert_eq!(out.reason, Reason::Rtol);
    let out = neumann(&a, &b, 5, 1e-10, Control::none()).expect("sizes");
    assert_eq!((out.reason, out.iterations), (Reason::MaxIterations, 5));
    assert!(out.gap.expect("known") < 1e-13);
    let wide = with_spectrum::<f64>(&geometric(100.0, 20), 91);
    assert_eq!(neumann(&wide, &b, 400, 1e-10, Control::none()).expect("sizes").reason, Reason::Diverged);
}
