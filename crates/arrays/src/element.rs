//! Types of elements, and their conversion to f64 and f32.

use bytemuck::Pod;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// The type of the elements in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE 754 binary64.
    Float64,
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary16.
    Float16,
    /// The upper half of a binary32.
    Bfloat16,
    /// Signed.
    Int8,
    /// Signed.
    Int16,
    /// Signed.
    Int32,
    /// Signed; beyond ±2⁵³ no f64 holds them all.
    Int64,
    /// Unsigned.
    Uint8,
    /// Unsigned.
    Uint16,
    /// Unsigned.
    Uint32,
    /// Unsigned; beyond 2⁵³ no f64 holds them all.
    Uint64,
}

impl Dtype {
    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Self::Int8 | Self::Uint8 => 1,
            Self::Float16 | Self::Bfloat16 | Self::Int16 | Self::Uint16 => 2,
            Self::Float32 | Self::Int32 | Self::Uint32 => 4,
            Self::Float64 | Self::Int64 | Self::Uint64 => 8,
        }
    }

    /// Its name in NumPy and PyTorch.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Float64 => "float64",
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Bfloat16 => "bfloat16",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
        }
    }
}

/// What elements can be read as: f64 or f32.
pub trait Element: Pod {
    /// Its own type.
    const DTYPE: Dtype;
    /// The nearest value; `None` for finite numbers beyond the range.
    fn of_f64(value: f64) -> Option<Self>;
    /// The same value.
    fn of_f32(value: f32) -> Self;
}

impl Element for f64 {
    const DTYPE: Dtype = Dtype::Float64;
    fn of_f64(value: f64) -> Option<Self> {
        Some(value)
    }
    fn of_f32(value: f32) -> Self {
        f64::from(value)
    }
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::Float32;
    fn of_f64(value: f64) -> Option<Self> {
        let rounded = value as f32;
        (rounded.is_finite() || !value.is_finite()).then_some(rounded)
    }
    fn of_f32(value: f32) -> Self {
        value
    }
}

/// Integers up to this size are f64 without rounding: 2⁵³.
const EXACT: u64 = 1 << 53;

/// Converts `out.len()` elements. The error is the place of the first one that T cannot hold: a 64-bit integer beyond 2⁵³, or
/// an f64 beyond the range of f32.
pub fn convert<T: Element>(dtype: Dtype, big_endian: bool, bytes: &[u8], out: &mut [T]) -> Result<(), usize> {
    match dtype {
        Dtype::Float64 => each(big_endian, bytes, out, |b| T::of_f64(f64::from_le_bytes(b))),
        Dtype::Float32 => each(big_endian, bytes, out, |b| Some(T::of_f32(f32::from_le_bytes(b)))),
        Dtype::Float16 => {
            halves(big_endian, bytes, out);
            Ok(())
        }
        Dtype::Bfloat16 => each(big_endian, bytes, out, |b| Some(T::of_f32(bf16::from_le_bytes(b).to_f32()))),
        Dtype::Int8 => each(big_endian, bytes, out, |b| T::of_f64(f64::from(i8::from_le_bytes(b)))),
        Dtype::Int16 => each(big_endian, bytes, out, |b| T::of_f64(f64::from(i16::from_le_bytes(b)))),
        Dtype::Int32 => each(big_endian, bytes, out, |b| T::of_f64(f64::from(i32::from_le_bytes(b)))),
        Dtype::Uint8 => each(big_endian, bytes, out, |b| T::of_f64(f64::from(u8::from_le_bytes(b)))),
        Dtype::Uint16 => each(big_endian, bytes, out, |b| T::of_f64(f64::from(u16::from_le_bytes(b)))),
        Dtype::Uint32 => each(big_endian, bytes, out, |b| T::of_f64(f64::from(u32::from_le_bytes(b)))),
        Dtype::Int64 => each(big_endian, bytes, out, |b| {
            let value = i64::from_le_bytes(b);
            if value.unsigned_abs() <= EXACT { T::of_f64(value as f64) } else { None }
        }),
        Dtype::Uint64 => each(big_endian, bytes, out, |b| {
            let value = u64::from_le_bytes(b);
            if value <= EXACT { T::of_f64(value as f64) } else { None }
        }),
    }
}

fn each<const N: usize, T>(
    big_endian: bool,
    bytes: &[u8],
    out: &mut [T],
    of: impl Fn([u8; N]) -> Option<T>,
) -> Result<(), usize> {
    let (elements, _) = bytes.as_chunks::<N>();
    for (at, (to, element)) in out.iter_mut().zip(elements).enumerate() {
        let mut element = *element;
        if big_endian {
            element.reverse();
        }
        *to = of(element).ok_or(at)?;
    }
    Ok(())
}

/// Many at a time: the library asks the processor once a slice whether it can convert halves itself.
fn halves<T: Element>(big_endian: bool, bytes: &[u8], out: &mut [T]) {
    const BLOCK: usize = 512;
    let (mut narrow, mut wide) = ([f16::ZERO; BLOCK], [0.0_f32; BLOCK]);
    let (elements, _) = bytes.as_chunks::<2>();
    for (to, elements) in out.chunks_mut(BLOCK).zip(elements.chunks(BLOCK)) {
        for (half, &element) in narrow.iter_mut().zip(elements) {
            *half = if big_endian { f16::from_be_bytes(element) } else { f16::from_le_bytes(element) };
        }
        narrow[..to.len()].convert_to_f32_slice(&mut wide[..to.len()]);
        to.iter_mut().zip(wide).for_each(|(to, value)| *to = T::of_f32(value));
    }
}

/// An element of 8 bytes in words.
pub fn in_words(dtype: Dtype, big_endian: bool, mut element: [u8; 8]) -> String {
    if big_endian {
        element.reverse();
    }
    match dtype {
        Dtype::Int64 => i64::from_le_bytes(element).to_string(),
        Dtype::Uint64 => u64::from_le_bytes(element).to_string(),
        _ => format!("{:e}", f64::from_le_bytes(element)),
    }
}
