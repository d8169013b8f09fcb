//! The log of a table: where its rows stand, and which of them are in the old version and in the new one.

use super::batch::{broken, Batch};
use super::hash::prefetch;
use super::pages::prefer_large_if_grown;
use super::pulse::Pulse;
use super::rows::{hash_of, hashes, Rows, AHEAD};
use super::table::{Table, ALIVE, DEAD, DYING, GONE};
use pyo3::prelude::*;

impl Table {
    pub(super) fn is_in(&self, place: usize, new: bool) -> bool {
        let state = self.states.get(place).copied().unwrap_or(ALIVE);
        if new {
            state == ALIVE
        } else {
            place < self.mark && state != DEAD
        }
    }

    /// Whether every row belongs to the version, so that none needs to be asked.
    pub(super) fn is_whole(&self, new: bool) -> bool {
        self.states.is_empty() && (new || self.mark == self.extent)
    }

    pub(super) fn find_row(&self, columns: &[Vec<u32>], row: usize, hash: u64) -> Option<usize> {
        self.rows.find(hash, |place| {
            self.columns
                .iter()
                .zip(columns)
                .all(|(held, asked)| held[place] == asked[row])
        })
    }

    /// Ask for where a row seems to stand, once the slot that tells is at hand.
    #[inline(always)]
    pub(super) fn prefetch_place(&self, hash: u64) {
        if let Some(place) = self.rows.guess(hash) {
            for column in &self.columns {
                prefetch(column, place);
            }
            if let Some(stamps) = &self.stamps {
                prefetch(stamps, place);
            }
        }
    }

    /// From here on it matters where a row stands.
    pub(super) fn place_rows(&mut self) -> PyResult<()> {
        if self.pairs.is_some() || self.loose {
            let mut rows = Rows::with_room(self.extent);
            Pulse::of_signals().pieces(self.extent, |piece| {
                for (place, &hash) in
                    piece
                        .clone()
                        .zip(&hashes(&self.columns, piece.start, piece.end))
                {
                    rows.insert(hash, place);
                }
            })?;
            self.rows = rows;
            self.pairs = None;
            self.loose = false;
        }
        Ok(())
    }

    /// The columns had room for so much; those that got more since.
    pub(super) fn prefer_large_columns(&self, room: &[usize]) {
        for (column, &before) in self.columns.iter().zip(room) {
            prefer_large_if_grown(column, before);
        }
    }

    pub(super) fn append(&mut self, columns: &[Vec<u32>], row: usize) -> usize {
        for (held, column) in self.columns.iter_mut().zip(columns) {
            held.push(column[row]);
        }
        if !self.states.is_empty() {
            self.states.push(ALIVE);
        }
        self.extent += 1;
        self.extent - 1
    }

    pub(super) fn mark_as(&mut self, place: usize, state: u8) {
        if self.states.is_empty() {
            self.states = vec![ALIVE; self.extent];
        }
        self.states[place] = state;
    }

    /// A row is no more: it was in the old version, or the step itself had added it.
    pub(super) fn end(&mut self, place: usize) {
        let stamp = self
            .stamps
            .as_mut()
            .map(|stamps| std::mem::replace(&mut stamps[place], GONE));
        if place >= self.mark {
            self.mark_as(place, DEAD);
            self.dead += 1;
            return;
        }
        self.mark_as(place, DYING);
        self.dying.push(place as u32);
        if let Some(stamp) = stamp {
            self.dying_stamps.insert(place as u32, stamp);
        }
    }

    pub(super) fn gather(&self, places: &[u32]) -> Batch {
        let columns = self
            .columns
            .iter()
            .map(|column| places.iter().map(|&place| column[place as usize]).collect())
            .collect();
        Batch::new(columns, places.len())
    }

    /// The rows anew, from what is alive.
    pub(super) fn rehash(&mut self) {
        self.rows = Rows::with_room(self.extent);
        for place in 0..self.extent {
            if self.is_in(place, true) {
                self.rows.insert(hash_of(&self.columns, place), place);
            }
        }
        self.postings.clear();
        self.adjacent = [None, None];
    }

    pub(super) fn pack(&mut self) {
        let places: Vec<u32> = (0..self.extent as u32)
            .filter(|&place| self.is_in(place as usize, true))
            .collect();
        for column in &mut self.columns {
            *column = places.iter().map(|&place| column[place as usize]).collect();
        }
        if let Some(stamps) = &mut self.stamps {
            *stamps = places.iter().map(|&place| stamps[place as usize]).collect();
        }
        if let Some(counts) = &mut self.counts {
            *counts = places.iter().map(|&place| counts[place as usize]).collect();
        }
        self.extent = places.len();
        self.mark = self.extent;
        self.states = Vec::new();
        self.dead = 0;
        self.rehash();
    }

    /// Apply what was counted; the places of new rows follow from the extent, those that go are returned as dying.
    pub(super) fn apply(&mut self) -> PyResult<()> {
        let pending = std::mem::take(&mut self.pending);
        let mut counts = self.counts.take().unwrap_or_default();
        let size = pending.sums.len();
        let hashes = hashes(&pending.columns, 0, size);
        for row in 0..size {
            if let Some(&ahead) = hashes.get(row + AHEAD) {
                self.rows.prefetch(ahead);
            }
            let sum = pending.sums[row];
            if sum == 0 {
                continue;
            }
            let found = self.find_row(&pending.columns, row, hashes[row]);
            let before = found.map_or(0, |place| counts[place]);
            let after = before + sum;
            if after < 0 {
                self.counts = Some(counts); // a table that is not counted could not be rolled back
                return Err(broken(
                    "nothing is taken back more often than it was derived",
                ));
            }
            match found {
                Some(place) if before > 0 => {
                    self.undo.push((place as u32, before));
                    counts[place] = after;
                    if after == 0 {
                        self.end(place);
                    }
                }
                _ => {
                    let place = self.append(&pending.columns, row);
                    counts.push(after);
                    match found {
                        Some(old) => self.rows.replace(hashes[row], old, place),
                        None => self.rows.insert(hashes[row], place),
                    }
                }
            }
        }
        self.counts = Some(counts);
        Ok(())
    }
}
