//! Codes of a chunk of rows.
//!
//! Every round is one product of all residuals with all atoms ([`Atoms::search`]), then each row's moves ([`RowCoder`]). A row
//! that has a support keeps it unless another one has a lower loss: one that moves lead to from there, in one round, or in early
//! passes (`anew`, where decoders change so much that old supports hold rows back) one from nothing. A row without one picks its atoms in
//! `searches − 1` parts, with a product before each, and looks for exchanges in the last round. A part takes as many atoms from
//! the same candidates as if the residual had not changed, which costs little where the row has more atoms than parts.

use headwater_base::Error;
use headwater_base::parallel::{Crew, for_each_piece};

use crate::lane::dictionary::NONE;
use crate::lane::row::RowCoder;
use crate::lane::search::Atoms;

/// Rows that are one piece of work, for products and moves.
pub(super) const BLOCK: usize = 256;

/// How rows are coded.
#[derive(Clone, Copy)]
pub(super) struct Coding {
    /// s.
    pub active: usize,
    /// Atoms kept of each product.
    pub candidates: usize,
    /// Products for a row without a code.
    pub searches: usize,
    /// Rows that have a code get one from nothing, too, and keep the better one.
    pub anew: bool,
}

/// Codes of some rows.
pub(super) struct Coded {
    pub support: Vec<u32>,
    pub values: Vec<f64>,
    pub losses: Vec<f64>,
    /// Rows whose support is another one than before.
    pub changed: usize,
}

/// Codes of rows (offset not taken off), whose supports were `before` (NONE throughout: no code yet). `None` if it was stopped.
///
/// Errors: those of [`Atoms::search`].
pub(super) fn code(
    atoms: &Atoms,
    rows: &[f64],
    before: &[u32],
    coding: Coding,
    crew: Crew,
) -> Result<Option<Coded>, Error> {
    let (rows, before) = (rows.chunks(BLOCK * atoms.columns), before.chunks(BLOCK * coding.active));
    let parts: Vec<_> = rows.zip(before).collect();
    let begun = crew.map(parts.len(), |at| Block::new(atoms, parts[at].0, parts[at].1, coding));
    let Some(mut blocks) = begun else { return Ok(None) };
    let fresh = blocks.iter().any(|block| block.fresh);
    let rounds = if fresh { coding.searches } else { 1 };
    for round in 0..rounds {
        let residuals: Vec<&[f32]> = blocks.iter().map(|block| block.residuals.as_slice()).collect();
        let keep = coding.candidates.min(atoms.dictionary.atoms());
        let Some(found) = atoms.search(&residuals, keep, crew)? else { return Ok(None) };
        for_each_piece(crew.threads, &mut blocks, 1, |at, block| block[0].moves(&found[at], round, rounds, crew));
        if crew.stopped() {
            return Ok(None);
        }
    }
    let mut out = Coded { support: Vec::new(), values: Vec::new(), losses: Vec::new(), changed: 0 };
    for block in blocks {
        out.support.extend(block.support);
        out.values.extend(block.values);
        out.losses.extend(block.losses);
        out.changed += block.changed;
    }
    Ok(Some(out))
}

/// Some rows on their way to codes.
struct Block<'a> {
    coder: RowCoder<'a>,
    coding: Coding,
    /// Offset taken off.
    rows: Vec<f64>,
    before: &'a [u32],
    /// Gains of the codes before.
    gains: Vec<f64>,
    /// Whether some row had a code before, and whether rows get one from nothing.
    coded: bool,
    fresh: bool,
    residuals: Vec<f32>,
    support: Vec<u32>,
    values: Vec<f64>,
    losses: Vec<f64>,
    changed: usize,
}

impl<'a> Block<'a> {
    fn new(atoms: &'a Atoms<'a>, rows: &[f64], before: &'a [u32], coding: Coding) -> Self {
        let (p, w, s) = (atoms.columns, atoms.width, coding.active);
        let offset = &atoms.dictionary.offset;
        let rows: Vec<f64> = rows.chunks_exact(p).flat_map(|x| x.iter().zip(offset).map(|(x, b)| x - b)).collect();
        let count = rows.len() / p;
        let mut coder = RowCoder::new(atoms, s);
        let coded = before.iter().any(|&atom| atom != NONE);
        let fresh = !coded || coding.anew;
        let support = if fresh { vec![NONE; before.len()] } else { before.to_vec() };
        let (mut residuals, mut gains) = (Vec::with_capacity(rows.len()), Vec::with_capacity(count));
        for (n, row) in rows.chunks_exact(p).enumerate() {
            coder.load(row, &before[n * s..(n + 1) * s]);
            gains.push(coder.gain);
            coder.load(row, &support[n * s..(n + 1) * s]);
            residuals.extend_from_slice(&coder.residual);
        }
        let (values, losses) = (vec![0.0; count * s * w], Vec::with_capacity(count));
        Self { coder, coding, rows, before, gains, coded, fresh, residuals, support, values, losses, changed: 0 }
    }

    /// The moves of a round, given each row's candidates.
    fn moves(&mut self, found: &[Vec<u32>], round: usize, rounds: usize, crew: Crew) {
        let s = self.coding.active;
        let (p, w) = (self.rows.len() / self.gains.len(), self.values.len() / self.support.len());
        let target = if self.fresh { (s * (round + 1)).div_ceil((rounds - 1).max(1)).min(s) } else { s };
        let coder = &mut self.coder;
        for (n, row) in self.rows.chunks_exact(p).enumerate() {
            if crew.stopped() {
                return;
            }
            let (own, before) = (&mut self.support[n * s..(n + 1) * s], &self.before[n * s..(n + 1) * s]);
            coder.load(row, own);
            coder.pick(&found[n], target);
            if round + 1 == rounds {
                coder.exchange(&found[n]);
                if self.coded && !coder.better_than(self.gains[n]) {
                    coder.load(row, before);
                }
            }
            own.fill(NONE);
            let mut order: Vec<usize> = (0..coder.support.len()).collect();
            order.sort_by_key(|&i| coder.support[i]);
            for (to, &from) in order.iter().enumerate() {
                own[to] = coder.support[from];
                let first = (n * s + to) * w;
                self.values[first..first + w].copy_from_slice(&coder.values[from * w..(from + 1) * w]);
            }
            self.values[(n * s + order.len()) * w..(n + 1) * s * w].fill(0.0);
            self.residuals[n * p..(n + 1) * p].copy_from_slice(&coder.residual);
            if round + 1 == rounds {
                self.losses.push(coder.loss());
                self.changed += usize::from(own != before);
            }
        }
    }
}
