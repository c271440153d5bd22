//! The Schur complement of the decoders, by parts that do not touch each other.
//!
//! Atoms that are never active in one row, directly or through others, and have no incoherence pair, share no element of S:
//! each connected set of atoms is a part with a dense matrix of its own (with one active atom a row, each atom is). Where a
//! part would be too large, [`Border::new`] takes every atom for itself and leaves out what couples them: a preconditioner.

use headwater_base::parallel::Crew;
use headwater_linalg::dense::add_scaled;
use headwater_linalg::gemm::{View as Block, multiply};
use headwater_linalg::{cholesky, triangular};

use crate::assembly::{Assembly, Kind};

/// Some decoder elements, ascending, and their matrix: lower triangle, later its factor.
pub(crate) struct Part {
    pub members: Vec<usize>,
    pub matrix: Vec<f64>,
}

/// S by parts.
pub(crate) struct Border {
    /// Part and index in it of every decoder element.
    places: Vec<(u32, u32)>,
    pub parts: Vec<Part>,
    /// Parts are all that there is of S.
    pub whole: bool,
}

/// The connected sets of atoms: the first atom of its set, for each.
fn connected(assembly: &Assembly) -> Vec<usize> {
    let mut first: Vec<usize> = (0..assembly.objective.problem.atoms.len()).collect();
    fn root(first: &mut [usize], mut k: usize) -> usize {
        while first[k] != k {
            first[k] = first[first[k]];
            k = first[k];
        }
        k
    }
    let mut join = |j: usize, k: usize| {
        let (j, k) = (root(&mut first, j), root(&mut first, k));
        let (low, high) = (j.min(k), j.max(k));
        first[high] = low;
    };
    for n in 0..assembly.layout.rows() {
        assembly.layout.support(n).windows(2).for_each(|pair| join(pair[0] as usize, pair[1] as usize));
    }
    assembly.objective.coupling.pairs().iter().for_each(|pair| join(pair.first, pair.second));
    (0..first.len()).map(|k| root(&mut first, k)).collect()
}

impl Border {
    /// Zero, with parts of at most `limit` elements, or one atom each.
    pub fn new(assembly: &Assembly, limit: usize) -> Self {
        let problem = assembly.objective.problem;
        let p = problem.columns;
        let mut sets = connected(assembly);
        let size = |sets: &[usize], of: usize| -> usize {
            problem.atoms.iter().zip(sets).filter(|(_, set)| **set == of).map(|(atom, _)| atom.functions * p).sum()
        };
        let whole = (0..sets.len()).all(|k| sets[k] != k || size(&sets, k) <= limit);
        if !whole {
            sets = (0..sets.len()).collect();
        }
        let (mut places, mut parts) = (vec![(0, 0); problem.channels * p], Vec::<Part>::new());
        let mut part_of = vec![usize::MAX; sets.len()];
        for (atom, &set) in problem.atoms.iter().zip(&sets) {
            if part_of[set] == usize::MAX {
                part_of[set] = parts.len();
                parts.push(Part { members: Vec::new(), matrix: Vec::new() });
            }
            let part = &mut parts[part_of[set]];
            for at in atom.decoder(p) {
                places[at] = (part_of[set] as u32, part.members.len() as u32);
                part.members.push(at);
            }
        }
        for part in &mut parts {
            part.matrix = vec![0.0; part.members.len().pow(2)];
        }
        Self { places, parts, whole }
    }

    /// Element (row, column), row >= column; `None` if it is not kept.
    pub fn element(&mut self, row: usize, column: usize) -> Option<&mut f64> {
        let ((part, i), (other, j)) = (self.places[row], self.places[column]);
        if part != other {
            return None;
        }
        let part = &mut self.parts[part as usize];
        let size = part.members.len();
        Some(&mut part.matrix[i as usize * size + j as usize])
    }

    /// Adds the upper triangle of a block over these elements, ascending.
    pub fn add_block(&mut self, places: &[usize], block: &[f64]) {
        let width = places.len();
        for (i, &column) in places.iter().enumerate() {
            let (own, at) = self.places[column];
            let part = &mut self.parts[own as usize];
            let size = part.members.len();
            for (j, &row) in places.iter().enumerate().skip(i) {
                let (other, index) = self.places[row];
                if other == own {
                    part.matrix[index as usize * size + at as usize] += block[i * width + j];
                }
            }
        }
    }

    /// Adds roughness, ridge and incoherence.
    pub fn add_penalties(&mut self, assembly: &Assembly, kind: Kind) {
        let (objective, p) = (assembly.objective, assembly.objective.problem.columns);
        for (k, atom) in objective.problem.atoms.iter().enumerate() {
            let (m, penalty) = (atom.functions, objective.penalty(k));
            for i in 0..m {
                for j in 0..=i {
                    for o in 0..p {
                        let (row, column) = ((atom.channel + i) * p + o, (atom.channel + j) * p + o);
                        *self.element(row, column).expect("of one atom") += penalty[i * m + j];
                    }
                }
            }
        }
        objective.coupling.scatter(&assembly.decoders, 1.0, kind == Kind::Exact, &mut |row, column, value| {
            if row >= column
                && let Some(element) = self.element(row, column)
            {
                *element += value;
            }
        });
    }

    /// Takes out what is not free, damps and pins; gives σ, the mean of the diagonal.
    pub fn close(&mut self, free: &[bool], damping: &dyn Fn(usize) -> f64, pins: &[Vec<f64>]) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for part in &mut self.parts {
            let size = part.members.len();
            for (i, &at) in part.members.iter().enumerate() {
                part.matrix[i * size + i] += damping(at);
                if free[at] {
                    sum += part.matrix[i * size + i];
                    count += 1;
                } else {
                    part.matrix[i * size..i * size + i].fill(0.0);
                    (i..size).for_each(|j| part.matrix[j * size + i] = 0.0);
                    part.matrix[i * size + i] = 1.0;
                }
            }
        }
        let sigma = (sum / f64::from(count.max(1))).abs().max(f64::MIN_POSITIVE);
        for pin in pins {
            for part in &mut self.parts {
                let own: Vec<f64> = part.members.iter().map(|&at| pin[at]).collect();
                let size = own.len();
                for i in (0..size).filter(|&i| own[i] != 0.0) {
                    add_scaled(sigma * own[i], &own[..=i], &mut part.matrix[i * size..=i * size + i]);
                }
            }
        }
        sigma
    }

    /// Factors every part; false if one is not positive definite, or the crew was stopped.
    pub fn factor(&mut self, crew: Crew) -> bool {
        self.parts
            .iter_mut()
            .all(|part| cholesky::factor_unless(part.members.len(), &mut part.matrix, &|| crew.stopped()))
    }

    /// The logarithms of the factors' diagonals.
    pub fn logs(&self) -> impl Iterator<Item = f64> {
        self.parts.iter().map(|part| {
            let size = part.members.len();
            (0..size).map(|i| part.matrix[i * size + i].ln()).sum()
        })
    }

    /// x ← S⁻¹x by the factors.
    pub fn solve(&self, x: &mut [f64]) {
        for part in &self.parts {
            let mut own: Vec<f64> = part.members.iter().map(|&at| x[at]).collect();
            cholesky::solve(own.len(), &part.matrix, &mut own);
            part.members.iter().zip(own).for_each(|(&at, own)| x[at] = own);
        }
    }

    /// S⁻¹ and L⁻¹ (of S = LLᵀ) of each part, with zeros where not free. Cost: 4n³/3 flop.
    pub fn inverse(&self, free: &[bool]) -> BorderInverse<'_> {
        let mut out = BorderInverse { border: self, inverses: Vec::new(), roots: Vec::new() };
        for part in &self.parts {
            let n = part.members.len();
            let mut upper = vec![0.0; n * n];
            triangular::transpose(n, n, &part.matrix, &mut upper);
            (0..n).for_each(|i| upper[i * n..i * n + i].fill(0.0));
            let mut root = vec![0.0; n * n];
            (0..n).for_each(|i| root[i * n + i] = 1.0);
            triangular::solve_adjoint(n, &upper, &mut root, n);
            let view = Block::new(&root, n, n, n);
            let mut inverse = vec![0.0; n * n];
            multiply(1.0, view.transposed(), view, 0.0, &mut inverse, n);
            for i in (0..n).filter(|&i| !free[part.members[i]]) {
                inverse[i * n..(i + 1) * n].fill(0.0);
                (0..n).for_each(|j| (inverse[j * n + i], root[j * n + i]) = (0.0, 0.0));
            }
            out.inverses.push(inverse);
            out.roots.push(root);
        }
        out
    }
}

/// The inverse of S by parts.
pub(crate) struct BorderInverse<'b> {
    border: &'b Border,
    inverses: Vec<Vec<f64>>,
    roots: Vec<Vec<f64>>,
}

impl BorderInverse<'_> {
    /// Element (row, column) of S⁻¹.
    pub fn element(&self, row: usize, column: usize) -> f64 {
        let ((part, i), (other, j)) = (self.border.places[row], self.border.places[column]);
        let size = self.border.parts[part as usize].members.len();
        if part == other { self.inverses[part as usize][i as usize * size + j as usize] } else { 0.0 }
    }

    /// Calls `with` for vectors v over all decoders with Σ v vᵀ = S⁻¹.
    pub fn roots(&self, mut with: impl FnMut(&[f64])) {
        for (part, root) in self.border.parts.iter().zip(&self.roots) {
            let mut v = vec![0.0; self.border.places.len()];
            for row in root.chunks_exact(part.members.len().max(1)) {
                part.members.iter().zip(row).for_each(|(&at, x)| v[at] = *x);
                with(&v);
            }
        }
    }
}
