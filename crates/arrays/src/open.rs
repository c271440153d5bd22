//! Opening a file: which format it has, and which of its arrays is meant.

use std::path::Path;

use headwater_base::Error;

use crate::element::{Dtype, Element};
use crate::layout::Layout;
use crate::npz::{Archive, Member};
use crate::source::Source;
use crate::{npy, npz, read, safetensors};

/// One array of a file, open for reading.
#[derive(Debug)]
pub struct ArrayFile {
    source: Source,
    layout: Layout,
    names: Vec<String>,
    name: Option<String>,
}

impl ArrayFile {
    /// Opens a file and finds the array: the only one, or the one of this name. The format is told by the first bytes, not by the
    /// file's name.
    ///
    /// Errors: `file-not-found`, `file-not-readable`, `file-locked`, `array-not-recognised`, `array-header-not-valid`,
    /// `array-truncated`, `array-size-mismatch`, `array-dtype-not-supported`, `array-name-missing`, `array-name-unknown`,
    /// `array-too-large` and `array-compression-not-supported` (compressed members).
    pub fn open(path: &Path, name: Option<&str>) -> Result<Self, Error> {
        let source = Source::open(path)?;
        let mut begin = [0; 16];
        let there = source.read_up_to(0, &mut begin)?;
        let begin = &begin[..there];
        if begin.starts_with(npy::MAGIC) {
            if let Some(name) = name {
                return Err(Error::new("array-name-unknown", format!("a .npy file has no array called '{name}'"))
                    .with_hint("it holds a single array, without a name"));
            }
            let layout = npy::layout(&source, 0, source.len())?;
            return Ok(Self { source, layout, names: Vec::new(), name: None });
        }
        if npz::MAGICS.iter().any(|magic| begin.starts_with(*magic)) {
            let mut archive = Archive::open(&source)?;
            let names = archive.names();
            let name = choose(&names, name)?;
            return match archive.member(&name, source.len())? {
                Member::Stored(from, to) => {
                    let layout = npy::layout(&source, from, to)?;
                    Ok(Self { source, layout, names, name: Some(name) })
                }
                Member::Unpacked(bytes) => {
                    let source = Source::Memory(bytes);
                    let layout = npy::layout(&source, 0, source.len())?;
                    Ok(Self { source, layout, names, name: Some(name) })
                }
            };
        }
        if safetensors::recognised(begin) {
            let header = safetensors::header(&source)?;
            let names = header.0.offset_keys();
            let name = choose(&names, name)?;
            let layout = safetensors::layout(&header, &name)?;
            return Ok(Self { source, layout, names, name: Some(name) });
        }
        let what = if begin.is_empty() { "the file is empty" } else { "this is neither .npy, .npz nor .safetensors" };
        Err(Error::new("array-not-recognised", what).with_hint("write it with numpy.save, numpy.savez or safetensors"))
    }

    /// Sizes along the axes of the file.
    pub fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// Rows and columns: all axes but the last are rows, in C order; a vector is one column.
    pub fn table(&self) -> (usize, usize) {
        self.layout.table()
    }

    /// Type of the elements in the file.
    pub fn dtype(&self) -> Dtype {
        self.layout.dtype
    }

    /// Names of all arrays of the file; none in a `.npy`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Name of this array.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Bytes of memory that it holds: those of a compressed member.
    pub fn held(&self) -> usize {
        if let Source::Memory(bytes) = &self.source { bytes.len() } else { 0 }
    }

    /// Rows `from..to`, row-major.
    ///
    /// Errors: `option-out-of-range` for rows that are not there, `shape-mismatch` if `out` has not their size,
    /// `value-not-representable` for a 64-bit integer beyond 2⁵³ or a number beyond the range of f32, `array-file-changed`,
    /// `file-not-readable`.
    pub fn read_rows<T: Element>(&self, from: usize, to: usize, out: &mut [T]) -> Result<(), Error> {
        let (rows, cols) = self.table();
        if from > to || to > rows {
            let message = format!("rows {from} to {to} are asked for; the array has {rows}");
            return Err(Error::new("option-out-of-range", message).with_limit(rows as f64));
        }
        if (to - from).checked_mul(cols) != Some(out.len()) {
            let message = format!("{} rows of {cols} numbers do not fit into {}", to - from, out.len());
            return Err(Error::new("shape-mismatch", message));
        }
        read::rows(&self.source, &self.layout, from, to, out)
    }
}

/// The array that is meant.
fn choose(names: &[String], name: Option<&str>) -> Result<String, Error> {
    let list = || {
        let shown: Vec<String> = names.iter().take(20).map(|name| format!("'{name}'")).collect();
        let rest = names.len() - shown.len();
        format!("{}{}", shown.join(", "), if rest > 0 { format!(" and {rest} more") } else { String::new() })
    };
    match (name, names) {
        (Some(name), _) if names.iter().any(|there| there == name) => Ok(name.to_string()),
        (_, []) => Err(Error::new("array-not-recognised", "the file holds no array").with_hint("write it again")),
        (Some(name), _) => Err(Error::new("array-name-unknown", format!("there is no array '{name}'"))
            .with_hint(format!("there are {}", list()))),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Error::new("array-name-missing", format!("the file holds {} arrays", names.len()))
            .with_hint(format!("say which one is meant, by name: {}", list()))),
    }
}
