//! The tests of this crate through its public face, in one binary: each of its own would be linked apart.

mod common;
mod kron_invariants;
mod kron_parity;
mod kron_problems;
mod kron_rlx;
