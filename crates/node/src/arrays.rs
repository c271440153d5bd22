//! Arrays in files: an open one is an object here, its rows are read into the caller's memory.

use std::collections::HashMap;
use std::path::Path;

use headwater_arrays::{
    ArrayFile, Dtype, LinearDictionary, NamedArray, Numbers, export_sae_lens as export, write_npy as npy,
    write_safetensors as safetensors,
};
use headwater_base::Error;
use napi::Env;
use napi::bindgen_prelude::{Either, Object, ObjectFinalize};
use napi_derive::napi;

use crate::optim::Array;
use crate::settings::integer;
use crate::solve::tagged;
use crate::values::optional;

/// A number of rows, columns or elements.
fn size(name: &str, value: f64) -> Result<usize, Error> {
    integer(name, value, 9_007_199_254_740_991.0).map(|size| size as usize)
}

/// An array of a file, open until it is closed or nobody has it any more.
#[napi(custom_finalize)]
pub struct NativeArrayFile {
    file: Option<ArrayFile>,
}

impl ObjectFinalize for NativeArrayFile {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.release(&env)
    }
}

impl NativeArrayFile {
    fn release(&mut self, env: &Env) -> napi::Result<()> {
        if let Some(file) = self.file.take() {
            env.adjust_external_memory(-(file.held() as i64))?;
        }
        Ok(())
    }
}

/// Opens the array of this name, or the only one.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeArrayFile }>", catch_unwind)]
pub fn open_array<'env>(env: &'env Env, path: String, name: Option<String>) -> napi::Result<Object<'env>> {
    let opened = ArrayFile::open(Path::new(&path), name.as_deref());
    if let Ok(file) = &opened {
        env.adjust_external_memory(file.held() as i64)?;
    }
    tagged(env, opened.map(|file| NativeArrayFile { file: Some(file) }))
}

/// What is known of an open array.
#[napi(ts_return_type = "NativeArrayFacts | undefined", catch_unwind)]
pub fn array_facts<'env>(env: &'env Env, from: &NativeArrayFile) -> napi::Result<Option<Object<'env>>> {
    let Some(file) = &from.file else { return Ok(None) };
    let mut to = Object::new(env)?;
    optional(&mut to, "name", file.name())?;
    to.set("names", file.names().to_vec())?;
    to.set("shape", file.shape().iter().map(|&size| size as f64).collect::<Vec<_>>())?;
    let (rows, cols) = file.table();
    to.set("rows", rows as f64)?;
    to.set("cols", cols as f64)?;
    to.set("dtype", file.dtype().as_str())?;
    Ok(Some(to))
}

/// Fills `out` with rows; the value says nothing.
#[napi(ts_return_type = "NativeOutcome<{ value: boolean }>", catch_unwind)]
pub fn array_rows<'env>(
    env: &'env Env,
    from: &NativeArrayFile,
    first: f64,
    end: f64,
    #[napi(ts_arg_type = "Float64Array | Float32Array")] mut out: Array<'_>,
) -> napi::Result<Object<'env>> {
    let mut read = || {
        let (first, end) = (size("from", first)?, size("to", end)?);
        let file = from.file.as_ref().ok_or_else(|| Error::new("array-closed", "the file has been closed"))?;
        match &mut out {
            // SAFETY: nothing else runs on this thread meanwhile, and arrays.ts allocated the memory for this call.
            Either::A(out) => file.read_rows(first, end, unsafe { out.as_mut() })?,
            // SAFETY: as above.
            Either::B(out) => file.read_rows(first, end, unsafe { out.as_mut() })?,
        }
        Ok(true)
    };
    tagged(env, read())
}

/// Gives file and memory back at once.
#[napi(catch_unwind)]
pub fn close_array(env: &Env, from: &mut NativeArrayFile) -> napi::Result<()> {
    from.release(env)
}

fn numbers<'a>(array: &'a Array<'_>) -> Numbers<'a> {
    match array {
        Either::A(array) => Numbers::Float32(array),
        Either::B(array) => Numbers::Float64(array),
    }
}

/// Writes a table; the value says nothing.
#[napi(ts_return_type = "NativeOutcome<{ value: boolean }>", catch_unwind)]
pub fn write_npy<'env>(
    env: &'env Env,
    path: String,
    rows: f64,
    cols: f64,
    data: &[f64],
    float32: bool,
) -> napi::Result<Object<'env>> {
    let write = || {
        let dtype = if float32 { Dtype::Float32 } else { Dtype::Float64 };
        npy(Path::new(&path), size("rows", rows)?, size("cols", cols)?, data, dtype)?;
        Ok(true)
    };
    tagged(env, write())
}

/// A tensor to be written.
#[napi(object, object_to_js = false)]
pub struct NativeNamedArray<'a> {
    /// Its name.
    pub name: String,
    /// Sizes along the axes.
    pub shape: Vec<f64>,
    /// In C order.
    #[napi(ts_type = "Float64Array | Float32Array")]
    pub data: Array<'a>,
}

/// Writes tensors; the value says nothing.
#[napi(ts_return_type = "NativeOutcome<{ value: boolean }>", catch_unwind)]
pub fn write_safetensors<'env>(
    env: &'env Env,
    path: String,
    tensors: Vec<NativeNamedArray<'_>>,
    metadata: Option<HashMap<String, String>>,
) -> napi::Result<Object<'env>> {
    let write = || {
        let size = |one: &f64| size("shape", *one);
        let one = |tensor: &'_ NativeNamedArray<'_>| -> Result<(String, Vec<usize>), Error> {
            Ok((tensor.name.clone(), tensor.shape.iter().map(size).collect::<Result<_, _>>()?))
        };
        let heads = tensors.iter().map(one).collect::<Result<Vec<_>, _>>()?;
        let arrays = heads.into_iter().zip(&tensors);
        let arrays = arrays.map(|((name, shape), tensor)| NamedArray { name, shape, numbers: numbers(&tensor.data) });
        safetensors(Path::new(&path), &arrays.collect::<Vec<_>>(), metadata)?;
        Ok(true)
    };
    tagged(env, write())
}

/// Writes a linear dictionary as SAELens loads it; the value says nothing.
#[napi(ts_return_type = "NativeOutcome<{ value: boolean }>", catch_unwind)]
pub fn export_sae_lens<'env>(
    env: &'env Env,
    dir: String,
    atoms: f64,
    columns: f64,
    decoder: &[f64],
    offset: &[f64],
    encoder: Option<&[f64]>,
    encoder_offset: Option<&[f64]>,
    threshold: Option<&[f64]>,
    config: String,
) -> napi::Result<Object<'env>> {
    let write = || {
        let (atoms, columns) = (size("atoms", atoms)?, size("columns", columns)?);
        let dictionary = LinearDictionary { atoms, columns, decoder, offset, encoder, encoder_offset, threshold };
        export(Path::new(&dir), &dictionary, &config)?;
        Ok(true)
    };
    tagged(env, write())
}
