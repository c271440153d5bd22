//! The kernels of this crate as a [`Device`]: the reference that other devices are compared with.

use headwater_base::Control;
use headwater_base::parallel::{Crew, for_each_piece, map, pairwise_sum};

use crate::device::{
    Batch, Device, Directions, Factors, Failure, Held, Matrix, Normal, Scoring, Shape, Side, Table, TableSize, demand,
    members, routed,
};
use crate::gemm::{View, multiply};
use crate::{LANES, gram, nnls, packed_len, residual, routing};

/// This processor. Uses at most `threads` threads of the current rayon pool; results do not depend on their number.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// From 1.
    pub threads: usize,
}

/// A table from one side: blocks of [`LANES`] members, `inner × LANES` numbers each, member fastest.
struct Lanes {
    inner: usize,
    weights: Vec<f64>,
    values: Vec<f64>,
}

impl Lanes {
    fn new(count: usize, inner: usize, cell: impl Fn(usize, usize) -> (f64, f64)) -> Self {
        let length = count.div_ceil(LANES) * inner * LANES;
        let mut side = Self { inner, weights: vec![0.0; length], values: vec![0.0; length] };
        for member in 0..count {
            for t in 0..inner {
                let to = (member / LANES * inner + t) * LANES + member % LANES;
                (side.weights[to], side.values[to]) = cell(member, t);
            }
        }
        side
    }

    fn block(&self, at: usize) -> (&[f64], &[f64]) {
        let length = self.inner * LANES;
        (&self.weights[at * length..][..length], &self.values[at * length..][..length])
    }
}

struct Cells {
    rows: Lanes,
    cols: Lanes,
}

/// Blocks of all starts: packed × lanes, and p × lanes.
struct Systems {
    a: Vec<f64>,
    b: Vec<f64>,
}

/// One block of a start's factor (count × p) in lanes: p × lanes, padding 0.
fn to_lanes(p: usize, rows: &[f64], block: usize, to: &mut [f64]) {
    to.fill(0.0);
    for (e, row) in rows.chunks_exact(p).skip(block * LANES).take(LANES).enumerate() {
        row.iter().enumerate().for_each(|(k, x)| to[k * LANES + e] = *x);
    }
}

/// A matrix or its transpose.
fn view(matrix: &[f64], Shape { rows, cols }: Shape, turn: bool) -> View<'_> {
    let view = View::new(matrix, rows, cols, cols);
    if turn { view.transposed() } else { view }
}

/// What a start has of an array of equal parts.
fn part(all: &[f64], start: usize, length: usize) -> &[f64] {
    &all[start * length..][..length]
}

impl Device for Cpu {
    fn name(&self) -> &str {
        "cpu"
    }

    fn table(&self, rows: usize, cols: usize, weights: &[f64], values: &[f64]) -> Result<Table, Failure> {
        demand(weights.len() == rows * cols && values.len() == rows * cols, "a table of rows × cols cells")?;
        let cell = |at: usize| (weights[at], values[at]);
        let cells = Cells {
            rows: Lanes::new(rows, cols, |i, j| cell(i * cols + j)),
            cols: Lanes::new(cols, rows, |j, i| cell(i * cols + j)),
        };
        Ok(Held::new(TableSize { rows, cols }, cells))
    }

    fn factors(&self, size: Batch, elements: &[f64]) -> Result<Factors, Failure> {
        demand(elements.len() == size.elements() && size.p > 0, "factors of starts × count × p")?;
        Ok(Held::new(size, elements.to_vec()))
    }

    fn read(&self, factors: &Factors) -> Result<Vec<f64>, Failure> {
        factors.memory::<Vec<f64>>().cloned()
    }

    fn normal_equations(&self, table: &Table, side: Side, design: &Factors) -> Result<Normal, Failure> {
        let (count, inner) = members(table, side, design)?;
        let Batch { starts, p, .. } = *design.size();
        let (cells, designs) = (table.memory::<Cells>()?, design.memory::<Vec<f64>>()?);
        let lanes = if side == Side::Rows { &cells.rows } else { &cells.cols };
        let blocks = count.div_ceil(LANES);
        let (q, lane) = (packed_len(p) * LANES, p * LANES);
        let made = map(self.threads, starts * blocks, |at| {
            let (mut a, mut b) = (vec![0.0; q], vec![0.0; lane]);
            let (weights, values) = lanes.block(at % blocks);
            gram::normal_equations(p, weights, values, part(designs, at / blocks, inner * p), &mut a, &mut b);
            (a, b)
        });
        let mut systems = Systems { a: Vec::with_capacity(made.len() * q), b: Vec::with_capacity(made.len() * lane) };
        for (a, b) in made {
            systems.a.extend(a);
            systems.b.extend(b);
        }
        Ok(Held::new(Batch { starts, count, p }, systems))
    }

    fn read_normal(&self, normal: &Normal) -> Result<(Vec<f64>, Vec<f64>), Failure> {
        let Batch { starts, count, p } = *normal.size();
        let systems = normal.memory::<Systems>()?;
        let blocks = count.div_ceil(LANES);
        let unpacked = |from: &[f64], length: usize| {
            let mut to = Vec::with_capacity(starts * count * length);
            for start in 0..starts {
                for member in 0..count {
                    let base = (start * blocks + member / LANES) * length;
                    to.extend((0..length).map(|k| from[(base + k) * LANES + member % LANES]));
                }
            }
            to
        };
        Ok((unpacked(&systems.a, packed_len(p)), unpacked(&systems.b, p)))
    }

    fn nnls(&self, normal: &Normal, guess: &Factors, bounded: bool) -> Result<Factors, Failure> {
        demand(normal.size() == guess.size(), "one first guess for every system")?;
        let size @ Batch { count, p, .. } = *normal.size();
        let (systems, guesses) = (normal.memory::<Systems>()?, guess.memory::<Vec<f64>>()?);
        let blocks = count.div_ceil(LANES);
        let (q, lane) = (packed_len(p) * LANES, p * LANES);
        let mut out = vec![0.0; size.elements()];
        for_each_piece(self.threads, &mut out, count * p, |start, rows| {
            let mut scratch = nnls::Scratch::new(p);
            let (mut passive, mut x) = (vec![0.0; lane], vec![0.0; lane]);
            for block in 0..blocks {
                to_lanes(p, part(guesses, start, count * p), block, &mut passive);
                passive.iter_mut().for_each(|x| *x = f64::from(u8::from(*x > 0.0)));
                let at = start * blocks + block;
                let (a, b) = (part(&systems.a, at, q), part(&systems.b, at, lane));
                nnls::solve(p, a, b, bounded, &mut passive, &mut x, &mut scratch);
                for (e, row) in rows.chunks_exact_mut(p).skip(block * LANES).take(LANES).enumerate() {
                    row.iter_mut().enumerate().for_each(|(k, to)| *to = x[k * LANES + e]);
                }
            }
        });
        Ok(Held::new(size, out))
    }

    fn objective(&self, table: &Table, rows: &Factors, cols: &Factors) -> Result<Vec<f64>, Failure> {
        let (count, inner) = members(table, Side::Rows, cols)?;
        let Batch { starts, p, .. } = *cols.size();
        demand(*rows.size() == Batch { starts, count, p }, "factors of both sides of the table")?;
        let (x, y) = (rows.memory::<Vec<f64>>()?, cols.memory::<Vec<f64>>()?);
        let lanes = &table.memory::<Cells>()?.rows;
        Ok(map(self.threads, starts, |start| {
            let (mut w, mut u) = (vec![0.0; p * LANES], vec![0.0; inner * LANES]);
            let (x, y) = (part(x, start, count * p), part(y, start, inner * p));
            let sums: Vec<f64> = (0..count.div_ceil(LANES))
                .map(|block| {
                    to_lanes(p, x, block, &mut w);
                    let (weights, values) = lanes.block(block);
                    pairwise_sum(&residual::residual(p, weights, values, &w, y, &mut u))
                })
                .collect();
            pairwise_sum(&sums)
        }))
    }

    fn extrapolate(&self, new: &Factors, old: &Factors, by: &[f64], bounded: bool) -> Result<Factors, Failure> {
        let size = *new.size();
        demand(*old.size() == size && by.len() == size.starts, "one step for every start")?;
        let (new, old) = (new.memory::<Vec<f64>>()?, old.memory::<Vec<f64>>()?);
        let mut out = new.clone();
        for_each_piece(self.threads, &mut out, size.count * size.p, |start, to| {
            for (x, old) in to.iter_mut().zip(part(old, start, size.count * size.p)) {
                let value = *x + by[start] * (*x - old);
                *x = if bounded { value.max(0.0) } else { value };
            }
        });
        Ok(Held::new(size, out))
    }

    fn choose(&self, first: &[bool], yes: &Factors, no: &Factors) -> Result<Factors, Failure> {
        let size = *yes.size();
        demand(*no.size() == size && first.len() == size.starts, "one choice for every start")?;
        let (yes, no) = (yes.memory::<Vec<f64>>()?, no.memory::<Vec<f64>>()?);
        let each = |(start, &first): (usize, &bool)| part(if first { yes } else { no }, start, size.count * size.p);
        Ok(Held::new(size, first.iter().enumerate().map(each).collect::<Vec<_>>().concat()))
    }

    fn matrix(&self, shape: Shape, elements: &[f64]) -> Result<Matrix, Failure> {
        demand(elements.len() == shape.rows * shape.cols, "a matrix of rows × cols")?;
        Ok(Held::new(shape, elements.to_vec()))
    }

    fn read_matrix(&self, matrix: &Matrix) -> Result<Vec<f64>, Failure> {
        matrix.memory::<Vec<f64>>().cloned()
    }

    fn multiply(&self, (a, turn_a): (&Matrix, bool), (b, turn_b): (&Matrix, bool)) -> Result<Matrix, Failure> {
        let of = |Shape { rows, cols }: Shape, turn: bool| if turn { (cols, rows) } else { (rows, cols) };
        let ((rows, inner), (other, cols)) = (of(*a.size(), turn_a), of(*b.size(), turn_b));
        demand(inner == other, "columns of the first matrix, rows of the second one")?;
        let (left, right) =
            (view(a.memory::<Vec<f64>>()?, *a.size(), turn_a), view(b.memory::<Vec<f64>>()?, *b.size(), turn_b));
        let mut out = vec![0.0; rows * cols];
        // Pieces of rows that do not depend on the threads.
        let size = 64;
        for_each_piece(self.threads, &mut out, size * cols.max(1), |at, piece| {
            let some = left.some_rows(at * size, piece.len() / cols);
            multiply(1.0, some, right, 0.0, piece, cols);
        });
        Ok(Held::new(Shape { rows, cols }, out))
    }

    fn directions(&self, shape: Shape, elements: &[f32]) -> Result<Directions, Failure> {
        demand(elements.len() == shape.rows * shape.cols, "directions of rows × columns")?;
        Ok(Held::new(shape, elements.to_vec()))
    }

    fn route(
        &self,
        directions: &Directions,
        scoring: Scoring,
        residuals: &[f32],
        keep: usize,
    ) -> Result<Vec<Vec<u32>>, Failure> {
        let (atoms, rows) = routed(directions, scoring, residuals)?;
        let columns = directions.size().cols;
        let elements = directions.memory::<Vec<f32>>()?;
        let crew = Crew::new(1, Control::none());
        let size = 64;
        let found = map(self.threads, rows.div_ceil(size), |at| {
            let some = &residuals[at * size * columns..rows.min((at + 1) * size) * columns];
            routing::best(elements, columns, scoring, some, keep.min(atoms), crew).expect("nobody stops it")
        });
        Ok(found.into_iter().flatten().collect())
    }
}
