//! Where a fit begins, which decides where it ends.
//!
//! `cumulant.rs` finds the planes of circles of which several are active in a row, from fourth cumulants; `greedy.rs` takes
//! subspaces of any shape one after the other out of the rows.

mod cumulant;
mod greedy;

pub use cumulant::{Planes, planes};
pub use greedy::greedy;
