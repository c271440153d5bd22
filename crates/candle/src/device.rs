//! The device: checks shapes, hands kernels to its thread.

use headwater_linalg::device::{
    Batch, Device, Directions, Factors, Failure, Held, Matrix, Normal, Scoring, Shape, Side, Table, TableSize, demand,
    members, routed,
};
use headwater_linalg::packed_len;

use crate::kernels::{self, Cells, upper};
use crate::worker::{Kept, Worker};
use crate::{nnls, routing};

/// candle's CPU, or a GPU. Dropping it ends its thread and gives its memory back.
pub struct Candle {
    name: String,
    worker: Worker,
}

struct KeptCells {
    weights: Kept,
    weighted: Kept,
    values: Kept,
}

struct KeptNormal {
    a: Kept,
    b: Kept,
}

/// Bytes of so many f64.
fn bytes(elements: usize) -> u64 {
    8 * elements as u64
}

impl Candle {
    /// candle's CPU: slower than [`headwater_linalg::device::Cpu`], for tests of the kernels.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn cpu() -> Result<Self, Failure> {
        let worker = Worker::start("candle-cpu", || Ok(candle_core::Device::Cpu))?;
        Ok(Self { name: "candle-cpu".to_string(), worker })
    }

    /// The GPU of this number.
    ///
    /// # Errors
    /// [`Failure`] with the driver's own message; [`crate::cuda_devices`] tells first whether there is one.
    #[cfg(feature = "cuda")]
    pub fn cuda(index: usize) -> Result<Self, Failure> {
        let name = format!("cuda:{index}");
        let worker = Worker::start(&name, move || crate::cuda::open(index))?;
        Ok(Self { name, worker })
    }

    /// The GPU of this number.
    ///
    /// # Errors
    /// Always: the feature `cuda` is off.
    #[cfg(not(feature = "cuda"))]
    pub fn cuda(_index: usize) -> Result<Self, Failure> {
        Err(Failure::Failed(crate::Unavailable::not_built_in().message))
    }
}

impl Device for Candle {
    fn name(&self) -> &str {
        &self.name
    }

    fn table(&self, rows: usize, cols: usize, weights: &[f64], values: &[f64]) -> Result<Table, Failure> {
        demand(weights.len() == rows * cols && values.len() == rows * cols, "a table of rows × cols cells")?;
        let (weights, values) = (weights.to_vec(), values.to_vec());
        let cells = self
            .worker
            .call(bytes(3 * rows * cols), move |device| kernels::table(rows, cols, &weights, &values, device))?;
        let keep = |tensor| self.worker.keep(tensor);
        let Cells { weights, weighted, values } = cells;
        let kept = KeptCells { weights: keep(weights), weighted: keep(weighted), values: keep(values) };
        Ok(Held::new(TableSize { rows, cols }, kept))
    }

    fn factors(&self, size: Batch, elements: &[f64]) -> Result<Factors, Failure> {
        demand(elements.len() == size.elements() && size.p > 0, "factors of starts × count × p")?;
        let elements = elements.to_vec();
        let made =
            self.worker.call(bytes(2 * elements.len()), move |device| kernels::factors(size, &elements, device))?;
        Ok(Held::new(size, self.worker.keep(made)))
    }

    fn read(&self, factors: &Factors) -> Result<Vec<f64>, Failure> {
        let from = factors.memory::<Kept>()?.tensor();
        self.worker.call(bytes(factors.size().elements()), move |_| kernels::read(&from))
    }

    fn normal_equations(&self, table: &Table, side: Side, design: &Factors) -> Result<Normal, Failure> {
        let (count, inner) = members(table, side, design)?;
        let Batch { starts, p, .. } = *design.size();
        let (cells, from) = (cells(table)?, design.memory::<Kept>()?.tensor());
        let elements = starts * (packed_len(p) * (2 * inner + count) + p * count);
        let (a, b) = self.worker.call(bytes(elements), move |_| kernels::normal_equations(&cells, side, &from))?;
        Ok(Held::new(Batch { starts, count, p }, KeptNormal { a: self.worker.keep(a), b: self.worker.keep(b) }))
    }

    fn read_normal(&self, normal: &Normal) -> Result<(Vec<f64>, Vec<f64>), Failure> {
        let p = normal.size().p;
        let KeptNormal { a, b } = normal.memory()?;
        let (a, b) = (a.tensor(), b.tensor());
        self.worker.call(0, move |_| {
            // Systems first, and the lower triangle by rows.
            let by_system = |x: &candle_core::Tensor| x.t()?.contiguous()?.flatten_all()?.to_vec1::<f64>();
            let (a, b) = (by_system(&a)?, by_system(&b)?);
            let lower = (0..p).flat_map(|k| (0..=k).map(move |l| upper(p, l) + k - l)).collect::<Vec<_>>();
            Ok((a.chunks_exact(packed_len(p)).flat_map(|a| lower.iter().map(|&at| a[at])).collect(), b))
        })
    }

    fn nnls(&self, normal: &Normal, guess: &Factors, bounded: bool) -> Result<Factors, Failure> {
        demand(normal.size() == guess.size(), "one first guess for every system")?;
        let size @ Batch { starts, count, p } = *normal.size();
        let KeptNormal { a, b } = normal.memory()?;
        let (a, b, guess) = (a.tensor(), b.tensor(), guess.memory::<Kept>()?.tensor());
        let made = self.worker.call(bytes(3 * p * p * starts * count), move |_| {
            let guess = guess.reshape((p, starts * count))?;
            #[cfg(feature = "cuda")]
            if let Some(x) = crate::cuda::nnls(&a, &b, &guess, bounded)? {
                return x.reshape((p, starts, count));
            }
            nnls::solve(&a, &b, &guess, bounded)?.reshape((p, starts, count))
        })?;
        Ok(Held::new(size, self.worker.keep(made)))
    }

    fn objective(&self, table: &Table, rows: &Factors, cols: &Factors) -> Result<Vec<f64>, Failure> {
        let (count, inner) = members(table, Side::Rows, cols)?;
        let Batch { starts, p, .. } = *cols.size();
        demand(*rows.size() == Batch { starts, count, p }, "factors of both sides of the table")?;
        let cells = cells(table)?;
        let (x, y) = (rows.memory::<Kept>()?.tensor(), cols.memory::<Kept>()?.tensor());
        let elements = 3 * (starts * count * inner).min(kernels::ELEMENTS);
        self.worker.call(bytes(elements), move |_| kernels::objective(&cells, &x, &y))
    }

    fn extrapolate(&self, new: &Factors, old: &Factors, by: &[f64], bounded: bool) -> Result<Factors, Failure> {
        let size = *new.size();
        demand(*old.size() == size && by.len() == size.starts, "one step for every start")?;
        let (new, old, by) = (new.memory::<Kept>()?.tensor(), old.memory::<Kept>()?.tensor(), by.to_vec());
        let made =
            self.worker.call(bytes(3 * size.elements()), move |_| kernels::extrapolate(&new, &old, &by, bounded))?;
        Ok(Held::new(size, self.worker.keep(made)))
    }

    fn choose(&self, first: &[bool], yes: &Factors, no: &Factors) -> Result<Factors, Failure> {
        let size = *yes.size();
        demand(*no.size() == size && first.len() == size.starts, "one choice for every start")?;
        let (yes, no, first) = (yes.memory::<Kept>()?.tensor(), no.memory::<Kept>()?.tensor(), first.to_vec());
        let made = self.worker.call(bytes(2 * size.elements()), move |_| kernels::choose(&first, &yes, &no))?;
        Ok(Held::new(size, self.worker.keep(made)))
    }

    fn matrix(&self, shape: Shape, elements: &[f64]) -> Result<Matrix, Failure> {
        demand(elements.len() == shape.rows * shape.cols, "a matrix of rows × cols")?;
        let elements = elements.to_vec();
        let made = self.worker.call(bytes(elements.len()), move |device| {
            candle_core::Tensor::from_slice(&elements, (shape.rows, shape.cols), device)
        })?;
        Ok(Held::new(shape, self.worker.keep(made)))
    }

    fn read_matrix(&self, matrix: &Matrix) -> Result<Vec<f64>, Failure> {
        let from = matrix.memory::<Kept>()?.tensor();
        self.worker.call(0, move |_| from.flatten_all()?.to_vec1())
    }

    fn multiply(&self, (a, turn_a): (&Matrix, bool), (b, turn_b): (&Matrix, bool)) -> Result<Matrix, Failure> {
        let of = |Shape { rows, cols }: Shape, turn: bool| if turn { (cols, rows) } else { (rows, cols) };
        let ((rows, inner), (other, cols)) = (of(*a.size(), turn_a), of(*b.size(), turn_b));
        demand(inner == other, "columns of the first matrix, rows of the second one")?;
        let (a, b) = (a.memory::<Kept>()?.tensor(), b.memory::<Kept>()?.tensor());
        let made = self.worker.call(bytes(rows * cols), move |_| kernels::multiply((&a, turn_a), (&b, turn_b)))?;
        Ok(Held::new(Shape { rows, cols }, self.worker.keep(made)))
    }

    fn directions(&self, shape: Shape, elements: &[f32]) -> Result<Directions, Failure> {
        demand(elements.len() == shape.rows * shape.cols, "directions of rows × columns")?;
        let elements = elements.to_vec();
        let made = self.worker.call(4 * elements.len() as u64, move |device| {
            candle_core::Tensor::from_slice(&elements, (shape.rows, shape.cols), device)
        })?;
        Ok(Held::new(shape, self.worker.keep(made)))
    }

    fn route(
        &self,
        directions: &Directions,
        scoring: Scoring,
        residuals: &[f32],
        keep: usize,
    ) -> Result<Vec<Vec<u32>>, Failure> {
        routed(directions, scoring, residuals)?;
        let (from, residuals) = (directions.memory::<Kept>()?.tensor(), residuals.to_vec());
        let elements = 3 * kernels::ELEMENTS.max(directions.size().rows);
        self.worker.call(4 * elements as u64, move |_| routing::route(&from, scoring, &residuals, keep))
    }
}

fn cells(table: &Table) -> Result<Cells, Failure> {
    let KeptCells { weights, weighted, values } = table.memory()?;
    Ok(Cells { weights: weights.tensor(), weighted: weighted.tensor(), values: values.tensor() })
}
