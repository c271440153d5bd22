//! Writing: a whole file or nothing. Everything goes into a temporary file beside the target, which is then renamed.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::Path;

use headwater_base::Error;
use safetensors::Dtype as Stored;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::element::{Dtype, Element};
use crate::npy;

/// Elements to be written, as they are.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// As float64.
    Float64(&'a [f64]),
    /// As float32.
    Float32(&'a [f32]),
}

impl Numbers<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Float64(numbers) => bytemuck::cast_slice(numbers),
            Self::Float32(numbers) => bytemuck::cast_slice(numbers),
        }
    }

    fn dtype(&self) -> Dtype {
        match self {
            Self::Float64(_) => Dtype::Float64,
            Self::Float32(_) => Dtype::Float32,
        }
    }
}

/// A tensor to be written.
#[derive(Clone, Debug)]
pub struct NamedArray<'a> {
    /// Its name in the file.
    pub name: String,
    /// Sizes along the axes.
    pub shape: Vec<usize>,
    /// All elements, in C order.
    pub numbers: Numbers<'a>,
}

/// Writes a table as `.npy` (version 1.0, little-endian, C order), as float64 or rounded to float32.
///
/// Errors: `shape-mismatch`; `value-not-representable` for finite numbers beyond the range of f32; `output-not-writable`.
pub fn write_npy(path: &Path, rows: usize, cols: usize, numbers: &[f64], dtype: Dtype) -> Result<(), Error> {
    check("array", &[rows, cols], &Numbers::Float64(numbers))?;
    let narrow = if dtype == Dtype::Float32 { Some(narrow(numbers, cols)?) } else { None };
    let numbers = narrow.as_deref().map_or(Numbers::Float64(numbers), Numbers::Float32);
    whole(path, |out| {
        out.write_all(&npy::header(rows, cols, numbers.dtype()))?;
        out.write_all(numbers.bytes())
    })
}

fn narrow(numbers: &[f64], cols: usize) -> Result<Vec<f32>, Error> {
    let one = |(at, &value): (usize, &f64)| {
        f32::of_f64(value).ok_or_else(|| {
            let message = format!("{value:e} cannot be held by float32");
            Error::new("value-not-representable", message).at(at / cols, at % cols)
        })
    };
    numbers.iter().enumerate().map(one).collect()
}

/// Writes tensors as `.safetensors`, f64 before f32 and then by name, so that all begin at a multiple of their size.
///
/// Errors: `shape-mismatch`, `output-not-writable`.
pub fn write_safetensors(
    path: &Path,
    tensors: &[NamedArray<'_>],
    metadata: Option<HashMap<String, String>>,
) -> Result<(), Error> {
    let mut sorted: Vec<&NamedArray> = tensors.iter().collect();
    sorted.sort_by(|x, y| y.numbers.dtype().size().cmp(&x.numbers.dtype().size()).then_with(|| x.name.cmp(&y.name)));
    let mut end = 0;
    let mut infos = Vec::new();
    for tensor in &sorted {
        check(&tensor.name, &tensor.shape, &tensor.numbers)?;
        let dtype = if tensor.numbers.dtype() == Dtype::Float64 { Stored::F64 } else { Stored::F32 };
        let begin = end;
        end += tensor.numbers.bytes().len();
        infos
            .push((tensor.name.clone(), TensorInfo { dtype, shape: tensor.shape.clone(), data_offsets: (begin, end) }));
    }
    let unlikely = |error: &dyn std::fmt::Display| Error::new("output-not-writable", format!("no header: {error}"));
    let header = Metadata::new(metadata, infos).map_err(|error| unlikely(&error))?;
    let mut header = serde_json::to_vec(&header).map_err(|error| unlikely(&error))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    whole(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        sorted.iter().try_for_each(|tensor| out.write_all(tensor.numbers.bytes()))
    })
}

/// Writes a text.
///
/// Errors: `output-not-writable`.
pub fn write_text(path: &Path, text: &str) -> Result<(), Error> {
    whole(path, |out| out.write_all(text.as_bytes()))
}

fn check(name: &str, shape: &[usize], numbers: &Numbers<'_>) -> Result<(), Error> {
    let (wanted, size) = (shape.iter().try_fold(1_usize, |all, &n| all.checked_mul(n)), numbers.dtype().size());
    let count = numbers.bytes().len() / size;
    if wanted == Some(count) {
        return Ok(());
    }
    Err(Error::new("shape-mismatch", format!("'{name}' has the shape {shape:?} and {count} elements")))
}

fn whole(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".headwater-").suffix(".tmp");
    // What any program's new file gets, less the user's mask; the library's own would be for the owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let write = || {
        let temporary = builder.tempfile_in(folder)?;
        let mut out = BufWriter::with_capacity(1 << 20, temporary.as_file());
        fill(&mut out)?;
        out.flush()?;
        drop(out);
        // The new name must not point to bytes that a power failure takes back.
        temporary.as_file().sync_all()?;
        temporary.persist(path)?;
        Ok(())
    };
    write().map_err(|error: std::io::Error| unwritable(&error))
}

/// What a failure of the system means for who wants the file.
pub fn unwritable(error: &std::io::Error) -> Error {
    Error::new("output-not-writable", format!("cannot be written: {error}"))
        .with_hint("check the folder, its permissions and the space on the disk")
}
