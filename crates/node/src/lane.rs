//! The streaming lane of dictionaries: `fitLane`, `encodeLane`.

use headwater_base::parallel::Crew;
use headwater_base::{Error, Warning};
use headwater_manifold::lane::{Codes, Dictionary, Pass, Rows, Settings, Shape, Table, encode_on, fit_on, is_large};
use napi::Env;
use napi::bindgen_prelude::{Either, Float32Array, Float64Array, Object, Uint32ArraySlice};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::device::placed;
use crate::job::{self, Callback};
use crate::manifold::set_vector;
use crate::outcome::Outcome;
use crate::settings::{integer, key, threads};
use crate::values::{Done, list, optional, warning as warn};

/// What a caller chooses.
#[napi(object, object_to_js = false)]
pub struct NativeLaneSettings {
    /// K.
    pub atoms: f64,
    /// s.
    pub active: f64,
    /// Planes instead of directions.
    pub circles: bool,
    /// Codes are not negative.
    pub non_negative: bool,
    /// An offset is fitted.
    pub offset: bool,
    /// λ.
    pub ridge: Option<f64>,
    /// Key of the random numbers, below 2^53.
    pub seed: f64,
    /// Most passes.
    pub passes: Option<f64>,
    /// Most early ones.
    pub early: Option<f64>,
    /// Products a row without a code gets.
    pub searches: Option<f64>,
    /// Atoms kept of each product.
    pub candidates: Option<f64>,
    /// Largest number of threads.
    pub threads: Option<f64>,
    /// Where products over all atoms run; absent: here.
    pub device: Option<String>,
}

/// Settings, threads and device.
type Chosen = (Settings, usize, String);

impl NativeLaneSettings {
    fn read(self) -> Result<Chosen, Error> {
        let size = |name, value| integer(name, value, f64::from(u32::MAX)).map(|value| value as usize);
        let base = Settings::new(size("atoms", self.atoms)?, size("active", self.active)?);
        let or = |name, value: Option<f64>, usual| value.map_or(Ok(usual), |value| size(name, value));
        let settings = Settings {
            shape: if self.circles { Shape::Circle } else { Shape::Direction },
            non_negative: self.non_negative,
            offset: self.offset,
            ridge: self.ridge.unwrap_or(base.ridge),
            seed: key(self.seed)?,
            passes: or("passes", self.passes, base.passes)?,
            early: or("early", self.early, base.early)?,
            searches: or("searches", self.searches, base.searches)?,
            candidates: or("candidates", self.candidates, base.candidates)?,
            ..base
        };
        Ok((settings, threads(self.threads)?, self.device.unwrap_or_else(|| "cpu".to_string())))
    }
}

/// Rows in the type that the caller has them in: a copy, and nothing else of their size.
enum Values {
    Double(Vec<f64>),
    Single(Vec<f32>),
}

impl Values {
    fn new(values: &Either<Float64Array, Float32Array>) -> Self {
        match values {
            Either::A(values) => Self::Double(values.to_vec()),
            Either::B(values) => Self::Single(values.to_vec()),
        }
    }

    fn with<T>(&self, columns: usize, work: impl FnOnce(&dyn Rows) -> Result<T, Error>) -> Result<T, Error> {
        match self {
            Self::Double(values) => work(&Table::new(values, columns)?),
            Self::Single(values) => work(&Table::new(values, columns)?),
        }
    }
}

fn columns(cols: f64) -> Result<usize, Error> {
    integer("cols", cols, f64::from(u32::MAX)).map(|cols| cols as usize)
}

/// Learns a dictionary of many atoms.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeLane>>", catch_unwind)]
pub fn fit_lane<'env>(
    env: &'env Env,
    values: Either<Float64Array, Float32Array>,
    cols: f64,
    settings: NativeLaneSettings,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let (values, settings) = (Values::new(&values), settings.read());
    let most = settings.as_ref().map_or(1, |(_, threads, _)| *threads);
    job::spawn(env, token, progress, most, move |control| {
        let (settings, threads, device) = settings?;
        let (cols, crew) = (columns(cols)?, Crew::new(threads, control));
        let (found, warning) = placed(
            &device,
            || is_large(&settings),
            |place| values.with(cols, |rows| fit_on(rows, &settings, place, crew)),
        )?;
        let warnings: Vec<Warning> = found.warnings.iter().cloned().chain(warning).collect();
        Ok(Outcome::Properties(Box::new(move |env, object| {
            object.set("status", found.status.as_str())?;
            optional(object, "objective", found.objective)?;
            set_vector(env, object, "offset", &found.dictionary.offset)?;
            set_vector(env, object, "directions", &found.dictionary.directions)?;
            of_codes(env, object, &found.codes)?;
            object.set("passes", list(env, &found.passes, of_pass)?)?;
            object.set("seeding", list(env, &found.seeding, of_pass)?)?;
            object.set("warnings", list(env, &warnings, warn)?)
        })))
    })
}

/// Codes of rows by a dictionary of many atoms.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeLaneCodes>>", catch_unwind)]
pub fn encode_lane<'env>(
    env: &'env Env,
    offset: &[f64],
    directions: &[f64],
    values: Either<Float64Array, Float32Array>,
    settings: NativeLaneSettings,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let (values, settings) = (Values::new(&values), settings.read());
    let (offset, directions) = (offset.to_vec(), directions.to_vec());
    let most = settings.as_ref().map_or(1, |(_, threads, _)| *threads);
    job::spawn(env, token, progress, most, move |control| {
        let (settings, threads, device) = settings?;
        let (shape, non_negative, ridge) = (settings.shape, settings.non_negative, settings.ridge);
        let dictionary = Dictionary { shape, non_negative, ridge, offset, directions };
        let crew = Crew::new(threads, control);
        let large = Settings { atoms: dictionary.atoms(), ..settings };
        let (codes, warning) = placed(
            &device,
            || is_large(&large),
            |place| values.with(dictionary.columns(), |rows| encode_on(&dictionary, rows, &settings, place, crew)),
        )?;
        let stopped = || Error::new("cancelled-while-waiting", "stopped before there was anything to return");
        let (codes, other) = codes.ok_or_else(stopped)?;
        let warnings: Vec<Warning> = other.into_iter().chain(warning).collect();
        Ok(Outcome::Properties(Box::new(move |env, object| {
            of_codes(env, object, &codes)?;
            object.set("warnings", list(env, &warnings, warn)?)
        })))
    })
}

fn of_codes(env: &Env, to: &mut Object<'_>, from: &Codes) -> Done {
    let (mut sizes, mut atoms, mut amounts, mut phases) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for n in 0..from.rows() {
        let (support, values) = from.row(n);
        sizes.push(support.len() as u32);
        atoms.extend_from_slice(support);
        let circles = values.len() > support.len();
        for (amount, phase) in from.polar(n) {
            amounts.push(amount);
            if circles {
                phases.push(phase);
            }
        }
    }
    to.set("sizes", Uint32ArraySlice::copy_from(env, &sizes)?)?;
    to.set("atoms", Uint32ArraySlice::copy_from(env, &atoms)?)?;
    set_vector(env, to, "amounts", &amounts)?;
    set_vector(env, to, "phases", &phases)
}

fn of_pass<'env>(env: &'env Env, from: &Pass) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("objective", from.objective)?;
    optional(&mut to, "ev", from.explained)?;
    to.set("changed", from.changed)?;
    to.set("gradient", from.gradient)?;
    for (name, count) in
        [("unused", from.unused), ("joined", from.joined), ("idle", from.idle), ("reborn", from.reborn)]
    {
        to.set(name, count as f64)?;
    }
    Ok(to)
}
