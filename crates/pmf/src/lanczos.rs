//! Curvature on the free set where S is too large to form: Lanczos iteration on its products.
//!
//! From a random unit vector in the complement of the gauges, k products give Ritz values ξ_1 <= … <= ξ_k of S̃ with
//! full reorthogonalisation. A Ritz value below −β is a proof: its vector has that curvature. The absence of one is
//! only likely: for any symmetric matrix of size n with eigenvalues from λ_1 to λ_n,
//!   P( ξ_1 − λ_1 > ε (λ_n − λ_1) ) <= 1.648 √n e^{−√ε(2k−1)},
//! and likewise at the other end, so that λ_n − λ_1 <= (ξ_k − ξ_1)/(1 − 2ε). What is reported is the bound
//!   λ_1 >= ξ_1 − ε (ξ_k − ξ_1)/(1 − 2ε)   with the stated confidence: "none stronger than this", never "positive".
//!
//! Cost: k products; memory: k vectors.
//! Source: J. Kuczyński, H. Woźniakowski (1992), "Estimating the largest eigenvalue by the power and Lanczos
//! algorithms with a random start", SIAM J. Matrix Anal. Appl. 13:1094, theorem 4.1 for Lanczos.

use crate::curvature::Curvature;
use crate::reduced::{Reduced, inverse_root};
use crate::solution::CurvatureBound;
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::eigen;

/// Products: about a fifth of what a fit of this size spends anyway.
const PRODUCTS: usize = 100;
/// Chance that the bound does not hold.
const RISK: f64 = 1e-3;

/// Examines S on `free`, in the complement of the orthonormal rows `gauges`; `band` is β.
pub fn examine(reduced: &Reduced, free: &[usize], gauges: &[f64], band: f64) -> Curvature {
    let mut out = Curvature::unknown();
    let size = free.len();
    let mut random = Stream::new(0, Purpose::Probe, size as u32);
    let clean = |x: &mut [f64], basis: &[Vec<f64>]| {
        for _ in 0..2 {
            for q in gauges.chunks_exact(size).chain(basis.iter().map(Vec::as_slice)) {
                let overlap: f64 = q.iter().zip(x.iter()).map(|(a, b)| a * b).sum();
                x.iter_mut().zip(q).for_each(|(x, q)| *x -= overlap * q);
            }
        }
        x.iter().map(|x| x * x).sum::<f64>().sqrt()
    };
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let (mut diagonal, mut off) = (Vec::new(), Vec::new());
    let mut next: Vec<f64> = (0..size).map(|_| random.normal()).collect();
    let mut norm = clean(&mut next, &basis);
    let room = size - gauges.len() / size;
    let limit = PRODUCTS.min(room);
    let mut whole = false;
    while diagonal.len() < limit && norm > 0.0 {
        if reduced.model.crew.stopped() {
            return out;
        }
        next.iter_mut().for_each(|x| *x /= norm);
        let mut image = reduced.product(free, &next);
        diagonal.push(image.iter().zip(&next).map(|(a, b)| a * b).sum::<f64>());
        basis.push(std::mem::take(&mut next));
        norm = clean(&mut image, &basis);
        off.push(norm);
        next = image;
        whole = diagonal.len() == room;
        if norm <= 1e-13 * diagonal[0].abs() && !whole {
            // An invariant space: go on outside it, or directions of equal curvature would be missed.
            *off.last_mut().expect("pushed above") = 0.0;
            next = (0..size).map(|_| random.normal()).collect();
            norm = clean(&mut next, &basis);
        }
    }
    let steps = diagonal.len();
    let mut small = vec![0.0; steps * steps];
    for i in 0..steps {
        small[i * steps + i] = diagonal[i];
        if i + 1 < steps {
            small[i * steps + i + 1] = off[i];
            small[(i + 1) * steps + i] = off[i];
        }
    }
    let Some((values, vectors)) = eigen::symmetric(steps, &small).filter(|(values, _)| !values.is_empty()) else {
        return out;
    };
    for (i, &value) in values.iter().enumerate().take_while(|(_, value)| **value <= band) {
        let mut direction = vec![0.0; reduced.model.d.len()];
        for (q, weight) in basis.iter().zip(&vectors[i * steps..(i + 1) * steps]) {
            for (&a, q) in free.iter().zip(q) {
                direction[a] += weight * q * inverse_root(reduced.model.d[a]);
            }
        }
        if value < -band {
            out.negative.push((value, direction));
        } else {
            out.flat.push(direction);
        }
    }
    out.known = true;
    if whole {
        // The space is exhausted: it holds every eigenvalue.
        out.smallest = Some(values[0]);
        return out;
    }
    let (lowest, highest) = (values[0], values[steps - 1]);
    // Half of the risk at each end of the spectrum.
    let root = (1.648 * (size as f64).sqrt() / (0.5 * RISK)).ln() / (2.0 * steps as f64 - 1.0);
    let share = root * root;
    out.bound = Some(CurvatureBound {
        bound: (lowest - share * (highest - lowest) / (1.0 - 2.0 * share)).min(-band),
        confidence: 1.0 - RISK,
        products: steps as u32,
        smallest_seen: lowest,
    });
    out
}
