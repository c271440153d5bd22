//! Passes over the cells of one block of [`LANES`] members of the long side.
//!
//! In each, `w`, `dw` are p × lanes (the members' own factor elements), `h`, `delta` are inner × p (the other
//! factor and a change of it), `omega`, `value`, `u` are inner × lanes. What bounds them: loads, two to
//! three per multiply-add.

use headwater_linalg::LANES;
pub use headwater_linalg::residual::residual;
use headwater_linalg::simd;

type Lane = [f64; LANES];

/// The lanes of the p factors. They stay in memory, and p a variable: with a constant p the compiler unrolls the factors
/// and takes several cells as its vectors, with gathers.
#[inline(always)]
fn lanes(p: usize, values: &[f64]) -> &[Lane] {
    &values.as_chunks().0[..p]
}

#[inline(always)]
fn lanes_mut(p: usize, values: &mut [f64]) -> &mut [Lane] {
    &mut values.as_chunks_mut().0[..p]
}

#[inline(always)]
fn times(x: &Lane, y: &Lane) -> Lane {
    let mut out = *x;
    for e in 0..LANES {
        out[e] *= y[e];
    }
    out
}

#[inline(always)]
fn scaled(x: &Lane, by: f64) -> Lane {
    let mut out = *x;
    for x in &mut out {
        *x *= by;
    }
    out
}

/// sum + x∘y. (By value: where sums alias, the compiler does not make vectors.)
#[inline(always)]
fn add_product(mut sum: Lane, x: &Lane, y: &Lane) -> Lane {
    for e in 0..LANES {
        sum[e] = x[e].mul_add(y[e], sum[e]);
    }
    sum
}

/// sum + xy.
#[inline(always)]
fn add_multiple(mut sum: Lane, x: &Lane, y: f64) -> Lane {
    for e in 0..LANES {
        sum[e] = x[e].mul_add(y, sum[e]);
    }
    sum
}

simd! {
/// rhs_k −= Σ_j [ω_j (w·δ_j) h_jk + u_j δ_jk]: what a change δ of the other factor does to the normal equations.
pub fn couple(p: usize, omega: &[f64], u: &[f64], w: &[f64], h: &[f64], delta: &[f64], rhs: &mut [f64]) {
    let n = h.len() / p;
    let (omega, u, w, rhs) = (lanes(n, omega), lanes(n, u), lanes(p, w), lanes_mut(p, rhs));
    for j in 0..n {
        let (h, d) = (&h[j * p..][..p], &delta[j * p..][..p]);
        let mut s = [0.0; LANES];
        for k in 0..p {
            s = add_multiple(s, &w[k], d[k]);
        }
        let (s, force) = (times(&scaled(&omega[j], -1.0), &s), scaled(&u[j], -1.0));
        for k in 0..p {
            rhs[k] = add_multiple(add_multiple(rhs[k], &force, d[k]), &s, h[k]);
        }
    }
}

/// gradient_jk += ω_j (w·δ_j + dw·h_j) w_k + u_j dw_k, per lane (`gradient`: inner × p × lanes).
pub fn gradient(
    p: usize,
    omega: &[f64],
    u: &[f64],
    w: &[f64],
    dw: &[f64],
    h: &[f64],
    delta: &[f64],
    gradient: &mut [f64],
) {
    let n = h.len() / p;
    let (omega, u, w, dw) = (lanes(n, omega), lanes(n, u), lanes(p, w), lanes(p, dw));
    let gradient = lanes_mut(n * p, gradient);
    for j in 0..n {
        let (h, d, g) = (&h[j * p..][..p], &delta[j * p..][..p], &mut gradient[j * p..][..p]);
        let mut s = [0.0; LANES];
        for k in 0..p {
            s = add_multiple(add_multiple(s, &dw[k], h[k]), &w[k], d[k]);
        }
        let (s, force) = (times(&s, &omega[j]), u[j]);
        for k in 0..p {
            g[k] = add_product(add_product(g[k], &force, &dw[k]), &s, &w[k]);
        }
    }
}

/// top_k = Σ_j ω_j v_j h_jk and bottom_k = Σ_j ω_j (w·h_j) h_jk, in one pass.
pub fn products(p: usize, omega: &[f64], value: &[f64], w: &[f64], h: &[f64], top: &mut [f64], bottom: &mut [f64]) {
    let n = h.len() / p;
    let (omega, value, w) = (lanes(n, omega), lanes(n, value), lanes(p, w));
    let (top, bottom) = (lanes_mut(p, top), lanes_mut(p, bottom));
    top.fill([0.0; LANES]);
    bottom.fill([0.0; LANES]);
    for j in 0..n {
        let h = &h[j * p..][..p];
        let mut fit = [0.0; LANES];
        for k in 0..p {
            fit = add_multiple(fit, &w[k], h[k]);
        }
        let (fit, data) = (times(&fit, &omega[j]), times(&omega[j], &value[j]));
        for k in 0..p {
            top[k] = add_multiple(top[k], &data, h[k]);
            bottom[k] = add_multiple(bottom[k], &fit, h[k]);
        }
    }
}

/// gradient_jk += Σ over lanes of u_j w_k (`gradient`: inner × p).
pub fn outer(p: usize, u: &[f64], w: &[f64], gradient: &mut [f64]) {
    let n = gradient.len() / p;
    let (u, w) = (lanes(n, u), lanes(p, w));
    for j in 0..n {
        let (force, g) = (u[j], &mut gradient[j * p..][..p]);
        for k in 0..p {
            let s = times(&force, &w[k]);
            g[k] += ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
        }
    }
}
}
