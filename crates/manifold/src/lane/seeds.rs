//! Where atoms begin, and begin again.

use headwater_base::Error;
use headwater_base::parallel::{Crew, for_each_piece};
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::dense::{add_scaled, inner};

use crate::lane::Rows;
use crate::lane::dictionary::{Codes, Dictionary, NONE};
use crate::lane::settings::{Seeds, Settings};
use crate::lane::survey::{Survey, read};

/// Most atoms that may be split after a pass, and rows of each that are looked at.
const SPLITS: usize = 256;
const MEMBERS: usize = 256;
/// Atoms that begin again after the same pass differ by more than this |cos|.
const ALIKE: f64 = 0.8;

/// Atoms that are one piece of work.
const PIECE: usize = 32;

/// The first dictionary: directions of rows less the mean (drawn without repetition, rows at the mean skipped), then, where the
/// rows run out, random ones. The second axis of a plane is random. `None` if it was stopped.
pub(super) fn first(
    rows: &dyn Rows,
    survey: &Survey,
    settings: &Settings,
    crew: Crew,
) -> Result<Option<Dictionary>, Error> {
    let (p, w, n, count) = (rows.columns(), settings.shape.width(), rows.count(), settings.atoms);
    let offset = if settings.offset { survey.mean.clone() } else { vec![0.0; p] };
    let mut directions = vec![0.0; count * w * p];
    let (mut begun, mut taken) = (0, 0);
    let mut random = Stream::new(settings.seed, Purpose::Start, 0);
    let mut order: Vec<u32> = if settings.seeds == Seeds::Rows { (0..n as u32).collect() } else { Vec::new() };
    while begun < count && taken < order.len() {
        // As many rows as atoms are missing, by steps of Fisher and Yates' shuffle; rows at the mean give none.
        let next = order.len().min(taken + count - begun);
        for at in taken..next {
            let with = at + random.below(order.len() - at);
            order.swap(at, with);
        }
        let drawn = &order[taken..next];
        taken = next;
        let read = |piece: usize| -> Result<Vec<f64>, Error> {
            let (mut out, mut row) = (Vec::new(), Vec::new());
            for &from in &drawn[piece * PIECE..drawn.len().min((piece + 1) * PIECE)] {
                read(rows, from as usize..from as usize + 1, survey.scale, &mut row)?;
                row.iter_mut().zip(&offset).for_each(|(x, b)| *x -= b);
                if clean(&mut row, &[]) {
                    out.extend_from_slice(&row);
                }
            }
            Ok(out)
        };
        let Some(parts) = crew.map(drawn.len().div_ceil(PIECE), read) else { return Ok(None) };
        for part in parts {
            for row in part?.chunks_exact(p) {
                directions[begun * w * p..][..p].copy_from_slice(row);
                begun += 1;
            }
        }
    }
    // Each atom has a stream of its own, from the last one down: those of passes count from 1 up.
    for_each_piece(crew.threads, &mut directions, w * p, |k, atom| {
        if crew.stopped() {
            return;
        }
        let mut random = Stream::new(settings.seed, Purpose::Start, u32::MAX - k as u32);
        for u in usize::from(k < begun)..w {
            let (before, own) = atom.split_at_mut(u * p);
            loop {
                own[..p].iter_mut().for_each(|x| *x = random.normal());
                if clean(&mut own[..p], before) {
                    break;
                }
            }
        }
    });
    if crew.stopped() {
        return Ok(None);
    }
    Ok(Some(Dictionary {
        shape: settings.shape,
        non_negative: settings.non_negative,
        ridge: settings.ridge,
        offset,
        directions,
    }))
}

/// A dictionary without knowledge: the axes of the columns, in turns.
pub(super) fn axes(columns: usize, settings: &Settings) -> Dictionary {
    let mut directions = vec![0.0; settings.atoms * settings.shape.width() * columns];
    directions.chunks_exact_mut(columns).enumerate().for_each(|(at, d)| d[at % columns] = 1.0);
    Dictionary {
        shape: settings.shape,
        non_negative: settings.non_negative,
        ridge: settings.ridge,
        offset: vec![0.0; columns],
        directions,
    }
}

/// Makes x a unit vector at right angles to another one (or none); false where nothing is left of it.
pub(super) fn clean(x: &mut [f64], other: &[f64]) -> bool {
    let size = inner(x, x).sqrt();
    if size < 1e-12 {
        return false;
    }
    x.iter_mut().for_each(|x| *x /= size);
    if !other.is_empty() {
        (0..2).for_each(|_| add_scaled(-inner(other, x), other, x));
    }
    let left = inner(x, x).sqrt();
    x.iter_mut().for_each(|x| *x /= left);
    left > 1e-3
}

/// Rows in which each atom is active.
pub(super) fn uses(codes: &Codes, atoms: usize) -> Vec<u32> {
    let mut out = vec![0; atoms];
    codes.support.iter().filter(|&&atom| atom != NONE).for_each(|&atom| out[atom as usize] += 1);
    out
}

/// An atom that seems to stand between two features.
pub(super) struct Split {
    /// Which.
    atom: usize,
    /// ρv: v the direction in which the residuals of the atom's rows vary most, ρ the ratio of their spread along it to that of
    /// the codes: were the atom between features d ± ρv, this is where they would be.
    toward: Vec<f64>,
    /// What a second atom there would take off 2F, about.
    pub gain: f64,
}

/// The atoms whose rows lose most above the mean of all rows, and what splitting them would gain, by falling gain; none that is what
/// noise would show. `None` if it was stopped.
pub(super) fn splits(
    dictionary: &Dictionary,
    codes: &Codes,
    losses: &[f32],
    rows: &dyn Rows,
    scale: f64,
    crew: Crew,
) -> Result<Option<Vec<Split>>, Error> {
    let uses = uses(codes, dictionary.atoms());
    let crowded = crowded(codes, losses, &uses, SPLITS);
    let found = crew.map(crowded.len(), |at| beside(dictionary, codes, &crowded[at], rows, scale));
    let Some(found) = found else { return Ok(None) };
    let mut out = Vec::new();
    for ((atom, members), found) in crowded.into_iter().zip(found) {
        let Some((toward, gain)) = found? else { continue };
        out.push(Split { atom, toward, gain: gain * f64::from(uses[atom]) / members.len() as f64 });
    }
    out.sort_by(|a, b| b.gain.total_cmp(&a.gain).then(a.atom.cmp(&b.atom)));
    Ok(Some(out))
}

/// Lets unused atoms begin again: the first `sure` beside atoms to be split, then in turns there and as the residual of a row with a
/// large loss, unlike those before it. As many as there are such places. Returns which.
pub(super) fn again(
    dictionary: &mut Dictionary,
    codes: &Codes,
    losses: &[f32],
    (splits, sure): (&[Split], usize),
    rows: &dyn Rows,
    scale: f64,
    random: &mut Stream,
    crew: Crew,
) -> Result<Vec<usize>, Error> {
    let (p, w) = (dictionary.columns(), dictionary.shape.width());
    let uses = uses(codes, dictionary.atoms());
    let mut unused: Vec<usize> = (0..uses.len()).filter(|&k| uses[k] == 0).collect();
    if unused.is_empty() {
        return Ok(unused);
    }
    let mut split = splits.iter();
    let mut odd = odd_rows(losses, 4 * unused.len()).into_iter();
    let (mut born, mut taken) = (0, 0);
    // The last newcomers alone are compared: all would be quadratic in their number.
    const COMPARED: usize = 512;
    while born < unused.len() {
        // Some at a time, one beside an atom and one odd row in turns. What they are is computed side by side.
        let mut places = Vec::new();
        while places.len() < PIECE.min(unused.len() - born) {
            let next = if taken < sure || taken % 2 == 0 { split.next() } else { None };
            taken += 1;
            match next.map(Place::Beside).or_else(|| odd.next().map(Place::Odd)) {
                Some(place) => places.push(place),
                None => break,
            }
        }
        if places.is_empty() {
            break;
        }
        let before = &unused[born.saturating_sub(COMPARED)..born];
        let first = |k: usize| &dictionary.directions[k * w * p..][..p];
        let found = crew.map(places.len(), |at| -> Result<Option<Vec<f64>>, Error> {
            let mut x = vec![0.0; p];
            match &places[at] {
                Place::Beside(of) => {
                    x.iter_mut().zip(first(of.atom)).zip(&of.toward).for_each(|((x, d), v)| *x = d + v);
                }
                Place::Odd(row) => residual(dictionary, codes, *row, rows, scale, &mut x)?,
            }
            let new = clean(&mut x, &[]) && before.iter().all(|&k| inner(first(k), &x).abs() <= ALIKE);
            Ok(new.then_some(x))
        });
        // Stopped: those who began are whole.
        let Some(found) = found else { break };
        let earlier = born;
        for (place, found) in places.iter().zip(found) {
            let Some(x) = found? else { continue };
            let first = |k: &usize| &dictionary.directions[k * w * p..][..p];
            if born == unused.len() || unused[earlier..born].iter().any(|k| inner(first(k), &x).abs() > ALIKE) {
                continue;
            }
            let mut second = match place {
                Place::Beside(of) => dictionary.directions[of.atom * w * p + p..(of.atom + 1) * w * p].to_vec(),
                Place::Odd(_) => (p..w * p).map(|_| random.normal()).collect(),
            };
            if w == 2 && !clean(&mut second, &x) {
                continue;
            }
            let at = unused[born] * w * p;
            dictionary.directions[at..at + p].copy_from_slice(&x);
            dictionary.directions[at + p..at + w * p].copy_from_slice(&second);
            born += 1;
        }
    }
    unused.truncate(born);
    Ok(unused)
}

/// Where an atom may begin again: beside another one, or at the residual of a row.
enum Place<'a> {
    Beside(&'a Split),
    Odd(usize),
}

fn residual(
    dictionary: &Dictionary,
    codes: &Codes,
    n: usize,
    rows: &dyn Rows,
    scale: f64,
    out: &mut Vec<f64>,
) -> Result<(), Error> {
    let mut fitted = vec![0.0; dictionary.columns()];
    read(rows, n..n + 1, scale, out)?;
    dictionary.decode(codes, n, &mut fitted);
    out.iter_mut().zip(&fitted).for_each(|(x, f)| *x -= f);
    Ok(())
}

/// Rows by falling loss, `count` at most, none without a loss.
fn odd_rows(losses: &[f32], count: usize) -> Vec<usize> {
    let falling = |a: &u32, b: &u32| losses[*b as usize].total_cmp(&losses[*a as usize]).then(a.cmp(b));
    let mut order: Vec<u32> = Vec::with_capacity(2 * count);
    for n in (0..losses.len() as u32).filter(|&n| losses[n as usize] > 0.0) {
        if order.len() == 2 * count {
            order.select_nth_unstable_by(count, falling);
            order.truncate(count);
        }
        order.push(n);
    }
    order.sort_by(falling);
    order.truncate(count);
    order.into_iter().map(|n| n as usize).collect()
}

/// The atoms whose rows lose most above the mean of all rows, in that order, with some of their rows.
fn crowded(codes: &Codes, losses: &[f32], uses: &[u32], count: usize) -> Vec<(usize, Vec<usize>)> {
    let mean = losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / losses.len() as f64;
    let mut excess = vec![0.0; uses.len()];
    for n in 0..codes.rows() {
        codes.row(n).0.iter().for_each(|&k| excess[k as usize] += f64::from(losses[n]) - mean);
    }
    let mut order: Vec<usize> = (0..uses.len()).filter(|&k| excess[k] > 0.0 && uses[k] > 1).collect();
    order.sort_by(|&a, &b| excess[b].total_cmp(&excess[a]).then(a.cmp(&b)));
    order.truncate(count);
    let mut place = vec![usize::MAX; uses.len()];
    order.iter().enumerate().for_each(|(at, &k)| place[k] = at);
    let mut out: Vec<(usize, Vec<usize>)> = order.into_iter().map(|k| (k, Vec::new())).collect();
    for n in 0..codes.rows() {
        for at in codes.row(n).0.iter().map(|&k| place[k as usize]).filter(|&at| at != usize::MAX) {
            if out[at].1.len() < MEMBERS {
                out[at].1.push(n);
            }
        }
    }
    out
}

/// The vector of a [`Split`] (the first eigenvector of Σ r rᵀ over `members`, by power iteration), and the gain over these rows: the
/// eigenvalue less that of noise of the same energy, Σ‖r‖²(√m + √p)²/mp for m rows of p columns (V. A. Marchenko, L. A. Pastur, 1967,
/// "Distribution of eigenvalues for some sets of random matrices"). Absent where nothing is above the noise.
fn beside(
    dictionary: &Dictionary,
    codes: &Codes,
    (atom, members): &(usize, Vec<usize>),
    rows: &dyn Rows,
    scale: f64,
) -> Result<Option<(Vec<f64>, f64)>, Error> {
    let (p, w) = (dictionary.columns(), dictionary.shape.width());
    let (mut left, mut energy, mut row) = (Vec::with_capacity(members.len() * p), 0.0, Vec::new());
    for &n in members {
        residual(dictionary, codes, n, rows, scale, &mut row)?;
        left.extend_from_slice(&row);
        let (support, values) = codes.row(n);
        let at = support.iter().position(|&k| k as usize == *atom).expect("a row of the atom");
        energy += values[at * w..(at + 1) * w].iter().map(|c| c * c).sum::<f64>();
    }
    let sizes = left.chunks_exact(p).map(|r| inner(r, r));
    let (largest, _) = sizes.enumerate().fold((0, 0.0), |best, now| if now.1 > best.1 { now } else { best });
    let mut v = left[largest * p..(largest + 1) * p].to_vec();
    let mut spread = 0.0;
    for _ in 0..10 {
        if !clean(&mut v, &[]) {
            return Ok(None);
        }
        let mut next = vec![0.0; p];
        spread = 0.0;
        for r in left.chunks_exact(p) {
            let along = inner(r, &v);
            spread += along * along;
            add_scaled(along, r, &mut next);
        }
        v = next;
    }
    let (m, columns) = (members.len() as f64, p as f64);
    let noise = inner(&left, &left) / (m * columns) * (m.sqrt() + columns.sqrt()).powi(2);
    let factor = (spread / energy).sqrt();
    let split = spread > noise && clean(&mut v, &[]) && factor.is_finite();
    Ok(split.then(|| (v.iter().map(|x| factor * x).collect(), spread - noise)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::coding::{Coding, code};
    use crate::lane::search::Atoms;
    use crate::lane::{Shape, Table};
    use headwater_base::Control;

    #[test]
    fn an_atom_between_two_features_gets_one_of_them_beside_it() {
        // Features at 60°, others at right angles; the first atom stands between the two, the last one is not used.
        let (p, n, crew) = (8, 400, Crew::new(1, Control::none()));
        let mut truth = vec![0.0; 6 * p];
        (0..6).for_each(|k| truth[k * p + k] = 1.0);
        (truth[p], truth[p + 1]) = (0.5, 0.75_f64.sqrt());
        let mut random = Stream::new(1, Purpose::Synthetic, 0);
        let mut data: Vec<f64> = (0..n * p).map(|_| 0.02 * random.normal()).collect();
        for x in data.chunks_exact_mut(p) {
            let (k, a) = (random.below(6), 0.2 + 0.2 * random.uniform());
            x.iter_mut().zip(&truth[k * p..]).for_each(|(x, d)| *x += a * d);
        }
        let mut directions = truth[p..].to_vec();
        (0..p).for_each(|c| directions[c] = truth[c] + truth[p + c]);
        assert!(clean(&mut directions[..p], &[]));
        directions.extend((0..p).map(|c| if c == 7 { -1.0 } else { 0.0 }));
        let dictionary =
            Dictionary { shape: Shape::Direction, non_negative: true, ridge: 0.0, offset: vec![0.0; p], directions };
        let mut atoms = Atoms::new(dictionary, None);
        // The last atom has no say in these codes.
        let used = Dictionary { directions: atoms.dictionary.directions[..5 * p].to_vec(), ..atoms.dictionary.clone() };
        let coding = Coding { active: 1, candidates: 8, searches: 1, anew: false };
        let found =
            code(&Atoms::new(used, None), &data, &vec![NONE; n], coding, crew).expect("no device").expect("codes");
        let codes = Codes { active: 1, width: 1, support: found.support, values: found.values };
        let losses: Vec<f32> = found.losses.iter().map(|loss| *loss as f32).collect();
        let rows = Table::new(&data, p).expect("rows");
        let splits = splits(&atoms.dictionary, &codes, &losses, &rows, 1.0, crew).expect("rows").expect("not stopped");
        assert_eq!((splits.len(), splits[0].atom), (1, 0), "the others stand where they belong");
        let of = (&splits[..], 1);
        let born = again(&mut atoms.dictionary, &codes, &losses, of, &rows, 1.0, &mut random, crew).expect("rows");
        assert_eq!(born, [5]);
        let near = |k: usize| inner(&truth[k * p..(k + 1) * p], atoms.rows(5));
        assert!(near(0).max(near(1)) > 0.99, "{} and {}", near(0), near(1));
    }
}
