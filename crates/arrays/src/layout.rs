//! Where and how the elements of an array lie in its source.

use headwater_base::Error;

use crate::element::Dtype;

/// An array's elements: their place, type and order.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Number of elements along each axis.
    pub shape: Vec<usize>,
    /// Type of the elements.
    pub dtype: Dtype,
    /// Bytes of an element in falling order of weight.
    pub big_endian: bool,
    /// The first index moves fastest.
    pub fortran: bool,
    /// Place of the first element.
    pub offset: u64,
}

impl Layout {
    /// As a table, all axes but the last are its rows. A vector is one column, a single number one row of one.
    pub fn table(&self) -> (usize, usize) {
        match self.shape.as_slice() {
            [] => (1, 1),
            [length] => (*length, 1),
            // What all axes give fits (`check`), which says nothing of the first ones where the last is empty.
            [first @ .., last] => {
                (first.iter().try_fold(1_usize, |rows, &n| rows.checked_mul(n)).unwrap_or(usize::MAX), *last)
            }
        }
    }

    /// Bytes of all elements.
    ///
    /// Errors: `array-header-not-valid` where they, or the rows, are more than can be counted.
    pub fn bytes(&self) -> Result<u64, Error> {
        let product = |sizes: &[usize]| sizes.iter().try_fold(1_u64, |all, &n| all.checked_mul(n as u64));
        // Neither may overflow: an empty last axis hides what the first ones say.
        let rows = product(&self.shape[..self.shape.len().saturating_sub(1)]);
        let most = rows.filter(|rows| *rows < 1 << 53).and(product(&self.shape));
        most.and_then(|elements| elements.checked_mul(self.dtype.size() as u64)).ok_or_else(|| {
            Error::new("array-header-not-valid", format!("the shape {} has more elements than can be", self.in_words()))
                .with_hint("the file is damaged: write it again")
        })
    }

    /// That the elements take exactly the bytes that there are for them.
    ///
    /// Errors: `array-truncated`, `array-size-mismatch`, `array-header-not-valid`.
    pub fn check(&self, there: u64) -> Result<(), Error> {
        let wanted = self.bytes()?;
        if there == wanted {
            return Ok(());
        }
        let needs = format!("{} of shape {} takes {wanted} bytes", self.dtype.as_str(), self.in_words());
        Err(if there < wanted {
            Error::new("array-truncated", format!("{needs}, and the file has only {there} for it"))
                .with_hint("the file was not written or copied to its end: write it again")
        } else {
            Error::new("array-size-mismatch", format!("{needs}, and the file has {there} for it"))
                .with_hint("a file must hold one array and nothing behind it; np.savez puts several into one file")
        })
    }

    /// The shape as NumPy prints it.
    pub fn in_words(&self) -> String {
        let sizes: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        format!("({}{})", sizes.join(", "), if sizes.len() == 1 { "," } else { "" })
    }
}
