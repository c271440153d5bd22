//! Dictionaries fitted, and their use: `fitDictionary`, `encodeDictionary`, `decodeDictionary`.

use headwater_base::parallel::Crew;
use headwater_base::{Error, Status};
use headwater_manifold::fit::{
    Amortised, AtomFacts, Claim, Compared, ControlKind, Encoded, Fit, FitSettings, Model, Rows, Score, Seed, Smoothing,
    amortise, controls, fit, gap, race,
};
use headwater_manifold::metrics::{ReconstructionMetrics, UsageMetrics};
use headwater_manifold::{Gate, OuterSettings, RowWeights, Strengths, Topology};
use napi::Env;
use napi::bindgen_prelude::{Float64Array, Float64ArraySlice, Object, Uint32Array, Uint32ArraySlice};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::job::{self, Callback};
use crate::manifold::{evidence, gate, inner_settings, parameter_name, set_vector, topologies};
use crate::outcome::Outcome;
use crate::settings::{integer, key, threads};
use crate::solve::tagged;
use crate::values::{Done, list, optional};

/// Rows of data.
#[napi(object, object_to_js = false)]
pub struct NativeRows {
    /// N.
    pub rows: f64,
    /// p.
    pub cols: f64,
    /// rows × cols.
    pub values: Float64Array,
    /// rows × cols.
    pub cell_weights: Option<Float64Array>,
    /// rows.
    pub row_weights: Option<Float64Array>,
    /// Row weights multiply priors too.
    pub sampling: bool,
}

impl NativeRows {
    fn read(self) -> Result<(Rows, usize), Error> {
        let count = |name, value| integer(name, value, f64::from(u32::MAX)).map(|count| count as usize);
        let columns = count("cols", self.cols)?;
        let rows = Rows {
            count: count("rows", self.rows)?,
            values: self.values.to_vec(),
            cell_weights: self.cell_weights.as_ref().map(|weights| weights.to_vec()),
            row_weights: self.row_weights.as_ref().map(|weights| weights.to_vec()),
            weighting: if self.sampling { RowWeights::Sampling } else { RowWeights::Precision },
        };
        Ok((rows, columns))
    }
}

/// What a caller chooses.
#[napi(object, object_to_js = false)]
pub struct NativeFitSettings {
    /// One an atom.
    pub topologies: Vec<String>,
    /// Harmonics or dimension, one an atom.
    pub sizes: Vec<f64>,
    /// `normal`, `half-normal`, `exponential`, `unit` or `softmax`.
    pub gate: String,
    /// Of a softmax.
    pub temperature: Option<f64>,
    /// κ of the logits.
    pub logit_ridge: Option<f64>,
    /// Most atoms of a row.
    pub active: f64,
    /// Decoders are not negative.
    pub non_negative: bool,
    /// The mean is taken off.
    pub centre: bool,
    /// Atoms that are not worth their length go.
    pub prune: bool,
    /// Key of the random numbers, below 2^53.
    pub seed: f64,
    /// Draws of the greedy seeds.
    pub restarts: f64,
    /// Width of the coder's beam.
    pub beam: f64,
    /// `size`, `evidence` or `none`.
    pub smoothing: String,
    /// λ of the entropy.
    pub entropy: f64,
    /// w.
    pub incoherence: f64,
    /// μ.
    pub repulsion: f64,
    /// Minimum and coding in turns.
    pub max_rounds: f64,
    /// Of each minimisation.
    pub max_iterations: Option<f64>,
    /// Shapes that every atom is raced against on held-out rows.
    pub race_topologies: Vec<String>,
    /// Their harmonics or dimensions.
    pub race_sizes: Vec<f64>,
    /// Largest number of threads.
    pub threads: Option<f64>,
}

impl NativeFitSettings {
    fn read(self) -> Result<(FitSettings, Vec<Topology>, usize), Error> {
        let size = |name, value| integer(name, value, f64::from(u32::MAX)).map(|value| value as usize);
        let inner = inner_settings(self.max_iterations)?;
        let settings = FitSettings {
            atoms: topologies(&self.topologies, &self.sizes)?,
            gate: gate(&self.gate, self.temperature, self.logit_ridge)?,
            active: size("active", self.active)?,
            non_negative: self.non_negative,
            centre: self.centre,
            prune: self.prune,
            seed: key(self.seed)?,
            start: None,
            restarts: size("restarts", self.restarts)?,
            beam: size("beam", self.beam)?,
            smoothing: match self.smoothing.as_str() {
                "evidence" => Smoothing::Evidence,
                "none" => Smoothing::None,
                _ => Smoothing::Size,
            },
            entropy: self.entropy,
            incoherence: self.incoherence,
            repulsion: self.repulsion,
            max_rounds: size("maxRounds", self.max_rounds)?,
            inner,
            outer: OuterSettings { inner, ..OuterSettings::default() },
        };
        let race = topologies(&self.race_topologies, &self.race_sizes)?;
        Ok((settings, race, threads(self.threads)?))
    }
}

/// A fitted dictionary.
#[napi(object, object_to_js = false)]
pub struct NativeModel {
    /// p.
    pub cols: f64,
    /// p.
    pub offset: Float64Array,
    /// One an atom.
    pub topologies: Vec<String>,
    /// One an atom.
    pub sizes: Vec<f64>,
    /// As for a fit.
    pub gate: String,
    /// Of a softmax.
    pub temperature: Option<f64>,
    /// κ of the logits.
    pub logit_ridge: Option<f64>,
    /// Decoders are not negative.
    pub non_negative: bool,
    /// Most atoms of a row.
    pub active: f64,
    /// Width of the coder's beam.
    pub beam: f64,
    /// functions × cols.
    pub decoders: Float64Array,
    /// φ.
    pub noise: f64,
    /// λ of the entropy.
    pub entropy: f64,
    /// One an atom.
    pub amplitude: Float64Array,
    /// One an atom.
    pub roughness: Float64Array,
    /// One an atom.
    pub ridge: Float64Array,
    /// One a coordinate.
    pub ard: Float64Array,
}

impl NativeModel {
    fn read(self) -> Result<Model, Error> {
        let size = |name, value| integer(name, value, f64::from(u32::MAX)).map(|value| value as usize);
        let model = Model {
            columns: size("cols", self.cols)?,
            offset: self.offset.to_vec(),
            atoms: topologies(&self.topologies, &self.sizes)?,
            gate: gate(&self.gate, self.temperature, self.logit_ridge)?,
            non_negative: self.non_negative,
            active: size("active", self.active)?,
            beam: size("beam", self.beam)?,
            strengths: Strengths {
                noise: self.noise,
                entropy: self.entropy,
                amplitude: self.amplitude.to_vec(),
                roughness: self.roughness.to_vec(),
                ridge: self.ridge.to_vec(),
                ard: self.ard.to_vec(),
            },
            decoders: self.decoders.to_vec(),
        };
        model.check()?;
        Ok(model)
    }
}

/// Codes that were stored.
#[napi(object, object_to_js = false)]
pub struct NativeCodes {
    /// Active atoms of each row.
    pub sizes: Uint32Array,
    /// Which, row by row.
    pub atoms: Uint32Array,
    /// Gate parameters, row by row.
    pub gates: Float64Array,
    /// Coordinates, row by row.
    pub coordinates: Float64Array,
}

/// Fits a dictionary; judges it on held-out rows; compares it with controls if asked.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeDictionaryFit>>", catch_unwind)]
pub fn fit_dictionary<'env>(
    env: &'env Env,
    train: NativeRows,
    held_out: Option<NativeRows>,
    settings: NativeFitSettings,
    compare: bool,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let (train, held) = (train.read(), held_out.map(NativeRows::read));
    let settings = settings.read();
    let most = settings.as_ref().map_or(1, |(.., threads)| *threads);
    job::spawn(env, token, progress, most, move |control| {
        let ((settings, shapes, threads), (train, columns)) = (settings?, train?);
        let held = held.transpose()?.map(|(rows, _)| rows);
        let crew = Crew::new(threads, control);
        let nothing = || Error::new("cancelled-while-waiting", "stopped before there was anything to return");
        let mut found = fit(&train, columns, &settings, crew)?.ok_or_else(nothing)?;
        if let Some(held) = held.as_ref().filter(|_| !shapes.is_empty() && found.status != Status::Aborted) {
            // Where it is stopped, the fit stays.
            found = race(&train, held, columns, &settings, found.clone(), &shapes, crew)?.unwrap_or(found);
        }
        let own = found.model.score(&train, &found.codes)?;
        let judged = match &held {
            Some(rows) => found.model.judge(rows, crew)?.map(|(_, score)| score),
            None => None,
        };
        let compared = match &held {
            Some(rows) if compare => controls(&train, rows, columns, &settings, &found, crew)?,
            _ => None,
        };
        Ok(Outcome::Properties(Box::new(move |env, object| {
            of_fit(env, object, &found)?;
            set(env, object, "train", |env, to| of_score(env, to, &own))?;
            if let Some(score) = &judged {
                set(env, object, "heldOut", |env, to| of_score(env, to, score))?;
            }
            match &compared {
                Some(all) => object.set("controls", list(env, all, control_of)?),
                None => Ok(()),
            }
        })))
    })
}

/// Codes of rows by a dictionary, and how well they say them.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeEncoded>>", catch_unwind)]
pub fn encode_dictionary<'env>(
    env: &'env Env,
    model: NativeModel,
    rows: NativeRows,
    most: Option<f64>,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let (model, rows, threads) = (model.read(), rows.read(), threads(most));
    job::spawn(env, token, progress, *threads.as_ref().unwrap_or(&1), move |control| {
        let (model, (rows, _), threads) = (model?, rows?, threads?);
        let stopped = || Error::new("cancelled-while-waiting", "stopped before there was anything to return");
        let (codes, score) = model.judge(&rows, Crew::new(threads, control))?.ok_or_else(stopped)?;
        Ok(Outcome::Properties(Box::new(move |env, object| {
            of_codes(env, object, &codes)?;
            set(env, object, "score", |env, to| of_score(env, to, &score))
        })))
    })
}

/// A linear encoder fitted to the exact codes of rows, and how it compares with them on held-out rows (or the same ones).
#[napi(ts_return_type = "Promise<NativeOutcome<NativeAmortised>>", catch_unwind)]
pub fn amortise_dictionary<'env>(
    env: &'env Env,
    model: NativeModel,
    rows: NativeRows,
    held_out: Option<NativeRows>,
    most: Option<f64>,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let (model, rows, held, threads) = (model.read(), rows.read(), held_out.map(NativeRows::read), threads(most));
    job::spawn(env, token, progress, *threads.as_ref().unwrap_or(&1), move |control| {
        let (model, (rows, _), threads) = (model?, rows?, threads?);
        let crew = Crew::new(threads, control);
        let stopped = || Error::new("cancelled-while-waiting", "stopped before there was anything to return");
        let exact = model.encode(&rows, crew)?.ok_or_else(stopped)?;
        let encoder = amortise(&model, &rows, &exact)?;
        let (rows, exact) = match held.transpose()? {
            Some((held, _)) => {
                let exact = model.encode(&held, crew)?.ok_or_else(stopped)?;
                (held, exact)
            }
            None => (rows, exact),
        };
        let found = gap(&model, &rows, &exact, &encoder.encode(&model, &rows)?)?;
        Ok(Outcome::Properties(Box::new(move |env, object| {
            set_vector(env, object, "weights", &encoder.weights)?;
            set_vector(env, object, "bias", &encoder.bias)?;
            optional(object, "evExact", found.explained[0])?;
            optional(object, "evAmortised", found.explained[1])?;
            object.set("agreement", found.agreement)?;
            optional(object, "coordinateErrors", found.coordinates.map(|quantiles| quantiles.to_vec()))
        })))
    })
}

/// Codes of rows by a linear encoder.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeCodesOut }>", catch_unwind)]
pub fn encode_amortised<'env>(
    env: &'env Env,
    model: NativeModel,
    weights: &[f64],
    bias: &[f64],
    rows: NativeRows,
) -> napi::Result<Object<'env>> {
    let encoder = Amortised { weights: weights.to_vec(), bias: bias.to_vec() };
    let codes = model.read().and_then(|model| encoder.encode(&model, &rows.read()?.0));
    match codes {
        Ok(codes) => {
            let mut to = Object::new(env)?;
            of_codes(env, &mut to, &codes)?;
            tagged(env, Ok(to))
        }
        Err(error) => tagged::<f64>(env, Err(error)),
    }
}

/// What codes say, rows × cols.
#[napi(ts_return_type = "NativeOutcome<{ value: Float64Array<ArrayBuffer> }>", catch_unwind)]
pub fn decode_dictionary<'env>(env: &'env Env, model: NativeModel, codes: NativeCodes) -> napi::Result<Object<'env>> {
    let said = model.read().and_then(|model| {
        let codes = model.stored(&codes.sizes, &codes.atoms, &codes.gates, &codes.coordinates)?;
        Ok(model.decode(&codes))
    });
    match said.map(|said| Float64ArraySlice::copy_from(env, &said)) {
        Ok(array) => tagged(env, Ok(array?)),
        Err(error) => tagged::<f64>(env, Err(error)),
    }
}

fn set(env: &Env, to: &mut Object<'_>, name: &str, fill: impl FnOnce(&Env, &mut Object<'_>) -> Done) -> Done {
    let mut object = Object::new(env)?;
    fill(env, &mut object)?;
    to.set(name, object)
}

fn of_fit(env: &Env, to: &mut Object<'_>, from: &Fit) -> Done {
    to.set("status", from.status.as_str())?;
    to.set("value", from.value)?;
    to.set("kept", from.kept.iter().map(|&k| k as u32).collect::<Vec<_>>())?;
    let shapes = from.model.atoms.iter();
    to.set("topologies", shapes.clone().map(|shape| shape.name()).collect::<Vec<_>>())?;
    to.set("sizes", shapes.map(|shape| shape.size() as f64).collect::<Vec<_>>())?;
    to.set("rounds", from.rounds as f64)?;
    to.set("moved", from.moved as f64)?;
    to.set("missed", from.missed as f64)?;
    to.set("open", from.open as f64)?;
    to.set("degrees", from.degrees)?;
    to.set("boundary", from.boundary.iter().map(parameter_name).collect::<Vec<_>>())?;
    match from.seed {
        Seed::Cumulants => to.set("seed", "cumulants")?,
        Seed::Given => to.set("seed", "given")?,
        Seed::Greedy(trial) => {
            to.set("seed", "greedy")?;
            to.set("trial", f64::from(trial))?;
        }
    }
    if let Some(criterion) = &from.criterion {
        to.set("criterion", criterion.value)?;
        optional(to, "laplaceGap", criterion.gradient.as_ref().map(|gradient| gradient.laplace_gap))?;
    }
    set(env, to, "evidence", |_, to| evidence(to, &from.evidence))?;
    let (model, strengths) = (&from.model, &from.model.strengths);
    for (name, values) in [
        ("offset", &model.offset),
        ("decoders", &model.decoders),
        ("amplitude", &strengths.amplitude),
        ("roughness", &strengths.roughness),
        ("ridge", &strengths.ridge),
        ("ard", &strengths.ard),
    ] {
        set_vector(env, to, name, values)?;
    }
    to.set("noise", strengths.noise)?;
    to.set("active", model.active as f64)?;
    to.set("atoms", list(env, &from.atoms, facts)?)?;
    set(env, to, "codes", |env, to| of_codes(env, to, &from.codes))
}

fn of_codes(env: &Env, to: &mut Object<'_>, from: &Encoded) -> Done {
    let (state, rows) = (&from.state, from.problem.rows);
    let softmax = matches!(from.problem.gate, Gate::Softmax { .. });
    let sizes: Vec<u32> = (0..rows).map(|n| state.layout.support(n).len() as u32).collect();
    let atoms: Vec<u32> = (0..rows).flat_map(|n| state.layout.support(n).iter().copied()).collect();
    let gates: Vec<f64> = (0..rows).flat_map(|n| state.gates(n).iter().copied()).collect();
    let coordinates: Vec<f64> = (0..rows).flat_map(|n| state.coordinates(n).iter().copied()).collect();
    to.set("sizes", Uint32ArraySlice::copy_from(env, &sizes)?)?;
    to.set("atoms", Uint32ArraySlice::copy_from(env, &atoms)?)?;
    set_vector(env, to, "gates", &gates)?;
    set_vector(env, to, "coordinates", &coordinates)?;
    if softmax {
        set_vector(env, to, "amounts", &from.amounts())?;
    }
    Ok(())
}

fn facts<'env>(env: &'env Env, from: &AtomFacts) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("rows", from.used.rows as f64)?;
    to.set("mass", from.used.mass)?;
    to.set("share", from.share)?;
    to.set("effectiveRows", from.effective_rows)?;
    to.set("signalToNoise", from.used.energy / (from.used.rows.max(1) as f64))?;
    optional(&mut to, "worth", from.worth)?;
    to.set("spread", from.spread.clone())?;
    to.set("coverage", from.coverage)?;
    to.set("tangentCondition", from.tangent_condition)?;
    to.set("trust", from.trust())?;
    optional(&mut to, "kurtosis", from.kurtosis)?;
    optional(&mut to, "kurtosisError", from.kurtosis_error)?;
    let claim = match from.claim {
        Claim::Holds => "holds",
        Claim::NotWorth => "not-worth-its-length",
        Claim::Collapsed => "collapsed",
        Claim::Filled => "filled",
        Claim::Undecided => "undecided",
    };
    to.set("claim", claim)?;
    Ok(to)
}

fn of_score(env: &Env, to: &mut Object<'_>, from: &Score) -> Done {
    reconstruction(to, &from.reconstruction)?;
    usage(env, to, &from.usage)?;
    to.set("maxCoActiveCosine", from.overlap.largest)?;
    to.set("meanCoActiveCosine", from.overlap.mean)?;
    to.set("coActivePairs", from.overlap.pairs as f64)?;
    to.set("decoderParameters", from.parameters as f64)?;
    to.set("emptyRows", from.empty as f64)?;
    to.set("length", from.length)
}

fn reconstruction(to: &mut Object<'_>, from: &ReconstructionMetrics) -> Done {
    to.set("rows", from.rows as f64)?;
    to.set("cells", from.cells as f64)?;
    optional(to, "ev", from.explained_variance)?;
    optional(to, "evCentred", from.explained_variance_centred)?;
    optional(to, "fvu", from.unexplained)?;
    optional(to, "fvuCentred", from.unexplained_centred)?;
    optional(to, "mse", from.mean_squared_error)?;
    optional(to, "cosine", from.cosine)?;
    optional(to, "lengthRatio", from.length_ratio)?;
    optional(to, "relativeBias", from.relative_bias)
}

fn usage(env: &Env, to: &mut Object<'_>, from: &UsageMetrics) -> Done {
    to.set("l0", from.active)?;
    to.set("l0Quantiles", from.quantiles.iter().map(|&count| count as f64).collect::<Vec<_>>())?;
    to.set("scalarsPerRow", from.scalars)?;
    to.set("dead", from.dead)?;
    let bins = list(env, &from.density, |env, bin| {
        let mut to = Object::new(env)?;
        to.set("from", bin.from)?;
        to.set("atoms", bin.atoms as f64)?;
        Ok(to)
    })?;
    to.set("density", bins)
}

fn control_of<'env>(env: &'env Env, from: &Compared) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    let kind = match from.kind {
        ControlKind::ComponentsAtEqualCodes => "components-at-equal-codes",
        ControlKind::ComponentsAtEqualParameters => "components-at-equal-parameters",
        ControlKind::Directions => "directions",
        ControlKind::Shuffled => "shuffled-columns",
        ControlKind::Matched => "matched-covariance",
    };
    to.set("kind", kind)?;
    optional(&mut to, "ev", from.explained)?;
    to.set("scalarsPerRow", from.scalars)?;
    to.set("decoderParameters", from.parameters as f64)?;
    to.set("kept", from.kept as f64)?;
    to.set("claims", from.claims as f64)?;
    to.set("strongest", from.strongest)?;
    Ok(to)
}
