//! Saved optimisers: magic, version, the caller's header, the body, and a checksum of all of it.

use headwater_base::Error;

const MAGIC: &[u8; 8] = b"HWOPTIM\0";
/// Of the layout of the file and of every rule's memory; a change of either raises it.
const VERSION: u32 = 1;

/// One file.
pub fn seal(header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(header.len() + body.len() + 32);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    for part in [header, body] {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part);
    }
    let sum = crc32fast::hash(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// Header and body of a file.
pub fn open(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let broken = |message: &str| Err(Error::new("state-not-valid", message));
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return broken("this is not a saved optimiser");
    };
    let Some((version, rest)) = rest.split_first_chunk::<4>() else {
        return broken("the saved optimiser is cut off");
    };
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        let message = format!("the saved optimiser has format {version}; this version of headwater reads {VERSION}");
        return broken(&message);
    }
    let part = |from: &'_ [u8]| -> Option<(usize, usize)> {
        let (length, rest) = from.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        (length <= rest.len()).then_some((length, rest.len() - length))
    };
    let Some((header, left)) = part(rest) else { return broken("the saved optimiser is cut off") };
    let (header, tail) = (&rest[8..8 + header], &rest[rest.len() - left..]);
    let Some((body, left)) = part(tail) else { return broken("the saved optimiser is cut off") };
    let Ok(sum) = <[u8; 4]>::try_from(&tail[tail.len() - left..]) else {
        return broken("the saved optimiser is cut off, or has something behind its end");
    };
    if crc32fast::hash(&bytes[..bytes.len() - 4]) != u32::from_le_bytes(sum) {
        return broken("the saved optimiser is damaged: its checksum does not fit");
    }
    Ok((header, &tail[8..8 + body]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_any_damage_found() {
        let bytes = seal(b"{\"a\":1}", &[1, 2, 3]);
        assert_eq!(open(&bytes), Ok((&b"{\"a\":1}"[..], &[1_u8, 2, 3][..])));
        for at in 0..bytes.len() {
            assert!(open(&bytes[..at]).is_err(), "cut off at {at}");
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 0x10;
            assert!(open(&spoilt).is_err(), "damaged at {at}");
        }
        assert!(open(&[bytes, vec![0]].concat()).is_err());
    }
}
