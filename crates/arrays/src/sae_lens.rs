//! A linear dictionary in the files that SAELens loads: `cfg.json` and `sae_weights.safetensors`, float32.
//!
//! With decoders d_k, encoders e_k and offset b, x ↦ Σ_k a_k d_k + b, a = gate(⟨e_k, x − b⟩ + c_k). Stored are
//! W_enc = (e_1 … e_K) (p × K), W_dec (K × p), b_enc = c, b_dec = b, and for thresholds `threshold`.
//!
//! Source: SAELens 6 (J. Bloom, C. Tigges, A. Duong, D. Chanin), `load_from_disk`.

use std::fs::create_dir_all;
use std::path::Path;

use headwater_base::Error;

use crate::element::Element;
use crate::write::{NamedArray, Numbers, unwritable, write_safetensors, write_text};

/// A linear dictionary of K atoms in p columns.
#[derive(Clone, Copy, Debug)]
pub struct LinearDictionary<'a> {
    /// K.
    pub atoms: usize,
    /// p.
    pub columns: usize,
    /// K × p.
    pub decoder: &'a [f64],
    /// p.
    pub offset: &'a [f64],
    /// K × p; absent: d_k/‖d_k‖², which gives each atom's amplitude as if it were alone (0 for an atom of zeros).
    pub encoder: Option<&'a [f64]>,
    /// K; absent: 0.
    pub encoder_offset: Option<&'a [f64]>,
    /// K, for gates that open above a threshold.
    pub threshold: Option<&'a [f64]>,
}

/// Writes `dir/sae_weights.safetensors`, and then `dir/cfg.json` with the text `config`: what was interrupted does not load.
///
/// Errors: `shape-mismatch`, `value-not-finite` for what is not finite or exceeds float32, `output-not-writable`.
pub fn export_sae_lens(dir: &Path, dictionary: &LinearDictionary<'_>, config: &str) -> Result<(), Error> {
    let &LinearDictionary { atoms, columns, decoder, offset, encoder, encoder_offset, threshold } = dictionary;
    let count = atoms.checked_mul(columns);
    let fits = |name: &str, numbers: &[f64], wanted: Option<usize>| {
        if Some(numbers.len()) == wanted {
            return Ok(());
        }
        let message = format!("the {name} has {} elements, for {atoms} atoms in {columns} columns", numbers.len());
        Err(Error::new("shape-mismatch", message))
    };
    fits("decoder", decoder, count)?;
    fits("offset", offset, Some(columns))?;
    fits("encoder", encoder.unwrap_or(decoder), count)?;
    let zeros = vec![0.0; atoms];
    let encoder_offset = encoder_offset.unwrap_or(&zeros);
    fits("encoder's offset", encoder_offset, Some(atoms))?;
    fits("threshold", threshold.unwrap_or(&zeros), Some(atoms))?;

    let own = encoder.is_none().then(|| matched(decoder, columns));
    let encoder = encoder.unwrap_or_else(|| own.as_deref().unwrap_or_default());
    let mut turned = vec![0.0; encoder.len()];
    for (k, row) in encoder.chunks_exact(columns.max(1)).enumerate() {
        row.iter().enumerate().for_each(|(j, e)| turned[j * atoms + k] = *e);
    }
    let parts = [
        ("W_enc", vec![columns, atoms], narrow("encoder", &turned)?),
        ("W_dec", vec![atoms, columns], narrow("decoder", decoder)?),
        ("b_enc", vec![atoms], narrow("encoder's offset", encoder_offset)?),
        ("b_dec", vec![columns], narrow("offset", offset)?),
    ];
    let threshold = threshold.map(|numbers| narrow("threshold", numbers)).transpose()?;
    let threshold = threshold.map(|numbers| ("threshold", vec![atoms], numbers));
    let tensors: Vec<NamedArray> = parts
        .iter()
        .chain(&threshold)
        .map(|(name, shape, numbers)| NamedArray {
            name: (*name).to_string(),
            shape: shape.clone(),
            numbers: Numbers::Float32(numbers),
        })
        .collect();
    create_dir_all(dir).map_err(|error| unwritable(&error))?;
    write_safetensors(&dir.join("sae_weights.safetensors"), &tensors, None)?;
    write_text(&dir.join("cfg.json"), config)
}

/// d_k/‖d_k‖².
fn matched(decoder: &[f64], columns: usize) -> Vec<f64> {
    let rows = decoder.chunks_exact(columns.max(1)).flat_map(|row| {
        let square: f64 = row.iter().map(|d| d * d).sum();
        let scale = if square > 0.0 { 1.0 / square } else { 0.0 };
        row.iter().map(move |d| d * scale)
    });
    rows.collect()
}

fn narrow(name: &str, numbers: &[f64]) -> Result<Vec<f32>, Error> {
    let one = |value: &f64| {
        let narrow = f32::of_f64(*value).filter(|value| value.is_finite());
        narrow.ok_or_else(|| {
            Error::new("value-not-finite", format!("the {name} has the element {value:e}, which float32 cannot hold"))
        })
    };
    numbers.iter().map(one).collect()
}
