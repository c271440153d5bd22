//! Where the bytes of an array lie: in a file that is read at positions, or in memory.

use std::fs::{File, metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use headwater_base::Error;

/// Bytes that can be read at any place.
#[derive(Debug)]
pub enum Source {
    /// A file, and its length when it was opened.
    File(File, u64),
    /// An unpacked member of an archive.
    Memory(Vec<u8>),
}

impl Source {
    /// Errors: `file-not-found`, `file-locked`, `file-not-readable`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        // Before opening: to open a pipe waits for somebody to write into it.
        let kind = metadata(path).map_err(|cause| unreadable(&cause))?;
        if !kind.is_file() {
            let what = if kind.is_dir() { "a folder" } else { "a device or pipe" };
            return Err(Error::new("file-not-readable", format!("this is {what}, not a file")));
        }
        let file = File::open(path).map_err(|cause| unreadable(&cause))?;
        let length = file.metadata().map_err(|cause| unreadable(&cause))?.len();
        Ok(Self::File(file, length))
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::File(_, length) => *length,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// Errors: `array-file-changed` if they end before that, `file-not-readable`.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        match self {
            Self::Memory(bytes) => {
                let from = usize::try_from(offset).ok().and_then(|from| bytes.get(from..));
                out.copy_from_slice(from.and_then(|bytes| bytes.get(..out.len())).ok_or_else(shorter)?);
            }
            Self::File(file, _) => {
                let mut done = 0;
                while done < out.len() {
                    match read_some(file, &mut out[done..], offset + done as u64) {
                        Ok(0) => return Err(shorter()),
                        Ok(count) => done += count,
                        Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                        Err(cause) => return Err(unreadable(&cause)),
                    }
                }
            }
        }
        Ok(())
    }

    /// As much of `out` as there are bytes from `offset` on; how many that were.
    pub fn read_up_to(&self, offset: u64, out: &mut [u8]) -> Result<usize, Error> {
        let there = self.len().saturating_sub(offset).min(out.len() as u64) as usize;
        self.read_at(offset, &mut out[..there])?;
        Ok(there)
    }
}

#[cfg(unix)]
fn read_some(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, offset)
}

#[cfg(windows)]
fn read_some(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, offset)
}

fn shorter() -> Error {
    Error::new("array-file-changed", "the file has become shorter since it was opened")
        .with_hint("wait until the program that writes it is done, and open it again")
}

/// What a failure of the system means for the owner of the file.
fn unreadable(cause: &io::Error) -> Error {
    match cause.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            Error::new("file-not-found", "there is no such file").with_hint("check the name and the folder")
        }
        ErrorKind::PermissionDenied => Error::new("file-not-readable", "no permission to read this file")
            .with_hint("is it open in another program?"),
        ErrorKind::ResourceBusy | ErrorKind::WouldBlock => {
            Error::new("file-locked", "another program holds this file open").with_hint("close it there and try again")
        }
        _ => Error::new("file-not-readable", format!("cannot read this file: {cause}")),
    }
}

/// A source as a stream, for the reader of archives.
pub struct Stream<'a> {
    source: &'a Source,
    at: u64,
}

impl<'a> Stream<'a> {
    /// From the first byte on.
    pub fn new(source: &'a Source) -> Self {
        Self { source, at: 0 }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read_up_to(self.at, out).map_err(|error| io::Error::other(error.message))?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Stream<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "a position before the first byte"))?;
        Ok(self.at)
    }
}
