//! Arrays in files: `.npy`, `.npz` and `.safetensors`, read in pieces by rows and written whole or not at all.
//!
//! A read goes through these files in order: `open` tells the formats apart by their first bytes and asks `npy`, `npz` or
//! `safetensors` for the place, shape and type of the array (`layout`, `element`); `read` fetches rows from the `source`,
//! in C order whatever the order of the file, and converts them. `write` is the way back; `sae_lens` writes what SAELens
//! loads.
//!
//! Nothing is mapped into memory: a mapped file that another program makes shorter ends the process with a signal that
//! cannot be caught in an addon, while a read that comes short is an error of one call.

#[cfg(target_endian = "big")]
compile_error!("arrays are copied between files and memory as little-endian bytes");

mod element;
mod layout;
mod npy;
mod npz;
mod open;
mod read;
mod sae_lens;
mod safetensors;
mod source;
mod write;

pub use element::{Dtype, Element};
pub use npz::MEMBER_LIMIT;
pub use open::ArrayFile;
pub use sae_lens::{LinearDictionary, export_sae_lens};
pub use write::{NamedArray, Numbers, write_npy, write_safetensors};
