//! Optimisers: an object that keeps the state, and one call a step, on the caller's thread and in the caller's arrays.

use headwater_base::Error;
use headwater_optim::kron::{self, Balance, Geometry, Norm, Schedule, Source};
use headwater_optim::muon::Scale as MuonScale;
use headwater_optim::{
    Action, Adafactor, AdamW, Constraint, GuardSettings, Lion, Method, Muon, Parts, PartsMut, ProbeParts, Rates,
    Report, SecondMoment, Sgd, Stepper, StepperSettings, Tensor, Told, What, file,
};
use napi::Env;
use napi::bindgen_prelude::{Either, Float32ArraySlice, Float64ArraySlice, Object, Uint8ArraySlice};
use napi_derive::napi;

use crate::settings::{integer, key};
use crate::solve::tagged;

/// Memory of a tensor.
pub(crate) type Array<'a> = Either<Float32ArraySlice<'a>, Float64ArraySlice<'a>>;

/// Settings of an optimiser. What is absent has the engine's default.
#[napi(object, object_to_js = false)]
pub struct NativeOptimizerSettings {
    /// `sgd`, `adamw`, `lion`, `muon`, `adafactor` or `kron`.
    pub method: String,
    /// Key of all random numbers, below 2^53.
    pub seed: Option<f64>,
    /// Largest norm of the gradient.
    pub clip_norm: Option<f64>,
    /// Largest norm of the update (Newton's criterion).
    pub update_cap: Option<f64>,
    /// Of `sgd`, `muon` and `kron`.
    pub momentum: Option<f64>,
    /// Of `sgd`.
    pub nesterov: Option<bool>,
    /// Of `adamw` and `lion`.
    pub beta1: Option<f64>,
    /// Of `adamw` and `lion`.
    pub beta2: Option<f64>,
    /// Of `adamw`.
    pub epsilon: Option<f64>,
    /// Of `adamw`: `modulus` or `perPart`.
    pub second_moment: Option<String>,
    /// Of `adamw`.
    pub metric_cap: Option<f64>,
    /// Of `adamw`.
    pub burn_in: Option<bool>,
    /// Of `muon`: `aspect` or `rms`.
    pub muon_scale: Option<String>,
    /// Of `muon`.
    pub rest_rate: Option<f64>,
    /// Of `adafactor`.
    pub relative: Option<bool>,
    /// Of `adafactor`.
    pub epsilon2: Option<f64>,
    /// Of `kron`: `whitening` or `newton`.
    pub criterion: Option<String>,
    /// Of `kron`: `EQ`, `QEP`, `QEQ`, `QUAD`, `Q0.5EQ1.5`, `QUAD4P` or `PRO4P`.
    pub geometry: Option<String>,
    /// Of `kron`.
    pub precond_lr: Option<f64>,
    /// Of `kron`.
    pub norm_memory: Option<f64>,
    /// Of `kron`: the exact norm for sides of any length.
    pub exact_norm: Option<bool>,
    /// Of `kron`.
    pub max_size: Option<f64>,
    /// Of `kron`.
    pub max_skew: Option<f64>,
    /// Of `kron`.
    pub damping: Option<f64>,
    /// Of `kron`.
    pub scale: Option<f64>,
    /// Of `kron`: p, or the floor of the annealed schedule with the next two.
    pub update_probability: Option<f64>,
    /// Of `kron`.
    pub update_flat: Option<f64>,
    /// Of `kron`.
    pub update_rate: Option<f64>,
    /// Of `kron`.
    pub balance_every: Option<f64>,
    /// Of `kron`.
    pub balance_ratio: Option<f64>,
    /// Of `kron`: whiten the momentum instead of the gradient.
    pub whiten_momentum: Option<bool>,
    /// Of `kron`.
    pub clip_rms: Option<f64>,
    /// Of `kron`.
    pub clip_element: Option<f64>,
    /// With a guard.
    pub guard: Option<NativeGuardSettings>,
}

/// Settings of a guard. What is absent has the engine's default.
#[napi(object, object_to_js = false)]
pub struct NativeGuardSettings {
    /// Discarded steps in a row before a backoff.
    pub skips: Option<f64>,
    /// Backoffs before a rollback.
    pub backoffs: Option<f64>,
    /// Rollbacks before the end.
    pub rollbacks: Option<f64>,
    /// What a backoff multiplies the rate by.
    pub factor: Option<f64>,
    /// Smallest multiplier.
    pub least: Option<f64>,
    /// Good steps that win a backoff back.
    pub recovery: Option<f64>,
    /// Commits between two snapshots.
    pub snapshot_every: Option<f64>,
    /// Snapshots that are kept.
    pub snapshots: Option<f64>,
    /// z of a spike.
    pub spike: Option<f64>,
    /// Losses that z is computed from.
    pub window: Option<f64>,
    /// Fewest of them.
    pub samples: Option<f64>,
    /// Share of attempts that may be discarded.
    pub discards: Option<f64>,
}

impl NativeGuardSettings {
    fn settings(&self) -> Result<GuardSettings, Error> {
        let base = GuardSettings::default();
        let whole = |name: &str, value: Option<f64>, base: u64| {
            value.map_or(Ok(base), |value| integer(name, value, f64::from(u32::MAX)))
        };
        Ok(GuardSettings {
            skips: whole("skips", self.skips, base.skips)?,
            backoffs: whole("backoffs", self.backoffs, base.backoffs)?,
            rollbacks: whole("rollbacks", self.rollbacks, base.rollbacks)?,
            factor: self.factor.unwrap_or(base.factor),
            least: self.least.unwrap_or(base.least),
            recovery: whole("recovery", self.recovery, base.recovery)?,
            snapshot_every: whole("snapshotEvery", self.snapshot_every, base.snapshot_every)?,
            snapshots: whole("snapshots", self.snapshots, base.snapshots)?,
            spike: self.spike.unwrap_or(base.spike),
            window: whole("window", self.window, base.window)?,
            samples: whole("samples", self.samples, base.samples)?,
            discards: self.discards.unwrap_or(base.discards),
        })
    }
}

impl NativeOptimizerSettings {
    fn method(&self) -> Result<Method, Error> {
        Ok(match self.method.as_str() {
            "sgd" => {
                Method::Sgd(Sgd { momentum: self.momentum.unwrap_or(0.0), nesterov: self.nesterov.unwrap_or(false) })
            }
            "adamw" => {
                let base = AdamW::default();
                Method::AdamW(AdamW {
                    beta1: self.beta1.unwrap_or(base.beta1),
                    beta2: self.beta2.unwrap_or(base.beta2),
                    epsilon: self.epsilon.unwrap_or(base.epsilon),
                    second_moment: match self.second_moment.as_deref() {
                        None => base.second_moment,
                        Some("modulus") => SecondMoment::Modulus,
                        Some("perPart") => SecondMoment::PerPart,
                        Some(other) => return unknown("secondMoment", other),
                    },
                    cap: self.metric_cap.unwrap_or(base.cap),
                    burn_in: self.burn_in.unwrap_or(base.burn_in),
                })
            }
            "lion" => {
                let base = Lion::default();
                Method::Lion(Lion { beta1: self.beta1.unwrap_or(base.beta1), beta2: self.beta2.unwrap_or(base.beta2) })
            }
            "muon" => {
                let base = Muon::default();
                Method::Muon(Muon {
                    momentum: self.momentum.unwrap_or(base.momentum),
                    nesterov: self.nesterov.unwrap_or(base.nesterov),
                    scale: match self.muon_scale.as_deref() {
                        None | Some("aspect") => MuonScale::Aspect,
                        Some("rms") => MuonScale::Rms,
                        Some(other) => return unknown("scale", other),
                    },
                    rest_rate: self.rest_rate.unwrap_or(base.rest_rate),
                    rest: base.rest,
                })
            }
            "adafactor" => {
                let base = Adafactor::default();
                Method::Adafactor(Adafactor {
                    relative: self.relative.unwrap_or(base.relative),
                    epsilon1: self.epsilon.unwrap_or(base.epsilon1),
                    epsilon2: self.epsilon2.unwrap_or(base.epsilon2),
                    clip: self.clip_rms.unwrap_or(base.clip),
                    beta1: self.beta1.unwrap_or(base.beta1),
                })
            }
            "kron" => Method::KronPsgd(Box::new(self.kron()?)),
            other => return unknown("method", other),
        })
    }

    fn kron(&self) -> Result<kron::Settings, Error> {
        let base = match self.criterion.as_deref() {
            None | Some("whitening") => kron::Settings::whitening(),
            Some("newton") => kron::Settings::newton(),
            Some(other) => return unknown("criterion", other),
        };
        let count = |name: &str, value: f64| integer(name, value, f64::from(u32::MAX));
        Ok(kron::Settings {
            geometry: match self.geometry.as_deref() {
                None => base.geometry,
                Some("EQ") => Geometry::Eq,
                Some("QEP") => Geometry::Qep,
                Some("QEQ") => Geometry::Qeq,
                Some("QUAD") => Geometry::Quad,
                Some("Q0.5EQ1.5") => Geometry::Q0p5Eq1p5,
                Some("QUAD4P") => Geometry::Quad4p,
                Some("PRO4P") => Geometry::Pro4p,
                Some(other) => return unknown("geometry", other),
            },
            precond_lr: self.precond_lr.unwrap_or(base.precond_lr),
            norm_memory: self.norm_memory.unwrap_or(base.norm_memory),
            norm: if self.exact_norm == Some(true) { Norm::Exact } else { base.norm },
            max_size: self.max_size.map_or(Ok(base.max_size), |size| Ok(count("maxSize", size)? as usize))?,
            max_skew: self.max_skew.unwrap_or(base.max_skew),
            damping: self.damping.unwrap_or(base.damping),
            scale: self.scale.or(base.scale),
            schedule: match (self.update_probability, self.update_flat, self.update_rate) {
                (None, None, None) => base.schedule,
                (Some(p), None, None) => Schedule::Constant(p),
                (Some(floor), Some(flat), Some(rate)) => {
                    Schedule::Annealed { flat: count("updates.flat", flat)?, rate, floor }
                }
                _ => return Err(Error::new("option-missing", "updates needs flat, rate and floor, or is a number")),
            },
            balance: Balance {
                every: self.balance_every.map_or(Ok(base.balance.every), |every| count("balance.every", every))?,
                ratio: self.balance_ratio.unwrap_or(base.balance.ratio),
            },
            momentum: self.momentum.unwrap_or(base.momentum),
            source: if self.whiten_momentum == Some(true) { Source::Momentum } else { base.source },
            clip_rms: self.clip_rms.unwrap_or(base.clip_rms),
            clip_element: self.clip_element.unwrap_or(base.clip_element),
            ..base
        })
    }

    fn stepper(&self) -> Result<StepperSettings, Error> {
        Ok(StepperSettings {
            seed: self.seed.map_or(Ok(0), key)?,
            clip_norm: self.clip_norm,
            update_cap: self.update_cap,
            guard: self.guard.as_ref().map(NativeGuardSettings::settings).transpose()?,
        })
    }
}

fn unknown<T>(name: &str, value: &str) -> Result<T, Error> {
    Err(Error::new("option-not-valid", format!("{name}: {value:?} is not known")))
}

/// A parameter.
#[napi(object, object_to_js = false)]
pub struct NativeTensor {
    /// Unique.
    pub name: String,
    /// Sizes of its axes.
    pub shape: Vec<f64>,
    /// `float32`, `float64`, `complex64` or `complex128`.
    pub dtype: String,
    /// `stiefel` or `nonnegative`.
    pub constraint: Option<String>,
}

impl NativeTensor {
    pub(crate) fn tensor(self) -> Result<Tensor, Error> {
        let axis = |size: f64| integer("shape", size, f64::from(u32::MAX)).map(|size| size as usize);
        let (double, complex) = match self.dtype.as_str() {
            "float32" => (false, false),
            "float64" => (true, false),
            "complex64" => (false, true),
            "complex128" => (true, true),
            other => return unknown("dtype", other),
        };
        let shape = self.shape.into_iter().map(axis).collect::<Result<_, _>>()?;
        let constraint = match self.constraint.as_deref() {
            None => None,
            Some("stiefel") => Some(Constraint::Stiefel),
            Some("nonnegative") => Some(Constraint::NonNegative),
            Some(other) => return unknown("constraint", other),
        };
        Ok(Tensor { name: self.name, shape, double, complex, constraint })
    }
}

/// An optimiser with the state of its tensors.
#[napi]
pub struct NativeOptimizer {
    stepper: Stepper,
}

/// An optimiser for these tensors.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeOptimizer }>", catch_unwind)]
pub fn open_optimizer(
    env: &Env,
    settings: NativeOptimizerSettings,
    tensors: Vec<NativeTensor>,
) -> napi::Result<Object<'_>> {
    let opened = (|| {
        let tensors = tensors.into_iter().map(NativeTensor::tensor).collect::<Result<_, _>>()?;
        let stepper = Stepper::new(&settings.method()?, tensors, settings.stepper()?)?;
        Ok(NativeOptimizer { stepper })
    })();
    tagged(env, opened)
}

/// One file of a header (the caller's) and the state.
#[napi(ts_return_type = "Uint8Array<ArrayBuffer>", catch_unwind)]
pub fn seal_state<'env>(
    env: &'env Env,
    optimizer: &mut NativeOptimizer,
    header: &[u8],
) -> napi::Result<Uint8ArraySlice<'env>> {
    Uint8ArraySlice::copy_from(env, file::seal(header, &optimizer.stepper.save()))
}

/// The header of a file.
#[napi(ts_return_type = "NativeOutcome<{ value: Uint8Array<ArrayBuffer> }>", catch_unwind)]
pub fn state_header<'env>(env: &'env Env, bytes: &[u8]) -> napi::Result<Object<'env>> {
    match file::open(bytes) {
        Ok((header, _)) => tagged(env, Ok(Uint8ArraySlice::copy_from(env, header)?)),
        Err(error) => tagged::<bool>(env, Err(error)),
    }
}

pub(crate) fn shared<'a>(array: &'a Array<'_>) -> Parts<'a> {
    match array {
        Either::A(array) => Parts::F32(array),
        Either::B(array) => Parts::F64(array),
    }
}

pub(crate) fn exclusive<'a>(array: &'a mut Array<'_>) -> PartsMut<'a> {
    match array {
        // SAFETY: nothing else runs on this thread meanwhile; `apart` has found that no other array has this memory.
        Either::A(array) => PartsMut::F32(unsafe { array.as_mut() }),
        // SAFETY: as above.
        Either::B(array) => PartsMut::F64(unsafe { array.as_mut() }),
    }
}

/// Refuses arrays that are to be written and share memory with any other.
pub(crate) fn apart(written: &[Array<'_>], read: &[&[Array<'_>]]) -> Result<(), Error> {
    let span = |array: &Array<'_>, written: bool| {
        let (start, bytes) = match shared(array) {
            Parts::F32(parts) => (parts.as_ptr() as usize, size_of_val(parts)),
            Parts::F64(parts) => (parts.as_ptr() as usize, size_of_val(parts)),
        };
        (start, start + bytes, written)
    };
    let mut spans: Vec<_> = written.iter().map(|array| span(array, true)).collect();
    spans.extend(read.iter().flat_map(|arrays| arrays.iter()).map(|array| span(array, false)));
    spans.retain(|(start, end, _)| start < end);
    spans.sort_unstable();
    // Furthest ends so far, of those that are written and of all.
    let (mut of_written, mut of_all) = (0, 0);
    for (start, end, writes) in spans {
        if start < of_written || writes && start < of_all {
            let message = "a parameter shares its memory with another array of this step";
            return Err(Error::new("arrays-overlap", message));
        }
        of_all = of_all.max(end);
        if writes {
            of_written = of_written.max(end);
        }
    }
    Ok(())
}

/// Order of the numbers of a report; src-ts/optim/report.ts reads them.
fn packed(stepper: &Stepper, report: &Report) -> Vec<f64> {
    let action = match report.action {
        Action::Commit { .. } => 0.0,
        Action::Skip => 1.0,
        Action::Backoff => 2.0,
        Action::Rollback => 3.0,
        Action::Halt => 4.0,
        Action::Rest => 5.0,
    };
    let absent = f64::NAN;
    let mut numbers = vec![
        action,
        report.cause.map_or(-1.0, |cause| f64::from(cause as u8)),
        f64::from(u8::from(report.restored)),
        stepper.count() as f64,
        stepper.epoch() as f64,
        report.gradient_norm,
        report.update_rms,
        report.noise_ratio,
        f64::from(u8::from(report.preconditioner_updated) + 2 * u8::from(report.preconditioner_reset)),
        report.factor_range.map_or(absent, |range| range.0),
        report.factor_range.map_or(absent, |range| range.1),
        report.score.unwrap_or(absent),
    ];
    numbers.extend(match report.fault {
        None => [-1.0, absent, absent, absent],
        Some((tensor, fault)) => {
            let what = match fault.what {
                What::Gradient => 0.0,
                What::Parameter => 1.0,
                What::Probe => 2.0,
                What::State => 3.0,
                What::Candidate => 4.0,
            };
            [tensor as f64, what, fault.index as f64, fault.value]
        }
    });
    if let Some(guard) = stepper.guard() {
        let [attempted, discarded, restored] = guard.totals;
        numbers.push(guard.multiplier);
        let counts = [guard.skipped, guard.backed_off, guard.rolled_back, guard.good, attempted, discarded, restored];
        numbers.extend(counts.map(|count| count as f64));
        // Phases entered, and why.
        for (phase, cause) in guard.transitions() {
            numbers.extend([f64::from(*phase as u8), cause.map_or(-1.0, |cause| f64::from(cause as u8))]);
        }
    }
    numbers
}

#[napi]
impl NativeOptimizer {
    /// Steps committed.
    #[napi(getter)]
    pub fn count(&self) -> f64 {
        self.stepper.count() as f64
    }

    /// Rollbacks so far.
    #[napi(getter)]
    pub fn epoch(&self) -> f64 {
        self.stepper.epoch() as f64
    }

    /// Whether the next step needs the Hessian's products with a probe; writes it, if there is a place.
    #[napi(
        ts_args_type = "v?: (Float32Array | Float64Array)[] | undefined | null",
        ts_return_type = "NativeOutcome<{ value: boolean }>",
        catch_unwind
    )]
    pub fn probe<'env>(&mut self, env: &'env Env, v: Option<Vec<Array<'env>>>) -> napi::Result<Object<'env>> {
        let wanted = match v {
            None => Ok(self.stepper.probe(None)),
            Some(mut v) => apart(&v, &[]).map(|()| {
                let mut places: Vec<_> = v.iter_mut().map(exclusive).collect();
                self.stepper.probe(Some(&mut places))
            }),
        };
        tagged(env, wanted)
    }

    /// One step. `rates`: learning rate and decay of each tensor; `told`: whether the loss is known, the loss,
    /// temperature, tolerance of the gradient's norm, and whether a solver failed, a scaled gradient overflowed, its scale
    /// is exhausted.
    #[napi(
        ts_args_type = "parameters: (Float32Array | Float64Array)[], gradients: (Float32Array | Float64Array)[], v: (Float32Array | Float64Array)[] | null, h: (Float32Array | Float64Array)[] | null, rates: Float64Array, told: Float64Array",
        ts_return_type = "NativeOutcome<{ value: Float64Array<ArrayBuffer> }>",
        catch_unwind
    )]
    pub fn step<'env>(
        &mut self,
        env: &'env Env,
        mut parameters: Vec<Array<'env>>,
        gradients: Vec<Array<'env>>,
        v: Option<Vec<Array<'env>>>,
        h: Option<Vec<Array<'env>>>,
        rates: &[f64],
        told: &[f64],
    ) -> napi::Result<Object<'env>> {
        let (v, h) = (v.unwrap_or_default(), h.unwrap_or_default());
        let &[known, loss, temperature, tolerance, solver, overflow, exhausted] = told else {
            return tagged::<bool>(env, Err(Error::new("shape-mismatch", "told has seven numbers")));
        };
        let stepped = apart(&parameters, &[&gradients, &v, &h]).and_then(|()| {
            let mut places: Vec<_> = parameters.iter_mut().map(exclusive).collect();
            let gradients: Vec<_> = gradients.iter().map(shared).collect();
            let probes: Vec<_> = v.iter().zip(&h).map(|(v, h)| ProbeParts { v: shared(v), h: shared(h) }).collect();
            let rates: Vec<_> = rates.as_chunks::<2>().0.iter().map(|&[lr, decay]| Rates { lr, decay }).collect();
            let told = Told {
                loss: (known != 0.0).then_some(loss),
                temperature,
                tolerance,
                solver_failed: solver != 0.0,
                overflow: overflow != 0.0,
                scale_exhausted: exhausted != 0.0,
            };
            let probes = (!probes.is_empty()).then_some(probes);
            let report = self.stepper.step(&mut places, &gradients, probes.as_deref(), &rates, &told)?;
            Ok(packed(&self.stepper, &report))
        });
        match stepped {
            Ok(numbers) => tagged(env, Ok(Float64ArraySlice::copy_from(env, numbers)?)),
            Err(error) => tagged::<bool>(env, Err(error)),
        }
    }

    /// Takes the state of a file.
    #[napi(ts_return_type = "NativeOutcome<{ value: boolean }>", catch_unwind)]
    pub fn load<'env>(&mut self, env: &'env Env, bytes: &[u8]) -> napi::Result<Object<'env>> {
        tagged(env, file::open(bytes).and_then(|(_, body)| self.stepper.load(body)).map(|()| true))
    }
}
