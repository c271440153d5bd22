//! A place where batched kernels run: this processor, or one with memory of its own.
//!
//! The level is that of whole batches: many starts of a weighted factorisation at once, all products of a matrix, all rows of a
//! dictionary. What a kernel needs more than once lies in the device's memory, as opaque [`Held`] arrays that only the device that
//! made them can read; dropping one gives its memory back. Numbers are f64 (routing scores, which only propose, f32).
//!
//! [`Cpu`] wraps the kernels of this crate and is the reference of [`conformance`], which every other implementation has
//! to pass. Engines on the CPU do not go through it: there the same kernels run fused, block by block, in the first-level cache.
//!
//! # Symbols
//! A table has weights Ω and values V, rows × cols. A batch of factors holds, for each start s, a matrix count × p whose row i
//! belongs to row (or column) i of the table. For a side of the table, a member is one of its rows (columns), `inner` the number
//! of columns (rows).

pub mod conformance;
mod cpu;
mod limited;

pub use cpu::Cpu;
pub use limited::Limited;

use std::any::Any;

use headwater_base::{Error, Warning};

/// Why a device did not do what it was asked to.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// Its memory does not hold another `bytes` bytes.
    OutOfMemory {
        /// What was asked for last.
        bytes: u64,
    },
    /// Anything else, in words: the driver's own message, shapes that do not belong together, an array of another device.
    Failed(String),
}

impl Failure {
    /// An error for the caller: `device-out-of-memory`, which names the size, or `device-failed`.
    pub fn into_error(self, device: &str) -> Error {
        match self {
            Self::OutOfMemory { bytes } => {
                let size = bytes as f64 / f64::from(1 << 20);
                let message = format!("the memory of {device} does not hold another {size:.1} MiB ({bytes} bytes)");
                Error::new("device-out-of-memory", message).with_limit(bytes as f64).with_hint(
                    "run fewer starts at once, or choose the device 'cpu', or 'auto', which falls back to it",
                )
            }
            Self::Failed(message) => Error::new("device-failed", format!("{device} gave up: {message}"))
                .with_hint("the device 'cpu' does the same work"),
        }
    }
}

/// A device for the part of some work that suits it, and what becomes of that part where the device gives up.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Where the kernels run.
    pub device: &'a dyn Device,
    /// Whether what does not suit the device, or what it gives up, is done on the CPU instead of being an error.
    pub fall_back: bool,
}

/// The warning `device-gave-up` of a result that the CPU came to because a device failed: it says `why`.
pub fn gave_up(why: &Error) -> Warning {
    let message = format!("the CPU did what the device was asked to: {}", why.message);
    Warning { code: "device-gave-up", index: None, message }
}

/// Something in a device's memory, and how large it is.
pub struct Held<S> {
    size: S,
    memory: Box<dyn Any + Send + Sync>,
}

impl<S> Held<S> {
    /// For implementations: wraps what the device keeps.
    pub fn new(size: S, memory: impl Any + Send + Sync) -> Self {
        Self { size, memory: Box::new(memory) }
    }

    /// Numbers of rows, starts and so on.
    pub fn size(&self) -> &S {
        &self.size
    }

    /// For implementations: what was wrapped.
    ///
    /// # Errors
    /// [`Failure::Failed`] if another kind of device has made it.
    pub fn memory<M: 'static>(&self) -> Result<&M, Failure> {
        self.memory.downcast_ref().ok_or_else(|| Failure::Failed("an array of another device was given".to_string()))
    }
}

/// Size of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
}

/// Size of a batch of factors, or of normal equations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Starts treated at once.
    pub starts: usize,
    /// Members of each.
    pub count: usize,
    /// Number of factors.
    pub p: usize,
}

impl Batch {
    /// starts × count × p.
    pub fn elements(&self) -> usize {
        self.starts * self.count * self.p
    }
}

/// Size of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
}

/// Weights and values of a table.
pub type Table = Held<TableSize>;
/// One factor of every start.
pub type Factors = Held<Batch>;
/// A and b of every member of every start.
pub type Normal = Held<Batch>;
/// A matrix of f64.
pub type Matrix = Held<Shape>;
/// Directions of a dictionary, one a row, of f32.
pub type Directions = Held<Shape>;

/// Whose members the least-squares problems belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// One problem a row of the table; the design belongs to its columns.
    Rows,
    /// One problem a column; the design belongs to the rows.
    Columns,
}

/// What a direction is worth to a residual r, g = r·d: g² (max(g, 0)² where codes are `non_negative`), and g_u² + g_v² of two
/// neighbours where atoms are planes (`width` 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scoring {
    /// Directions of an atom: 1 or 2.
    pub width: usize,
    /// Whether negative products count as 0 (width 1 only).
    pub non_negative: bool,
}

/// Batched kernels. Arrays in and out are row-major; shapes that do not belong together are [`Failure::Failed`].
pub trait Device: Send + Sync {
    /// For messages: `cpu`, `cuda:0`.
    fn name(&self) -> &str;

    /// Takes a table: `weights` and `values`, rows × cols. A weight of 0 marks a missing cell, whose value must be finite.
    ///
    /// # Errors
    /// [`Failure`], as of all methods.
    fn table(&self, rows: usize, cols: usize, weights: &[f64], values: &[f64]) -> Result<Table, Failure>;

    /// Takes factors: starts × count × p.
    ///
    /// # Errors
    /// [`Failure`].
    fn factors(&self, size: Batch, elements: &[f64]) -> Result<Factors, Failure>;

    /// Hands factors back: starts × count × p.
    ///
    /// # Errors
    /// [`Failure`].
    fn read(&self, factors: &Factors) -> Result<Vec<f64>, Failure>;

    /// A = Σ_t ω_t x_t x_tᵀ and b = Σ_t ω_t v_t x_t of every member of `side`, x_t the rows of `design`.
    /// Cost: 2·starts·rows·cols·(p²/2 + 3p/2) flop.
    ///
    /// # Errors
    /// [`Failure`].
    fn normal_equations(&self, table: &Table, side: Side, design: &Factors) -> Result<Normal, Failure>;

    /// Hands normal equations back: A, starts × count × packed lower triangle ([`crate::packed`]), and b, starts × count × p.
    ///
    /// # Errors
    /// [`Failure`].
    fn read_normal(&self, normal: &Normal) -> Result<(Vec<f64>, Vec<f64>), Failure>;

    /// The minimiser of xᵀAx − 2bᵀx over x >= 0 (over all x unless `bounded`) of every member: [`crate::nnls`] has the conditions.
    /// What is above 0 in `guess` is guessed to be above 0 in x.
    ///
    /// # Errors
    /// [`Failure`].
    fn nnls(&self, normal: &Normal, guess: &Factors, bounded: bool) -> Result<Factors, Failure>;

    /// Q = Σ Ω∘(V − X Yᵀ)² of every start, by residuals; X belongs to the rows of the table, Y to its columns.
    ///
    /// # Errors
    /// [`Failure`].
    fn objective(&self, table: &Table, rows: &Factors, cols: &Factors) -> Result<Vec<f64>, Failure>;

    /// new + β (new − old), cut off at 0 where `bounded`; one β a start.
    ///
    /// # Errors
    /// [`Failure`].
    fn extrapolate(&self, new: &Factors, old: &Factors, by: &[f64], bounded: bool) -> Result<Factors, Failure>;

    /// `yes` for the starts that `first` says, `no` for the others.
    ///
    /// # Errors
    /// [`Failure`].
    fn choose(&self, first: &[bool], yes: &Factors, no: &Factors) -> Result<Factors, Failure>;

    /// Takes a matrix.
    ///
    /// # Errors
    /// [`Failure`].
    fn matrix(&self, shape: Shape, elements: &[f64]) -> Result<Matrix, Failure>;

    /// Hands a matrix back.
    ///
    /// # Errors
    /// [`Failure`].
    fn read_matrix(&self, matrix: &Matrix) -> Result<Vec<f64>, Failure>;

    /// AB, each transposed first where its flag says so: of this are Kronecker-factored preconditioners (Q₁XQ₂ᵀ, XXᵀ) and the
    /// normal equations of dense codes made. Cost: 2·rows·inner·cols flop.
    ///
    /// # Errors
    /// [`Failure`].
    fn multiply(&self, a: (&Matrix, bool), b: (&Matrix, bool)) -> Result<Matrix, Failure>;

    /// Takes directions of a dictionary, one a row.
    ///
    /// # Errors
    /// [`Failure`].
    fn directions(&self, shape: Shape, elements: &[f32]) -> Result<Directions, Failure>;

    /// For every row of `residuals` the `keep` atoms with the largest scores, or fewer where fewer have one above 0, by falling
    /// score; atoms whose scores agree to rounding may change places. Cost: 2·rows·directions·columns flop.
    ///
    /// # Errors
    /// [`Failure`].
    fn route(
        &self,
        directions: &Directions,
        scoring: Scoring,
        residuals: &[f32],
        keep: usize,
    ) -> Result<Vec<Vec<u32>>, Failure>;
}

/// For implementations: fails with `what` unless it holds.
///
/// # Errors
/// [`Failure::Failed`].
pub fn demand(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::Failed(format!("shapes do not belong together: {what}"))) }
}

/// For implementations: (members, inner) of a side, checked against the design.
///
/// # Errors
/// [`Failure::Failed`].
pub fn members(table: &Table, side: Side, design: &Factors) -> Result<(usize, usize), Failure> {
    let TableSize { rows, cols } = *table.size();
    let (members, inner) = if side == Side::Rows { (rows, cols) } else { (cols, rows) };
    demand(design.size().count == inner, "the design has other rows than the table has cells a member")?;
    Ok((members, inner))
}

/// For implementations: checks a dictionary's scoring; returns the number of atoms and of residuals.
///
/// # Errors
/// [`Failure::Failed`].
pub fn routed(directions: &Directions, scoring: Scoring, residuals: &[f32]) -> Result<(usize, usize), Failure> {
    let Shape { rows, cols } = *directions.size();
    demand(scoring.width == 1 || scoring.width == 2, "atoms have one or two directions")?;
    demand(rows.is_multiple_of(scoring.width), "the directions are no whole atoms")?;
    demand(cols > 0 && residuals.len().is_multiple_of(cols), "the residuals are no whole rows")?;
    Ok((rows / scoring.width, residuals.len() / cols))
}
