//! The tests of this crate through its public face, in one binary: each of its own would be linked apart.

mod arrow;
mod coding;
mod common;
mod criterion;
mod derivatives;
mod factorisation;
mod fit;
mod incoherence;
mod inner;
mod input;
mod lane;
mod lane_device;
mod outer;
mod planted_data;
mod shapes;
