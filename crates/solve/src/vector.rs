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

#[inline(always)]
fn axpy_pairs(re: f64, im: f64, x: &[f64], y: &mut [f64]) {
    let signed = [-im, im, -im, im, -im, im, -im, im];
    let ((xs, x_tail), (ys, y_tail)) = (x.as_chunks::<8>(), y.as_chunks_mut::<8>());
    for (x, y) in xs.iter().zip(ys) {
        for e in 0..8 {
            y[e] = re.mul_add(x[e], signed[e].mul_add(x[e ^ 1], y[e]));
        }
    }
    for e in 0..x_tail.len() {
        y_tail[e] = re.mul_add(x_tail[e], signed[e].mul_add(x_tail[e ^ 1], y_tail[e]));
    }
}

simd! {
/// Σ x_i y_i.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut total = 0.0;
    for (x, y) in x.chunks(CHUNK).zip(y.chunks(CHUNK)) {
        let ((xs, x_tail), (ys, y_tail)) = (x.as_chunks::<WIDTH>(), y.as_chunks::<WIDTH>());
        let mut sums = [0.0; WIDTH];
        for (a, b) in xs.iter().zip(ys) {
            for e in 0..WIDTH {
                sums[e] = a[e].mul_add(b[e], sums[e]);
            }
        }
        for (e, (a, b)) in x_tail.iter().zip(y_tail).enumerate() {
            sums[e] = a.mul_add(*b, sums[e]);
        }
        total += fold(sums);
    }
    total
}

/// (Σ x_i y_i, Σ x_i², Σ y_i²) in one pass.
pub fn dot_and_norms(x: &[f64], y: &[f64]) -> [f64; 3] {
    let mut total = [0.0; 3];
    for (x, y) in x.chunks(CHUNK).zip(y.chunks(CHUNK)) {
        let ((xs, x_tail), (ys, y_tail)) = (x.as_chunks::<WIDTH>(), y.as_chunks::<WIDTH>());
        let (mut xy, mut xx, mut yy) = ([0.0; WIDTH], [0.0; WIDTH], [0.0; WIDTH]);
        for (a, b) in xs.iter().zip(ys) {
            for e in 0..WIDTH {
                xy[e] = a[e].mul_add(b[e], xy[e]);
                xx[e] = a[e].mul_add(a[e], xx[e]);
                yy[e] = b[e].mul_add(b[e], yy[e]);
            }
        }
        for (e, (a, b)) in x_tail.iter().zip(y_tail).enumerate() {
            xy[e] = a.mul_add(*b, xy[e]);
            xx[e] = a.mul_add(*a, xx[e]);
            yy[e] = b.mul_add(*b, yy[e]);
        }
        total[0] += fold(xy);
        total[1] += fold(xx);
        total[2] += fold(yy);
    }
    total
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
    let mut total = [0.0; 2];
    for (((p, q), x), r) in p.chunks(CHUNK).zip(q.chunks(CHUNK)).zip(x.chunks_mut(CHUNK)).zip(r.chunks_mut(CHUNK)) {
        let ((ps, p_tail), (qs, q_tail)) = (p.as_chunks::<WIDTH>(), q.as_chunks::<WIDTH>());
        let ((xs, x_tail), (rs, r_tail)) = (x.as_chunks_mut::<WIDTH>(), r.as_chunks_mut::<WIDTH>());
        let (mut square, mut product) = ([0.0; WIDTH], [0.0; WIDTH]);
        for (((p, q), x), r) in ps.iter().zip(qs).zip(xs).zip(rs) {
            for e in 0..WIDTH {
                x[e] = a.mul_add(p[e], x[e]);
                let old = r[e];
                let new = (-a).mul_add(q[e], old);
                r[e] = new;
                square[e] = new.mul_add(new, square[e]);
                product[e] = new.mul_add(old, product[e]);
            }
        }
        for e in 0..p_tail.len() {
            x_tail[e] = a.mul_add(p_tail[e], x_tail[e]);
            let old = r_tail[e];
            let new = (-a).mul_add(q_tail[e], old);
            r_tail[e] = new;
            square[e] = new.mul_add(new, square[e]);
            product[e] = new.mul_add(old, product[e]);
        }
        total[0] += fold(square);
        total[1] += fold(product);
    }
    total
}

/// r −= a q; returns (‖r‖², ⟨r, r_old⟩).
pub fn reduce(a: f64, q: &[f64], r: &mut [f64]) -> [f64; 2] {
    let mut total = [0.0; 2];
    for (q, r) in q.chunks(CHUNK).zip(r.chunks_mut(CHUNK)) {
        let ((qs, q_tail), (rs, r_tail)) = (q.as_chunks::<WIDTH>(), r.as_chunks_mut::<WIDTH>());
        let (mut square, mut product) = ([0.0; WIDTH], [0.0; WIDTH]);
        for (q, r) in qs.iter().zip(rs) {
            for e in 0..WIDTH {
                let old = r[e];
                let new = (-a).mul_add(q[e], old);
                r[e] = new;
                square[e] = new.mul_add(new, square[e]);
                product[e] = new.mul_add(old, product[e]);
            }
        }
        for e in 0..q_tail.len() {
            let old = r_tail[e];
            let new = (-a).mul_add(q_tail[e], old);
            r_tail[e] = new;
            square[e] = new.mul_add(new, square[e]);
            product[e] = new.mul_add(old, product[e]);
        }
        total[0] += fold(square);
        total[1] += fold(product);
    }
    total
}

/// r −= a q with a preconditioned residual z; returns (‖r‖², ⟨r, z⟩).
pub fn reduce_against(a: f64, q: &[f64], z: &[f64], r: &mut [f64]) -> [f64; 2] {
    let mut total = [0.0; 2];
    for ((q, z), r) in q.chunks(CHUNK).zip(z.chunks(CHUNK)).zip(r.chunks_mut(CHUNK)) {
        let ((qs, q_tail), (zs, z_tail)) = (q.as_chunks::<WIDTH>(), z.as_chunks::<WIDTH>());
        let (rs, r_tail) = r.as_chunks_mut::<WIDTH>();
        let (mut square, mut product) = ([0.0; WIDTH], [0.0; WIDTH]);
        for ((q, z), r) in qs.iter().zip(zs).zip(rs) {
            for e in 0..WIDTH {
                let new = (-a).mul_add(q[e], r[e]);
                r[e] = new;
                square[e] = new.mul_add(new, square[e]);
                product[e] = new.mul_add(z[e], product[e]);
            }
        }
        for e in 0..q_tail.len() {
            let new = (-a).mul_add(q_tail[e], r_tail[e]);
            r_tail[e] = new;
            square[e] = new.mul_add(new, square[e]);
            product[e] = new.mul_add(z_tail[e], product[e]);
        }
        total[0] += fold(square);
        total[1] += fold(product);
    }
    total
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
        for e in (0..WIDTH).step_by(2) {
            total[0][0] += same[e];
            total[0][1] += same[e + 1];
            total[1][0] += cross[e];
            total[1][1] += cross[e + 1];
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
    let mut total = 0.0;
    for (((p, q), x), r) in p.chunks(CHUNK).zip(q.chunks(CHUNK)).zip(x.chunks_mut(CHUNK)).zip(r.chunks_mut(CHUNK)) {
        axpy_pairs(re, im, p, x);
        axpy_pairs(-re, -im, q, r);
        let (rs, tail) = r.as_chunks::<WIDTH>();
        let mut sums = [0.0; WIDTH];
        for r in rs {
            for e in 0..WIDTH {
                sums[e] = r[e].mul_add(r[e], sums[e]);
            }
        }
        for (e, r) in tail.iter().enumerate() {
            sums[e] = r.mul_add(*r, sums[e]);
        }
        total += fold(sums);
    }
    total
}

/// Largest absolute value; NaN if there is one.
pub fn largest(x: &[f64]) -> f64 {
    let mut top = 0.0_f64;
    let mut nan = 0.0_f64;
    for v in x {
        top = top.max(v.abs());
        nan += v * 0.0;
    }
    if nan.is_nan() && !top.is_infinite() { f64::NAN } else { top }
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
