//! Decoder incoherence: the overlap of the decoders of atoms that are active together.
//!
//! P = ½w Σ_{j<k} W_jk ‖C_jk‖², C_jk = B_j B_kᵀ (M_j × M_k; p columns each). W is given and fixed. With V a direction and
//! dC = V_j B_kᵀ + B_j V_kᵀ,
//! gradient: wW C B_k for B_j, wW Cᵀ B_j for B_k;
//! Hessian: (HV)_j = wW(dC B_k + C V_k), (HV)_k = wW(dCᵀ B_j + Cᵀ V_j); without the terms in C the Gauss–Newton product
//! ("majorizer": positive semi-definite, exact at C = 0, not above the Hessian in the order of matrices).
//!
//! The vector of all decoders is atom by atom, function by function, one number a column. Cost a product: O(M_j M_k p) a
//! pair. Nothing p × p or K × K is ever formed, except by [`DecoderIncoherence::accumulate_majorizer`] into the caller's
//! own array.

use headwater_base::Error;
use headwater_linalg::dense::{add_scaled, inner};

/// Two atoms that are active together, and how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// j < k.
    pub first: usize,
    /// k.
    pub second: usize,
    /// W_jk, not negative.
    pub weight: f64,
}

/// A weight that changes from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// At step 0.
    pub from: f64,
    /// From step `steps` on.
    pub to: f64,
    /// Steps between them.
    pub steps: usize,
    /// In equal ratios instead of equal differences (both ends above 0).
    pub geometric: bool,
}

impl Schedule {
    /// That every step has a weight.
    ///
    /// Errors: `weight-not-valid`.
    pub fn check(&self) -> Result<(), Error> {
        check_weight(self.from, 0, 0)?;
        check_weight(self.to, 0, 1)?;
        if self.geometric && !(self.from > 0.0 && self.to > 0.0) {
            let message = format!("a geometric schedule goes from {} to {}; neither end may be 0", self.from, self.to);
            return Err(Error::new("weight-not-valid", message));
        }
        Ok(())
    }

    /// The weight at a step.
    pub fn at(&self, step: usize) -> f64 {
        let share = if self.steps == 0 { 1.0 } else { (step as f64 / self.steps as f64).min(1.0) };
        if self.geometric {
            self.from * (self.to / self.from).powf(share)
        } else {
            self.from + share * (self.to - self.from)
        }
    }
}

/// The penalty for fixed pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderIncoherence {
    /// First row and number of rows of each atom's block.
    blocks: Vec<(usize, usize)>,
    columns: usize,
    pairs: Vec<Pair>,
    weight: f64,
    rho: f64,
    /// weight × exp rho.
    strength: f64,
}

/// Overlap s_jk = ‖B_j B_kᵀ‖²/(‖B_j‖²‖B_k‖²) of the pairs, each in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Overlap {
    /// The largest.
    pub largest: f64,
    /// The mean; 0 without pairs.
    pub mean: f64,
    /// The pairs that were counted: those without a zero decoder.
    pub pairs: usize,
}

impl DecoderIncoherence {
    /// For atoms of these numbers of functions in `columns` columns, from a sparse list of pairs.
    ///
    /// Errors: `pair-not-valid` for atoms that do not exist, not first < second, or a pair that comes twice;
    /// `weight-not-valid` for weights that are negative or not finite.
    pub fn from_pairs(functions: &[usize], columns: usize, mut pairs: Vec<Pair>, strength: f64) -> Result<Self, Error> {
        let atoms = functions.len();
        for (at, pair) in pairs.iter().enumerate() {
            if !(pair.first < pair.second && pair.second < atoms) {
                let message =
                    format!("a pair is ({}, {}); needed are first < second < {atoms}", pair.first, pair.second);
                return Err(Error::new("pair-not-valid", message).at(at, 0));
            }
            check_weight(pair.weight, at, 2)?;
        }
        check_weight(strength, 0, 0)?;
        pairs.sort_by_key(|pair| (pair.first, pair.second));
        if let Some(twice) = pairs.windows(2).find(|two| (two[0].first, two[0].second) == (two[1].first, two[1].second))
        {
            let message = format!("the pair ({}, {}) comes twice", twice[0].first, twice[0].second);
            return Err(Error::new("pair-not-valid", message));
        }
        pairs.retain(|pair| pair.weight > 0.0);
        let mut first = 0;
        let blocks = functions.iter().map(|&m| {
            first += m;
            (first - m, m)
        });
        Ok(Self { blocks: blocks.collect(), columns, pairs, weight: strength, rho: 0.0, strength })
    }

    /// From a K × K matrix of co-activations, row-major. It is made symmetric; its diagonal is not read.
    ///
    /// Errors: `shape-mismatch`; `weight-not-valid` as above.
    pub fn from_dense(functions: &[usize], columns: usize, weights: &[f64], strength: f64) -> Result<Self, Error> {
        let atoms = functions.len();
        if weights.len() != atoms * atoms {
            let message = format!("{atoms} atoms need {atoms} × {atoms} weights, got {}", weights.len());
            return Err(Error::new("shape-mismatch", message));
        }
        let mut pairs = Vec::new();
        for first in 0..atoms {
            for second in first + 1..atoms {
                let (upper, lower) = (weights[first * atoms + second], weights[second * atoms + first]);
                check_weight(upper, first, second)?;
                check_weight(lower, second, first)?;
                let weight = 0.5 * (upper + lower);
                if weight > 0.0 {
                    pairs.push(Pair { first, second, weight });
                }
            }
        }
        Self::from_pairs(functions, columns, pairs, strength)
    }

    /// Length of the vector of all decoders.
    pub fn len(&self) -> usize {
        self.blocks.last().map_or(0, |(first, m)| first + m) * self.columns
    }

    /// Whether there is no penalty.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() || self.strength == 0.0
    }

    /// The pairs, ascending.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// w exp ρ, the w of all formulas.
    pub fn strength(&self) -> f64 {
        self.strength
    }

    /// w, without the factor exp ρ.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// ρ, 0 at first.
    pub fn rho(&self) -> f64 {
        self.rho
    }

    /// Sets ρ, for who learns the strength.
    ///
    /// Errors: `weight-not-valid` if w exp ρ is not finite.
    pub fn set_rho(&mut self, rho: f64) -> Result<(), Error> {
        let strength = self.weight * rho.exp();
        check_weight(strength, 0, 0)?;
        (self.rho, self.strength) = (rho, strength);
        Ok(())
    }

    /// Sets w to a schedule's weight at a step; ρ stays.
    pub fn apply_schedule(&mut self, schedule: &Schedule, step: usize) {
        self.weight = schedule.at(step);
        self.strength = self.weight * self.rho.exp();
    }

    fn block<'v>(&self, vector: &'v [f64], atom: usize) -> &'v [f64] {
        let (first, m) = self.blocks[atom];
        &vector[first * self.columns..(first + m) * self.columns]
    }

    /// X Yᵀ of two blocks with rows of p numbers.
    fn outer(&self, x: &[f64], y: &[f64]) -> Vec<f64> {
        let p = self.columns;
        x.chunks_exact(p).flat_map(|x| y.chunks_exact(p).map(move |y| inner(x, y))).collect()
    }

    /// out_j += scale C X_k and out_k += scale Cᵀ X_j.
    fn add_pair(&self, pair: &Pair, scale: f64, c: &[f64], x: &[f64], out: &mut [f64]) {
        let p = self.columns;
        let ((j, mj), (k, mk)) = (self.blocks[pair.first], self.blocks[pair.second]);
        for a in 0..mj {
            for b in 0..mk {
                let factor = scale * c[a * mk + b];
                let (row_j, row_k) = ((j + a) * p, (k + b) * p);
                add_scaled(factor, &x[row_k..row_k + p], &mut out[row_j..row_j + p]);
                add_scaled(factor, &x[row_j..row_j + p], &mut out[row_k..row_k + p]);
            }
        }
    }

    fn overlap(&self, pair: &Pair, decoders: &[f64]) -> Vec<f64> {
        self.outer(self.block(decoders, pair.first), self.block(decoders, pair.second))
    }

    fn change(&self, pair: &Pair, decoders: &[f64], v: &[f64]) -> Vec<f64> {
        let mut change = self.outer(self.block(v, pair.first), self.block(decoders, pair.second));
        let other = self.outer(self.block(decoders, pair.first), self.block(v, pair.second));
        change.iter_mut().zip(other).for_each(|(x, y)| *x += y);
        change
    }

    /// P.
    pub fn value(&self, decoders: &[f64]) -> f64 {
        let of = |pair: &Pair| pair.weight * self.overlap(pair, decoders).iter().map(|c| c * c).sum::<f64>();
        0.5 * self.strength * self.pairs.iter().map(of).sum::<f64>()
    }

    /// ∂P/∂ρ where the strength is w exp ρ: P itself.
    pub fn gradient_rho(&self, decoders: &[f64]) -> f64 {
        self.value(decoders)
    }

    /// out += ∇P.
    pub fn gradient(&self, decoders: &[f64], out: &mut [f64]) {
        for pair in &self.pairs {
            let c = self.overlap(pair, decoders);
            self.add_pair(pair, self.strength * pair.weight, &c, decoders, out);
        }
    }

    /// out += scale ∇²P v.
    pub fn hessian_vector(&self, decoders: &[f64], v: &[f64], scale: f64, out: &mut [f64]) {
        self.majorizer_vector(decoders, v, scale, out);
        self.correction_vector(decoders, v, scale, out);
    }

    /// out += scale (Gauss–Newton part of ∇²P) v.
    pub fn majorizer_vector(&self, decoders: &[f64], v: &[f64], scale: f64, out: &mut [f64]) {
        for pair in &self.pairs {
            let change = self.change(pair, decoders, v);
            self.add_pair(pair, scale * self.strength * pair.weight, &change, decoders, out);
        }
    }

    /// out += scale (∇²P − Gauss–Newton part) v.
    pub fn correction_vector(&self, decoders: &[f64], v: &[f64], scale: f64, out: &mut [f64]) {
        for pair in &self.pairs {
            let c = self.overlap(pair, decoders);
            self.add_pair(pair, scale * self.strength * pair.weight, &c, v, out);
        }
    }

    /// H += scale × the Gauss–Newton matrix, or the Hessian where `exact`, for a dense H over the vector of all decoders:
    /// row-major, `stride` numbers a row, whose first element belongs to the first decoder element. Both triangles.
    ///
    /// # Panics
    ///
    /// If the block does not fit into `h`.
    pub fn accumulate_majorizer(&self, decoders: &[f64], scale: f64, exact: bool, h: &mut [f64], stride: usize) {
        self.scatter(decoders, scale, exact, &mut |row, column, value| h[row * stride + column] += value);
    }

    /// Every element of the dense form: row, column, value; some come several times.
    pub(crate) fn scatter(&self, decoders: &[f64], scale: f64, exact: bool, add: &mut dyn FnMut(usize, usize, f64)) {
        let p = self.columns;
        for pair in &self.pairs {
            let weight = scale * self.strength * pair.weight;
            let ((j, mj), (k, mk)) = (self.blocks[pair.first], self.blocks[pair.second]);
            for (own, m, other) in [(j, mj, pair.second), (k, mk, pair.first)] {
                let other = self.block(decoders, other);
                for o in 0..p {
                    for e in 0..p {
                        let gram: f64 = other.chunks_exact(p).map(|row| row[o] * row[e]).sum();
                        (own..own + m).for_each(|a| add(a * p + o, a * p + e, weight * gram));
                    }
                }
            }
            let c = if exact { self.overlap(pair, decoders) } else { vec![0.0; mj * mk] };
            for a in 0..mj {
                for b in 0..mk {
                    for o in 0..p {
                        for e in 0..p {
                            let same = if o == e { c[a * mk + b] } else { 0.0 };
                            let value = weight * (decoders[(j + a) * p + e] * decoders[(k + b) * p + o] + same);
                            add((j + a) * p + o, (k + b) * p + e, value);
                            add((k + b) * p + e, (j + a) * p + o, value);
                        }
                    }
                }
            }
        }
    }

    /// out += the diagonal of the Gauss–Newton matrix.
    pub fn majorizer_diagonal(&self, decoders: &[f64], out: &mut [f64]) {
        let p = self.columns;
        for pair in &self.pairs {
            for (own, other) in [(pair.first, pair.second), (pair.second, pair.first)] {
                let ((first, m), other) = (self.blocks[own], self.block(decoders, other));
                for o in 0..p {
                    let gram: f64 = other.chunks_exact(p).map(|row| row[o] * row[o]).sum();
                    (first..first + m).for_each(|a| out[a * p + o] += self.strength * pair.weight * gram);
                }
            }
        }
    }

    /// out += ∂/∂B of vᵀ(Gauss–Newton matrix)v, v fixed.
    pub fn majorizer_slope(&self, decoders: &[f64], v: &[f64], out: &mut [f64]) {
        for pair in &self.pairs {
            let change = self.change(pair, decoders, v);
            self.add_pair(pair, 2.0 * self.strength * pair.weight, &change, v, out);
        }
    }

    /// How much the decoders of the pairs overlap.
    pub fn overlaps(&self, decoders: &[f64]) -> Overlap {
        self.summary(decoders, |share| share)
    }

    /// The same of √s_jk, which for single rows is the |cosine| of their angle.
    pub fn cosines(&self, decoders: &[f64]) -> Overlap {
        self.summary(decoders, f64::sqrt)
    }

    fn summary(&self, decoders: &[f64], of: impl Fn(f64) -> f64) -> Overlap {
        let mut out = Overlap::default();
        for pair in &self.pairs {
            if let Some(share) = self.share(pair, decoders).map(&of) {
                out.largest = out.largest.max(share);
                out.mean += share;
                out.pairs += 1;
            }
        }
        out.mean /= out.pairs.max(1) as f64;
        out
    }

    fn norms(&self, pair: &Pair, decoders: &[f64]) -> f64 {
        let [x, y] = [pair.first, pair.second].map(|atom| self.block(decoders, atom));
        inner(x, x) * inner(y, y)
    }

    fn share(&self, pair: &Pair, decoders: &[f64]) -> Option<f64> {
        let norms = self.norms(pair, decoders);
        let square: f64 = self.overlap(pair, decoders).iter().map(|c| c * c).sum();
        (norms > 0.0).then(|| square / norms)
    }

    /// The penalty that pushes nearly equal decoders apart, as pairs of the same form: weight
    /// 10⁻⁴ μ g(s)/(‖B_j‖²‖B_k‖²), g = u²(3 − 2u), u = 2s − 1 above s = ½ and 0 below. It acts on s, so it has no scale, and
    /// is zero for all pairs that differ. Gate and norms are those of these decoders, and then fixed.
    pub fn repulsion(&self, decoders: &[f64], strength: f64) -> Vec<Pair> {
        let pairs = self.pairs.iter().filter_map(|pair| {
            let u = 2.0 * self.share(pair, decoders)? - 1.0;
            let weight = 1e-4 * strength * u * u * (3.0 - 2.0 * u) / self.norms(pair, decoders);
            (u > 0.0).then_some(Pair { weight, ..*pair })
        });
        pairs.collect()
    }
}

fn check_weight(weight: f64, row: usize, col: usize) -> Result<(), Error> {
    if weight >= 0.0 && weight.is_finite() {
        return Ok(());
    }
    let message = format!("a weight is {weight}; allowed are finite numbers from 0");
    Err(Error::new("weight-not-valid", message).at(row, col))
}
