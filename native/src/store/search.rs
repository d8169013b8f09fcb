//! Searching what is sorted in one segment.

use crate::store::damage::Found;
use crate::store::sections::S;
use crate::store::segment::Segment;

impl Segment {
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

    /// The numbers that stand beside a prefix of 32 bits in a section of sorted pairs. The prefixes are those of
    /// hashes, so the place is guessed, and searched for from there.
    pub fn matching(
        &self,
        section: S,
        prefix: u32,
        mut each: impl FnMut(u32) -> Found<bool>,
    ) -> Found<()> {
        let count = self.count(section);
        if count == 0 {
            return Ok(());
        }
        let wanted = (prefix as u64) << 32;
        let guess = ((prefix as u64 * count as u64) >> 32) as usize;
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

/// Where the items of a cell begin and end, by the sorted cells of an attribute or entity.
pub fn part(segment: &Segment, cells: S, ends: S, cell: u32) -> Found<(usize, usize)> {
    let number = segment.bisect(cells, cell, 0, segment.count(cells))?;
    if number == segment.count(cells) || segment.u32(cells, number)? != cell {
        return Ok((0, 0));
    }
    let start = if number == 0 {
        0
    } else {
        segment.u32(ends, number - 1)? as usize
    };
    Ok((start, segment.u32(ends, number)? as usize))
}

/// Where a number would stand in a part of an order that is sorted by a column.
pub fn bisect_in(
    segment: &Segment,
    order: S,
    column: S,
    number: u32,
    mut first: usize,
    mut last: usize,
) -> Found<usize> {
    while first < last {
        let middle = (first + last) / 2;
        if segment.u32(column, segment.u32(order, middle)? as usize)? < number {
            first = middle + 1;
        } else {
            last = middle;
        }
    }
    Ok(first)
}
