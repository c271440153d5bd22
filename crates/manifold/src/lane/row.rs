//! One row's support and codes, given a few atoms that may be in it.
//!
//! For a support S the codes minimise F_n = ½‖x − D_Sᵀc‖² + ½λ‖c‖² (c >= 0 where asked): (G + λ)c = b with G = D_S D_Sᵀ, b = D_S x, and
//! F_n = ½‖x‖² − gain, gain = ½ bᵀc. Three moves, each kept only if the gain rises:
//! pick: the atom with the largest score for the residual is added;
//! exchange: eight atoms are added on trial, one an SIMD lane; of S and the new one, i is left out for which
//! ½ c_iᵀ[(M⁻¹)_ii]⁻¹c_i, M = G + λ, which is what leaving it out costs, is least; the best of the eight is solved for exactly.
//! What bounds it: fetching decoders, (s + 8) rows of p numbers an exchange.

use headwater_linalg::dense::{add_scaled, inner};
use headwater_linalg::nnls::{self, Scratch};
use headwater_linalg::{LANES, packed, packed_len};

use crate::lane::dictionary::NONE;
use crate::lane::search::Atoms;

/// A gain counts as risen above this share of it: less is rounding.
const RISE: f64 = 1e-12;
/// Scores up to this are rounding: (1e-13)² for data whose largest value is near 1.
const NOTHING: f32 = 1e-26;

/// Works on one row after another.
pub(super) struct RowCoder<'a> {
    atoms: &'a Atoms<'a>,
    active: usize,
    bounded: bool,
    ridge: f64,
    /// The row, and what is left of it.
    row: Vec<f64>,
    pub residual: Vec<f32>,
    pub support: Vec<u32>,
    /// width numbers for each atom of the support.
    pub values: Vec<f64>,
    /// ½ bᵀc.
    pub gain: f64,
    /// G of the support, rows `stride` apart, and b.
    gram: Vec<f64>,
    products: Vec<f64>,
    stride: usize,
    /// Systems of eight lanes.
    system: Vec<f64>,
    right: Vec<f64>,
    passive: Vec<f64>,
    solution: Vec<f64>,
    inverse: Vec<f64>,
    scratch: Vec<Option<Scratch>>,
}

impl<'a> RowCoder<'a> {
    pub(super) fn new(atoms: &'a Atoms<'a>, active: usize) -> Self {
        let stride = (active + 1) * atoms.width;
        let lanes = || vec![0.0; stride * LANES];
        Self {
            atoms,
            active,
            bounded: atoms.dictionary.non_negative && atoms.width == 1,
            ridge: atoms.dictionary.ridge,
            row: Vec::new(),
            residual: vec![0.0; atoms.columns],
            support: Vec::new(),
            values: Vec::new(),
            gain: 0.0,
            gram: vec![0.0; stride * stride],
            products: vec![0.0; stride],
            stride,
            system: vec![0.0; packed_len(stride) * LANES],
            right: lanes(),
            passive: lanes(),
            solution: lanes(),
            inverse: vec![0.0; packed_len(stride) * LANES],
            scratch: (0..=stride).map(|_| None).collect(),
        }
    }

    /// Begins with a row (offset taken off) and a support, whose codes are solved for.
    pub(super) fn load(&mut self, row: &[f64], support: &[u32]) {
        self.row.clear();
        self.row.extend_from_slice(row);
        self.support.clear();
        for &atom in support.iter().filter(|&&atom| atom != NONE) {
            self.push(atom);
        }
        self.refit();
    }

    /// Loss F_n of what is there, from the residual itself.
    pub(super) fn loss(&self) -> f64 {
        let mut left = self.row.clone();
        self.take_off(&mut left);
        0.5 * inner(&left, &left) + 0.5 * self.ridge * self.values.iter().map(|c| c * c).sum::<f64>()
    }

    fn take_off(&self, row: &mut [f64]) {
        let (p, w) = (self.atoms.columns, self.atoms.width);
        for (&atom, value) in self.support.iter().zip(self.values.chunks_exact(w)) {
            let rows = self.atoms.rows(atom).chunks_exact(p);
            rows.zip(value).for_each(|(d, c)| add_scaled(-c, d, row));
        }
    }

    /// Adds an atom to the support, without a code yet.
    fn push(&mut self, atom: u32) {
        let (p, w, n) = (self.atoms.columns, self.atoms.width, self.support.len() * self.atoms.width);
        let rows = self.atoms.rows(atom);
        for (u, d) in rows.chunks_exact(p).enumerate() {
            self.products[n + u] = inner(d, &self.row);
            for (i, &other) in self.support.iter().enumerate() {
                for (v, e) in self.atoms.rows(other).chunks_exact(p).enumerate() {
                    let g = inner(d, e);
                    self.gram[(n + u) * self.stride + i * w + v] = g;
                    self.gram[(i * w + v) * self.stride + n + u] = g;
                }
            }
            for v in 0..w {
                self.gram[(n + u) * self.stride + n + v] = if u == v { 1.0 } else { 0.0 };
            }
        }
        self.support.push(atom);
    }

    /// Takes atom `at` out of the support.
    fn remove(&mut self, at: usize) {
        let (w, n) = (self.atoms.width, self.support.len() * self.atoms.width);
        let (from, to) = ((at + 1) * w, at * w);
        self.products.copy_within(from..n, to);
        for i in from..n {
            self.gram.copy_within(i * self.stride..i * self.stride + n, (i - w) * self.stride);
        }
        for i in 0..n - w {
            self.gram.copy_within(i * self.stride + from..i * self.stride + n, i * self.stride + to);
        }
        self.support.remove(at);
    }

    /// Codes of the support by least squares; atoms that a bound holds at 0 leave it. Residual and gain follow.
    fn refit(&mut self) {
        let (w, n) = (self.atoms.width, self.support.len() * self.atoms.width);
        self.fill(n, 0);
        (1..LANES).for_each(|lane| self.identity(n, lane));
        self.solve(n);
        self.values.clear();
        self.values.extend((0..n).map(|i| self.solution[i * LANES]));
        if self.bounded {
            for at in (0..self.support.len()).rev() {
                if self.solution[at * LANES] <= 0.0 {
                    self.remove(at);
                    self.values.remove(at);
                }
            }
        }
        let products = &self.products[..self.support.len() * w];
        self.gain = 0.5 * products.iter().zip(&self.values).map(|(b, c)| b * c).sum::<f64>();
        let mut left = std::mem::take(&mut self.row);
        let whole = left.clone();
        self.take_off(&mut left);
        self.residual.iter_mut().zip(&left).for_each(|(r, x)| *r = *x as f32);
        self.row = whole;
    }

    /// The support's system in one lane.
    fn fill(&mut self, n: usize, lane: usize) {
        for i in 0..n {
            for j in 0..=i {
                let ridge = if i == j { self.ridge } else { 0.0 };
                self.system[packed(i, j) * LANES + lane] = self.gram[i * self.stride + j] + ridge;
            }
            self.right[i * LANES + lane] = self.products[i];
        }
    }

    fn identity(&mut self, n: usize, lane: usize) {
        for i in 0..n {
            (0..=i).for_each(|j| self.system[packed(i, j) * LANES + lane] = if i == j { 1.0 } else { 0.0 });
            self.right[i * LANES + lane] = 0.0;
        }
    }

    fn solve(&mut self, n: usize) {
        let scratch = self.scratch[n].get_or_insert_with(|| Scratch::new(n));
        self.passive[..n * LANES].fill(1.0);
        nnls::solve(n, &self.system, &self.right, self.bounded, &mut self.passive, &mut self.solution, scratch);
    }

    /// Candidates that are not in the support, by falling score for the residual.
    fn ranked(&self, candidates: &[u32]) -> Vec<(f32, u32)> {
        let mut out: Vec<(f32, u32)> = candidates
            .iter()
            .filter(|atom| !self.support.contains(atom))
            .map(|&atom| (self.atoms.score(atom, &self.residual), atom))
            .filter(|(score, _)| *score > NOTHING)
            .collect();
        out.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
        out
    }

    /// Picks atoms until there are `count`, or until none raises the gain.
    pub(super) fn pick(&mut self, candidates: &[u32], count: usize) {
        // With bounds a pick may put others out, so that picks and atoms differ.
        for _ in 0..4 * self.active {
            if self.support.len() >= count.min(self.active) {
                return;
            }
            let ranked = self.ranked(candidates);
            let Some(&(_, atom)) = ranked.first() else { return };
            if !self.keeps(|row| row.push(atom)) {
                return;
            }
        }
    }

    /// Makes a change of the support, and takes it back unless the gain rises.
    fn keeps(&mut self, change: impl FnOnce(&mut Self)) -> bool {
        let kept = (self.support.clone(), self.values.clone(), self.gain);
        let (gram, products, residual) = (self.gram.clone(), self.products.clone(), self.residual.clone());
        change(self);
        self.refit();
        if self.better_than(kept.2) {
            return true;
        }
        (self.support, self.values, self.gain) = kept;
        (self.gram, self.products, self.residual) = (gram, products, residual);
        false
    }

    /// Whether the gain is above another one by more than rounding.
    pub(super) fn better_than(&self, gain: f64) -> bool {
        self.gain > gain * (1.0 + RISE)
    }

    /// Exchanges atoms of a full support for candidates while the gain rises, at most 2s times.
    pub(super) fn exchange(&mut self, candidates: &[u32]) {
        for _ in 0..2 * self.active {
            if self.support.len() < self.active {
                self.pick(candidates, self.active);
            }
            let ranked = self.ranked(candidates);
            let Some((atom, out)) = self.proposal(&ranked[..ranked.len().min(LANES)]) else { return };
            let change = |row: &mut Self| {
                row.remove(out);
                row.push(atom);
            };
            if !self.keeps(change) {
                return;
            }
        }
    }

    /// The candidate that raises the gain most, and the place of the atom that leaves for it.
    fn proposal(&mut self, ranked: &[(f32, u32)]) -> Option<(u32, usize)> {
        let (p, w, n) = (self.atoms.columns, self.atoms.width, self.support.len() * self.atoms.width);
        let m = n + w;
        if ranked.is_empty() || self.support.is_empty() {
            return None;
        }
        for lane in 0..LANES {
            let Some(&(_, atom)) = ranked.get(lane) else {
                self.identity(m, lane);
                continue;
            };
            self.fill(n, lane);
            for (u, d) in self.atoms.rows(atom).chunks_exact(p).enumerate() {
                for (i, &other) in self.support.iter().enumerate() {
                    for (v, e) in self.atoms.rows(other).chunks_exact(p).enumerate() {
                        self.system[packed(n + u, i * w + v) * LANES + lane] = inner(d, e);
                    }
                }
                for v in 0..=u {
                    let value = if u == v { 1.0 + self.ridge } else { 0.0 };
                    self.system[packed(n + u, n + v) * LANES + lane] = value;
                }
                self.right[(n + u) * LANES + lane] = inner(d, &self.row);
            }
        }
        self.solve(m);
        let scratch = self.scratch[m].as_mut().expect("made by the solve");
        nnls::masked_inverse(m, &self.system, &self.passive, &mut self.inverse, scratch);
        let (mut best, mut found) = (self.gain * (1.0 + RISE), None);
        for (lane, &(_, atom)) in ranked.iter().enumerate() {
            let gain: f64 =
                0.5 * (0..m).map(|i| self.right[i * LANES + lane] * self.solution[i * LANES + lane]).sum::<f64>();
            let costs = (0..=self.support.len()).map(|i| self.cost(i, lane));
            let (out, cost) = costs.enumerate().min_by(|x, y| x.1.total_cmp(&y.1)).expect("a support");
            if out < self.support.len() && gain - cost > best {
                (best, found) = (gain - cost, Some((atom, out)));
            }
        }
        found
    }

    /// What it costs to leave atom `i` out of a lane's solution: ½ cᵀ[(M⁻¹)_ii]⁻¹c.
    fn cost(&self, i: usize, lane: usize) -> f64 {
        let (w, at) = (self.atoms.width, |i: usize, j: usize| packed(i, j) * LANES + lane);
        let c = |u: usize| self.solution[(i * w + u) * LANES + lane];
        let h = |u: usize, v: usize| self.inverse[at(i * w + u, i * w + v)];
        if w == 1 {
            return if h(0, 0) > 0.0 { 0.5 * c(0) * c(0) / h(0, 0) } else { 0.0 };
        }
        let (a, b, d) = (h(0, 0), h(1, 0), h(1, 1));
        let determinant = a * d - b * b;
        if determinant > 0.0 {
            0.5 * (d * c(0) * c(0) - 2.0 * b * c(0) * c(1) + a * c(1) * c(1)) / determinant
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::{Dictionary, Shape};
    use headwater_base::rng::{Purpose, Stream};

    #[test]
    fn a_change_that_does_not_raise_the_gain_leaves_no_trace() {
        let (p, count) = (9, 12);
        let mut random = Stream::new(2, Purpose::Synthetic, 0);
        let mut directions: Vec<f64> = (0..count * p).map(|_| random.normal()).collect();
        for d in directions.chunks_exact_mut(p) {
            let size = inner(d, d).sqrt();
            d.iter_mut().for_each(|x| *x /= size);
        }
        let row: Vec<f64> = (0..p).map(|c| 0.3 * directions[c] + 0.2 * directions[4 * p + c]).collect();
        let dictionary =
            Dictionary { shape: Shape::Direction, non_negative: true, ridge: 1e-6, offset: vec![0.0; p], directions };
        let atoms = Atoms::new(dictionary, None);
        let mut coder = RowCoder::new(&atoms, 2);
        coder.load(&row, &[0, 4]);
        let before = (coder.support.clone(), coder.values.clone(), coder.gain, coder.residual.clone());
        let kept = coder.keeps(|row| {
            row.remove(0);
            row.push(7);
        });
        assert!(!kept);
        assert_eq!(before, (coder.support.clone(), coder.values.clone(), coder.gain, coder.residual.clone()));
        coder.exchange(&(0..count as u32).collect::<Vec<_>>());
        assert_eq!(coder.support, [0, 4], "nothing is better than what the row was made of");
        // From elsewhere the exchanges lead there.
        coder.load(&row, &[2, 7]);
        let worse = coder.gain;
        coder.exchange(&(0..count as u32).collect::<Vec<_>>());
        coder.support.sort_unstable();
        assert!(coder.support == [0, 4] && coder.gain > worse, "{:?}", coder.support);
    }
}
