//! Gradients through solves and Cayley steps: fixtures, finite differences, dot tests.

#![allow(clippy::print_stdout, clippy::type_complexity)]

use crate::common::*;
use headwater_base::Control;
use headwater_solve::cayley::Tangent;
use headwater_solve::operator::Shifted;
use headwater_solve::{
    Cayley, CayleySettings, Complex64, Csr, Direct, GradientSettings, Graph, Hamiltonian, Jacobi, Method, Operator,
    Outcome, Reason, Scalar, Settings, Solver, Structure, direct_vjp, jvp, least_squares_jvp, least_squares_vjp, solve,
    vjp,
};
use serde_json::Value;

const NONE: fn() -> Control<'static> = Control::none;

fn re_dot<T: Scalar>(x: &[T], y: &[T]) -> f64 {
    T::dot(x, y).re()
}

fn largest_error(x: &[f64], y: &[f64]) -> f64 {
    let top = y.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
    x.iter().zip(y).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / top
}

fn cosine(x: &[f64], y: &[f64]) -> f64 {
    re_dot(x, y) / (norm(x) * norm(y))
}

fn implicit() -> Value {
    let text = std::fs::read_to_string(folder("implicit").join("cases.json")).expect("cases.json");
    serde_json::from_str(&text).expect("valid JSON")
}

fn fixture_graph(case: &Value) -> Graph {
    let edges = array::<f64>("implicit", &case["edges"]);
    let edges: Vec<[u32; 2]> = edges.chunks_exact(2).map(|e| [e[0] as u32, e[1] as u32]).collect();
    let n = case["n"].as_u64().expect("n") as usize;
    Graph::from_edges(n, edges, array("implicit", &case["weights"])).expect("edges")
}

#[test]
fn gradients_through_a_cayley_step_are_those_of_the_fixtures() {
    for case in cases("implicit") {
        let graph = fixture_graph(&case);
        let dt = case["dt"].as_f64().expect("dt");
        let psi = array::<Complex64>("implicit", &case["psi"]);
        for (name, loss) in case["losses"].as_object().expect("losses") {
            let bar = array::<Complex64>("implicit", &loss["cotangent"]);
            let expected = array::<f64>("implicit", &loss["grad_weights"]);
            for solver in [Solver::Direct, Solver::Galerkin, Solver::Cocg, Solver::Cgnr] {
                let rtol = 1e-13;
                let settings = CayleySettings { dt, solver, rtol, ..CayleySettings::default() };
                let mut cayley = Cayley::new(&graph, settings).expect("Hermitian");
                let out = cayley
                    .vjp(&psi, 1, |_, x| x.copy_from_slice(&bar), Some(&graph), |_, _, _| {}, NONE())
                    .expect("converged");
                let edges = out.edges.expect("a graph was given");
                let label = format!("{} {name} {solver:?}", case["name"]);
                assert!(largest_error(&edges.weights, &expected) <= 1e-9, "{label}");
                assert!((cosine(&edges.weights, &expected) - 1.0).abs() <= 1e-10, "{label}");
                assert!((out.dt / loss["grad_dt"].as_f64().expect("a number") - 1.0).abs() <= 1e-9, "{label}");
                assert!(distance(&out.psi, &array("implicit", &loss["grad_psi"])) <= 1e-11, "{label}");
                assert!(distance(&out.lambda, &array("implicit", &loss["lambda_"])) <= 1e-11, "{label}");
                assert!(out.adjoint.worst_residual() <= 1e-13, "{label}");
            }
            // The same through the general interface, and x + (b − Ax) is not it.
            let a = 0.5 * dt;
            let h = graph.magnetic_laplacian();
            let method = Method::ShiftedHermitian { sigma: 1.0, a };
            let forward = run(method, &h, &psi, &to_rtol(1e-13));
            let doubled: Vec<Complex64> = bar.iter().map(|v| v * 2.0).collect();
            let settings = GradientSettings { solve: to_rtol(1e-13), allow_inexact: false };
            let out = vjp(method, &h, None, &forward, &doubled, &settings, NONE()).expect("converged");
            let c = Complex64::new(0.0, a);
            let edges = graph.gradient(c, &out.lambda, &out.x).expect("sizes");
            assert!(largest_error(&edges.weights, &expected) <= 1e-9);
            assert!(
                (0.5 * out.step(&h).expect("sizes") / loss["grad_dt"].as_f64().expect("a number") - 1.0).abs() < 1e-9
            );
            // dH_ij as matrix elements: the chain rule through w_ij gives the same numbers.
            let elements = out.matrix(&h, Structure::General).expect("sizes");
            let index = |i: u32, j: u32| {
                let begin = h.pointers()[i as usize] as usize;
                begin + h.row(i as usize).0.iter().position(|&column| column == j).expect("an element")
            };
            for (edge, &[i, j]) in graph.edges().iter().enumerate() {
                let sum = elements[index(i, i)] + elements[index(j, j)] - elements[index(i, j)] - elements[index(j, i)];
                let weight = (sum.conj() * c).re;
                assert!((weight - edges.weights[edge]).abs() <= 1e-10 * norm(&expected), "{edge}");
            }
            let shortcut = graph.gradient(c, &doubled, &out.x).expect("sizes").weights;
            let stated = loss["zeroth_neumann_cosine"].as_f64().expect("a number");
            assert!((cosine(&shortcut, &expected) - stated).abs() < 1e-9);
        }
    }
}

#[test]
fn an_spd_system_with_parameters_has_the_gradient_of_the_fixture() {
    let case = &implicit()["spd_parameters"];
    let field = |name: &str| npy("implicit", &format!("spd.{name}.npy"));
    let (a0, ak, b0, bk, t) = (field("A0"), field("Ak"), field("b0"), field("bk"), field("t"));
    let n = b0.len();
    let theta = numbers(&case["theta"]);
    let mut a = a0;
    let mut b = b0;
    for (k, theta) in theta.iter().enumerate() {
        a.iter_mut().zip(&ak[k * n * n..]).for_each(|(a, d)| *a += theta * d);
        b.iter_mut().zip(&bk[k * n..]).for_each(|(b, d)| *b += theta * d);
    }
    let a = dense(n, a);
    let settings = GradientSettings { solve: to_rtol(1e-14), allow_inexact: false };
    let direct = Direct::new(a.clone()).expect("square");
    let forward = direct.solve(&b, &to_rtol(1e-13)).expect("sizes");
    let bar: Vec<f64> = forward.x.iter().zip(&t).map(|(x, t)| x - t).collect();
    let loose = GradientSettings { solve: to_rtol(1e-12), ..settings };
    let by_cg = run(Method::Cg, &a, &b, &to_rtol(1e-13));
    let jacobi = Jacobi::new(&(0..n).map(|i| a.data()[i * n + i]).collect::<Vec<_>>()).expect("definite");
    for out in [
        direct_vjp(&direct, &forward, &bar, &loose).expect("converged"),
        vjp(Method::Cg, &a, Some(&jacobi), &by_cg, &bar, &loose, NONE()).expect("converged"),
        vjp(Method::Cgnr, &a, None, &by_cg, &bar, &loose, NONE()).expect("converged"),
    ] {
        let gradient: Vec<f64> = (0..theta.len())
            .map(|k| {
                let derivative = dense(n, ak[k * n * n..(k + 1) * n * n].to_vec());
                out.parameter(&derivative).expect("sizes") + re_dot(out.rhs(), &bk[k * n..(k + 1) * n])
            })
            .collect();
        assert!(largest_error(&gradient, &numbers(&case["grad"])) <= 1e-9, "{gradient:?}");
    }
}

/// A square system of each method: A from H (Hermitian, definite where needed), as the method's operator and as a matrix.
struct Case<T: Scalar> {
    method: Method,
    build: Box<dyn Fn(&[f64]) -> (Box<dyn Operator<T>>, Box<dyn Operator<T>>)>,
}

/// H₀ + Σθ_k H_k, sparse, with H₀ = 4I: definite for small θ.
fn family<T: Scalar>(n: usize, theta: &[f64], hermitian: bool) -> Csr<T> {
    let mut triplets: Vec<(usize, usize, T)> = (0..n).map(|i| (i, i, T::real(4.0 + 0.1 * i as f64))).collect();
    for (k, theta) in theta.iter().enumerate() {
        let pattern = gaussian::<T>(3 * n, 100 + k as u32);
        for e in 0..3 * n {
            let (i, j) = (e % n, (e * 7 + k) % n);
            let value = pattern[e].scale(0.3 * theta);
            triplets.push((i, j, value));
            triplets.push((j, i, if hermitian { value.conj() } else { value }));
        }
    }
    Csr::from_triplets(n, n, &triplets).expect("in range")
}

fn check_methods<T: Scalar>(cases: Vec<Case<T>>)
where
    Csr<T>: Operator<T>,
{
    let n = 18;
    for Case { method, build } in cases {
        println!("{method:?}: gaussian streams 20, 21 and 100 to 109 of seed 11");
        let b = gaussian::<T>(n, 20);
        let target = gaussian::<T>(n, 21);
        let theta: Vec<f64> = (0..10).map(|k| 0.4 + 0.05 * f64::from(k)).collect();
        // L = ½Σ|x_j|² m_j + Re⟨t, x⟩, m from the target's real parts.
        let loss = |x: &[T]| -> f64 {
            let square: f64 = x.iter().zip(&target).map(|(x, t)| 0.5 * (2.0 + t.re()) * x.modulus().powi(2)).sum();
            square + re_dot(&target, x)
        };
        let cotangent =
            |x: &[T]| -> Vec<T> { x.iter().zip(&target).map(|(x, t)| x.scale(2.0 + t.re()) + *t).collect() };
        let forward = |theta: &[f64]| -> Outcome<T> {
            let (operator, _) = build(theta);
            let out = solve(method, &*operator, None, &b, &to_rtol(1e-13), NONE()).expect("no misuse");
            assert!(out.converged(), "{method:?} {}", out.reason);
            out
        };
        let out = forward(&theta);
        let (operator, matrix) = build(&theta);
        let settings = GradientSettings { solve: to_rtol(1e-13), allow_inexact: false };
        let gradient = vjp(method, &*operator, None, &out, &cotangent(&out.x), &settings, NONE()).expect("converged");
        // Aᴴλ = x̄ by the matrix itself.
        let mut image = vec![T::default(); n];
        matrix.apply_adjoint(&gradient.lambda, &mut image);
        assert!(distance(&image, &cotangent(&out.x)) < 1e-12, "{method:?}");
        // A is affine in θ: ∂A/∂θ_k = A(θ + e_k) − A(θ).
        let derivative = |k: usize| {
            let mut moved = theta.clone();
            moved[k] += 1.0;
            Difference(build(&moved).1, build(&theta).1)
        };
        for k in 0..10 {
            let exact = gradient.parameter(&derivative(k)).expect("sizes");
            let at = |h: f64| {
                let mut moved = theta.clone();
                moved[k] += h;
                loss(&forward(&moved).x)
            };
            let h = 1e-6;
            let central = (at(h) - at(-h)) / (2.0 * h);
            assert!((central / exact - 1.0).abs() <= 1e-6 + 1e-9 / exact.abs(), "{method:?} {k}: {central} {exact}");
            if k == 0 {
                let error = |h: f64| ((at(h) - at(-h)) / (2.0 * h) - exact).abs();
                let slope = error(4e-3) / error(2e-3);
                assert!((slope - 4.0).abs() <= 0.2, "{method:?}: {slope}");
            }
        }
        // Dot test: J in the direction (ḃ, θ̇ = e_3).
        let (db, bar) = (gaussian::<T>(n, 22), gaussian::<T>(n, 23));
        let da = derivative(3);
        let tangent = jvp(method, &*operator, None, &out, Some(&db), Some(&da), &settings, NONE()).expect("converged");
        let back = vjp(method, &*operator, None, &out, &bar, &settings, NONE()).expect("converged");
        let left = re_dot(&bar, &tangent.x);
        let right = re_dot(back.rhs(), &db) + back.parameter(&da).expect("sizes");
        assert!((left - right).abs() <= 1e-11 * norm(&bar) * norm(&tangent.x), "{method:?}: {left} {right}");
        // A warm start from the λ it found is the λ.
        let warm = Settings { x0: Some(gradient.lambda.clone()), ..to_rtol(1e-10) };
        let warm = GradientSettings { solve: warm, allow_inexact: false };
        let again = vjp(method, &*operator, None, &out, &cotangent(&out.x), &warm, NONE()).expect("converged");
        assert_eq!(again.adjoint.reason, Reason::ExactGuess, "{method:?}");
    }
}

struct Difference<T: Scalar>(Box<dyn Operator<T>>, Box<dyn Operator<T>>);

impl<T: Scalar> Operator<T> for Difference<T> {
    fn rows(&self) -> usize {
        self.0.rows()
    }
    fn cols(&self) -> usize {
        self.0.cols()
    }
    fn apply(&self, x: &[T], y: &mut [T]) {
        let mut other = y.to_vec();
        self.0.apply(x, y);
        self.1.apply(x, &mut other);
        y.iter_mut().zip(&other).for_each(|(y, o)| *y -= *o);
    }
    fn apply_adjoint(&self, x: &[T], y: &mut [T]) {
        let mut other = y.to_vec();
        self.0.apply_adjoint(x, y);
        self.1.apply_adjoint(x, &mut other);
        y.iter_mut().zip(&other).for_each(|(y, o)| *y -= *o);
    }
    fn has_adjoint(&self) -> bool {
        true
    }
}

fn plain<T: Scalar>(method: Method, hermitian: bool) -> Case<T>
where
    Csr<T>: Operator<T>,
{
    let build = move |theta: &[f64]| {
        let a = family::<T>(18, theta, hermitian);
        (Box::new(a.clone()) as Box<dyn Operator<T>>, Box::new(a) as Box<dyn Operator<T>>)
    };
    Case { method, build: Box::new(build) }
}

/// σI + κH as the matrix; the operator is H for `shifted_hermitian`.
fn shifted(method: Method, sigma: f64, a: f64) -> Case<Complex64> {
    let build = move |theta: &[f64]| {
        let h = family::<Complex64>(18, theta, true);
        let system =
            || Shifted { operator: h.clone(), shift: Complex64::new(sigma, 0.0), factor: Complex64::new(0.0, a) };
        let operator: Box<dyn Operator<Complex64>> =
            if matches!(method, Method::ShiftedHermitian { .. }) { Box::new(h.clone()) } else { Box::new(system()) };
        (operator, Box::new(system()) as Box<dyn Operator<Complex64>>)
    };
    Case { method, build: Box::new(build) }
}

#[test]
fn adjoint_gradients_are_central_differences_for_every_method() {
    check_methods::<f64>(vec![
        plain(Method::Cg, true),
        plain(Method::Minres, true),
        plain(Method::Cr, true),
        plain(Method::Cgnr, true),
    ]);
    check_methods::<Complex64>(vec![
        plain(Method::Cg, true),
        plain(Method::Minres, true),
        plain(Method::Cgnr, true),
        plain(Method::Cocg, false),
        shifted(Method::ShiftedHermitian { sigma: 1.3, a: 0.4 }, 1.3, 0.4),
        shifted(Method::Cgw, 1.0, 0.4),
        shifted(Method::Cgnr, 1.0, -0.4),
    ]);
}

#[test]
fn a_gradient_through_an_unconverged_solve_is_refused_unless_allowed() {
    let a = poisson(12);
    let b = gaussian::<f64>(144, 1);
    let cut = Settings { max_iterations: Some(3), ..to_rtol(1e-10) };
    let (short, full) = (run(Method::Cg, &a, &b, &cut), run(Method::Cg, &a, &b, &to_rtol(1e-10)));
    let gradient = |forward: &Outcome<f64>, solve: Settings<f64>, allow_inexact: bool| {
        vjp(Method::Cg, &a, None, forward, &b, &GradientSettings { solve, allow_inexact }, NONE())
    };
    assert_eq!(gradient(&short, to_rtol(1e-10), false).expect_err("refused").code, "unconverged-gradient");
    assert_eq!(gradient(&full, cut.clone(), false).expect_err("refused").code, "unconverged-gradient");
    assert!(gradient(&full, to_rtol(1e-10), false).is_ok());
    let inexact = gradient(&short, cut, true).expect("allowed");
    assert_eq!(inexact.adjoint.reason, Reason::MaxIterations);
    // A trust-region step is a success of its own kind, not a solution.
    let bounded = Settings { radius: Some(1e-3), ..to_rtol(1e-10) };
    let step = run(Method::Cg, &a, &b, &bounded);
    assert!(step.converged());
    assert_eq!(gradient(&step, to_rtol(1e-10), false).expect_err("refused").code, "unconverged-gradient");
    let graph = Graph::ring(600).expect("a ring");
    let settings = CayleySettings { max_iterations: Some(2), ..CayleySettings::default() };
    let psi = gaussian::<Complex64>(600, 2);
    let through = |settings: CayleySettings| {
        let mut cayley = Cayley::new(&graph, settings).expect("Hermitian");
        assert_eq!(cayley.solver(), Solver::Galerkin);
        cayley.vjp(&psi, 2, |out, bar| bar.copy_from_slice(out), Some(&graph), |_, _, _| {}, NONE())
    };
    assert_eq!(through(settings.clone()).expect_err("refused").code, "unconverged-gradient");
    let out = through(CayleySettings { allow_inexact: true, ..settings }).expect("allowed");
    assert!(!out.forward.converged() && !out.adjoint.converged());
    // Misuse.
    let wrong = vjp(Method::Lsqr, &a, None, &full, &b, &GradientSettings::default(), NONE());
    assert_eq!(wrong.expect_err("refused").code, "option-not-valid");
    let wrong = vjp(Method::Cg, &a, None, &full, &b[1..], &GradientSettings::default(), NONE());
    assert_eq!(wrong.expect_err("refused").code, "option-not-valid");
}

#[test]
fn gradients_through_many_magnetic_steps_are_central_differences() {
    let n = 20;
    let base = Graph::small_world(n, 4, 0.3, 5).expect("a small world");
    let m = base.edges().len();
    let weights: Vec<f64> = gaussian::<f64>(m, 30).iter().map(|v| (1.0 + v.exp()).ln()).collect();
    let flux = gaussian::<f64>(m, 31);
    let graph = base.with_weights(weights.clone()).and_then(|g| g.with_flux(flux.clone())).expect("finite");
    let (psi, target) = (gaussian::<Complex64>(n, 32), gaussian::<Complex64>(n, 33));
    let (dt, steps) = (0.3, 7);
    let make = |graph: &Graph, dt: f64, solver: Solver| {
        let settings = CayleySettings { dt, solver, rtol: 1e-13, energy: false, ..CayleySettings::default() };
        Cayley::new(graph, settings).expect("Hermitian")
    };
    let loss = |graph: &Graph, dt: f64, psi: &[Complex64]| {
        let mut out = psi.to_vec();
        make(graph, dt, Solver::Direct).step(&mut out, steps, NONE()).expect("sizes");
        out.iter().zip(&target).map(|(v, t)| (v - t).norm_sqr()).sum::<f64>()
    };
    let difference = |f: &dyn Fn(f64) -> f64| (f(1e-6) - f(-1e-6)) / 2e-6;
    for solver in [Solver::Direct, Solver::Galerkin] {
        let out = make(&graph, dt, solver)
            .vjp(
                &psi,
                steps,
                |v, bar| v.iter().zip(&target).zip(bar).for_each(|((v, t), b)| *b = (v - t) * 2.0),
                Some(&graph),
                |_, _, _| {},
                NONE(),
            )
            .expect("converged");
        let edges = out.edges.clone().expect("a graph was given");
        let slopes = edges.flux.expect("the graph has fluxes");
        for edge in (0..m).step_by(m / 10) {
            let by_weight = difference(&|h| {
                let mut moved = weights.clone();
                moved[edge] += h;
                loss(&graph.clone().with_weights(moved).expect("finite"), dt, &psi)
            });
            assert!((edges.weights[edge] - by_weight).abs() <= 1e-6 * norm(&edges.weights), "{edge}");
            let by_flux = difference(&|h| {
                let mut moved = flux.clone();
                moved[edge] += h;
                loss(&graph.clone().with_flux(moved).expect("finite"), dt, &psi)
            });
            assert!((slopes[edge] - by_flux).abs() <= 1e-6 * norm(&slopes), "{edge}: {} {by_flux}", slopes[edge]);
        }
        let by_dt = difference(&|h| loss(&graph, dt + h, &psi));
        assert!((out.dt / by_dt - 1.0).abs() <= 1e-6, "{} {by_dt}", out.dt);
        // Dot test in a direction of everything at once.
        let (dpsi, dw) = (gaussian::<Complex64>(n, 34), gaussian::<f64>(m, 35));
        let dh = Hamiltonian::from(&graph.clone().with_weights(dw.clone()).expect("finite"));
        let bar = gaussian::<Complex64>(n, 36);
        let mut cayley = make(&graph, dt, solver);
        let tangent = Tangent { psi: Some(&dpsi), dt: 0.7, h: Some(&dh) };
        let (end, dot, report) = cayley.jvp(&psi, steps, tangent, NONE()).expect("converged");
        assert!(distance(&end, &out.psi_plus) < 1e-12 && report.residuals.len() == 2 * steps);
        let back = cayley
            .vjp(&psi, steps, |_, x| x.copy_from_slice(&bar), Some(&graph), |_, _, _| {}, NONE())
            .expect("converged");
        let right = re_dot(&back.psi, &dpsi) + 0.7 * back.dt + re_dot(&back.edges.expect("given").weights, &dw);
        let left = re_dot(&bar, &dot);
        assert!((left - right).abs() <= 1e-11 * norm(&bar) * norm(&dot), "{solver:?}: {left} {right}");
    }
}

fn check_least_squares<T: Scalar>(damp: f64)
where
    Csr<T>: Operator<T>,
{
    let (rows, cols) = (24, 9);
    let values = gaussian::<T>(rows * cols, 50);
    let place = |k: usize| (k / cols, k % cols);
    let build = |values: &[T]| {
        let triplets: Vec<_> = values.iter().enumerate().map(|(k, &v)| (place(k).0, place(k).1, v)).collect();
        Csr::from_triplets(rows, cols, &triplets).expect("in range")
    };
    let (a, b, bar) = (build(&values), gaussian::<T>(rows, 51), gaussian::<T>(cols, 52));
    let fit = |a: &Csr<T>, b: &[T], damp: f64| run(Method::Lsqr, a, b, &Settings { damp, ..to_rtol(1e-14) });
    let forward = fit(&a, &b, damp);
    let solve = Settings { damp, ..to_rtol(1e-13) };
    let settings = GradientSettings { solve, allow_inexact: false };
    let out = least_squares_vjp(&a, &b, &forward, &bar, &settings, NONE()).expect("full rank");
    let elements = out.matrix(&a).expect("sizes");
    let loss = |x: &[T]| re_dot(&bar, x);
    for k in [0, 17, 100, 215] {
        let at = |h: f64| {
            let mut moved = values.clone();
            moved[k] += T::new(0.6 * h, 0.8 * h);
            loss(&fit(&build(&moved), &b, damp).x)
        };
        let central = (at(1e-6) - at(-1e-6)) / 2e-6;
        let exact = (elements[k].conj() * T::new(0.6, 0.8)).re();
        assert!((central - exact).abs() <= 1e-6 * norm(&elements), "{k}: {central} {exact}");
    }
    if damp > 0.0 {
        let at = |h: f64| loss(&fit(&a, &b, damp + h).x);
        let central = (at(1e-6) - at(-1e-6)) / 2e-6;
        assert!((central / out.damp - 1.0).abs() < 1e-6, "{central} {}", out.damp);
    }
    let (db, dv) = (gaussian::<T>(rows, 53), gaussian::<T>(rows * cols, 54));
    let (dx, _) =
        least_squares_jvp(&a, &b, &forward, Some(&db), Some(&build(&dv)), &settings, NONE()).expect("full rank");
    let (left, right) = (loss(&dx), re_dot(&out.rhs, &db) + re_dot(&elements, &dv));
    assert!((left - right).abs() <= 1e-11 * norm(&bar) * norm(&dx), "{left} {right}");
}

#[test]
fn least_squares_have_their_own_gradient_and_a_rank_deficient_one_is_refused() {
    for damp in [0.0, 0.7] {
        check_least_squares::<f64>(damp);
        check_least_squares::<Complex64>(damp);
    }
    let a = Csr::from_triplets(3, 2, &[(0, 0, 1.0), (0, 1, 1.0), (1, 0, 2.0), (1, 1, 2.0)]).expect("in range");
    let b = [1.0, 0.0, 1.0];
    let forward = run(Method::Lsqr, &a, &b, &to_rtol(1e-12));
    assert!(forward.converged());
    let refused = least_squares_vjp(&a, &b, &forward, &[1.0, 0.0], &GradientSettings::default(), NONE());
    assert_eq!(refused.expect_err("refused").code, "unconverged-gradient");
}
