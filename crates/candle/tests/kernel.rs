//! The body of the GPU's least-squares kernel, compiled as C for this processor: its algorithm, not its way through CUDA.
#![cfg(unix)]

use std::io::Write;
use std::process::{Command, Stdio};

use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::device::{Batch, Cpu, Device, Side};
use headwater_linalg::{packed, packed_len};

const PROGRAM: &str = r#"
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#define HW_FUNCTION static
#define HW_NAME body
#define HW_MOST 32
#include "nnls.h"
int main(void) {
    double head[3];
    if (fread(head, sizeof(double), 3, stdin) != 3) return 1;
    unsigned p = (unsigned)head[0], n = (unsigned)head[1];
    size_t q = (size_t)p * (p + 1) / 2 * n, m = (size_t)p * n;
    double *all = malloc((q + 3 * m) * sizeof(double));
    if (fread(all, sizeof(double), q + 2 * m, stdin) != q + 2 * m) return 2;
    for (unsigned i = 0; i < n; i++) body(p, n, i, head[2] != 0.0, all, all + q, all + q + m, all + q + 2 * m);
    return fwrite(all + q + 2 * m, sizeof(double), m, stdout) == m ? 0 : 3;
}
"#;

#[test]
fn the_kernel_finds_the_minimisers_that_the_cpu_finds() {
    let folder = std::env::temp_dir().join(format!("headwater-kernel-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (source, program) = (folder.join("nnls.c"), folder.join("nnls"));
    std::fs::write(&source, PROGRAM).expect("a file");
    let header = concat!(env!("CARGO_MANIFEST_DIR"), "/kernels");
    let compiled = Command::new("cc")
        .args(["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-I", header, "-o"])
        .args([&program, &source])
        .arg("-lm")
        .status()
        .expect("a C compiler");
    assert!(compiled.success());
    for (seed, p) in [(1, 1), (2, 3), (3, 7), (4, 8), (5, 9), (6, 16), (7, 31), (8, 32)] {
        for bounded in [true, false] {
            compare(&program, seed, p, bounded);
        }
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}

fn compare(program: &std::path::Path, seed: u64, p: usize, bounded: bool) {
    let (rows, cols) = (40, 4 * p + 10);
    let mut random = Stream::new(seed, Purpose::Probe, p as u32);
    let weights: Vec<f64> =
        (0..rows * cols).map(|at| if at / cols == 5 { 0.0 } else { 0.2 + random.uniform() }).collect();
    let values: Vec<f64> = (0..rows * cols).map(|_| random.normal() + 0.3).collect();
    let design: Vec<f64> = (0..cols * p).map(|_| random.uniform() * random.uniform()).collect();
    let guess: Vec<f64> = (0..rows * p).map(|_| random.normal().max(0.0)).collect();
    let cpu = Cpu { threads: 1 };
    let table = cpu.table(rows, cols, &weights, &values).expect("a table");
    let design = cpu.factors(Batch { starts: 1, count: cols, p }, &design).expect("factors");
    let normal = cpu.normal_equations(&table, Side::Rows, &design).expect("normal equations");
    let guesses = cpu.factors(Batch { starts: 1, count: rows, p }, &guess).expect("factors");
    let expected = cpu.read(&cpu.nnls(&normal, &guesses, bounded).expect("solutions")).expect("solutions");

    let (a, b) = cpu.read_normal(&normal).expect("normal equations");
    let mut input = vec![p as f64, rows as f64, f64::from(u8::from(bounded))];
    for k in 0..p {
        for l in k..p {
            input.extend((0..rows).map(|i| a[i * packed_len(p) + packed(l, k)]));
        }
    }
    for from in [&b, &guess] {
        input.extend((0..p * rows).map(|at| from[at % rows * p + at / rows]));
    }
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program");
    let bytes: Vec<u8> = input.iter().flat_map(|x| x.to_ne_bytes()).collect();
    child.stdin.take().expect("its input").write_all(&bytes).expect("written");
    let output = child.wait_with_output().expect("its output");
    assert!(output.status.success());
    let found: Vec<f64> =
        output.stdout.chunks_exact(8).map(|x| f64::from_ne_bytes(x.try_into().expect("8 bytes"))).collect();
    assert_eq!(found.len(), rows * p);
    for i in 0..rows {
        let most = expected[i * p..(i + 1) * p].iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        for k in 0..p {
            let (x, y) = (found[k * rows + i], expected[i * p + k]);
            assert!((x - y).abs() <= 1e-11 * most, "p {p}, bounded {bounded}, system {i}, element {k}: {x} and {y}");
            assert_eq!(x == 0.0, y == 0.0, "p {p}, bounded {bounded}, system {i}, element {k}: {x} and {y}");
        }
    }
}
