//! The codes of one row: a beam over supports, in which every atom is placed beside the others.

use headwater_linalg::dense::inner;

use crate::coding::place::{Amount, Place, Scratch};
use crate::coding::{CodingSettings, Tables};
use crate::problem::{AmplitudePrior, Gate, Problem};

/// Turns of placing the atoms of a support again, while it is one of several and when it is the last.
const TURNS: usize = 2;
const LAST_TURNS: usize = 3;
/// Supports that are tried from other places, and those places: parts of a period, or of seven standard deviations.
const RETRIED: usize = 3;
const PLACES: usize = 4;
/// Further atoms that are tried with a support; the most promising ones where there are more.
const TRIED: usize = 48;

/// One atom of a support.
#[derive(Clone, Debug, Default)]
struct Slot {
    atom: usize,
    place: Place,
    /// Φ at the place.
    phi: Vec<f64>,
}

/// A support with its places.
#[derive(Clone, Debug, Default)]
struct Support {
    slots: Vec<Slot>,
    energy: f64,
}

impl Support {
    fn has(&self, k: usize) -> bool {
        self.slots.iter().any(|slot| slot.atom == k)
    }

    /// The same atoms as another support with one more.
    fn same(&self, other: &Self, more: usize) -> bool {
        self.slots.len() == other.slots.len() + 1
            && self.has(more)
            && other.slots.iter().all(|slot| self.has(slot.atom))
    }
}

/// Of one row: what is on, gate parameters and coordinates.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowCode {
    pub support: Vec<usize>,
    pub gates: Vec<f64>,
    pub coordinates: Vec<f64>,
    /// Whether every place that was asked for on the way is proved to be the best one.
    pub certain: bool,
}

/// The search of a row's code, with its memory.
pub(super) struct Coder<'t> {
    tables: &'t Tables<'t>,
    settings: CodingSettings,
    /// ω/φ of the row's cells.
    weights: Vec<f64>,
    /// Their common value, where they are equal.
    weight: f64,
    /// BΩz/φ of all functions.
    linear: Vec<f64>,
    left: Vec<f64>,
    gram: Vec<f64>,
    cross: Vec<f64>,
    jet: Vec<f64>,
    work: Scratch,
    place: Place,
    certain: bool,
}

impl<'t> Coder<'t> {
    pub fn new(tables: &'t Tables<'t>, settings: CodingSettings) -> Self {
        let empty = Vec::new;
        Self {
            tables,
            settings,
            weights: empty(),
            weight: 1.0,
            linear: empty(),
            left: empty(),
            gram: empty(),
            cross: empty(),
            jet: empty(),
            work: Scratch::default(),
            place: Place::default(),
            certain: true,
        }
    }

    fn problem(&self) -> &'t Problem {
        self.tables.objective.problem
    }

    fn load(&mut self, n: usize) {
        let problem = self.problem();
        let p = problem.columns;
        self.weights.resize(p, 0.0);
        problem.cell_weights(n, &mut self.weights);
        let noise = self.tables.objective.strengths.noise;
        self.weights.iter_mut().for_each(|w| *w /= noise);
        self.weight = self.weights[0];
        let weighed: Vec<f64> = problem.row(n).iter().zip(&self.weights).map(|(z, w)| z * w).collect();
        self.linear.resize(problem.channels, 0.0);
        headwater_linalg::dense::product(self.tables.decoders, &weighed, &mut self.linear);
    }

    /// B_kΩB_lᵀ/φ into `self.gram` or `self.cross`.
    fn products(&mut self, k: usize, l: usize) {
        let problem = self.problem();
        let p = problem.columns;
        let (a, b) = (&problem.atoms[k], &problem.atoms[l]);
        let out = if k == l { &mut self.gram } else { &mut self.cross };
        out.clear();
        for i in a.channel..a.channel + a.functions {
            match &self.tables.grams {
                Some(grams) => {
                    let row = &grams[i * problem.channels + b.channel..][..b.functions];
                    out.extend(row.iter().map(|x| self.weight * x));
                }
                None => {
                    let left = &self.tables.decoders[i * p..(i + 1) * p];
                    out.extend((b.channel..b.channel + b.functions).map(|j| {
                        let right = &self.tables.decoders[j * p..(j + 1) * p];
                        left.iter().zip(right).zip(&self.weights).map(|((x, y), w)| x * y * w).sum::<f64>()
                    }));
                }
            }
        }
    }

    /// l of atom k in what the others of a support leave.
    fn leave(&mut self, k: usize, support: &Support) {
        let atom = &self.problem().atoms[k];
        self.left.clear();
        self.left.extend_from_slice(&self.linear[atom.channel..atom.channel + atom.functions]);
        for slot in support.slots.iter().filter(|slot| slot.atom != k && slot.place.amount != 0.0) {
            self.products(k, slot.atom);
            for (left, row) in self.left.iter_mut().zip(self.cross.chunks_exact(slot.phi.len())) {
                *left -= slot.place.amount * inner(row, &slot.phi);
            }
        }
    }

    fn amount(&self, k: usize) -> Amount {
        let alpha = self.tables.objective.strengths.amplitude[k];
        match self.problem().gate {
            Gate::Amplitude(AmplitudePrior::Normal) => Amount::Free { charge: -alpha, ridge: alpha, rent: 0.5 * alpha },
            Gate::Amplitude(AmplitudePrior::HalfNormal) => Amount::Free { charge: 0.0, ridge: alpha, rent: 0.0 },
            Gate::Amplitude(AmplitudePrior::Exponential) => Amount::Free { charge: alpha, ridge: 0.0, rent: 0.0 },
            _ => Amount::Fixed(1.0),
        }
    }

    /// The best place of atom k beside the others of a support, in `self.place`; it may be where slot `from` of the support is.
    fn find(&mut self, k: usize, support: &Support, amount: Amount, most: f64, from: Option<usize>) {
        self.leave(k, support);
        self.products(k, k);
        let mut place = std::mem::take(&mut self.place);
        let from = from.map(|at| support.slots[at].place.t.as_slice());
        let proved = self.settings.thorough;
        let finder = &self.tables.finders[k];
        self.certain &= finder.find(&self.left, &self.gram, amount, most, from, proved, &mut self.work, &mut place);
        self.place = place;
    }

    fn slot(&mut self, k: usize) -> Slot {
        let atom = &self.problem().atoms[k];
        self.jet.resize(atom.jet_len(), 0.0);
        atom.basis.jet(&self.place.t, &mut self.jet);
        Slot { atom: k, place: self.place.clone(), phi: self.jet[..atom.functions].to_vec() }
    }

    /// Every atom of the support placed again in turns, each beside the others; its energy.
    fn settle(&mut self, support: &mut Support, turns: usize, amounts: Option<&[f64]>) {
        if support.slots.len() == 1 && amounts.is_none() {
            return;
        }
        for _ in 0..turns {
            let mut energy = 0.0;
            let before = support.energy;
            for at in 0..support.slots.len() {
                let k = support.slots[at].atom;
                let amount = amounts.map_or_else(|| self.amount(k), |amounts| Amount::Fixed(amounts[k]));
                self.find(k, support, amount, amount.limit(), Some(at));
                support.slots[at] = self.slot(k);
                energy += self.energy_beside(support, at);
            }
            support.energy = energy;
            if (before - energy).abs() <= 1e-9 * energy.abs() {
                break;
            }
        }
    }

    /// Places the atoms of a support again from elsewhere: each in turn is moved away, the others make room, and all settle.
    fn retry(&mut self, support: &mut Support) {
        let from = support.clone();
        for at in 0..from.slots.len() {
            let k = from.slots[at].atom;
            let atom = &self.problem().atoms[k];
            if atom.dimension == 0 {
                continue;
            }
            for part in 1..PLACES {
                let mut tried = from.clone();
                // The one that was moved is placed last.
                let mut slot = tried.slots.remove(at);
                for (axis, t) in slot.place.t.iter_mut().enumerate() {
                    let unit = 7.0 / self.tables.objective.strengths.ard[atom.coordinate + axis].sqrt();
                    *t += atom.basis.period(axis).unwrap_or(unit) * part as f64 / PLACES as f64;
                }
                atom.basis.retract(&mut slot.place.t);
                self.place.clone_from(&slot.place);
                tried.slots.push(self.slot(k));
                tried.energy = f64::INFINITY;
                self.settle(&mut tried, TURNS, None);
                if tried.energy < support.energy {
                    *support = tried;
                }
            }
        }
    }

    /// What slot `at` adds to the energy beside the slots before it. Their sum over a support is its energy.
    fn energy_beside(&mut self, support: &Support, at: usize) -> f64 {
        let slot = &support.slots[at];
        // `self.place.energy` counts the products with all others; those with the later ones are theirs to count.
        let mut energy = slot.place.energy;
        for other in &support.slots[at + 1..] {
            self.products(slot.atom, other.atom);
            let rows = self.cross.chunks_exact(other.phi.len());
            let product: f64 = rows.zip(&slot.phi).map(|(row, x)| x * inner(row, &other.phi)).sum();
            energy -= slot.place.amount * other.place.amount * product;
        }
        energy
    }

    /// The atoms that may follow a support.
    fn candidates(&mut self, support: &Support) -> Vec<usize> {
        let problem = self.problem();
        let mut open: Vec<usize> = (0..problem.atoms.len()).filter(|&k| !support.has(k)).collect();
        if open.len() > TRIED {
            let mut scored: Vec<(f64, usize)> = open
                .iter()
                .map(|&k| {
                    self.leave(k, support);
                    self.products(k, k);
                    let m = self.left.len();
                    let trace: f64 = (0..m).map(|i| self.gram[i * m + i]).sum();
                    (inner(&self.left, &self.left) / trace.max(f64::MIN_POSITIVE), k)
                })
                .collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            scored.truncate(TRIED);
            open = scored.into_iter().map(|(_, k)| k).collect();
            open.sort_unstable();
        }
        open
    }

    /// The code with the least energy that the beam finds.
    pub fn row(&mut self, n: usize) -> RowCode {
        self.load(n);
        self.certain = true;
        // Supports of one atom compete as they are found; of those with more, twins of the same atoms may be among the best.
        let keep = if self.settings.active == 1 { 1 } else { self.settings.active * self.settings.beam };
        let mut layer = vec![Support::default()];
        let mut best = Support::default();
        for _ in 0..self.settings.active {
            let mut found: Vec<(f64, usize, usize, Slot)> = Vec::new();
            let mut lowest: Vec<f64> = Vec::with_capacity(keep + 1);
            for (from, support) in layer.iter().enumerate() {
                for k in self.candidates(support) {
                    // What is not among the best anyway need not be found. Where several are on, an atom alone may raise the
                    // energy and lower it once all have made room.
                    let amount = self.amount(k);
                    let limit = if self.settings.active > 1 { amount.limit() } else { 0.0 };
                    let most =
                        if lowest.len() == keep { (lowest[keep - 1] - support.energy).min(limit) } else { limit };
                    self.find(k, support, amount, most, None);
                    if self.place.amount > 0.0 {
                        let energy = support.energy + self.place.energy;
                        let at = lowest.partition_point(|other| *other <= energy);
                        lowest.insert(at, energy);
                        lowest.truncate(keep);
                        found.push((energy, from, k, self.slot(k)));
                    }
                }
            }
            found.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
            let mut next: Vec<Support> = Vec::with_capacity(self.settings.beam);
            for (energy, from, k, slot) in found {
                if next.len() == self.settings.beam {
                    break;
                }
                if next.iter().any(|other| other.same(&layer[from], k)) {
                    continue;
                }
                let mut slots = layer[from].slots.clone();
                slots.push(slot);
                next.push(Support { slots, energy });
            }
            if next.is_empty() {
                break;
            }
            next.iter_mut().for_each(|support| self.settle(support, TURNS, None));
            next.sort_by(|a, b| a.energy.total_cmp(&b.energy));
            if self.settings.thorough && next[0].slots.len() > 1 {
                next.iter_mut().take(RETRIED).for_each(|support| self.retry(support));
                next.sort_by(|a, b| a.energy.total_cmp(&b.energy));
            }
            if next[0].energy < best.energy {
                best = next[0].clone();
            }
            layer = next;
        }
        self.settle(&mut best, LAST_TURNS, None);
        best.slots.retain(|slot| slot.place.amount > 0.0);
        best.slots.sort_by_key(|slot| slot.atom);
        let amplitudes = matches!(self.problem().gate, Gate::Amplitude(_));
        RowCode {
            support: best.slots.iter().map(|slot| slot.atom).collect(),
            gates: if amplitudes { best.slots.iter().map(|slot| slot.place.amount).collect() } else { Vec::new() },
            coordinates: best.slots.iter().flat_map(|slot| slot.place.t.iter().copied()).collect(),
            certain: self.certain,
        }
    }

    /// All atoms with given amounts.
    pub fn together(&mut self, n: usize, amounts: &[f64], logits: &[f64]) -> RowCode {
        self.load(n);
        let mut support = Support::default();
        // The largest first: the others take what it leaves.
        let mut order: Vec<usize> = (0..amounts.len()).collect();
        order.sort_by(|a, b| amounts[*b].total_cmp(&amounts[*a]).then(a.cmp(b)));
        for k in order {
            self.find(k, &support, Amount::Fixed(amounts[k]), f64::INFINITY, None);
            let slot = self.slot(k);
            support.slots.push(slot);
        }
        self.settle(&mut support, TURNS, Some(amounts));
        support.slots.sort_by_key(|slot| slot.atom);
        RowCode {
            support: (0..amounts.len()).collect(),
            gates: logits.to_vec(),
            coordinates: support.slots.iter().flat_map(|slot| slot.place.t.iter().copied()).collect(),
            certain: false,
        }
    }
}
