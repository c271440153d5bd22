//! Positioned reads against a mapping, on a file of 512 MB in the system's cache: what the decision in ARCHITECTURE.md rests on.
//!
//! `cargo run --profile fast -p headwater-arrays --example mapping [FOLDER]`

#![allow(clippy::print_stdout, reason = "a program that prints its measurement")]

use std::time::Instant;

use headwater_arrays::{ArrayFile, Dtype, Element, write_npy};

const COLS: usize = 512;
const BATCH: usize = 4096;

/// Batches of rows into one buffer, by the reader of this crate; the sum keeps the work from being left out.
fn by_reads<T: Element + Into<f64>>(path: &std::path::Path, rows: usize) -> f64 {
    let file = ArrayFile::open(path, None).expect("written below");
    let mut out = vec![T::zeroed(); BATCH * COLS];
    let mut sum = 0.0;
    for from in (0..rows).step_by(BATCH) {
        file.read_rows(from, from + BATCH, &mut out).expect("rows that there are");
        sum += out[0].into() + out[BATCH * COLS - 1].into();
    }
    sum
}

/// The same, copied or converted from a mapping.
fn by_mapping<T: Element + Into<f64>>(path: &std::path::Path, rows: usize, of: impl Fn(&[u8], &mut [T])) -> f64 {
    let file = std::fs::File::open(path).expect("written below");
    // SAFETY: nobody else knows the file.
    let map = unsafe { memmap2::Mmap::map(&file) }.expect("a mapping");
    let size = (map.len() - 128) / (rows * COLS);
    let mut out = vec![T::zeroed(); BATCH * COLS];
    let mut sum = 0.0;
    for from in (0..rows).step_by(BATCH) {
        of(&map[128 + from * COLS * size..][..BATCH * COLS * size], &mut out);
        sum += out[0].into() + out[BATCH * COLS - 1].into();
    }
    sum
}

fn main() {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let path = folder.join("headwater-mapping.npy");
    for (dtype, rows) in [(Dtype::Float64, 1 << 17), (Dtype::Float32, 1 << 18)] {
        let numbers: Vec<f64> = (0..rows * COLS).map(|k| k as f64 * 0.5).collect();
        write_npy(&path, rows, COLS, &numbers, dtype).expect("room on the disk");
        drop(numbers);
        let mut best = [f64::INFINITY; 2];
        for _ in 0..7 {
            let start = Instant::now();
            let first = by_reads::<f64>(&path, rows);
            best[0] = best[0].min(start.elapsed().as_secs_f64());
            let start = Instant::now();
            let second = by_mapping::<f64>(&path, rows, |bytes, out| match dtype {
                Dtype::Float64 => bytemuck::cast_slice_mut::<f64, u8>(out).copy_from_slice(bytes),
                _ => {
                    let (elements, _) = bytes.as_chunks::<4>();
                    out.iter_mut().zip(elements).for_each(|(to, b)| *to = f64::from(f32::from_le_bytes(*b)));
                }
            });
            best[1] = best[1].min(start.elapsed().as_secs_f64());
            assert_eq!(first, second);
        }
        let megabytes = std::fs::metadata(&path).expect("it is there").len() as f64 / 1e6;
        for (way, seconds) in ["positioned reads", "mapping"].iter().zip(best) {
            println!("{} of {megabytes:.0} MB as float64, {way}: {:.0} ms", dtype.as_str(), 1e3 * seconds);
        }
    }
    std::fs::remove_file(&path).expect("nobody else knows the file");
}
