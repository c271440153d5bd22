//! What every engine of headwater shares: how a call is cancelled and reports progress ([`Control`]),
//! what an outcome is called ([`Status`]), what bad input is ([`Error`]), where random numbers come
//! from ([`rng`]) and how work is split so that the result does not depend on the split ([`parallel`]).

pub mod control;
pub mod error;
pub mod parallel;
pub mod rng;
pub mod status;

pub use control::{Control, Progress};
pub use error::{Error, Warning};
pub use status::Status;
