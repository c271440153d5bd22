//! Γ = ∇_θ (ln|B| + 2Σc) and the traces that the criterion's gradient needs, from the blocks of P = B⁻¹ row by row; c is the
//! charge of phases ([`crate::phase`]), whose slope is added to the diagonal of P.
//!
//! With weighted tangents ωJ, loads c and P over a row's locals a, b and functions (i, o):
//! Y_a = Σ_b P_ab ωJ_b + ω Σ_i c_i P_a,(i,·), y_(i,o) = Σ_b P_b,(i,o) (ωJ_b)_o + ω_o Σ_j P_(i,o),(j,o) c_j, and
//! Γ_v = 2[Σ_a⟨∂²_av f, Y_a⟩ + Σ_i c^v_i Σ_o y_(i,o)] + the priors' part, Γ_(i,o) = 2 Σ_n Σ_a c^a_i (Y_a)_o + the incoherence's.
//! Only second derivatives of the basis enter.
//!
//! Cost: a product q × Cp × Cp for every row, and the inverse of the Schur complement.

use std::collections::BTreeMap;

use headwater_base::parallel::Crew;
use headwater_linalg::dense::{add_scaled, inner};
use headwater_linalg::gemm::{View as Block, multiply};

use crate::arrow::Arrow;
use crate::assembly::{Assembly, Kind};
use crate::border::BorderInverse;
use crate::phase::{charge, phases};
use crate::priors;
use crate::row::Row;
use crate::state::State;

/// What the spread of θ under B does.
pub(crate) struct Spread {
    /// Γ, 0 where not free.
    pub slope: Vec<f64>,
    /// The diagonal of P over the locals, charges included; 0 where not free.
    pub inverse: Vec<f64>,
    /// tr(P B_data), charges included.
    pub data_trace: f64,
    /// Σ_o P_(i,o),(j,o) of the functions i, j of each atom, M × M.
    pub traces: Vec<Vec<f64>>,
}

/// Rows of one support that are treated together.
const SEGMENT: usize = 64;

struct Part {
    /// (first local, Γ, diagonal of P) of each row.
    rows: Vec<(usize, Vec<f64>, Vec<f64>)>,
    decoders: Vec<f64>,
    trace: f64,
}

/// `None` if the crew was stopped.
pub(crate) fn spread(assembly: &Assembly, state: &State, factor: &Arrow, free: &[bool], crew: Crew) -> Option<Spread> {
    let (layout, objective) = (&assembly.layout, assembly.objective);
    let problem = objective.problem;
    let (p, beta) = (problem.columns, layout.beta());
    let inverse = factor.border_inverse();
    let mut groups: BTreeMap<&[u32], Vec<usize>> = BTreeMap::new();
    (0..layout.rows()).for_each(|n| groups.entry(layout.support(n)).or_default().push(n));
    groups.remove(&[][..]);
    let segments: Vec<&[usize]> = groups.values().flat_map(|group| group.chunks(SEGMENT)).collect();
    // c(κ) is a function of B's diagonal: its slope joins that of ½ ln|B|, which is ½P.
    let mut charges = vec![0.0; beta];
    phases(assembly, free, |at, curvature, period| charges[at] = 2.0 * charge(curvature, period).1);
    let parts =
        crew.map(segments.len(), |index| segment(assembly, state, factor, free, &inverse, &charges, segments[index]))?;
    let mut out = Spread {
        slope: vec![0.0; assembly.len()],
        inverse: vec![0.0; beta],
        data_trace: parts.iter().map(|part| part.trace).sum(),
        traces: Vec::new(),
    };
    for part in parts {
        for (first, slope, diagonal) in part.rows {
            out.slope[first..first + slope.len()].copy_from_slice(&slope);
            out.inverse[first..first + slope.len()].copy_from_slice(&diagonal);
        }
        add_scaled(1.0, &part.decoders, &mut out.slope[beta..]);
    }
    if !objective.coupling.is_empty() {
        inverse.roots(|v| objective.coupling.majorizer_slope(&assembly.decoders, v, &mut out.slope[beta..]));
    }
    out.slope.iter_mut().zip(free).filter(|(_, free)| !**free).for_each(|(x, _)| *x = 0.0);
    for atom in &problem.atoms {
        let (m, first) = (atom.functions, atom.channel * p);
        let trace =
            |i: usize, j: usize| -> f64 { (0..p).map(|o| inverse.element(first + i * p + o, first + j * p + o)).sum() };
        out.traces.push((0..m * m).map(|at| trace(at / m, at % m)).collect());
    }
    Some(out)
}

fn segment(
    assembly: &Assembly,
    state: &State,
    factor: &Arrow,
    free: &[bool],
    inverse: &BorderInverse,
    charges: &[f64],
    rows: &[usize],
) -> Part {
    let (layout, objective) = (&assembly.layout, assembly.objective);
    let (p, border) = (objective.problem.columns, assembly.decoders.len());
    let first = assembly.view(rows[0]);
    let (q, c) = (first.q, first.loads.len());
    let width = c * p;
    let places: Vec<usize> = first.blocks.iter().flat_map(|&(_, all, m)| all * p..(all + m) * p).collect();
    // P over the functions of these rows.
    let mut corner = vec![0.0; width * width];
    for (i, &row) in places.iter().enumerate() {
        for (j, &column) in places.iter().enumerate() {
            corner[i * width + j] = inverse.element(row, column);
        }
    }
    let mut part = Part { rows: Vec::new(), decoders: vec![0.0; border], trace: 0.0 };
    let mut row = Row::new(objective.problem);
    let (mut g, mut cross) = (vec![0.0; q * width], vec![0.0; q * width]);
    for &n in rows {
        let (view, locals) = (assembly.view(n), layout.locals(n));
        let moving = &free[locals.clone()];
        row.load(state, n);
        row.residual(n, objective.strengths.noise);
        row.differentiate();
        // G = H⁻¹E, and P_n,β = −G P_ββ.
        view.border_block(Kind::Surrogate, &mut g);
        (0..q).filter(|&a| !moving[a]).for_each(|a| g[a * width..(a + 1) * width].fill(0.0));
        solve_rows(q, factor.row_factor(n), &mut g, width);
        multiply(
            -1.0,
            Block::new(&g, q, width, width),
            Block::new(&corner, width, width, width),
            0.0,
            &mut cross,
            width,
        );
        let mut local = vec![0.0; q * q];
        (0..q).filter(|&a| moving[a]).for_each(|a| local[a * q + a] = 1.0);
        solve_rows(q, factor.row_factor(n), &mut local, q);
        for a in 0..q {
            for b in 0..q {
                let (x, y) = (&cross[a * width..(a + 1) * width], &g[b * width..(b + 1) * width]);
                local[a * q + b] -= inner(x, y);
            }
        }
        for a in 0..q {
            local[a * q + a] += charges[locals.start + a];
        }
        let mut slope = vec![0.0; q];
        part.trace += contract(&row, &view, &corner, &cross, &local, &places, &mut slope, &mut part.decoders);
        let diagonal: Vec<f64> = (0..q).map(|a| local[a * q + a]).collect();
        let (weight, at) = (objective.problem.prior_weight(n), |a: usize| diagonal[a]);
        priors::add_trace_slope(objective.problem, &objective.strengths, &row, weight, &at, &mut slope);
        part.rows.push((locals.start, slope, diagonal));
    }
    part
}

/// The data's part of Γ; returns the row's tr(P B_data).
fn contract(
    row: &Row,
    view: &crate::assembly::View,
    corner: &[f64],
    cross: &[f64],
    local: &[f64],
    places: &[usize],
    slope: &mut [f64],
    decoders: &mut [f64],
) -> f64 {
    let (q, p, c) = (view.q, view.p, view.loads.len());
    let width = c * p;
    let mut trace = 0.0;
    let (mut image, mut second, mut y) = (Vec::new(), vec![0.0; q], vec![0.0; p]);
    for a in 0..q {
        y.fill(0.0);
        for i in 0..c {
            add_scaled(view.loads[i], &cross[a * width + i * p..a * width + (i + 1) * p], &mut y);
        }
        y.iter_mut().zip(view.weights).for_each(|(y, w)| *y *= w);
        for b in 0..q {
            add_scaled(local[a * q + b], &view.tangents[b * p..(b + 1) * p], &mut y);
        }
        trace += inner(&row.tangents[a * p..(a + 1) * p], &y);
        row.decode(&y, &mut image);
        row.second(&row.project(&image), a, &mut second);
        add_scaled(2.0, &second, slope);
        for i in 0..c {
            let factor = 2.0 * view.load_slopes[a * c + i];
            if factor != 0.0 {
                add_scaled(factor, &y, &mut decoders[places[i * p]..places[i * p] + p]);
            }
        }
    }
    for i in 0..c {
        let mut sum = 0.0;
        for o in 0..p {
            let at = i * p + o;
            let through: f64 = (0..c).map(|j| corner[at * width + j * p + o] * view.loads[j]).sum();
            let across: f64 = (0..q).map(|b| cross[b * width + at] * view.tangents[b * p + o]).sum();
            sum += view.weights[o] * through + across;
        }
        trace += view.loads[i] * sum;
        (0..q).for_each(|v| slope[v] += 2.0 * view.load_slopes[v * c + i] * sum);
    }
    trace
}

/// X ← (LLᵀ)⁻¹X.
fn solve_rows(q: usize, l: &[f64], x: &mut [f64], width: usize) {
    for a in 0..q {
        let (above, row) = x.split_at_mut(a * width);
        let row = &mut row[..width];
        (0..a).for_each(|b| add_scaled(-l[a * q + b], &above[b * width..(b + 1) * width], row));
        row.iter_mut().for_each(|x| *x /= l[a * q + a]);
    }
    for a in (0..q).rev() {
        let (above, below) = x.split_at_mut((a + 1) * width);
        let row = &mut above[a * width..];
        for b in a + 1..q {
            let from = &below[(b - a - 1) * width..(b - a) * width];
            add_scaled(-l[b * q + a], from, row);
        }
        row.iter_mut().for_each(|x| *x /= l[a * q + a]);
    }
}
