//! The sweeps of many starts at once on a device, before each of them ends on the CPU.
//!
//! The recurrence is that of [`crate::anls`], with momentum and acceptance of every start for itself. Where a sweep does not lower
//! a start's Q, that start goes back to its last pair and its next sweep is a plain one (β = 0), while the others go on: a
//! rejected sweep costs a start one sweep, as on the CPU. What comes back is only a better place to begin: dead factors,
//! second order, judgement and certificate are [`crate::run`]'s, in f64 on the CPU.
//!
//! Cost of a sweep: that of [`crate::anls`], times the starts; two numbers a start cross over to the CPU.

use headwater_base::Control;
use headwater_linalg::device::{Batch, Device, Factors, Failure, Side, Table};
use headwater_linalg::packed_len;

use crate::anls::{CAP_GROWTH, GROWTH, SHRINK};
use crate::block::Factor;
use crate::problem::Problem;

/// Most starts at once.
const MOST: usize = 64;
/// Numbers of normal equations at once: 1 GiB. It does not depend on the device, so that batches are the same everywhere.
const NUMBERS: usize = 1 << 27;

/// How many starts are treated at once.
pub fn at_once(problem: &Problem, p: usize) -> usize {
    (NUMBERS / ((packed_len(p) + p) * problem.long.count)).clamp(1, MOST)
}

/// The data of a problem in a device's memory; its rows are the long side.
pub struct Uploaded<'a> {
    problem: &'a Problem,
    device: &'a dyn Device,
    table: Table,
}

/// The pairs of all starts: accepted ones, extrapolated ones, and momenta.
struct State {
    long: Factors,
    short: Factors,
    long_hat: Factors,
    last_short: Factors,
    q: Vec<f64>,
    momentum: Vec<Momentum>,
}

#[derive(Clone, Copy)]
struct Momentum {
    beta: f64,
    cap: f64,
    last: f64,
    /// Whether the next sweep is a plain one.
    plain: bool,
}

impl<'a> Uploaded<'a> {
    /// Takes the data over.
    pub fn new(problem: &'a Problem, device: &'a dyn Device) -> Result<Self, Failure> {
        let (long, cols) = (&problem.long, problem.short.count);
        let by_rows = |from: &[f64]| -> Vec<f64> {
            (0..long.count * cols).map(|at| from[long.cell(at / cols, at % cols)]).collect()
        };
        let table = device.table(long.count, cols, &by_rows(&long.omega), &by_rows(&long.value))?;
        Ok(Self { problem, device, table })
    }

    /// Takes starts, as [`crate::anls::Sweeper`] does, through `sweeps` sweeps, fewer where `control` stops them.
    /// Returns the pairs and the number of sweeps.
    pub fn descend(
        &self,
        starts: &[(Factor, Factor)],
        sweeps: u32,
        control: Control,
    ) -> Result<(Vec<(Factor, Factor)>, u32), Failure> {
        let Some((first_long, first_short)) = starts.first() else { return Ok((Vec::new(), 0)) };
        let (p, bounded) = (first_long.p, (first_long.bounded, first_short.bounded));
        let stacked = |of: fn(&(Factor, Factor)) -> &Factor| -> Result<Factors, Failure> {
            let size = Batch { starts: starts.len(), count: of(&starts[0]).count, p };
            self.device.factors(size, &starts.iter().flat_map(|pair| of(pair).rows.iter().copied()).collect::<Vec<_>>())
        };
        let mut state = self.begin(&stacked(|pair| &pair.0)?, &stacked(|pair| &pair.1)?, bounded)?;
        let mut done = 0;
        while done < sweeps && !control.cancelled() {
            self.sweep(&mut state, bounded)?;
            done += 1;
        }
        let parts = |all: &Factors, count: usize, bounded: bool| -> Result<Vec<Factor>, Failure> {
            let all = self.device.read(all)?;
            if all.iter().any(|x| !x.is_finite()) {
                return Err(Failure::Failed("its factors are not finite".to_string()));
            }
            Ok(all.chunks_exact(count * p).map(|rows| Factor::new(count, p, bounded, rows.to_vec())).collect())
        };
        let long = parts(&state.long, self.problem.long.count, bounded.0)?;
        let short = parts(&state.short, self.problem.short.count, bounded.1)?;
        Ok((long.into_iter().zip(short).collect(), done))
    }

    /// The minimiser on one side for the other one.
    fn solve(&self, side: Side, design: &Factors, guess: &Factors, bounded: bool) -> Result<Factors, Failure> {
        let normal = self.device.normal_equations(&self.table, side, design)?;
        self.device.nnls(&normal, guess, bounded)
    }

    /// A plain sweep from the long factor.
    fn begin(&self, long: &Factors, short: &Factors, bounded: (bool, bool)) -> Result<State, Failure> {
        let device = self.device;
        let short = self.solve(Side::Columns, long, short, bounded.1)?;
        let long = self.solve(Side::Rows, &short, long, bounded.0)?;
        let q = device.objective(&self.table, &long, &short)?;
        // A copy is an extrapolation by nothing.
        let copy = |of: &Factors| device.extrapolate(of, of, &vec![0.0; q.len()], false);
        let momentum = vec![Momentum { beta: 0.5, cap: 1.0, last: 0.5, plain: false }; q.len()];
        Ok(State { long_hat: copy(&long)?, last_short: copy(&short)?, long, short, q, momentum })
    }

    fn sweep(&self, state: &mut State, bounded: (bool, bool)) -> Result<(), Failure> {
        let device = self.device;
        let by: Vec<f64> = state.momentum.iter().map(|m| if m.plain { 0.0 } else { m.beta }).collect();
        let newest = self.solve(Side::Columns, &state.long_hat, &state.short, bounded.1)?;
        let short = device.extrapolate(&newest, &state.last_short, &by, bounded.1)?;
        let long = self.solve(Side::Rows, &short, &state.long, bounded.0)?;
        let q = device.objective(&self.table, &long, &short)?;
        let long_hat = device.extrapolate(&long, &state.long, &by, bounded.0)?;
        let mut accepted = Vec::with_capacity(q.len());
        for (s, momentum) in state.momentum.iter_mut().enumerate() {
            // A plain sweep cannot raise Q but by rounding.
            let accept = momentum.plain || q[s] < state.q[s];
            if accept {
                state.q[s] = q[s];
                if !momentum.plain {
                    momentum.last = momentum.beta;
                    momentum.beta = (momentum.beta * GROWTH).min(momentum.cap);
                    momentum.cap = (momentum.cap * CAP_GROWTH).min(1.0);
                }
            } else {
                momentum.cap = momentum.last;
                momentum.beta /= SHRINK;
            }
            momentum.plain = !accept;
            accepted.push(accept);
        }
        if accepted.iter().all(|accepted| *accepted) {
            (state.long, state.short, state.long_hat, state.last_short) = (long, short, long_hat, newest);
            return Ok(());
        }
        // The pair that a rejected start goes back to is where its plain sweep begins.
        state.long_hat = device.choose(&accepted, &long_hat, &state.long)?;
        state.last_short = device.choose(&accepted, &newest, &state.short)?;
        state.long = device.choose(&accepted, &long, &state.long)?;
        state.short = device.choose(&accepted, &short, &state.short)?;
        Ok(())
    }
}
