//! Fixtures and small helpers of the tests.
use std::path::PathBuf;

use headwater_base::Control;
use headwater_base::rng::{Purpose, Stream};
use headwater_solve::{Complex64, Csr, Dense, Method, Operator, Outcome, Scalar, Settings, solve};
use serde_json::Value;

pub fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/solvers").join(name)
}

pub fn cases(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder(name).join("cases.json")).expect("cases.json");
    let value: Value = serde_json::from_str(&text).expect("valid JSON");
    value["cases"].as_array().expect("a list").clone()
}

/// The numbers of a NumPy file (format 1.0, little-endian, C order) as f64; complex ones interleaved.
pub fn npy(group: &str, file: &str) -> Vec<f64> {
    let bytes = std::fs::read(folder(group).join(file)).expect("fixture");
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let header = std::str::from_utf8(&bytes[10..10 + length]).expect("ASCII header");
    let words = bytes[10 + length..].chunks_exact(8).map(|w| <[u8; 8]>::try_from(w).expect("eight bytes"));
    if header.contains("<i8") {
        words.map(|w| i64::from_le_bytes(w) as f64).collect()
    } else {
        assert!(header.contains("<f8") || header.contains("<c16"), "{header}");
        words.map(f64::from_le_bytes).collect()
    }
}

/// The array that a JSON field names.
pub fn array<T: Scalar>(group: &str, field: &Value) -> Vec<T> {
    let data = npy(group, field["file"].as_str().expect("a file"));
    let complex = field["dtype"] == "complex128";
    match (complex, T::COMPLEX) {
        (false, _) => data.iter().map(|&v| T::real(v)).collect(),
        (true, true) => data.chunks_exact(2).map(|w| T::new(w[0], w[1])).collect(),
        (true, false) => panic!("complex data for a real system"),
    }
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

pub fn dense<T: Scalar>(n: usize, data: Vec<T>) -> Dense<T> {
    Dense::new(n, n, data).expect("square")
}

pub fn diagonal(values: &[f64]) -> Csr<f64> {
    let triplets: Vec<_> = values.iter().enumerate().map(|(i, &v)| (i, i, v)).collect();
    Csr::from_triplets(values.len(), values.len(), &triplets).expect("a diagonal")
}

/// deg − Adj of weighted edges; with angles, the magnetic Laplacian.
pub fn laplacian<T: Scalar>(n: usize, edges: &[(usize, usize, f64)], flux: Option<&[f64]>) -> Csr<T> {
    let mut triplets = Vec::new();
    for (index, &(i, j, w)) in edges.iter().enumerate() {
        let (sin, cos) = flux.map_or((0.0, 1.0), |f| f[index].sin_cos());
        triplets.push((i, i, T::real(w)));
        triplets.push((j, j, T::real(w)));
        triplets.push((i, j, T::new(-w * cos, -w * sin)));
        triplets.push((j, i, T::new(-w * cos, w * sin)));
    }
    Csr::from_triplets(n, n, &triplets).expect("edges in range")
}

pub fn poisson(m: usize) -> Csr<f64> {
    let mut triplets = Vec::new();
    for i in 0..m {
        for j in 0..m {
            let k = i * m + j;
            triplets.push((k, k, 4.0));
            if i > 0 {
                triplets.push((k, k - m, -1.0));
            }
            if i + 1 < m {
                triplets.push((k, k + m, -1.0));
            }
            if j > 0 {
                triplets.push((k, k - 1, -1.0));
            }
            if j + 1 < m {
                triplets.push((k, k + 1, -1.0));
            }
        }
    }
    Csr::from_triplets(m * m, m * m, &triplets).expect("a grid")
}

pub fn gaussian<T: Scalar>(n: usize, index: u32) -> Vec<T> {
    let mut random = Stream::new(11, Purpose::Synthetic, index);
    (0..n).map(|_| T::normal(&mut random)).collect()
}

/// Q diag(eigenvalues) Qᴴ with a random unitary Q, Hermitian to the last bit.
pub fn with_spectrum<T: Scalar>(eigenvalues: &[f64], index: u32) -> Dense<T> {
    let n = eigenvalues.len();
    let mut q: Vec<Vec<T>> = Vec::new();
    let mut random = Stream::new(12, Purpose::Synthetic, index);
    while q.len() < n {
        let mut v: Vec<T> = (0..n).map(|_| T::normal(&mut random)).collect();
        for _ in 0..2 {
            for u in &q {
                let part = T::dot(u, &v);
                T::axpy(-part, u, &mut v);
            }
        }
        let norm = norm(&v);
        q.push(v.iter().map(|v| v.scale(1.0 / norm)).collect());
    }
    let mut data = vec![T::default(); n * n];
    for (value, u) in eigenvalues.iter().zip(&q) {
        for i in 0..n {
            for j in 0..n {
                data[i * n + j] += u[i] * u[j].conj().scale(*value);
            }
        }
    }
    for i in 0..n {
        data[i * n + i] = T::real(data[i * n + i].re());
        for j in 0..i {
            data[j * n + i] = data[i * n + j].conj();
        }
    }
    dense(n, data)
}

pub fn geometric(kappa: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| kappa.powf(i as f64 / (n - 1) as f64)).collect()
}

pub fn norm<T: Scalar>(x: &[T]) -> f64 {
    headwater_solve::vector::norm(T::reals(x))
}

/// ‖x − y‖ / ‖y‖.
pub fn distance<T: Scalar>(x: &[T], y: &[T]) -> f64 {
    let difference: Vec<T> = x.iter().zip(y).map(|(&x, &y)| x - y).collect();
    norm(&difference) / norm(y)
}

/// ‖b − Ax‖ / ‖b‖.
pub fn relative<T: Scalar>(a: &dyn Operator<T>, x: &[T], b: &[T]) -> f64 {
    let mut image = vec![T::default(); a.rows()];
    a.apply(x, &mut image);
    distance(&image, b)
}

pub fn run<T: Scalar>(method: Method, a: &dyn Operator<T>, b: &[T], settings: &Settings<T>) -> Outcome<T> {
    solve(method, a, None, b, settings, Control::none()).expect("no misuse")
}

pub fn to_rtol<T: Scalar>(rtol: f64) -> Settings<T> {
    Settings { rtol, ..Settings::default() }
}

/// A graph of the Cayley fixtures, its Hamiltonian H.
pub fn graph(case: &Value) -> Csr<Complex64> {
    let n = case["n"].as_u64().expect("n") as usize;
    let edges = array::<f64>("cayley", &case["edges"]);
    let weights = array::<f64>("cayley", &case["weights"]);
    let flux = case.get("flux").map(|f| array::<f64>("cayley", f));
    let list: Vec<_> = edges.chunks_exact(2).zip(&weights).map(|(e, &w)| (e[0] as usize, e[1] as usize, w)).collect();
    laplacian(n, &list, flux.as_deref())
}
