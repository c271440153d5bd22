//! The overlap of decoders as an object of its own; every question is a call on the calling thread.

use headwater_base::Error;
use headwater_manifold::{DecoderIncoherence, Pair, Schedule, co_activations_of};
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object, ObjectFinalize, Uint32ArraySlice};
use napi_derive::napi;

use crate::settings::integer;
use crate::solve::tagged;

/// A penalty for fixed pairs of atoms.
#[napi(custom_finalize)]
pub struct NativeIncoherence {
    penalty: DecoderIncoherence,
    bytes: i64,
}

impl ObjectFinalize for NativeIncoherence {
    fn finalize(self, env: Env) -> napi::Result<()> {
        env.adjust_external_memory(-self.bytes)?;
        Ok(())
    }
}

fn count(name: &str, value: f64) -> Result<usize, Error> {
    integer(name, value, f64::from(u32::MAX)).map(|count| count as usize)
}

fn sizes(functions: &[u32]) -> Vec<usize> {
    functions.iter().map(|&m| m as usize).collect()
}

fn wrap<'env>(env: &'env Env, made: Result<DecoderIncoherence, Error>) -> napi::Result<Object<'env>> {
    let made = made.map(|penalty| {
        let bytes = size_of_val(penalty.pairs()) as i64;
        NativeIncoherence { penalty, bytes }
    });
    if let Ok(made) = &made {
        env.adjust_external_memory(made.bytes)?;
    }
    tagged(env, made)
}

/// From a matrix of co-activations, atoms × atoms.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeIncoherence }>", catch_unwind)]
pub fn incoherence_dense<'env>(
    env: &'env Env,
    functions: &[u32],
    columns: f64,
    weights: &[f64],
    strength: f64,
) -> napi::Result<Object<'env>> {
    let made = || DecoderIncoherence::from_dense(&sizes(functions), count("columns", columns)?, weights, strength);
    wrap(env, made())
}

/// From pairs of atoms.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeIncoherence }>", catch_unwind)]
pub fn incoherence_pairs<'env>(
    env: &'env Env,
    functions: &[u32],
    columns: f64,
    first: &[u32],
    second: &[u32],
    weight: &[f64],
    strength: f64,
) -> napi::Result<Object<'env>> {
    let made = || {
        if first.len() != second.len() || first.len() != weight.len() {
            let message = format!("{} first atoms, {} second, {} weights", first.len(), second.len(), weight.len());
            return Err(Error::new("shape-mismatch", message));
        }
        let pairs = first.iter().zip(second).zip(weight);
        let pairs = pairs.map(|((&j, &k), &weight)| Pair { first: j as usize, second: k as usize, weight });
        DecoderIncoherence::from_pairs(&sizes(functions), count("columns", columns)?, pairs.collect(), strength)
    };
    wrap(env, made())
}

fn arrays<'env>(env: &'env Env, pairs: &[Pair]) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    let atoms = |of: fn(&Pair) -> usize| pairs.iter().map(|pair| of(pair) as u32).collect::<Vec<u32>>();
    to.set("first", Uint32ArraySlice::copy_from(env, atoms(|pair| pair.first))?)?;
    to.set("second", Uint32ArraySlice::copy_from(env, atoms(|pair| pair.second))?)?;
    let weights: Vec<f64> = pairs.iter().map(|pair| pair.weight).collect();
    to.set("weight", Float64ArraySlice::copy_from(env, weights)?)?;
    Ok(to)
}

/// Pairs of atoms that are active together in the rows of supports.
#[napi(ts_return_type = "NativeOutcome<{ value: NativePairs }>", catch_unwind)]
pub fn co_activation_pairs<'env>(
    env: &'env Env,
    atoms: f64,
    sizes: &[u32],
    active: &[u32],
    amounts: Option<&[f64]>,
) -> napi::Result<Object<'env>> {
    match count("atoms", atoms).and_then(|atoms| co_activations_of(atoms, sizes, active, amounts)) {
        Ok(pairs) => tagged(env, Ok(arrays(env, &pairs)?)),
        Err(error) => tagged::<f64>(env, Err(error)),
    }
}

/// The pairs of a penalty.
#[napi(ts_return_type = "NativePairs", catch_unwind)]
pub fn incoherence_pair_list<'env>(env: &'env Env, from: &NativeIncoherence) -> napi::Result<Object<'env>> {
    arrays(env, from.penalty.pairs())
}

/// A vector of all decoders: of their length, and finite.
fn check(from: &NativeIncoherence, name: &str, vector: &[f64]) -> Result<(), Error> {
    let size = from.penalty.len();
    if vector.len() != size {
        let message = format!("{name} has {} elements, all decoders have {size}", vector.len());
        return Err(Error::new("shape-mismatch", message));
    }
    vector.iter().position(|x| !x.is_finite()).map_or(Ok(()), |at| {
        let message = format!("element {at} of {name} is {}; numbers must be finite", vector[at]);
        Err(Error::new("vector-not-finite", message).at(at, 0))
    })
}

/// What was computed from finite numbers is finite, unless it overflowed.
fn finite(numbers: &[f64]) -> Result<(), Error> {
    if numbers.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    Err(Error::new("scale-overflow", "the decoders are so large that their overlaps exceed the range of numbers"))
}

/// P.
#[napi(ts_return_type = "NativeOutcome<{ value: number }>", catch_unwind)]
pub fn incoherence_value<'env>(env: &'env Env, from: &NativeIncoherence, target: &[f64]) -> napi::Result<Object<'env>> {
    let value = || {
        check(from, "the target", target)?;
        let value = from.penalty.value(target);
        finite(&[value])?;
        Ok(value)
    };
    tagged(env, value())
}

/// ∇P (`gradient`), ∇²P v (`hessian`) or the Gauss–Newton product (`majorizer`).
#[napi(ts_return_type = "NativeOutcome<{ value: Float64Array<ArrayBuffer> }>", catch_unwind)]
pub fn incoherence_vector<'env>(
    env: &'env Env,
    from: &NativeIncoherence,
    #[napi(ts_arg_type = "'gradient' | 'hessian' | 'majorizer'")] kind: String,
    target: &[f64],
    v: Option<&[f64]>,
) -> napi::Result<Object<'env>> {
    let product = || {
        check(from, "the target", target)?;
        let mut out = vec![0.0; target.len()];
        match (kind.as_str(), v) {
            ("hessian", Some(v)) => {
                check(from, "the direction", v)?;
                from.penalty.hessian_vector(target, v, 1.0, &mut out);
            }
            ("majorizer", Some(v)) => {
                check(from, "the direction", v)?;
                from.penalty.majorizer_vector(target, v, 1.0, &mut out);
            }
            _ => from.penalty.gradient(target, &mut out),
        }
        finite(&out)?;
        Ok(out)
    };
    match product() {
        Ok(out) => tagged(env, Ok(Float64ArraySlice::copy_from(env, out)?)),
        Err(error) => tagged::<f64>(env, Err(error)),
    }
}

/// Adds a multiple of a dense matrix to the caller's block; the value says nothing.
#[napi(ts_return_type = "NativeOutcome<{ value: boolean }>", catch_unwind)]
pub fn incoherence_accumulate<'env>(
    env: &'env Env,
    from: &NativeIncoherence,
    target: &[f64],
    mut block: Float64ArraySlice<'_>,
    scale: f64,
    exact: bool,
) -> napi::Result<Object<'env>> {
    let mut add = || {
        check(from, "the target", target)?;
        let size = target.len();
        if size.checked_mul(size) != Some(block.len()) {
            let message = format!("the block has {} elements, needed are {size} × {size}", block.len());
            return Err(Error::new("shape-mismatch", message));
        }
        let (written, read) = (block.as_ptr_range(), target.as_ptr_range());
        if written.start < read.end && read.start < written.end {
            return Err(Error::new("arrays-overlap", "the block shares its memory with the target"));
        }
        // No element of the matrix exceeds this: what could overflow is refused before anything is added.
        let squares: f64 = target.iter().map(|b| b * b).sum();
        let weights: f64 = from.penalty.pairs().iter().map(|pair| pair.weight).sum();
        finite(&[2.0 * scale * from.penalty.strength() * weights * squares])?;
        // SAFETY: nothing else runs on this thread meanwhile, and the target lies elsewhere.
        let block = unsafe { block.as_mut() };
        from.penalty.accumulate_majorizer(target, scale, exact, block, size);
        Ok(true)
    };
    tagged(env, add())
}

/// Sets ρ; the value is the strength w exp ρ.
#[napi(ts_return_type = "NativeOutcome<{ value: number }>", catch_unwind)]
pub fn incoherence_set_rho<'env>(env: &'env Env, to: &mut NativeIncoherence, rho: f64) -> napi::Result<Object<'env>> {
    let set = to.penalty.set_rho(rho);
    tagged(env, set.map(|()| to.penalty.strength()))
}

/// Sets w to a schedule's weight at a step; the value is w.
#[napi(ts_return_type = "NativeOutcome<{ value: number }>", catch_unwind)]
pub fn incoherence_schedule<'env>(
    env: &'env Env,
    to: &mut NativeIncoherence,
    from: f64,
    end: f64,
    steps: f64,
    geometric: bool,
    step: f64,
) -> napi::Result<Object<'env>> {
    let mut set = || {
        let schedule = Schedule { from, to: end, steps: count("steps", steps)?, geometric };
        schedule.check()?;
        to.penalty.apply_schedule(&schedule, count("step", step)?);
        Ok(to.penalty.weight())
    };
    tagged(env, set())
}

/// w exp ρ.
#[napi(catch_unwind)]
pub fn incoherence_strength(from: &NativeIncoherence) -> f64 {
    from.penalty.strength()
}

/// Largest and mean overlap of the pairs, and how many have one.
#[napi(ts_return_type = "NativeOutcome<{ value: { largest: number; mean: number; pairs: number } }>", catch_unwind)]
pub fn incoherence_overlaps<'env>(
    env: &'env Env,
    from: &NativeIncoherence,
    target: &[f64],
) -> napi::Result<Object<'env>> {
    let found = || {
        check(from, "the target", target)?;
        let found = from.penalty.overlaps(target);
        finite(&[found.largest, found.mean])?;
        Ok(found)
    };
    match found() {
        Ok(found) => {
            let mut to = Object::new(env)?;
            to.set("largest", found.largest)?;
            to.set("mean", found.mean)?;
            to.set("pairs", found.pairs as f64)?;
            tagged(env, Ok(to))
        }
        Err(error) => tagged::<f64>(env, Err(error)),
    }
}

/// The pairs of the penalty that pushes nearly equal decoders apart.
#[napi(ts_return_type = "NativeOutcome<{ value: NativePairs }>", catch_unwind)]
pub fn incoherence_repulsion<'env>(
    env: &'env Env,
    from: &NativeIncoherence,
    target: &[f64],
    strength: f64,
) -> napi::Result<Object<'env>> {
    match check(from, "the target", target) {
        Ok(()) => tagged(env, Ok(arrays(env, &from.penalty.repulsion(target, strength))?)),
        Err(error) => tagged::<f64>(env, Err(error)),
    }
}
