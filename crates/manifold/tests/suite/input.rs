//! What is refused, and how.

use headwater_manifold::{
    AmplitudePrior, DecoderIncoherence, Gate, Input, Layout, Objective, Pair, Problem, RowWeights, State, Strengths,
    Topology,
};

fn input() -> Input {
    Input {
        rows: 4,
        columns: 2,
        values: vec![0.5; 8],
        cell_weights: None,
        row_weights: None,
        weighting: RowWeights::Precision,
        atoms: vec![Topology::Circle { harmonics: 1 }, Topology::Linear],
        gate: Gate::Amplitude(AmplitudePrior::HalfNormal),
        non_negative: false,
    }
}

fn code(input: Input) -> (&'static str, Option<(usize, usize)>) {
    let error = Problem::new(input).expect_err("bad input");
    (error.code, error.row.zip(error.col))
}

#[test]
fn bad_data_and_models_are_named() {
    assert!(Problem::new(input()).is_ok());
    let with = |at: usize, value: f64| {
        let mut values = vec![0.5; 8];
        values[at] = value;
        values
    };
    assert_eq!(code(Input { rows: 0, values: vec![], ..input() }).0, "empty-data");
    assert_eq!(code(Input { columns: 0, values: vec![], ..input() }).0, "empty-data");
    assert_eq!(code(Input { values: vec![0.0; 7], ..input() }).0, "shape-mismatch");
    assert_eq!(code(Input { values: with(5, f64::INFINITY), ..input() }), ("value-not-finite", Some((2, 1))));
    assert_eq!(code(Input { cell_weights: Some(with(3, -1.0)), ..input() }), ("weight-not-valid", Some((1, 1))));
    assert_eq!(code(Input { cell_weights: Some(with(3, f64::NAN)), ..input() }), ("weight-not-valid", Some((1, 1))));
    assert_eq!(
        code(Input { row_weights: Some(vec![1.0, 1.0, 0.0, 1.0]), ..input() }),
        ("weight-not-valid", Some((2, 0)))
    );
    assert_eq!(code(Input { row_weights: Some(vec![1.0]), ..input() }).0, "shape-mismatch");
    assert_eq!(code(Input { values: vec![f64::NAN; 8], ..input() }).0, "no-data");
    assert_eq!(code(Input { cell_weights: Some(vec![0.0; 8]), ..input() }).0, "no-data");
    let atoms = |atoms| Problem::new(Input { atoms, ..input() }).expect("rows can be coded").check_atoms();
    assert_eq!(atoms(vec![]).expect_err("none").code, "too-few-atoms");
    assert_eq!(atoms(vec![Topology::Constant; 5]).expect_err("more than rows").code, "too-many-atoms");
    assert!(atoms(vec![Topology::Constant; 4]).is_ok());
    assert_eq!(code(Input { atoms: vec![Topology::Circle { harmonics: 0 }], ..input() }).0, "option-out-of-range");
    let gate = Gate::Softmax { temperature: 0.0, ridge: 0.1 };
    assert_eq!(code(Input { gate, ..input() }).0, "option-out-of-range");
}

#[test]
fn a_missing_value_is_one_without_weight() {
    let mut holed = input();
    holed.values[3] = f64::NAN;
    let mut weighed = input();
    weighed.cell_weights = Some((0..8).map(|at| if at == 3 { 0.0 } else { 1.0 }).collect());
    let (holed, weighed) = (Problem::new(holed).expect("good"), Problem::new(weighed).expect("good"));
    let mut weights = [0.0; 2];
    for problem in [holed, weighed] {
        assert_eq!(problem.observed, 7);
        problem.cell_weights(1, &mut weights);
        assert_eq!((weights, problem.row(1)), ([1.0, 0.0], &[0.5, 0.0][..]));
    }
}

#[test]
fn bad_states_and_supports_are_named() {
    let problem = Problem::new(input()).expect("good");
    let support = |supports: Vec<Vec<usize>>| Layout::new(&problem, &supports).expect_err("bad").code;
    assert_eq!(support(vec![vec![0]; 3]), "start-shape-mismatch");
    assert_eq!(support(vec![vec![1, 0]; 4]), "support-not-valid");
    assert_eq!(support(vec![vec![2]; 4]), "support-not-valid");
    let layout = || Layout::new(&problem, &vec![vec![0]; 4]).expect("good");
    let state = |gates: &[f64], coordinates: &[f64]| {
        State::new(&problem, layout(), gates, coordinates, &[0.1; 10]).map(|state| state.theta.len())
    };
    assert_eq!(state(&[1.0; 4], &[0.2; 4]).expect("good"), 18);
    assert_eq!(state(&[1.0; 3], &[0.2; 4]).expect_err("bad").code, "start-shape-mismatch");
    assert_eq!(state(&[-1.0; 4], &[0.2; 4]).expect_err("bad").code, "start-not-valid");
    assert_eq!(state(&[1.0; 4], &[f64::NAN; 4]).expect_err("bad").code, "start-not-valid");
}

#[test]
fn scales_that_nothing_holds_are_refused() {
    let problem = Problem::new(input()).expect("good");
    let unit = Strengths::unit(&problem, 1.0);
    let code = |strengths: Strengths, coupling| Objective::new(&problem, strengths, coupling).expect_err("bad").code;
    assert!(Objective::new(&problem, unit.clone(), None).is_ok());
    // Amplitudes without a prior beside a decoder with one, and the other way round.
    assert_eq!(code(Strengths { amplitude: vec![0.0, 1.0], ..unit.clone() }, None), "prior-not-proper");
    assert_eq!(code(Strengths { ridge: vec![0.0, 1.0], ..unit.clone() }, None), "prior-not-proper");
    // The line's coordinate.
    assert_eq!(code(Strengths { ard: vec![0.0, 0.0], ..unit.clone() }, None), "prior-not-proper");
    assert_eq!(code(Strengths { noise: 0.0, ..unit.clone() }, None), "option-out-of-range");
    assert_eq!(code(Strengths { ard: vec![0.0, -1.0], ..unit.clone() }, None), "option-out-of-range");
    assert_eq!(code(Strengths { ard: vec![1.0], ..unit.clone() }, None), "shape-mismatch");
    let free =
        Strengths { amplitude: vec![0.0, 1.0], ridge: vec![0.0, 1.0], roughness: vec![0.0, 1.0], ..unit.clone() };
    let pair = vec![Pair { first: 0, second: 1, weight: 1.0 }];
    let coupling = DecoderIncoherence::from_pairs(&[3, 2], 2, pair, 1.0).expect("good");
    assert!(Objective::new(&problem, free.clone(), None).is_ok());
    assert_eq!(code(free, Some(coupling)), "prior-not-proper");
    let other = DecoderIncoherence::from_pairs(&[3, 3], 2, vec![], 1.0).expect("good");
    assert_eq!(code(unit, Some(other)), "shape-mismatch");
}
