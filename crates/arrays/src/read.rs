//! Rows of an array, in C order whatever the order of the file.

use headwater_base::Error;

use crate::element::{Element, convert, in_words};
use crate::layout::Layout;
use crate::source::Source;

/// Bytes that are read at a time where they have to be converted: they stay in the processor's caches.
const CHUNK: usize = 1 << 18;

/// Columns of an array in Fortran order that are read together: a line of memory of the result takes eight f64.
const STRIP: usize = 16;

/// Fills `out` with rows `from..to`, which there are.
pub fn rows<T: Element>(source: &Source, layout: &Layout, from: usize, to: usize, out: &mut [T]) -> Result<(), Error> {
    let (_, cols) = layout.table();
    if out.is_empty() {
        return Ok(());
    }
    // Axes of length 1 have no order.
    let leading: Vec<usize> = layout.shape[..layout.shape.len().saturating_sub(1)].to_vec();
    let leading: Vec<usize> = leading.into_iter().filter(|&n| n > 1).collect();
    if !layout.fortran || layout.shape.len() < 2 {
        elements(source, layout, from * cols, out, &|at| (from + at / cols, at % cols))
    } else if leading.len() < 2 {
        columns(source, layout, from, to, out)
    } else {
        scattered(source, layout, &leading, from, to, out)
    }
}

/// Elements from `first` on in the order of the file; `place` is the row and column of one of them, for errors.
fn elements<T: Element>(
    source: &Source,
    layout: &Layout,
    first: usize,
    out: &mut [T],
    place: &dyn Fn(usize) -> (usize, usize),
) -> Result<(), Error> {
    let size = layout.dtype.size();
    let offset = layout.offset + (first * size) as u64;
    if layout.dtype == T::DTYPE && !layout.big_endian {
        return source.read_at(offset, bytemuck::cast_slice_mut(out));
    }
    let step = CHUNK / size;
    let mut scratch = vec![0; out.len().min(step) * size];
    for (part, out) in out.chunks_mut(step).enumerate() {
        let bytes = &mut scratch[..out.len() * size];
        source.read_at(offset + (part * step * size) as u64, bytes)?;
        convert(layout.dtype, layout.big_endian, bytes, out).map_err(|at| {
            let element = bytes[at * size..][..8].try_into().expect("only types of 8 bytes can be refused");
            let value = in_words(layout.dtype, layout.big_endian, element);
            let (row, col) = place(part * step + at);
            let message = format!("{value} cannot be held by {}", T::DTYPE.as_str());
            Error::new("value-not-representable", message).at(row, col)
        })?;
    }
    Ok(())
}

/// A table in Fortran order: columns one behind the other.
fn columns<T: Element>(source: &Source, layout: &Layout, from: usize, to: usize, out: &mut [T]) -> Result<(), Error> {
    let (rows, cols) = layout.table();
    // A piece of so many rows of a strip of columns is read and turned at a time.
    let height = (CHUNK / size_of::<T>() / STRIP).min(to - from);
    let mut strip = vec![T::zeroed(); STRIP * height];
    for begin in (from..to).step_by(height) {
        let count = height.min(to - begin);
        for left in (0..cols).step_by(STRIP) {
            let width = STRIP.min(cols - left);
            for j in 0..width {
                let part = &mut strip[j * height..j * height + count];
                elements(source, layout, (left + j) * rows + begin, part, &|at| (begin + at, left + j))?;
            }
            for i in 0..count {
                let row = &mut out[(begin - from + i) * cols + left..][..width];
                row.iter_mut().enumerate().for_each(|(j, to)| *to = strip[j * height + i]);
            }
        }
    }
    Ok(())
}

/// More than two axes in Fortran order: rows lie scattered in each column. With leading axes n₁ … n_k, row
/// r = (i₁n₂ + i₂)n₃ + … is at place i₁ + n₁(i₂ + n₂(…)) of its column. Every call passes through the whole array.
fn scattered<T: Element>(
    source: &Source,
    layout: &Layout,
    leading: &[usize],
    from: usize,
    to: usize,
    out: &mut [T],
) -> Result<(), Error> {
    let (rows, cols) = layout.table();
    let row_of = |mut place: usize| {
        let (mut row, mut stride) = (0, rows);
        for n in leading {
            stride /= n;
            row += (place % n) * stride;
            place /= n;
        }
        row
    };
    let step = CHUNK / size_of::<T>();
    let mut scratch = vec![T::zeroed(); step.min(rows)];
    for col in 0..cols {
        for begin in (0..rows).step_by(step) {
            let part = &mut scratch[..step.min(rows - begin)];
            elements(source, layout, col * rows + begin, part, &|at| (row_of(begin + at), col))?;
            for (at, value) in part.iter().enumerate() {
                let row = row_of(begin + at);
                if (from..to).contains(&row) {
                    out[(row - from) * cols + col] = *value;
                }
            }
        }
    }
    Ok(())
}
