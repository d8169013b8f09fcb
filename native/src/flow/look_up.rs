//! Look-ups in a table: the places of the rows that agree with keys, in either version, with stamps below a bound.

use super::batch::{broken, Batch};
use super::hash::{mix, seed};
use super::pairs::Pairs;
use super::postings::{Asked, Postings};
use super::rows::{fold, AHEAD};
use super::table::{Table, DEAD, GONE};
use pyo3::prelude::*;
use std::collections::HashMap;

/// (column of the table, column of the batch or -1, constant)
pub(super) type KeyPart = (usize, isize, u32);

impl Table {
    pub(super) fn posted(&mut self, columns: Vec<usize>) -> PyResult<usize> {
        let number = match self
            .postings
            .iter()
            .position(|held| held.columns == columns)
        {
            Some(number) => number,
            None => {
                self.postings.push(Postings::new(columns));
                self.postings.len() - 1
            }
        };
        let states = &self.states;
        self.postings[number].catch_up(&self.columns, self.extent, |place| {
            states.get(place).copied() == Some(DEAD)
        })?;
        Ok(number)
    }

    pub(super) fn asked<'a>(&self, batch: &'a Batch, keys: &[KeyPart]) -> PyResult<Vec<Asked<'a>>> {
        keys.iter()
            .map(|&(column, from, id)| {
                if column >= self.columns.len() {
                    return Err(broken("a table has no such column"));
                }
                Ok(match usize::try_from(from) {
                    Ok(from) => Asked::Each(batch.column_at(from)?),
                    Err(_) => Asked::Same(id),
                })
            })
            .collect()
    }

    pub(super) fn bounds<'a>(
        &self,
        batch: &'a Batch,
        before: isize,
    ) -> PyResult<Option<&'a Vec<u32>>> {
        usize::try_from(before)
            .ok()
            .map(|column| batch.column_at(column))
            .transpose()
    }

    /// Visit for each asked row the places that agree with it and belong to the version.
    pub(super) fn visit(
        &mut self,
        asked: &[Asked<'_>],
        keys: &[KeyPart],
        new: bool,
        bounds: Option<&Vec<u32>>,
        (first, last): (usize, usize),
        mut visitor: impl FnMut(usize, &mut dyn Iterator<Item = u32>) -> bool,
    ) -> PyResult<usize> {
        let whole = self.is_whole(new) && bounds.is_none();
        if keys.is_empty() {
            for row in first..last {
                // One by one: who only asks whether there is any need not pay for all.
                let mut places =
                    (0..self.extent as u32).filter(|&place| self.is_asked(place, row, new, bounds));
                if !visitor(row, &mut places) {
                    return Ok(row + 1);
                }
            }
            return Ok(last);
        }
        if new && keys.len() == self.columns.len() && is_ordered(keys) {
            self.place_rows()?;
            return Ok(self.visit_rows(asked, bounds, (first, last), visitor));
        }
        let number = self.posted(keys.iter().map(|&(column, ..)| column).collect())?;
        let this = &*self;
        let next = this.postings[number].visit(&this.columns, asked, first, last, |row, places| {
            if whole {
                visitor(row, &mut places.iter().copied())
            } else {
                visitor(
                    row,
                    &mut places
                        .iter()
                        .copied()
                        .filter(|&place| this.is_asked(place, row, new, bounds)),
                )
            }
        });
        Ok(next)
    }

    /// The same where whole rows are asked for as they are now.
    pub(super) fn visit_rows(
        &self,
        asked: &[Asked<'_>],
        bounds: Option<&Vec<u32>>,
        (first, last): (usize, usize),
        mut visitor: impl FnMut(usize, &mut dyn Iterator<Item = u32>) -> bool,
    ) -> usize {
        let hash_at = |row: usize| {
            fold(
                asked
                    .iter()
                    .fold(seed(), |hash, ids| mix(hash, ids.id(row))),
            )
        };
        let mut hashes = [0u64; AHEAD];
        let mut row = first;
        while row < last {
            let block = AHEAD.min(last - row);
            for (offset, hash) in hashes[..block].iter_mut().enumerate() {
                *hash = hash_at(row + offset);
                self.rows.prefetch(*hash);
            }
            for &hash in &hashes[..block] {
                self.prefetch_place(hash);
            }
            for (offset, &hash) in hashes[..block].iter().enumerate() {
                let found = self.rows.find(hash, |place| {
                    self.columns
                        .iter()
                        .zip(asked)
                        .all(|(column, ids)| column[place] == ids.id(row + offset))
                });
                let mut places = found
                    .map(|place| place as u32)
                    .into_iter()
                    .filter(|&place| self.is_asked(place, row + offset, true, bounds));
                if !visitor(row + offset, &mut places) {
                    return row + offset + 1;
                }
            }
            row += block;
        }
        last
    }

    /// The set of pairs, where it alone can tell whether a whole row is there.
    pub(super) fn whole_pairs(
        &self,
        keys: &[KeyPart],
        new: bool,
        bounds: Option<&Vec<u32>>,
    ) -> Option<&Pairs> {
        let suits = new && bounds.is_none() && !self.loose && keys.len() == 2 && is_ordered(keys);
        self.pairs
            .as_ref()
            .filter(|_| suits && self.columns.len() == 2)
    }

    pub(super) fn is_asked(
        &self,
        place: u32,
        row: usize,
        new: bool,
        bounds: Option<&Vec<u32>>,
    ) -> bool {
        match (bounds, &self.stamps) {
            (Some(bounds), Some(stamps)) if new => stamps[place as usize] < bounds[row],
            (Some(bounds), Some(stamps)) => {
                self.is_in(place as usize, new)
                    && stamp_of(place, stamps, &self.dying_stamps) < bounds[row]
            }
            _ => self.is_in(place as usize, new),
        }
    }
}

/// The stamp of a row of either version: of what is dying in this step, the one that it had.
pub(super) fn stamp_of(place: u32, stamps: &[u32], dying: &HashMap<u32, u32>) -> u32 {
    match stamps[place as usize] {
        GONE => dying.get(&place).copied().unwrap_or(GONE),
        stamp => stamp,
    }
}

/// Whether keys are over all columns, in their order.
fn is_ordered(keys: &[KeyPart]) -> bool {
    keys.iter()
        .enumerate()
        .all(|(number, &(column, ..))| column == number)
}
