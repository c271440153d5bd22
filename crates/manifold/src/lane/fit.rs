//! The turns of coding and refitting, and what they prove.

use std::ops::Range;

use headwater_base::parallel::{Crew, pairwise_sum};
use headwater_base::rng::{Purpose, Stream};
use headwater_base::{Error, Progress, Status, Warning};
use headwater_linalg::device::Place;

use crate::lane::coding::{BLOCK, Coding, code};
use crate::lane::decoder::{Moments, normalise, refit};
use crate::lane::dictionary::{Codes, Dictionary, Shape};
use crate::lane::pairs::pair;
use crate::lane::search::Atoms;
use crate::lane::seeds::{Split, splits};
use crate::lane::survey::{CHUNK, Survey, read, survey};
use crate::lane::twins::{drop_idle, join};
use crate::lane::{Rows, Settings, seeds};

/// Steps of a refit between two parts of an early pass, and after a whole pass.
const STEPS: [usize; 2] = [3, 20];
/// Early passes end when no atom had to begin again and at most this share of rows changed their support.
const SETTLED: f64 = 0.05;

/// One pass over the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pass {
    /// F in squared units of the data; in an early pass summed along the way, each row with the decoders of its turn.
    pub objective: f64,
    /// 1 − 2F/Σ‖x − x̄‖²: the explained variance, but for λ. Absent for constant data.
    pub explained: Option<f64>,
    /// Share of rows whose support changed.
    pub changed: f64,
    /// √(Σ_k ‖g_k‖²/h_k / Σ‖x − x̄‖²) after the pass: g the gradient of F over decoders and offset for these codes, h the diagonal
    /// of its Hessian.
    pub gradient: f64,
    /// Atoms that no row used after the pass.
    pub unused: usize,
    /// Atoms that then gave their rows to a twin.
    pub joined: usize,
    /// Atoms that left their rows because they explained next to nothing, or far less than they would beside another atom.
    pub idle: usize,
    /// How many of these three kinds began again at rows with large residuals.
    pub reborn: usize,
}

/// What [`fit`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// `Converged`: no row has an exchange (among its candidates) that lowers F, and the gradient is zero to tolerance; then codes
    /// and decoders are stationary together for these supports. `Stalled`: F fell by no more than the share `stall` in a pass in
    /// which supports changed, or not at all, without that proof. `Budget`: the passes were used up. `Aborted`: stopped, with what there was.
    pub status: Status,
    /// The decoders. Where a fit was stopped before atoms had begun, the axes of the columns.
    pub dictionary: Dictionary,
    /// Codes of the rows for these decoders.
    pub codes: Codes,
    /// F of the last whole pass. Absent if there was none.
    pub objective: Option<f64>,
    /// The passes, in order.
    pub passes: Vec<Pass>,
    /// For circles the passes before these, `early` + 1 at most, in which 2K directions were learnt that then were paired.
    pub seeding: Vec<Pass>,
    /// `device-gave-up`, where a device did and the CPU did the rest.
    pub warnings: Vec<Warning>,
}

/// Learns a dictionary.
///
/// Errors: as [`Settings::check`]; `value-missing` and `value-not-finite` with row and column; errors of the source.
pub fn fit(rows: &dyn Rows, settings: &Settings, crew: Crew) -> Result<Lane, Error> {
    fit_on(rows, settings, None, crew)
}

/// [`fit`] with the products over all atoms on a device, where one is given. Its memory has to hold the directions in f32 and
/// what its kernel works with. The same codes to rounding in f32, which only proposes: ties apart.
///
/// Errors: as [`fit`]; `device-out-of-memory`, which names the size, and `device-failed`, unless the CPU is to do the rest then.
pub fn fit_on(rows: &dyn Rows, settings: &Settings, place: Option<Place>, crew: Crew) -> Result<Lane, Error> {
    settings.check(rows.count(), rows.columns())?;
    let Some(survey) = survey(rows, crew)? else {
        return Ok(nothing(rows, settings, crew));
    };
    if settings.shape == Shape::Direction {
        return turns(rows, settings, &survey, seeds::first(rows, &survey, settings, crew)?, place, crew);
    }
    let lines = Settings {
        atoms: 2 * settings.atoms,
        active: 2 * settings.active,
        shape: Shape::Direction,
        non_negative: false,
        passes: settings.early + 1,
        ..*settings
    };
    let silent = Crew::new(crew.threads, crew.control.silent());
    let Some(dictionary) = seeds::first(rows, &survey, &lines, silent)? else {
        return Ok(nothing(rows, settings, crew));
    };
    let mut first = Turns::new(rows, &lines, &survey, dictionary, place, silent);
    let status = first.run()?;
    let (dictionary, seeding) =
        (pair(&first.atoms.dictionary, &first.codes, silent), std::mem::take(&mut first.passes));
    let warning = first.atoms.warning();
    drop(first);
    let mut turns = Turns::new(rows, settings, &survey, dictionary, place, crew);
    let status = if status == Status::Aborted { status } else { turns.run()? };
    let mut lane = Lane { seeding, ..turns.end(status) };
    lane.warnings.extend(warning);
    lane.warnings.dedup();
    Ok(lane)
}

/// Goes on from a dictionary: the turns of [`fit`] without its seeds. `settings.atoms`, `.shape`, `.non_negative` and `.ridge` are
/// those of the dictionary, whatever is given; `.early` = 0 leaves its atoms where they are but for refits.
///
/// Errors: as [`fit`]; `shape-mismatch` for rows of another number of columns.
pub fn resume(rows: &dyn Rows, from: &Dictionary, settings: &Settings, crew: Crew) -> Result<Lane, Error> {
    if rows.columns() != from.columns() {
        let message = format!("the dictionary is for {} columns, the rows have {}", from.columns(), rows.columns());
        return Err(Error::new("shape-mismatch", message));
    }
    let &Dictionary { shape, non_negative, ridge, .. } = from;
    let own = Settings { atoms: from.atoms(), shape, non_negative, ridge, ..*settings };
    own.check(rows.count(), rows.columns())?;
    let Some(survey) = survey(rows, crew)? else {
        return Ok(nothing(rows, &own, crew));
    };
    let mut scaled = from.clone();
    scaled.offset.iter_mut().for_each(|b| *b *= survey.scale);
    turns(rows, &own, &survey, Some(scaled), None, crew)
}

fn turns(
    rows: &dyn Rows,
    settings: &Settings,
    survey: &Survey,
    first: Option<Dictionary>,
    place: Option<Place>,
    crew: Crew,
) -> Result<Lane, Error> {
    let Some(dictionary) = first else { return Ok(nothing(rows, settings, crew)) };
    let mut turns = Turns::new(rows, settings, survey, dictionary, place, crew);
    let status = turns.run()?;
    Ok(turns.end(status))
}

/// Stopped before atoms had begun.
fn nothing(rows: &dyn Rows, settings: &Settings, crew: Crew) -> Lane {
    let survey = Survey { scale: 1.0, mean: Vec::new(), total: 0.0 };
    Turns::new(rows, settings, &survey, seeds::axes(rows.columns(), settings), None, crew).end(Status::Aborted)
}

struct Turns<'a> {
    rows: &'a dyn Rows,
    settings: &'a Settings,
    survey: &'a Survey,
    crew: Crew<'a>,
    /// Rows of a part: as many parts as early passes have refits, where there are rows for that.
    chunk: usize,
    atoms: Atoms<'a>,
    moments: Moments,
    codes: Codes,
    losses: Vec<f32>,
    /// Chunks whose rows have codes.
    seen: Vec<bool>,
    /// Atoms that began again after the last pass.
    young: Vec<bool>,
    passes: Vec<Pass>,
}

impl<'a> Turns<'a> {
    fn new(
        rows: &'a dyn Rows,
        settings: &'a Settings,
        survey: &'a Survey,
        dictionary: Dictionary,
        place: Option<Place<'a>>,
        crew: Crew<'a>,
    ) -> Self {
        let count = rows.count();
        let chunk = count.div_ceil(settings.updates).next_multiple_of(BLOCK).min(CHUNK);
        let atoms = Atoms::new(dictionary, place);
        Self {
            rows,
            settings,
            survey,
            crew,
            chunk,
            moments: Moments::new(&atoms),
            atoms,
            codes: Codes::new(count, settings.active, settings.shape.width()),
            losses: vec![0.0; count],
            seen: vec![false; count.div_ceil(chunk)],
            young: vec![false; settings.atoms],
            passes: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<Status, Error> {
        let (mut settled, mut was_early) = (false, false);
        for pass in 0..self.settings.passes {
            let early = !settled && pass < self.settings.early && pass + 1 < self.settings.passes;
            let Some(mut done) = self.pass(pass, early)? else { return Ok(Status::Aborted) };
            let Some(looked) = self.refit(0) else { return Ok(Status::Aborted) };
            done.gradient = (looked / self.survey.total.max(self.floor())).sqrt();
            done.unused = seeds::uses(&self.codes, self.settings.atoms).iter().filter(|count| **count == 0).count();
            // Of an early pass F is summed along the way, over several decoders, and compares with nothing.
            let before = self.passes.last().filter(|_| !was_early).map(|pass| pass.objective);
            was_early = early;
            let quiet = self.young.iter().all(|young| !young);
            // What begins again needs passes to settle in.
            if early && pass + 3 < self.settings.passes {
                let Some(joined) = join(&self.atoms, &mut self.moments, &mut self.codes, self.crew)? else {
                    return Ok(Status::Aborted);
                };
                done.joined = joined;
                let scale = self.survey.scale;
                let dictionary = &self.atoms.dictionary;
                let found = splits(dictionary, &self.codes, &self.losses, self.rows, scale, self.crew)?;
                let Some(found) = found else { return Ok(Status::Aborted) };
                let gains: Vec<f64> = found.iter().map(|split| split.gain).collect();
                let (idle, sure) = drop_idle(&self.atoms, &mut self.moments, &mut self.codes, &self.young, &gains);
                done.idle = idle;
                done.reborn = self.again(pass, &found, sure)?;
            }
            self.passes.push(done);
            settled |= quiet && done.joined + done.idle + done.reborn == 0 && done.changed <= SETTLED;
            // In an early pass codes are those of other decoders than the last ones, which proves nothing.
            if !early && done.changed == 0.0 && done.gradient <= self.settings.tolerance {
                return Ok(Status::Converged);
            }
            // With supports that stay, turns of codes and decoders go on falling until rounding; with others they may circle.
            let least = if done.changed > 0.0 { self.settings.stall } else { 0.0 };
            if !early && before.is_some_and(|before| before - done.objective <= least * before) {
                return Ok(Status::Stalled);
            }
            if pass + 1 < self.settings.passes && self.refit(STEPS[usize::from(!early)]).is_none() {
                return Ok(Status::Aborted);
            }
        }
        Ok(Status::Budget)
    }

    /// Codes all rows. `None` if it was stopped.
    fn pass(&mut self, pass: usize, early: bool) -> Result<Option<Pass>, Error> {
        let n = self.rows.count();
        let mut order: Vec<usize> = (0..self.seen.len()).collect();
        if early {
            let mut random = Stream::new(self.settings.seed, Purpose::Sample, pass as u32);
            (0..order.len()).for_each(|i| order.swap(i, i + random.below(self.seen.len() - i)));
        } else {
            self.moments.clear();
        }
        let part = order.len().div_ceil(self.settings.updates);
        let (mut buffer, mut losses, mut changed, mut coded) = (Vec::new(), vec![0.0; order.len()], 0, 0);
        for (at, &chunk) in order.iter().enumerate() {
            let range = chunk * self.chunk..n.min((chunk + 1) * self.chunk);
            read(self.rows, range.clone(), self.survey.scale, &mut buffer)?;
            let Some((loss, other)) = self.code(range.clone(), chunk, &buffer, early)? else { return Ok(None) };
            (losses[chunk], changed, coded) = (loss, changed + other, coded + range.len());
            let best = self.passes.last().map(|pass| pass.objective);
            let total = (self.settings.passes * n) as u64;
            self.crew.control.report(Progress { done: (pass * n + coded) as u64, total, best, basins: None });
            if early && (at + 1) % part == 0 && at + 1 < order.len() && self.refit(STEPS[0]).is_none() {
                return Ok(None);
            }
        }
        let objective = pairwise_sum(&losses);
        let explained = (self.survey.total > self.floor()).then(|| 1.0 - 2.0 * objective / self.survey.total);
        Ok(Some(Pass {
            objective: objective / self.survey.scale / self.survey.scale,
            explained,
            changed: changed as f64 / n as f64,
            gradient: 0.0,
            unused: 0,
            joined: 0,
            idle: 0,
            reborn: 0,
        }))
    }

    /// Codes one chunk of rows, whose sums then are those of the new codes: the loss, and rows whose support changed.
    fn code(
        &mut self,
        range: Range<usize>,
        chunk: usize,
        x: &[f64],
        incremental: bool,
    ) -> Result<Option<(f64, usize)>, Error> {
        let (s, w, threads) = (self.settings.active, self.settings.shape.width(), self.crew.threads);
        let coding = Coding {
            active: s,
            candidates: self.settings.candidates,
            searches: self.settings.searches.min(2),
            anew: incremental,
        };
        let (places, numbers) = (range.start * s..range.end * s, range.start * s * w..range.end * s * w);
        let found = code(&self.atoms, x, &self.codes.support[places.clone()], coding, self.crew)?;
        let Some(found) = found else { return Ok(None) };
        let seen = std::mem::replace(&mut self.seen[chunk], true);
        if incremental && seen {
            let (support, values) = (&self.codes.support[places.clone()], &self.codes.values[numbers.clone()]);
            self.moments.add(x, support, values, s, w, -1.0, false, threads);
        }
        self.moments.add(x, &found.support, &found.values, s, w, 1.0, !(incremental && seen), threads);
        self.codes.support[places].copy_from_slice(&found.support);
        self.codes.values[numbers].copy_from_slice(&found.values);
        self.losses[range].iter_mut().zip(&found.losses).for_each(|(to, loss)| *to = *loss as f32);
        Ok(Some((pairwise_sum(&found.losses), found.changed)))
    }

    /// Refits decoders and offset to the codes there are; Σ‖g_k‖²/h_k before. `None` if it was stopped.
    fn refit(&mut self, steps: usize) -> Option<f64> {
        let n = self.rows.count();
        let mut seen: Vec<Range<usize>> = Vec::new();
        for (chunk, _) in self.seen.iter().enumerate().filter(|(_, seen)| **seen) {
            let range = chunk * self.chunk..n.min((chunk + 1) * self.chunk);
            match seen.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => seen.push(range),
            }
        }
        let with_offset = self.settings.offset;
        let done = refit(&mut self.atoms, &self.moments, &self.codes, &seen, with_offset, steps, self.crew);
        if steps > 0 {
            // Of a refit that was stopped, too: its panels differ in how far they came, and rows must be orthonormal.
            normalise(&mut self.atoms, &mut self.moments, &mut self.codes, self.crew);
        }
        done
    }

    /// What Σ‖x − x̄‖² of constant data may be by rounding: the largest |x| is near 1.
    fn floor(&self) -> f64 {
        1e-26 * (self.rows.count() * self.rows.columns()) as f64
    }

    fn again(&mut self, pass: usize, splits: &[Split], sure: usize) -> Result<usize, Error> {
        let mut random = Stream::new(self.settings.seed, Purpose::Start, 1 + pass as u32);
        let (dictionary, scale) = (&mut self.atoms.dictionary, self.survey.scale);
        let of = (splits, sure);
        let born = seeds::again(dictionary, &self.codes, &self.losses, of, self.rows, scale, &mut random, self.crew)?;
        self.atoms.round(self.crew.threads);
        self.young.fill(false);
        born.iter().for_each(|&k| self.young[k] = true);
        Ok(born.len())
    }

    fn end(self, status: Status) -> Lane {
        let warnings = self.atoms.warning().into_iter().collect();
        let mut dictionary = self.atoms.dictionary;
        let mut codes = self.codes;
        dictionary.offset.iter_mut().for_each(|b| *b /= self.survey.scale);
        codes.values.iter_mut().for_each(|c| *c /= self.survey.scale);
        let objective = self.passes.last().map(|pass| pass.objective);
        Lane { status, dictionary, codes, objective, passes: self.passes, seeding: Vec::new(), warnings }
    }
}
