//! Where atoms begin, and begin again.

use headwater_base::Error;
use headwater_base::parallel::Crew;
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::dense::{add_scaled, inner};

use crate::lane::Rows;
use crate::lane::dictionary::{Codes, Dictionary, NONE};
use crate::lane::settings::{Seeds, Settings};
use crate::lane::survey::{Survey, read};

/// Most atoms that begin beside others after a pass, and rows of those that are looked at.
const SPLITS: usize = 256;
const MEMBERS: usize = 256;
/// Atoms that begin again after the same pass differ by more than this |cos|.
const ALIKE: f64 = 0.8;

/// The first dictionary: directions of rows less the mean (drawn without repetition, rows at the mean skipped), then, where the
/// rows run out, random ones. The second axis of a plane is random.
pub(super) fn first(rows: &dyn Rows, survey: &Survey, settings: &Settings) -> Result<Dictionary, Error> {
    let (p, w, n) = (rows.columns(), settings.shape.width(), rows.count());
    let offset = if settings.offset { survey.mean.clone() } else { vec![0.0; p] };
    let mut random = Stream::new(settings.seed, Purpose::Start, 0);
    let mut order: Vec<u32> = if settings.seeds == Seeds::Rows { (0..n as u32).collect() } else { Vec::new() };
    let mut directions = Vec::with_capacity(settings.atoms * w * p);
    let (mut taken, mut row) = (0, Vec::new());
    while directions.len() < settings.atoms * w * p {
        if directions.len() / p % w == 0 && taken < order.len() {
            // One step of Fisher and Yates' shuffle.
            let at = taken + random.below(order.len() - taken);
            order.swap(taken, at);
            let from = order[taken] as usize;
            taken += 1;
            read(rows, from..from + 1, survey.scale, &mut row)?;
            row.iter_mut().zip(&offset).for_each(|(x, b)| *x -= b);
        } else {
            row.clear();
            row.extend((0..p).map(|_| random.normal()));
        }
        let kept = directions.len() - directions.len() / p % w * p;
        if clean(&mut row, &directions[kept..]) {
            directions.extend_from_slice(&row);
        }
    }
    Ok(Dictionary {
        shape: settings.shape,
        non_negative: settings.non_negative,
        ridge: settings.ridge,
        offset,
        directions,
    })
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

/// Lets unused atoms begin again, in turns: beside an atom whose rows have large residuals, on the other side of the direction in
/// which those vary most (such an atom often stands between two features), and as the residual of a row with a large loss,
/// unlike those before it. As many as there are such places. Returns which.
pub(super) fn again(
    dictionary: &mut Dictionary,
    codes: &Codes,
    losses: &[f32],
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
    let crowded = crowded(codes, losses, &uses, unused.len().div_ceil(2).min(SPLITS));
    // Stopped: nothing begins again, and the next look at the crew ends the fit.
    let Some(split) = crew.map(crowded.len(), |at| beside(dictionary, codes, &crowded[at], rows, scale)) else {
        return Ok(Vec::new());
    };
    let mut split = crowded.iter().zip(split);
    let mut odd = odd_rows(losses, 4 * unused.len()).into_iter();
    let mut born = 0;
    // The last newcomers alone are compared: all would be quadratic in their number.
    const COMPARED: usize = 512;
    while born < unused.len() {
        let next = if born % 2 == 0 { split.next() } else { None };
        let (mut first, mut second) = (vec![0.0; p], Vec::new());
        if let Some(((atom, _), beside)) = next {
            let own = &dictionary.directions[atom * w * p..(atom + 1) * w * p];
            let Some(beside) = beside? else { continue };
            first.iter_mut().zip(own).zip(beside).for_each(|((x, d), v)| *x = d + v);
            second.extend_from_slice(&own[p..]);
        } else if let Some(row) = odd.next() {
            residual(dictionary, codes, row, rows, scale, &mut first)?;
            second.extend((p..w * p).map(|_| random.normal()));
        } else {
            break;
        }
        if !clean(&mut first, &[]) || w == 2 && !clean(&mut second, &first) {
            continue;
        }
        let alike = |k: &usize| inner(&dictionary.directions[k * w * p..][..p], &first).abs() > ALIKE;
        if unused[born.saturating_sub(COMPARED)..born].iter().any(alike) {
            continue;
        }
        let at = unused[born] * w * p;
        dictionary.directions[at..at + p].copy_from_slice(&first);
        dictionary.directions[at + p..at + w * p].copy_from_slice(&second);
        born += 1;
    }
    unused.truncate(born);
    Ok(unused)
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

/// ρv: v the direction in which the residuals of an atom's rows vary most (the first eigenvector of Σ r rᵀ, by power iteration),
/// ρ the ratio of its spread to that of the codes: were the atom between features d ± ρv, this is where they would be.
fn beside(
    dictionary: &Dictionary,
    codes: &Codes,
    (atom, members): &(usize, Vec<usize>),
    rows: &dyn Rows,
    scale: f64,
) -> Result<Option<Vec<f64>>, Error> {
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
    let factor = (spread / energy).sqrt();
    Ok((clean(&mut v, &[]) && factor.is_finite()).then(|| v.iter().map(|x| factor * x).collect()))
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
        let mut atoms = Atoms::new(dictionary);
        // The last atom has no say in these codes.
        let used = Dictionary { directions: atoms.dictionary.directions[..5 * p].to_vec(), ..atoms.dictionary.clone() };
        let coding = Coding { active: 1, candidates: 8, searches: 1, anew: false };
        let found = code(&Atoms::new(used), &data, &vec![NONE; n], coding, crew).expect("codes");
        let codes = Codes { active: 1, width: 1, support: found.support, values: found.values };
        let losses: Vec<f32> = found.losses.iter().map(|loss| *loss as f32).collect();
        let rows = Table::new(&data, p).expect("rows");
        let born = again(&mut atoms.dictionary, &codes, &losses, &rows, 1.0, &mut random, crew).expect("rows");
        assert_eq!(born, [5]);
        let near = |k: usize| inner(&truth[k * p..(k + 1) * p], atoms.rows(5));
        assert!(near(0).max(near(1)) > 0.99, "{} and {}", near(0), near(1));
    }
}
