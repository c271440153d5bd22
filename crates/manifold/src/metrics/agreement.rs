//! How much two dictionaries agree, for example of fits from two seeds.
//!
//! Atoms are compared by the spaces that the rows of their decoders span (a direction, the plane of a circle), which rotation
//! of a phase, sign and size do not change: with orthonormal Q_j (r_j × p) of that space the score is
//! ‖Q_j Q_kᵀ‖/√max(r_j, r_k), the root mean square of the cosines of the principal angles, |cos| for directions.

use std::f64::consts::TAU;

use headwater_base::Error;
use headwater_base::parallel::{Crew, pairwise_sum};
use headwater_linalg::assignment::assign_under;
use headwater_linalg::dense::{add_scaled, inner};
use headwater_linalg::gemm::{View, multiply};
use headwater_linalg::singular::singular;

/// Most pairs of atoms that are assigned one to one: 8192², half a gigabyte of scores.
const LARGEST: usize = 8192;
/// A row of a decoder that keeps less than this share of the longest, after the others are taken out of it, adds no dimension.
const DEPENDENT: f64 = 1e-8;
/// Atoms whose scores are one piece of work.
const CHUNK: usize = 64;
/// Circular variance up to which phases count as one point.
const COLLAPSED: f64 = 1e-3;

/// Decoders of a dictionary.
#[derive(Clone, Copy, Debug)]
pub struct Decoders<'a> {
    /// M_k: rows of each atom's block. For a curve leave out the row of its constant function, which is where it lies.
    pub functions: &'a [usize],
    /// All blocks, one after another, Σ_k M_k × p.
    pub values: &'a [f64],
}

/// An atom of the first dictionary and the one of the second that it is assigned to.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// Of the first dictionary.
    pub first: usize,
    /// Of the second one.
    pub second: usize,
    /// The score, in [0, 1].
    pub cosine: f64,
    /// Cosines of the principal angles between the two spaces, falling, as many as the smaller space has dimensions: none for a
    /// zero decoder.
    pub principal: Vec<f64>,
}

impl Match {
    /// Cosine of the largest principal angle; 0 for a zero decoder.
    pub fn smallest(&self) -> f64 {
        self.principal.last().copied().unwrap_or(0.0)
    }
}

/// What [`agreement`] answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// As many as the smaller dictionary has atoms, by `first`, ascending.
    pub matches: Vec<Match>,
    /// Mean score of the matches.
    pub mean: f64,
}

/// Which atom of one dictionary is which of another: the one-to-one assignment with the largest sum of scores. Where one
/// dictionary has more atoms, the surplus stays alone. `None` if it was stopped.
///
/// Cost: products of all rows with all rows, and K³ operations at most. Memory: 8 K_1 K_2 bytes.
///
/// Errors: `too-few-atoms`; `too-many-atoms` above 8192 in one dictionary (see [`nearest`]); `shape-mismatch`;
/// `value-not-finite` with the atom as row.
pub fn agreement(first: Decoders, second: Decoders, columns: usize, crew: Crew) -> Result<Option<Agreement>, Error> {
    let most = first.functions.len().max(second.functions.len());
    if most > LARGEST {
        let message = format!(
            "{most} atoms are too many for a one-to-one assignment (largest {LARGEST}); ask for the nearest atoms instead"
        );
        return Err(Error::new("too-many-atoms", message).with_limit(LARGEST as f64));
    }
    let swapped = first.functions.len() > second.functions.len();
    let (a, b) = (Spaces::new(first, columns)?, Spaces::new(second, columns)?);
    let (few, many) = if swapped { (&b, &a) } else { (&a, &b) };
    let Some(scores) = few.scores(many, crew, |row| row.to_vec()) else { return Ok(None) };
    let scores = scores.concat();
    let Some(of) = assign_under(few.len(), many.len(), &scores, crew.control) else { return Ok(None) };
    let matched = crew.map(of.len(), |j| {
        let k = of[j];
        let (first, second) = if swapped { (k, j) } else { (j, k) };
        Match { first, second, cosine: scores[j * many.len() + k], principal: few.principal(j, many, k) }
    });
    let Some(mut matches) = matched else { return Ok(None) };
    matches.sort_by_key(|of| of.first);
    let cosines: Vec<f64> = matches.iter().map(|of| of.cosine).collect();
    Ok(Some(Agreement { mean: pairwise_sum(&cosines) / cosines.len() as f64, matches }))
}

/// For every atom of `first` the largest score with an atom of `second`: for any number of atoms, and several may have the
/// same nearest one. `None` if it was stopped.
///
/// Cost: products of all rows with all rows. Memory: some rows of scores a thread.
///
/// Errors: as [`agreement`], without a limit.
pub fn nearest(first: Decoders, second: Decoders, columns: usize, crew: Crew) -> Result<Option<Vec<f64>>, Error> {
    let (a, b) = (Spaces::new(first, columns)?, Spaces::new(second, columns)?);
    Ok(a.scores(&b, crew, |row| row.iter().copied().fold(0.0, f64::max)))
}

/// max over ± of |mean exp 2πi(a ∓ b)| for phases in turns of the same rows: how well two fits agree about a coordinate,
/// whatever their origins and directions. Rows where one of them is NaN do not count.
///
/// Absent for fewer than two rows, and where one fit's phases are all (nearly) the same, circular variance up to 10⁻³: such a
/// fit says nothing, and would agree with any other.
///
/// Errors: `shape-mismatch`.
pub fn phase_agreement(a: &[f64], b: &[f64]) -> Result<Option<f64>, Error> {
    if a.len() != b.len() {
        return Err(Error::new("shape-mismatch", format!("{} phases are compared with {}", a.len(), b.len())));
    }
    let pairs: Vec<(f64, f64)> =
        a.iter().copied().zip(b.iter().copied()).filter(|(a, b)| !(a.is_nan() || b.is_nan())).collect();
    let resultant = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let part = |f: fn(f64) -> f64| {
            let parts: Vec<f64> = pairs.iter().map(|pair| f(TAU * of(pair))).collect();
            pairwise_sum(&parts) / pairs.len() as f64
        };
        part(f64::cos).hypot(part(f64::sin))
    };
    if pairs.len() < 2 || 1.0 - resultant(&|pair| pair.0) <= COLLAPSED || 1.0 - resultant(&|pair| pair.1) <= COLLAPSED {
        return Ok(None);
    }
    Ok(Some(resultant(&|(a, b)| a - b).max(resultant(&|(a, b)| a + b)).min(1.0)))
}

/// Orthonormal bases of what the atoms' decoders span.
struct Spaces {
    /// All rows, p each.
    rows: Vec<f64>,
    /// First row of each atom, and the number of rows.
    starts: Vec<usize>,
    columns: usize,
}

impl Spaces {
    fn new(of: Decoders, columns: usize) -> Result<Self, Error> {
        let count: usize = of.functions.iter().sum();
        if of.functions.is_empty() {
            return Err(Error::new("too-few-atoms", "a dictionary to compare has no atom"));
        }
        if columns == 0 || of.values.len() != count * columns {
            let message =
                format!("{count} functions × {columns} columns of decoders are needed, got {} values", of.values.len());
            return Err(Error::new("shape-mismatch", message));
        }
        let mut out = Self { rows: Vec::new(), starts: vec![0], columns };
        let mut first = 0;
        for (atom, &m) in of.functions.iter().enumerate() {
            let mut block = of.values[first * columns..(first + m) * columns].to_vec();
            let peak = block.iter().fold(0.0_f64, |peak, x| peak.max(x.abs()));
            if block.iter().any(|x| !x.is_finite()) {
                return Err(Error::new("value-not-finite", "a decoder is not finite").at(atom, 0));
            }
            if peak > 0.0 {
                block.iter_mut().for_each(|x| *x /= peak);
                out.span(block);
            }
            out.starts.push(out.rows.len() / columns);
            first += m;
        }
        Ok(out)
    }

    /// Gram and Schmidt's method, the longest row first, each row cleaned twice.
    fn span(&mut self, mut block: Vec<f64>) {
        let p = self.columns;
        let norm = |row: &[f64]| inner(row, row).sqrt();
        let longest = block.chunks_exact(p).map(norm).fold(0.0, f64::max);
        let begin = self.rows.len();
        loop {
            let sizes: Vec<f64> = block.chunks_exact(p).map(norm).collect();
            let Some(next) = (0..sizes.len()).max_by(|&i, &j| sizes[i].total_cmp(&sizes[j])) else { return };
            if sizes[next] <= DEPENDENT * longest {
                return;
            }
            let mut row: Vec<f64> = block.drain(next * p..(next + 1) * p).map(|x| x / sizes[next]).collect();
            self.rows[begin..].chunks_exact(p).for_each(|q| add_scaled(-inner(q, &row), q, &mut row));
            let size = norm(&row);
            row.iter_mut().for_each(|x| *x /= size);
            block.chunks_exact_mut(p).for_each(|other| add_scaled(-inner(&row, other), &row, other));
            self.rows.extend(row);
        }
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn rank(&self, atom: usize) -> usize {
        self.starts[atom + 1] - self.starts[atom]
    }

    fn view(&self, from: usize, to: usize) -> View<'_> {
        let p = self.columns;
        let (begin, end) = (self.starts[from], self.starts[to]);
        View::new(&self.rows[begin * p..end * p], end - begin, p, p)
    }

    /// `keep` of every atom's row of scores with all atoms of `other`. `None` if it was stopped.
    fn scores<T: Send>(&self, other: &Self, crew: Crew, keep: impl Fn(&[f64]) -> T + Sync) -> Option<Vec<T>> {
        let width = *other.starts.last().expect("a first start");
        let parts = crew.map(self.len().div_ceil(CHUNK), |chunk| {
            let (from, to) = (chunk * CHUNK, self.len().min((chunk + 1) * CHUNK));
            let mut products = vec![0.0; (self.starts[to] - self.starts[from]) * width];
            multiply(1.0, self.view(from, to), other.view(0, other.len()).transposed(), 0.0, &mut products, width);
            let mut row = vec![0.0; other.len()];
            let score = |j: usize, k: usize| {
                let (own, ranks) = (self.starts[j] - self.starts[from], self.rank(j).max(other.rank(k)));
                let squares: f64 = (own..own + self.rank(j))
                    .flat_map(|r| &products[r * width + other.starts[k]..r * width + other.starts[k + 1]])
                    .map(|c| c * c)
                    .sum();
                (squares / ranks.max(1) as f64).sqrt().min(1.0)
            };
            (from..to)
                .map(|j| {
                    row.iter_mut().enumerate().for_each(|(k, s)| *s = score(j, k));
                    keep(&row)
                })
                .collect::<Vec<T>>()
        });
        parts.map(|parts| parts.into_iter().flatten().collect())
    }

    fn principal(&self, j: usize, other: &Self, k: usize) -> Vec<f64> {
        let (m, n) = (self.rank(j), other.rank(k));
        if m.min(n) == 0 {
            return Vec::new();
        }
        let mut products = vec![0.0; m * n];
        multiply(1.0, self.view(j, j + 1), other.view(k, k + 1).transposed(), 0.0, &mut products, n);
        // Row-major m × n is column-major n × m, of the same singular values; the method needs rows >= columns.
        let tall = if m <= n { products } else { (0..m * n).map(|at| products[at % m * n + at / m]).collect() };
        singular(tall, m.max(n), m.min(n)).values.into_iter().map(|cosine| cosine.min(1.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::Control;
    use headwater_base::rng::{Purpose, Stream};

    fn agreement(first: Decoders, second: Decoders, columns: usize, threads: usize) -> Result<Agreement, Error> {
        let found = super::agreement(first, second, columns, Crew::new(threads, Control::none()))?;
        Ok(found.expect("not stopped"))
    }

    fn nearest(first: Decoders, second: Decoders, columns: usize, threads: usize) -> Result<Vec<f64>, Error> {
        let found = super::nearest(first, second, columns, Crew::new(threads, Control::none()))?;
        Ok(found.expect("not stopped"))
    }

    fn normals(count: usize, seed: u64) -> Vec<f64> {
        let mut random = Stream::new(seed, Purpose::Probe, 0);
        (0..count).map(|_| random.normal()).collect()
    }

    #[test]
    fn a_dictionary_in_another_order_sign_and_scale_is_the_same() {
        let (atoms, p) = (90, 11);
        let values = normals(atoms * p, 1);
        let from = |k: usize| (k * 7) % atoms;
        let moved: Vec<f64> =
            (0..atoms * p).map(|at| values[from(at / p) * p + at % p] * [-3.0, 1e-200][at / p % 2]).collect();
        let functions = vec![1; atoms];
        let [first, second] = [&values, &moved].map(|values| Decoders { functions: &functions, values });
        let found = agreement(first, second, p, 1).expect("two dictionaries");
        assert!(found.matches.iter().all(|of| from(of.second) == of.first && of.cosine > 1.0 - 1e-12));
        assert_eq!(found, agreement(first, second, p, 3).expect("two dictionaries"));
        assert!(nearest(first, second, p, 2).expect("two").iter().all(|cosine| *cosine > 1.0 - 1e-12));
    }

    #[test]
    fn directions_score_by_the_cosine_and_the_assignment_is_one_to_one() {
        // Both of the second dictionary are nearest to the first direction.
        let (first, second) = ([1.0, 0.0, 0.0, 1.0], [0.8, 0.6, 1.0, 0.0]);
        let of = |values| Decoders { functions: &[1, 1], values };
        let found = agreement(of(&first), of(&second), 2, 1).expect("two dictionaries");
        let pairs: Vec<_> =
            found.matches.iter().map(|of| (of.first, of.second, (of.cosine * 1e9).round() / 1e9)).collect();
        assert_eq!(pairs, [(0, 1, 1.0), (1, 0, 0.6)]);
        assert!((found.mean - 0.8).abs() < 1e-12);
        let closest = nearest(of(&second), of(&first), 2, 1).expect("two dictionaries");
        assert!((closest[0] - 0.8).abs() < 1e-12 && (closest[1] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn planes_score_by_principal_angles_whatever_their_axes() {
        // The plane (e1, e2) with skew axes, and one that shares e1 and is turned by 60° about it; a line in the first one.
        let (c, s) = (0.5, 0.75_f64.sqrt());
        let plane = [2.0, 0.0, 0.0, 5.0, 0.1, 0.0];
        let turned = [1.0, c, s, 1.0, -c, -s];
        let of = |values, functions| Decoders { functions, values };
        let found = agreement(of(&plane, &[2]), of(&turned, &[2]), 3, 1).expect("two").matches[0].clone();
        assert!((found.cosine - ((1.0 + 0.25) / 2.0_f64).sqrt()).abs() < 1e-12);
        assert!((found.smallest() - 0.5).abs() < 1e-12 && (found.principal[0] - 1.0).abs() < 1e-12);
        // A line is one dimension of two.
        let line = agreement(of(&plane, &[2]), of(&[1.0, 1.0, 0.0], &[1]), 3, 1).expect("two").matches[0].clone();
        assert!((line.cosine - 0.5_f64.sqrt()).abs() < 1e-12 && (line.smallest() - 1.0).abs() < 1e-12);
        // Axes that are parallel span a line alone; a zero decoder nothing.
        let flat = [1.0, 0.0, 0.0, -2.0, 0.0, 0.0];
        let found = agreement(of(&flat, &[2]), of(&plane, &[2]), 3, 1).expect("two").matches[0].clone();
        assert!((found.cosine - 0.5_f64.sqrt()).abs() < 1e-12);
        let nothing = agreement(of(&[0.0; 3], &[1]), of(&plane, &[2]), 3, 1).expect("two").matches[0].clone();
        assert_eq!((nothing.cosine, nothing.smallest()), (0.0, 0.0));
    }

    #[test]
    fn surplus_atoms_stay_alone() {
        let values = normals(5 * 4, 3);
        let (five, two) =
            (Decoders { functions: &[1; 5], values: &values }, Decoders { functions: &[1; 2], values: &values[8..16] });
        let pairs = |found: Agreement| found.matches.iter().map(|of| (of.first, of.second)).collect::<Vec<_>>();
        assert_eq!(pairs(agreement(five, two, 4, 1).expect("two")), [(2, 0), (3, 1)]);
        assert_eq!(pairs(agreement(two, five, 4, 1).expect("two")), [(0, 2), (1, 3)]);
    }

    #[test]
    fn phases_agree_up_to_rotation_and_reflection_and_collapsed_ones_say_nothing() {
        let mut random = Stream::new(4, Purpose::Probe, 0);
        let a: Vec<f64> = (0..500).map(|_| random.uniform()).collect();
        let same: Vec<f64> = a.iter().map(|t| (1.3 - t).rem_euclid(1.0)).collect();
        let other: Vec<f64> = (0..500).map(|_| random.uniform()).collect();
        let of = |a: &[f64], b: &[f64]| phase_agreement(a, b).expect("as many");
        assert!(of(&a, &same).expect("spread") > 1.0 - 1e-12);
        assert!(of(&a, &other).expect("spread") < 0.2);
        let shifted: Vec<f64> = a.iter().map(|t| t + 0.25 + 0.05 * random.normal()).collect();
        let (found, right) = (of(&a, &shifted).expect("spread"), (-(0.05 * TAU).powi(2) / 2.0).exp());
        assert!((found - right).abs() < 0.02, "{found} for {right}");
        let collapsed = vec![0.4; 500];
        assert_eq!((of(&a, &collapsed), of(&collapsed, &collapsed), of(&a[..1], &same[..1])), (None, None, None));
        // Rows of one fit alone do not count.
        let mut part = same.clone();
        part[..100].fill(f64::NAN);
        let mut wrong = a.clone();
        wrong[..100].copy_from_slice(&other[..100]);
        assert!(of(&wrong, &part).expect("spread") > 1.0 - 1e-12);
        assert_eq!(phase_agreement(&a, &same[1..]).expect_err("one short").code, "shape-mismatch");
    }

    #[test]
    fn dictionaries_that_cannot_be_compared_are_refused() {
        let values = vec![1.0; LARGEST + 1];
        let many = vec![1; LARGEST + 1];
        let of = |functions, values| Decoders { functions, values };
        let error = agreement(of(&many, &values), of(&[1], &[1.0]), 1, 1).expect_err("too many");
        assert_eq!((error.code, error.limit), ("too-many-atoms", Some(8192.0)));
        assert_eq!(nearest(of(&many, &values), of(&[1], &[1.0]), 1, 1).expect("any number").len(), LARGEST + 1);
        assert_eq!(agreement(of(&[], &[]), of(&[1], &[1.0]), 1, 1).expect_err("none").code, "too-few-atoms");
        assert_eq!(agreement(of(&[1], &[1.0]), of(&[2], &[1.0]), 1, 1).expect_err("short").code, "shape-mismatch");
        let error = agreement(of(&[1, 1], &[1.0, f64::NAN]), of(&[1], &[1.0]), 1, 1).expect_err("NaN");
        assert_eq!((error.code, error.row), ("value-not-finite", Some(1)));
    }
}
