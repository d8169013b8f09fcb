//! The first bytes of a segment: what it covers, where each section is, and where the page sums begin.

use crate::store::damage::Found;
use crate::store::sections::{Many, COUNTS, SECTIONS, SIZES};

pub const PAGE: usize = 16 * 1024;
const ALIGN: usize = 64;
pub const ROW: u32 = 1 << 31;
pub const CELL: u32 = 1 << 30;
const MAGIC: &[u8; 8] = b"RhizSeg\x01";
const BOUNDS_AT: usize = 16;
const SUMS_AT: usize = 40;
const PLACES_AT: usize = 48;
const PLACE_BYTES: usize = 16;
const HEADER: usize = PLACES_AT + PLACE_BYTES * SECTIONS;
const _: () = assert!(ALIGN <= PAGE);

#[derive(Clone, Copy, Default)]
pub struct Bounds {
    pub delta_after: u32,
    pub delta_last: u32,
    pub fact_after: u32,
    pub fact_last: u32,
    pub cell_after: u32,
    pub cell_last: u32,
}

impl Bounds {
    pub fn facts(&self) -> usize {
        (self.fact_last - self.fact_after) as usize
    }
    pub fn deltas(&self) -> usize {
        (self.delta_last - self.delta_after) as usize
    }
    pub fn cells(&self) -> usize {
        (self.cell_last - self.cell_after) as usize
    }

    /// The place of a row among those of a segment; behind them if it is another's.
    pub fn fact(&self, row: u32) -> usize {
        row.wrapping_sub(self.fact_after + 1) as usize
    }

    /// The place of a delta among those of a segment; behind them if it is another's.
    pub fn delta(&self, seq: u32) -> usize {
        seq.wrapping_sub(self.delta_after + 1) as usize
    }
}

pub struct Header {
    pub bounds: Bounds,
    pub sums_at: usize,
    pub offsets: [usize; SECTIONS],
    pub counts: [usize; SECTIONS],
}

impl Header {
    /// The header of sections that are so many bytes long.
    pub fn of(bounds: Bounds, lengths: impl Iterator<Item = usize>) -> Self {
        let (mut offsets, mut counts) = ([0; SECTIONS], [0; SECTIONS]);
        let mut at = HEADER;
        for (section, length) in lengths.enumerate() {
            offsets[section] = align(at);
            counts[section] = length / SIZES[section];
            at = offsets[section] + length;
        }
        Header {
            bounds,
            sums_at: at,
            offsets,
            counts,
        }
    }

    pub fn write(&self, out: &mut [u8]) {
        out[..8].copy_from_slice(MAGIC);
        let b = &self.bounds;
        let numbers = [
            PAGE as u32,
            SECTIONS as u32,
            b.delta_after,
            b.delta_last,
            b.fact_after,
            b.fact_last,
            b.cell_after,
            b.cell_last,
        ];
        for (place, number) in numbers.into_iter().enumerate() {
            out[8 + 4 * place..12 + 4 * place].copy_from_slice(&number.to_le_bytes());
        }
        let mut put = |at: usize, number: usize| {
            out[at..at + 8].copy_from_slice(&(number as u64).to_le_bytes())
        };
        put(SUMS_AT, self.sums_at);
        for section in 0..SECTIONS {
            let at = PLACES_AT + PLACE_BYTES * section;
            put(at, self.offsets[section]);
            put(at + 8, self.counts[section]);
        }
    }

    /// The header of a segment, every number of it checked against the length of the whole.
    pub fn read(bytes: &[u8]) -> Found<Self> {
        let len = bytes.len();
        if len < HEADER {
            return Err("a segment is shorter than its header".into());
        }
        if &bytes[..8] != MAGIC
            || le32(bytes, 8) as usize != PAGE
            || le32(bytes, 12) as usize != SECTIONS
        {
            return Err("a segment does not begin as one".into());
        }
        let n: Vec<u32> = (0..6).map(|i| le32(bytes, BOUNDS_AT + 4 * i)).collect();
        if n[0] > n[1] || n[2] > n[3] || n[4] > n[5] || n.iter().any(|&number| number >= ROW) {
            return Err("a segment is not as long as it says".into());
        }
        let bounds = Bounds {
            delta_after: n[0],
            delta_last: n[1],
            fact_after: n[2],
            fact_last: n[3],
            cell_after: n[4],
            cell_last: n[5],
        };
        let sums_at = le64(bytes, SUMS_AT) as usize;
        let (mut offsets, mut counts) = ([0; SECTIONS], [0; SECTIONS]);
        let mut end = HEADER;
        for section in 0..SECTIONS {
            let at = PLACES_AT + PLACE_BYTES * section;
            offsets[section] = le64(bytes, at) as usize;
            counts[section] = le64(bytes, at + 8) as usize;
            if offsets[section] != align(end) || counts[section] > len {
                return Err("the sections of a segment do not follow one another".into());
            }
            end = offsets[section] + counts[section] * SIZES[section];
        }
        let header = Header {
            bounds,
            sums_at,
            offsets,
            counts,
        };
        if end != sums_at || sums_at > len || len != header.bytes() || !header.agrees() {
            return Err("a segment is not as long as it says".into());
        }
        Ok(header)
    }

    /// The length of the whole segment.
    pub fn bytes(&self) -> usize {
        self.sums_at + 4 * self.pages()
    }

    pub fn pages(&self) -> usize {
        self.sums_at.div_ceil(PAGE)
    }

    fn agrees(&self) -> bool {
        let (b, counts) = (&self.bounds, &self.counts);
        COUNTS.iter().zip(counts).all(|(many, &count)| match many {
            Many::Any => true,
            Many::Cells => count == b.cells(),
            Many::Deltas => count == b.deltas(),
            Many::DeltasAtMost => count <= b.deltas(),
            Many::Facts => count == b.facts(),
            Many::As(other) => count == counts[*other as usize],
        })
    }
}

fn align(at: usize) -> usize {
    at.div_ceil(ALIGN) * ALIGN
}

pub fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
