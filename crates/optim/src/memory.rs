//! What an optimiser remembers, as bytes: little-endian, every entry with its name and length, so that a walk of another
//! shape is found out.

use headwater_base::Error;

use crate::number::Real;
use crate::rule::State;

/// Appends what it is shown.
#[derive(Default)]
pub struct Writer {
    /// Written so far.
    pub bytes: Vec<u8>,
}

/// Replaces what it is shown by what was written.
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// The first entry that did not fit.
    fault: Option<String>,
}

const ARRAY: u8 = 1;
const REAL: u8 = 2;
const WHOLE: u8 = 3;

impl Writer {
    fn head(&mut self, name: &str, kind: u8, count: usize) {
        let length = u8::try_from(name.len()).expect("names are short");
        self.bytes.push(length);
        self.bytes.extend(name.as_bytes());
        self.bytes.push(kind);
        self.bytes.extend((count as u64).to_le_bytes());
    }
}

impl<R: Real> State<R> for Writer {
    fn array(&mut self, name: &'static str, values: &mut [R]) {
        self.head(name, ARRAY, size_of_val(values));
        R::write(values, &mut self.bytes);
    }
    fn real(&mut self, name: &'static str, value: &mut f64) {
        self.head(name, REAL, 8);
        self.bytes.extend(value.to_le_bytes());
    }
    fn whole(&mut self, name: &'static str, value: &mut u64) {
        self.head(name, WHOLE, 8);
        self.bytes.extend(value.to_le_bytes());
    }
}

impl<'a> Reader<'a> {
    /// Of what a [`Writer`] wrote.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, fault: None }
    }

    /// The next `count` bytes.
    fn cut(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(head)
    }

    /// The bytes of the next entry, if it is the one that is asked for.
    fn entry(&mut self, name: &'static str, kind: u8, size: usize) -> Option<&'a [u8]> {
        if self.fault.is_some() {
            return None;
        }
        let found = (|| {
            let length = usize::from(self.cut(1)?[0]);
            let here = self.cut(length)?;
            let of = self.cut(1)?[0];
            let count = u64::from_le_bytes(self.cut(8)?.try_into().ok()?);
            if here != name.as_bytes() || of != kind || count != size as u64 {
                return None;
            }
            self.cut(size)
        })();
        if found.is_none() {
            self.fault = Some(name.to_owned());
        }
        found
    }

    /// That everything was there and nothing is left.
    pub fn finish(self) -> Result<(), Error> {
        let broken = |what: &str| Err(Error::new("state-not-valid", format!("the saved state {what}")));
        match self.fault {
            Some(name) => broken(&format!("does not have '{name}' where this optimiser needs it")),
            None if !self.bytes.is_empty() => broken("holds more than this optimiser needs"),
            None => Ok(()),
        }
    }
}

impl<R: Real> State<R> for Reader<'_> {
    fn array(&mut self, name: &'static str, values: &mut [R]) {
        if let Some(bytes) = self.entry(name, ARRAY, size_of_val(values)) {
            R::read(bytes, values);
            if crate::rule::check(crate::rule::What::State, values).is_err() {
                self.fault = Some(name.to_owned());
            }
        }
    }
    fn real(&mut self, name: &'static str, value: &mut f64) {
        if let Some(bytes) = self.entry(name, REAL, 8) {
            *value = f64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        }
    }
    fn whole(&mut self, name: &'static str, value: &mut u64) {
        if let Some(bytes) = self.entry(name, WHOLE, 8) {
            *value = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(state: &mut dyn State<f32>, array: &mut [f32], real: &mut f64, whole: &mut u64) {
        state.array("moments", array);
        state.real("scale", real);
        state.whole("count", whole);
    }

    #[test]
    fn what_was_written_is_read_and_anything_else_is_found_out() {
        let mut writer = Writer::default();
        walk(&mut writer, &mut [1.0, -2.5, 3.25], &mut 0.1, &mut 7);
        let read = |bytes: &[u8], count: usize| {
            let (mut array, mut real, mut whole) = (vec![0.0; count], 0.0, 0);
            let mut reader = Reader::new(bytes);
            walk(&mut reader, &mut array, &mut real, &mut whole);
            reader.finish().map(|()| (array, real, whole))
        };
        let bytes = writer.bytes;
        assert_eq!(read(&bytes, 3), Ok((vec![1.0, -2.5, 3.25], 0.1, 7)));
        assert!(read(&bytes, 4).is_err());
        assert!(read(&bytes[..bytes.len() - 1], 3).is_err());
        assert!(read(&[bytes.clone(), vec![0]].concat(), 3).is_err());
        let mut renamed = bytes.clone();
        renamed[1] = b'x';
        assert!(read(&renamed, 3).is_err());
        let mut spoilt = bytes;
        let at = 1 + "moments".len() + 1 + 8;
        spoilt[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(read(&spoilt, 3).is_err(), "a number that is not finite");
    }
}
