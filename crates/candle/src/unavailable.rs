//! Which GPUs there are, and why there are none.

use std::sync::OnceLock;

/// Why CUDA is not used, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// `not-built-in`, `driver-missing`, `library-missing`, `no-device` or `ptx-version`.
    pub reason: &'static str,
    /// What was found and what to do, in a sentence or two.
    pub message: String,
}

/// A GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaDevice {
    /// As in `cuda:0`.
    pub index: usize,
    /// What the driver calls it.
    pub name: String,
    /// Its memory in bytes.
    pub memory: u64,
}

/// The GPUs that can be used, at least one. Asked once a process: a driver does not come or go while it runs.
///
/// # Errors
/// [`Unavailable`] says why there is none.
pub fn cuda_devices() -> Result<Vec<CudaDevice>, Unavailable> {
    static FOUND: OnceLock<Result<Vec<CudaDevice>, Unavailable>> = OnceLock::new();
    FOUND.get_or_init(probe).clone()
}

#[cfg(feature = "cuda")]
fn probe() -> Result<Vec<CudaDevice>, Unavailable> {
    crate::cuda::probe()
}

#[cfg(not(feature = "cuda"))]
fn probe() -> Result<Vec<CudaDevice>, Unavailable> {
    Err(Unavailable::not_built_in())
}

impl Unavailable {
    /// The reason of programs without CUDA.
    pub fn not_built_in() -> Self {
        let message = "this build of headwater has no CUDA in it: in a clone of the sources, npm run build:cuda builds one \
                       that has (Linux x64)";
        Self { reason: "not-built-in", message: message.to_string() }
    }
}
