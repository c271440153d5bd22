//! How much two dictionaries agree: `dictionaryAgreement`.

use headwater_base::Error;
use headwater_base::parallel::Crew;
use headwater_manifold::metrics::{Agreement, CodeMatch, Coded, Decoders, agreement, code_agreement};
use napi::Env;
use napi::bindgen_prelude::{Float64Array, Object, Uint32Array, Uint32ArraySlice};
use napi_derive::napi;

use crate::cancel::CancelToken;
use crate::job::{self, Callback};
use crate::manifold::set_vector;
use crate::outcome::Outcome;
use crate::settings::{integer, threads};
use crate::values::Done;

/// One of the two dictionaries.
#[napi(object, object_to_js = false)]
pub struct NativeCompared {
    /// Rows of each atom's decoder that span its space.
    pub functions: Uint32Array,
    /// All of them, Σ functions × p.
    pub decoders: Float64Array,
    /// Coordinates of each atom.
    pub dimensions: Uint32Array,
    /// Atoms that are circles, one each.
    pub circles: Vec<bool>,
    /// Codes of the rows: how many atoms, which, where. Absent if only decoders are compared.
    pub sizes: Option<Uint32Array>,
    pub atoms: Option<Uint32Array>,
    pub coordinates: Option<Float64Array>,
}

/// A copy that the job may keep.
struct Side {
    functions: Vec<usize>,
    decoders: Vec<f64>,
    dimensions: Vec<u32>,
    circles: Vec<bool>,
    codes: Option<(Vec<u32>, Vec<u32>, Vec<f64>)>,
}

impl Side {
    fn new(of: &NativeCompared) -> Self {
        let codes = match (&of.sizes, &of.atoms, &of.coordinates) {
            (Some(sizes), Some(atoms), Some(coordinates)) => {
                Some((sizes.to_vec(), atoms.to_vec(), coordinates.to_vec()))
            }
            _ => None,
        };
        Self {
            functions: of.functions.iter().map(|&m| m as usize).collect(),
            decoders: of.decoders.to_vec(),
            dimensions: of.dimensions.to_vec(),
            circles: of.circles.clone(),
            codes,
        }
    }

    fn decoders(&self) -> Decoders<'_> {
        Decoders { functions: &self.functions, values: &self.decoders }
    }

    fn coded(&self) -> Option<Coded<'_>> {
        let (sizes, atoms, coordinates) = self.codes.as_ref()?;
        Some(Coded { sizes, atoms, coordinates, dimensions: &self.dimensions, circles: &self.circles })
    }
}

/// Atoms of two dictionaries assigned to each other, and their codes compared where both have some.
#[napi(ts_return_type = "Promise<NativeOutcome<NativeAgreement>>", catch_unwind)]
pub fn dictionary_agreement<'env>(
    env: &'env Env,
    first: NativeCompared,
    second: NativeCompared,
    cols: f64,
    most_threads: Option<f64>,
    token: &CancelToken,
    #[napi(ts_arg_type = "NativeProgress | undefined")] progress: Callback<'_>,
) -> napi::Result<Object<'env>> {
    let (first, second, most) = (Side::new(&first), Side::new(&second), threads(most_threads));
    job::spawn(env, token, progress, most.as_ref().map_or(1, |most| *most), move |control| {
        let crew = Crew::new(most?, control);
        let columns = integer("cols", cols, f64::from(u32::MAX))? as usize;
        let stopped = || Error::new("cancelled-while-waiting", "stopped before there was anything to return");
        let found = agreement(first.decoders(), second.decoders(), columns, crew)?.ok_or_else(stopped)?;
        let codes = match (first.coded(), second.coded()) {
            (Some(a), Some(b)) => Some(code_agreement(a, b, &found.matches, crew)?.ok_or_else(stopped)?),
            _ => None,
        };
        Ok(Outcome::Properties(Box::new(move |env, object| write(env, object, &found, codes.as_deref()))))
    })
}

fn write(env: &Env, to: &mut Object<'_>, found: &Agreement, codes: Option<&[CodeMatch]>) -> Done {
    let whole = |of: Vec<u32>| Uint32ArraySlice::copy_from(env, of);
    let matches = &found.matches;
    to.set("first", whole(matches.iter().map(|of| of.first as u32).collect())?)?;
    to.set("second", whole(matches.iter().map(|of| of.second as u32).collect())?)?;
    set_vector(env, to, "cosines", &matches.iter().map(|of| of.cosine).collect::<Vec<f64>>())?;
    to.set("ranks", whole(matches.iter().map(|of| of.principal.len() as u32).collect())?)?;
    set_vector(
        env,
        to,
        "principal",
        &matches.iter().flat_map(|of| of.principal.iter().copied()).collect::<Vec<f64>>(),
    )?;
    to.set("mean", found.mean)?;
    if let Some(codes) = codes {
        to.set("both", whole(codes.iter().map(|of| of.both as u32).collect())?)?;
        to.set("either", whole(codes.iter().map(|of| of.either as u32).collect())?)?;
        set_vector(env, to, "phases", &codes.iter().map(|of| of.phases.unwrap_or(f64::NAN)).collect::<Vec<f64>>())?;
    }
    Ok(())
}
