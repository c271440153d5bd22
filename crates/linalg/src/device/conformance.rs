//! What every device has to do alike: the same random cases on two of them, compared.
//!
//! [`compare`] is for tests of implementations, those of other packages too. f64 results have to agree to 1e-12 of the largest
//! number of their system, routing scores (f32) to 1e-5 of the row's best. All least-squares solutions are judged by their
//! optimality conditions, to 1e-12 of the terms; those of well-conditioned systems are compared, too.

use headwater_base::rng::{Purpose, Stream};

use crate::device::{Batch, Device, Factors, Failure, Normal, Scoring, Shape, Side, Table};
use crate::{packed, packed_len};

/// Largest difference, relative to the largest number of a system.
const CLOSE: f64 = 1e-12;
/// The same for scores, which are f32.
const CLOSE_SCORES: f64 = 1e-5;
/// Optimality conditions hold to this share of the terms that they are summed from.
const OPTIMAL: f64 = 1e-12;
/// Least squares whose pivots stay above this share of A's diagonal have solutions that are known to [`CLOSE`]; those of others
/// are known less well than that, by the condition of A, and are judged by their optimality alone.
const CERTAIN: f64 = 0.03;

/// Runs every kernel on random cases of `seed`, on both devices, and compares. Takes well below a second on a CPU.
///
/// # Errors
/// What differs, in words, with the seed that repeats it.
pub fn compare(one: &dyn Device, other: &dyn Device, seed: u64) -> Result<(), String> {
    let shapes = [(1, 1, 1, 1), (37, 11, 3, 2), (9, 60, 4, 3), (130, 40, 12, 2), (70, 26, 7, 5), (90, 80, 17, 1)];
    let run = || -> Result<(), Complaint> {
        for (case, (rows, cols, p, starts)) in shapes.into_iter().enumerate() {
            Case::new(seed, case as u32, rows, cols, p, starts).compare(one, other)?;
        }
        products(one, other, seed)?;
        routing(one, other, seed)
    };
    run().map_err(|Complaint(what)| format!("{} and {}, seed {seed}: {what}", one.name(), other.name()))
}

struct Complaint(String);

impl From<Failure> for Complaint {
    fn from(failure: Failure) -> Self {
        Self(format!("{failure:?}"))
    }
}

type Compared<T> = Result<T, Complaint>;

/// Whether two numbers differ by no more than this; NaN differs from everything.
fn agree(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance
}

/// Compares systems of `length` numbers each.
fn close(what: &str, length: usize, one: &[f64], other: &[f64]) -> Compared<()> {
    if one.len() != other.len() {
        return Err(Complaint(format!("{what}: {} and {} numbers", one.len(), other.len())));
    }
    for (system, (a, b)) in one.chunks(length).zip(other.chunks(length)).enumerate() {
        let most = a.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        if let Some(at) = (0..a.len()).find(|&at| !agree(a[at], b[at], CLOSE * most)) {
            return Err(Complaint(format!("{what}: {} and {} (system {system}, element {at})", a[at], b[at])));
        }
    }
    Ok(())
}

/// One table and the factors of some starts.
struct Case {
    rows: usize,
    cols: usize,
    p: usize,
    starts: usize,
    weights: Vec<f64>,
    values: Vec<f64>,
    x: Vec<f64>,
    y: Vec<f64>,
    random: Stream,
}

/// The case in a device's memory.
struct There {
    table: Table,
    x: Factors,
    y: Factors,
}

impl Case {
    /// Weights over two orders of magnitude, one cell in five missing, a row and a column without data where there are several;
    /// a third of the factors' elements at zero.
    fn new(seed: u64, case: u32, rows: usize, cols: usize, p: usize, starts: usize) -> Self {
        let mut random = Stream::new(seed, Purpose::Probe, case);
        let mut weights = Vec::new();
        for at in 0..rows * cols {
            let (i, j) = (at / cols, at % cols);
            let missing = rows > 1 && (random.uniform() < 0.2 || i == rows / 2 || j == cols / 2);
            weights.push(if missing { 0.0 } else { 10.0_f64.powf(random.uniform() - 0.5) });
        }
        let values = (0..rows * cols).map(|_| random.normal() + 0.5).collect();
        let mut draw = |count: usize| -> Vec<f64> {
            (0..count).map(|_| if random.uniform() < 0.3 { 0.0 } else { random.uniform() + 0.1 }).collect()
        };
        let (x, y) = (draw(starts * rows * p), draw(starts * cols * p));
        Self { rows, cols, p, starts, weights, values, x, y, random }
    }

    fn sizes(&self) -> (Batch, Batch) {
        let batch = |count| Batch { starts: self.starts, count, p: self.p };
        (batch(self.rows), batch(self.cols))
    }

    fn on(&self, device: &dyn Device) -> Result<There, Failure> {
        let (rows, cols) = self.sizes();
        Ok(There {
            table: device.table(self.rows, self.cols, &self.weights, &self.values)?,
            x: device.factors(rows, &self.x)?,
            y: device.factors(cols, &self.y)?,
        })
    }

    fn compare(&mut self, one: &dyn Device, other: &dyn Device) -> Compared<()> {
        let (here, there) = (self.on(one)?, self.on(other)?);
        let name =
            |what: &str| format!("{what} of {} × {}, p {}, {} starts", self.rows, self.cols, self.p, self.starts);
        close(&name("a round trip"), 1, &self.x, &other.read(&there.x)?)?;
        let q = (one.objective(&here.table, &here.x, &here.y)?, other.objective(&there.table, &there.x, &there.y)?);
        close(&name("the objective"), 1, &q.0, &q.1)?;
        for side in [Side::Rows, Side::Columns] {
            let normal = |device: &dyn Device, at: &There| {
                device.normal_equations(&at.table, side, if side == Side::Rows { &at.y } else { &at.x })
            };
            let (first, second) = (normal(one, &here)?, normal(other, &there)?);
            let (a, b) = one.read_normal(&first)?;
            let (a_other, b_other) = other.read_normal(&second)?;
            close(&name(&format!("A of {side:?}")), packed_len(self.p), &a, &a_other)?;
            close(&name(&format!("b of {side:?}")), self.p, &b, &b_other)?;
            for bounded in [true, false] {
                let solve = |device: &dyn Device, normal: &Normal, at: &There| -> Result<Vec<f64>, Failure> {
                    let guess = if side == Side::Rows { &at.x } else { &at.y };
                    device.read(&device.nnls(normal, guess, bounded)?)
                };
                let what = name(&format!("least squares of {side:?}, bounded {bounded},"));
                let x = [solve(one, &first, &here)?, solve(other, &second, &there)?];
                let known =
                    x.iter().map(|x| optimal(&what, self.p, &a, &b, x, bounded)).collect::<Compared<Vec<_>>>()?;
                close(&what, self.p, &only(&known[0], self.p, &x[0]), &only(&known[0], self.p, &x[1]))?;
            }
        }
        let by: Vec<f64> = (0..self.starts).map(|_| self.random.uniform()).collect();
        let first: Vec<bool> = by.iter().map(|by| *by < 0.5).collect();
        let old: Vec<f64> = self.x.iter().map(|x| (x - 0.4).max(0.0)).rev().collect();
        let moved = |device: &dyn Device, at: &There, bounded: bool| -> Result<[Vec<f64>; 2], Failure> {
            let old = device.factors(*at.x.size(), &old)?;
            let new = device.extrapolate(&at.x, &old, &by, bounded)?;
            Ok([device.read(&new)?, device.read(&device.choose(&first, &new, &old)?)?])
        };
        for bounded in [true, false] {
            let (a, b) = (moved(one, &here, bounded)?, moved(other, &there, bounded)?);
            close("extrapolation", a[0].len().max(1), &a[0], &b[0])?;
            close("a choice", a[1].len().max(1), &a[1], &b[1])?;
        }
        Ok(())
    }
}

/// Fails where x is no minimiser; tells which systems have one that is known well.
fn optimal(what: &str, p: usize, a: &[f64], b: &[f64], x: &[f64], bounded: bool) -> Compared<Vec<bool>> {
    let systems = a.chunks_exact(packed_len(p)).zip(b.chunks_exact(p)).zip(x.chunks_exact(p));
    let mut certain_ones = Vec::new();
    for (system, ((a, b), x)) in systems.enumerate() {
        for k in 0..p {
            let (mut pull, mut size) = (-b[k], b[k].abs());
            for l in 0..p {
                let term = a[if l <= k { packed(k, l) } else { packed(l, k) }] * x[l];
                pull += term;
                size += term.abs();
            }
            let good = if bounded && x[k] == 0.0 { pull >= -OPTIMAL * size } else { pull.abs() <= OPTIMAL * size };
            if !(good && (x[k] >= 0.0 || !bounded)) {
                return Err(Complaint(format!(
                    "{what}: element {k} of system {system} is {}, its pull {pull:e}",
                    x[k]
                )));
            }
        }
        certain_ones.push(certain(p, a));
    }
    Ok(certain_ones)
}

/// Whether the pivots of A stay well above zero.
fn certain(p: usize, a: &[f64]) -> bool {
    let mut factor = vec![0.0; packed_len(p)];
    for k in 0..p {
        for l in 0..=k {
            let sum: f64 = (0..l).map(|i| factor[packed(k, i)] * factor[packed(l, i)]).sum();
            let rest = a[packed(k, l)] - sum;
            // Of a member without data 0, and so no more than any share of it.
            if l == k && rest <= CERTAIN * a[packed(k, k)] {
                return false;
            }
            factor[packed(k, l)] = if l == k { rest.sqrt() } else { rest / factor[packed(l, l)] };
        }
    }
    true
}

/// The systems that are chosen.
fn only(which: &[bool], p: usize, x: &[f64]) -> Vec<f64> {
    x.chunks_exact(p).zip(which).filter(|(_, which)| **which).flat_map(|(x, _)| x.iter().copied()).collect()
}

fn products(one: &dyn Device, other: &dyn Device, seed: u64) -> Compared<()> {
    let mut random = Stream::new(seed, Purpose::Probe, 100);
    for (rows, inner, cols) in [(1, 1, 1), (33, 70, 9), (150, 12, 65)] {
        for (turn_a, turn_b) in [(false, false), (true, false), (false, true), (true, true)] {
            let shape = |rows, cols, turn| if turn { Shape { rows: cols, cols: rows } } else { Shape { rows, cols } };
            let (a, b) = (shape(rows, inner, turn_a), shape(inner, cols, turn_b));
            let mut draw =
                |shape: Shape| -> Vec<f64> { (0..shape.rows * shape.cols).map(|_| random.normal()).collect() };
            let (left, right) = (draw(a), draw(b));
            let product = |device: &dyn Device| -> Result<Vec<f64>, Failure> {
                let (left, right) = (device.matrix(a, &left)?, device.matrix(b, &right)?);
                device.read_matrix(&device.multiply((&left, turn_a), (&right, turn_b))?)
            };
            close("a product", rows * cols, &product(one)?, &product(other)?)?;
        }
    }
    Ok(())
}

fn routing(one: &dyn Device, other: &dyn Device, seed: u64) -> Compared<()> {
    let mut random = Stream::new(seed, Purpose::Probe, 200);
    for (atoms, columns, rows, width, non_negative, keep) in
        [(1, 1, 1, 1, false, 1), (40, 16, 9, 1, true, 60), (1100, 24, 70, 1, false, 5), (700, 24, 40, 2, false, 8)]
    {
        let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| random.normal() as f32).collect() };
        let (directions, residuals) = (draw(atoms * width * columns), draw(rows * columns));
        let scoring = Scoring { width, non_negative };
        let found = |device: &dyn Device| -> Result<Vec<Vec<u32>>, Failure> {
            let shape = Shape { rows: atoms * width, cols: columns };
            device.route(&device.directions(shape, &directions)?, scoring, &residuals, keep)
        };
        let (a, b) = (found(one)?, found(other)?);
        let what = format!("routing to {atoms} atoms of width {width}");
        if a.len() != rows || b.len() != rows {
            return Err(Complaint(format!("{what}: {} and {} rows instead of {rows}", a.len(), b.len())));
        }
        for row in 0..rows {
            let scores = |found: &[u32]| -> Vec<f64> {
                let residual = &residuals[row * columns..(row + 1) * columns];
                let score = |&atom: &u32| -> f64 {
                    let own = &directions[atom as usize * width * columns..][..width * columns];
                    let product =
                        |d: &[f32]| -> f64 { d.iter().zip(residual).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
                    let kept = |g: f64| if non_negative { g.max(0.0) } else { g };
                    own.chunks_exact(columns).map(|d| kept(product(d)).powi(2)).sum()
                };
                found.iter().map(score).collect()
            };
            let (mut seen, count) = (b[row].clone(), b[row].len());
            seen.sort_unstable();
            seen.dedup();
            if seen.len() != count || a[row].len() != count {
                return Err(Complaint(format!("{what}: row {row} has {:?} and {:?}", a[row], b[row])));
            }
            let (a, b) = (scores(&a[row]), scores(&b[row]));
            let best = a.first().copied().unwrap_or(0.0);
            if let Some(at) = (0..count).find(|&at| !agree(a[at], b[at], CLOSE_SCORES * best)) {
                return Err(Complaint(format!("{what}: row {row} scores {} and {} at place {at}", a[at], b[at])));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Cpu;

    #[test]
    fn the_reference_agrees_with_itself_for_any_number_of_threads() {
        for seed in 0..4 {
            assert_eq!(compare(&Cpu { threads: 1 }, &Cpu { threads: 3 }, seed), Ok(()));
        }
    }
}
