//! Reading ahead: what has to wait for memory waits for much of it at once, so that it matters little how many
//! segments there are. Nothing here changes an answer.

use crate::segment::{Found, Segment, S};

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

/// The first item of a sorted section that is not less than a number, in each of some segments.
pub fn bisect_each(segments: &[&Segment], section: S, number: u32) -> Found<Vec<usize>> {
    let mut spans: Vec<(usize, usize)> = segments
        .iter()
        .map(|segment| (0, segment.count(section)))
        .collect();
    let mut is_open = true;
    while is_open {
        is_open = false;
        for (segment, &(first, last)) in segments.iter().zip(&spans) {
            segment.fetch(section, (first + last) / 2);
        }
        for (segment, (first, last)) in segments.iter().zip(&mut spans) {
            if *first < *last {
                let middle = (*first + *last) / 2;
                if segment.u32(section, middle)? < number {
                    *first = middle + 1;
                } else {
                    *last = middle;
                }
                is_open |= *first < *last;
            }
        }
    }
    Ok(spans.into_iter().map(|(first, _)| first).collect())
}
