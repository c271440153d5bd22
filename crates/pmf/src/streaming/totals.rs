//! What a pass over the rows adds up to, at one matrix of profiles.

use crate::block::{self, Factor, Normal};
use crate::judge::Extent;
use crate::model::Model;
use crate::problem::Problem;
use crate::schur::Schur;
use headwater_base::parallel::{self, Crew};
use headwater_linalg::{packed, packed_len};

/// Rows that are laid out and solved at a time, which bounds the memory of a pass. Fixed: sums do not depend on how
/// many threads work on a chunk.
pub const CHUNK: usize = 2048;

/// Sums that lose nothing to their order: a running sum and what its roundings left behind.
///
/// Source: A. Neumaier (1974), "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", ZAMM 54:39.
#[derive(Clone)]
pub struct Sums {
    sum: Vec<f64>,
    rest: Vec<f64>,
}

impl Sums {
    pub fn new(length: usize) -> Self {
        Self { sum: vec![0.0; length], rest: vec![0.0; length] }
    }

    pub fn add(&mut self, terms: &[f64]) {
        for ((sum, rest), term) in self.sum.iter_mut().zip(&mut self.rest).zip(terms) {
            let next = *sum + term;
            *rest += if sum.abs() >= term.abs() { (*sum - next) + term } else { (term - next) + *sum };
            *sum = next;
        }
    }

    pub fn values(&self) -> Vec<f64> {
        self.sum.iter().zip(&self.rest).map(|(sum, rest)| sum + rest).collect()
    }
}

/// Q, its derivatives in the profiles with contributions minimised out, and what the data are.
#[derive(Clone)]
pub struct Totals {
    /// Rows, and those of them that have a cell with weight.
    pub rows: [usize; 2],
    pub cells: usize,
    /// Contributions off their bounds.
    pub free: usize,
    /// Species with a cell with weight.
    pub present: Vec<bool>,
    /// Q and ΣΩV².
    scalars: Sums,
    /// Half-gradient, n × p.
    gradient: Sums,
    /// B_j, n × packed.
    matrices: Sums,
    /// Left out where only the sums are wanted.
    pub schur: Option<Schur>,
}

impl Totals {
    pub fn new(n: usize, p: usize, hessian: bool) -> Self {
        Self {
            rows: [0; 2],
            cells: 0,
            free: 0,
            present: vec![false; n],
            scalars: Sums::new(2),
            gradient: Sums::new(n * p),
            matrices: Sums::new(n * packed_len(p)),
            schur: hessian.then(|| Schur::new(n, p)),
        }
    }

    /// Adds the rows of `batch` at the profiles `short`, with contributions that are their exact minimisers. Returns these
    /// and the batch's own half-gradient; `None` if the crew was stopped: the sums are worthless then.
    pub fn add(&mut self, batch: &Problem, short: &Factor, crew: Crew) -> Option<(Factor, Vec<f64>)> {
        let p = short.p;
        let mut long = Factor::new(batch.long.count, p, true, vec![1.0; batch.long.count * p]);
        let mut normal = Normal::new(batch.long.blocks(), p);
        block::solve(&batch.long, &short.rows, &mut long, &mut normal, crew);
        let own = {
            let model = Model::new(batch, &long, short, &normal, crew);
            let list: Vec<usize> = (0..batch.long.count).filter(|&i| batch.long.present[i]).collect();
            if crew.stopped() {
                return None;
            }
            if let Some(schur) = &mut self.schur {
                let inverse = model.inverses(&list, model.passive);
                schur.add(&model.members(), &list, &inverse, crew.threads);
            }
            self.rows[0] += batch.long.count;
            self.rows[1] += list.len();
            self.scalars.add(&[model.q, batch.total]);
            self.gradient.add(&model.g_short);
            self.matrices.add(&model.b_short);
            model.g_short
        };
        self.cells += batch.cells;
        self.free += long.passive.iter().filter(|free| **free == 1.0).count();
        for (all, here) in self.present.iter_mut().zip(&batch.short.present) {
            *all |= here;
        }
        (!crew.stopped()).then_some((long, own))
    }

    /// Adds other sums.
    pub fn merge(&mut self, other: &Self) {
        (0..2).for_each(|at| self.rows[at] += other.rows[at]);
        self.cells += other.cells;
        self.free += other.free;
        self.present.iter_mut().zip(&other.present).for_each(|(all, here)| *all |= here);
        self.scalars.add(&other.scalars.values());
        self.gradient.add(&other.gradient.values());
        self.matrices.add(&other.matrices.values());
        if let (Some(schur), Some(other)) = (&mut self.schur, &other.schur) {
            schur.merge(other);
        }
    }

    /// δᵀSδ.
    pub fn quadratic(&self, short: &Factor, delta: &[f64], crew: Crew) -> f64 {
        let (n, p) = (short.count, short.p);
        let Some(schur) = &self.schur else { return f64::NAN };
        let matrices = self.matrices();
        let own = |j: usize, l: usize, ll: usize| matrices[j * packed_len(p) + packed(l.max(ll), l.min(ll))];
        let rows = parallel::map(crew.threads, n, |j| {
            let mut sum = 0.0;
            for (l, a) in delta[j * p..(j + 1) * p].iter().enumerate().filter(|(_, a)| **a != 0.0) {
                for (at, b) in delta.iter().enumerate().filter(|(_, b)| **b != 0.0) {
                    let (jj, ll) = (at / p, at % p);
                    let block = if j == jj { own(j, l, ll) } else { 0.0 };
                    sum += a * b * (block - schur.element(j, l, jj, ll));
                }
            }
            sum
        });
        parallel::pairwise_sum(&rows)
    }

    pub fn q(&self) -> f64 {
        self.scalars.values()[0]
    }

    pub fn gradient(&self) -> Vec<f64> {
        self.gradient.values()
    }

    pub fn matrices(&self) -> Vec<f64> {
        self.matrices.values()
    }

    /// What the thresholds must know, in the scaling of `frame`.
    pub fn extent(&self, frame: &Problem) -> Extent {
        Extent { cells: self.cells, total: self.scalars.values()[1], one: frame.scale_q(1.0) }
    }
}

/// Σ w_ik of a batch, in the caller's units.
pub fn masses(batch: &Problem, long: &Factor, short: &Factor) -> Vec<f64> {
    let (contributions, _) = batch.unscale_factors(long.p, &long.rows, &short.rows);
    let column =
        |k: usize| parallel::pairwise_sum(&contributions.iter().skip(k).step_by(long.p).copied().collect::<Vec<_>>());
    (0..long.p).map(column).collect()
}
