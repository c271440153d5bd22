//! How much the codes of the same rows agree under two dictionaries whose atoms have been assigned to each other.
//!
//! For a pair of atoms: the rows in which both are on, those in which one is, and, for two circles, the agreement of the phases
//! over the former ([`phase_agreement`]). Cost: what the codes have of atoms, twice.

use headwater_base::Error;
use headwater_base::parallel::Crew;

use crate::metrics::agreement::{Match, phase_agreement};

/// Codes of rows under one dictionary.
#[derive(Clone, Copy, Debug)]
pub struct Coded<'a> {
    /// Active atoms of each row.
    pub sizes: &'a [u32],
    /// Which, row after row.
    pub atoms: &'a [u32],
    /// Coordinates of each, one after another.
    pub coordinates: &'a [f64],
    /// Coordinates that each atom of the dictionary has.
    pub dimensions: &'a [u32],
    /// Whether it is a circle: one coordinate, a phase in turns.
    pub circles: &'a [bool],
}

/// How the codes of two assigned atoms agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodeMatch {
    /// Rows in which both are on.
    pub both: usize,
    /// Rows in which at least one of them is.
    pub either: usize,
    /// [`phase_agreement`] over the rows in which both are on; absent unless both are circles, and where it is absent there.
    pub phases: Option<f64>,
}

/// One answer a match, in their order. `None` if it was stopped.
///
/// Errors: `shape-mismatch` for other numbers of rows or of coordinates; `support-not-valid` with the row, for atoms that a
/// dictionary has not or that come twice.
pub fn code_agreement(
    first: Coded,
    second: Coded,
    matches: &[Match],
    crew: Crew,
) -> Result<Option<Vec<CodeMatch>>, Error> {
    if first.sizes.len() != second.sizes.len() {
        let message = format!("codes of {} rows are compared with codes of {}", first.sizes.len(), second.sizes.len());
        return Err(Error::new("shape-mismatch", message));
    }
    let (a, b) = (Slots::new(first)?, Slots::new(second)?);
    Ok(crew.map(matches.len(), |at| {
        let of = &matches[at];
        let (j, k) = (a.of(of.first), b.of(of.second));
        let phased = first.circles[of.first] && second.circles[of.second];
        let (mut i, mut both, mut pairs) = (0, 0, [Vec::new(), Vec::new()]);
        for &(row, left) in j {
            while i < k.len() && k[i].0 < row {
                i += 1;
            }
            if i < k.len() && k[i].0 == row {
                both += 1;
                if phased {
                    pairs[0].push(first.coordinates[left]);
                    pairs[1].push(second.coordinates[k[i].1]);
                }
            }
        }
        let phases = phase_agreement(&pairs[0], &pairs[1]).expect("as many of both");
        CodeMatch { both, either: j.len() + k.len() - both, phases }
    }))
}

/// Of each atom the rows in which it is on, ascending, and where its coordinates begin.
struct Slots {
    places: Vec<(u32, usize)>,
    starts: Vec<usize>,
}

impl Slots {
    fn new(of: Coded) -> Result<Self, Error> {
        let count = of.dimensions.len();
        let total: usize = of.sizes.iter().map(|&size| size as usize).sum();
        if of.circles.len() != count || total != of.atoms.len() {
            let message = format!("rows have {total} active atoms together, {} are given", of.atoms.len());
            return Err(Error::new("shape-mismatch", message));
        }
        let rows = || of.sizes.iter().enumerate().flat_map(|(n, &size)| std::iter::repeat_n(n, size as usize));
        let mut starts = vec![0; count + 1];
        for (&atom, row) in of.atoms.iter().zip(rows()) {
            if atom as usize >= count {
                let message = format!("row {row} has atom {atom}, the dictionary {count} atoms");
                return Err(Error::new("support-not-valid", message).at(row, 0));
            }
            starts[atom as usize + 1] += 1;
        }
        (0..count).for_each(|k| starts[k + 1] += starts[k]);
        let (mut places, mut next, mut coordinate) = (vec![(0, 0); total], starts.clone(), 0);
        for (&atom, row) in of.atoms.iter().zip(rows()) {
            let k = atom as usize;
            if next[k] > starts[k] && places[next[k] - 1].0 as usize == row {
                let message = format!("row {row} has atom {atom} twice");
                return Err(Error::new("support-not-valid", message).at(row, 0));
            }
            places[next[k]] = (row as u32, coordinate);
            next[k] += 1;
            coordinate += of.dimensions[k] as usize;
        }
        if coordinate != of.coordinates.len() {
            let message = format!("active atoms have {coordinate} coordinates, {} are given", of.coordinates.len());
            return Err(Error::new("shape-mismatch", message));
        }
        Ok(Self { places, starts })
    }

    fn of(&self, atom: usize) -> &[(u32, usize)] {
        &self.places[self.starts[atom]..self.starts[atom + 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::Control;

    fn pair(first: usize, second: usize) -> Match {
        Match { first, second, cosine: 1.0, principal: vec![1.0] }
    }

    fn compared(a: Coded, b: Coded, matches: &[Match]) -> Result<Vec<CodeMatch>, Error> {
        code_agreement(a, b, matches, Crew::new(2, Control::none())).map(|found| found.expect("not stopped"))
    }

    #[test]
    fn rows_and_phases_of_assigned_atoms_are_counted_by_hand() {
        // Atoms of the first: a circle and a point; of the second: a point, then the circle, turned the other way round.
        let phases = [0.1, 0.35, 0.6, 0.8];
        let turned: Vec<f64> = phases.iter().map(|t: &f64| (0.7 - t).rem_euclid(1.0)).collect();
        let a = Coded {
            sizes: &[1, 2, 1, 1, 1],
            atoms: &[0, 0, 1, 0, 0, 1],
            coordinates: &phases,
            dimensions: &[1, 0],
            circles: &[true, false],
        };
        let b = Coded {
            sizes: &[1, 1, 2, 1, 0],
            atoms: &[1, 1, 0, 1, 1],
            coordinates: &turned,
            dimensions: &[0, 1],
            circles: &[false, true],
        };
        let found = compared(a, b, &[pair(0, 1), pair(1, 0)]).expect("the same rows");
        assert!((found[0].phases.expect("spread") - 1.0).abs() < 1e-12);
        assert_eq!((found[0].both, found[0].either), (4, 4));
        assert_eq!(found[1], CodeMatch { both: 0, either: 3, phases: None });
        // A point beside a circle has no phases to compare; the rows are still counted.
        let crossed = compared(a, b, &[pair(0, 0)]).expect("the same rows");
        assert_eq!(crossed, [CodeMatch { both: 1, either: 4, phases: None }]);
        // A circle whose phases are one point would agree with anything.
        let collapsed = Coded { coordinates: &[0.4; 4], ..b };
        assert_eq!(compared(a, collapsed, &[pair(0, 1)]).expect("the same rows")[0].phases, None);
    }

    #[test]
    fn codes_that_do_not_belong_together_are_refused() {
        let good =
            Coded { sizes: &[1, 1], atoms: &[0, 0], coordinates: &[0.1, 0.2], dimensions: &[1], circles: &[true] };
        let of = |other| compared(good, other, &[pair(0, 0)]).expect_err("no codes").code;
        assert_eq!(of(Coded { sizes: &[1, 1, 0], ..good }), "shape-mismatch");
        assert_eq!(of(Coded { atoms: &[0], ..good }), "shape-mismatch");
        assert_eq!(of(Coded { coordinates: &[0.1], ..good }), "shape-mismatch");
        assert_eq!(of(Coded { atoms: &[0, 1], ..good }), "support-not-valid");
        let twice = Coded { sizes: &[2, 0], ..good };
        let error = compared(good, twice, &[pair(0, 0)]).expect_err("twice");
        assert_eq!((error.code, error.row), ("support-not-valid", Some(0)));
    }
}
