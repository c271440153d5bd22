//! Files written here and read again. What other programs wrote, and every broken file, is read in __test__/manifold.

use std::fs::{OpenOptions, read, write};

use headwater_arrays::{ArrayFile, Dtype, NamedArray, Numbers, write_npy, write_safetensors};
use tempfile::tempdir;

fn rows(file: &ArrayFile, from: usize, to: usize) -> Vec<f64> {
    let mut out = vec![0.0; (to - from) * file.table().1];
    file.read_rows(from, to, &mut out).expect("rows that there are");
    out
}

#[test]
fn any_rows_of_a_table_are_read_to_the_bit() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("x.npy");
    let numbers: Vec<f64> = (0..7000 * 11).map(|k| (f64::from(k) * 0.37).sin()).collect();
    for dtype in [Dtype::Float64, Dtype::Float32] {
        write_npy(&path, 7000, 11, &numbers, dtype).expect("room on the disk");
        let file = ArrayFile::open(&path, None).expect("written above");
        assert_eq!((file.table(), file.dtype(), file.names().len(), file.held()), ((7000, 11), dtype, 0, 0));
        for (from, to) in [(0, 7000), (13, 6999), (6999, 7000), (5, 5)] {
            let wanted = numbers[from * 11..to * 11].iter();
            let wanted: Vec<f64> = match dtype {
                Dtype::Float32 => wanted.map(|&x| f64::from(x as f32)).collect(),
                _ => wanted.copied().collect(),
            };
            assert_eq!(rows(&file, from, to), wanted);
        }
        let mut short = [0.0; 10];
        assert_eq!(file.read_rows(0, 1, &mut short).expect_err("too short").code, "shape-mismatch");
        assert_eq!(file.read_rows(7000, 7001, &mut short).expect_err("no such row").code, "option-out-of-range");
    }
}

#[test]
fn tensors_of_both_types_begin_at_multiples_of_their_size() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    let (narrow, wide) = ([1.5_f32, -2.0, 0.25], [1e300, -0.0, f64::MIN_POSITIVE, 3.0]);
    let tensors = [
        NamedArray { name: "narrow".into(), shape: vec![3], numbers: Numbers::Float32(&narrow) },
        NamedArray { name: "wide".into(), shape: vec![2, 1, 2], numbers: Numbers::Float64(&wide) },
    ];
    write_safetensors(&path, &tensors, None).expect("room on the disk");
    let file = ArrayFile::open(&path, Some("wide")).expect("written above");
    assert_eq!((file.names(), file.table()), (["wide".to_string(), "narrow".to_string()].as_slice(), (2, 2)));
    assert_eq!(<[f64; 4]>::try_from(rows(&file, 0, 2)).expect("four").map(f64::to_bits), wide.map(f64::to_bits));
    // The header ends at a multiple of 8, and the wider type comes first.
    assert_eq!(read(&path).expect("written above")[0] % 8, 0);
    let narrow_file = ArrayFile::open(&path, Some("narrow")).expect("written above");
    assert_eq!(rows(&narrow_file, 0, 3), [1.5, -2.0, 0.25]);
    assert_eq!(ArrayFile::open(&path, None).expect_err("two tensors").code, "array-name-missing");
}

#[test]
fn a_file_that_shrinks_under_its_reader_is_an_error() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("x.npy");
    write_npy(&path, 1000, 3, &[1.0; 3000], Dtype::Float64).expect("room on the disk");
    let file = ArrayFile::open(&path, None).expect("written above");
    OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(1000)).expect("it can be cut");
    let mut out = vec![0.0_f64; 3000];
    assert_eq!(file.read_rows(0, 1000, &mut out).expect_err("cut off").code, "array-file-changed");
    assert_eq!(rows(&file, 0, 20), [1.0; 60]);
}

#[test]
fn what_is_no_array_is_said_to_be_none() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("x.npy");
    assert_eq!(ArrayFile::open(&path, None).expect_err("no file").code, "file-not-found");
    assert_eq!(ArrayFile::open(folder.path(), None).expect_err("a folder").code, "file-not-readable");
    write(&path, "1,2\n").expect("room on the disk");
    let error = ArrayFile::open(&path, None).expect_err("text");
    assert_eq!(error.code, "array-not-recognised");
    assert!(error.hint.is_some_and(|hint| hint.contains("numpy.save")));
}
