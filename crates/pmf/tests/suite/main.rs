//! The tests of this crate through its public face, in one binary: each of its own would be linked apart.

mod bootstrap;
mod common;
mod device;
mod displacement;
mod golden;
mod laplace;
mod planted;
mod posterior;
mod robust;
mod streaming;
mod unformed;
