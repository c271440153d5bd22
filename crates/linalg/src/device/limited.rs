//! A device whose memory ends, for tests of what becomes of that.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::device::{Batch, Cpu, Device, Directions, Factors, Failure, Matrix, Normal, Scoring, Shape, Side, Table};

/// What it asks for in vain, in bytes.
const WANTED: u64 = 5 << 30;

/// The CPU, which counts the calls of two kernels, and at one of them runs out of memory. For tests of engines.
#[derive(Debug)]
pub struct Limited {
    cpu: Cpu,
    calls: AtomicU32,
    most: u32,
}

impl Limited {
    /// Memory for `most` calls of [`Device::objective`] and [`Device::route`].
    pub fn new(most: u32) -> Self {
        Self { cpu: Cpu { threads: 1 }, calls: AtomicU32::new(0), most }
    }

    /// Calls since the last time this was asked, the one that failed included.
    pub fn take_calls(&self) -> u32 {
        self.calls.swap(0, Ordering::Relaxed)
    }

    fn count(&self) -> Result<(), Failure> {
        let full = self.calls.fetch_add(1, Ordering::Relaxed) == self.most;
        if full { Err(Failure::OutOfMemory { bytes: WANTED }) } else { Ok(()) }
    }
}

impl Device for Limited {
    fn name(&self) -> &str {
        "limited:0"
    }
    fn table(&self, rows: usize, cols: usize, weights: &[f64], values: &[f64]) -> Result<Table, Failure> {
        self.cpu.table(rows, cols, weights, values)
    }
    fn factors(&self, size: Batch, elements: &[f64]) -> Result<Factors, Failure> {
        self.cpu.factors(size, elements)
    }
    fn read(&self, factors: &Factors) -> Result<Vec<f64>, Failure> {
        self.cpu.read(factors)
    }
    fn normal_equations(&self, table: &Table, side: Side, design: &Factors) -> Result<Normal, Failure> {
        self.cpu.normal_equations(table, side, design)
    }
    fn read_normal(&self, normal: &Normal) -> Result<(Vec<f64>, Vec<f64>), Failure> {
        self.cpu.read_normal(normal)
    }
    fn nnls(&self, normal: &Normal, guess: &Factors, bounded: bool) -> Result<Factors, Failure> {
        self.cpu.nnls(normal, guess, bounded)
    }
    fn objective(&self, table: &Table, rows: &Factors, cols: &Factors) -> Result<Vec<f64>, Failure> {
        self.count()?;
        self.cpu.objective(table, rows, cols)
    }
    fn extrapolate(&self, new: &Factors, old: &Factors, by: &[f64], bounded: bool) -> Result<Factors, Failure> {
        self.cpu.extrapolate(new, old, by, bounded)
    }
    fn choose(&self, first: &[bool], yes: &Factors, no: &Factors) -> Result<Factors, Failure> {
        self.cpu.choose(first, yes, no)
    }
    fn matrix(&self, shape: Shape, elements: &[f64]) -> Result<Matrix, Failure> {
        self.cpu.matrix(shape, elements)
    }
    fn read_matrix(&self, matrix: &Matrix) -> Result<Vec<f64>, Failure> {
        self.cpu.read_matrix(matrix)
    }
    fn multiply(&self, a: (&Matrix, bool), b: (&Matrix, bool)) -> Result<Matrix, Failure> {
        self.cpu.multiply(a, b)
    }
    fn directions(&self, shape: Shape, elements: &[f32]) -> Result<Directions, Failure> {
        self.cpu.directions(shape, elements)
    }
    fn route(
        &self,
        directions: &Directions,
        scoring: Scoring,
        residuals: &[f32],
        keep: usize,
    ) -> Result<Vec<Vec<u32>>, Failure> {
        self.count()?;
        self.cpu.route(directions, scoring, residuals, keep)
    }
}
