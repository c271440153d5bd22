//! The guard: which steps are committed, and what happens when they go on failing.
//!
//! RUN → SKIP: a step is discarded. After `skips` in a row → BACKOFF: the multiplier s of the learning rate falls by
//! `factor`. After `backoffs` of these, or with s below `least`, → ROLLBACK to the last good snapshot. After `rollbacks` of
//! these, or without a snapshot, → HALT. Parameters that are not finite lead to ROLLBACK at once, since skipping cannot
//! cure them; a candidate that is not finite to BACKOFF at once. So at most skips·(backoffs+1)·(rollbacks+1) steps are
//! discarded between two commits.
//!
//! s multiplies whatever rate a schedule yields; `recovery` good steps win one backoff back.
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
    /// Too many of the last attempts were discarded, though never enough in a row.
    SkipRate,
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
    /// Nothing: the gradient is within the caller's tolerance.
    Rest,
}

/// Where the machine is, or passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Steps are committed.
    Run,
    /// The last step was discarded.
    Skip,
    /// The rate is being lowered.
    Backoff,
    /// A snapshot is being restored.
    Rollback,
    /// The end.
    Halt,
}

/// A phase that was entered, and why (nothing for a return to RUN).
pub type Transition = (Phase, Option<Cause>);

/// Losses of committed steps from which a good snapshot is told.
const RECENT: usize = 32;
/// A good loss lies within this many MAD of their median.
const GOOD: f64 = 3.0;
/// MAD of a normal law to its standard deviation.
const NORMAL: f64 = 1.4826;

/// Windows that go back with a snapshot.
#[derive(Clone, Debug, Default)]
struct Windows {
    /// Losses of commits, newest last.
    losses: VecDeque<f64>,
    /// 1 for an attempt that was discarded, newest last.
    attempts: VecDeque<f64>,
}

/// What a guard puts aside with a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Aside(Windows);

/// Counters and windows; the state of the machine.
#[derive(Clone, Debug)]
pub struct Guard {
    settings: GuardSettings,
    phase: Phase,
    /// s.
    pub multiplier: f64,
    /// Discarded steps in a row.
    pub skipped: u64,
    /// Backoffs since the last rollback, less those won back.
    pub backed_off: u64,
    /// Rollbacks, less those won back.
    pub rolled_back: u64,
    /// Commits.
    pub good: u64,
    /// Attempts, those discarded, and rollbacks carried out.
    pub totals: [u64; 3],
    /// Commits since the last snapshot.
    since: u64,
    windows: Windows,
    transitions: Vec<Transition>,
}

impl Guard {
    /// At the start.
    pub fn new(settings: GuardSettings) -> Self {
        Self {
            settings,
            phase: Phase::Run,
            multiplier: 1.0,
            skipped: 0,
            backed_off: 0,
            rolled_back: 0,
            good: 0,
            totals: [0; 3],
            since: 0,
            windows: Windows::default(),
            transitions: Vec::new(),
        }
    }

    /// Whether it has come to its end.
    pub fn halted(&self) -> bool {
        self.phase == Phase::Halt
    }

    /// Snapshots to be kept.
    pub fn snapshots(&self) -> usize {
        self.settings.snapshots as usize
    }

    /// Phases entered by the last decision, in order.
    pub fn transitions(&self) -> &[Transition] {
        &self.transitions
    }

    /// How far the loss stands out: (loss − median)/(1.4826 MAD) over the window; `None` with too few losses, or if they
    /// are all the same and tell no scale.
    pub fn score(&self, loss: f64) -> Option<f64> {
        if (self.windows.losses.len() as u64) < self.settings.samples {
            return None;
        }
        let (median, deviation) = spread(self.windows.losses.iter().copied());
        (deviation > 0.0).then(|| (loss - median) / (NORMAL * deviation))
    }

    /// Whether this finite loss is a spike.
    pub fn spikes(&self, loss: f64) -> bool {
        self.score(loss).is_some_and(|score| score > self.settings.spike)
    }

    /// What to do with a step about which `cause` was found out; nothing if it is good. `snapshots`: whether there is one.
    pub fn decide(&mut self, cause: Option<Cause>, loss: Option<f64>, snapshots: bool) -> Action {
        self.transitions.clear();
        if self.halted() {
            return Action::Halt;
        }
        if cause == Some(Cause::Overflow) {
            // The scaler's affair; it is neither counted nor forgiven.
            return Action::Skip;
        }
        self.totals[0] += 1;
        let Some(cause) = cause else { return self.commit(loss) };
        self.totals[1] += 1;
        self.attempt(1.0);
        match cause {
            Cause::Parameter => return self.rollback(cause, snapshots),
            Cause::Candidate => return self.backoff(cause, snapshots),
            _ => {}
        }
        self.skipped += 1;
        self.enter(Phase::Skip, Some(cause));
        if self.skipped == self.settings.skips {
            if cause == Cause::Spike {
                // Perhaps it is the new regime: accept it once.
                self.windows.losses.clear();
            }
            return self.backoff(cause, snapshots);
        }
        let discarded: f64 = self.windows.attempts.iter().sum();
        if discarded > self.settings.discards * self.settings.window as f64 {
            return self.backoff(Cause::SkipRate, snapshots);
        }
        Action::Skip
    }

    fn enter(&mut self, phase: Phase, cause: Option<Cause>) {
        self.transitions.push((phase, cause));
        self.phase = phase;
    }

    fn commit(&mut self, loss: Option<f64>) -> Action {
        self.attempt(0.0);
        self.skipped = 0;
        if self.phase != Phase::Run {
            self.enter(Phase::Run, None);
        }
        if let Some(loss) = loss {
            push(&mut self.windows.losses, loss, self.settings.window);
        }
        self.good += 1;
        if self.good.is_multiple_of(self.settings.recovery) {
            self.multiplier = (self.multiplier / self.settings.factor).min(1.0);
            self.backed_off = self.backed_off.saturating_sub(1);
        }
        if self.good.is_multiple_of(10 * self.settings.recovery) {
            self.rolled_back = self.rolled_back.saturating_sub(1);
        }
        self.since += 1;
        let due = self.since >= self.settings.snapshot_every;
        let snapshot = due
            && loss.is_none_or(|loss| {
                let (median, deviation) = spread(self.windows.losses.iter().rev().take(RECENT).copied());
                loss <= median + GOOD * deviation
            });
        if snapshot {
            self.since = 0;
        }
        Action::Commit { snapshot }
    }

    fn attempt(&mut self, discarded: f64) {
        push(&mut self.windows.attempts, discarded, self.settings.window);
    }

    fn backoff(&mut self, cause: Cause, snapshots: bool) -> Action {
        self.enter(Phase::Backoff, Some(cause));
        self.multiplier *= self.settings.factor;
        self.backed_off += 1;
        self.skipped = 0;
        // It has answered for these discards.
        self.windows.attempts.clear();
        if self.backed_off > self.settings.backoffs || self.multiplier < self.settings.least {
            return self.rollback(cause, snapshots);
        }
        self.enter(Phase::Run, None);
        Action::Backoff
    }

    fn rollback(&mut self, cause: Cause, snapshots: bool) -> Action {
        self.enter(Phase::Rollback, Some(cause));
        self.totals[2] += 1;
        if snapshots {
            self.multiplier = self.settings.least.max(self.multiplier * self.settings.factor);
            self.backed_off = 0;
            self.skipped = 0;
            self.since = 0;
            self.rolled_back += 1;
        }
        if !snapshots || self.rolled_back > self.settings.rollbacks {
            self.enter(Phase::Halt, Some(cause));
            return Action::Halt;
        }
        self.enter(Phase::Run, None);
        Action::Rollback
    }

    /// What belongs to a snapshot taken now.
    pub fn aside(&self) -> Aside {
        Aside(self.windows.clone())
    }

    /// Takes the windows of a snapshot that was restored; counters go on.
    pub fn restored(&mut self, from: &Aside) {
        self.windows = from.0.clone();
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
        let mut phase = self.phase as u64;
        state.whole("phase", &mut phase);
        self.phase = [Phase::Run, Phase::Skip].get(phase as usize).copied().unwrap_or(Phase::Halt);
        self.windows.state(state, self.settings.window);
    }
}

impl Aside {
    /// To be saved or loaded, with the settings of its guard.
    pub fn state(&mut self, state: &mut dyn State<f64>, settings: &GuardSettings) {
        self.0.state(state, settings.window);
    }
}

impl Windows {
    fn state(&mut self, state: &mut dyn State<f64>, most: u64) {
        for (name, window) in [("losses", &mut self.losses), ("attempts", &mut self.attempts)] {
            let mut length = window.len() as u64;
            state.whole(name, &mut length);
            // What is read decides, as far as it can be true.
            window.resize(length.min(most) as usize, 0.0);
            state.array(name, window.make_contiguous());
        }
    }
}

fn push(window: &mut VecDeque<f64>, value: f64, most: u64) {
    while window.len() as u64 >= most {
        window.pop_front();
    }
    window.push_back(value);
}

/// Median, and median of the distances from it (0, 0 of nothing).
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut values: Vec<f64> = values.collect();
    let middle = median(&mut values);
    values.iter_mut().for_each(|value| *value = (*value - middle).abs());
    (middle, median(&mut values))
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

    const WORDS: [&str; 5] = ["run", "skip", "backoff", "rollback", "halt"];

    fn word(action: Action) -> &'static str {
        WORDS[match action {
            Action::Commit { .. } => 0,
            Action::Skip => 1,
            Action::Backoff => 2,
            Action::Rollback => 3,
            Action::Halt => 4,
            Action::Rest => unreachable!("no decision"),
        }]
    }

    fn words(guard: &mut Guard, causes: &[Option<Cause>]) -> Vec<&'static str> {
        causes.iter().map(|cause| word(guard.decide(*cause, Some(1.0), true))).collect()
    }

    #[test]
    fn a_lasting_failure_ends_after_27_discarded_steps_and_after_18_without_a_snapshot() {
        for (snapshots, last) in [(true, 3), (false, 0)] {
            let mut guard = Guard::new(GuardSettings::default());
            let mut found = Vec::new();
            while !guard.halted() {
                found.push(word(guard.decide(Some(Cause::Gradient), None, snapshots)));
            }
            // s = 1 → 2⁻⁵ by five backoffs, the sixth is a rollback; then s is at its least, and each backoff is one.
            let mut expected = ["skip", "skip", "backoff"].repeat(5);
            expected.extend(["skip", "skip", "rollback"].repeat(last));
            expected.extend(["skip", "skip", "halt"]);
            assert_eq!(found, expected);
        }
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
            guard.decide(None, Some(loss), true);
        }
        assert!(guard.spikes(5.0) && !guard.spikes(0.1), "only upwards");
        assert_eq!(words(&mut guard, &[Some(Cause::Spike); 3]), ["skip", "skip", "backoff"]);
        assert!(!guard.spikes(5.0), "the window is empty");
    }

    #[test]
    fn discards_between_commits_are_noticed() {
        // Two of three steps are discarded, never three in a row.
        let mut guard = Guard::new(GuardSettings::default());
        let causes: Vec<_> = (0..60).map(|at| (at % 3 != 0).then_some(Cause::Gradient)).collect();
        let found = words(&mut guard, &causes);
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
            if guard.decide(None, Some(loss), true) == (Action::Commit { snapshot: true }) {
                taken.push(at);
            }
        }
        assert_eq!(taken, [50, 100, 150]);
    }
}
