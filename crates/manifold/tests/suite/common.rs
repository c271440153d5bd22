//! Cases that the tests of this crate share.
use headwater_base::Control;
use headwater_base::parallel::Crew;
use headwater_base::rng::{Purpose, Stream};
use headwater_manifold::{
    AmplitudePrior, Assembly, Gate, Input, Layout, Objective, Problem, RowWeights, State, Strengths, Topology,
};

pub fn crew(threads: usize) -> Crew<'static> {
    Crew::new(threads, Control::none())
}

pub struct Random(Stream);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(Stream::new(seed, Purpose::Synthetic, 0))
    }
    pub fn uniform(&mut self) -> f64 {
        self.0.uniform()
    }
    pub fn normal(&mut self) -> f64 {
        self.0.normal()
    }
    pub fn normals(&mut self, count: usize, scale: f64) -> Vec<f64> {
        (0..count).map(|_| scale * self.normal()).collect()
    }
    pub fn weights(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| 0.5 + self.uniform()).collect()
    }
}

/// A problem with a state near data that it generated, and strengths that are all on.
pub struct Case {
    pub problem: Problem,
    pub state: State,
    pub strengths: Strengths,
}

impl Case {
    pub fn objective(&self) -> Objective<'_> {
        let coupling = Objective::coupling(&self.problem, &self.state, 0.8, 3e3).expect("a coupling");
        assert!(self.problem.atoms.len() == 1 || !coupling.is_empty());
        Objective::new(&self.problem, self.strengths.clone(), Some(coupling)).expect("an objective")
    }
}

/// Rows are those of the state plus noise, weighed by row and cell, with some cells missing where `missing`.
fn planted(
    atoms: Vec<Topology>,
    gate: Gate,
    [rows, columns]: [usize; 2],
    supports: impl Fn(&Problem) -> Vec<Vec<usize>>,
    noise: f64,
    missing: bool,
    random: &mut Random,
) -> (Problem, State) {
    let mut input = Input {
        rows,
        columns,
        values: vec![0.0; rows * columns],
        cell_weights: Some(random.weights(rows * columns)),
        row_weights: Some(random.weights(rows)),
        weighting: RowWeights::Sampling,
        atoms,
        gate,
        non_negative: false,
    };
    let blank = Problem::new(input.clone()).expect("a problem");
    let layout = Layout::new(&blank, &supports(&blank)).expect("a layout");
    let (gates, coordinates) = layout.before(rows);
    let gates: Vec<f64> = match gate {
        Gate::Amplitude(_) => random.weights(gates),
        Gate::Unit => Vec::new(),
        Gate::Softmax { .. } => random.normals(gates, 1.0),
    };
    let coordinates: Vec<f64> = (0..coordinates).map(|_| random.uniform()).collect();
    let decoders = random.normals(blank.channels * columns, 0.7);
    let truth = State::new(&blank, layout, &gates, &coordinates, &decoders).expect("a state");
    input.values = fitted(&blank, &truth);
    input.values.iter_mut().for_each(|z| *z += noise * random.normal());
    if missing {
        for at in (0..rows * columns).step_by(7) {
            input.values[at] = f64::NAN;
        }
    }
    (Problem::new(input).expect("a problem"), truth)
}

/// f of a state: the slow way.
pub fn fitted(problem: &Problem, state: &State) -> Vec<f64> {
    let p = problem.columns;
    let mut out = vec![0.0; problem.rows * p];
    for n in 0..problem.rows {
        let gates = state.gates(n);
        let amounts: Vec<f64> = match problem.gate {
            Gate::Amplitude(_) => gates.to_vec(),
            Gate::Unit => vec![1.0; state.layout.support(n).len()],
            Gate::Softmax { temperature, .. } => {
                let powers: Vec<f64> = gates.iter().chain(&[0.0]).map(|l| (l / temperature).exp()).collect();
                powers.iter().map(|a| a / powers.iter().sum::<f64>()).collect()
            }
        };
        let mut at = 0;
        for (slot, &k) in state.layout.support(n).iter().enumerate() {
            let atom = &problem.atoms[k as usize];
            let mut jet = vec![0.0; atom.functions * 32];
            let d = atom.dimension;
            let blocks = 1 + d + d * (d + 1) / 2;
            atom.basis.jet(&state.coordinates(n)[at..at + d], &mut jet[..blocks * atom.functions]);
            at += d;
            for m in 0..atom.functions {
                for o in 0..p {
                    out[n * p + o] += amounts[slot] * jet[m] * state.decoders()[(atom.channel + m) * p + o];
                }
            }
        }
    }
    out
}

/// Two circles under a softmax, periodic priors of the phases: 60 × 8, weighted.
pub fn softmax_circles() -> Case {
    let mut random = Random::new(17);
    let gate = Gate::Softmax { temperature: 0.8, ridge: 0.3 };
    let atoms = vec![Topology::Circle { harmonics: 1 }; 2];
    let (problem, state) =
        planted(atoms, gate, [60, 8], |problem| vec![vec![0, 1]; problem.rows], 0.5, false, &mut random);
    let strengths = Strengths {
        entropy: 0.4,
        roughness: vec![0.7, 1.3],
        ridge: vec![1.0, 0.6],
        ard: vec![2.0, 5.0],
        ..Strengths::unit(&problem, 0.8)
    };
    Case { problem, state, strengths }
}

/// One circle on weighted rows.
pub fn ring(noise: f64) -> Case {
    let mut random = Random::new(23);
    let atoms = vec![Topology::Circle { harmonics: 1 }];
    let gate = Gate::Amplitude(AmplitudePrior::HalfNormal);
    let (problem, state) = planted(atoms, gate, [50, 5], |p| vec![vec![0]; p.rows], noise, false, &mut random);
    let strengths = Strengths::unit(&problem, noise * noise);
    Case { problem, state, strengths }
}

/// Two circles, both in every row.
pub fn together() -> Case {
    let mut random = Random::new(37);
    let atoms = vec![Topology::Circle { harmonics: 1 }; 2];
    let gate = Gate::Amplitude(AmplitudePrior::HalfNormal);
    let (problem, state) =
        planted(atoms, gate, [120, 8], |problem| vec![vec![0, 1]; problem.rows], 0.05, false, &mut random);
    let strengths = Strengths::unit(&problem, 0.0025);
    Case { problem, state, strengths }
}

/// Four circles, one a row.
pub fn apart() -> Case {
    let mut random = Random::new(31);
    let atoms = vec![Topology::Circle { harmonics: 1 }; 4];
    let gate = Gate::Amplitude(AmplitudePrior::HalfNormal);
    let supports = |problem: &Problem| (0..problem.rows).map(|n| vec![n % 4]).collect();
    let (problem, state) = planted(atoms, gate, [80, 5], supports, 0.2, false, &mut random);
    let strengths = Strengths::unit(&problem, 0.04);
    Case { problem, state, strengths }
}

/// All shapes, two or three of them in a row (once in seven rows the point alone), amplitudes or none; missing cells.
pub fn every_shape(gate: Gate) -> Case {
    let mut random = Random::new(29);
    let atoms = vec![
        Topology::Circle { harmonics: 2 },
        Topology::Constant,
        Topology::Linear,
        Topology::Torus { harmonics: 1 },
        Topology::Patch { dimension: 2 },
        Topology::Circle { harmonics: 1 },
    ];
    let support = |n: usize| {
        if n % 7 == 3 {
            return vec![1];
        }
        let mut support = vec![n % 6, (n / 6 + n + 1) % 6, (n * n + 2) % 6];
        support.sort_unstable();
        support.dedup();
        support
    };
    let supports = |problem: &Problem| (0..problem.rows).map(support).collect();
    let (problem, state) = planted(atoms, gate, [70, 6], supports, 0.4, true, &mut random);
    let base = Strengths::unit(&problem, 0.3);
    let strengths = Strengths {
        amplitude: (0..6).map(|k| 0.3 + 0.1 * k as f64).collect(),
        roughness: (0..6).map(|k| 0.01 + 0.02 * k as f64).collect(),
        ridge: (0..6).map(|k| 0.5 + 0.1 * k as f64).collect(),
        // The first circle has a prior of its phase, the torus and the other circle have none.
        ard: base.ard.iter().enumerate().map(|(j, a)| if j == 0 { 3.0 } else { 0.8 * a }).collect(),
        ..base
    };
    Case { problem, state, strengths }
}

/// The state with every unknown moved at random.
pub fn moved(case: &Case, by: f64, seed: u64) -> State {
    let mut random = Random::new(seed);
    let mut state = case.state.clone();
    state.theta.iter_mut().for_each(|x| *x += by * random.normal());
    state
}

pub fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// ‖x − y‖/‖y‖.
pub fn distance(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len());
    norm(&x.iter().zip(y).map(|(x, y)| x - y).collect::<Vec<_>>()) / norm(y)
}

/// (f(θ + hv) − f(θ − hv))/2h with one step of Richardson's extrapolation.
pub fn difference<T>(state: &State, v: &[f64], h: f64, f: impl Fn(&State) -> T) -> Vec<f64>
where
    T: AsRef<[f64]>,
{
    let at = |by: f64| {
        let mut state = state.clone();
        state.theta.iter_mut().zip(v).for_each(|(x, v)| *x += by * v);
        f(&state)
    };
    let central = |h: f64| -> Vec<f64> {
        let (up, down) = (at(h), at(-h));
        up.as_ref().iter().zip(down.as_ref()).map(|(x, y)| (x - y) / (2.0 * h)).collect()
    };
    central(h / 2.0).iter().zip(central(h)).map(|(fine, coarse)| (4.0 * fine - coarse) / 3.0).collect()
}

pub fn gradient(objective: &Objective, state: &State) -> Vec<f64> {
    Assembly::new(objective, state, crew(1)).expect("not stopped").gradient
}

pub fn value(objective: &Objective, state: &State) -> f64 {
    objective.value(state, crew(1)).expect("not stopped")
}
