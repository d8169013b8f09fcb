//! Searching what is sorted in one segment.

use crate::store::damage::Found;
use crate::store::sections::S;
use crate::store::segment::Segment;

/// The first of some places at which something does not hold, where it holds at all before that and at none behind.
#[inline]
pub fn partition_point(
    mut first: usize,
    mut last: usize,
    holds: impl Fn(usize) -> Found<bool>,
) -> Found<usize> {
    while first < last {
        let middle = (first + last) / 2;
        if holds(middle)? {
            first = middle + 1;
        } else {
            last = middle;
        }
    }
    Ok(first)
}

/// The same, searched for from a place that was guessed, if it is among them: what is few items off is found in few
/// steps.
#[inline]
pub fn near(
    guess: usize,
    mut first: usize,
    mut last: usize,
    holds: impl Fn(usize) -> Found<bool>,
) -> Found<usize> {
    if guess < first || guess >= last {
        return partition_point(first, last, holds);
    }
    let mut step = 8;
    if holds(guess)? {
        first = guess + 1;
        while first + step < last {
            if !holds(first + step)? {
                last = first + step;
                break;
            }
            first += step + 1;
            step *= 2;
        }
    } else {
        last = guess;
        while last > first + step {
            if holds(last - step)? {
                first = last - step + 1;
                break;
            }
            last -= step;
            step *= 2;
        }
    }
    partition_point(first, last, holds)
}

impl Segment {
    /// Where a number would stand in a sorted part of a section.
    #[inline]
    pub fn bisect(&self, section: S, number: u32, first: usize, last: usize) -> Found<usize> {
        partition_point(first, last, |place| Ok(self.u32(section, place)? < number))
    }

    /// Where a number would stand in a part of an order that is sorted by a column.
    #[inline]
    pub fn bisect_in(
        &self,
        order: S,
        column: S,
        number: u32,
        first: usize,
        last: usize,
    ) -> Found<usize> {
        partition_point(first, last, |place| {
            Ok(self.u32(column, self.u32(order, place)? as usize)? < number)
        })
    }

    /// The places at which a column holds a number, by an order in which the column is sorted.
    #[inline]
    pub fn all_of(
        &self,
        order: S,
        column: S,
        wanted: u32,
        mut each: impl FnMut(usize) -> Found<()>,
    ) -> Found<()> {
        let count = self.count(order);
        let mut at = self.bisect_in(order, column, wanted, 0, count)?;
        while at < count {
            let place = self.u32(order, at)? as usize;
            if self.u32(column, place)? != wanted {
                break;
            }
            each(place)?;
            at += 1;
        }
        Ok(())
    }

    /// What stands in a column beside a number in another, which is sorted.
    pub fn beside(&self, sorted: S, wanted: u32, column: S) -> Found<Vec<u32>> {
        let count = self.count(sorted);
        let first = self.bisect(sorted, wanted, 0, count)?;
        let mut found = Vec::new();
        for at in first..count {
            if self.u32(sorted, at)? != wanted {
                break;
            }
            found.push(self.u32(column, at)?);
        }
        Ok(found)
    }

    /// Where the items of a cell begin and end, by the sorted cells of an attribute or entity.
    pub fn part(&self, cells: S, ends: S, cell: u32) -> Found<(usize, usize)> {
        let number = self.bisect(cells, cell, 0, self.count(cells))?;
        self.part_at(cells, ends, cell, number)
    }

    /// The same, where the cell stands at a number if it is there.
    pub fn part_at(&self, cells: S, ends: S, cell: u32, number: usize) -> Found<(usize, usize)> {
        if number == self.count(cells) || self.u32(cells, number)? != cell {
            return Ok((0, 0));
        }
        let start = if number == 0 {
            0
        } else {
            self.u32(ends, number - 1)? as usize
        };
        Ok((start, self.u32(ends, number)? as usize))
    }

    /// Where the facts of each attribute begin and end.
    pub fn parts(&self) -> Found<Vec<(usize, usize)>> {
        let mut start = 0;
        let ends = self.u32s(S::AttributeEnd)?.into_iter();
        Ok(ends
            .map(|end| (std::mem::replace(&mut start, end as usize), end as usize))
            .collect())
    }

    /// Where a prefix would stand in a section of sorted pairs if the prefixes were spread evenly.
    #[inline]
    pub fn first_guess(&self, section: S, prefix: u32) -> usize {
        ((prefix as u64 * self.count(section) as u64) >> 32) as usize
    }

    /// Where it would stand by what is found there: prefixes are those of hashes, so this is a few items off. The item
    /// is not checked, for nothing but the way of the search depends on it.
    pub fn guess(&self, section: S, prefix: u32) -> usize {
        let count = self.count(section);
        let guess = self.first_guess(section, prefix);
        if guess >= count {
            return 0;
        }
        let found = self.hint_u64(section, guess) >> 32;
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
        let mut first = near(guess, 0, count, |place| {
            Ok(self.u64(section, place)? < wanted)
        })?;
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
