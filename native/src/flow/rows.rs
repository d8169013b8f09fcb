//! Where rows stand: an open-addressing table from the hash of a row to its place.

use super::hash::{mix, prefetch, seed, tag};
use super::pages::prefer_large;
use super::pulse::{Pulse, EVERY};
use pyo3::prelude::*;

/// How many rows are hashed before the first of them is looked up, so that memory answers meanwhile.
pub const AHEAD: usize = 16;

/// With so many slots growing takes long enough to be stopped on the way.
const MANY: usize = 16 * EVERY;

#[derive(Default)]
pub struct Rows {
    slots: Vec<u64>, // the upper half of a hash, and a place + 1; 0 where nothing is
    used: usize,
}

impl Rows {
    pub fn with_room(rows: usize) -> Self {
        let slots = if rows == 0 {
            Vec::new()
        } else {
            vec![0; (2 * rows).next_power_of_two()]
        };
        prefer_large(&slots, slots.len());
        Self { slots, used: 0 }
    }

    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        if !self.slots.is_empty() {
            prefetch(&self.slots, hash as usize & (self.slots.len() - 1));
        }
    }

    #[inline(always)]
    pub fn find(&self, hash: u64, equal: impl Fn(usize) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let held = self.slots[slot];
            if held == 0 {
                return None;
            }
            if tag(held) == tag(hash) {
                let place = (held as u32 - 1) as usize;
                if equal(place) {
                    return Some(place);
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Where a row of this hash may stand: the first place of which the slots do not tell otherwise.
    #[inline(always)]
    pub fn guess(&self, hash: u64) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let held = self.slots[hash as usize & (self.slots.len() - 1)];
        (held != 0 && tag(held) == tag(hash)).then(|| (held as u32 - 1) as usize)
    }

    /// The place that a slot leads to becomes another: the same row now stands there.
    pub fn replace(&mut self, hash: u64, old: usize, new: usize) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] as u32 != old as u32 + 1 {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = tag(hash) | (new as u64 + 1);
    }

    /// Add a row that is not there.
    #[inline(always)]
    pub fn insert(&mut self, hash: u64, place: usize) {
        if 2 * (self.used + 1) > self.slots.len() {
            self.grow();
        }
        self.used += 1;
        Self::put(&mut self.slots, tag(hash) | (place as u64 + 1), hash);
    }

    /// Where there are so many rows that growing takes long: grow for some more ahead of them, in a way that can be stopped.
    /// What is stopped leaves all as it was.
    pub fn make_room(&mut self, rows: usize, pulse: &mut Pulse) -> PyResult<()> {
        let size = (2 * (self.used + rows)).next_power_of_two();
        if self.slots.len() < MANY || size <= self.slots.len() {
            return Ok(());
        }
        self.resize(size, pulse)
    }

    fn grow(&mut self) {
        let size = (2 * self.slots.len()).max(16);
        self.resize(size, &mut Pulse::of(None))
            .expect("nobody stops it");
    }

    fn resize(&mut self, size: usize, pulse: &mut Pulse) -> PyResult<()> {
        // A slot keeps the upper half of its hash only; the lower half of a larger table must come from it too.
        let mut slots = vec![0; size];
        prefer_large(&slots, size);
        for piece in self.slots.chunks(EVERY) {
            for &held in piece.iter().filter(|&&held| held != 0) {
                Self::put(&mut slots, held, fold(tag(held)));
            }
            pulse.count(piece.len())?;
        }
        self.slots = slots;
        Ok(())
    }

    #[inline(always)]
    fn put(slots: &mut [u64], held: u64, hash: u64) {
        let mask = slots.len() - 1;
        let mut slot = hash as usize & mask;
        while slots[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        slots[slot] = held;
    }

    pub fn bytes(&self) -> usize {
        8 * self.slots.len()
    }
}

/// A hash whose lower half follows from its upper half, so that a slot can be placed again without its row.
#[inline(always)]
pub fn fold(hash: u64) -> u64 {
    tag(hash) | (hash >> 32)
}

#[inline(always)]
pub fn hash_of(columns: &[Vec<u32>], row: usize) -> u64 {
    let mut hash = seed();
    for column in columns {
        hash = mix(hash, column[row]);
    }
    fold(hash)
}

/// The hashes of some rows, a column at a time.
pub fn hashes(columns: &[Vec<u32>], first: usize, last: usize) -> Vec<u64> {
    let mut hashes = vec![seed(); last - first];
    for column in columns {
        for (hash, &id) in hashes.iter_mut().zip(&column[first..last]) {
            *hash = mix(*hash, id);
        }
    }
    for hash in &mut hashes {
        *hash = fold(*hash);
    }
    hashes
}
