//! Devices: which there are, and those in use. A device is open as long as a call runs on it or JavaScript holds it; all that
//! ask for it meanwhile share it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use headwater_base::{Control, Error, Warning};
use headwater_linalg::device::{Device, Place, gave_up};
use headwater_pmf::{Factorization, Problem, Settings, factorize, factorize_on, is_large};
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::job;
use crate::outcome::Outcome;
use crate::values::{Done, list};

/// A GPU as it is told.
struct Gpu {
    index: usize,
    name: String,
    memory: u64,
}

/// Why CUDA is not used: the code of the error, and its message.
struct Unavailable {
    reason: &'static str,
    message: String,
}

impl Unavailable {
    fn into_error(self) -> Error {
        let code = match self.reason {
            "not-built-in" => "cuda-not-built-in",
            "driver-missing" => "cuda-driver-missing",
            "library-missing" => "cuda-library-missing",
            "ptx-version" => "cuda-ptx-version",
            _ => "cuda-no-device",
        };
        Error::new(code, self.message)
    }
}

#[cfg(feature = "candle")]
fn gpus() -> Result<Vec<Gpu>, Unavailable> {
    let of = |gpu: headwater_candle::CudaDevice| Gpu { index: gpu.index, name: gpu.name, memory: gpu.memory };
    headwater_candle::cuda_devices()
        .map(|gpus| gpus.into_iter().map(of).collect())
        .map_err(|why| Unavailable { reason: why.reason, message: why.message })
}

#[cfg(not(feature = "candle"))]
fn gpus() -> Result<Vec<Gpu>, Unavailable> {
    let message = "this build of headwater has no CUDA in it; in a clone of the sources, npm run build:cuda builds one that has \
                   (Linux x64)";
    Err(Unavailable { reason: "not-built-in", message: message.to_string() })
}

#[cfg(feature = "candle")]
fn start(name: &str) -> Result<Arc<dyn Device>, Error> {
    let opened = match index(name) {
        Some(index) => headwater_candle::Candle::cuda(index),
        None => headwater_candle::Candle::cpu(),
    };
    opened.map(|device| Arc::new(device) as Arc<dyn Device>).map_err(|failure| failure.into_error(name))
}

#[cfg(not(feature = "candle"))]
fn start(_name: &str) -> Result<Arc<dyn Device>, Error> {
    gpus().map_or_else(|why| Err(why.into_error()), |_| unreachable!("without candle there are no GPUs"))
}

/// N of `cuda:N`.
fn index(name: &str) -> Option<usize> {
    name.strip_prefix("cuda:")?.parse().ok()
}

/// Opens `cuda:N`, or candle's CPU for tests, or takes the open one.
fn open(name: &str) -> Result<Arc<dyn Device>, Error> {
    if let Some(wanted) = index(name) {
        let found = gpus().map_err(Unavailable::into_error)?;
        if !found.iter().any(|gpu| gpu.index == wanted) {
            let message = format!("there is no {name}: the driver shows {} GPU(s), counted from cuda:0", found.len());
            return Err(Error::new("cuda-no-device", message));
        }
    } else if name != "candle-cpu" {
        return Err(Error::new("option-not-valid", format!("device: {name:?} is not known")));
    }
    static OPEN: Mutex<Vec<(String, Weak<dyn Device>)>> = Mutex::new(Vec::new());
    // Held while one is opened, so that two calls at once do not open it twice.
    let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|(_, device)| device.strong_count() > 0);
    if let Some(device) = all.iter().find(|(other, _)| other == name).and_then(|(_, device)| device.upgrade()) {
        return Ok(device);
    }
    let device = start(name)?;
    all.push((name.to_string(), Arc::downgrade(&device)));
    Ok(device)
}

/// Does work on `cpu`, a device, or what `auto` stands for, which is a device for work that is `large`. A device that `auto`
/// cannot open leaves the work to the CPU, and a warning.
pub fn placed<T>(
    device: &str,
    large: impl FnOnce() -> bool,
    work: impl FnOnce(Option<Place>) -> Result<T, Error>,
) -> Result<(T, Option<Warning>), Error> {
    let fall_back = device == "auto";
    if device == "cpu" || fall_back && (!large() || gpus().is_err()) {
        return Ok((work(None)?, None));
    }
    match open(if fall_back { "cuda:0" } else { device }) {
        Ok(device) => Ok((work(Some(Place { device: device.as_ref(), fall_back }))?, None)),
        Err(error) if fall_back => Ok((work(None)?, Some(gave_up(&error)))),
        Err(error) => Err(error),
    }
}

/// `factorize` at a place.
pub fn factorize_at(
    device: &str,
    problem: &Problem,
    settings: &Settings,
    control: Control<'_>,
) -> Result<Factorization, Error> {
    let large = || is_large(problem, settings);
    let (mut found, warning) = placed(device, large, |place| match place {
        Some(place) => factorize_on(problem, settings, place, control),
        None => factorize(problem, settings, control),
    })?;
    found.solution.warnings.extend(warning);
    found.solution.warnings.sort();
    Ok(found)
}

/// Which GPUs there are, or why none is used.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeDeviceInfo>>", catch_unwind)]
pub fn device_info<'env>(env: &'env Env, token: &CancelToken) -> napi::Result<Object<'env>> {
    job::spawn(env, token, None, 1, |_| {
        let found = gpus();
        Ok(Outcome::Properties(Box::new(move |env, to| tell(env, to, &found))))
    })
}

fn tell(env: &Env, to: &mut Object<'_>, found: &Result<Vec<Gpu>, Unavailable>) -> Done {
    match found {
        Ok(gpus) => to.set("devices", list(env, gpus, gpu)?),
        Err(why) => {
            to.set("reason", why.reason)?;
            to.set("message", why.message.as_str())
        }
    }
}

fn gpu<'env>(env: &'env Env, from: &Gpu) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("index", from.index as f64)?;
    to.set("name", from.name.as_str())?;
    to.set("memory", from.memory as f64)?;
    Ok(to)
}

/// Keeps a device open.
#[napi]
pub struct NativeDevice {
    held: Mutex<Option<Arc<dyn Device>>>,
}

#[napi]
impl NativeDevice {
    /// Lets go of it; where nobody else holds it, its memory is free when this is over.
    #[napi]
    pub fn close(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Opens a device, `cuda:N`.
#[napi(ts_return_type = "Promise<NativeOutcome<{ value: NativeDevice }>>", catch_unwind)]
pub fn open_device<'env>(env: &'env Env, name: String, token: &CancelToken) -> napi::Result<Object<'env>> {
    job::spawn(env, token, None, 1, move |_| {
        let held = open(&name)?;
        Ok(Outcome::Properties(Box::new(move |_, to| to.set("value", NativeDevice { held: Mutex::new(Some(held)) }))))
    })
}
