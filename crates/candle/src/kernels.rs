//! Kernels that are a few operations on whole tensors.
//!
//! Layouts: a table is rows × cols; factors are p × starts × members; normal equations are q × (starts·members), the q = p(p + 1)/2
//! elements of A by rows of its upper triangle ([`upper`]), and p × (starts·members).

use candle_core::{DType, Device, Result, Tensor};
use headwater_base::parallel::pairwise_sum;
use headwater_linalg::device::{Batch, Side};

/// Elements of temporary tensors at once: 128 MiB.
pub const ELEMENTS: usize = 1 << 24;

/// Position of element (k, k) among the rows of an upper p × p triangle; (k, l) comes l − k later.
pub fn upper(p: usize, k: usize) -> usize {
    k * p - k * k.saturating_sub(1) / 2
}

/// A table: weights Ω, Ω∘V, and V.
#[derive(Clone)]
pub struct Cells {
    pub weights: Tensor,
    pub weighted: Tensor,
    pub values: Tensor,
}

/// Takes a table over.
pub fn table(rows: usize, cols: usize, weights: &[f64], values: &[f64], device: &Device) -> Result<Cells> {
    let weights = Tensor::from_slice(weights, (rows, cols), device)?;
    let values = Tensor::from_slice(values, (rows, cols), device)?;
    Ok(Cells { weighted: (&weights * &values)?, weights, values })
}

/// p × starts × members from starts × members × p.
pub fn factors(size: Batch, elements: &[f64], device: &Device) -> Result<Tensor> {
    Tensor::from_slice(elements, (size.starts, size.count, size.p), device)?.permute((2, 0, 1))?.contiguous()
}

/// The way back.
pub fn read(factors: &Tensor) -> Result<Vec<f64>> {
    factors.permute((1, 2, 0))?.contiguous()?.flatten_all()?.to_vec1()
}

/// A = Σ_t ω_t x_t x_tᵀ as one product of two matrices, (q·starts × inner)·(inner × members), whose first one holds the products
/// x_k x_l of the design; b = Σ_t ω_t v_t x_t likewise. What bounds it: the product.
pub fn normal_equations(cells: &Cells, side: Side, design: &Tensor) -> Result<(Tensor, Tensor)> {
    let (p, starts, inner) = design.dims3()?;
    let flat = design.reshape((p, starts * inner))?;
    let rows: Vec<Tensor> =
        (0..p).map(|k| flat.narrow(0, k, p - k)?.broadcast_mul(&flat.narrow(0, k, 1)?)).collect::<Result<_>>()?;
    let pairs = Tensor::cat(&rows, 0)?.reshape((p * (p + 1) / 2 * starts, inner))?;
    let of = |cells: &Tensor| if side == Side::Rows { cells.t() } else { Ok(cells.clone()) };
    let a = pairs.matmul(&of(&cells.weights)?)?;
    let b = design.reshape((p * starts, inner))?.matmul(&of(&cells.weighted)?)?;
    let members = b.dim(1)?;
    Ok((a.reshape((p * (p + 1) / 2, starts * members))?, b.reshape((p, starts * members))?))
}

/// Q of every start, by residuals, some rows of the table at a time.
pub fn objective(cells: &Cells, rows: &Tensor, cols: &Tensor) -> Result<Vec<f64>> {
    let (_, starts, count) = rows.dims3()?;
    let inner = cols.dim(2)?;
    let y = cols.permute((1, 0, 2))?.contiguous()?;
    let size = (ELEMENTS / (starts * inner)).clamp(1, count);
    let mut sums = vec![Vec::new(); starts];
    for from in (0..count).step_by(size) {
        let some = size.min(count - from);
        let x = rows.narrow(2, from, some)?.permute((1, 2, 0))?.contiguous()?;
        let residuals = x.matmul(&y)?.broadcast_sub(&cells.values.narrow(0, from, some)?)?;
        let squares = residuals.sqr()?.broadcast_mul(&cells.weights.narrow(0, from, some)?)?;
        let part: Vec<f64> = squares.sum(2)?.sum(1)?.to_vec1()?;
        sums.iter_mut().zip(part).for_each(|(sums, part)| sums.push(part));
    }
    Ok(sums.iter().map(|sums| pairwise_sum(sums)).collect())
}

/// new + β (new − old), cut off at 0 where `bounded`.
pub fn extrapolate(new: &Tensor, old: &Tensor, by: &[f64], bounded: bool) -> Result<Tensor> {
    let by = Tensor::from_slice(by, (1, by.len(), 1), new.device())?;
    let moved = (new + (new - old)?.broadcast_mul(&by)?)?;
    if bounded { moved.relu() } else { Ok(moved) }
}

/// `yes` for the starts that `first` says, `no` for the others.
pub fn choose(first: &[bool], yes: &Tensor, no: &Tensor) -> Result<Tensor> {
    let first: Vec<u8> = first.iter().map(|&first| u8::from(first)).collect();
    let mask = Tensor::from_slice(&first, (1, first.len(), 1), yes.device())?;
    mask.broadcast_as(yes.shape())?.contiguous()?.where_cond(yes, no)
}

/// AB, each transposed first where its flag says so.
pub fn multiply((a, turn_a): (&Tensor, bool), (b, turn_b): (&Tensor, bool)) -> Result<Tensor> {
    let turned = |x: &Tensor, turn: bool| if turn { x.t() } else { Ok(x.clone()) };
    turned(a, turn_a)?.matmul(&turned(b, turn_b)?)
}

/// 1 where the condition holds, 0 elsewhere.
pub fn indicator(condition: &Tensor) -> Result<Tensor> {
    condition.to_dtype(DType::F64)
}
