//! What a fit of the lane is told.

use headwater_base::Error;

use crate::lane::Shape;

/// Where directions begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seeds {
    /// Directions of rows drawn without repetition; random ones where the rows run out.
    #[default]
    Rows,
    /// Random directions, whatever the data.
    Random,
}

/// Settings of [`fit`](crate::lane::fit()).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// K, 1 to N.
    pub atoms: usize,
    /// s, the most atoms on in a row: 1 to K, and no more than p directions (p/2 planes), 64 at most.
    pub active: usize,
    /// What an atom is.
    pub shape: Shape,
    /// Codes of directions are not negative (circles have an amplitude >= 0 anyway). Default true, as activations of features are.
    pub non_negative: bool,
    /// Whether an offset b is fitted. Default true; false is b = 0.
    pub offset: bool,
    /// λ >= 0, relative to ‖d‖² = 1. Default 1e-6: it bounds the codes of nearly parallel atoms and costs 1e-6 of their size.
    pub ridge: f64,
    /// Where directions begin.
    pub seeds: Seeds,
    /// Of all random draws.
    pub seed: u64,
    /// Most passes over the data, from 1. Default 40.
    pub passes: usize,
    /// Most early passes, in which decoders are refitted several times a pass, and unused atoms and twins begin again; they end by
    /// themselves when that has no more effect. Default 20.
    pub early: usize,
    /// Refits in each early pass, from 1. Default 4.
    pub updates: usize,
    /// Products over all atoms by which a row without a code gets one, from 1. Default 4: the atoms are picked in three parts,
    /// and the fourth looks for exchanges. Rows that have a code take one product a pass.
    pub searches: usize,
    /// Atoms kept of each product and row, 8 to 256. Default 32.
    pub candidates: usize,
    /// Largest gradient, √(Σ_k ‖g_k‖²/a_k / Σ‖x − x̄‖²), that counts as zero. Default 1e-6.
    pub tolerance: f64,
    /// Relative decrease of F in a pass below which a fit without proof is stalled. Default 1e-7.
    pub stall: f64,
}

impl Settings {
    /// Defaults, for K atoms and s of them active.
    pub fn new(atoms: usize, active: usize) -> Self {
        Self {
            atoms,
            active,
            shape: Shape::Direction,
            non_negative: true,
            offset: true,
            ridge: 1e-6,
            seeds: Seeds::Rows,
            seed: 0,
            passes: 40,
            early: 20,
            updates: 4,
            searches: 4,
            candidates: 32,
            tolerance: 1e-6,
            stall: 1e-7,
        }
    }

    /// Errors for N rows of p columns: `empty-data`; `too-few-atoms`, `too-many-atoms` (with N as limit);
    /// `option-out-of-range` naming what is wrong.
    pub fn check(&self, rows: usize, columns: usize) -> Result<(), Error> {
        if rows == 0 || columns == 0 {
            return Err(Error::new("empty-data", format!("the data have {rows} rows and {columns} columns")));
        }
        if self.atoms == 0 {
            return Err(Error::new("too-few-atoms", "a dictionary needs at least one atom"));
        }
        if self.atoms > rows {
            let message =
                format!("{} atoms cannot be learnt from {rows} rows; give more rows or fewer atoms", self.atoms);
            return Err(Error::new("too-many-atoms", message).with_limit(rows as f64));
        }
        let most = self.atoms.min(columns / self.shape.width()).min(64);
        let whole = [
            ("active", self.active, 1, most),
            ("passes", self.passes, 1, usize::MAX),
            ("updates", self.updates, 1, usize::MAX),
            ("searches", self.searches, 1, 1000),
            ("candidates", self.candidates, 8, 256),
        ];
        for (name, found, least, most) in whole {
            if !(least..=most).contains(&found) {
                let message = format!("{name} is {found}; allowed are {least} to {most}");
                return Err(Error::new("option-out-of-range", message).with_limit(most as f64));
            }
        }
        for (name, found) in [("ridge", self.ridge), ("tolerance", self.tolerance), ("stall", self.stall)] {
            if !(0.0..=1.0).contains(&found) {
                let message = format!("{name} is {found}; allowed are 0 to 1");
                return Err(Error::new("option-out-of-range", message));
            }
        }
        Ok(())
    }
}
