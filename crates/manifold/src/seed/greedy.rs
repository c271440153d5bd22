//! Subspaces one after the other, each from rows that the ones before leave over.
//!
//! An atom begins as a subspace: through the origin for points (1), circles (2) and tori (4 dimensions), through a point for
//! lines (1) and patches (d). Candidates are spanned by rows drawn at random (an affine one by differences from one of
//! them); the best few, by Σ min(‖r − Pr‖², ½‖r‖²), are fitted to the rows that they explain, in turns; the best of these is
//! kept and taken out of every row of which it removes more than a quarter of the squares.
//!
//! Cost: candidates × N × p × dimension an atom.

use headwater_base::parallel::Crew;
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::dense::{add_outer, add_scaled, inner};
use headwater_linalg::eigen;

use crate::basis::Topology;
use crate::problem::Problem;
use crate::seed::cumulant;

const CANDIDATES: usize = 96;
/// Candidates that are fitted, and turns of that.
const FITTED: usize = 4;
const TURNS: usize = 4;
/// A row is explained if less than this share of its squares is left.
const EXPLAINED: f64 = 0.5;
/// An atom is taken out of a row if it removes more than this share of its squares.
const REMOVED: f64 = 0.25;

/// A subspace through a point: rows of `axes` are orthonormal.
#[derive(Clone)]
struct Subspace {
    origin: Vec<f64>,
    axes: Vec<Vec<f64>>,
    /// Only the half of it in the direction of its one axis.
    half: bool,
}

impl Subspace {
    /// What is left of a row, into `out`; its square.
    fn leave(&self, row: &[f64], out: &mut Vec<f64>) -> f64 {
        out.clear();
        out.extend(row.iter().zip(&self.origin).map(|(x, o)| x - o));
        for axis in &self.axes {
            let along = inner(axis, out);
            if !(self.half && along < 0.0) {
                add_scaled(-along, axis, out);
            }
        }
        inner(out, out)
    }
}

/// Decoders (functions × p) for the atoms of a problem; another `trial`, other draws. `None` if the crew was stopped.
pub fn greedy(problem: &Problem, seed: u64, trial: u32, crew: Crew) -> Option<Vec<f64>> {
    let p = problem.columns;
    let mut random = Stream::new(seed, Purpose::Start, 1000 + trial);
    let mut rows: Vec<f64> = (0..problem.rows).flat_map(|n| problem.row(n).iter().copied()).collect();
    let mut decoders = vec![0.0; problem.channels * p];
    // Who comes first takes what is largest: where shapes differ, later draws take them in another order.
    let mut order: Vec<usize> = (0..problem.atoms.len()).collect();
    if trial > 0 && problem.atoms.iter().any(|atom| atom.topology != problem.atoms[0].topology) {
        (1..order.len()).rev().for_each(|i| order.swap(i, random.below(i + 1)));
    }
    for atom in order.iter().map(|&k| &problem.atoms[k]) {
        let decoder = &mut decoders[atom.decoder(p)];
        let (dimension, affine) = match atom.topology {
            Topology::Constant => (1, false),
            Topology::Linear => (1, true),
            Topology::Circle { .. } => (2, false),
            Topology::Torus { .. } => (4, false),
            Topology::Patch { dimension } => (dimension, true),
        };
        let half = atom.topology == Topology::Constant;
        let Some(found) = subspace(&rows, p, dimension.min(p), affine, half, &mut random, crew)? else { continue };
        place(atom.topology, &found, &rows, p, decoder);
        if problem.non_negative {
            decoder.iter_mut().for_each(|x| *x = x.max(0.0));
        }
        let mut left = Vec::with_capacity(p);
        for row in rows.chunks_exact_mut(p) {
            let square = inner(row, row);
            if found.leave(row, &mut left) < (1.0 - REMOVED) * square {
                row.copy_from_slice(&left);
            }
        }
    }
    Some(decoders)
}

/// The best subspace; `None` inside where the rows are all but 0.
fn subspace(
    rows: &[f64],
    p: usize,
    dimension: usize,
    affine: bool,
    half: bool,
    random: &mut Stream,
    crew: Crew,
) -> Option<Option<Subspace>> {
    let energy: Vec<f64> = rows.chunks_exact(p).map(|row| inner(row, row)).collect();
    let total: f64 = energy.iter().sum();
    if total <= 0.0 || !total.is_finite() {
        return Some(None);
    }
    let mut running = 0.0;
    let sums: Vec<f64> = energy
        .iter()
        .map(|e| {
            running += e;
            running
        })
        .collect();
    let mut draw = || {
        let to = random.uniform() * running;
        sums.partition_point(|sum| *sum < to).min(sums.len() - 1)
    };
    let drawn: Vec<Vec<usize>> =
        (0..CANDIDATES).map(|_| (0..dimension + usize::from(affine)).map(|_| draw()).collect()).collect();
    let of = |n: usize| &rows[n * p..(n + 1) * p];
    let score = |subspace: &Subspace| -> f64 {
        let mut left = Vec::with_capacity(p);
        rows.chunks_exact(p).zip(&energy).map(|(row, e)| subspace.leave(row, &mut left).min(EXPLAINED * e)).sum()
    };
    let mut candidates: Vec<(f64, Subspace)> = crew.map(CANDIDATES, |at| {
        let mut axes: Vec<Vec<f64>> = Vec::new();
        let origin = if affine { of(drawn[at][0]).to_vec() } else { vec![0.0; p] };
        for &n in &drawn[at][usize::from(affine)..] {
            let mut axis: Vec<f64> = of(n).iter().zip(&origin).map(|(x, o)| x - o).collect();
            let before = inner(&axis, &axis);
            for _ in 0..2 {
                axes.iter().for_each(|other| add_scaled(-inner(other, &axis), other, &mut axis));
            }
            let square = inner(&axis, &axis);
            if square > 1e-12 * before {
                axis.iter_mut().for_each(|x| *x /= square.sqrt());
                axes.push(axis);
            }
        }
        let subspace = Subspace { origin, axes, half };
        (score(&subspace), subspace)
    })?;
    candidates.sort_by(|a, b| a.0.total_cmp(&b.0));
    candidates.truncate(FITTED);
    let fitted = crew.map(candidates.len(), |at| {
        let mut best = candidates[at].clone();
        for _ in 0..TURNS {
            let Some(next) = refit(&best.1, rows, &energy, p, dimension, affine) else { break };
            let next = (score(&next), next);
            if next.0 >= best.0 {
                break;
            }
            best = next;
        }
        best
    })?;
    Some(fitted.into_iter().reduce(|a, b| if b.0 < a.0 { b } else { a }).map(|best| best.1))
}

/// The principal subspace of the rows that one explains.
fn refit(from: &Subspace, rows: &[f64], energy: &[f64], p: usize, dimension: usize, affine: bool) -> Option<Subspace> {
    let mut left = Vec::with_capacity(p);
    let mine: Vec<&[f64]> = rows
        .chunks_exact(p)
        .zip(energy)
        .filter(|(row, e)| from.leave(row, &mut left) < EXPLAINED * **e)
        .map(|(row, _)| row)
        .collect();
    if mine.len() <= dimension {
        return None;
    }
    let mut origin = vec![0.0; p];
    if affine {
        mine.iter().for_each(|row| add_scaled(1.0 / mine.len() as f64, row, &mut origin));
    }
    let mut moments = vec![0.0; p * p];
    for row in &mine {
        let centred: Vec<f64> = row.iter().zip(&origin).map(|(x, o)| x - o).collect();
        add_outer(&mut moments, &centred, &centred);
    }
    let (_, vectors) = eigen::symmetric(p, &moments)?;
    let mut axes: Vec<Vec<f64>> = (0..dimension).map(|r| vectors[(p - 1 - r) * p..(p - r) * p].to_vec()).collect();
    if from.half {
        // Towards the rows.
        let along: f64 = mine.iter().map(|row| inner(row, &axes[0])).sum();
        if along < 0.0 {
            axes[0].iter_mut().for_each(|x| *x = -*x);
        }
    }
    Some(Subspace { origin, axes, half: from.half })
}

/// The decoder of an atom whose curve or surface lies in a subspace and is about as large as the rows that it explains.
fn place(topology: Topology, found: &Subspace, rows: &[f64], p: usize, decoder: &mut [f64]) {
    let mut left = Vec::with_capacity(p);
    let mine: Vec<Vec<f64>> = rows
        .chunks_exact(p)
        .filter(|row| found.leave(row, &mut left) < EXPLAINED * inner(row, row))
        .map(|row| {
            let centred: Vec<f64> = row.iter().zip(&found.origin).map(|(x, o)| x - o).collect();
            found.axes.iter().map(|axis| inner(axis, &centred)).collect()
        })
        .collect();
    let count = mine.len().max(1) as f64;
    let size = |c: usize| (mine.iter().map(|y| y[c] * y[c]).sum::<f64>() / count).sqrt();
    let mut put = |function: usize, scale: f64, axis: &[f64]| {
        add_scaled(scale, axis, &mut decoder[function * p..(function + 1) * p]);
    };
    let root = std::f64::consts::SQRT_2;
    match topology {
        Topology::Constant => put(0, size(0), &found.axes[0]),
        Topology::Linear | Topology::Patch { .. } => {
            put(0, 1.0, &found.origin);
            found.axes.iter().enumerate().for_each(|(c, axis)| put(1 + c, size(c), axis));
        }
        Topology::Circle { .. } => {
            let radius = if found.axes.len() > 1 { (size(0) * size(1)).sqrt() } else { size(0) };
            // sin, cos.
            found.axes.iter().enumerate().for_each(|(c, axis)| put(1 + c, root * radius, axis));
        }
        Topology::Torus { harmonics } => {
            let n = 2 * harmonics + 1;
            let functions = [n, 2 * n, 1, 2];
            // Two circles in four dimensions.
            let flat: Vec<f64> = mine.iter().flatten().copied().collect();
            let q = found.axes.len();
            let circles = cumulant::pair(&flat, q);
            for (at, &function) in functions.iter().enumerate() {
                match circles.get(at) {
                    Some(direction) => {
                        direction.iter().zip(&found.axes).for_each(|(x, axis)| put(function, *x, axis));
                    }
                    None if at < q => put(function, root * size(at), &found.axes[at]),
                    None => {}
                }
            }
        }
    }
}
