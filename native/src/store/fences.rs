//! Fences in a sorted section: where in it some numbers stand, found when they are first needed and then remembered, so
//! that a search begins near its end instead of in the middle, whatever the numbers are like.

use crate::store::damage::Found;
use std::sync::atomic::{AtomicU32, Ordering};

/// About how many items are between two fences: few enough that they are spread evenly enough to guess among them.
const ITEMS: usize = 128;
const UNKNOWN: u32 = u32::MAX;

/// The fences of one section; there are none where there are few items.
pub struct Fences {
    shift: u32,
    places: Box<[AtomicU32]>,
}

/// The items among which a number is, and about where.
pub struct Span {
    pub first: usize,
    pub last: usize,
    pub guess: usize,
}

impl Fences {
    /// Those of so many items, which are numbers up to one.
    pub fn of(items: usize, most: u32) -> Self {
        let count = (items / ITEMS) as u32;
        let shift = (0..u32::BITS)
            .find(|shift| most >> shift < count)
            .unwrap_or(u32::BITS - 1);
        let fences = if count > 1 { (most >> shift) + 2 } else { 0 };
        let places = (0..fences).map(|_| AtomicU32::new(UNKNOWN)).collect();
        Fences { shift, places }
    }

    /// Where to look for a number among so many items; `find` says where one stands, by a guess, which is outside if there is none, and not before a place.
    #[inline]
    pub fn span(
        &self,
        number: u32,
        items: usize,
        find: impl Fn(usize, usize, u32) -> Found<usize>,
    ) -> Found<Span> {
        let nth = (number >> self.shift) as usize;
        let (Some(before), Some(behind)) = (self.places.get(nth), self.places.get(nth + 1)) else {
            return Ok(Span {
                first: 0,
                last: items,
                guess: items,
            });
        };
        let edge = |nth: usize| ((nth as u64) << self.shift).min(u32::MAX as u64) as u32;
        let first = known(before, || find(items, 0, edge(nth)))?;
        let last = known(behind, || find(first + ITEMS, first, edge(nth + 1)))?;
        let off = (number & ((1 << self.shift) - 1)) as u64 * last.saturating_sub(first) as u64;
        Ok(Span {
            first,
            last,
            guess: first + (off >> self.shift) as usize,
        })
    }
}

/// The place of a fence, found if it is not known.
#[inline]
fn known(fence: &AtomicU32, find: impl Fn() -> Found<usize>) -> Found<usize> {
    let known = fence.load(Ordering::Relaxed);
    if known != UNKNOWN {
        return Ok(known as usize);
    }
    let place = find()?;
    fence.store(place as u32, Ordering::Relaxed);
    Ok(place)
}
