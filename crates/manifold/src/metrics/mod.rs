//! Figures by which dictionaries are judged and compared, whoever made them.
//!
//! | of what | what |
//! | --- | --- |
//! | data and reconstruction | [`Reconstruction`]: explained variance in both conventions, error, cosine, length, bias |
//! | codes | [`Usage`]: atoms and numbers a row, atoms that are never active, how often the others are |
//! | decoders | [`co_active_overlap`], [`decoder_parameters`] |
//! | two fits | [`agreement`] (which atom is which, one to one), [`nearest`] (for any number of atoms), [`code_agreement`], [`phase_agreement`] |
//!
//! The first two take batches of rows: what they answer depends on the rows and their order, not on the batches.

mod agreement;
mod code_agreement;
mod reconstruction;
mod usage;

pub use agreement::{Agreement, Decoders, Match, agreement, nearest, phase_agreement};
pub use code_agreement::{CodeMatch, Coded, code_agreement};
pub use reconstruction::{Reconstruction, ReconstructionMetrics};
pub use usage::{DensityBin, Usage, UsageMetrics, co_active_overlap, decoder_parameters};
