//! Decoders by least squares on given codes: the minimum of L over β with the locals fixed (without incoherence).
//!
//! (Σ_n ω_no/φ c_n c_nᵀ + λ₁S + λ₂I) β_o = Σ_n ω_no/φ z_no c_n for every column o, c_n the loads of the row's active functions.
//! One factor serves all columns where a row's cells have equal weights. Bounded decoders are projected minima of the same
//! systems. Cost: N(sM)² + (KM)³/3 + p(KM)², the last two p times where weights differ.

use headwater_base::parallel::Crew;
use headwater_linalg::{LANES, cholesky, dense, nnls, packed, packed_len};

use crate::objective::Objective;
use crate::row::Row;
use crate::state::State;

/// Sums over rows are taken by so many chunks.
const CHUNKS: usize = 8;

/// The decoders; `None` if the crew was stopped, or the codes do not determine them.
pub(super) fn least_squares(objective: &Objective, state: &State, crew: Crew) -> Option<Vec<f64>> {
    let problem = objective.problem;
    let (p, size) = (problem.columns, problem.channels);
    let even = problem.even();
    let loads = loads(objective, state);
    let mut out = vec![0.0; size * p];
    let columns = |o: usize| if even { None } else { Some(o) };
    let systems = if even { 1 } else { p };
    for system in 0..systems {
        let (normal, right) = equations(objective, &loads, columns(system), crew)?;
        let range = if even { 0..p } else { system..system + 1 };
        let width = range.len();
        if problem.non_negative {
            bounded(size, &normal, &right, width, range.start, p, &mut out);
            continue;
        }
        let mut factor = normal;
        if !cholesky::factor(size, &mut factor) {
            return None;
        }
        let solved = crew.map(width, |at| {
            let mut x: Vec<f64> = (0..size).map(|i| right[i * width + at]).collect();
            cholesky::solve(size, &factor, &mut x);
            x
        })?;
        for (at, x) in solved.iter().enumerate() {
            (0..size).for_each(|i| out[i * p + range.start + at] = x[i]);
        }
    }
    Some(out)
}

/// (function, load) of each row.
fn loads(objective: &Objective, state: &State) -> Vec<Vec<(u32, f64)>> {
    let problem = objective.problem;
    let mut row = Row::new(problem);
    (0..problem.rows)
        .map(|n| {
            row.load(state, n);
            let mut out = Vec::with_capacity(row.channels);
            for slot in &row.slots {
                let first = problem.atoms[slot.atom].channel;
                out.extend((0..slot.functions).map(|m| ((first + m) as u32, row.loads[slot.channel + m])));
            }
            out
        })
        .collect()
}

/// Normal matrix, and right-hand sides (one a column, or that of `column` alone).
fn equations(
    objective: &Objective,
    loads: &[Vec<(u32, f64)>],
    column: Option<usize>,
    crew: Crew,
) -> Option<(Vec<f64>, Vec<f64>)> {
    let problem = objective.problem;
    let (p, size, noise) = (problem.columns, problem.channels, objective.strengths.noise);
    let width = if column.is_some() { 1 } else { p };
    let length = problem.rows.div_ceil(CHUNKS);
    let parts = crew.map(CHUNKS, |chunk| {
        let (mut normal, mut right) = (vec![0.0; size * size], vec![0.0; size * width]);
        let mut weights = vec![0.0; p];
        for n in chunk * length..problem.rows.min((chunk + 1) * length) {
            problem.cell_weights(n, &mut weights);
            let z = problem.row(n);
            let weight = weights[column.unwrap_or(0)] / noise;
            for &(i, c) in &loads[n] {
                let row = &mut normal[i as usize * size..(i as usize + 1) * size];
                loads[n].iter().for_each(|&(j, d)| row[j as usize] += weight * c * d);
                let to = &mut right[i as usize * width..(i as usize + 1) * width];
                match column {
                    Some(o) => to[0] += weight * c * z[o],
                    None => dense::add_scaled(weight * c, z, to),
                }
            }
        }
        (normal, right)
    })?;
    let (mut normal, mut right) = (vec![0.0; size * size], vec![0.0; size * width]);
    for (a, b) in &parts {
        normal.iter_mut().zip(a).for_each(|(s, x)| *s += x);
        right.iter_mut().zip(b).for_each(|(s, x)| *s += x);
    }
    for (k, atom) in problem.atoms.iter().enumerate() {
        let (m, penalty) = (atom.functions, objective.penalty(k));
        for i in 0..m {
            for j in 0..m {
                normal[(atom.channel + i) * size + atom.channel + j] += penalty[i * m + j];
            }
        }
    }
    Some((normal, right))
}

/// The same with β >= 0.
fn bounded(size: usize, normal: &[f64], right: &[f64], width: usize, first: usize, p: usize, out: &mut [f64]) {
    let mut lanes = vec![0.0; packed_len(size) * LANES];
    for i in 0..size {
        for j in 0..=i {
            lanes[packed(i, j) * LANES..][..LANES].fill(normal[i * size + j]);
        }
    }
    let mut scratch = nnls::Scratch::new(size);
    let (mut b, mut x, mut passive) = (vec![0.0; size * LANES], vec![0.0; size * LANES], vec![1.0; size * LANES]);
    for group in (0..width).step_by(LANES) {
        for i in 0..size {
            for lane in 0..LANES {
                b[i * LANES + lane] = right[i * width + (group + lane).min(width - 1)];
            }
        }
        passive.fill(1.0);
        nnls::solve(size, &lanes, &b, true, &mut passive, &mut x, &mut scratch);
        for lane in 0..LANES.min(width - group) {
            (0..size).for_each(|i| out[i * p + first + group + lane] = x[i * LANES + lane]);
        }
    }
}
