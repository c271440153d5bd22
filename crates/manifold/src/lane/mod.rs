//! The streaming lane: dictionaries of many more atoms K than columns p, at most `active` atoms on in a row.
//!
//! # Problem
//! Rows x_n (N × p, read again and again, never held), directions or planes D_k with orthonormal rows (1 × p or 2 × p), codes
//! c_nk for k in the row's support S_n, |S_n| <= s, and an offset b:
//!
//! F = ½ Σ_n ‖x_n − b − Σ_{k∈S_n} c_nk D_k‖² + ½λ Σ_n Σ_k ‖c_nk‖².
//!
//! A [`Shape::Direction`] has one number a code, signed or not negative. A [`Shape::Circle`] has two, a point of the plane:
//! an amplitude >= 0 and a phase.
//!
//! # Method
//! In turns: rows are coded (`coding.rs`, its products here or on a device, `search.rs`: the atoms that correlate most with the residual, over all K by blocked products; then
//! greedy picks, least squares on the support, exchanges, each kept only if the row's part of F falls), and all decoders
//! are refitted together (`decoder.rs`: conjugate gradients on the normal equations of the sparse codes, which are never
//! formed). In the first, early passes decoders are refitted several times a pass, each time with the latest codes of the rows
//! that have been seen, rows are coded from nothing as well, and atoms that no row uses, that have a twin or that explain
//! next to nothing, or far less than they would beside another one, begin again elsewhere (`twins.rs`, `seeds.rs`). Circles begin as pairs of directions (`pairs.rs`).
//!
//! # Guarantees
//! F never rises by a row's coding or a refit; where atoms begin again it may. The same bits for any number of threads.
//! Products over all atoms are in f32 and only propose atoms; what is decided and returned is computed in f64.
//!
//! # Memory
//! Data as the caller holds them, plus 2½ decoders (K·width·p f64 each) and 256 bytes × threads for each of their rows, which is
//! 3 decoders at p = 64 × threads, plus 24 bytes for each of the N·s codes, plus a workspace of 2048 rows (some 14 bytes for each of
//! their numbers) and one that depends on p, s and the number of threads alone. On a device half a decoder and what its kernel needs. No N × K or K × K object.
//!
//! # Cost
//! 2NKp operations a pass for the products, twice that in an early pass, and twice again for planes. A row's moves come beside
//! them, some s²p operations and 64 fetches of decoders, which at p = 512, s = 8 is about as much as products with 10⁴ atoms.
//!
//! # Sources
//! K. Engan, S. O. Aase, J. H. Husøy (1999), "Method of optimal directions for frame design", ICASSP; Y. C. Pati, R. Rezaiifar, P. S.
//! Krishnaprasad (1993), "Orthogonal matching pursuit", Asilomar; R. M. Neal, G. E. Hinton (1998), "A view of the EM algorithm that
//! justifies incremental, sparse, and other variants". Deviations: exchanges after the greedy picks; refits by conjugate
//! gradients; rows keep their support unless a better one is found.

mod coding;
mod decoder;
mod dictionary;
mod encode;
mod fit;
mod pairs;
mod panel;
mod row;
mod search;
mod seeds;
mod settings;
mod survey;
mod twins;

pub use dictionary::{Codes, Dictionary, Shape};
pub use encode::{encode, encode_on};
pub use fit::{Lane, Pass, fit, fit_on, resume};
pub use search::is_large;
pub use settings::{Seeds, Settings};

use headwater_base::Error;

/// Rows of data, wherever they lie. The same rows must come at every reading.
pub trait Rows: Sync {
    /// N.
    fn count(&self) -> usize;
    /// p.
    fn columns(&self) -> usize;
    /// Writes rows `first`, `first + 1`, … into `into`, row-major, as many as fit (never more than there are).
    ///
    /// Errors: whatever the source has to say; they end the call that read.
    fn read(&self, first: usize, into: &mut [f64]) -> Result<(), Error>;
}

/// Rows in memory, row-major, f32 or f64.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a, T> {
    values: &'a [T],
    columns: usize,
}

impl<'a, T> Table<'a, T> {
    /// `values` as rows of `columns` numbers.
    ///
    /// Errors: `shape-mismatch` if they are no whole number of rows.
    pub fn new(values: &'a [T], columns: usize) -> Result<Self, Error> {
        if columns == 0 || !values.len().is_multiple_of(columns) {
            let message = format!("{} values are no whole number of rows of {columns} columns", values.len());
            return Err(Error::new("shape-mismatch", message));
        }
        Ok(Self { values, columns })
    }
}

impl<T: Copy + Into<f64> + Sync> Rows for Table<'_, T> {
    fn count(&self) -> usize {
        self.values.len() / self.columns
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn read(&self, first: usize, into: &mut [f64]) -> Result<(), Error> {
        let from = &self.values[first * self.columns..][..into.len()];
        into.iter_mut().zip(from).for_each(|(to, &x)| *to = x.into());
        Ok(())
    }
}
