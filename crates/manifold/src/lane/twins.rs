//! Atoms that are of little use where they are: those nearly the same as another one, and those that explain next to nothing.
//!
//! Two atoms for one feature, or an atom for a few odd rows, are a stationary point like any other, while elsewhere one atom stands
//! between two features. So of twins the one that fewer rows use gives its rows to the other, c_j ← c_j + c_k D_k D_jᵀ, idle ones
//! leave theirs, and both become free to begin again. This is the only thing in a fit that may raise F.

use headwater_base::Error;
use headwater_base::parallel::Crew;
use headwater_linalg::dense::inner;

use crate::lane::coding::BLOCK;
use crate::lane::decoder::Moments;
use crate::lane::dictionary::{Codes, NONE};
use crate::lane::search::Atoms;
use crate::lane::seeds::uses;
use crate::lane::survey::CHUNK;

/// Twins have ‖D_k D_jᵀ‖²/width from the square of this |cos| on.
const ALIKE: f64 = 0.95;
/// An atom is idle below this share of the mean Σ‖c‖² of all atoms.
const IDLE: f64 = 0.05;
/// … or below this share of what it would explain elsewhere.
const PAYS: f64 = 1.0 / 3.0;

/// Lets the less used of two twins give its rows to the other. Returns how many did; `None` if it was stopped (before anything
/// changed). Cost: products of all atoms with all atoms.
///
/// Errors: those of [`Atoms::search`].
pub(super) fn join(
    atoms: &Atoms,
    moments: &mut Moments,
    codes: &mut Codes,
    crew: Crew,
) -> Result<Option<usize>, Error> {
    let (p, w, count) = (atoms.columns, atoms.width, atoms.dictionary.atoms());
    // Of each atom the nearest by its first axis, itself among them: in a plane that is nearly the same all axes are near.
    let mut near: Vec<Vec<u32>> = Vec::with_capacity(count);
    for chunk in atoms.rounded.chunks(CHUNK * w * p) {
        let axes: Vec<f32> = chunk.chunks_exact(w * p).flat_map(|atom| &atom[..p]).copied().collect();
        let parts: Vec<&[f32]> = axes.chunks(BLOCK * p).collect();
        let Some(found) = atoms.search(&parts, 2, crew)? else { return Ok(None) };
        near.extend(found.into_iter().flatten());
    }
    let uses = uses(codes, count);
    let mut to: Vec<u32> = (0..count as u32).collect();
    for (k, near) in near.into_iter().enumerate() {
        let Some(&j) = near.iter().find(|&&j| j as usize != k) else { continue };
        let share: f64 = cosines(atoms, k, j as usize).iter().map(|c| c * c).sum::<f64>() / w as f64;
        // The better one may itself be leaving for a third: then both wait for the next time.
        let worse = (uses[k], j) < (uses[j as usize], k as u32);
        if worse && share >= ALIKE * ALIKE && to[j as usize] == j {
            to[k] = j;
        }
    }
    let leaving = |k: &u32| to[*k as usize] != *k;
    // One that was chosen before it left itself does not take others in.
    let joined: Vec<u32> = (0..count as u32).filter(leaving).filter(|&k| !leaving(&to[k as usize])).collect();
    let mut heirs = vec![Heir::Self_; count];
    for &k in &joined {
        let (k, j) = (k as usize, to[k as usize]);
        heirs[k] = Heir::Twin(j, cosines(atoms, k, j as usize));
    }
    hand_over(&heirs, moments, codes);
    Ok(Some(joined.len()))
}

/// Takes atoms that explain next to nothing, and were there before this pass, out of all rows, and those that explain less than a
/// third of what they would as halves of split atoms, whose `gains` fall. Returns how many, and how many of them are for splits.
pub(super) fn drop_idle(
    atoms: &Atoms,
    moments: &mut Moments,
    codes: &mut Codes,
    young: &[bool],
    gains: &[f64],
) -> (usize, usize) {
    let (w, count) = (atoms.width, atoms.dictionary.atoms());
    let mut energy = vec![0.0; count];
    for at in (0..codes.support.len()).filter(|&at| codes.support[at] != NONE) {
        energy[codes.support[at] as usize] += codes.values[at * w..(at + 1) * w].iter().map(|c| c * c).sum::<f64>();
    }
    let least = IDLE * energy.iter().sum::<f64>() / count as f64;
    let mut order: Vec<usize> = (0..count).filter(|&k| energy[k] > 0.0 && !young[k]).collect();
    order.sort_by(|&a, &b| energy[a].total_cmp(&energy[b]).then(a.cmp(&b)));
    // The least useful atom for the best split, and so on.
    let mut idle = vec![false; count];
    let mut wanted = gains.iter();
    let mut sure = 0;
    for k in order {
        let better = wanted.next().is_some_and(|gain| energy[k] < PAYS * gain);
        if !better && energy[k] >= least {
            break;
        }
        sure += usize::from(better);
        idle[k] = true;
    }
    let heirs: Vec<Heir> = idle.iter().map(|&idle| if idle { Heir::Nobody } else { Heir::Self_ }).collect();
    hand_over(&heirs, moments, codes);
    (idle.iter().filter(|&&idle| idle).count(), sure)
}

/// Who gets an atom's rows.
#[derive(Clone)]
enum Heir {
    Self_,
    Nobody,
    /// An atom, and what codes are multiplied with.
    Twin(u32, Vec<f64>),
}

fn hand_over(heirs: &[Heir], moments: &mut Moments, codes: &mut Codes) {
    let (s, w) = (codes.active, codes.width);
    for (k, heir) in heirs.iter().enumerate() {
        match heir {
            Heir::Self_ => {}
            Heir::Nobody => moments.forget(k, w),
            Heir::Twin(j, turn) => moments.move_to(k, *j as usize, w, turn),
        }
    }
    let mut row: Vec<(u32, Vec<f64>)> = Vec::new();
    for n in 0..codes.rows() {
        let (support, values) = codes.row(n);
        if support.iter().all(|&k| matches!(heirs[k as usize], Heir::Self_)) {
            continue;
        }
        row.clear();
        for (&k, c) in support.iter().zip(values.chunks_exact(w)) {
            let (atom, c) = match &heirs[k as usize] {
                Heir::Self_ => (k, c.to_vec()),
                Heir::Nobody => continue,
                Heir::Twin(j, turn) => (*j, (0..w).map(|v| (0..w).map(|u| c[u] * turn[u * w + v]).sum()).collect()),
            };
            match row.iter_mut().find(|(other, _)| *other == atom) {
                Some((_, sum)) => sum.iter_mut().zip(c).for_each(|(x, y)| *x += y),
                None => row.push((atom, c)),
            }
        }
        row.sort_by_key(|(atom, _)| *atom);
        codes.support[n * s..(n + 1) * s].fill(NONE);
        codes.values[n * s * w..(n + 1) * s * w].fill(0.0);
        for (i, (atom, c)) in row.iter().enumerate() {
            codes.support[n * s + i] = *atom;
            codes.values[(n * s + i) * w..][..w].copy_from_slice(c);
        }
    }
}

/// D_k D_jᵀ, width × width; for directions whose codes are not negative, 0 where they are opposite.
fn cosines(atoms: &Atoms, k: usize, j: usize) -> Vec<f64> {
    let (own, other) = (atoms.rows(k as u32), atoms.rows(j as u32));
    let least = if atoms.width == 1 && atoms.dictionary.non_negative { 0.0 } else { f64::NEG_INFINITY };
    own.chunks_exact(atoms.columns)
        .flat_map(|d| other.chunks_exact(atoms.columns).map(move |e| inner(d, e).max(least)))
        .collect()
}
