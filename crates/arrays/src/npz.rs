//! `.npz`: a zip archive of `.npy` members. A stored member is read in place, a compressed one is unpacked into memory.

use std::io::{BufReader, Read};

use headwater_base::Error;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use crate::source::{Source, Stream};

/// The first bytes of an archive: of one with members, and of an empty one.
pub const MAGICS: [&[u8; 4]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Largest compressed member: it has to lie in memory as a whole.
pub const MEMBER_LIMIT: u64 = 1 << 30;

/// Deflate makes at most 1032 bytes of one.
const DEFLATE_RATIO: u64 = 1032;

/// An archive that is being looked at.
pub struct Archive<'a> {
    zip: ZipArchive<BufReader<Stream<'a>>>,
    /// Member and its name without `.npy`.
    members: Vec<(usize, String)>,
}

/// Where a member lies.
pub enum Member {
    /// From and to, in the file itself.
    Stored(u64, u64),
    /// Its bytes.
    Unpacked(Vec<u8>),
}

impl<'a> Archive<'a> {
    /// Errors: `array-header-not-valid`, `array-not-recognised` for an archive without arrays.
    pub fn open(source: &'a Source) -> Result<Self, Error> {
        let zip = ZipArchive::new(BufReader::new(Stream::new(source))).map_err(|error| refused(&error))?;
        let mut members = Vec::new();
        for (at, name) in zip.file_names().enumerate() {
            let name = name.map_err(|error| refused(&error))?;
            if let Some(name) = name.strip_suffix(".npy") {
                members.push((at, name.to_string()));
            }
        }
        if members.is_empty() {
            let torch = zip.file_names().flatten().any(|name| name.ends_with("data.pkl"));
            let (message, hint) = if torch {
                ("this is a file of torch.save, which holds a Python program", "write it with safetensors instead")
            } else {
                ("this archive holds no .npy member", "write it with numpy.savez")
            };
            return Err(Error::new("array-not-recognised", message).with_hint(hint));
        }
        Ok(Self { zip, members })
    }

    /// Names of the arrays.
    pub fn names(&self) -> Vec<String> {
        self.members.iter().map(|(_, name)| name.clone()).collect()
    }

    /// One array's bytes.
    ///
    /// Errors: `array-header-not-valid`, `array-truncated`, `array-too-large`, `array-compression-not-supported`.
    pub fn member(&mut self, name: &str, length: u64) -> Result<Member, Error> {
        let at = self.members.iter().find(|member| member.1 == name).expect("the name comes from this archive").0;
        let mut member = self.zip.by_index(at).map_err(|error| refused(&error))?;
        let (size, packed) = (member.size(), member.compressed_size());
        match member.compression() {
            CompressionMethod::Stored => {
                let from = member.data_start().ok_or_else(|| damaged("a member has no place"))?;
                let to = from.checked_add(size).filter(|to| *to <= length && size == packed);
                to.map(|to| Member::Stored(from, to)).ok_or_else(|| damaged("a member reaches beyond the archive"))
            }
            CompressionMethod::Deflated => {
                if size > MEMBER_LIMIT {
                    let message = format!(
                        "'{name}' is compressed and would take {size} bytes of memory; {MEMBER_LIMIT} are the most"
                    );
                    let error = Error::new("array-too-large", message).with_limit(MEMBER_LIMIT as f64);
                    return Err(error.with_hint("write it with numpy.savez or numpy.save, without compression"));
                }
                if packed > length || size > packed.saturating_mul(DEFLATE_RATIO) {
                    return Err(damaged("a member is said to be larger than its bytes can give"));
                }
                let mut bytes = Vec::new();
                let room = bytes.try_reserve_exact(size as usize);
                room.map_err(|_| {
                    Error::new("array-too-large", format!("there is no memory for the {size} bytes of '{name}'"))
                        .with_hint("write it with numpy.savez or numpy.save, without compression")
                })?;
                // The checksum is compared when the end has been read.
                let read = member.by_ref().take(size + 1).read_to_end(&mut bytes);
                read.map_err(|error| damaged(&format!("'{name}' cannot be unpacked: {error}")))?;
                if bytes.len() as u64 != size {
                    return Err(damaged(&format!("'{name}' unpacks to another size than the archive says")));
                }
                Ok(Member::Unpacked(bytes))
            }
            other => Err(Error::new("array-compression-not-supported", format!("'{name}' is compressed by {other}"))
                .with_hint("write it with numpy.savez or numpy.savez_compressed")),
        }
    }
}

fn damaged(message: &str) -> Error {
    Error::new("array-header-not-valid", message).with_hint("the archive is damaged: write it again")
}

fn refused(error: &ZipError) -> Error {
    damaged(&format!("the archive cannot be read: {error}"))
}
