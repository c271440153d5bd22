//! Which atoms are active, how often, and how many numbers a row takes.

use headwater_base::Error;

use crate::incoherence::{DecoderIncoherence, Overlap, Pair};

/// Atoms whose activity (share of rows) lies in one half of a decade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DensityBin {
    /// log10 of the lower end, which belongs to the bin; the bin is 0.5 wide (the last one holds 1 = always, too).
    pub from: f64,
    /// Atoms.
    pub atoms: usize,
}

/// What [`Usage::metrics`] answers.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageMetrics {
    /// Rows seen.
    pub rows: usize,
    /// Active atoms a row (L0), mean. 0 without rows.
    pub active: f64,
    /// Quantiles 0, .05, .25, .5, .75, .95, 1 of the number of active atoms: the smallest number that at least this share of
    /// rows does not exceed.
    pub quantiles: [usize; 7],
    /// Numbers a row, mean: for every active atom its dimension, and 1 for its amplitude where there is one.
    pub scalars: f64,
    /// Share of atoms that were active in no row.
    pub dead: f64,
    /// The other atoms by log10 of the share of rows they are active in, ascending, from the first bin to the last that holds
    /// an atom.
    pub density: Vec<DensityBin>,
}

/// The shares that [`UsageMetrics::quantiles`] belong to.
pub const SHARES: [f64; 7] = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0];

/// Sparse codes, row after row. Memory: 12 bytes an atom, and 8 for each number of active atoms that occurs.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// Numbers that an active atom takes.
    scalars: Vec<u32>,
    /// Rows in which an atom is active.
    rows_of: Vec<u64>,
    /// Rows with a number of active atoms.
    rows_with: Vec<u64>,
    numbers: u64,
}

impl Usage {
    /// For atoms of these dimensions (0 for a point or a direction, 1 for a curve); `amplitude` = the gate gives every active
    /// atom an amplitude.
    pub fn new(dimensions: &[usize], amplitude: bool) -> Self {
        let scalars = dimensions.iter().map(|&d| d as u32 + u32::from(amplitude)).collect();
        Self { scalars, rows_of: vec![0; dimensions.len()], rows_with: Vec::new(), numbers: 0 }
    }

    /// Adds a row: the atoms of its support and their amounts. Atoms with amount 0 are not active.
    ///
    /// Errors: `support-not-valid` for an atom that does not exist, or that comes twice, and for lengths that differ.
    pub fn add(&mut self, support: &[u32], amounts: &[f64]) -> Result<(), Error> {
        let atoms = self.rows_of.len();
        let twice = |at: usize| support[..at].contains(&support[at]);
        if let Some(at) = (0..support.len()).find(|&at| support[at] as usize >= atoms || twice(at)) {
            let message = format!("atom {} of a row does not exist or comes twice; there are {atoms}", support[at]);
            return Err(Error::new("support-not-valid", message));
        }
        if support.len() != amounts.len() {
            let message = format!("a row has {} atoms and {} amounts", support.len(), amounts.len());
            return Err(Error::new("support-not-valid", message));
        }
        let mut active = 0;
        for (&atom, _) in support.iter().zip(amounts).filter(|(_, amount)| **amount != 0.0) {
            active += 1;
            self.rows_of[atom as usize] += 1;
            self.numbers += u64::from(self.scalars[atom as usize]);
        }
        if self.rows_with.len() <= active {
            self.rows_with.resize(active + 1, 0);
        }
        self.rows_with[active] += 1;
        Ok(())
    }

    /// Rows in which each atom was active.
    pub fn rows_of(&self) -> &[u64] {
        &self.rows_of
    }

    /// The figures of all rows so far.
    pub fn metrics(&self) -> UsageMetrics {
        let rows: u64 = self.rows_with.iter().sum();
        let active: u64 = self.rows_with.iter().enumerate().map(|(count, rows)| count as u64 * rows).sum();
        let quantile = |share: f64| {
            let mut below = 0;
            self.rows_with.iter().position(|&with| {
                below += with;
                with > 0 && below as f64 >= share * rows as f64
            })
        };
        let dead = self.rows_of.iter().filter(|&&count| count == 0).count();
        // Bin b holds shares from 10^(b/2) on, below 10^((b+1)/2); a share of 1 belongs to bin −1.
        let bin = |count: u64| ((2.0 * (count as f64 / rows as f64).log10()).floor() as i32).min(-1);
        let bins: Vec<i32> = self.rows_of.iter().filter(|&&count| count > 0).map(|&count| bin(count)).collect();
        let (first, last) = (bins.iter().min().copied().unwrap_or(0), bins.iter().max().copied().unwrap_or(-1));
        let density = (first..=last)
            .map(|b| DensityBin { from: f64::from(b) / 2.0, atoms: bins.iter().filter(|&&of| of == b).count() });
        UsageMetrics {
            rows: rows as usize,
            active: active as f64 / rows.max(1) as f64,
            quantiles: SHARES.map(|share| quantile(share).unwrap_or(0)),
            scalars: self.numbers as f64 / rows.max(1) as f64,
            dead: dead as f64 / self.rows_of.len().max(1) as f64,
            density: density.collect(),
        }
    }
}

/// Elements of all decoders: Σ_k M_k p, for atoms of these numbers of functions in p columns.
pub fn decoder_parameters(functions: &[usize], columns: usize) -> usize {
    functions.iter().sum::<usize>() * columns
}

/// Largest and mean cosine of decoders that are active together: c_jk = ‖B_j B_kᵀ‖/(‖B_j‖‖B_k‖) in [0, 1], |cos| of the
/// angle for directions. `pairs` are those of [`CoActivation`](crate::CoActivation) (their weights do not matter), `decoders`
/// all blocks (functions × columns), one after another.
///
/// Errors: as [`DecoderIncoherence::from_pairs`]; `shape-mismatch` for another number of decoder elements.
pub fn co_active_overlap(
    functions: &[usize],
    columns: usize,
    decoders: &[f64],
    pairs: Vec<Pair>,
) -> Result<Overlap, Error> {
    let of = DecoderIncoherence::from_pairs(functions, columns, pairs, 1.0)?;
    if decoders.len() != of.len() {
        let message = format!("the atoms have {} decoder elements, got {}", of.len(), decoders.len());
        return Err(Error::new("shape-mismatch", message));
    }
    Ok(of.cosines(decoders))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::co_activation::CoActivation;

    #[test]
    fn counts_are_those_of_the_codes() {
        let mut of = Usage::new(&[0, 1, 2, 1], true);
        of.add(&[0, 2], &[1.0, 0.5]).expect("a row");
        of.add(&[0], &[-1.0]).expect("a row");
        of.add(&[0, 1], &[2.0, 0.0]).expect("a row");
        of.add(&[], &[]).expect("a row");
        let found = of.metrics();
        assert_eq!((found.rows, found.active, found.scalars, found.dead), (4, 1.0, 1.5, 0.5));
        assert_eq!(found.quantiles, [0, 0, 0, 1, 1, 2, 2]);
        // ¾ of rows: bin from −0.5; ¼: from −1.
        let bins = [DensityBin { from: -1.0, atoms: 1 }, DensityBin { from: -0.5, atoms: 1 }];
        assert_eq!(found.density, bins);
        assert_eq!(of.rows_of(), [3, 0, 1, 0]);
        // Without amplitudes an atom costs its dimension alone.
        let mut of = Usage::new(&[0, 1], false);
        of.add(&[0, 1], &[1.0, 1.0]).expect("a row");
        assert_eq!(of.metrics().scalars, 1.0);
    }

    #[test]
    fn an_atom_that_is_always_active_and_one_at_an_edge_have_their_bins() {
        let mut of = Usage::new(&[0, 0], true);
        (0..100).for_each(|n| {
            of.add(if n == 0 { &[0, 1] } else { &[0] }, &[1.0, 1.0][..1 + usize::from(n == 0)]).expect("a row")
        });
        let found = of.metrics().density;
        assert_eq!((found[0].from, found[0].atoms, found.len()), (-2.0, 1, 4));
        assert_eq!((found[3].from, found[3].atoms), (-0.5, 1));
    }

    #[test]
    fn without_rows_there_is_nothing_to_count() {
        let found = Usage::new(&[0; 3], true).metrics();
        assert_eq!((found.rows, found.active, found.dead, found.density.len()), (0, 0.0, 1.0, 0));
    }

    #[test]
    fn supports_that_do_not_fit_are_refused() {
        let mut of = Usage::new(&[0; 3], true);
        for (support, amounts) in [(&[3][..], &[1.0][..]), (&[1, 1], &[1.0, 1.0]), (&[1], &[])] {
            assert_eq!(of.add(support, amounts).expect_err("no support").code, "support-not-valid");
        }
        assert_eq!(of.metrics().rows, 0);
    }

    #[test]
    fn overlaps_are_cosines_of_atoms_that_are_active_together() {
        // Directions at 60° and 90°; atoms 0 and 3, which are parallel, never meet.
        let (c, s) = (0.5, 0.75_f64.sqrt());
        let decoders = [1.0, 0.0, 2.0 * c, 2.0 * s, 0.0, 3.0, 1.0, 0.0];
        let mut of = CoActivation::default();
        of.push(&[0, 1], &[1.0, 1.0]);
        of.push(&[0, 2], &[1.0, 2.0]);
        let found = co_active_overlap(&[1; 4], 2, &decoders, of.clone().pairs()).expect("pairs");
        assert!((found.largest - 0.5).abs() < 1e-12 && (found.mean - 0.25).abs() < 1e-12);
        assert_eq!(found.pairs, 2);
        assert_eq!(
            co_active_overlap(&[1; 4], 2, &decoders[1..], of.pairs()).expect_err("short").code,
            "shape-mismatch"
        );
        assert_eq!(decoder_parameters(&[1, 3, 2], 10), 60);
    }
}
