//! The keys of values, as they are read from facts. Their form is told in `rhizomedb/store/keys.py`.

use crate::store::damage::Found;
use sha2::{Digest, Sha256};

pub fn hash_of(key: &[u8]) -> u32 {
    u32::from_be_bytes(Sha256::digest(key)[..4].try_into().unwrap())
}

/// What a digest is looked up by.
pub fn prefix_of(digest: &[u8; 32]) -> u32 {
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

pub const OUTSIDE: &str = "a fact ends outside its delta";

/// The major type and number of the head of an encoded value, and where it ends.
pub fn head(data: &[u8], at: usize) -> Found<(u8, u64, usize)> {
    let first = *data.get(at).ok_or(OUTSIDE)?;
    let (major, info) = (first >> 5, first & 31);
    if info < 24 {
        return Ok((major, info as u64, at + 1));
    }
    let size = 1usize << (info as usize - 24).min(3);
    let bytes = data.get(at + 1..at + 1 + size).ok_or(OUTSIDE)?;
    Ok((
        major,
        bytes
            .iter()
            .fold(0, |number, &byte| number << 8 | byte as u64),
        at + 1 + size,
    ))
}

/// The key of the encoded value at an offset.
pub fn key_at(data: &[u8], at: usize, key: &mut Vec<u8>) -> Found<()> {
    let (major, number, end) = head(data, at)?;
    key.clear();
    let sign = 1u64 << 63;
    let mut put = |kind: u8, from: usize, size: u64| -> Found<()> {
        let bytes = usize::try_from(size)
            .ok()
            .and_then(|size| data.get(from..from.checked_add(size)?));
        key.push(kind);
        key.extend_from_slice(bytes.ok_or(OUTSIDE)?);
        Ok(())
    };
    match (major, data[at]) {
        (3, _) => put(3, end, number)?,
        (2, _) => put(4, end, number)?,
        (6, _) => {
            let (_, size, start) = head(data, end)?;
            put(5, start + 1, size.saturating_sub(1))?
        }
        (0, _) => {
            key.push(1);
            key.extend_from_slice(&number.wrapping_add(sign).to_be_bytes())
        }
        (1, _) => {
            key.push(1);
            key.extend_from_slice(&(!number).wrapping_add(sign).to_be_bytes())
        }
        (_, 0xFB) => {
            key.push(2);
            key.extend_from_slice(
                &(number ^ if number & sign != 0 { u64::MAX } else { sign }).to_be_bytes(),
            )
        }
        (_, first) => key.extend_from_slice(&[0, (first == 0xF5) as u8]),
    }
    Ok(())
}

/// The digest of a link to a block of ours.
pub fn own_digest(raw: &[u8]) -> Option<&[u8; 32]> {
    raw.strip_prefix(&[1, 0x71, 0x12, 0x20])?.try_into().ok()
}
