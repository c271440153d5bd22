//! The curvature of A: a direction in which it is negative, or how small it is where it is positive.

use headwater_base::parallel::Crew;
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::dense::inner;
use headwater_linalg::{cholesky, eigen};

use crate::arrow::{Arrow, Frame, LARGEST, Refusal, factor_rows, floor, row_block, schur};
use crate::assembly::{Assembly, Kind};
use crate::freedom::Freedom;

/// A direction v with vᵀAv < 0, ‖v‖ = 1, and that number, where A is not positive definite; `None` where it is (to rounding,
/// relative to its diagonal), or when stopped.
pub fn negative_curvature(assembly: &Assembly, frame: &Frame, crew: Crew) -> Option<(Vec<f64>, f64)> {
    let (layout, beta) = (&assembly.layout, assembly.layout.beta());
    let mut v = vec![0.0; assembly.len()];
    match factor_rows(assembly, Kind::Exact, frame, crew) {
        Err(Refusal::Row(n)) => {
            let range = layout.locals(n);
            let block = row_block(assembly, Kind::Exact, frame, floor(assembly), n);
            let (values, vectors) = eigen::symmetric(range.len(), &block)?;
            if values[0] >= 0.0 {
                return None;
            }
            v[range.clone()].copy_from_slice(&vectors[..range.len()]);
        }
        Err(_) => return None,
        Ok((rows, starts)) => {
            let (mut border, pinned) = schur(assembly, Kind::Exact, frame, &rows, &starts, LARGEST, crew)?;
            let mut found = None;
            let mut least = 0.0;
            for part in &border.parts {
                let size = part.members.len();
                let mut s = part.matrix.clone();
                for i in 0..size {
                    (0..i).for_each(|j| s[j * size + i] = s[i * size + j]);
                }
                // Most parts are definite, which their factor tells sooner.
                if cholesky::factor(size, &mut part.matrix.clone()) {
                    continue;
                }
                let (values, vectors) = eigen::symmetric(size, &s)?;
                if values[0] < least {
                    least = values[0];
                    let mut direction = vec![0.0; assembly.decoders.len()];
                    part.members.iter().zip(vectors).for_each(|(&at, x)| direction[at] = x);
                    found = Some(direction);
                }
            }
            let whole = border.whole;
            if found.is_none() && (whole || !border.factor(crew)) {
                return None;
            }
            let arrow = Arrow::unfinished(assembly, Kind::Exact, frame, crew, (rows, starts), (border, pinned));
            let direction = match found {
                Some(direction) => direction,
                None => arrow.bent()?,
            };
            v[..beta].iter_mut().zip(arrow.pulled(&direction)).for_each(|(v, y)| *v = -y);
            v[beta..].copy_from_slice(&direction);
        }
    }
    v.iter_mut().zip(frame.free).filter(|(_, free)| !**free).for_each(|(v, _)| *v = 0.0);
    let size = inner(&v, &v).sqrt();
    v.iter_mut().for_each(|v| *v /= size);
    let curvature = inner(&v, &assembly.product(Kind::Exact, &v));
    (curvature < 0.0).then_some((v, curvature))
}

/// The smallest eigenvalue of A in the metric of diag B, by inverse iteration from a fixed start: an estimate from above.
pub(crate) fn min_curvature(assembly: &Assembly, factor: &Arrow, freedom: &Freedom) -> Option<f64> {
    let mut random = Stream::new(1, Purpose::Probe, 0);
    let weigh = |x: &[f64]| -> Vec<f64> { x.iter().zip(&assembly.diagonal).map(|(x, d)| x * d).collect() };
    let free = |x: f64, free: bool| if free { x } else { 0.0 };
    let mut x: Vec<f64> = freedom.free.iter().map(|&on| free(random.normal(), on)).collect();
    let mut found = f64::INFINITY;
    for _ in 0..12 {
        let next = factor.solve(&weigh(&x)).ok()?;
        let (square, against) = (inner(&next, &weigh(&next)), inner(&next, &weigh(&x)));
        let value = against / square;
        x = next.iter().map(|x| x / square.sqrt()).collect();
        let settled = (found - value).abs() <= 0.02 * value.abs();
        found = value;
        if settled {
            break;
        }
    }
    Some(found)
}
