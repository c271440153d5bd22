//! Checks that the settings of all optimisers share.

use headwater_base::Error;

fn refuse(name: &str, wanted: &str, value: f64, limit: f64) -> Error {
    Error::new("option-out-of-range", format!("{name} must be {wanted}, got {value}")).with_limit(limit)
}

/// A number in [0, 1): a decay rate of an average.
pub fn fraction(name: &str, value: f64) -> Result<(), Error> {
    if (0.0..1.0).contains(&value) { Ok(()) } else { Err(refuse(name, "at least 0 and below 1", value, 1.0)) }
}

/// A positive finite number.
pub fn positive(name: &str, value: f64) -> Result<(), Error> {
    if value > 0.0 && value.is_finite() { Ok(()) } else { Err(refuse(name, "a positive finite number", value, 0.0)) }
}

/// A number of at least `least`, which may be infinite.
pub fn at_least(name: &str, value: f64, least: f64) -> Result<(), Error> {
    if value >= least { Ok(()) } else { Err(refuse(name, &format!("at least {least}"), value, least)) }
}
