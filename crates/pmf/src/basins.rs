//! Which minima the runs found.
//!
//! Two converged runs are in one basin if their Q differ by less than 1e-6 Q and their profiles match one to one
//! (cosine of every matched pair at least 0.999); where a minimum is a continuum, Q alone decides. Q that are zero to rounding
//! are equal.

use crate::solution::Basin;

/// What the grouping needs of a converged run.
pub struct Ended {
    pub start: u32,
    pub q: f64,
    /// Scaled short factor, n × p.
    pub short: Vec<f64>,
    pub unique: bool,
    /// Q is zero to rounding.
    pub exact: bool,
}

/// Basins by Q, ascending, and the basin of every run.
pub fn group(p: usize, runs: &[Ended]) -> (Vec<Basin>, Vec<usize>) {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by(|&a, &b| runs[a].q.total_cmp(&runs[b].q).then(runs[a].start.cmp(&runs[b].start)));
    let mut leaders: Vec<usize> = Vec::new();
    let mut basins: Vec<Basin> = Vec::new();
    let mut member_of = vec![0; runs.len()];
    for &run in &order {
        let found = leaders.iter().position(|&leader| same(p, &runs[leader], &runs[run]));
        let basin = found.unwrap_or_else(|| {
            leaders.push(run);
            basins.push(Basin { q: runs[run].q, hits: 0, members: Vec::new() });
            basins.len() - 1
        });
        basins[basin].hits += 1;
        basins[basin].members.push(runs[run].start);
        member_of[run] = basin;
    }
    for basin in &mut basins {
        basin.members.sort_unstable();
    }
    (basins, member_of)
}

/// Whether two Q are one: relative 1e-6.
pub fn same_q(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}

fn same(p: usize, a: &Ended, b: &Ended) -> bool {
    if !(same_q(a.q, b.q) || a.exact && b.exact) {
        return false;
    }
    if !(a.unique && b.unique) {
        return true;
    }
    let column = |x: &'_ [f64], k: usize| -> Vec<f64> {
        let values: Vec<f64> = x.iter().skip(k).step_by(p).copied().collect();
        let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
        values.into_iter().map(|v| if norm > 0.0 { v / norm } else { 0.0 }).collect()
    };
    let left: Vec<Vec<f64>> = (0..p).map(|k| column(&a.short, k)).collect();
    let mut right: Vec<Option<Vec<f64>>> = (0..p).map(|k| Some(column(&b.short, k))).collect();
    left.iter().all(|x| {
        let cosine = |y: &[f64]| x.iter().zip(y).map(|(a, b)| a * b).sum::<f64>().abs();
        let best = (0..p)
            .filter_map(|k| right[k].as_ref().map(|y| (k, cosine(y))))
            .fold((0, -1.0), |best, next| if next.1 > best.1 { next } else { best });
        right[best.0] = None;
        best.1 >= 0.999 || x.iter().all(|v| *v == 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permuted_factors_are_one_basin_and_other_profiles_are_not() {
        let run = |start, q, short: &[f64]| Ended { start, q, short: short.to_vec(), unique: true, exact: false };
        let runs = [
            run(0, 10.0, &[1.0, 0.0, 0.0, 1.0]),
            run(1, 10.000001, &[0.0, 2.0, 3.0, 0.0]),
            run(2, 10.0, &[1.0, 1.0, 0.0, 1.0]),
            run(3, 11.0, &[1.0, 0.0, 0.0, 1.0]),
        ];
        let (basins, member_of) = group(2, &runs);
        assert_eq!(member_of[0], member_of[1]);
        assert_ne!(member_of[0], member_of[2]);
        assert_eq!(basins.iter().map(|b| b.hits).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(basins[member_of[0]].members, [0, 1]);
    }
}
