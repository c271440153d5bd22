//! Ways down from a stationary point that is not a strict minimum.
//!
//! Along negative curvature: H ± tv with W solved anew, t growing fourfold from the length at which the curvature
//! alone would lower Q by the threshold. Along a flat valley: to the first bound or a tenth of the norm of H,
//! then three plain sweeps. Either way only a measured decrease counts.

use crate::anls::Sweeper;
use crate::block::{self, Factor, Normal};
use crate::judge;
use crate::problem::Problem;
use headwater_base::parallel::Crew;
use headwater_base::rng::{Purpose, Stream};

/// Directions to walk in a flat valley: its basis and, since in a valley of several dimensions no basis is better
/// than another, as many random mixtures. At most eight of each.
pub fn valley(basis: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let basis = &basis[..basis.len().min(8)];
    let mut out = basis.to_vec();
    if basis.len() > 1 {
        let mut random = Stream::new(0, Purpose::Probe, basis.len() as u32);
        for _ in basis {
            let mut mixture = vec![0.0; basis[0].len()];
            for direction in basis {
                let weight = random.normal() / (basis.len() as f64).sqrt();
                mixture.iter_mut().zip(direction).for_each(|(m, d)| *m += weight * d);
            }
            out.push(mixture);
        }
    }
    out
}

/// A pair whose Q lies more than `least` below the sweeper's, or `None`. `direction` has unit norm in the D scaling.
pub fn descend(
    problem: &Problem,
    from: &Sweeper,
    direction: &[f64],
    sign: f64,
    curvature: f64,
    least: f64,
    crew: Crew,
) -> Option<(Factor, Factor)> {
    let mut normal = Normal::new(problem.long.blocks(), from.long.p);
    let mut at = |t: f64| {
        let (mut long, mut short) = (from.long.clone(), from.short.clone());
        judge::moved(&mut short, direction, sign * t);
        block::solve(&problem.long, &short.rows, &mut long, &mut normal, crew);
        let q = block::objective(&problem.long, &long, &short.rows, crew);
        (q, long, short)
    };
    if curvature < 0.0 {
        let mut t = (least / -curvature).sqrt();
        let mut best: Option<(f64, Factor, Factor)> = None;
        for _ in 0..14 {
            let (q, long, short) = at(t);
            let lowest = best.as_ref().map_or(from.q, |best| best.0);
            if q < lowest {
                best = Some((q, long, short));
            } else if best.is_some() || q > from.q + 100.0 * least {
                break;
            }
            t *= 4.0;
        }
        return best.filter(|best| best.0 < from.q - least).map(|(_, long, short)| (long, short));
    }
    let rows = &from.short.rows;
    let norm = rows.iter().map(|h| h * h).sum::<f64>().sqrt();
    let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
    let mut t = 0.1 * norm / length;
    if from.short.bounded {
        for (h, v) in rows.iter().zip(direction) {
            if sign * v < 0.0 && *h > 0.0 {
                t = t.min(h / (sign * v).abs());
            }
        }
    }
    let (_, long, short) = at(t);
    let mut there = Sweeper::new(problem, long, short, crew);
    for _ in 0..3 {
        there.plain();
    }
    (there.q < from.q - least).then_some((there.long, there.short))
}
