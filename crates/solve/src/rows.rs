//! Kernels of sparse products: some rows of Y = A X.
//!
//! A [`Rows`] is the proof that what they index without checks is there: only a matrix whose arrays were checked can make
//! one ([`crate::csr`]), and the kernels check the lengths of X and Y against it.
//!
//! What bounds them: loads, three an element (value, column, x) as the compiler makes them, and beyond the caches the 12
//! bytes of an element. Complex vectors, where most time is spent, have a kernel by hand that reads four values at once and
//! keeps two elements in a register: 0.58, 0.69, 0.94 ns an element of matrices with 20 a row and n = 256, 1024, 4096, on
//! the core (2.5 GHz, shared) where the compiler's code takes 0.78, 1.10, 1.21 with AVX-512 and 0.65, 0.89, 1.05 with AVX2. Two things that do not help there: columns
//! in 16 bits (101 µs beside 90 a product of 90 000 elements), and prefetching past the second cache (141 beside 111). Sorting
//! rows by length does (87 beside 105), see `sorted.rs`.

use headwater_linalg::simd;

/// Some rows of a sparse matrix whose arrays fit together.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// Ascending; the last one is at most the number of columns, the first of row i is `pointers[i]`.
    pointers: &'a [u32],
    /// Each below `cols`.
    columns: &'a [u32],
    /// One or, interleaved, two for each column.
    values: &'a [f64],
    cols: usize,
}

impl<'a> Rows<'a> {
    /// # Safety
    ///
    /// `pointers` is not empty, ascends, and ends at most at the number of columns; every column is below `cols`; `values`
    /// has as many elements as `columns`, or twice as many for the complex kernel.
    pub(crate) unsafe fn new(pointers: &'a [u32], columns: &'a [u32], values: &'a [f64], cols: usize) -> Self {
        Self { pointers, columns, values, cols }
    }

    /// `count` rows from `begin` on.
    pub(crate) fn part(self, begin: usize, count: usize) -> Self {
        Self { pointers: &self.pointers[begin..=begin + count], ..self }
    }

    /// Checks that X has k columns for each column of the matrix, and Y for each of the rows.
    #[inline(always)]
    fn check(&self, k: usize, x: &[f64], y: &[f64]) {
        let rows = self.pointers.len() - 1;
        assert!(x.len() == k * self.cols && y.len() == k * rows, "lengths of x and y");
    }
}

simd! {
/// Rows of a real product. `pointers` are those of the rows of y.
pub(crate) fn rows_real(rows: Rows<'_>, x: &[f64], y: &mut [f64]) {
    rows.check(1, x, y);
    let Rows { pointers, columns, values, .. } = rows;
    let mut at = pointers[0] as usize;
    for (y, &end) in y.iter_mut().zip(&pointers[1..]) {
        let end = end as usize;
        // Two sums hide the latency of long rows; short rows overlap with the next ones.
        let (mut even, mut odd) = (0.0, 0.0);
        // SAFETY: a `Rows` promises it of pointers, columns and values, and columns are below the length of x.
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

fn rows_real_2_plain(rows: Rows<'_>, x: &[f64], y: &mut [f64]) {
    rows.check(2, x, y);
    for (i, y) in y.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        *y = row_real::<2>(&rows, x, i);
    }
}

/// The same for four.
pub(crate) fn rows_real_4(rows: Rows<'_>, x: &[f64], y: &mut [f64]) {
    rows.check(4, x, y);
    for (i, y) in y.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        *y = row_real::<4>(&rows, x, i);
    }
}

/// The same for eight.
pub(crate) fn rows_real_8(rows: Rows<'_>, x: &[f64], y: &mut [f64]) {
    rows.check(8, x, y);
    for (i, y) in y.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *y = row_real::<8>(&rows, x, i);
    }
}

/// The same for any number k.
pub(crate) fn rows_real_k(k: usize, rows: Rows<'_>, x: &[f64], y: &mut [f64]) {
    rows.check(k, x, y);
    let Rows { pointers, columns, values, .. } = rows;
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
pub(crate) fn rows_complex(k: usize, rows: Rows<'_>, x: &[f64], y: &mut [f64]) {
    rows.check(2 * k, x, y);
    let Rows { pointers, columns, values, .. } = rows;
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

/// [`rows_real`] for two right-hand sides or an interleaved complex one.
pub(crate) fn rows_real_2(rows: Rows<'_>, x: &[f64], y: &mut [f64]) {
    #[cfg(target_arch = "x86_64")]
    if headwater_linalg::simd::level() >= headwater_linalg::simd::Level::Avx2 {
        // SAFETY: `level` has found these instructions on this processor.
        return unsafe { rows_real_2_avx2(rows, x, y) };
    }
    rows_real_2_plain(rows, x, y);
}

/// The same for rows that stand in another order: row k of the matrix is row `order[k]` of y.
pub(crate) fn rows_real_2_sorted(rows: Rows<'_>, order: &[u16], x: &[f64], y: &mut [f64]) {
    assert!(order.len() == rows.pointers.len() - 1, "one place for each row");
    #[cfg(target_arch = "x86_64")]
    if headwater_linalg::simd::level() >= headwater_linalg::simd::Level::Avx2 {
        rows.check(2, x, y);
        let y = y.as_chunks_mut::<2>().0;
        // SAFETY: `level` has found these instructions on this processor; x has two elements for each column.
        return unsafe { each_row_2_avx2(rows, x, |k, sum| y[usize::from(order[k])] = sum) };
    }
    rows.check(2, x, y);
    let y = y.as_chunks_mut::<2>().0;
    for (k, &place) in order.iter().enumerate() {
        y[usize::from(place)] = row_real::<2>(&rows, x, k);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn rows_real_2_avx2(rows: Rows<'_>, x: &[f64], y: &mut [f64]) {
    rows.check(2, x, y);
    let y = y.as_chunks_mut::<2>().0;
    // SAFETY: x has two elements for each column.
    unsafe { each_row_2_avx2(rows, x, |k, sum| y[k] = sum) };
}

/// Four elements a turn: their values come in one load and are spread over two registers, in which the x of two elements
/// stand beside one another.
///
/// # Safety
///
/// x has two elements for each column of the matrix.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn each_row_2_avx2(rows: Rows<'_>, x: &[f64], mut put: impl FnMut(usize, [f64; 2])) {
    use std::arch::x86_64::*;
    let Rows { pointers, columns, values, .. } = rows;
    let mut at = pointers[0] as usize;
    for (k, &end) in pointers[1..].iter().enumerate() {
        let end = end as usize;
        let mut sums = [0.0; 2];
        // SAFETY: a `Rows` promises that pointers ascend to the number of columns and values and that columns are below
        // `cols`; x has two elements for each. sums is two numbers.
        unsafe {
            let pair = |k: usize| _mm_loadu_pd(x.as_ptr().add(2 * *columns.get_unchecked(k) as usize));
            let pairs = |k: usize| _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(pair(k)), pair(k + 1));
            let (mut low, mut high) = (_mm256_setzero_pd(), _mm256_setzero_pd());
            while at + 4 <= end {
                let four = _mm256_loadu_pd(values.as_ptr().add(at));
                low = _mm256_fmadd_pd(_mm256_permute4x64_pd::<0b01_01_00_00>(four), pairs(at), low);
                high = _mm256_fmadd_pd(_mm256_permute4x64_pd::<0b11_11_10_10>(four), pairs(at + 2), high);
                at += 4;
            }
            let both = _mm256_add_pd(low, high);
            let mut sum = _mm_add_pd(_mm256_castpd256_pd128(both), _mm256_extractf128_pd::<1>(both));
            while at < end {
                sum = _mm_fmadd_pd(_mm_set1_pd(*values.get_unchecked(at)), pair(at), sum);
                at += 1;
            }
            _mm_storeu_pd(sums.as_mut_ptr(), sum);
        }
        put(k, sums);
    }
}

/// Row i. To be called by the kernels only, after their check of the lengths.
#[inline(always)]
fn row_real<const K: usize>(rows: &Rows<'_>, x: &[f64], i: usize) -> [f64; K] {
    // `check` has found that x has K elements for every column.
    let Rows { pointers, columns, values, .. } = *rows;
    let (mut at, end) = (pointers[i] as usize, pointers[i + 1] as usize);
    let (mut even, mut odd) = ([0.0; K], [0.0; K]);
    // SAFETY: a `Rows` promises that pointers ascend to the number of columns and values and that columns are below
    // `cols`; x has K·cols elements, which every kernel has checked by now.
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
