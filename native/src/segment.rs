//! The layout of segments and the reading of single items, each page checked before its first use.
//! The layout is told in `rhizomedb/store/segment.py`.

use crate::ahead;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicU8, Ordering};

pub const PAGE: usize = 16 * 1024;
pub const ALIGN: usize = 64;
pub const ROW: u32 = 1 << 31;
pub const MAGIC: &[u8; 8] = b"RhizSeg\x01";
pub const SECTIONS: usize = 36;
pub const HEADER: usize = 8 + 8 * 4 + 8 + 16 * SECTIONS;

/// The sections, in their order.
#[allow(dead_code)]
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum S {
    CellEnd,
    CellHeap,
    CellByHash,
    CellInOrder,
    DeltaId,
    DeltaAuthor,
    DeltaSystem,
    DeltaEdge,
    DeltaGroup,
    DeltaMs,
    DeltaCounter,
    DeltaScope,
    DeltaEpoch,
    DeltaGroupSize,
    DeltaFactLast,
    DeltaById,
    DeltaGrouped,
    AuthorCell,
    FactDigest,
    AttributeCell,
    AttributeEnd,
    FactEntity,
    FactValue,
    FactRow,
    FactPlace,
    FactByValue,
    FactByEntity,
    EntityCell,
    EntityEnd,
    FactById,
    CauseFrom,
    CauseTo,
    CauseByTo,
    RepeatDelta,
    RepeatFact,
    RepeatByFact,
}

/// The names of the sections, in their order.
pub const NAMES: [&str; SECTIONS] = [
    "cell.end",
    "cell.heap",
    "cell.by_hash",
    "cell.in_order",
    "delta.id",
    "delta.author",
    "delta.system",
    "delta.edge",
    "delta.group",
    "delta.ms",
    "delta.counter",
    "delta.scope",
    "delta.epoch",
    "delta.group_size",
    "delta.fact_last",
    "delta.by_id",
    "delta.grouped",
    "author.cell",
    "fact.digest",
    "attribute.cell",
    "attribute.end",
    "fact.entity",
    "fact.value",
    "fact.row",
    "fact.place",
    "fact.by_value",
    "fact.by_entity",
    "entity.cell",
    "entity.end",
    "fact.by_id",
    "cause.from",
    "cause.to",
    "cause.by_to",
    "repeat.delta",
    "repeat.fact",
    "repeat.by_fact",
];

/// The sections by their numbers.
pub const ORDER: [S; SECTIONS] = [
    S::CellEnd,
    S::CellHeap,
    S::CellByHash,
    S::CellInOrder,
    S::DeltaId,
    S::DeltaAuthor,
    S::DeltaSystem,
    S::DeltaEdge,
    S::DeltaGroup,
    S::DeltaMs,
    S::DeltaCounter,
    S::DeltaScope,
    S::DeltaEpoch,
    S::DeltaGroupSize,
    S::DeltaFactLast,
    S::DeltaById,
    S::DeltaGrouped,
    S::AuthorCell,
    S::FactDigest,
    S::AttributeCell,
    S::AttributeEnd,
    S::FactEntity,
    S::FactValue,
    S::FactRow,
    S::FactPlace,
    S::FactByValue,
    S::FactByEntity,
    S::EntityCell,
    S::EntityEnd,
    S::FactById,
    S::CauseFrom,
    S::CauseTo,
    S::CauseByTo,
    S::RepeatDelta,
    S::RepeatFact,
    S::RepeatByFact,
];

pub const SIZES: [usize; SECTIONS] = [
    4, 1, 8, 4, 32, 4, 4, 4, 4, 8, 4, 4, 4, 4, 4, 8, 4, 4, 32, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8, 4,
    4, 4, 4, 4, 4,
];

/// What goes wrong inside is a sentence; at the border it becomes `rhizomedb.store.segment.damaged`.
pub type Found<T> = Result<T, String>;

pub fn damaged(py: Python<'_>, what: String) -> PyErr {
    match py
        .import("rhizomedb.store.segment")
        .and_then(|module| module.getattr("damaged")?.call1((what,)))
    {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

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
}

pub fn align(at: usize) -> usize {
    at.div_ceil(ALIGN) * ALIGN
}

/// One segment in a buffer that Python keeps: bytes, or a file that is mapped.
#[pyclass(frozen, module = "rhizomedb_native")]
pub struct Segment {
    _owner: PyBuffer<u8>,
    at: *const u8,
    len: usize,
    pub bounds: Bounds,
    sums_at: usize,
    offsets: [usize; SECTIONS],
    counts: [usize; SECTIONS],
    checked: Vec<AtomicU8>,
}

// The buffer is held, read-only by contract, and the checks are atomic.
unsafe impl Send for Segment {}
unsafe impl Sync for Segment {}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[pymethods]
impl Segment {
    #[new]
    fn new(buffer: &Bound<'_, PyAny>) -> PyResult<Self> {
        let owner = PyBuffer::<u8>::get(buffer)?;
        if !owner.is_c_contiguous() {
            return Err(damaged(buffer.py(), "a segment is not in one piece".into()));
        }
        let (at, len) = (owner.buf_ptr() as *const u8, owner.item_count());
        Self::read(owner, at, len).map_err(|what| damaged(buffer.py(), what))
    }

    /// The six bounds, the numbers of causes and of repeats, and where the page sums begin.
    fn numbers(&self) -> (u32, u32, u32, u32, u32, u32, usize, usize, usize) {
        let b = &self.bounds;
        let (causes, repeats) = (self.count(S::CauseFrom), self.count(S::RepeatDelta));
        let cells = (b.cell_after, b.cell_last);
        (
            b.delta_after,
            b.delta_last,
            b.fact_after,
            b.fact_last,
            cells.0,
            cells.1,
            causes,
            repeats,
            self.sums_at,
        )
    }
}

impl Segment {
    fn read(owner: PyBuffer<u8>, at: *const u8, len: usize) -> Found<Self> {
        let bytes = unsafe { std::slice::from_raw_parts(at, len) };
        if len < HEADER {
            return Err("a segment is shorter than its header".into());
        }
        if &bytes[..8] != MAGIC
            || le32(bytes, 8) as usize != PAGE
            || le32(bytes, 12) as usize != SECTIONS
        {
            return Err("a segment does not begin as one".into());
        }
        let n: Vec<u32> = (0..6).map(|i| le32(bytes, 16 + 4 * i)).collect();
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
        let sums_at = le64(bytes, 40) as usize;
        let (mut offsets, mut counts) = ([0; SECTIONS], [0; SECTIONS]);
        let mut end = HEADER;
        for section in 0..SECTIONS {
            offsets[section] = le64(bytes, 48 + 16 * section) as usize;
            counts[section] = le64(bytes, 56 + 16 * section) as usize;
            if offsets[section] != align(end) || counts[section] > len {
                return Err("the sections of a segment do not follow one another".into());
            }
            end = offsets[section] + counts[section] * SIZES[section];
        }
        let pages = sums_at.min(len).div_ceil(PAGE);
        let found = Segment {
            _owner: owner,
            at,
            len,
            bounds,
            sums_at,
            offsets,
            counts,
            checked: (0..pages).map(|_| AtomicU8::new(0)).collect(),
        };
        if end != sums_at || sums_at > len || len != sums_at + 4 * pages || !found.agrees() {
            return Err("a segment is not as long as it says".into());
        }
        Ok(found)
    }

    fn agrees(&self) -> bool {
        use S::*;
        let (d, f, c) = (
            self.bounds.deltas(),
            self.bounds.facts(),
            self.bounds.cells(),
        );
        let all = |sections: &[S], count: usize| {
            sections.iter().all(|&section| self.count(section) == count)
        };
        all(&[CellEnd, CellByHash, CellInOrder], c)
            && all(
                &[
                    DeltaId,
                    DeltaAuthor,
                    DeltaSystem,
                    DeltaEdge,
                    DeltaGroup,
                    DeltaMs,
                    DeltaCounter,
                ],
                d,
            )
            && all(
                &[
                    DeltaScope,
                    DeltaEpoch,
                    DeltaGroupSize,
                    DeltaFactLast,
                    DeltaById,
                ],
                d,
            )
            && all(
                &[
                    FactDigest,
                    FactEntity,
                    FactValue,
                    FactRow,
                    FactPlace,
                    FactByValue,
                    FactByEntity,
                    FactById,
                ],
                f,
            )
            && all(&[AttributeEnd], self.count(AttributeCell))
            && all(&[EntityEnd], self.count(EntityCell))
            && all(&[CauseTo, CauseByTo], self.count(CauseFrom))
            && all(&[RepeatFact, RepeatByFact], self.count(RepeatDelta))
            && self.count(DeltaGrouped) <= d
    }

    fn bytes(&self) -> &[u8] {
        unsafe { std::slice::from_raw_parts(self.at, self.len) }
    }

    /// Where the segment begins in memory.
    pub fn start(&self) -> usize {
        self.at as usize
    }

    pub fn count(&self, section: S) -> usize {
        self.counts[section as usize]
    }

    /// Compare the pages that hold some bytes with their sums.
    pub fn check(&self, at: usize, size: usize) -> Found<()> {
        if size == 0 {
            return Ok(());
        }
        for page in at / PAGE..(at + size).div_ceil(PAGE) {
            if self.checked[page].load(Ordering::Relaxed) == 0 {
                self.check_page(page)?;
            }
        }
        Ok(())
    }

    #[cold]
    fn check_page(&self, page: usize) -> Found<()> {
        let start = page * PAGE;
        let end = (start + PAGE).min(self.sums_at);
        if crc32fast::hash(&self.bytes()[start..end]) != le32(self.bytes(), self.sums_at + 4 * page)
        {
            return Err(format!("page {page} is not what was written"));
        }
        self.checked[page].store(1, Ordering::Relaxed);
        Ok(())
    }

    /// The bytes of some items of a section, checked.
    pub fn items(&self, section: S, first: usize, last: usize) -> Found<&[u8]> {
        let number = section as usize;
        if first > last || last > self.counts[number] {
            return Err(format!("section {number} has no items {first} to {last}"));
        }
        let (at, size) = (
            self.offsets[number] + first * SIZES[number],
            (last - first) * SIZES[number],
        );
        self.check(at, size)?;
        Ok(&self.bytes()[at..at + size])
    }

    pub fn all(&self, section: S) -> Found<&[u8]> {
        self.items(section, 0, self.count(section))
    }

    #[inline]
    pub fn u32(&self, section: S, item: usize) -> Found<u32> {
        self.items(section, item, item + 1)
            .map(|bytes| le32(bytes, 0))
    }

    #[inline]
    pub fn u64(&self, section: S, item: usize) -> Found<u64> {
        self.items(section, item, item + 1)
            .map(|bytes| le64(bytes, 0))
    }

    pub fn u32s(&self, section: S) -> Found<Vec<u32>> {
        Ok(self
            .all(section)?
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&bytes| u32::from_le_bytes(bytes))
            .collect())
    }

    pub fn u64s(&self, section: S) -> Found<Vec<u64>> {
        Ok(self
            .all(section)?
            .as_chunks::<8>()
            .0
            .iter()
            .map(|&bytes| u64::from_le_bytes(bytes))
            .collect())
    }

    pub fn digest(&self, section: S, item: usize) -> Found<&[u8]> {
        self.items(section, item, item + 1)
    }

    /// The key of a cell that came up first here.
    pub fn key(&self, cell: u32) -> Found<&[u8]> {
        if cell <= self.bounds.cell_after {
            return Err(format!("there is no cell {cell}"));
        }
        let number = (cell - self.bounds.cell_after - 1) as usize;
        let start = if number == 0 {
            0
        } else {
            self.u32(S::CellEnd, number - 1)? as usize
        };
        self.items(S::CellHeap, start, self.u32(S::CellEnd, number)? as usize)
    }

    /// The first item of a sorted part of a section that is not less than a number.
    pub fn bisect(
        &self,
        section: S,
        number: u32,
        mut first: usize,
        mut last: usize,
    ) -> Found<usize> {
        while first < last {
            let middle = (first + last) / 2;
            if self.u32(section, middle)? < number {
                first = middle + 1;
            } else {
                last = middle;
            }
        }
        Ok(first)
    }

    /// Ask for the memory of an item, which is read soon; nothing is asked for where there is none.
    #[inline]
    pub fn fetch(&self, section: S, item: usize) {
        let number = section as usize;
        if item < self.counts[number] {
            ahead::fetch(self.bytes()[self.offsets[number] + item * SIZES[number]..].as_ptr());
        }
    }

    /// A number of a section of u32, not checked: for what only asks for memory.
    pub fn hint(&self, section: S, item: usize) -> u32 {
        le32(self.bytes(), self.offsets[section as usize] + 4 * item)
    }

    /// Where a prefix would stand in a section of sorted pairs if the prefixes were spread evenly.
    #[inline]
    pub fn first_guess(&self, section: S, prefix: u32) -> usize {
        ((prefix as u64 * self.count(section) as u64) >> 32) as usize
    }

    /// Where it would stand by what is found there: prefixes are those of hashes, so this is a few items off. The item
    /// is not checked, for nothing but the way of the search depends on it.
    pub fn guess(&self, section: S, prefix: u32) -> usize {
        let (number, count) = (section as usize, self.count(section));
        let guess = self.first_guess(section, prefix);
        if guess >= count {
            return 0;
        }
        let found = le64(self.bytes(), self.offsets[number] + guess * SIZES[number]) >> 32;
        let off = ((prefix as i64 - found as i64) * count as i64) >> 32;
        (guess as i64 + off).clamp(0, count as i64 - 1) as usize
    }

    /// The numbers that stand beside a prefix of 32 bits in a section of sorted pairs.
    pub fn matching(
        &self,
        section: S,
        prefix: u32,
        each: impl FnMut(u32) -> Found<bool>,
    ) -> Found<()> {
        self.matching_from(section, prefix, self.guess(section, prefix), each)
    }

    /// The same, searched for from a place that was guessed.
    pub fn matching_from(
        &self,
        section: S,
        prefix: u32,
        guess: usize,
        mut each: impl FnMut(u32) -> Found<bool>,
    ) -> Found<()> {
        let count = self.count(section);
        if count == 0 {
            return Ok(());
        }
        let wanted = (prefix as u64) << 32;
        let (mut first, mut last) = (0, count);
        let mut step = 8;
        if self.u64(section, guess)? < wanted {
            first = guess + 1;
            while first + step < count {
                if self.u64(section, first + step)? >= wanted {
                    last = first + step;
                    break;
                }
                first += step + 1;
                step *= 2;
            }
        } else {
            last = guess;
            while last > step {
                if self.u64(section, last - step)? < wanted {
                    first = last - step + 1;
                    break;
                }
                last -= step;
                step *= 2;
            }
        }
        while first < last {
            let middle = (first + last) / 2;
            if self.u64(section, middle)? < wanted {
                first = middle + 1;
            } else {
                last = middle;
            }
        }
        while first < count {
            let pair = self.u64(section, first)?;
            if pair >> 32 != prefix as u64 || each(pair as u32)? {
                break;
            }
            first += 1;
        }
        Ok(())
    }
}
