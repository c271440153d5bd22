//! V and its gradient against differences of minimisations.

use crate::common::*;
use headwater_base::Status;
use headwater_manifold::{
    AmplitudePrior, Arrow, Assembly, Criterion, DecoderIncoherence, Failure, Frame, Freedom, Gate, InnerSettings, Kind,
    Objective, Parameter, State, Strengths, criterion, minimise, phase_charge,
};

struct Study {
    case: Case,
    coupling: DecoderIncoherence,
    parameters: Vec<Parameter>,
    base: State,
}

impl Study {
    fn new(case: Case, mut parameters: Vec<Parameter>, by: f64) -> Self {
        let objective = case.objective();
        parameters.extend(case.strengths.learnable(&case.problem));
        let mut start = moved(&case, by, 9);
        start.theta.iter_mut().zip(&case.state.theta).for_each(|(x, base)| *x = if *base > 0.0 { x.abs() } else { *x });
        let found = minimise(&objective, &start, &InnerSettings::default(), crew(1));
        assert_eq!(found.status, Status::Converged, "{:?}", found.evidence);
        let (base, coupling) = (found.state, objective.coupling.clone());
        Self { case, coupling, parameters, base }
    }

    /// V at ρ + step, minimised again from the base.
    fn at(&self, step: &[f64], wanted: bool, exact: bool) -> Criterion {
        let rho = self.case.strengths.logarithms(&self.parameters);
        let rho: Vec<f64> = rho.iter().zip(step).map(|(x, y)| x + y).collect();
        let strengths = self.case.strengths.with_logarithms(&self.parameters, &rho);
        let objective = Objective::new(&self.case.problem, strengths, Some(self.coupling.clone())).expect("proper");
        let found = minimise(&objective, &self.base, &InnerSettings::default(), crew(1));
        assert_eq!(found.status, Status::Converged, "{:?}", found.evidence);
        criterion(&objective, &found.state, &self.parameters, wanted, exact, crew(1)).expect("a criterion")
    }

    /// The derivative along a step, by differences of minimisations.
    fn difference(&self, step: &[f64], h: f64) -> f64 {
        let along = |by: f64| {
            let step: Vec<f64> = step.iter().map(|x| by * x).collect();
            self.at(&step, false, true).value
        };
        let central = |h: f64| (along(h) - along(-h)) / (2.0 * h);
        (4.0 * central(h / 2.0) - central(h)) / 3.0
    }
}

/// Each component for the small case; some directions for the one with twenty parameters.
fn studies() -> Vec<(Study, Vec<Vec<f64>>)> {
    let softmax = Study::new(softmax_circles(), vec![Parameter::Entropy], 0.05);
    let count = softmax.parameters.len();
    let axes = (0..count).map(|i| (0..count).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
    let amplitudes = (0..6).map(Parameter::Amplitude).collect();
    let shapes = Study::new(every_shape(Gate::Amplitude(AmplitudePrior::HalfNormal)), amplitudes, 0.02);
    let mut random = Random::new(77);
    let directions = (0..3).map(|_| random.normals(shapes.parameters.len(), 1.0)).collect();
    vec![(softmax, axes), (shapes, directions)]
}

#[test]
fn the_gradient_is_that_of_the_criterion_and_needs_the_exact_hessian() {
    for (study, directions) in studies() {
        let zero = vec![0.0; study.parameters.len()];
        let here = study.at(&zero, true, true);
        assert!((here.value - study.at(&zero, false, true).value).abs() <= 1e-10 * here.value.abs());
        let slopes = here.gradient.expect("wanted").slopes;
        let along = |slopes: &[f64]| -> Vec<f64> {
            directions.iter().map(|step| step.iter().zip(slopes).map(|(x, y)| x * y).sum()).collect()
        };
        for h in [1e-3, 3e-4] {
            let expected: Vec<f64> = directions.iter().map(|step| study.difference(step, h)).collect();
            let error = distance(&along(&slopes), &expected);
            assert!(error < 1e-5, "h {h}: {error:e}");
        }
        // The test has the power to tell a wrong solve.
        let wrong = study.at(&zero, true, false).gradient.expect("wanted").slopes;
        assert!(distance(&along(&wrong), &along(&slopes)) > 0.01);
    }
}

#[test]
fn the_spread_is_the_gradient_of_the_log_determinant() {
    for (study, _) in studies() {
        let objective = Objective::new(&study.case.problem, study.case.strengths.clone(), Some(study.coupling.clone()))
            .expect("proper");
        let found = criterion(&objective, &study.base, &study.parameters, true, true, crew(1)).expect("a criterion");
        let spread = found.gradient.expect("wanted").spread;
        let assembly = Assembly::new(&objective, &study.base, crew(1)).expect("not stopped");
        let freedom = Freedom::new(&assembly, &study.base);
        let frame = Frame { pins: &[], ..freedom.frame(0.0) };
        let mut random = Random::new(8);
        for _ in 0..4 {
            let mut v = random.normals(spread.len(), 1.0);
            v.iter_mut().zip(&freedom.free).for_each(|(v, free)| *v = if *free { *v } else { 0.0 });
            let expected = difference(&study.base, &v, 2e-4, |state| {
                let assembly = Assembly::new(&objective, state, crew(1)).expect("not stopped");
                let factor = Arrow::new(&assembly, Kind::Surrogate, &frame, crew(1)).expect("B is definite");
                [factor.log_determinant.expect("formed") + 2.0 * phase_charge(&assembly, &freedom.free)]
            })[0];
            let slope: f64 = spread.iter().zip(&v).map(|(x, y)| x * y).sum();
            assert!((slope - expected).abs() < 1e-7 * norm(&spread), "{slope} {expected}");
        }
        // It has no part along a gauge: the determinant does not depend on where phases are counted from.
        for gauge in &freedom.gauges {
            let along: f64 = spread.iter().zip(gauge).map(|(x, y)| x * y).sum();
            assert!(along.abs() < 1e-9 * norm(&spread) * norm(gauge), "{along:e}");
        }
    }
}

#[test]
fn the_gap_of_the_surrogate_is_that_of_dense_determinants() {
    for (study, _) in studies() {
        let objective = Objective::new(&study.case.problem, study.case.strengths.clone(), Some(study.coupling.clone()))
            .expect("proper");
        let found = criterion(&objective, &study.base, &study.parameters, true, true, crew(1)).expect("a criterion");
        let assembly = Assembly::new(&objective, &study.base, crew(1)).expect("not stopped");
        let freedom = Freedom::new(&assembly, &study.base);
        let places: Vec<usize> = (0..assembly.len()).filter(|&i| freedom.free[i]).collect();
        // Restricted to what is free and orthogonal to the gauges, by a projector; the rest counts as 1.
        let m = places.len();
        let mut gauges: Vec<Vec<f64>> = Vec::new();
        for gauge in &freedom.gauges {
            let mut v: Vec<f64> = places.iter().map(|&i| gauge[i]).collect();
            for _ in 0..2 {
                for u in &gauges {
                    let part: f64 = u.iter().zip(&v).map(|(x, y)| x * y).sum();
                    v.iter_mut().zip(u).for_each(|(v, u)| *v -= part * u);
                }
            }
            let size = norm(&v);
            gauges.push(v.iter().map(|v| v / size).collect());
        }
        let log = |kind: Kind| -> f64 {
            let dense = assembly.dense(kind);
            let full: Vec<f64> = (0..m * m).map(|at| dense[places[at / m] * assembly.len() + places[at % m]]).collect();
            let project = |rows: bool, a: &[f64]| -> Vec<f64> {
                let mut out = a.to_vec();
                for u in &gauges {
                    for i in 0..m {
                        let at = |j: usize| if rows { j * m + i } else { i * m + j };
                        let part: f64 = (0..m).map(|j| u[j] * out[at(j)]).sum();
                        (0..m).for_each(|j| out[at(j)] -= part * u[j]);
                    }
                }
                out
            };
            let mut a = project(true, &project(false, &full));
            for u in &gauges {
                (0..m * m).for_each(|at| a[at] += u[at / m] * u[at % m]);
            }
            assert!(headwater_linalg::cholesky::factor(m, &mut a), "not definite");
            2.0 * (0..m).map(|i| a[i * m + i].ln()).sum::<f64>()
        };
        let expected = 0.5 * (log(Kind::Exact) - log(Kind::Surrogate));
        let gap = found.gradient.expect("wanted").laplace_gap;
        assert!((gap - expected).abs() < 1e-7 * (1.0 + expected.abs()), "{gap} {expected}");
    }
}

#[test]
fn no_gradient_is_made_at_a_point_that_is_no_minimum() {
    let case = softmax_circles();
    let objective = case.objective();
    let parameters = case.strengths.learnable(&case.problem);
    let found = criterion(&objective, &moved(&case, 1.0, 3), &parameters, true, true, crew(1));
    assert!(matches!(found, Err(Failure::NotSolved(_) | Failure::NotMinimum)), "{found:?}");
}

#[test]
fn the_unit_of_amplitudes_is_no_hyperparameter() {
    let case = apart();
    assert!(!case.strengths.learnable(&case.problem).iter().any(|p| matches!(p, Parameter::Amplitude(_))));
    let at = |unit: f64| {
        let scaled = |list: &[f64], by: f64| list.iter().map(|x| by * x).collect::<Vec<_>>();
        let strengths = Strengths {
            amplitude: scaled(&case.strengths.amplitude, 1.0 / (unit * unit)),
            ridge: scaled(&case.strengths.ridge, unit * unit),
            roughness: scaled(&case.strengths.roughness, unit * unit),
            ..case.strengths.clone()
        };
        let objective = Objective::new(&case.problem, strengths, None).expect("proper");
        // From the same start in the other unit: there may be several minima.
        let mut start = case.state.clone();
        for n in 0..case.problem.rows {
            let first = start.layout.locals(n).start;
            start.theta[first] *= unit;
        }
        let beta = start.layout.beta();
        start.theta[beta..].iter_mut().for_each(|b| *b /= unit);
        let found = minimise(&objective, &start, &InnerSettings::default(), crew(1));
        assert_eq!(found.status, Status::Converged);
        criterion(&objective, &found.state, &[], false, true, crew(1)).expect("a criterion").value
    };
    let (one, three) = (at(1.0), at(3.0));
    assert!((one - three).abs() < 1e-8 * one.abs(), "{one} {three}");
}
