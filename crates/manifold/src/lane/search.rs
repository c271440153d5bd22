//! Which of all atoms correlate most with residuals: the one thing of a fit that a device does.
//!
//! The products and the choice are [`routing`]'s, or those of a [`Device`](headwater_linalg::device::Device), which has the
//! directions in its memory; this is the dictionary as they want it.

use std::sync::{Mutex, PoisonError};

use headwater_base::parallel::{Crew, for_each_piece};
use headwater_base::{Error, Warning};
use headwater_linalg::device::{Directions, Failure, Place, Scoring, Shape, gave_up};
use headwater_linalg::{routing, simd};

use crate::lane::Settings;
use crate::lane::dictionary::Dictionary;

/// Directions rounded together.
const TILE: usize = 1024;

/// Directions of a dictionary from which [`is_large`] holds.
const LARGE: usize = 10_000;

/// Whether a dictionary is one whose products a device may pay for: from about 10⁴ directions on they take longer than the rest
/// of a row's coding, which is the CPU's anyway. Where a GPU really pays is not measured; `docs/gpu.md` has the table.
pub fn is_large(settings: &Settings) -> bool {
    settings.atoms * settings.shape.width() >= LARGE
}

/// A dictionary as the kernels want it.
pub(super) struct Atoms<'a> {
    /// Scaled like the data.
    pub dictionary: Dictionary,
    /// The directions again, for products that only propose.
    pub rounded: Vec<f32>,
    pub columns: usize,
    pub width: usize,
    place: Option<Place<'a>>,
    there: Mutex<There>,
}

/// What a device has of the directions.
enum There {
    /// Nothing, or other ones: they are uploaded when they are wanted.
    Stale,
    Held(Directions),
    /// The CPU does its work from now on.
    GaveUp(Error),
}

/// Of each row some atoms.
pub(super) type Found = Vec<Vec<u32>>;

impl<'a> Atoms<'a> {
    pub(super) fn new(dictionary: Dictionary, place: Option<Place<'a>>) -> Self {
        let (columns, width) = (dictionary.columns(), dictionary.shape.width());
        let rounded = dictionary.directions.iter().map(|&x| x as f32).collect();
        Self { dictionary, rounded, columns, width, place, there: Mutex::new(There::Stale) }
    }

    /// After a change of the directions.
    pub(super) fn round(&mut self, threads: usize) {
        let (size, from) = (TILE * self.columns, &self.dictionary.directions);
        for_each_piece(threads, &mut self.rounded, size, |piece, to| {
            to.iter_mut().zip(&from[piece * size..]).for_each(|(y, x)| *y = *x as f32);
        });
        let there = self.there.get_mut().unwrap_or_else(PoisonError::into_inner);
        if matches!(there, There::Held(_)) {
            *there = There::Stale;
        }
    }

    /// All rows of one atom.
    pub(super) fn rows(&self, atom: u32) -> &[f64] {
        let size = self.width * self.columns;
        &self.dictionary.directions[atom as usize * size..][..size]
    }

    /// Score of an atom for a residual.
    pub(super) fn score(&self, atom: u32, residual: &[f32]) -> f32 {
        let size = self.width * self.columns;
        let rows = &self.rounded[atom as usize * size..][..size];
        let score = |g: f32| if self.dictionary.non_negative && self.width == 1 { g.max(0.0).powi(2) } else { g * g };
        rows.chunks_exact(self.columns).map(|d| score(inner(d, residual))).sum()
    }

    /// For every row of `residuals` (parts of rows × p, a part one piece of work) the `keep` atoms with the largest scores, or
    /// fewer where fewer have one above 0, by falling score. `None` if it was stopped.
    ///
    /// Errors: those of the device, unless the CPU is to do its work then.
    pub(super) fn search(&self, residuals: &[&[f32]], keep: usize, crew: Crew) -> Result<Option<Vec<Found>>, Error> {
        if let Some(place) = self.place.filter(|_| !crew.stopped()) {
            let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
            if !matches!(*there, There::GaveUp(_)) {
                match self.route(place, &mut there, residuals, keep) {
                    Ok(found) => return Ok(Some(found)),
                    Err(failure) if place.fall_back => *there = There::GaveUp(failure),
                    Err(failure) => return Err(failure),
                }
            }
        }
        let own = Crew::new(1, crew.control.silent());
        let of = |at: usize| routing::best(&self.rounded, self.columns, self.scoring(), residuals[at], keep, own);
        Ok(crew.map(residuals.len(), of).and_then(|found| found.into_iter().collect()))
    }

    fn scoring(&self) -> Scoring {
        Scoring { width: self.width, non_negative: self.dictionary.non_negative && self.width == 1 }
    }

    /// The search on a device, all parts at once.
    fn route(&self, place: Place, there: &mut There, parts: &[&[f32]], keep: usize) -> Result<Vec<Found>, Error> {
        let device = place.device;
        let error = |failure: Failure| failure.into_error(device.name());
        if !matches!(there, There::Held(_)) {
            let shape = Shape { rows: self.rounded.len() / self.columns, cols: self.columns };
            *there = There::Held(device.directions(shape, &self.rounded).map_err(error)?);
        }
        let There::Held(directions) = there else { unreachable!("just uploaded") };
        let found = device.route(directions, self.scoring(), &parts.concat(), keep).map_err(error)?;
        let mut found = found.into_iter();
        Ok(parts.iter().map(|part| found.by_ref().take(part.len() / self.columns).collect()).collect())
    }

    /// What to say about the device.
    pub(super) fn warning(&self) -> Option<Warning> {
        match &*self.there.lock().unwrap_or_else(PoisonError::into_inner) {
            There::GaveUp(why) => Some(gave_up(why)),
            There::Stale | There::Held(_) => None,
        }
    }
}

simd! {
/// x·y.
fn inner(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 32];
    let ((xs, x_tail), (ys, y_tail)) = (x.as_chunks::<32>(), y.as_chunks::<32>());
    for i in 0..xs.len() {
        for e in 0..32 {
            sums[e] = xs[i][e].mul_add(ys[i][e], sums[e]);
        }
    }
    let tail: f32 = x_tail.iter().zip(y_tail).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + tail
}
}
