//! What only a GPU has: the probe for one, its opening, and the kernel of small least-squares problems.
//!
//! Compiled and linked without a GPU, and made to fail without a driver; the kernel's body (`kernels/nnls.h`) has been run as C on a
//! CPU. No GPU has run any of it yet.

use std::ffi::c_int;
use std::panic::catch_unwind;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::result::{self, DriverError};
use candle_core::cuda_backend::cudarc::driver::{CudaView, LaunchConfig, PushKernelArg, sys};
use candle_core::cuda_backend::{CudaStorage, WrapErr};
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};
use headwater_linalg::device::Failure;

use crate::failure::failure;
use crate::unavailable::{CudaDevice, Unavailable};

/// `kernels/nnls.cu`, for compute capability 7.5 and later.
const PTX: &str = include_str!("../kernels/nnls.ptx");
/// Unknowns up to which there is a kernel.
const MOST: usize = 32;
/// Threads of a block: few, since each keeps its factor in local memory.
const THREADS: u32 = 128;
/// What a driver must know, as it tells its version: CUDA 13.0, whose compiler has made the kernels.
const OLDEST: c_int = 13_000;

// Of the link archives that scripts/cuda-lazy.mjs makes.
unsafe extern "C" {
    fn hw_lazy_cublas_present() -> c_int;
    fn hw_lazy_curand_present() -> c_int;
}

/// The GPUs of the driver.
pub fn probe() -> std::result::Result<Vec<CudaDevice>, Unavailable> {
    let unusable = |error: DriverError| Unavailable {
        reason: "no-device",
        message: format!("the NVIDIA driver cannot be used: {error:?}; nvidia-smi shows what it knows"),
    };
    let found = catch_unwind(|| {
        result::init().map_err(|error| why(error).unwrap_or_else(|| unusable(error)))?;
        libraries()?;
        version().map_err(unusable).and_then(check_version)?;
        devices().map_err(unusable)
    });
    let found = found.unwrap_or_else(|_| {
        let message = "the NVIDIA driver's bindings gave up".to_string();
        Err(Unavailable { reason: "no-device", message })
    })?;
    if found.is_empty() { Err(no_device()) } else { Ok(found) }
}

/// Reasons that the driver's first answer tells.
fn why(error: DriverError) -> Option<Unavailable> {
    match error.0 {
        sys::CUresult::CUDA_ERROR_STUB_LIBRARY => Some(Unavailable {
            reason: "driver-missing",
            message: "libcuda.so.1 was not found: install NVIDIA's driver 580 or newer, or name the folder of the library in \
                      HEADWATER_CUDA_PATH"
                .to_string(),
        }),
        sys::CUresult::CUDA_ERROR_NO_DEVICE => Some(no_device()),
        _ => None,
    }
}

fn no_device() -> Unavailable {
    let message =
        "the NVIDIA driver shows no GPU: see nvidia-smi, and whether CUDA_VISIBLE_DEVICES hides it".to_string();
    Unavailable { reason: "no-device", message }
}

fn libraries() -> std::result::Result<(), Unavailable> {
    // SAFETY: functions without arguments that open a library and close it again.
    let present =
        unsafe { [("libcublas.so.13", hw_lazy_cublas_present()), ("libcurand.so.10", hw_lazy_curand_present())] };
    match present.iter().find(|(_, present)| *present == 0) {
        None => Ok(()),
        Some((name, _)) => Err(Unavailable {
            reason: "library-missing",
            message: format!(
                "{name} was not found: install the runtime libraries of CUDA 13, or name their folder in HEADWATER_CUDA_PATH"
            ),
        }),
    }
}

fn version() -> std::result::Result<c_int, DriverError> {
    let mut version = 0;
    // SAFETY: writes one number.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result()?;
    Ok(version)
}

fn check_version(version: c_int) -> std::result::Result<(), Unavailable> {
    if version >= OLDEST {
        return Ok(());
    }
    let (major, minor) = (version / 1000, version % 1000 / 10);
    let message =
        format!("the NVIDIA driver knows CUDA {major}.{minor}, and this build needs 13.0: install driver 580 or newer");
    Err(Unavailable { reason: "ptx-version", message })
}

fn devices() -> std::result::Result<Vec<CudaDevice>, DriverError> {
    let each = |ordinal: c_int| {
        let device = result::device::get(ordinal)?;
        // SAFETY: the device is one that the driver has just named.
        let memory = unsafe { result::device::total_mem(device) }? as u64;
        Ok(CudaDevice { index: ordinal as usize, name: result::device::get_name(device)?, memory })
    };
    (0..result::device::get_count()?).map(each).collect()
}

/// Opens a GPU with a stream of its own, and sees whether it can multiply.
pub fn open(index: usize) -> std::result::Result<Device, Failure> {
    let attempt = || -> Result<Device> {
        let device = Device::new_cuda_with_stream(index)?;
        let a = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0], (2, 2), &device)?;
        let product: Vec<f64> = a.matmul(&a)?.affine(2.0, 1.0)?.flatten_all()?.to_vec1()?;
        if product != [15.0, 21.0, 31.0, 45.0] {
            bail!("a product of two matrices came out wrong: {product:?}");
        }
        Ok(device)
    };
    attempt().map_err(|error| failure(&error, 0))
}

/// Minimisers as [`crate::nnls::solve`] has them; `None` where the kernel does not do it: on candle's CPU, for more than 32
/// unknowns, where a system went round in circles.
pub fn nnls(a: &Tensor, b: &Tensor, guess: &Tensor, bounded: bool) -> Result<Option<Tensor>> {
    let (p, systems) = b.dims2()?;
    if !b.device().is_cuda() || p > MOST || u32::try_from(systems).is_err() {
        return Ok(None);
    }
    let x = a.contiguous()?.apply_op3_no_bwd(&b.contiguous()?, &guess.contiguous()?, &Nnls { bounded })?;
    let ended = !x.sum_all()?.to_scalar::<f64>()?.is_nan();
    Ok(ended.then_some(x))
}

struct Nnls {
    bounded: bool,
}

impl CustomOp3 for Nnls {
    fn name(&self) -> &'static str {
        "nnls"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        bail!("least squares on the CPU have no kernel of their own")
    }

    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        layout_a: &Layout,
        b: &CudaStorage,
        layout_b: &Layout,
        guess: &CudaStorage,
        layout_guess: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        fn slice<'a>(storage: &'a CudaStorage, layout: &Layout) -> Result<CudaView<'a, f64>> {
            match layout.contiguous_offsets() {
                Some((from, to)) => Ok(storage.as_cuda_slice::<f64>()?.slice(from..to)),
                None => bail!("systems that do not lie one behind the other"),
            }
        }
        let (p, systems) = layout_b.shape().dims2()?;
        let device = b.device().clone();
        let (a, b, guess) = (slice(a, layout_a)?, slice(b, layout_b)?, slice(guess, layout_guess)?);
        let name = match p {
            ..=8 => "nnls8",
            ..=16 => "nnls16",
            _ => "nnls32",
        };
        let kernel = device.get_or_load_custom_func(name, "headwater-nnls", PTX)?;
        // SAFETY: the kernel writes every element.
        let mut x = unsafe { device.alloc::<f64>(p * systems)? };
        let (unknowns, count, bounded) = (p as u32, systems as u32, i32::from(self.bounded));
        let config =
            LaunchConfig { grid_dim: (count.div_ceil(THREADS), 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 };
        let mut call = kernel.builder();
        call.arg(&unknowns).arg(&count).arg(&bounded).arg(&a).arg(&b).arg(&guess).arg(&mut x);
        // SAFETY: the arguments are those of nnls.cu: a is p(p + 1)/2 × systems, b, guess and x are p × systems.
        unsafe { call.launch(config) }.w()?;
        Ok((CudaStorage::wrap_cuda_slice(x, device), Shape::from((p, systems))))
    }
}
