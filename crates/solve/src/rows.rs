//! Kernels of sparse products: some rows of Y = A X. The caller ([`crate::csr`]) has checked that the pointers ascend to
//! the number of columns and values, that columns are below the rows of X, and the lengths of X and Y.

use headwater_linalg::simd;

simd! {
/// Rows of a real product. `pointers` are those of the rows of y.
pub(crate) fn rows_real(pointers: &[u32], columns: &[u32], values: &[f64], x: &[f64], y: &mut [f64]) {
    let mut at = pointers[0] as usize;
    for (y, &end) in y.iter_mut().zip(&pointers[1..]) {
        let end = end as usize;
        // Two sums hide the latency of long rows; short rows overlap with the next ones.
        let (mut even, mut odd) = (0.0, 0.0);
        // SAFETY: pointers ascend to the number of columns and values, and columns are below the length of x: all of it
        // was checked when the matrix was made and at the head of the product.
        unsafe {
            while at + 1 < end {
                let (a, b) = (*columns.get_unchecked(at) as usize, *columns.get_unchecked(at + 1) as usize);
                even = values.get_unchecked(at).mul_add(*x.get_unchecked(a), even);
                odd = values.get_unchecked(at + 1).mul_add(*x.get_unchecked(b), odd);
                at += 2;
            }
            if at < end {
                even = values.get_unchecked(at).mul_add(*x.get_unchecked(*columns.get_unchecked(at) as usize), even);
                at += 1;
            }
        }
        *y = even + odd;
    }
}

/// The same for two right-hand sides or an interleaved complex one.
pub(crate) fn rows_real_2(pointers: &[u32], columns: &[u32], values: &[f64], x: &[f64], y: &mut [f64]) {
    for (i, y) in y.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        *y = row_real::<2>(pointers, columns, values, x, i);
    }
}

/// The same for four.
pub(crate) fn rows_real_4(pointers: &[u32], columns: &[u32], values: &[f64], x: &[f64], y: &mut [f64]) {
    for (i, y) in y.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        *y = row_real::<4>(pointers, columns, values, x, i);
    }
}

/// The same for eight.
pub(crate) fn rows_real_8(pointers: &[u32], columns: &[u32], values: &[f64], x: &[f64], y: &mut [f64]) {
    for (i, y) in y.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *y = row_real::<8>(pointers, columns, values, x, i);
    }
}

/// The same for any number k.
pub(crate) fn rows_real_k(k: usize, pointers: &[u32], columns: &[u32], values: &[f64], x: &[f64], y: &mut [f64]) {
    for (i, y) in y.chunks_mut(k).enumerate() {
        y.fill(0.0);
        for at in pointers[i] as usize..pointers[i + 1] as usize {
            let (j, a) = (columns[at] as usize, values[at]);
            for (y, x) in y.iter_mut().zip(&x[j * k..(j + 1) * k]) {
                *y = a.mul_add(*x, *y);
            }
        }
    }
}

/// Rows of a complex product, k right-hand sides; everything interleaved.
pub(crate) fn rows_complex(k: usize, pointers: &[u32], columns: &[u32], values: &[f64], x: &[f64], y: &mut [f64]) {
    for (i, y) in y.chunks_mut(2 * k).enumerate() {
        y.fill(0.0);
        for at in pointers[i] as usize..pointers[i + 1] as usize {
            let j = columns[at] as usize;
            let (re, im) = (values[2 * at], values[2 * at + 1]);
            let x = &x[j * 2 * k..(j + 1) * 2 * k];
            for (y, x) in y.as_chunks_mut::<2>().0.iter_mut().zip(x.as_chunks::<2>().0) {
                y[0] = re.mul_add(x[0], (-im).mul_add(x[1], y[0]));
                y[1] = re.mul_add(x[1], im.mul_add(x[0], y[1]));
            }
        }
    }
}
}

#[inline(always)]
fn row_real<const K: usize>(pointers: &[u32], columns: &[u32], values: &[f64], x: &[f64], i: usize) -> [f64; K] {
    let (mut at, end) = (pointers[i] as usize, pointers[i + 1] as usize);
    let (mut even, mut odd) = ([0.0; K], [0.0; K]);
    // SAFETY: pointers ascend to the number of columns and values, columns are below `cols`, and x has K·cols elements:
    // all of it was checked when the matrix was made and at the head of the product.
    unsafe {
        while at + 1 < end {
            let a = x.as_ptr().add(*columns.get_unchecked(at) as usize * K).cast::<[f64; K]>().read();
            let b = x.as_ptr().add(*columns.get_unchecked(at + 1) as usize * K).cast::<[f64; K]>().read();
            let (va, vb) = (*values.get_unchecked(at), *values.get_unchecked(at + 1));
            for e in 0..K {
                even[e] = va.mul_add(a[e], even[e]);
                odd[e] = vb.mul_add(b[e], odd[e]);
            }
            at += 2;
        }
        if at < end {
            let a = x.as_ptr().add(*columns.get_unchecked(at) as usize * K).cast::<[f64; K]>().read();
            let va = *values.get_unchecked(at);
            for e in 0..K {
                even[e] = va.mul_add(a[e], even[e]);
            }
        }
    }
    for e in 0..K {
        even[e] += odd[e];
    }
    even
}
