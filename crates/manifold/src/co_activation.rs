//! Which atoms are active together, and how much: W_jk = Σ_n a_nj a_nk / N over the rows in which both are.
//!
//! From the rows' supports, so that the cost is Σ_n |S_n|² and nothing is K × K.

use headwater_base::Error;

use crate::incoherence::Pair;
use crate::problem::{Gate, Problem};
use crate::row::Row;
use crate::state::State;

/// Collects W_jk = Σ_n a_nj a_nk / N, sparse, row by row. Memory: 16 bytes for each pair of each row.
#[derive(Clone, Debug, Default)]
pub struct CoActivation {
    products: Vec<(u32, u32, f64)>,
    rows: usize,
}

impl CoActivation {
    /// Adds a row: its active atoms, ascending, and their amounts. Atoms with amount 0 are not active.
    pub fn push(&mut self, support: &[u32], amounts: &[f64]) {
        self.rows += 1;
        for (j, (&first, &a)) in support.iter().zip(amounts).enumerate() {
            if a > 0.0 {
                let others = support[j + 1..].iter().zip(&amounts[j + 1..]).filter(|(_, b)| **b > 0.0);
                self.products.extend(others.map(|(&second, b)| (first, second, a * b)));
            }
        }
    }

    /// The pairs, ascending. Cost: sorting the products once.
    pub fn pairs(mut self) -> Vec<Pair> {
        // Stable: the rows of a pair stay in order, and so its sum.
        self.products.sort_by_key(|&(first, second, _)| (first, second));
        let same = self.products.chunk_by(|x, y| (x.0, x.1) == (y.0, y.1));
        same.map(|pair| {
            let sum: f64 = pair.iter().map(|(_, _, product)| product).sum();
            Pair { first: pair[0].0 as usize, second: pair[0].1 as usize, weight: sum / self.rows as f64 }
        })
        .collect()
    }
}

/// The co-activations of given supports: `sizes` has the number of active atoms of each row, `active` and `amounts` the atoms
/// (ascending within a row) and their amounts, row by row. Amounts that are absent are 1.
///
/// Errors: `shape-mismatch`; `support-not-valid` for atoms that do not exist or do not ascend; `weight-not-valid` for amounts that
/// are negative or not finite. Rows and places within the row are named.
pub fn co_activations_of(
    atoms: usize,
    sizes: &[u32],
    active: &[u32],
    amounts: Option<&[f64]>,
) -> Result<Vec<Pair>, Error> {
    let count: usize = sizes.iter().map(|&size| size as usize).sum();
    if active.len() != count || amounts.is_some_and(|amounts| amounts.len() != count) {
        let amounts = amounts.map_or(count, <[f64]>::len);
        let message = format!("{count} atoms are active; {} of them and {amounts} amounts are given", active.len());
        return Err(Error::new("shape-mismatch", message));
    }
    let ones = vec![1.0; sizes.iter().max().map_or(0, |&size| size as usize)];
    let (mut out, mut at) = (CoActivation::default(), 0);
    for (row, &size) in sizes.iter().enumerate() {
        let range = at..at + size as usize;
        let support = &active[range.clone()];
        if let Some(col) = support.iter().position(|&atom| atom as usize >= atoms) {
            let message = format!("row {row} has atom {}; there are {atoms}", support[col]);
            return Err(Error::new("support-not-valid", message).at(row, col));
        }
        if let Some(col) = support.windows(2).position(|two| two[0] >= two[1]) {
            let message =
                format!("atoms of row {row} do not ascend: {} comes before {}", support[col], support[col + 1]);
            return Err(Error::new("support-not-valid", message).at(row, col + 1));
        }
        let amounts = amounts.map_or(&ones[..support.len()], |amounts| &amounts[range]);
        if let Some(col) = amounts.iter().position(|amount| !(amount.is_finite() && *amount >= 0.0)) {
            let message = format!("an amount of row {row} is {}; allowed are finite numbers from 0", amounts[col]);
            return Err(Error::new("weight-not-valid", message).at(row, col));
        }
        out.push(support, amounts);
        at += size as usize;
    }
    Ok(out.pairs())
}

/// The co-activations of a state (for softmax gates, shares up to a thousandth of the row's largest count as 0).
pub fn co_activations(problem: &Problem, state: &State) -> Vec<Pair> {
    let (mut out, mut row) = (CoActivation::default(), Row::new(problem));
    let softmax = matches!(problem.gate, Gate::Softmax { .. });
    for n in 0..problem.rows {
        row.load_gates(state, n);
        if softmax {
            let least = 1e-3 * row.amounts.iter().copied().fold(0.0, f64::max);
            row.amounts.iter_mut().for_each(|a| *a = if *a > least { *a } else { 0.0 });
        }
        out.push(state.layout.support(n), &row.amounts);
    }
    out.pairs()
}
