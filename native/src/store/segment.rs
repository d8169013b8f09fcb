//! One segment: its items, each page checked before its first use.

use crate::store::ahead;
use crate::store::damage::Found;
use crate::store::fences::{Fences, Span};
use crate::store::header::{le32, le64, Bounds, Header, PAGE};
use crate::store::search::near;
use crate::store::sections::{S, SECTIONS, SIZES};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicU8, Ordering};

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
    entity_fences: Fences,
}

// The buffer is held, read-only by contract, and the checks are atomic.
unsafe impl Send for Segment {}
unsafe impl Sync for Segment {}

#[pymethods]
impl Segment {
    #[new]
    fn new(buffer: &Bound<'_, PyAny>) -> PyResult<Self> {
        let owner = PyBuffer::<u8>::get(buffer)?;
        Ok(Self::read(owner)?)
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
    fn read(owner: PyBuffer<u8>) -> Found<Self> {
        if !owner.is_c_contiguous() {
            return Err("a segment is not in one piece".into());
        }
        let (at, len) = (owner.buf_ptr() as *const u8, owner.item_count());
        let header = Header::read(unsafe { std::slice::from_raw_parts(at, len) })?;
        let checked = (0..header.pages()).map(|_| AtomicU8::new(0)).collect();
        Ok(Segment {
            _owner: owner,
            at,
            len,
            bounds: header.bounds,
            sums_at: header.sums_at,
            offsets: header.offsets,
            counts: header.counts,
            checked,
            entity_fences: Fences::of(
                header.counts[S::EntityCell as usize],
                header.bounds.cell_last,
            ),
        })
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
            return Err(format!("page {page} is not what was written").into());
        }
        self.checked[page].store(1, Ordering::Relaxed);
        Ok(())
    }

    /// The bytes of some items of a section, checked.
    pub fn items(&self, section: S, first: usize, last: usize) -> Found<&[u8]> {
        let number = section as usize;
        if first > last || last > self.counts[number] {
            return Err(format!("section {number} has no items {first} to {last}").into());
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

    /// Ask for the memory of an item, which is read soon; nothing is asked for where there is none.
    #[inline]
    pub fn fetch(&self, section: S, item: usize) {
        let number = section as usize;
        if item < self.counts[number] {
            ahead::fetch(self.bytes()[self.offsets[number] + item * SIZES[number]..].as_ptr());
        }
    }

    /// Between which entities a cell is, if it is one, and about where.
    #[inline]
    pub fn fenced(&self, cell: u32) -> Found<Span> {
        let count = self.count(S::EntityCell);
        self.entity_fences
            .span(cell, count, |guess, first, number| {
                near(guess, first, count, |place| {
                    Ok(self.u32(S::EntityCell, place)? < number)
                })
            })
    }

    /// A number of a section of u32, not checked: for what only asks for memory.
    pub fn hint_u32(&self, section: S, item: usize) -> u32 {
        le32(self.bytes(), self.offsets[section as usize] + 4 * item)
    }

    /// The same of a section of u64.
    pub fn hint_u64(&self, section: S, item: usize) -> u64 {
        le64(self.bytes(), self.offsets[section as usize] + 8 * item)
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
            return Err(format!("there is no cell {cell}").into());
        }
        let number = (cell - self.bounds.cell_after - 1) as usize;
        let start = if number == 0 {
            0
        } else {
            self.u32(S::CellEnd, number - 1)? as usize
        };
        self.items(S::CellHeap, start, self.u32(S::CellEnd, number)? as usize)
    }
}
