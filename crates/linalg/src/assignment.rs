//! The one-to-one assignment of rows to columns with the largest sum of scores.
//!
//! Shortest augmenting paths with potentials u_r + v_c <= −score(r, c), equality on the assigned pairs, which is the proof.
//! Cost: rows² × columns operations at most. What bounds it: reading a row of scores at each step of a path.
//! Source: H. W. Kuhn (1955), "The Hungarian method for the assignment problem", Naval Research Logistics 2:83, in the form
//! of R. Jonker, A. Volgenant (1987), "A shortest augmenting path algorithm for dense and sparse linear assignment problems",
//! Computing 38:325.

use headwater_base::Control;

/// For every row of `score` (rows × columns, row-major, finite) the column assigned to it, the sum of scores being
/// largest. Ties go to the lower column.
///
/// # Panics
///
/// If there are more rows than columns, or `score` has another size.
pub fn assign(rows: usize, columns: usize, score: &[f64]) -> Vec<usize> {
    assign_under(rows, columns, score, Control::none()).expect("nobody can stop it")
}

/// [`assign`] for large tables; `None` if `control` said stop, which is asked at every step of a path.
///
/// # Panics
///
/// As [`assign`].
pub fn assign_under(rows: usize, columns: usize, score: &[f64], control: Control) -> Option<Vec<usize>> {
    assert!(rows <= columns && score.len() == rows * columns, "shape of an assignment");
    // Rows and columns from 1; potentials u, v; `row_of[column]`, 0 = none.
    let cost = |r: usize, c: usize| -score[(r - 1) * columns + c - 1];
    let (mut u, mut v) = (vec![0.0; rows + 1], vec![0.0; columns + 1]);
    let (mut row_of, mut way) = (vec![0; columns + 1], vec![0; columns + 1]);
    let (mut least, mut used) = (vec![0.0; columns + 1], vec![false; columns + 1]);
    for row in 1..=rows {
        row_of[0] = row;
        let mut column = 0;
        least.fill(f64::INFINITY);
        used.fill(false);
        loop {
            if control.cancelled() {
                return None;
            }
            used[column] = true;
            let (r, mut delta, mut next) = (row_of[column], f64::INFINITY, 0);
            for c in (1..=columns).filter(|&c| !used[c]) {
                let reduced = cost(r, c) - u[r] - v[c];
                if reduced < least[c] {
                    (least[c], way[c]) = (reduced, column);
                }
                if least[c] < delta {
                    (delta, next) = (least[c], c);
                }
            }
            for c in 0..=columns {
                if used[c] {
                    u[row_of[c]] += delta;
                    v[c] -= delta;
                } else {
                    least[c] -= delta;
                }
            }
            column = next;
            if row_of[column] == 0 {
                break;
            }
        }
        while column != 0 {
            row_of[column] = row_of[way[column]];
            column = way[column];
        }
    }
    let mut out = vec![0; rows];
    for c in (1..=columns).filter(|&c| row_of[c] != 0) {
        out[row_of[c] - 1] = c - 1;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    #[test]
    fn no_permutation_scores_higher() {
        for seed in 0..200 {
            let mut random = Stream::new(5, Purpose::Probe, seed);
            let p = 1 + random.below(6);
            // Fewer rows than columns in half of the cases: all permutations of the columns cover them.
            let rows = if seed % 2 == 0 { p } else { 1 + random.below(p) };
            let score: Vec<f64> = (0..rows * p).map(|_| random.normal()).collect();
            let total = |of: &[usize]| of.iter().take(rows).enumerate().map(|(r, c)| score[r * p + c]).sum::<f64>();
            let found = assign(rows, p, &score);
            let mut sorted = found.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), rows, "seed {seed}: not one to one");
            // Every permutation, by Heap's algorithm.
            let (mut of, mut count) = ((0..p).collect::<Vec<_>>(), vec![0; p]);
            let (mut best, mut i) = (total(&of), 0);
            while i < p {
                if count[i] < i {
                    of.swap(if i % 2 == 0 { 0 } else { count[i] }, i);
                    best = best.max(total(&of));
                    count[i] += 1;
                    i = 0;
                } else {
                    count[i] = 0;
                    i += 1;
                }
            }
            assert!((total(&found) - best).abs() < 1e-12, "seed {seed}: {} below {best}", total(&found));
        }
    }
}
