//! The header of `.npy`: magic bytes, a version, a length, and a Python dictionary of `descr`, `fortran_order` and `shape`.
//!
//! Source: NumPy, "numpy.lib.format" (NEP 1, R. Kern, 2007). Read by a parser of its own: the libraries for it parse Python
//! literals of any depth by a grammar, and bring an arbitrary-precision arithmetic for the numbers of a shape.

use headwater_base::Error;

use crate::element::Dtype;
use crate::layout::Layout;
use crate::source::Source;

/// The first bytes of every file.
pub const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Longest header that is read. NumPy writes 118 bytes, and refuses what is above 10 000 itself.
const HEADER_LIMIT: usize = 1 << 16;

/// The layout of an array whose header begins at `start` and which ends at `end`.
///
/// Errors: `array-not-recognised`, `array-header-not-valid`, `array-truncated`, `array-size-mismatch`,
/// `array-dtype-not-supported`.
pub fn layout(source: &Source, start: u64, end: u64) -> Result<Layout, Error> {
    let mut begin = [0; 12];
    let there = source.read_up_to(start, &mut begin)?.min(end.saturating_sub(start) as usize);
    if there < 6 || begin[..6] != *MAGIC {
        return Err(Error::new("array-not-recognised", "this is no .npy array: its first bytes are not \\x93NUMPY")
            .with_hint("write it with numpy.save"));
    }
    let (length, at) = match begin[6] {
        1 => (usize::from(u16::from_le_bytes([begin[8], begin[9]])), 10),
        2 | 3 => (u32::from_le_bytes([begin[8], begin[9], begin[10], begin[11]]) as usize, 12),
        version => {
            return Err(damaged(format!("version {version}.{} of .npy is not known", begin[7])));
        }
    };
    if length > HEADER_LIMIT {
        return Err(damaged(format!("its header is said to take {length} bytes; {HEADER_LIMIT} are read at most")));
    }
    let offset = start + at as u64 + length as u64;
    if there < at || offset > end {
        return Err(Error::new("array-truncated", "the file ends within its header")
            .with_hint("the file was not written or copied to its end: write it again"));
    }
    let mut header = vec![0; length];
    source.read_at(start + at as u64, &mut header)?;
    let text = String::from_utf8_lossy(&header);
    let mut layout = Parser { rest: &text }.dictionary()?;
    layout.offset = offset;
    layout.check(end - offset)?;
    Ok(layout)
}

/// The header of a table in C order.
pub fn header(rows: usize, cols: usize, dtype: Dtype) -> Vec<u8> {
    let mut text = format!("{{'descr': '<f{}', 'fortran_order': False, 'shape': ({rows}, {cols}), }}", dtype.size());
    // The elements begin at a multiple of 64 bytes; the last byte before them is a line's end.
    let padded = (text.len() + 11).next_multiple_of(64) - 10;
    text.extend(std::iter::repeat_n(' ', padded - 1 - text.len()));
    text.push('\n');
    let mut out = [MAGIC.as_slice(), &[1, 0]].concat();
    out.extend((padded as u16).to_le_bytes());
    out.extend(text.bytes());
    out
}

fn damaged(what: String) -> Error {
    Error::new("array-header-not-valid", what).with_hint("the file is damaged: write it again with numpy.save")
}

/// A walk through the text of a header; `rest` is what has not been read.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn dictionary(&mut self) -> Result<Layout, Error> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.string()?;
            self.expect(':')?;
            match key {
                "descr" => descr = Some(self.dtype()?),
                "fortran_order" => fortran = Some(self.truth()?),
                "shape" => shape = Some(self.shape()?),
                other => return Err(damaged(format!("its header has an unknown entry '{}'", brief(other)))),
            }
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        if !self.rest.trim_matches([' ', '\n', '\r', '\t', '\0']).is_empty() {
            return Err(damaged(format!("its header goes on with '{}'", brief(self.rest))));
        }
        let missing = |name: &str| damaged(format!("its header has no '{name}'"));
        let (dtype, big_endian) = descr.ok_or_else(|| missing("descr"))?;
        Ok(Layout {
            shape: shape.ok_or_else(|| missing("shape"))?,
            dtype,
            big_endian,
            fortran: fortran.ok_or_else(|| missing("fortran_order"))?,
            offset: 0,
        })
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\r', '\t']);
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        let after = self.rest.strip_prefix(wanted);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), Error> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(damaged(format!("its header has '{}' where '{wanted}' should be", brief(self.rest))))
    }

    fn string(&mut self) -> Result<&'a str, Error> {
        let quote = if self.take('"') { '"' } else { '\'' };
        if quote == '\'' {
            self.expect('\'')?;
        }
        let (text, rest) =
            self.rest.split_once(quote).ok_or_else(|| damaged("a text in its header does not end".into()))?;
        self.rest = rest;
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, Error> {
        self.skip_space();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(damaged(format!("its fortran_order is '{}'", brief(self.rest))))
    }

    fn shape(&mut self) -> Result<Vec<usize>, Error> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            self.skip_space();
            let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let size = self.rest[..end].parse();
            shape.push(size.map_err(|_| damaged(format!("its shape has the entry '{}'", brief(self.rest))))?);
            // Python 2 wrote long integers with an L.
            self.rest = self.rest[end..].trim_start_matches('L');
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }

    /// Type and byte order of a `descr`.
    fn dtype(&mut self) -> Result<(Dtype, bool), Error> {
        self.skip_space();
        if self.rest.starts_with('[') {
            return Err(unsupported("a structured dtype", "save each field as an array of its own"));
        }
        let descr = self.string()?;
        let known = match descr.get(1..).unwrap_or_default() {
            "f8" => Dtype::Float64,
            "f4" => Dtype::Float32,
            "f2" => Dtype::Float16,
            "i1" => Dtype::Int8,
            "i2" => Dtype::Int16,
            "i4" => Dtype::Int32,
            "i8" => Dtype::Int64,
            "u1" => Dtype::Uint8,
            "u2" => Dtype::Uint16,
            "u4" => Dtype::Uint32,
            "u8" => Dtype::Uint64,
            "b1" => return Err(unsupported("bool", "save it with .astype('uint8')")),
            other if other.starts_with('O') => {
                return Err(unsupported("object (Python objects)", "save it with .astype('float64')"));
            }
            other if other.starts_with('c') => {
                return Err(unsupported("complex", "save the real and the imaginary part as two arrays"));
            }
            _ => return Err(unsupported(&format!("'{}'", brief(descr)), "save it with .astype('float64')")),
        };
        let big_endian = match descr.as_bytes()[0] {
            b'<' => false,
            b'>' => true,
            b'|' if known.size() == 1 => false,
            _ => return Err(damaged(format!("its dtype '{}' has no byte order", brief(descr)))),
        };
        Ok((known, big_endian))
    }
}

fn unsupported(what: &str, hint: &str) -> Error {
    let message = format!("its elements are {what}; real numbers and integers are read");
    Error::new("array-dtype-not-supported", message).with_hint(hint)
}

/// The first letters of a text.
fn brief(text: &str) -> String {
    text.chars().take(20).collect()
}
