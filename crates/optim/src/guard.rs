//! The guard: which steps are committed, and what happens when they go on failing.
//!
//! RUN → SKIP: a step is discarded. After `skips` in a row → BACKOFF: the multiplier s of the learning rate falls by
//! `factor`. After `backoffs` of these, or with s below `least`, → ROLLBACK to the last good snapshot. After `rollbacks` of
//! these, or without a snapshot, → HALT. What is not finite in the parameters themselves leads to ROLLBACK at once, since
//! skipping cannot cure it; a candidate that is not finite to BACKOFF at once. So at most skips·(backoffs+1)·(rollbacks+1)
//! steps are discarded between two commits.
//!
//! s multiplies whatever rate a schedule yields, and every `recovery` good steps win one backoff back.
//!
//! It decides and counts; snapshots and arithmetic are the [`crate::stepper`]'s.

use std::collections::VecDeque;

use headwater_base::Error;

use crate::rule::State;
use crate::settings::{at_least, fraction, positive};

/// Settings. The defaults bound the discarded steps by 72, and forgive a spike or two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardSettings {
    /// Discarded steps in a row before a backoff. 3.
    pub skips: u64,
    /// Backoffs before a rollback. 5.
    pub backoffs: u64,
    /// Rollbacks before the end. 3.
    pub rollbacks: u64,
    /// What a backoff multiplies s by. 0.5.
    pub factor: f64,
    /// Smallest s. 2⁻⁵.
    pub least: f64,
    /// Good steps that win a backoff back (ten times as many: a rollback). 200.
    pub recovery: u64,
    /// Commits between two snapshots. 50.
    pub snapshot_every: u64,
    /// Snapshots that are kept. 2: the last one may hold what went wrong later.
    pub snapshots: u64,
    /// Robust z of the loss above which a step is a spike; infinite for none. 6.
    pub spike: f64,
    /// Losses that z is computed from. 128.
    pub window: u64,
    /// Fewest of them. 64.
    pub samples: u64,
    /// Share of the last `window` attempts that may be discarded. 0.2.
    pub discards: f64,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            skips: 3,
            backoffs: 5,
            rollbacks: 3,
            factor: 0.5,
            least: 1.0 / 32.0,
            recovery: 200,
            snapshot_every: 50,
            snapshots: 2,
            spike: 6.0,
            window: 128,
            samples: 64,
            discards: 0.2,
        }
    }
}

impl GuardSettings {
    /// Refuses settings outside their ranges.
    pub fn check(&self) -> Result<(), Error> {
        for (name, value) in [
            ("skips", self.skips),
            ("recovery", self.recovery),
            ("snapshotEvery", self.snapshot_every),
            ("snapshots", self.snapshots),
            ("window", self.window),
            ("samples", self.samples),
        ] {
            at_least(name, value as f64, 1.0)?;
        }
        positive("factor", self.factor)?;
        fraction("factor", self.factor)?;
        positive("least", self.least)?;
        at_least("spike", self.spike, f64::MIN_POSITIVE)?;
        at_least("discards", self.discards, 0.0)
    }
}

/// What was found out about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The loss is NaN or infinite.
    Loss,
    /// A gradient is.
    Gradient,
    /// A parameter is, before the step.
    Parameter,
    /// The product of a probe is.
    Probe,
    /// The candidate or the state that goes with it is.
    Candidate,
    /// The loss stands out.
    Spike,
    /// A linear solve behind the loss or the gradient did not converge.
    Solver,
    /// A scaled gradient overflowed: the caller's scaler deals with it.
    Overflow,
}

impl Cause {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loss => "lossNotFinite",
            Self::Gradient => "gradientNotFinite",
            Self::Parameter => "parameterNotFinite",
            Self::Probe => "probeNotFinite",
            Self::Candidate => "candidateNotFinite",
            Self::Spike => "spike",
            Self::Solver => "solverFailed",
            Self::Overflow => "overflow",
        }
    }
}

/// What is to be done with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Carry it out; with a snapshot afterwards if that says so.
    Commit {
        /// The state is worth keeping.
        snapshot: bool,
    },
    /// Give it up.
    Skip,
    /// Give it up; the rate has been lowered.
    Backoff,
    /// Give it up and go back to the last good snapshot.
    Rollback,
    /// Go back to the last good snapshot and end.
    Halt,
}

impl Action {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commit { .. } => "run",
            Self::Skip => "skip",
            Self::Backoff => "backoff",
            Self::Rollback => "rollback",
            Self::Halt => "halt",
        }
    }
}

/// Losses of committed steps from which a good snapshot is told.
const RECENT: usize = 32;
/// A good loss lies within this many MAD of their median.
const GOOD: f64 = 3.0;
/// MAD of a normal law to its standard deviation.
const NORMAL: f64 = 1.4826;

/// Counters and windows; the state of the machine.
#[derive(Clone, Debug)]
pub struct Guard {
    settings: GuardSettings,
    /// s.
    pub multiplier: f64,
    /// Discarded steps in a row.
    pub skipped: u64,
    /// Backoffs since the last rollback, less those won back.
    pub backed_off: u64,
    /// Rollbacks, less those won back.
    pub rolled_back: u64,
    /// Good steps since the last one that was not.
    pub good: u64,
    /// All steps that were tried, discarded, and rollbacks carried out.
    pub totals: [u64; 3],
    /// Commits since the last snapshot.
    since: u64,
    halted: bool,
    losses: VecDeque<f64>,
    recent: VecDeque<f64>,
    /// 1 for a discarded attempt.
    attempts: VecDeque<f64>,
}

impl Guard {
    /// At the start.
    pub fn new(settings: GuardSettings) -> Self {
        Self {
            settings,
            multiplier: 1.0,
            skipped: 0,
            backed_off: 0,
            rolled_back: 0,
            good: 0,
            totals: [0; 3],
            since: 0,
            halted: false,
            losses: VecDeque::new(),
            recent: VecDeque::new(),
            attempts: VecDeque::new(),
        }
    }

    /// Whether it has come to its end.
    pub fn halted(&self) -> bool {
        self.halted
    }

    /// Snapshots to be kept.
    pub fn snapshots(&self) -> usize {
        self.settings.snapshots as usize
    }

    /// How far the loss stands out: (loss − median)/(1.4826 MAD) over the window; `None` with too few of them. A window of
    /// equal losses counts as one that varies by 1e-6 of their size.
    pub fn score(&self, loss: f64) -> Option<f64> {
        if (self.losses.len() as u64) < self.settings.samples {
            return None;
        }
        let (median, deviation) = spread(&self.losses);
        Some((loss - median) / (NORMAL * deviation).max(1e-6 * median.abs()).max(f64::MIN_POSITIVE))
    }

    /// Whether this finite loss is a spike.
    pub fn spikes(&self, loss: f64) -> bool {
        self.score(loss).is_some_and(|score| score > self.settings.spike)
    }

    /// What to do with a step about which `cause` was found out; nothing if it is good.
    pub fn decide(&mut self, cause: Option<Cause>, loss: Option<f64>) -> Action {
        if self.halted {
            return Action::Halt;
        }
        self.totals[0] += 1;
        let Some(cause) = cause else { return self.commit(loss) };
        self.totals[1] += 1;
        if cause == Cause::Overflow {
            // The scaler's affair; it is neither counted nor forgiven.
            return Action::Skip;
        }
        self.good = 0;
        self.attempt(1.0);
        if cause == Cause::Parameter {
            return self.rollback();
        }
        self.skipped += 1;
        let discarded: f64 = self.attempts.iter().sum();
        let often = discarded > self.settings.discards * self.settings.window as f64;
        if cause == Cause::Candidate || self.skipped >= self.settings.skips || often {
            if cause == Cause::Spike {
                // Perhaps it is the new regime: accept it once.
                self.losses.clear();
            }
            if often {
                self.attempts.clear();
            }
            return self.backoff();
        }
        Action::Skip
    }

    fn commit(&mut self, loss: Option<f64>) -> Action {
        self.attempt(0.0);
        self.skipped = 0;
        self.good += 1;
        self.since += 1;
        if self.good.is_multiple_of(self.settings.recovery) {
            self.multiplier = (self.multiplier / self.settings.factor).min(1.0);
            self.backed_off = self.backed_off.saturating_sub(1);
        }
        if self.good.is_multiple_of(10 * self.settings.recovery) {
            self.rolled_back = self.rolled_back.saturating_sub(1);
        }
        let fine = loss.is_none_or(|loss| {
            let (median, deviation) = spread(&self.recent);
            self.recent.is_empty() || loss <= median + GOOD * deviation
        });
        if let Some(loss) = loss {
            push(&mut self.losses, loss, self.settings.window as usize);
            push(&mut self.recent, loss, RECENT);
        }
        let snapshot = self.since >= self.settings.snapshot_every && fine;
        if snapshot {
            self.since = 0;
        }
        Action::Commit { snapshot }
    }

    fn attempt(&mut self, discarded: f64) {
        push(&mut self.attempts, discarded, self.settings.window as usize);
    }

    fn backoff(&mut self) -> Action {
        self.multiplier *= self.settings.factor;
        self.backed_off += 1;
        self.skipped = 0;
        if self.backed_off > self.settings.backoffs || self.multiplier < self.settings.least {
            return self.rollback();
        }
        Action::Backoff
    }

    fn rollback(&mut self) -> Action {
        self.multiplier = self.settings.least.max(self.multiplier * self.settings.factor);
        self.backed_off = 0;
        self.skipped = 0;
        self.rolled_back += 1;
        self.attempts.clear();
        if self.rolled_back > self.settings.rollbacks { self.halt() } else { Action::Rollback }
    }

    /// The end; also what the stepper says when it has no snapshot to go back to.
    pub fn halt(&mut self) -> Action {
        self.halted = true;
        Action::Halt
    }

    /// Takes the windows of a snapshot; counters go on.
    pub fn restored(&mut self, from: &Guard) {
        self.losses = from.losses.clone();
        self.recent = from.recent.clone();
        self.since = 0;
        self.totals[2] += 1;
    }

    /// Everything, to be saved or loaded.
    pub fn state(&mut self, state: &mut dyn State<f64>) {
        state.real("multiplier", &mut self.multiplier);
        for (name, value) in [
            ("skipped", &mut self.skipped),
            ("backedOff", &mut self.backed_off),
            ("rolledBack", &mut self.rolled_back),
            ("good", &mut self.good),
            ("since", &mut self.since),
        ] {
            state.whole(name, value);
        }
        for (name, value) in ["attempted", "discarded", "restored"].into_iter().zip(&mut self.totals) {
            state.whole(name, value);
        }
        let mut halted = u64::from(self.halted);
        state.whole("halted", &mut halted);
        self.halted = halted != 0;
        for (name, window, most) in [
            ("losses", &mut self.losses, self.settings.window as usize),
            ("recent", &mut self.recent, RECENT),
            ("attempts", &mut self.attempts, self.settings.window as usize),
        ] {
            let mut length = window.len() as u64;
            state.whole(name, &mut length);
            // What is read decides, as far as it can be true.
            window.resize((length as usize).min(most), 0.0);
            state.array(name, window.make_contiguous());
        }
    }
}

fn push(window: &mut VecDeque<f64>, value: f64, most: usize) {
    while window.len() >= most {
        window.pop_front();
    }
    window.push_back(value);
}

/// Median, and median of the distances from it (0, 0 of nothing).
fn spread(values: &VecDeque<f64>) -> (f64, f64) {
    let mut sorted: Vec<f64> = values.iter().copied().collect();
    let middle = median(&mut sorted);
    let mut distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    (middle, median(&mut distances))
}

fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { 0.5 * (values[half - 1] + values[half]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(guard: &mut Guard, causes: &[Option<Cause>]) -> Vec<&'static str> {
        causes.iter().map(|cause| guard.decide(*cause, Some(1.0)).as_str()).collect()
    }

    #[test]
    fn a_lasting_failure_ends_after_27_discarded_steps() {
        let mut guard = Guard::new(GuardSettings::default());
        let mut found = Vec::new();
        while !guard.halted() {
            found.push(guard.decide(Some(Cause::Gradient), None).as_str());
        }
        // s = 1 → 2⁻⁵ by five backoffs, the sixth is a rollback; then s is at its least, and each backoff is one.
        let mut expected = ["skip", "skip", "backoff"].repeat(5);
        expected.extend(["skip", "skip", "rollback"].repeat(3));
        expected.extend(["skip", "skip", "halt"]);
        assert_eq!(found, expected);
    }

    #[test]
    fn what_skipping_cannot_cure_is_not_skipped() {
        let mut guard = Guard::new(GuardSettings::default());
        assert_eq!(words(&mut guard, &[Some(Cause::Candidate)]), ["backoff"]);
        assert_eq!(guard.multiplier, 0.5);
        assert_eq!(words(&mut guard, &[Some(Cause::Parameter)]), ["rollback"]);
        assert_eq!((guard.multiplier, guard.backed_off), (0.25, 0));
    }

    #[test]
    fn an_overflow_of_the_scaler_consumes_nothing() {
        let mut guard = Guard::new(GuardSettings::default());
        assert_eq!(words(&mut guard, &[Some(Cause::Overflow); 100]), ["skip"; 100]);
        assert_eq!((guard.skipped, guard.backed_off, guard.multiplier), (0, 0, 1.0));
    }

    #[test]
    fn commits_win_backoffs_back() {
        let mut guard = Guard::new(GuardSettings::default());
        words(&mut guard, &[Some(Cause::Candidate), Some(Cause::Candidate)]);
        assert_eq!((guard.multiplier, guard.backed_off), (0.25, 2));
        words(&mut guard, &[None; 200]);
        assert_eq!((guard.multiplier, guard.backed_off), (0.5, 1));
        words(&mut guard, &[None; 200]);
        assert_eq!((guard.multiplier, guard.backed_off), (1.0, 0));
    }

    #[test]
    fn a_spike_is_skipped_and_a_new_regime_accepted() {
        let mut guard = Guard::new(GuardSettings::default());
        for at in 0..100 {
            let loss = 1.0 + 0.01 * f64::from(at % 7);
            assert!(!guard.spikes(loss));
            guard.decide(None, Some(loss));
        }
        assert!(guard.spikes(5.0) && !guard.spikes(0.1), "only upwards");
        assert_eq!(words(&mut guard, &[Some(Cause::Spike); 3]), ["skip", "skip", "backoff"]);
        assert!(!guard.spikes(5.0), "the window is empty");
    }

    #[test]
    fn discards_between_commits_are_noticed() {
        // Two of three steps are discarded, never three in a row.
        let mut guard = Guard::new(GuardSettings::default());
        let found: Vec<&str> =
            (0..60).map(|at| guard.decide((at % 3 != 0).then_some(Cause::Gradient), None).as_str()).collect();
        // 0.2 · 128 = 25.6: the 26th discarded step, the 39th attempt.
        assert_eq!(found.iter().position(|word| *word == "backoff"), Some(38));
        assert_eq!(found.iter().filter(|word| **word == "backoff").count(), 1);
    }

    #[test]
    fn snapshots_are_of_good_steps() {
        let mut guard = Guard::new(GuardSettings::default());
        let mut taken = Vec::new();
        for at in 0..200 {
            // At the 50th the loss is high, though no spike.
            let loss = if at == 49 { 1.2 } else { 1.0 + 0.01 * f64::from(at % 7) };
            if guard.decide(None, Some(loss)) == (Action::Commit { snapshot: true }) {
                taken.push(at);
            }
        }
        assert_eq!(taken, [50, 100, 150]);
    }
}
