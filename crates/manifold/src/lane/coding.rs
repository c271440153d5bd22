//! Codes of a chunk of rows, block by block.
//!
//! Every round is one product of the block's residuals with all atoms ([`search`]), then each row's moves ([`RowCoder`]). A row
//! that has a support keeps it unless another one has a lower loss: one that moves lead to from there, in one round, or in early
//! passes (`anew`, where decoders change so much that old supports hold rows back) one from nothing. A row without one picks its atoms in
//! `searches − 1` parts, with a product before each, and looks for exchanges in the last round. A part takes as many atoms from
//! the same candidates as if the residual had not changed, which costs little where the row has more atoms than parts.

use headwater_base::parallel::Crew;

use crate::lane::dictionary::NONE;
use crate::lane::row::RowCoder;
use crate::lane::search::{Atoms, search};

/// Rows whose residuals are multiplied at once.
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
pub(super) fn code(atoms: &Atoms, rows: &[f64], before: &[u32], coding: Coding, crew: Crew) -> Option<Coded> {
    let p = atoms.columns;
    let blocks = (rows.len() / p).div_ceil(BLOCK);
    let parts = crew.map(blocks, |at| {
        let (from, to) = (at * BLOCK, (rows.len() / p).min((at + 1) * BLOCK));
        let own = Crew::new(1, crew.control.silent());
        code_block(atoms, &rows[from * p..to * p], &before[from * coding.active..to * coding.active], coding, own)
    })?;
    let mut out = Coded { support: Vec::new(), values: Vec::new(), losses: Vec::new(), changed: 0 };
    for part in parts {
        let part = part?;
        out.support.extend(part.support);
        out.values.extend(part.values);
        out.losses.extend(part.losses);
        out.changed += part.changed;
    }
    Some(out)
}

fn code_block(atoms: &Atoms, rows: &[f64], before: &[u32], coding: Coding, crew: Crew) -> Option<Coded> {
    let (p, w, s) = (atoms.columns, atoms.width, coding.active);
    let offset = &atoms.dictionary.offset;
    let rows: Vec<f64> = rows.chunks_exact(p).flat_map(|x| x.iter().zip(offset).map(|(x, b)| x - b)).collect();
    let count = rows.len() / p;
    let mut coder = RowCoder::new(atoms, s);
    let coded = before.iter().any(|&atom| atom != NONE);
    let fresh = !coded || coding.anew;
    let mut support = if fresh { vec![NONE; before.len()] } else { before.to_vec() };
    let (mut residuals, mut gains) = (Vec::with_capacity(rows.len()), Vec::with_capacity(count));
    for n in 0..count {
        let row = &rows[n * p..(n + 1) * p];
        coder.load(row, &before[n * s..(n + 1) * s]);
        gains.push(coder.gain);
        coder.load(row, &support[n * s..(n + 1) * s]);
        residuals.extend_from_slice(&coder.residual);
    }
    let rounds = if fresh { coding.searches } else { 1 };
    let mut out =
        Coded { support: Vec::new(), values: vec![0.0; count * s * w], losses: Vec::with_capacity(count), changed: 0 };
    for round in 0..rounds {
        let found = search(atoms, &residuals, coding.candidates.min(atoms.dictionary.atoms()), crew)?;
        let target = if fresh { (s * (round + 1)).div_ceil((rounds - 1).max(1)).min(s) } else { s };
        for n in 0..count {
            if crew.stopped() {
                return None;
            }
            let own = &mut support[n * s..(n + 1) * s];
            coder.load(&rows[n * p..(n + 1) * p], own);
            coder.pick(&found[n], target);
            if round + 1 == rounds {
                coder.exchange(&found[n]);
                if coded && !coder.better_than(gains[n]) {
                    coder.load(&rows[n * p..(n + 1) * p], &before[n * s..(n + 1) * s]);
                }
            }
            own.fill(NONE);
            let mut order: Vec<usize> = (0..coder.support.len()).collect();
            order.sort_by_key(|&i| coder.support[i]);
            for (to, &from) in order.iter().enumerate() {
                own[to] = coder.support[from];
                let first = (n * s + to) * w;
                out.values[first..first + w].copy_from_slice(&coder.values[from * w..(from + 1) * w]);
            }
            out.values[(n * s + order.len()) * w..(n + 1) * s * w].fill(0.0);
            residuals[n * p..(n + 1) * p].copy_from_slice(&coder.residual);
            if round + 1 == rounds {
                out.losses.push(coder.loss());
                out.changed += usize::from(own != &before[n * s..(n + 1) * s]);
            }
        }
    }
    out.support = support;
    Some(out)
}
