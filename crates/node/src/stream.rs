//! `factorizeStream`: a fit that lives between calls and is handed its rows batch by batch; and `score`.

use std::sync::{Arc, Mutex, PoisonError};

use headwater_base::{Control, Error};
use headwater_pmf::{Learnt, Next, PassReport, Sample, Stream, StreamSettings, Streamed};
use napi::Env;
use napi::bindgen_prelude::{Float64Array, Float64ArraySlice, Object};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::job::{self, Callback};
use crate::objective::NativeObjective;
use crate::outcome::{INTERNAL, Outcome};
use crate::pmf::Input;
use crate::settings::{NativeSettings, integer, threads};
use crate::solve::{Properties, tagged};
use crate::values::{Done, certificate, list, optional, warning};

/// Either still collecting its sample, or fitting.
enum State {
    Sampling(Sample),
    Fitting(Box<Stream>),
}

struct Fit {
    settings: StreamSettings,
    state: State,
}

/// A fit of a table that comes in batches. One call at a time.
#[napi]
pub struct NativeStream {
    fit: Arc<Mutex<Fit>>,
    threads: usize,
}

/// A fit of rows with `cols` species that keeps a sample of up to `sample` rows.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeStream }>", catch_unwind)]
pub fn stream<'env>(
    env: &'env Env,
    cols: f64,
    sample: f64,
    max_passes: f64,
    settings: NativeSettings,
) -> napi::Result<Object<'env>> {
    let made = || {
        let cols = integer("columns", cols, f64::from(u32::MAX))? as usize;
        if cols == 0 {
            return Err(Error::new("empty-data", "rows without species cannot be factorised"));
        }
        let sample = integer("sample", sample, usize::MAX as f64)? as usize;
        let max_passes = integer("maxPasses", max_passes, f64::from(u32::MAX))? as u32;
        let asked = settings.threads;
        let base = settings.into_settings()?;
        let fit = Fit {
            state: State::Sampling(Sample::new(cols, sample, base.seed)),
            settings: StreamSettings {
                factors: base.factors,
                starts: base.starts,
                seed: base.seed,
                max_passes,
                threads: base.threads,
            },
        };
        Ok(NativeStream { fit: Arc::new(Mutex::new(fit)), threads: threads(asked)? })
    };
    tagged(env, made())
}

/// Numbers of a batch, copied.
type Batch = (Vec<f64>, Vec<f64>);

impl NativeStream {
    fn spawn<'env>(
        &self,
        env: &'env Env,
        token: &CancelToken,
        progress: Callback<'_>,
        work: impl FnOnce(&mut Fit, Control<'_>) -> Result<Properties, Error> + Send + 'static,
    ) -> napi::Result<Object<'env>> {
        let fit = Arc::clone(&self.fit);
        job::spawn(env, token, progress, self.threads, move |control| {
            // A panic in an earlier call has been reported; what it left is not worse than a pass that was stopped.
            let mut fit = fit.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut fit, control).map(Outcome::Properties)
        })
    }
}

impl Fit {
    fn stream(&mut self) -> Result<&mut Stream, Error> {
        match &mut self.state {
            State::Fitting(stream) => Ok(stream),
            State::Sampling(_) => Err(Error::new(INTERNAL, "the fit has not begun")),
        }
    }
}

#[napi]
impl NativeStream {
    /// Looks at rows for the sample. Returns the number of rows that it holds.
    #[napi(ts_return_type = "NativeOutcome<{ value: number }>", catch_unwind)]
    pub fn sample<'env>(&self, env: &'env Env, values: &[f64], uncertainties: &[f64]) -> napi::Result<Object<'env>> {
        let mut fit = self.fit.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = match &mut fit.state {
            State::Sampling(sample) => sample.add(values, uncertainties).map(|()| sample.rows() as f64),
            State::Fitting(_) => Err(Error::new(INTERNAL, "the sample is closed")),
        };
        tagged(env, rows)
    }

    /// Fits the sample.
    #[napi(ts_return_type = "Promise<NativeOutcome<object>>", catch_unwind)]
    pub fn begin<'env>(
        &self,
        env: &'env Env,
        token: &CancelToken,
        #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
    ) -> napi::Result<Object<'env>> {
        self.spawn(env, token, progress, |fit, control| {
            if let State::Sampling(sample) = &fit.state {
                let stream = Stream::begin(sample, &fit.settings, control)?;
                fit.state = State::Fitting(Box::new(stream));
            }
            Ok(Box::new(|_, _| Ok(())))
        })
    }

    /// Learns from rows.
    #[napi(ts_return_type = "Promise<NativeOutcome<NativeLearnt>>", catch_unwind)]
    pub fn learn<'env>(
        &self,
        env: &'env Env,
        values: &[f64],
        uncertainties: &[f64],
        token: &CancelToken,
    ) -> napi::Result<Object<'env>> {
        let batch: Batch = (values.to_vec(), uncertainties.to_vec());
        self.spawn(env, token, None, move |fit, control| {
            let learnt = fit.stream()?.learn(&batch.0, &batch.1, control)?;
            Ok(Box::new(move |_, object| set_learnt(object, learnt)))
        })
    }

    /// Adds rows to the pass in progress.
    #[napi(ts_return_type = "Promise<NativeOutcome<object>>", catch_unwind)]
    pub fn add<'env>(
        &self,
        env: &'env Env,
        values: &[f64],
        uncertainties: &[f64],
        token: &CancelToken,
    ) -> napi::Result<Object<'env>> {
        let batch: Batch = (values.to_vec(), uncertainties.to_vec());
        self.spawn(env, token, None, move |fit, control| {
            fit.stream()?.add(&batch.0, &batch.1, control)?;
            Ok(Box::new(|_, _| Ok(())))
        })
    }

    /// Ends a pass.
    #[napi(ts_return_type = "Promise<NativeOutcome<{ done: boolean, q: number }>>", catch_unwind)]
    pub fn end_pass<'env>(&self, env: &'env Env, token: &CancelToken) -> napi::Result<Object<'env>> {
        self.spawn(env, token, None, |fit, control| {
            let stream = fit.stream()?;
            let done = stream.end_pass(control)? == Next::Done;
            let q = stream.lowest();
            Ok(Box::new(move |_, object| {
                object.set("done", done)?;
                object.set("q", q)
            }))
        })
    }

    /// The result, or where the fit stands.
    #[napi(ts_return_type = "Promise<NativeOutcome<NativeStreamed>>", catch_unwind)]
    pub fn result<'env>(&self, env: &'env Env, aborted: bool, token: &CancelToken) -> napi::Result<Object<'env>> {
        self.spawn(env, token, None, move |fit, _| {
            let result = fit.stream()?.result(aborted);
            Ok(Box::new(move |env, object| set_result(env, object, &result)))
        })
    }
}

fn set_learnt(object: &mut Object<'_>, from: Learnt) -> Done {
    object.set("rows", from.rows[0] as f64)?;
    object.set("leftOut", from.rows[1] as f64)?;
    object.set("q", from.q)?;
    object.set("cells", from.cells as f64)?;
    object.set("rollbacks", from.rollbacks as f64)?;
    object.set("halted", from.halted)
}

fn set_result(env: &Env, object: &mut Object<'_>, from: &Streamed) -> Done {
    object.set("status", from.status.as_str())?;
    object.set("rows", from.rows as f64)?;
    object.set("cells", from.cells as f64)?;
    optional(object, "q", from.q)?;
    optional(object, "qRobust", from.q_robust)?;
    optional(object, "outliers", from.outliers.map(|count| count as f64))?;
    object.set("qExpected", from.q_expected)?;
    optional(object, "degreesOfFreedom", from.degrees_of_freedom)?;
    if let Some(from) = &from.certificate {
        object.set("certificate", certificate(env, from)?)?;
    }
    object.set("warnings", list(env, &from.warnings, warning)?)?;
    object.set("passes", list(env, &from.passes, pass)?)?;
    object.set("profiles", Float64ArraySlice::copy_from(env, &from.profiles)?)
}

fn pass<'env>(env: &'env Env, from: &PassReport) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("proof", from.proof)?;
    to.set("q", from.q)?;
    to.set("accepted", from.accepted)?;
    optional(&mut to, "promised", from.promised)?;
    Ok(to)
}

/// Contributions of samples (rows × cols) to given profiles (factors × cols).
#[napi(
    ts_return_type = "Promise<NativeOutcome<{ contributions: Float64Array<ArrayBuffer>, q: number }>>",
    catch_unwind
)]
pub fn score<'env>(
    env: &'env Env,
    values: &[f64],
    uncertainties: &[f64],
    rows: f64,
    cols: f64,
    objective: NativeObjective,
    profiles: Float64Array,
    factors: f64,
    nonnegative: bool,
    max_threads: Option<f64>,
    token: &CancelToken,
) -> napi::Result<Object<'env>> {
    let input = Input::new(values, uncertainties, rows, cols, objective);
    let profiles = profiles.to_vec();
    let threads = threads(max_threads);
    job::spawn(env, token, None, threads.clone().unwrap_or(1), move |control| {
        let factors = integer("factors", factors, f64::from(u32::MAX))? as usize;
        let scored = headwater_pmf::score(&input.into_problem()?, &profiles, factors, nonnegative, threads?, control)?;
        Ok(Outcome::Properties(Box::new(move |env, object| {
            object.set("q", scored.q)?;
            object.set("contributions", Float64ArraySlice::copy_from(env, scored.contributions)?)
        })))
    })
}
