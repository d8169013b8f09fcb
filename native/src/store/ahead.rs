//! Reading ahead: what has to wait for memory waits for much of it at once, so that it matters little how many
//! segments there are. Nothing here changes an answer.

use crate::store::damage::Found;
use crate::store::fences::Span;
use crate::store::search::near;
use crate::store::sections::S;
use crate::store::segment::Segment;

/// How many segments are searched together.
const TOGETHER: usize = 64;

/// Ask for the memory at an address, which is read soon.
#[inline]
pub fn fetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        _mm_prefetch::<_MM_HINT_T0>(at as *const i8);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// The numbers that stand beside a prefix of 32 bits in sections of sorted pairs, segment by segment, until `each`
/// has what it wants.
pub fn matching<'a>(
    segments: impl Iterator<Item = &'a Segment>,
    section: S,
    prefix: u32,
    mut each: impl FnMut(&'a Segment, u32) -> Found<bool>,
) -> Found<()> {
    let mut segments = segments.peekable();
    while segments.peek().is_some() {
        let some: Vec<&Segment> = segments.by_ref().take(TOGETHER).collect();
        for segment in &some {
            segment.fetch(section, segment.first_guess(section, prefix));
        }
        let mut places = [0; TOGETHER];
        for (segment, place) in some.iter().zip(&mut places) {
            *place = segment.guess(section, prefix);
            segment.fetch(section, *place);
        }
        for (segment, place) in some.iter().zip(places) {
            let mut is_done = false;
            segment.matching_from(section, prefix, place, |number| {
                is_done = each(segment, number)?;
                Ok(is_done)
            })?;
            if is_done {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Where a cell would stand among the entities of each of some segments.
pub fn entity_places(segments: &[&Segment], cell: u32) -> Found<Vec<usize>> {
    let mut spans = Vec::with_capacity(segments.len());
    for segment in segments {
        let span = segment.fenced(cell)?;
        segment.fetch(S::EntityCell, span.guess);
        spans.push(span);
    }
    let place = |(segment, span): (&&Segment, Span)| {
        near(span.guess, span.first, span.last, |place| {
            Ok(segment.u32(S::EntityCell, place)? < cell)
        })
    };
    segments.iter().zip(spans).map(place).collect()
}

/// How many candidates wait for memory together.
const BLOCK: usize = 64;

/// What may be what is looked for, in one segment: its number there, and the place of what it is compared with.
pub struct Candidates<'a> {
    segment: &'a Segment,
    waiting: Vec<(u32, usize)>,
}

impl<'a> Candidates<'a> {
    pub fn of(segment: &'a Segment) -> Self {
        Candidates {
            segment,
            waiting: Vec::with_capacity(BLOCK),
        }
    }

    /// Take one in, whose memory `near` asks for; when many wait, compare them.
    pub fn add(
        &mut self,
        number: u32,
        place: usize,
        found: &mut [u32],
        kind: &impl Kind,
    ) -> Found<()> {
        kind.near(self.segment, number);
        self.waiting.push((number, place));
        if self.waiting.len() == BLOCK {
            self.compare(found, kind)?;
        }
        Ok(())
    }

    /// Note the numbers of those that are it.
    pub fn compare(&mut self, found: &mut [u32], kind: &impl Kind) -> Found<()> {
        for &(number, _) in &self.waiting {
            kind.far(self.segment, number);
        }
        for (number, place) in self.waiting.drain(..) {
            if found[place] == 0 && kind.is_it(self.segment, number, place)? {
                found[place] = number;
            }
        }
        Ok(())
    }
}

/// What is looked for many at a time.
pub trait Kind {
    /// Ask for the memory by which it is found out where an item stands.
    fn near(&self, segment: &Segment, number: u32);
    /// Ask for the memory of the item itself.
    fn far(&self, segment: &Segment, number: u32);
    /// Whether an item is the one at a place.
    fn is_it(&self, segment: &Segment, number: u32, place: usize) -> Found<bool>;
}

/// Cells by their keys.
pub struct Keys<'a>(pub &'a [&'a [u8]]);

impl Kind for Keys<'_> {
    fn near(&self, segment: &Segment, cell: u32) {
        let number = cell.wrapping_sub(segment.bounds.cell_after + 1) as usize;
        segment.fetch(S::CellEnd, number.saturating_sub(1));
    }
    fn far(&self, segment: &Segment, cell: u32) {
        let number = cell.wrapping_sub(segment.bounds.cell_after + 1) as usize;
        if number > 0 && number <= segment.bounds.cells() {
            segment.fetch(
                S::CellHeap,
                segment.hint_u32(S::CellEnd, number - 1) as usize,
            );
        }
    }
    fn is_it(&self, segment: &Segment, cell: u32, place: usize) -> Found<bool> {
        Ok(segment.key(cell)? == self.0[place])
    }
}

/// Facts by their digests.
pub struct Digests<'a>(pub &'a [&'a [u8; 32]]);

impl Kind for Digests<'_> {
    fn near(&self, segment: &Segment, row: u32) {
        segment.fetch(S::FactDigest, segment.bounds.fact(row));
    }
    fn far(&self, _: &Segment, _: u32) {}
    fn is_it(&self, segment: &Segment, row: u32, place: usize) -> Found<bool> {
        Ok(segment.digest(S::FactDigest, segment.bounds.fact(row))? == self.0[place])
    }
}
