//! Codes of any rows for a known dictionary.

use headwater_base::parallel::Crew;
use headwater_base::{Error, Warning};
use headwater_linalg::device::Place;

use crate::lane::coding::{Coding, code};
use crate::lane::dictionary::{Codes, Dictionary};
use crate::lane::search::Atoms;
use crate::lane::survey::{CHUNK, read, survey};
use crate::lane::{Rows, Settings};

/// Codes rows by a dictionary, at most `active` atoms each, from nothing: `settings` says how (`active`, `searches`, `candidates`;
/// its other fields do not matter). `None` if it was stopped.
///
/// Cost: `searches` × 2NKp operations (twice that for planes). A row's codes do not depend on the other rows, but for ties that
/// rounding in f32 decides.
///
/// Errors: `shape-mismatch` for rows of another number of columns; `option-out-of-range`; `value-missing` and
/// `value-not-finite` with row and column; errors of the source.
pub fn encode(
    dictionary: &Dictionary,
    rows: &dyn Rows,
    settings: &Settings,
    crew: Crew,
) -> Result<Option<Codes>, Error> {
    Ok(encode_on(dictionary, rows, settings, None, crew)?.map(|(codes, _)| codes))
}

/// [`encode`] with the products over all atoms on a device, where one is given; the warning `device-gave-up` where it did and the
/// CPU did the rest. The same codes, but for ties in f32.
///
/// Errors: as [`encode`]; `device-out-of-memory`, which names the size, and `device-failed`, unless the CPU is to do the rest then.
pub fn encode_on(
    dictionary: &Dictionary,
    rows: &dyn Rows,
    settings: &Settings,
    place: Option<Place>,
    crew: Crew,
) -> Result<Option<(Codes, Option<Warning>)>, Error> {
    let (p, n) = (dictionary.columns(), rows.count());
    if rows.columns() != p {
        let message = format!("the dictionary is for {p} columns, the rows have {}", rows.columns());
        return Err(Error::new("shape-mismatch", message));
    }
    let own = Settings { atoms: dictionary.atoms(), shape: dictionary.shape, ..*settings };
    own.check(n.max(own.atoms), p)?;
    let Some(survey) = survey(rows, crew)? else { return Ok(None) };
    let mut scaled = dictionary.clone();
    scaled.offset.iter_mut().for_each(|b| *b *= survey.scale);
    let atoms = Atoms::new(scaled, place);
    let mut codes = Codes::new(n, own.active, dictionary.shape.width());
    let coding = Coding { active: own.active, candidates: own.candidates, searches: own.searches, anew: false };
    let mut buffer = Vec::new();
    for first in (0..n).step_by(CHUNK) {
        let last = n.min(first + CHUNK);
        read(rows, first..last, survey.scale, &mut buffer)?;
        let (s, w) = (codes.active, codes.width);
        let before = &codes.support[first * s..last * s];
        let Some(found) = code(&atoms, &buffer, before, coding, crew)? else { return Ok(None) };
        codes.support[first * s..last * s].copy_from_slice(&found.support);
        let values = &mut codes.values[first * s * w..last * s * w];
        values.iter_mut().zip(&found.values).for_each(|(to, c)| *to = c / survey.scale);
    }
    Ok(Some((codes, atoms.warning())))
}
