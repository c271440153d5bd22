//! What a row's gates and coordinates cost by themselves, with derivatives; nothing here depends on the data.

use crate::ard::Ard;
use crate::entropy::Entropy;
use crate::problem::{AmplitudePrior, Gate, Problem};
use crate::row::Row;
use crate::strengths::{Parameter, Strengths};

/// Where a row's derivatives go: gradient, and the rows of its blocks of B and A.
pub(crate) struct Local<'a> {
    pub gradient: &'a mut [f64],
    pub surrogate: &'a mut [f64],
    pub exact: &'a mut [f64],
}

/// The prior of a coordinate with its place in θ_n.
fn coordinates<'r>(
    problem: &'r Problem,
    strengths: &'r Strengths,
    row: &'r Row<'_>,
) -> impl Iterator<Item = (usize, usize, Ard)> + 'r {
    row.slots.iter().flat_map(move |slot| {
        let atom = &problem.atoms[slot.atom];
        (0..slot.dimension).filter_map(move |axis| {
            let index = atom.coordinate + axis;
            let ard = Ard { strength: strengths.ard[index], period: atom.basis.period(axis) };
            (ard.strength > 0.0).then_some((slot.coordinate + axis, index, ard))
        })
    })
}

/// The energy of a row's priors; adds their derivatives.
pub(crate) fn add(problem: &Problem, strengths: &Strengths, row: &Row, weight: f64, out: Option<Local>) -> f64 {
    let q = row.locals;
    let mut value = 0.0;
    let mut none = (Vec::new(), Vec::new(), Vec::new());
    let wanted = out.is_some();
    let out = out.unwrap_or(Local { gradient: &mut none.0, surrogate: &mut none.1, exact: &mut none.2 });
    let mut diagonal = |a: usize, slope: f64, above: f64, exact: f64| {
        if wanted {
            out.gradient[a] += weight * slope;
            out.surrogate[a * q + a] += weight * above;
            out.exact[a * q + a] += weight * exact;
        }
    };
    match problem.gate {
        Gate::Amplitude(prior) => {
            for (j, slot) in row.slots.iter().enumerate() {
                let (alpha, s) = (strengths.amplitude[slot.atom], row.theta[j]);
                match prior {
                    AmplitudePrior::Normal => {
                        value += 0.5 * alpha * (s - 1.0) * (s - 1.0);
                        diagonal(j, alpha * (s - 1.0), alpha, alpha);
                    }
                    AmplitudePrior::HalfNormal => {
                        value += 0.5 * alpha * s * s;
                        diagonal(j, alpha * s, alpha, alpha);
                    }
                    AmplitudePrior::Exponential => {
                        value += alpha * s;
                        diagonal(j, alpha, 0.0, 0.0);
                    }
                }
            }
        }
        Gate::Unit => {}
        Gate::Softmax { ridge, .. } => {
            for (j, &l) in row.theta[..row.gates].iter().enumerate() {
                value += 0.5 * ridge * l * l;
                diagonal(j, ridge * l, ridge, ridge);
            }
        }
    }
    for (a, _, ard) in coordinates(problem, strengths, row) {
        let (energy, slope, curvature) = ard.jet(row.theta[a]);
        value += energy;
        diagonal(a, slope, ard.majorant(row.theta[a]).0, curvature);
    }
    if let Some(entropy) = entropy(problem, strengths, row) {
        let lambda = strengths.entropy;
        value += lambda * entropy.value();
        for k in 0..row.gates {
            diagonal(k, lambda * entropy.gradient(k), lambda * entropy.majorant(k), 0.0);
        }
        if wanted {
            for k in 0..row.gates {
                for j in 0..row.gates {
                    out.exact[k * q + j] += weight * lambda * entropy.hessian(k, j);
                }
            }
        }
    }
    weight * value
}

fn entropy(problem: &Problem, strengths: &Strengths, row: &Row) -> Option<Entropy> {
    match problem.gate {
        Gate::Softmax { temperature, .. } if strengths.entropy > 0.0 => {
            Some(Entropy::new(&row.theta[..row.gates], temperature))
        }
        _ => None,
    }
}

/// What a strength of a row's priors does, at fixed θ: derivatives by its logarithm.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Response {
    /// Energy and normaliser.
    pub value: f64,
    /// ½tr(P ∂B).
    pub trace: f64,
    /// ⟨x, ∂g⟩.
    pub slope: f64,
}

/// Calls `with(parameter, its response)` for every prior of the row, with the diagonal of P = B⁻¹ and x at the row's locals.
/// Locals that are not free count for their energy only.
pub(crate) fn responses(
    problem: &Problem,
    strengths: &Strengths,
    row: &Row,
    weight: f64,
    free: &[bool],
    inverse: &dyn Fn(usize) -> f64,
    x: &[f64],
    with: &mut dyn FnMut(Parameter, Response),
) {
    let term = |a: usize, value: f64, above: f64, slope: f64| {
        let on = if free[a] { 1.0 } else { 0.0 };
        Response { value, trace: 0.5 * on * above * inverse(a), slope: on * slope * x[a] }
    };
    if let Gate::Amplitude(prior) = problem.gate {
        for (j, slot) in row.slots.iter().enumerate() {
            let (alpha, s) = (strengths.amplitude[slot.atom], row.theta[j]);
            if alpha > 0.0 {
                let response = match prior {
                    AmplitudePrior::Normal => {
                        let off = s - 1.0;
                        term(j, weight * 0.5 * alpha * off * off - 0.5, weight * alpha, weight * alpha * off)
                    }
                    AmplitudePrior::HalfNormal => {
                        term(j, weight * 0.5 * alpha * s * s - 0.5, weight * alpha, weight * alpha * s)
                    }
                    AmplitudePrior::Exponential => term(j, weight * alpha * s - 1.0, 0.0, weight * alpha),
                };
                with(Parameter::Amplitude(slot.atom), response);
            }
        }
    }
    for (a, index, ard) in coordinates(problem, strengths, row) {
        let (energy, slope, _) = ard.jet(row.theta[a]);
        let above = ard.majorant(row.theta[a]).0;
        let value = weight * energy + ard.normaliser().1;
        with(Parameter::Ard(index), term(a, value, weight * above, weight * slope));
    }
    if let Some(entropy) = entropy(problem, strengths, row) {
        let scale = weight * strengths.entropy;
        let mut sum = Response { value: scale * entropy.value(), ..Response::default() };
        for k in 0..row.gates {
            let part = term(k, 0.0, scale * entropy.majorant(k), scale * entropy.gradient(k));
            sum.trace += part.trace;
            sum.slope += part.slope;
        }
        with(Parameter::Entropy, sum);
    }
}

/// The normalisers of a row's priors.
pub(crate) fn normaliser(problem: &Problem, strengths: &Strengths, row: &Row) -> f64 {
    let mut sum: f64 = coordinates(problem, strengths, row).map(|(_, _, ard)| ard.normaliser().0).sum();
    if let Gate::Amplitude(prior) = problem.gate {
        for slot in &row.slots {
            let alpha = strengths.amplitude[slot.atom];
            if alpha > 0.0 {
                sum -= alpha.ln() * if prior == AmplitudePrior::Exponential { 1.0 } else { 0.5 };
            }
        }
    }
    sum
}

/// out += the gradient of Σ_a P_aa B_aa over the priors' part of B, P fixed.
pub(crate) fn add_trace_slope(
    problem: &Problem,
    strengths: &Strengths,
    row: &Row,
    weight: f64,
    inverse: &dyn Fn(usize) -> f64,
    out: &mut [f64],
) {
    for (a, _, ard) in coordinates(problem, strengths, row) {
        out[a] += weight * inverse(a) * ard.majorant(row.theta[a]).1;
    }
    if let Some(entropy) = entropy(problem, strengths, row) {
        for w in 0..row.gates {
            let sum: f64 = (0..row.gates).map(|k| inverse(k) * entropy.majorant_slope(k, w)).sum();
            out[w] += weight * strengths.entropy * sum;
        }
    }
}
