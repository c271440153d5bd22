//! Powers of two that bring data to order 1, exactly.

/// What the rows of a table share: the exponents of its columns and of the whole.
///
/// Batches of one table are laid out in one scaling, so that sums over them mean something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaling {
    /// Values of column j are multiplied by 2^(row's exponent + `columns[j]` − `global`).
    pub columns: Vec<i32>,
    pub global: i32,
}

/// x · 2^exponent without overflow on the way.
pub fn scale(x: f64, exponent: i32) -> f64 {
    let power = |e: i32| f64::from_bits(((1023 + i64::from(e)) as u64) << 52);
    let mut rest = exponent;
    let mut x = x;
    while rest != 0 {
        let step = rest.clamp(-1000, 1000);
        x *= power(step);
        rest -= step;
    }
    x
}

/// Exponents of two for rows and columns that bring the mean of log2 U to 0 in each (three alternations); with
/// `columns` given, for the rows alone.
pub fn equilibrate(
    cols: usize,
    u: &[f64],
    has_weight: impl Fn(usize) -> bool,
    columns: Option<&[i32]>,
) -> (Vec<i32>, Vec<i32>) {
    let rows = u.len() / cols;
    let logs: Vec<f64> = (0..u.len()).map(|at| if has_weight(at) { u[at].log2() } else { f64::NAN }).collect();
    let mut col: Vec<f64> = columns.map_or(vec![0.0; cols], |given| given.iter().map(|e| -f64::from(*e)).collect());
    let mut row = vec![0.0_f64; rows];
    for _ in 0..if columns.is_some() { 1 } else { 3 } {
        for (i, mean) in row.iter_mut().enumerate() {
            *mean = mean_of((0..cols).map(|j| logs[i * cols + j] - col[j]));
        }
        if columns.is_none() {
            for (j, mean) in col.iter_mut().enumerate() {
                *mean = mean_of((0..rows).map(|i| logs[i * cols + j] - row[i]));
            }
        }
    }
    let exponents = |means: &[f64]| means.iter().map(|m| -m.round() as i32).collect();
    (exponents(&row), exponents(&col))
}

/// Mean of the values that are not NaN; 0 if there are none.
fn mean_of(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.filter(|v| !v.is_nan()).fold((0.0, 0.0), |(s, c), v| (s + v, c + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}
