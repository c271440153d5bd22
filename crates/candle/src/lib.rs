//! [`headwater_linalg::device::Device`] on the tensors of candle: on its CPU, which shows in every test run that the kernels are
//! right, and with the feature `cuda` on a GPU.
//!
//! Every device has one thread of its own, which alone calls candle ([`worker`]): CUDA's streams, handles and memory then
//! belong to one thread, whichever thread of an engine asks. Factors lie with their members innermost (p × starts × members), so
//! that weighted normal equations are products of two matrices ([`kernels`]), and least squares run over all systems at once,
//! element by element ([`nnls`]). On a GPU those of up to 32 unknowns have a kernel of their own ([`cuda`]), one thread a system.
//!
//! What was run where: everything here on candle's CPU. The parts behind `cuda` have been compiled and linked, and were made to
//! fail without a driver; no GPU has run them yet.

#[cfg(feature = "cuda")]
mod cuda;
mod device;
mod failure;
mod kernels;
mod nnls;
mod routing;
mod unavailable;
mod worker;

pub use device::Candle;
pub use unavailable::{CudaDevice, Unavailable, cuda_devices};
