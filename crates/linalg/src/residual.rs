//! Residuals of [`LANES`] members at once.

use crate::{LANES, simd};

type Lane = [f64; LANES];

simd! {
/// u_j = ω_j (w·h_j − v_j); returns Σ_j ω_j (w·h_j − v_j)² per lane.
///
/// `w`: p × lanes; `h`: inner × p, row-major; `omega`, `value`, `u`: inner × lanes. What bounds it: loads, two to three per
/// multiply-add.
pub fn residual(p: usize, omega: &[f64], value: &[f64], w: &[f64], h: &[f64], u: &mut [f64]) -> Lane {
    let n = h.len() / p;
    let (omega, value) = (&omega.as_chunks::<LANES>().0[..n], &value.as_chunks::<LANES>().0[..n]);
    let (u, w) = (&mut u.as_chunks_mut::<LANES>().0[..n], &w.as_chunks::<LANES>().0[..p]);
    let mut q = [0.0; LANES];
    for j in 0..n {
        let h = &h[j * p..][..p];
        let mut r = value[j];
        for e in 0..LANES {
            r[e] = -r[e];
        }
        for k in 0..p {
            for e in 0..LANES {
                r[e] = w[k][e].mul_add(h[k], r[e]);
            }
        }
        for e in 0..LANES {
            let force = omega[j][e] * r[e];
            q[e] = force.mul_add(r[e], q[e]);
            u[j][e] = force;
        }
    }
    q
}
}
