//! Kernels over vectors of f64 (a complex vector is one of twice the length).
//!
//! Sums are taken over chunks of [`CHUNK`] numbers in 16 lanes, and then over the chunks in order: the value
//! depends on the data alone. What bounds them is memory, so what one pass can do together is done together.

use headwater_linalg::simd;

const WIDTH: usize = 16;
/// Numbers summed at a time.
pub const CHUNK: usize = 4096;

#[inline(always)]
fn fold(s: [f64; WIDTH]) -> f64 {
    let mut eight = [0.0; 8];
    for e in 0..8 {
        eight[e] = s[e] + s[e + 8];
    }
    ((eight[0] + eight[4]) + (eight[2] + eight[6])) + ((eight[1] + eight[5]) + (eight[3] + eight[7]))
}

/// y += (re + i im) x for interleaved complex vectors. By pairs: in lanes with the neighbour at `e ^ 1` the compiler
/// shuffles through memory, ten times slower (27 against 2.8 µs for 4096 numbers).
#[inline(always)]
fn axpy_pairs(re: f64, im: f64, x: &[f64], y: &mut [f64]) {
    for (x, y) in x.as_chunks::<2>().0.iter().zip(y.as_chunks_mut::<2>().0) {
        y[0] = re.mul_add(x[0], (-im).mul_add(x[1], y[0]));
        y[1] = re.mul_add(x[1], im.mul_add(x[0], y[1]));
    }
}

/// Σ x_i² of one chunk.
#[inline(always)]
fn square(x: &[f64]) -> f64 {
    let (blocks, rest) = x.as_chunks::<WIDTH>();
    let mut sums = [0.0; WIDTH];
    for x in blocks {
        for e in 0..WIDTH {
            sums[e] = x[e].mul_add(x[e], sums[e]);
        }
    }
    for (e, x) in rest.iter().enumerate() {
        sums[e] = x.mul_add(*x, sums[e]);
    }
    fold(sums)
}

/// One pass over slices of one length, read or written: the body computes lane `e` and adds to lane `e` of `sums`, the
/// same for whole blocks and for the rest of a chunk. Gives the sums.
macro_rules! pass {
    ($count:literal sums $sums:ident; read $first:ident $($read:ident)*; write $($write:ident)*; $e:ident => $body:block) => {{
        let mut total = [0.0; $count];
        let length = $first.len();
        for begin in (0..length).step_by(CHUNK) {
            let end = length.min(begin + CHUNK);
            let (blocks, rest) = ((end - begin) / WIDTH, (end - begin) % WIDTH);
            let mut $sums = [[0.0; WIDTH]; $count];
            {
                let $first = &$first[begin..end].as_chunks::<WIDTH>().0[..blocks];
                $(let $read = &$read[begin..end].as_chunks::<WIDTH>().0[..blocks];)*
                $(let $write = &mut $write[begin..end].as_chunks_mut::<WIDTH>().0[..blocks];)*
                for block in 0..blocks {
                    let $first = &$first[block];
                    $(let $read = &$read[block];)*
                    $(let $write = &mut $write[block];)*
                    for $e in 0..WIDTH $body
                }
            }
            if rest > 0 {
                let $first = &$first[end - rest..end];
                $(let $read = &$read[end - rest..end];)*
                $(let $write = &mut $write[end - rest..end];)*
                for $e in 0..rest $body
            }
            for (total, sum) in total.iter_mut().zip($sums) {
                *total += fold(sum);
            }
        }
        total
    }};
}

simd! {
/// Σ x_i y_i.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    pass!(1 sums s; read x y; write; e => { s[0][e] = x[e].mul_add(y[e], s[0][e]); })[0]
}

/// (Σ x_i y_i, Σ x_i², Σ y_i²) in one pass.
pub fn dot_and_norms(x: &[f64], y: &[f64]) -> [f64; 3] {
    pass!(3 sums s; read x y; write; e => {
        s[0][e] = x[e].mul_add(y[e], s[0][e]);
        s[1][e] = x[e].mul_add(x[e], s[1][e]);
        s[2][e] = y[e].mul_add(y[e], s[2][e]);
    })
}

/// y += a x.
pub fn axpy(a: f64, x: &[f64], y: &mut [f64]) {
    for (x, y) in x.iter().zip(y) {
        *y = a.mul_add(*x, *y);
    }
}

/// y = x + b y.
pub fn xpby(x: &[f64], b: f64, y: &mut [f64]) {
    for (x, y) in x.iter().zip(y) {
        *y = b.mul_add(*y, *x);
    }
}

/// y = a x + b y.
pub fn axpby(a: f64, x: &[f64], b: f64, y: &mut [f64]) {
    for (x, y) in x.iter().zip(y) {
        *y = a.mul_add(*x, b * *y);
    }
}

/// x *= a.
pub fn scale(a: f64, x: &mut [f64]) {
    for x in x {
        *x *= a;
    }
}

/// The two updates of a conjugate direction step: x += a p, r −= a q; returns (‖r‖², ⟨r, r_old⟩).
pub fn step(a: f64, p: &[f64], q: &[f64], x: &mut [f64], r: &mut [f64]) -> [f64; 2] {
    pass!(2 sums s; read p q; write x r; e => {
        x[e] = a.mul_add(p[e], x[e]);
        let old = r[e];
        r[e] = (-a).mul_add(q[e], old);
        s[0][e] = r[e].mul_add(r[e], s[0][e]);
        s[1][e] = r[e].mul_add(old, s[1][e]);
    })
}

/// r −= a q; returns (‖r‖², ⟨r, r_old⟩).
pub fn reduce(a: f64, q: &[f64], r: &mut [f64]) -> [f64; 2] {
    pass!(2 sums s; read q; write r; e => {
        let old = r[e];
        r[e] = (-a).mul_add(q[e], old);
        s[0][e] = r[e].mul_add(r[e], s[0][e]);
        s[1][e] = r[e].mul_add(old, s[1][e]);
    })
}

/// r −= a q with a preconditioned residual z; returns (‖r‖², ⟨r, z⟩).
pub fn reduce_against(a: f64, q: &[f64], z: &[f64], r: &mut [f64]) -> [f64; 2] {
    pass!(2 sums s; read q z; write r; e => {
        r[e] = (-a).mul_add(q[e], r[e]);
        s[0][e] = r[e].mul_add(r[e], s[0][e]);
        s[1][e] = r[e].mul_add(z[e], s[1][e]);
    })
}

/// r −= a q with z = d r, a diagonal preconditioner, that is not stored; returns (‖r⁺‖², ⟨r⁺, z⟩, ⟨r⁺, z⁺⟩, ‖z⁺‖²). The bits of
/// the separate passes.
pub fn reduce_scaled(a: f64, q: &[f64], d: &[f64], r: &mut [f64]) -> [f64; 4] {
    pass!(4 sums s; read q d; write r; e => {
        let old = r[e] * d[e];
        r[e] = (-a).mul_add(q[e], r[e]);
        let new = r[e] * d[e];
        s[0][e] = r[e].mul_add(r[e], s[0][e]);
        s[1][e] = r[e].mul_add(old, s[1][e]);
        s[2][e] = r[e].mul_add(new, s[2][e]);
        s[3][e] = new.mul_add(new, s[3][e]);
    })
}

/// [`advance`] with z = d r.
pub fn advance_scaled(a: f64, d: &[f64], r: &[f64], b: f64, p: &mut [f64], x: &mut [f64]) {
    for (((d, r), p), x) in d.iter().zip(r).zip(p).zip(x) {
        let old = *p;
        *x = a.mul_add(old, *x);
        *p = b.mul_add(old, *r * *d);
    }
}

/// x += a p, then p = z + b p: the step of the iteration before and its new direction read p once.
pub fn advance(a: f64, z: &[f64], b: f64, p: &mut [f64], x: &mut [f64]) {
    for ((z, p), x) in z.iter().zip(p).zip(x) {
        let old = *p;
        *x = a.mul_add(old, *x);
        *p = b.mul_add(old, *z);
    }
}

/// For interleaved complex vectors: [[Σ re·re, Σ im·im], [Σ x_re y_im, Σ x_im y_re]].
pub fn dot_pairs(x: &[f64], y: &[f64]) -> [[f64; 2]; 2] {
    let mut total = [[0.0; 2]; 2];
    for (x, y) in x.chunks(CHUNK).zip(y.chunks(CHUNK)) {
        let ((xs, x_tail), (ys, y_tail)) = (x.as_chunks::<WIDTH>(), y.as_chunks::<WIDTH>());
        let (mut same, mut cross) = ([0.0; WIDTH], [0.0; WIDTH]);
        for (a, b) in xs.iter().zip(ys) {
            for e in 0..WIDTH {
                same[e] = a[e].mul_add(b[e], same[e]);
                cross[e] = a[e].mul_add(b[e ^ 1], cross[e]);
            }
        }
        for e in 0..x_tail.len() {
            same[e] = x_tail[e].mul_add(y_tail[e], same[e]);
            cross[e] = x_tail[e].mul_add(y_tail[e ^ 1], cross[e]);
        }
        // The sum of a chunk first: it does not depend on whether the chunks come in one call.
        let mut sums = [[0.0; 2]; 2];
        for e in (0..WIDTH).step_by(2) {
            sums[0][0] += same[e];
            sums[0][1] += same[e + 1];
            sums[1][0] += cross[e];
            sums[1][1] += cross[e + 1];
        }
        for (total, sum) in total.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
            *total += sum;
        }
    }
    total
}

/// y += a x for interleaved complex vectors.
pub fn axpy_complex(re: f64, im: f64, x: &[f64], y: &mut [f64]) {
    axpy_pairs(re, im, x, y);
}

/// y = x + b y for interleaved complex vectors.
pub fn xpby_complex(x: &[f64], re: f64, im: f64, y: &mut [f64]) {
    for (x, y) in x.as_chunks::<2>().0.iter().zip(y.as_chunks_mut::<2>().0) {
        let old = *y;
        y[0] = re.mul_add(old[0], (-im).mul_add(old[1], x[0]));
        y[1] = re.mul_add(old[1], im.mul_add(old[0], x[1]));
    }
}

/// x += a p, r −= a q for interleaved complex vectors; returns ‖r‖².
pub fn step_complex(re: f64, im: f64, p: &[f64], q: &[f64], x: &mut [f64], r: &mut [f64]) -> f64 {
    axpy_pairs(re, im, p, x);
    let mut total = 0.0;
    for (q, r) in q.chunks(CHUNK).zip(r.chunks_mut(CHUNK)) {
        axpy_pairs(-re, -im, q, r);
        total += square(r);
    }
    total
}

/// r −= a q for interleaved complex vectors; returns ‖r‖².
pub fn reduce_complex(re: f64, im: f64, q: &[f64], r: &mut [f64]) -> f64 {
    let mut total = 0.0;
    for (q, r) in q.chunks(CHUNK).zip(r.chunks_mut(CHUNK)) {
        axpy_pairs(-re, -im, q, r);
        total += square(r);
    }
    total
}

/// x += a p, then p = z + b p, for interleaved complex vectors; a = (re, im).
pub fn advance_complex(a: [f64; 2], z: &[f64], b: [f64; 2], p: &mut [f64], x: &mut [f64]) {
    let pairs = z.as_chunks::<2>().0.iter().zip(p.as_chunks_mut::<2>().0).zip(x.as_chunks_mut::<2>().0);
    for ((z, p), x) in pairs {
        let old = *p;
        x[0] = a[0].mul_add(old[0], (-a[1]).mul_add(old[1], x[0]));
        x[1] = a[0].mul_add(old[1], a[1].mul_add(old[0], x[1]));
        p[0] = b[0].mul_add(old[0], (-b[1]).mul_add(old[1], z[0]));
        p[1] = b[0].mul_add(old[1], b[1].mul_add(old[0], z[1]));
    }
}

/// q = s p + ia q for interleaved complex vectors.
pub fn shift_complex(s: f64, a: f64, p: &[f64], q: &mut [f64]) {
    for (p, q) in p.as_chunks::<2>().0.iter().zip(q.as_chunks_mut::<2>().0) {
        *q = [(-a).mul_add(q[1], s * p[0]), a.mul_add(q[0], s * p[1])];
    }
}

/// Largest absolute value; NaN if there is one.
pub fn largest(x: &[f64]) -> f64 {
    let (blocks, rest) = x.as_chunks::<WIDTH>();
    let (mut tops, mut nans) = ([0.0_f64; WIDTH], [0.0_f64; WIDTH]);
    let mut look = |e: usize, v: f64| {
        tops[e] = if v.abs() > tops[e] { v.abs() } else { tops[e] };
        nans[e] += v * 0.0;
    };
    for x in blocks {
        for e in 0..WIDTH {
            look(e, x[e]);
        }
    }
    for (e, v) in rest.iter().enumerate() {
        look(e, *v);
    }
    let top = tops.into_iter().fold(0.0, f64::max);
    if nans.into_iter().sum::<f64>().is_nan() && !top.is_infinite() { f64::NAN } else { top }
}
}

/// ‖x‖₂ from an already computed Σx², or by scaling with a power of two where that sum has over- or underflowed.
pub fn norm_from(square: f64, x: &[f64]) -> f64 {
    if (1e-280..1e300).contains(&square) {
        return square.sqrt();
    }
    let top = largest(x);
    if top == 0.0 || !top.is_finite() {
        return top;
    }
    let factor = crate::scalar::power_of_two_inverse(top, false);
    let mut sum = 0.0;
    for chunk in x.chunks(CHUNK) {
        sum += chunk.iter().map(|v| (v * factor) * (v * factor)).sum::<f64>();
    }
    sum.sqrt() / factor
}

/// ‖x‖₂, right for every finite x whose norm is representable.
pub fn norm(x: &[f64]) -> f64 {
    norm_from(dot(x, x), x)
}

/// 4(n + 4)ε, at most √ε: what rounding may leave of ⟨x, Ax⟩ relative to ‖A‖‖x‖², rows of A with n elements.
pub fn rounding(n: usize) -> f64 {
    (4.0 * (n + 4) as f64 * f64::EPSILON).min(f64::EPSILON.sqrt())
}

/// Whether no element is NaN or infinite.
pub fn finite(x: &[f64]) -> bool {
    largest(x).is_finite()
}
