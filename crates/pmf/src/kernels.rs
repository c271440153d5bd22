//! Passes over the cells of one block of [`LANES`] members of the long side.
//!
//! In each, `w`, `dw` are p × lanes (the members' own factor elements), `h`, `delta` are inner × p (the other
//! factor and a change of it), `omega`, `value`, `u` are inner × lanes. What bounds them: multiply-adds for
//! p <= 12, where sums stay in registers; loads and stores of the sums above.

use headwater_linalg::LANES;
use headwater_linalg::simd;

type Lane = [f64; LANES];

/// Calls `$f::<P>(p, …)` with the number of factors as a constant where it is small.
macro_rules! with_factors {
    ($f:ident, $p:expr, $($arg:expr),*) => {
        match $p {
            1 => $f::<1>(1, $($arg),*),
            2 => $f::<2>(2, $($arg),*),
            3 => $f::<3>(3, $($arg),*),
            4 => $f::<4>(4, $($arg),*),
            5 => $f::<5>(5, $($arg),*),
            6 => $f::<6>(6, $($arg),*),
            7 => $f::<7>(7, $($arg),*),
            8 => $f::<8>(8, $($arg),*),
            9 => $f::<9>(9, $($arg),*),
            10 => $f::<10>(10, $($arg),*),
            11 => $f::<11>(11, $($arg),*),
            12 => $f::<12>(12, $($arg),*),
            p if p <= 32 => $f::<32>(p, $($arg),*),
            p if p <= 128 => $f::<128>(p, $($arg),*),
            p => $f::<{ crate::problem::MAX_FACTORS }>(p, $($arg),*),
        }
    };
}

#[inline(always)]
fn load<const P: usize>(p: usize, from: &[f64]) -> [Lane; P] {
    let mut to = [[0.0; LANES]; P];
    let from = from.as_chunks::<LANES>().0;
    to[..p].copy_from_slice(&from[..p]);
    to
}

simd! {
/// u_j = ω_j (w·h_j − v_j); returns Σ_j ω_j (w·h_j − v_j)² per lane.
pub fn residual(p: usize, omega: &[f64], value: &[f64], w: &[f64], h: &[f64], u: &mut [f64]) -> Lane {
    with_factors!(residual_body, p, omega, value, w, h, u)
}
}

#[inline(always)]
fn residual_body<const P: usize>(p: usize, omega: &[f64], value: &[f64], w: &[f64], h: &[f64], u: &mut [f64]) -> Lane {
    let w: [Lane; P] = load(p, w);
    let mut q = [0.0; LANES];
    let (omega, value) = (omega.as_chunks::<LANES>().0, value.as_chunks::<LANES>().0);
    let u = u.as_chunks_mut::<LANES>().0;
    for j in 0..omega.len() {
        let (omega, value, u, h) = (&omega[j], &value[j], &mut u[j], &h[j * p..(j + 1) * p]);
        let mut r = [0.0; LANES];
        for e in 0..LANES {
            r[e] = -value[e];
        }
        for k in 0..p {
            for e in 0..LANES {
                r[e] = w[k][e].mul_add(h[k], r[e]);
            }
        }
        for e in 0..LANES {
            u[e] = omega[e] * r[e];
            q[e] = u[e].mul_add(r[e], q[e]);
        }
    }
    q
}

simd! {
/// rhs_k −= Σ_j [ω_j (w·δ_j) h_jk + u_j δ_jk]: what a change δ of the other factor does to the normal equations.
pub fn couple(p: usize, omega: &[f64], u: &[f64], w: &[f64], h: &[f64], delta: &[f64], rhs: &mut [f64]) {
    with_factors!(couple_body, p, omega, u, w, h, delta, rhs);
}
}

#[inline(always)]
fn couple_body<const P: usize>(
    p: usize,
    omega: &[f64],
    u: &[f64],
    w: &[f64],
    h: &[f64],
    delta: &[f64],
    rhs: &mut [f64],
) {
    let w: [Lane; P] = load(p, w);
    let mut sum: [Lane; P] = load(p, rhs);
    let (omega, u) = (omega.as_chunks::<LANES>().0, u.as_chunks::<LANES>().0);
    for j in 0..omega.len() {
        let (omega, u, h, d) = (&omega[j], &u[j], &h[j * p..(j + 1) * p], &delta[j * p..(j + 1) * p]);
        let mut s = [0.0; LANES];
        for k in 0..p {
            for e in 0..LANES {
                s[e] = w[k][e].mul_add(d[k], s[e]);
            }
        }
        for e in 0..LANES {
            s[e] *= -omega[e];
        }
        for k in 0..p {
            for e in 0..LANES {
                sum[k][e] = s[e].mul_add(h[k], (-u[e]).mul_add(d[k], sum[k][e]));
            }
        }
    }
    for k in 0..p {
        rhs[k * LANES..(k + 1) * LANES].copy_from_slice(&sum[k]);
    }
}

simd! {
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
    with_factors!(gradient_body, p, omega, u, w, dw, h, delta, gradient);
}
}

#[inline(always)]
fn gradient_body<const P: usize>(
    p: usize,
    omega: &[f64],
    u: &[f64],
    w: &[f64],
    dw: &[f64],
    h: &[f64],
    delta: &[f64],
    gradient: &mut [f64],
) {
    let w: [Lane; P] = load(p, w);
    let dw: [Lane; P] = load(p, dw);
    let (omega, u) = (omega.as_chunks::<LANES>().0, u.as_chunks::<LANES>().0);
    let gradient = gradient.as_chunks_mut::<LANES>().0;
    for j in 0..omega.len() {
        let (omega, u, h, d) = (&omega[j], &u[j], &h[j * p..(j + 1) * p], &delta[j * p..(j + 1) * p]);
        let g = &mut gradient[j * p..(j + 1) * p];
        let mut s = [0.0; LANES];
        for k in 0..p {
            for e in 0..LANES {
                s[e] = w[k][e].mul_add(d[k], dw[k][e].mul_add(h[k], s[e]));
            }
        }
        for e in 0..LANES {
            s[e] *= omega[e];
        }
        for k in 0..p {
            for e in 0..LANES {
                g[k][e] = s[e].mul_add(w[k][e], u[e].mul_add(dw[k][e], g[k][e]));
            }
        }
    }
}

simd! {
/// top_k = Σ_j ω_j v_j h_jk and bottom_k = Σ_j ω_j (w·h_j) h_jk, in one pass.
pub fn products(p: usize, omega: &[f64], value: &[f64], w: &[f64], h: &[f64], top: &mut [f64], bottom: &mut [f64]) {
    with_factors!(products_body, p, omega, value, w, h, top, bottom);
}
}

#[inline(always)]
fn products_body<const P: usize>(
    p: usize,
    omega: &[f64],
    value: &[f64],
    w: &[f64],
    h: &[f64],
    top: &mut [f64],
    bottom: &mut [f64],
) {
    let w: [Lane; P] = load(p, w);
    let mut tops = [[0.0; LANES]; P];
    let mut bottoms = [[0.0; LANES]; P];
    let (omega, value) = (omega.as_chunks::<LANES>().0, value.as_chunks::<LANES>().0);
    for j in 0..omega.len() {
        let (omega, value, h) = (&omega[j], &value[j], &h[j * p..(j + 1) * p]);
        let mut fit = [0.0; LANES];
        for k in 0..p {
            for e in 0..LANES {
                fit[e] = w[k][e].mul_add(h[k], fit[e]);
            }
        }
        let mut data = [0.0; LANES];
        for e in 0..LANES {
            fit[e] *= omega[e];
            data[e] = omega[e] * value[e];
        }
        for k in 0..p {
            for e in 0..LANES {
                tops[k][e] = data[e].mul_add(h[k], tops[k][e]);
                bottoms[k][e] = fit[e].mul_add(h[k], bottoms[k][e]);
            }
        }
    }
    for k in 0..p {
        top[k * LANES..(k + 1) * LANES].copy_from_slice(&tops[k]);
        bottom[k * LANES..(k + 1) * LANES].copy_from_slice(&bottoms[k]);
    }
}

simd! {
/// gradient_jk += Σ over lanes of u_j w_k (`gradient`: inner × p).
pub fn outer(p: usize, u: &[f64], w: &[f64], gradient: &mut [f64]) {
    with_factors!(outer_body, p, u, w, gradient);
}
}

#[inline(always)]
fn outer_body<const P: usize>(p: usize, u: &[f64], w: &[f64], gradient: &mut [f64]) {
    let w: [Lane; P] = load(p, w);
    for (u, g) in u.as_chunks::<LANES>().0.iter().zip(gradient.chunks_exact_mut(p)) {
        for k in 0..p {
            let mut s = [0.0; LANES];
            for e in 0..LANES {
                s[e] = u[e] * w[k][e];
            }
            g[k] += ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
        }
    }
}
