//! The tests of this crate through its public face, in one binary: each of its own would be linked apart.

mod cayley;
mod common;
mod definite;
mod direct_steps;
mod exact_hessian;
mod fuzz;
mod gradients;
mod methods;
mod preconditioners;
mod propagation;
mod scales;
mod session;
