//! Which atoms are on in a row, how much of them, and where: the minimum of the row's energy for given decoders.
//!
//! E = ½Σ_o ω_o(z_o − f_o)²/φ + priors of the row's locals, over supports of at most `active` atoms. One atom alone is found
//! with proof where it is a point, a line, a parabola, a circle or
//! a surface in two coordinates ([`place`], [`search`]). More are found by a beam: the best supports so far,
//! each with every further atom at its own best place in what they leave, then all of a support's atoms placed again in turns,
//! and in the end moved together by Newton's method. With a beam as wide as there are atoms, all pairs are tried. Turns may end
//! in a minimum that is not the least; the best supports are therefore tried from other places too
//! ([`CodingSettings::thorough`]). An atom that does not lower the energy is not taken.
//!
//! Products of decoders with rows and with one another are all that a search needs: cost per row M·p·K for the former, and
//! about beam × active × K searches of some microseconds each, where the kernel's time goes.

mod ascent;
mod coder;
mod place;
mod power;
mod rows;
mod search;
mod surface;
mod trig;

use headwater_base::parallel::Crew;
use headwater_linalg::dense::{add_scaled, inner};

use crate::local::{relax, relax_some};
use crate::objective::{Objective, chunk};
use crate::problem::{Gate, Problem};
use crate::state::State;
use coder::Coder;
pub(crate) use coder::RowCode;
use place::Finder;
pub(crate) use rows::{code_of, refreshed, state as state_of, without_idle};

/// How rows are coded.
#[derive(Clone, Copy, Debug)]
pub struct CodingSettings {
    /// Most atoms of a row (amplitude and unit gates).
    pub active: usize,
    /// Supports that are followed at once; 8.
    pub beam: usize,
    /// Whether places are proved to be the best, and the atoms of the best supports are also placed from elsewhere: where
    /// several are on, turns end in a minimum that need not be the least. Without it a place on a circle is the one
    /// uphill of the best of a grid's nodes, which is hardly ever another one and takes half of the time.
    pub thorough: bool,
}

/// Where all products of decoders with each other are kept: 32 MB.
const SHARED: usize = 2000;

/// Codes of rows.
#[derive(Clone, Debug)]
pub struct Coded {
    /// The codes, with the decoders they belong to.
    pub state: State,
    /// Rows where a place may not be the best one beside the row's other atoms: what is asked of [`CodingSettings::thorough`]
    /// was too much (a surface of many functions or a ridge), was not asked for, or all atoms share the row (softmax gates).
    pub open: usize,
}

/// Codes of all rows of the objective's problem by these decoders. `None` if the crew was stopped.
pub fn code(objective: &Objective, decoders: &[f64], settings: CodingSettings, crew: Crew) -> Option<Coded> {
    if let Gate::Softmax { temperature, .. } = objective.problem.gate {
        let open = if objective.problem.coordinates > 0 { objective.problem.rows } else { 0 };
        return Some(Coded { state: shares(objective, decoders, temperature, crew)?, open });
    }
    let tables = Tables::new(objective, decoders);
    let problem = objective.problem;
    let size = chunk(problem.rows);
    let parts = crew.map(problem.rows.div_ceil(size), |index| {
        let mut coder = Coder::new(&tables, settings);
        (index * size..problem.rows.min((index + 1) * size)).map(|n| coder.row(n)).collect::<Vec<_>>()
    })?;
    let rows: Vec<_> = parts.into_iter().flatten().collect();
    let open = rows.iter().filter(|row| !row.certain).count();
    let state = rows::state(problem, rows.into_iter(), decoders);
    Some(Coded { state: without_idle(problem, relax(objective, &state, crew)?), open })
}

/// The same for some rows alone (amplitude and unit gates), with these decoders; the others keep their codes.
pub(crate) fn code_some(
    objective: &Objective,
    state: &State,
    decoders: &[f64],
    which: &[usize],
    settings: CodingSettings,
    crew: Crew,
) -> Option<State> {
    let tables = Tables::new(objective, decoders);
    let problem = objective.problem;
    let size = chunk(which.len());
    let parts = crew.map(which.len().div_ceil(size), |index| {
        let mut coder = Coder::new(&tables, settings);
        which[index * size..which.len().min((index + 1) * size)].iter().map(|&n| coder.row(n)).collect::<Vec<_>>()
    })?;
    let mut marked = vec![false; problem.rows];
    which.iter().for_each(|&n| marked[n] = true);
    let mut fresh = parts.into_iter().flatten();
    let rows =
        (0..problem.rows).map(|n| if marked[n] { fresh.next().expect("one each") } else { rows::code_of(state, n) });
    let state = rows::state(problem, rows, decoders);
    Some(without_idle(problem, relax_some(objective, &state, &marked, crew)?))
}

/// Softmax gates: every atom is in every row; from each of them in the lead, and from equal shares, the lowest end.
fn shares(objective: &Objective, decoders: &[f64], temperature: f64, crew: Crew) -> Option<State> {
    let problem = objective.problem;
    let (atoms, size) = (problem.atoms.len(), chunk(problem.rows));
    let tables = Tables::new(objective, decoders);
    let mut best: Option<State> = None;
    for lead in 0..=atoms {
        // Logits with the last one 0: an atom in the lead is 3τ ahead.
        let mut logits: Vec<f64> = (0..atoms - 1).map(|k| if k == lead { 3.0 * temperature } else { 0.0 }).collect();
        if lead + 1 == atoms {
            logits.fill(-3.0 * temperature);
        }
        let powers: Vec<f64> = logits.iter().chain(&[0.0]).map(|l| (l / temperature).exp()).collect();
        let amounts: Vec<f64> = powers.iter().map(|a| a / powers.iter().sum::<f64>()).collect();
        let parts = crew.map(problem.rows.div_ceil(size), |index| {
            let mut coder = Coder::new(&tables, CodingSettings { active: atoms, beam: 1, thorough: false });
            let rows = index * size..problem.rows.min((index + 1) * size);
            rows.map(|n| coder.together(n, &amounts, &logits)).collect::<Vec<_>>()
        })?;
        let state = rows::state(problem, parts.into_iter().flatten(), decoders);
        let state = relax(objective, &state, crew)?;
        best = Some(match best {
            None => state,
            Some(best) => refreshed(objective, &best, &state, 0.0, crew)?.state,
        });
    }
    best
}

/// What all rows share.
struct Tables<'a> {
    objective: &'a Objective<'a>,
    decoders: &'a [f64],
    finders: Vec<Finder<'a>>,
    /// BBᵀ over all functions, where that is small enough.
    grams: Option<Vec<f64>>,
}

impl<'a> Tables<'a> {
    fn new(objective: &'a Objective<'a>, decoders: &'a [f64]) -> Self {
        let problem = objective.problem;
        let (channels, p) = (problem.channels, problem.columns);
        let finders = problem.atoms.iter().map(|atom| Finder::new(atom, &objective.strengths.ard)).collect();
        let grams = (problem.even() && channels <= SHARED).then(|| {
            let mut grams = vec![0.0; channels * channels];
            for i in 0..channels {
                for j in 0..=i {
                    let value = inner(&decoders[i * p..(i + 1) * p], &decoders[j * p..(j + 1) * p]);
                    (grams[i * channels + j], grams[j * channels + i]) = (value, value);
                }
            }
            grams
        });
        Self { objective, decoders, finders, grams }
    }
}

/// Σ_k a_k m_k(t_k) of every row of a state, rows × p.
pub fn fitted(problem: &Problem, state: &State) -> Vec<f64> {
    let p = problem.columns;
    let mut out = vec![0.0; problem.rows * p];
    let mut row = crate::row::Row::new(problem);
    for (n, out) in out.chunks_exact_mut(p).enumerate() {
        row.load(state, n);
        for (load, decoder) in row.loads.iter().zip(row.decoders.chunks_exact(p)) {
            add_scaled(*load, decoder, out);
        }
    }
    out
}
