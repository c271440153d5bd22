//! Where a fit of circles begins, which decides where it ends.
//!
//! [`cumulant`] finds the planes of circles of which several are active in a row, from fourth cumulants; [`ring`] codes rows
//! by them and refits them in turns.

mod cumulant;
mod greedy;
mod ring;

pub use cumulant::{Planes, planes};
pub use greedy::greedy;
pub use ring::{Codes, Rings, encode, refine};
