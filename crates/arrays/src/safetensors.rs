//! The header of `.safetensors`: its length as u64, and JSON with type, shape and place of every tensor. The library checks
//! that tensors follow each other without gaps or overlaps and take the bytes of their shapes.
//!
//! Source: Hugging Face, "Safetensors", 2022.

use headwater_base::Error;
use safetensors::Dtype as Stored;
use safetensors::tensor::Metadata;

use crate::element::Dtype;
use crate::layout::Layout;
use crate::source::Source;

/// Longest header that is read, as in the library.
const HEADER_LIMIT: u64 = 100_000_000;

/// Whether the first bytes can be those of such a file.
pub fn recognised(begin: &[u8]) -> bool {
    begin.get(8) == Some(&b'{')
}

/// All tensors in the order of their places.
///
/// Errors: `array-header-not-valid`, `array-truncated`, `array-size-mismatch`.
pub fn header(source: &Source) -> Result<(Metadata, u64), Error> {
    let mut length = [0; 8];
    if source.read_up_to(0, &mut length)? < 8 {
        return Err(truncated("the file ends within its header"));
    }
    let length = u64::from_le_bytes(length);
    if length > HEADER_LIMIT {
        let message = format!("its header is said to take {length} bytes; {HEADER_LIMIT} are read at most");
        return Err(damaged(message));
    }
    let begin = 8 + length;
    if begin > source.len() {
        return Err(truncated("the file ends within its header"));
    }
    let mut text = vec![0; length as usize];
    source.read_at(8, &mut text)?;
    let found: Metadata =
        serde_json::from_slice(&text).map_err(|error| damaged(format!("its header is not valid: {error}")))?;
    let (wanted, there) = (found.data_len() as u64, source.len() - begin);
    if there < wanted {
        return Err(truncated(&format!("its tensors take {wanted} bytes, and the file has only {there} for them")));
    }
    if there > wanted {
        let message = format!("its tensors take {wanted} bytes, and the file has {there} for them");
        return Err(Error::new("array-size-mismatch", message).with_hint("the file is damaged: write it again"));
    }
    Ok((found, begin))
}

/// The layout of one tensor.
///
/// Errors: `array-dtype-not-supported`.
pub fn layout(header: &(Metadata, u64), name: &str) -> Result<Layout, Error> {
    let info = header.0.info(name).expect("the name comes from this header");
    let dtype = match info.dtype {
        Stored::F64 => Dtype::Float64,
        Stored::F32 => Dtype::Float32,
        Stored::F16 => Dtype::Float16,
        Stored::BF16 => Dtype::Bfloat16,
        Stored::I8 => Dtype::Int8,
        Stored::I16 => Dtype::Int16,
        Stored::I32 => Dtype::Int32,
        Stored::I64 => Dtype::Int64,
        Stored::U8 => Dtype::Uint8,
        Stored::U16 => Dtype::Uint16,
        Stored::U32 => Dtype::Uint32,
        Stored::U64 => Dtype::Uint64,
        other => {
            let message = format!("the elements of '{name}' are {other}; real numbers and integers are read");
            let hint = "convert the tensor before saving, for example with .float()";
            return Err(Error::new("array-dtype-not-supported", message).with_hint(hint));
        }
    };
    let offset = header.1 + info.data_offsets.0 as u64;
    let layout = Layout { shape: info.shape.clone(), dtype, big_endian: false, fortran: false, offset };
    layout.bytes()?;
    Ok(layout)
}

fn damaged(message: String) -> Error {
    Error::new("array-header-not-valid", message).with_hint("the file is damaged: write it again")
}

fn truncated(message: &str) -> Error {
    Error::new("array-truncated", message).with_hint("the file was not written or copied to its end: write it again")
}
