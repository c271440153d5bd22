//! Rules that treat the elements of a tensor one by one (gradient descent, AdamW, Lion), in place where nothing can
//! overflow.
//!
//! A step in place cannot be taken back, and one beside it moves twice the memory. So the plan of a step bounds what its
//! result can be: |θ′| and each array of the state, from the peaks of the gradient and of the parameter (one pass, made
//! anyway) and from bounds of the state that are carried along. If the bounds are finite numbers of the type, the step is
//! carried out in place by `commit`. If not, `propose` computes it beside the arrays and looks at every number.

use headwater_base::normal::Normals;
use headwater_base::rng::Purpose;

use crate::number::{Number, Real};
use crate::rule::{Change, Fault, Probe, Proposal, Rule, State, Step, What, check};

/// Parts treated between two draws of noise: small enough for the first cache.
const CHUNK: usize = 2048;

/// No standard normal number that is drawn is larger: √(−2 ln 2⁻⁶⁵) = 9.5.
pub const LARGEST_NOISE: f64 = 10.0;

/// Bounds of the two arrays of a state.
pub type Bounds = [f64; 2];

/// Defines `Kernel`, a type with the loop `body` compiled for its instruction sets, for both real types.
macro_rules! kernel {
    ($coefficients:ident, $body:ident) => {
        /// A type with these loops compiled for its instruction sets.
        pub trait Kernel: $crate::number::Real {
            /// One chunk.
            fn run(
                coefficients: &$coefficients<Self>,
                chunk: $crate::elementwise::Chunk<'_, Self>,
            ) -> $crate::rule::Change;
        }
        $crate::elementwise::kernel!($coefficients, $body, f32, run_f32);
        $crate::elementwise::kernel!($coefficients, $body, f64, run_f64);
    };
    ($coefficients:ident, $body:ident, $real:ident, $name:ident) => {
        headwater_linalg::simd! {
            fn $name(
                c: &$coefficients<$real>,
                chunk: $crate::elementwise::Chunk<'_, $real>,
            ) -> $crate::rule::Change {
                $body(c, chunk)
            }
        }
        impl Kernel for $real {
            fn run(c: &$coefficients<$real>, chunk: $crate::elementwise::Chunk<'_, $real>) -> $crate::rule::Change {
                $name(c, chunk)
            }
        }
    };
}
pub(crate) use kernel;

/// Sums of squares are taken in this many lanes.
pub const WIDTH: usize = 16;

/// Asks for what lies 2 KiB further on: the processor's own prefetching stops at pages, which took a fifth of the time.
#[inline(always)]
pub fn prefetch<R>(place: *const R) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address is harmless.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast::<i8>().wrapping_add(2048));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
/// Runs a body for lane `e` of whole blocks of [`WIDTH`] numbers, and then of the rest; inside, the slices are arrays of
/// one block: loops of a fixed length are what the compiler makes vectors of.
macro_rules! lanes {
    (write $($write:ident)+; read $($read:ident)+; $e:ident => $body:block) => {{
        const W: usize = $crate::elementwise::WIDTH;
        let count = [$($write.len()),+][0];
        let blocks = count / W;
        {
            $(let $write = &mut $write.as_chunks_mut::<W>().0[..blocks];)+
            $(let $read = &$read.as_chunks::<W>().0[..blocks];)+
            for block in 0..blocks {
                $(let $write = &mut $write[block];)+
                $(let $read = &$read[block];)+
                $($crate::elementwise::prefetch($write.as_ptr());)+
                $($crate::elementwise::prefetch($read.as_ptr());)+
                for $e in 0..W $body
            }
        }
        $(let $write = &mut $write[blocks * W..count];)+
        $(let $read = &$read[blocks * W..count];)+
        for $e in 0..count - blocks * W $body
    }};
}
pub(crate) use lanes;

/// The lanes' sums; the largest number where they overflow, since all that is reported is finite.
#[inline(always)]
pub fn change<R: Real>(squares: [R; WIDTH], noise_squares: [R; WIDTH]) -> Change {
    let sum = |lanes: [R; WIDTH]| lanes.iter().map(|lane| lane.to_f64()).sum::<f64>().min(f64::MAX);
    Change { squares: sum(squares), noise_squares: sum(noise_squares) }
}

/// What a recurrence does in one step.
pub struct Plan<C> {
    /// Its coefficients.
    pub coefficients: C,
    /// No part of the parameter can become larger than this.
    pub reach: f64,
    /// Nor of the arrays of the state.
    pub bounds: Bounds,
    /// Whether noise is drawn.
    pub noisy: bool,
}

/// Arrays of one chunk.
pub struct Chunk<'a, R> {
    /// θ, as parts.
    pub parameter: &'a mut [R],
    /// The gradient, as parts, not scaled.
    pub gradient: &'a [R],
    /// The two arrays of the state, empty where the recurrence has fewer.
    pub first: &'a mut [R],
    /// The second one.
    pub second: &'a mut [R],
    /// N(0, 1) for every part, or empty.
    pub noise: &'a [R],
}

/// The arithmetic of a rule, element by element.
pub trait Recurrence<T: Number>: Send {
    /// Coefficients of a step in the type's precision.
    type Coefficients;
    /// Numbers per element in the two arrays of the state (0: there is none).
    fn arrays(&self) -> [usize; 2];
    /// Coefficients and bounds of a step from a state within `bounds`.
    fn plan(&self, step: &Step, bounds: Bounds) -> Plan<Self::Coefficients>;
    /// The step on one chunk; what it has changed.
    fn run(coefficients: &Self::Coefficients, chunk: Chunk<'_, T::Real>) -> Change;
}

/// A recurrence with the state of one tensor. Memory: the state; twice that and the parameter where a step could overflow.
pub struct Elementwise<T: Number, K: Recurrence<T>> {
    recurrence: K,
    state: [Vec<T::Real>; 2],
    bounds: Bounds,
    /// Parameter and state of a proposal that was computed beside them, and what it changes.
    beside: Option<Box<Beside<T>>>,
}

struct Beside<T: Number> {
    parameter: Vec<T>,
    state: [Vec<T::Real>; 2],
    change: Change,
}

impl<T: Number, K: Recurrence<T>> Elementwise<T, K> {
    /// For a tensor of `size` elements.
    pub fn new(recurrence: K, size: usize) -> Self {
        let state = recurrence.arrays().map(|per| vec![T::Real::default(); per * size]);
        Self { recurrence, state, bounds: [0.0; 2], beside: None }
    }
}

fn run<T: Number, K: Recurrence<T>>(
    plan: &Plan<K::Coefficients>,
    step: &Step,
    parameter: &mut [T],
    gradient: &[T],
    state: &mut [Vec<T::Real>; 2],
) -> Change {
    let mut drawn = [T::Real::default(); CHUNK];
    // A function of seed, tensor and step: nothing to be saved or taken back.
    let normals = Normals::new(step.seed, Purpose::Noise, step.tensor);
    let origin = step.count.wrapping_mul((parameter.len() * T::PARTS) as u64);
    let size = CHUNK / T::PARTS;
    let elements = parameter.len().max(1);
    let [first, second] = state;
    let (per_first, per_second) = (first.len() / elements, second.len() / elements);
    let mut total = Change::default();
    for (at, (theta, g)) in parameter.chunks_mut(size).zip(gradient.chunks(size)).enumerate() {
        let (begin, count) = (at * size, theta.len());
        let noise = if plan.noisy {
            let to = &mut drawn[..count * T::PARTS];
            T::Real::fill_normal(normals, origin + (begin * T::PARTS) as u64, to);
            &*to
        } else {
            &[]
        };
        let chunk = Chunk {
            parameter: T::reals_mut(theta),
            gradient: T::reals(g),
            first: &mut first[begin * per_first..(begin + count) * per_first],
            second: &mut second[begin * per_second..(begin + count) * per_second],
            noise,
        };
        let change = K::run(&plan.coefficients, chunk);
        total.squares += change.squares;
        total.noise_squares += change.noise_squares;
    }
    total
}

impl<T: Number, K: Recurrence<T>> Rule<T> for Elementwise<T, K> {
    fn propose(
        &mut self,
        step: &Step,
        parameter: &[T],
        gradient: &[T],
        _: Option<Probe<'_, T>>,
    ) -> Result<Proposal, Fault> {
        let plan = self.recurrence.plan(step, self.bounds);
        // Half of the largest number: roundings of the bounds themselves do not matter then.
        let within = |bound: f64| bound <= 0.5 * <T::Real as Real>::MAX;
        if within(plan.reach) && plan.bounds.into_iter().all(within) {
            self.beside = None;
            return Ok(Proposal::default());
        }
        let mut beside =
            Box::new(Beside { parameter: parameter.to_vec(), state: self.state.clone(), change: Change::default() });
        beside.change = run::<T, K>(&plan, step, &mut beside.parameter, gradient, &mut beside.state);
        check(What::State, &beside.state[0])?;
        check(What::State, &beside.state[1])?;
        check(What::Candidate, T::reals(&beside.parameter))?;
        self.beside = Some(beside);
        Ok(Proposal::default())
    }

    fn commit(&mut self, step: &Step, parameter: &mut [T], gradient: &[T], _: f64) -> Change {
        let plan = self.recurrence.plan(step, self.bounds);
        self.bounds = plan.bounds;
        if let Some(beside) = self.beside.take() {
            // Its numbers are known; the bounds would only have grown.
            self.bounds = [&beside.state[0], &beside.state[1]]
                .map(|array| array.iter().fold(0.0, |most: f64, value| most.max(value.abs().to_f64())));
            parameter.copy_from_slice(&beside.parameter);
            self.state = beside.state;
            return beside.change;
        }
        run::<T, K>(&plan, step, parameter, gradient, &mut self.state)
    }

    fn state(&mut self, state: &mut dyn State<T::Real>) {
        state.array("first", &mut self.state[0]);
        state.array("second", &mut self.state[1]);
        state.real("firstBound", &mut self.bounds[0]);
        state.real("secondBound", &mut self.bounds[1]);
    }
}
