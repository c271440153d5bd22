//! What every engine of headwater shares: how a call is cancelled and reports progress ([`Control`]),
//! what an outcome is called ([`Status`]), what bad input is ([`Error`]), where random numbers come
//! from ([`rng`], many normal ones at once: [`normal`]), how work is split so that the result does not depend on the split
//! ([`parallel`]) and how a kernel is compiled for several instruction sets ([`mod@simd`]).

pub mod control;
pub mod error;
pub mod normal;
pub mod parallel;
pub mod rng;
pub mod simd;
pub mod status;

pub use control::{Control, Progress};
pub use error::{Error, Warning};
pub use status::Status;
