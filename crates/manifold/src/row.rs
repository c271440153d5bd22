//! One row: its gates, the jets of its atoms, and what follows from them.
//!
//! The fitted row is f = Σ c_i β_i over the functions i of the row's atoms, with c_(k,m) = a_k Φ_km(t_k), and β_i the row of
//! the decoders for that function. So all jets of f are those of the scalars c: ∂_a f = Σ c^a_i β_i, and a second jet meets
//! a vector z only as ⟨∂²_ab f, z⟩ = Σ c^ab_i (βz)_i, which is contracted on the fly ([`Row::project`], [`Row::second`]).

use std::ops::Range;

use headwater_linalg::dense;

use crate::basis::second;
use crate::problem::{Gate, Problem};
use crate::state::State;

/// An active atom of a row.
pub(crate) struct Slot {
    pub atom: usize,
    pub functions: usize,
    pub dimension: usize,
    /// Its first function among those of the row.
    pub channel: usize,
    /// Its first coordinate in θ_n.
    pub coordinate: usize,
    jet: usize,
}

/// A row at a point; reused from row to row.
pub(crate) struct Row<'a> {
    problem: &'a Problem,
    pub slots: Vec<Slot>,
    /// Gate parameters.
    pub gates: usize,
    /// q: length of θ_n.
    pub locals: usize,
    /// Functions of the active atoms.
    pub channels: usize,
    /// θ_n.
    pub theta: Vec<f64>,
    /// a_k.
    pub amounts: Vec<f64>,
    /// ∂a_k/∂g_j, gates × slots.
    slopes: Vec<f64>,
    jets: Vec<f64>,
    /// β of the row's functions, channels × p.
    pub decoders: Vec<f64>,
    /// c.
    pub loads: Vec<f64>,
    /// c^a, locals × channels.
    pub load_slopes: Vec<f64>,
    /// f, then f − z.
    pub fitted: Vec<f64>,
    /// ω/φ of the cells.
    pub weights: Vec<f64>,
    /// u = ω(f − z)/φ.
    pub force: Vec<f64>,
    /// ∂_a f, locals × p.
    pub tangents: Vec<f64>,
}

/// Inner products of a vector z of the row's functions with the jets of its atoms.
pub(crate) struct Projection {
    /// Σ_m Φ_km z_km, by slot.
    values: Vec<f64>,
    /// Σ_m ∂_cΦ_km z_km, by local coordinate.
    slopes: Vec<f64>,
    /// Σ_m ∂²_ceΦ_km z_km, by slot and pair of its coordinates.
    curvatures: Vec<f64>,
}

impl<'a> Row<'a> {
    pub fn new(problem: &'a Problem) -> Self {
        let empty = Vec::new;
        Self {
            problem,
            slots: Vec::new(),
            gates: 0,
            locals: 0,
            channels: 0,
            theta: empty(),
            amounts: empty(),
            slopes: empty(),
            jets: empty(),
            decoders: empty(),
            loads: empty(),
            load_slopes: empty(),
            fitted: empty(),
            weights: empty(),
            force: empty(),
            tangents: empty(),
        }
    }

    /// Reads row n of the state: gates, jets, c.
    pub fn load(&mut self, state: &State, n: usize) {
        let (problem, layout) = (self.problem, &state.layout);
        let p = problem.columns;
        self.load_gates(state, n);
        self.slots.clear();
        self.decoders.clear();
        let (mut channel, mut coordinate, mut jet) = (0, self.gates, 0);
        for &k in layout.support(n) {
            let atom = &problem.atoms[k as usize];
            let (functions, dimension) = (atom.functions, atom.dimension);
            self.slots.push(Slot { atom: k as usize, functions, dimension, channel, coordinate, jet });
            let from = layout.decoder(atom.channel);
            self.decoders.extend_from_slice(&state.theta[from..from + functions * p]);
            (channel, coordinate, jet) = (channel + functions, coordinate + dimension, jet + atom.jet_len());
        }
        self.channels = channel;
        self.jets.resize(jet, 0.0);
        self.loads.resize(channel, 0.0);
        self.shape();
    }

    /// The same row at another θ_n.
    pub fn put(&mut self, theta: &[f64]) {
        self.theta.copy_from_slice(theta);
        self.gate(self.slots.len());
        self.shape();
    }

    /// Jets and c.
    fn shape(&mut self) {
        for (slot, amount) in self.slots.iter().zip(&self.amounts) {
            let atom = &self.problem.atoms[slot.atom];
            let jet = &mut self.jets[slot.jet..slot.jet + atom.jet_len()];
            atom.basis.jet(&self.theta[slot.coordinate..slot.coordinate + slot.dimension], jet);
            for m in 0..slot.functions {
                self.loads[slot.channel + m] = amount * jet[m];
            }
        }
    }

    /// Reads θ_n and computes the amounts a and their derivatives, nothing else.
    pub fn load_gates(&mut self, state: &State, n: usize) {
        let layout = &state.layout;
        self.gates = layout.gates(n);
        self.theta.clear();
        self.theta.extend_from_slice(&state.theta[layout.locals(n)]);
        self.locals = self.theta.len();
        self.gate(layout.support(n).len());
    }

    fn gate(&mut self, slots: usize) {
        let gates = &self.theta[..self.gates];
        self.slopes.clear();
        self.slopes.resize(self.gates * slots, 0.0);
        match self.problem.gate {
            Gate::Amplitude(_) => {
                self.amounts.clear();
                self.amounts.extend_from_slice(gates);
                (0..slots).for_each(|k| self.slopes[k * slots + k] = 1.0);
            }
            Gate::Unit => {
                self.amounts.clear();
                self.amounts.resize(slots, 1.0);
            }
            Gate::Softmax { temperature, .. } => {
                self.amounts = softmax(gates, temperature);
                for j in 0..self.gates {
                    for k in 0..slots {
                        let own = if j == k { 1.0 } else { 0.0 };
                        self.slopes[j * slots + k] = self.amounts[k] * (own - self.amounts[j]) / temperature;
                    }
                }
            }
        }
    }

    /// f, the weights and the force; returns the row's data term, ½Σω(f − z)²/φ.
    pub fn residual(&mut self, n: usize, noise: f64) -> f64 {
        let p = self.problem.columns;
        self.fitted.clear();
        self.fitted.resize(p, 0.0);
        combine(&self.decoders, &self.loads, &mut self.fitted);
        self.weights.resize(p, 0.0);
        self.problem.cell_weights(n, &mut self.weights);
        self.force.resize(p, 0.0);
        let mut value = 0.0;
        let z = self.problem.row(n);
        for o in 0..p {
            self.weights[o] /= noise;
            self.fitted[o] -= z[o];
            self.force[o] = self.weights[o] * self.fitted[o];
            value += self.force[o] * self.fitted[o];
        }
        0.5 * value
    }

    /// c^a and ∂_a f.
    pub fn differentiate(&mut self) {
        let (c, p) = (self.channels, self.problem.columns);
        self.load_slopes.clear();
        self.load_slopes.resize(self.locals * c, 0.0);
        let slots = self.slots.len();
        for (k, slot) in self.slots.iter().enumerate() {
            let jet = &self.jets[slot.jet..];
            for j in 0..self.gates {
                let slope = self.slopes[j * slots + k];
                if slope != 0.0 {
                    for m in 0..slot.functions {
                        self.load_slopes[j * c + slot.channel + m] = slope * jet[m];
                    }
                }
            }
            for axis in 0..slot.dimension {
                let (a, first) = (slot.coordinate + axis, &jet[(1 + axis) * slot.functions..]);
                for m in 0..slot.functions {
                    self.load_slopes[a * c + slot.channel + m] = self.amounts[k] * first[m];
                }
            }
        }
        self.tangents.clear();
        self.tangents.resize(self.locals * p, 0.0);
        for a in 0..self.locals {
            let range = self.reach(a);
            let slopes = &self.load_slopes[a * c..][range.clone()];
            combine(&self.decoders[range.start * p..], slopes, &mut self.tangents[a * p..(a + 1) * p]);
        }
    }

    /// Adds what the atom in one slot says, times a factor: ± a m(t)B.
    pub fn add_said(&self, slot: &Slot, factor: f64, out: &mut [f64]) {
        let p = self.problem.columns;
        for m in slot.channel..slot.channel + slot.functions {
            dense::add_scaled(factor * self.loads[m], &self.decoders[m * p..(m + 1) * p], out);
        }
    }

    /// The functions that local a acts on.
    pub fn reach(&self, a: usize) -> Range<usize> {
        if a < self.gates && matches!(self.problem.gate, Gate::Softmax { .. }) {
            return 0..self.channels;
        }
        let owner = |slot: &&Slot| (slot.coordinate..slot.coordinate + slot.dimension).contains(&a);
        let slot = if a < self.gates { &self.slots[a] } else { self.slots.iter().find(owner).expect("a coordinate") };
        slot.channel..slot.channel + slot.functions
    }

    /// βz for a vector z of p numbers.
    pub fn decode(&self, z: &[f64], out: &mut Vec<f64>) {
        out.resize(self.channels, 0.0);
        dense::product(&self.decoders, z, out);
    }

    pub fn project(&self, z: &[f64]) -> Projection {
        let mut out = Projection { values: Vec::new(), slopes: vec![0.0; self.locals], curvatures: Vec::new() };
        for slot in &self.slots {
            let (m, d) = (slot.functions, slot.dimension);
            let z = &z[slot.channel..slot.channel + m];
            let against = |block: usize| -> f64 {
                let jet = &self.jets[slot.jet + block * m..slot.jet + (block + 1) * m];
                jet.iter().zip(z).map(|(x, z)| x * z).sum()
            };
            out.values.push(against(0));
            for c in 0..d {
                out.slopes[slot.coordinate + c] = against(1 + c);
            }
            for c in 0..d {
                out.curvatures.extend((0..=c).map(|e| against(second(d, c, e))));
            }
        }
        out
    }

    /// Row a of the matrix ⟨∂²_ab f, z⟩ = Σ c^ab_i z_i for the z that was projected.
    pub fn second(&self, z: &Projection, a: usize, out: &mut [f64]) {
        let slots = self.slots.len();
        out.fill(0.0);
        let mut pairs = 0;
        for (k, slot) in self.slots.iter().enumerate() {
            let (d, first) = (slot.dimension, slot.coordinate);
            for c in 0..d {
                if a < self.gates {
                    out[first + c] = self.slopes[a * slots + k] * z.slopes[first + c];
                }
                if a == first + c {
                    for j in 0..self.gates {
                        out[j] = self.slopes[j * slots + k] * z.slopes[a];
                    }
                    for e in 0..d {
                        let pair = second(d, c, e) - 1 - d;
                        out[first + e] = self.amounts[k] * z.curvatures[pairs + pair];
                    }
                }
            }
            pairs += d * (d + 1) / 2;
        }
        if let (true, Gate::Softmax { temperature, .. }) = (a < self.gates, self.problem.gate) {
            let mean: f64 = self.amounts.iter().zip(&z.values).map(|(a, x)| a * x).sum();
            let off = |k: usize| z.values[k] - mean;
            let own = self.amounts[a];
            for j in 0..self.gates {
                let same = if a == j { own * off(a) } else { 0.0 };
                out[j] = (same - own * self.amounts[j] * (off(a) + off(j))) / (temperature * temperature);
            }
        }
    }
}

/// softmax(l/τ) with a last logit of 0.
fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let mut out: Vec<f64> = logits.iter().copied().chain([0.0]).map(|l| l / temperature).collect();
    let top = out.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    out.iter_mut().for_each(|l| *l = (*l - top).exp());
    let sum: f64 = out.iter().sum();
    out.iter_mut().for_each(|a| *a /= sum);
    out
}

/// out += Σ_i x_i a_i, rows of a as long as out.
pub(crate) fn combine(a: &[f64], x: &[f64], out: &mut [f64]) {
    let p = out.len();
    for (i, &x) in x.iter().enumerate() {
        if x != 0.0 {
            dense::add_scaled(x, &a[i * p..(i + 1) * p], out);
        }
    }
}
