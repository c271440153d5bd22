//! Data and expected values that the tests of this crate share. See `__test__/fixtures/pmf/README.md`.
use headwater_base::Control;
use headwater_pmf::{Factorization, Problem, Settings, Starts, factorize};
use serde_json::Value;
use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn fixture(name: &str) -> Value {
    let path = root().join("__test__/fixtures/pmf").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("a JSON fixture")
}

pub struct Data {
    pub rows: usize,
    pub cols: usize,
    pub values: Vec<f64>,
    pub uncertainties: Vec<f64>,
}

impl Data {
    pub fn problem(&self) -> Problem {
        Problem::new(self.rows, self.cols, self.values.clone(), self.uncertainties.clone()).expect("good data")
    }
}

/// One of the EPA sets, read by the rules of the fixtures' README.
pub fn epa(set: &str) -> Data {
    let (values, uncertainties) = match set {
        "baltimore" => ("Baltimore_con.txt", "Baltimore_unc.txt"),
        "stlouis" => ("StLouis-con.csv", "StLouis-unc.csv"),
        "batonrouge" => ("BatonRouge-con.csv", "BatonRouge-unc.csv"),
        other => panic!("no set {other}"),
    };
    let read = |name: &str| -> Vec<Vec<f64>> {
        let text = std::fs::read_to_string(root().join("examples/data").join(format!("Dataset-{name}"))).expect("data");
        let delimiter = if text.lines().next().expect("a header").contains('\t') { '\t' } else { ',' };
        let parse = |field: &str| field.trim().parse::<f64>().unwrap_or(f64::NAN);
        let rows = text.lines().skip(1).map(|line| line.split(delimiter).skip(1).map(parse).collect::<Vec<_>>());
        rows.filter(|row| row.iter().any(|x| !x.is_nan())).collect()
    };
    let (v, u) = (read(values), read(uncertainties));
    Data { rows: v.len(), cols: v[0].len(), values: v.concat(), uncertainties: u.concat() }
}

/// A planted case: its data, number of factors and expectations.
pub fn planted(case: &str) -> (Data, usize, Value) {
    let meta = fixture(&format!("planted/{case}.json"));
    let read = |kind: &str| -> Vec<f64> {
        let path = root().join(format!("__test__/fixtures/pmf/planted/{case}.{kind}.csv"));
        let text = std::fs::read_to_string(path).expect("a planted case");
        let parse = |field: &str| match field.trim() {
            "" => f64::NAN,
            "inf" => f64::INFINITY,
            number => number.parse().expect("a number"),
        };
        text.lines().flat_map(|line| line.split(',').map(parse).collect::<Vec<_>>()).collect()
    };
    let size = |key: &str| meta[key].as_u64().expect("a size") as usize;
    let data = Data { rows: size("m"), cols: size("n"), values: read("V"), uncertainties: read("U") };
    (data, size("p"), meta["expected"].clone())
}

pub fn settings(factors: usize, starts: u32, seed: u64) -> Settings {
    Settings { starts: Starts::Count(starts), seed, ..Settings::new(factors) }
}

pub fn fit(data: &Data, settings: &Settings) -> Factorization {
    factorize(&data.problem(), settings, Control::none()).expect("a fit")
}

pub fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {value}"))
}

/// Rows of numbers; null becomes NaN.
pub fn matrix(value: &Value) -> Vec<f64> {
    let rows = value.as_array().expect("rows");
    rows.iter().flat_map(|row| row.as_array().expect("a row").iter().map(|x| x.as_f64().unwrap_or(f64::NAN))).collect()
}

/// Largest difference of two profiles relative to the largest element of each, NaN agreeing with NaN.
pub fn profile_error(p: usize, found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let n = found.len() / p;
    let mut worst: f64 = 0.0;
    for k in 0..p {
        let largest = expected[k * n..(k + 1) * n].iter().fold(0.0_f64, |a, b| if b.is_nan() { a } else { a.max(*b) });
        for j in k * n..(k + 1) * n {
            assert_eq!(found[j].is_nan(), expected[j].is_nan(), "element {j}");
            if !found[j].is_nan() {
                worst = worst.max((found[j] - expected[j]).abs() / largest);
            }
        }
    }
    worst
}
