//! Non-negative least squares for all systems at once, by block principal pivoting on tensors.
//!
//! The method is that of [`headwater_linalg::nnls`]: solve A_FF x_F = b_F for a guessed set F, exchange every index that is on the
//! wrong side, after three exchanges that do not help only the one with the largest index. Elements outside F are masked (unit
//! diagonal, zero elsewhere). With U the rows of the masked system and its right-hand side, elimination is
//!   U_i ← U_i − (U_ki / U_kk) U_k,  i > k,
//! each a step over all systems; a pivot that is not above 1e-13 of its diagonal element makes its x zero. Sets are exchanged on the
//! CPU. After a round only the systems that are open go on; at the end all are solved once more with their final sets.
//! Systems that do not end in 10p + 30 rounds get their sets from the CPU's solver.
//!
//! Cost: p³/3 flop a system and round, in p² steps over all systems. What bounds it: memory, since every step reads and writes a
//! row of all systems.

use candle_core::{Device, Result, Tensor};
use headwater_linalg::{LANES, nnls, packed, packed_len};

use crate::kernels::{ELEMENTS, indicator, upper};

/// A pivot below this share of its diagonal element counts as zero.
const DEPENDENT: f64 = 1e-13;
/// A multiplier counts as negative below minus this share of the terms it was summed from.
const ROUNDING: f64 = 4e-14;

/// Minimisers of xᵀAx − 2bᵀx: `a` q × systems, `b` and `guess` p × systems; what is above 0 in `guess` is guessed to be so.
pub fn solve(a: &Tensor, b: &Tensor, guess: &Tensor, bounded: bool) -> Result<Tensor> {
    let (p, systems) = b.dims2()?;
    let size = (ELEMENTS / (p * p)).clamp(1, systems.max(1));
    let mut parts = Vec::new();
    for from in (0..systems).step_by(size) {
        let some = |x: &Tensor| x.narrow(1, from, size.min(systems - from))?.contiguous();
        parts.push(solve_some(&some(a)?, &some(b)?, &some(guess)?, bounded)?);
    }
    Tensor::cat(&parts, 1)
}

fn solve_some(a: &Tensor, b: &Tensor, guess: &Tensor, bounded: bool) -> Result<Tensor> {
    let (p, systems) = b.dims2()?;
    if !bounded {
        return minimiser(a, b, &b.ones_like()?);
    }
    let mut passive = indicator(&guess.gt(0.0)?)?;
    let mut sets: Vec<u8> = passive.to_dtype(candle_core::DType::U8)?.flatten_all()?.to_vec1()?;
    let mut open: Vec<u32> = (0..systems as u32).collect();
    let mut fewest = vec![p + 1; systems];
    let mut patience = vec![3_u32; systems];
    let (mut a_open, mut b_open) = (a.clone(), b.clone());
    for round in 0..10 * p + 30 {
        let x = minimiser(&a_open, &b_open, &passive)?;
        let wrong = infeasible(&a_open, &b_open, &passive, &x)?;
        let mut still = Vec::new();
        for (at, &system) in open.iter().enumerate() {
            let system = system as usize;
            let count = (0..p).filter(|k| wrong[k * open.len() + at] != 0).count();
            if count == 0 {
                continue;
            }
            still.push(at as u32);
            let all = count < fewest[system] || patience[system] > 0;
            if count < fewest[system] {
                (fewest[system], patience[system]) = (count, 3);
            } else {
                patience[system] = patience[system].saturating_sub(1);
            }
            for k in (0..p).rev().filter(|k| wrong[k * open.len() + at] != 0) {
                sets[k * systems + system] = 1 - sets[k * systems + system];
                if !all {
                    break;
                }
            }
        }
        if still.is_empty() {
            if round == 0 {
                return Ok(x);
            }
            open.clear();
            break;
        }
        if still.len() < open.len() {
            let index = Tensor::from_slice(&still, still.len(), a.device())?;
            (a_open, b_open) = (a_open.index_select(&index, 1)?, b_open.index_select(&index, 1)?);
            open = still.iter().map(|&at| open[at as usize]).collect();
        }
        passive = masks(p, systems, &sets, &open, a.device())?;
    }
    if !open.is_empty() {
        settle(p, systems, &a_open, &b_open, &open, &mut sets)?;
    }
    let all: Vec<u32> = (0..systems as u32).collect();
    minimiser(a, b, &masks(p, systems, &sets, &all, a.device())?)
}

/// The sets of some systems, p × systems.
fn masks(p: usize, systems: usize, sets: &[u8], some: &[u32], device: &Device) -> Result<Tensor> {
    let of = |k: usize| some.iter().map(move |&system| f64::from(sets[k * systems + system as usize]));
    Tensor::from_vec((0..p).flat_map(of).collect::<Vec<f64>>(), (p, some.len()), device)
}

/// x with A_FF x_F = b_F and 0 outside F.
fn minimiser(a: &Tensor, b: &Tensor, passive: &Tensor) -> Result<Tensor> {
    let p = b.dim(0)?;
    // Row k of the masked system from its diagonal on, and its right-hand side.
    let mut rows = Vec::with_capacity(p);
    let mut diagonals = Vec::with_capacity(p);
    for k in 0..p {
        let own = passive.narrow(0, k, 1)?;
        let diagonal = ((a.narrow(0, upper(p, k), 1)? * &own)? + own.affine(-1.0, 1.0)?)?;
        let side = (b.narrow(0, k, 1)? * &own)?;
        rows.push(if k + 1 < p {
            let mask = passive.narrow(0, k + 1, p - k - 1)?.broadcast_mul(&own)?;
            let rest = (a.narrow(0, upper(p, k) + 1, p - k - 1)? * mask)?;
            Tensor::cat(&[&diagonal, &rest, &side], 0)?
        } else {
            Tensor::cat(&[&diagonal, &side], 0)?
        });
        diagonals.push(diagonal);
    }
    let mut inverses = Vec::with_capacity(p);
    for k in 0..p {
        let pivot = rows[k].narrow(0, 0, 1)?;
        let good = pivot.gt(&diagonals[k].affine(DEPENDENT, 0.0)?)?;
        let inverse = good.where_cond(&pivot.recip()?, &pivot.zeros_like()?)?;
        if k + 1 < p {
            let factors = rows[k].narrow(0, 1, p - k - 1)?.broadcast_mul(&inverse)?;
            for i in k + 1..p {
                let taken = rows[k].narrow(0, i - k, p - i + 1)?.broadcast_mul(&factors.narrow(0, i - k - 1, 1)?)?;
                rows[i] = (&rows[i] - taken)?;
            }
        }
        inverses.push(inverse);
    }
    let mut x: Option<Tensor> = None;
    for k in (0..p).rev() {
        let side = rows[k].narrow(0, p - k, 1)?;
        let own = match &x {
            None => (side * &inverses[k])?,
            Some(x) => {
                let known = (rows[k].narrow(0, 1, p - k - 1)? * x)?.sum_keepdim(0)?;
                ((side - known)? * &inverses[k])?
            }
        };
        x = Some(match x {
            None => own,
            Some(x) => Tensor::cat(&[&own, &x], 0)?,
        });
    }
    x.ok_or_else(|| candle_core::Error::Msg("systems without unknowns".to_string()))
}

/// Which elements are on the wrong side: x_k <= 0 in F, a multiplier below zero outside.
fn infeasible(a: &Tensor, b: &Tensor, passive: &Tensor, x: &Tensor) -> Result<Vec<u8>> {
    let (p, systems) = b.dims2()?;
    let places: Vec<u32> =
        (0..p * p).map(|at| (at / p, at % p)).map(|(k, l)| (upper(p, k.min(l)) + k.abs_diff(l)) as u32).collect();
    let places = Tensor::from_vec(places, p * p, a.device())?;
    let terms = a.index_select(&places, 0)?.reshape((p, p, systems))?.broadcast_mul(x)?;
    let pull = (terms.sum(1)? - b)?;
    let size = (terms.abs()?.sum(1)? + b.abs()?)?;
    let below = indicator(&x.le(0.0)?)?;
    let pulled = indicator(&pull.lt(&size.affine(-ROUNDING, 0.0)?)?)?;
    let wrong = ((passive * below)? + (passive.affine(-1.0, 1.0)? * pulled)?)?;
    wrong.to_dtype(candle_core::DType::U8)?.flatten_all()?.to_vec1()
}

/// Sets of systems that go round in circles, by the CPU's solver.
fn settle(p: usize, systems: usize, a: &Tensor, b: &Tensor, open: &[u32], sets: &mut [u8]) -> Result<()> {
    let (a, b): (Vec<f64>, Vec<f64>) = (a.flatten_all()?.to_vec1()?, b.flatten_all()?.to_vec1()?);
    let count = open.len();
    let mut scratch = nnls::Scratch::new(p);
    let (mut own_a, mut own_b) = (vec![0.0; packed_len(p) * LANES], vec![0.0; p * LANES]);
    let (mut passive, mut x) = (vec![0.0; p * LANES], vec![0.0; p * LANES]);
    for (at, &system) in open.iter().enumerate() {
        // Alone in the first lane; the others are empty systems.
        for k in 0..p {
            own_b[k * LANES] = b[k * count + at];
            passive[k * LANES] = f64::from(sets[k * systems + system as usize]);
            for l in 0..=k {
                own_a[packed(k, l) * LANES] = a[(upper(p, l) + k - l) * count + at];
            }
        }
        nnls::solve(p, &own_a, &own_b, true, &mut passive, &mut x, &mut scratch);
        for k in 0..p {
            sets[k * systems + system as usize] = u8::from(x[k * LANES] > 0.0);
        }
    }
    Ok(())
}
