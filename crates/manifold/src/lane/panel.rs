//! Kernels of conjugate gradients on eight columns at once, for matrices made of sparse codes.
//!
//! A panel has a row of eight numbers for each direction, and a last one for the offset. What bounds them: `apply` and `scatter`
//! fetch and store one such row a code, from the second-level cache where the panel fits there; the others run once through the
//! panel.

use headwater_linalg::simd;

use crate::lane::dictionary::NONE;

/// Columns of a panel.
pub(super) const WIDE: usize = 8;

simd! {
/// out += CᵀC x, with the column of ones where there is an offset.
pub(super) fn apply(
    support: &[u32],
    values: &[f64],
    active: usize,
    width: usize,
    with_offset: bool,
    x: &[f64],
    out: &mut [f64],
) {
    let last = x.len() / WIDE - 1;
    let (x, out) = (x.as_chunks::<WIDE>().0, out.as_chunks_mut::<WIDE>().0);
    for n in 0..support.len() / active {
        let (support, values) = (&support[n * active..][..active], &values[n * active * width..][..active * width]);
        let mut y = x[last];
        for i in 0..active {
            if support[i] == NONE {
                break;
            }
            for u in 0..width {
                let (c, d) = (values[i * width + u], &x[support[i] as usize * width + u]);
                for e in 0..WIDE {
                    y[e] = c.mul_add(d[e], y[e]);
                }
            }
        }
        for i in 0..active {
            if support[i] == NONE {
                break;
            }
            for u in 0..width {
                let (c, to) = (values[i * width + u], &mut out[support[i] as usize * width + u]);
                for e in 0..WIDE {
                    to[e] = c.mul_add(y[e], to[e]);
                }
            }
        }
        if with_offset {
            for e in 0..WIDE {
                out[last][e] += y[e];
            }
        }
    }
}

/// out += λ blockdiag(CᵀC) x.
pub(super) fn penalise(ridge: f64, blocks: &[f64], width: usize, x: &[f64], out: &mut [f64]) {
    let (x, out) = (x.as_chunks::<WIDE>().0, out.as_chunks_mut::<WIDE>().0);
    for row in 0..blocks.len() / width {
        for v in 0..width {
            let (factor, d) = (ridge * blocks[row * width + v], &x[row - row % width + v]);
            for e in 0..WIDE {
                out[row][e] = factor.mul_add(d[e], out[row][e]);
            }
        }
    }
}

/// out += sign Cᵀx, and Σx where the rows are `whole`.
pub(super) fn scatter(
    support: &[u32],
    values: &[f64],
    active: usize,
    width: usize,
    sign: f64,
    x: &[[f64; WIDE]],
    out: &mut [[f64; WIDE]],
    whole: bool,
) {
    let last = out.len() - 1;
    for n in 0..x.len() {
        for i in n * active..(n + 1) * active {
            if support[i] == NONE {
                break;
            }
            for u in 0..width {
                let (c, to) = (sign * values[i * width + u], &mut out[support[i] as usize * width + u]);
                for e in 0..WIDE {
                    to[e] = c.mul_add(x[n][e], to[e]);
                }
            }
        }
        if whole {
            for e in 0..WIDE {
                out[last][e] += x[n][e];
            }
        }
    }
}

/// Σ_i r_i²/h_i of each column.
pub(super) fn weigh(r: &[f64], diagonal: &[f64]) -> [f64; WIDE] {
    let (r, mut sums) = (r.as_chunks::<WIDE>().0, [0.0; WIDE]);
    for i in 0..r.len() {
        let inverse = if diagonal[i] > 0.0 { 1.0 / diagonal[i] } else { 0.0 };
        for e in 0..WIDE {
            sums[e] = (r[i][e] * r[i][e]).mul_add(inverse, sums[e]);
        }
    }
    sums
}

/// d ← M⁻¹r + β d, M the diagonal.
pub(super) fn aim(r: &[f64], diagonal: &[f64], beta: &[f64; WIDE], direction: &mut [f64]) {
    let (r, d) = (r.as_chunks::<WIDE>().0, direction.as_chunks_mut::<WIDE>().0);
    for i in 0..r.len() {
        let inverse = if diagonal[i] > 0.0 { 1.0 / diagonal[i] } else { 0.0 };
        for e in 0..WIDE {
            d[i][e] = beta[e].mul_add(d[i][e], inverse * r[i][e]);
        }
    }
}

/// Σ_i d_i q_i of each column.
pub(super) fn products(d: &[f64], q: &[f64]) -> [f64; WIDE] {
    let (d, q, mut sums) = (d.as_chunks::<WIDE>().0, q.as_chunks::<WIDE>().0, [0.0; WIDE]);
    for i in 0..d.len() {
        for e in 0..WIDE {
            sums[e] = d[i][e].mul_add(q[i][e], sums[e]);
        }
    }
    sums
}

/// x += α d, r −= α q.
pub(super) fn advance(alpha: &[f64; WIDE], d: &[f64], q: &[f64], x: &mut [f64], r: &mut [f64]) {
    let (d, q) = (d.as_chunks::<WIDE>().0, q.as_chunks::<WIDE>().0);
    let (x, r) = (x.as_chunks_mut::<WIDE>().0, r.as_chunks_mut::<WIDE>().0);
    for i in 0..d.len() {
        for e in 0..WIDE {
            x[i][e] = alpha[e].mul_add(d[i][e], x[i][e]);
            r[i][e] = (-alpha[e]).mul_add(q[i][e], r[i][e]);
        }
    }
}
}
