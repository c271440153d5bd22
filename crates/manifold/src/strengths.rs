//! The hyperparameters: noise variance and strengths of the priors, and their logarithms ρ as one vector.

use headwater_base::Error;

use crate::problem::{Gate, Problem};

/// Noise variance and strengths of the priors. A strength of 0 turns a prior off.
#[derive(Clone, Debug, PartialEq)]
pub struct Strengths {
    /// φ > 0, the noise variance of a cell of weight 1: the data term is Σ ω(f − z)²/2φ.
    pub noise: f64,
    /// λ_s of the gates' entropy (softmax).
    pub entropy: f64,
    /// α of each atom's amplitudes.
    pub amplitude: Vec<f64>,
    /// λ₁ of each atom: ½λ₁⟨B, SB⟩.
    pub roughness: Vec<f64>,
    /// λ₂ of each atom: ½λ₂‖B‖².
    pub ridge: Vec<f64>,
    /// α of each coordinate of all atoms.
    pub ard: Vec<f64>,
}

/// One hyperparameter; ρ is its logarithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// The noise variance.
    Noise,
    /// The strength of the entropy. Learning it by evidence is not recommended: its prior is not proper.
    Entropy,
    /// The strength on the amplitudes of an atom.
    Amplitude(usize),
    /// The strength on the roughness of an atom.
    Roughness(usize),
    /// The strength on the size of an atom's decoder.
    Ridge(usize),
    /// The strength on a coordinate, counted over all atoms.
    Ard(usize),
}

impl Strengths {
    /// Proper priors of unit strength, with noise variance `noise`: amplitudes (where there are any), decoders, and the
    /// coordinates that are not periodic. A phase has no preferred place and gets none.
    pub fn unit(problem: &Problem, noise: f64) -> Self {
        let atoms = problem.atoms.len();
        let amplitude = if matches!(problem.gate, Gate::Amplitude(_)) { 1.0 } else { 0.0 };
        let axes = problem.atoms.iter().flat_map(|atom| (0..atom.dimension).map(|axis| atom.basis.period(axis)));
        Self {
            noise,
            entropy: 0.0,
            amplitude: vec![amplitude; atoms],
            roughness: vec![1.0; atoms],
            ridge: vec![1.0; atoms],
            ard: axes.map(|period| if period.is_none() { 1.0 } else { 0.0 }).collect(),
        }
    }

    /// No prior at all, noise variance 1: weighted least squares.
    pub fn none(problem: &Problem) -> Self {
        let zeros = vec![0.0; problem.atoms.len()];
        Self {
            noise: 1.0,
            entropy: 0.0,
            amplitude: zeros.clone(),
            roughness: zeros.clone(),
            ridge: zeros,
            ard: vec![0.0; problem.coordinates],
        }
    }

    /// The value of a hyperparameter.
    pub fn get(&self, parameter: Parameter) -> f64 {
        match parameter {
            Parameter::Noise => self.noise,
            Parameter::Entropy => self.entropy,
            Parameter::Amplitude(k) => self.amplitude[k],
            Parameter::Roughness(k) => self.roughness[k],
            Parameter::Ridge(k) => self.ridge[k],
            Parameter::Ard(j) => self.ard[j],
        }
    }

    fn set(&mut self, parameter: Parameter, value: f64) {
        *match parameter {
            Parameter::Noise => &mut self.noise,
            Parameter::Entropy => &mut self.entropy,
            Parameter::Amplitude(k) => &mut self.amplitude[k],
            Parameter::Roughness(k) => &mut self.roughness[k],
            Parameter::Ridge(k) => &mut self.ridge[k],
            Parameter::Ard(j) => &mut self.ard[j],
        } = value;
    }

    /// ρ of these hyperparameters.
    pub fn logarithms(&self, parameters: &[Parameter]) -> Vec<f64> {
        parameters.iter().map(|&parameter| self.get(parameter).ln()).collect()
    }

    /// The same, with these hyperparameters at exp ρ.
    #[must_use]
    pub fn with_logarithms(&self, parameters: &[Parameter], rho: &[f64]) -> Self {
        let mut out = self.clone();
        for (&parameter, rho) in parameters.iter().zip(rho) {
            out.set(parameter, rho.clamp(-700.0, 700.0).exp());
        }
        out
    }

    /// What evidence can choose: the noise and every prior that is on, roughness where there is any; not the entropy. Not the
    /// amplitudes either: without incoherence, amplitudes c times as large and decoders c times as small, with α/c² (α/c if
    /// exponential) and λ₁c², λ₂c², have the same criterion, so that one of them is a choice of unit.
    pub fn learnable(&self, problem: &Problem) -> Vec<Parameter> {
        let mut out = vec![Parameter::Noise];
        for (k, atom) in problem.atoms.iter().enumerate() {
            let rough = self.roughness[k] > 0.0 && atom.roughness.iter().any(|s| *s != 0.0);
            let of_atom = [(rough, Parameter::Roughness(k)), (self.ridge[k] > 0.0, Parameter::Ridge(k))];
            out.extend(of_atom.into_iter().filter(|(on, _)| *on).map(|(_, parameter)| parameter));
        }
        out.extend((0..self.ard.len()).filter(|&j| self.ard[j] > 0.0).map(Parameter::Ard));
        out
    }

    /// Refuses what leaves the minimum at infinity.
    ///
    /// Errors: `shape-mismatch`; `option-out-of-range` for strengths that are negative or not finite, and a noise that is
    /// not above 0; `prior-not-proper` where a scale is not bounded: amplitudes and decoder of an atom must both have a
    /// prior, or neither; coordinates that are not periodic, and roughness alone, need one.
    pub fn check(&self, problem: &Problem) -> Result<(), Error> {
        let atoms = problem.atoms.len();
        let lists = [
            ("amplitude", &self.amplitude, atoms),
            ("roughness", &self.roughness, atoms),
            ("ridge", &self.ridge, atoms),
            ("ard", &self.ard, problem.coordinates),
        ];
        for (name, list, length) in lists {
            if list.len() != length {
                let message = format!("{name} has {} strengths, {length} are needed", list.len());
                return Err(Error::new("shape-mismatch", message));
            }
            if let Some(k) = list.iter().position(|x| !(*x >= 0.0 && x.is_finite())) {
                let message = format!("{name}[{k}] is {}; allowed are finite numbers from 0", list[k]);
                return Err(Error::new("option-out-of-range", message));
            }
        }
        if !(self.noise > 0.0 && self.noise.is_finite() && self.entropy >= 0.0 && self.entropy.is_finite()) {
            let message = format!(
                "noise is {} and entropy {}; allowed are finite numbers, the noise above 0",
                self.noise, self.entropy
            );
            return Err(Error::new("option-out-of-range", message));
        }
        let improper = |k: usize, what: &str| {
            let name = problem.atoms[k].topology.name();
            Err(Error::new("prior-not-proper", format!("atom {k} ({name}): {what}")).at(k, 0))
        };
        let amplitudes = matches!(problem.gate, Gate::Amplitude(_));
        for (k, atom) in problem.atoms.iter().enumerate() {
            let decoder = atom.penalty_factor(self.roughness[k], self.ridge[k]).is_some();
            let partly = self.roughness[k] > 0.0 && atom.roughness.iter().any(|s| *s != 0.0);
            if amplitudes && (self.amplitude[k] > 0.0) != decoder || partly && !decoder {
                return improper(
                    k,
                    "amplitudes and decoder need a prior each (amplitude and ridge above 0), or neither",
                );
            }
            for axis in 0..atom.dimension {
                if atom.basis.period(axis).is_none() && (self.ard[atom.coordinate + axis] == 0.0 || !decoder) {
                    return improper(k, "a coordinate that is not periodic needs ard above 0, and its decoder a ridge");
                }
            }
        }
        Ok(())
    }
}
