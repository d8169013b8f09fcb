//! What a delta says, as it comes in from Python. Told in `rhizomedb/store/said.py`.

use crate::store::damage::Found;
use crate::store::keys::{head, OUTSIDE};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

pub struct Said<'a> {
    pub id: &'a [u8],
    pub keys: [&'a [u8]; 4],
    pub group_size: u32,
    pub ms: u64,
    pub counter: u32,
    pub scope: u32,
    pub epoch: u32,
    pub data: &'a [u8],
    pub spans: &'a [u8],
    pub digests: &'a [u8],
}

fn bytes_of<'a>(delta: &'a Bound<'_, PyTuple>, place: usize) -> PyResult<&'a [u8]> {
    let item = delta.get_borrowed_item(place)?;
    let bytes = item.cast::<PyBytes>()?;
    let bytes = bytes.as_bytes();
    // The tuple keeps the bytes alive for as long as it is borrowed, and neither changes.
    Ok(unsafe { std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()) })
}

pub fn read_said<'a>(delta: &'a Bound<'_, PyTuple>) -> PyResult<Said<'a>> {
    Ok(Said {
        id: bytes_of(delta, 0)?,
        keys: [
            bytes_of(delta, 1)?,
            bytes_of(delta, 2)?,
            bytes_of(delta, 3)?,
            bytes_of(delta, 4)?,
        ],
        group_size: delta.get_item(5)?.extract()?,
        ms: delta.get_item(6)?.extract()?,
        counter: delta.get_item(7)?.extract()?,
        scope: delta.get_item(8)?.extract()?,
        epoch: delta.get_item(9)?.extract()?,
        data: bytes_of(delta, 10)?,
        spans: bytes_of(delta, 11)?,
        digests: bytes_of(delta, 12)?,
    })
}

impl Said<'_> {
    pub fn span(&self, place: usize, number: usize) -> usize {
        let at = 20 * place + 4 * number;
        u32::from_le_bytes(self.spans[at..at + 4].try_into().unwrap()) as usize
    }
}

/// The bytes of each cause of a fact, in their order.
pub fn for_causes<'a>(
    delta: &Said<'a>,
    place: usize,
    mut each: impl FnMut(&'a [u8]) -> Found<()>,
) -> Found<()> {
    let (_, causes, mut at) = head(delta.data, delta.span(place, 3))?;
    for _ in 0..causes {
        let (_, size, start) = head(delta.data, at + 2)?;
        at = start
            .checked_add(size as usize)
            .filter(|&end| end <= delta.data.len())
            .ok_or(OUTSIDE)?;
        each(delta.data.get(start + 1..at).ok_or(OUTSIDE)?)?;
    }
    Ok(())
}
