//! Postings: for the ids of some columns, the places of the rows that have them, in the order in which the rows came.

use super::hash::{mix, prefetch, seed};
use super::pages::prefer_large_if_grown;
use super::pulse::{Pulse, EVERY};
use super::rows::{fold, Rows, AHEAD};
use pyo3::prelude::*;

/// Ids of one column may span this many times as many numbers as there are rows, to be looked up without hashing.
const SPAN: usize = 4;

#[derive(Clone, Copy)]
struct Key {
    first: u32, // a row that has the key
    start: u32, // where its places stand in the arena; unused while there is room for one
    size: u32,
    room: u32,
}

pub struct Postings {
    pub columns: Vec<usize>,
    direct: Vec<u32>, // from an id to a key + 1, where one column with dense ids is looked up
    is_direct: bool,
    hashed: Rows,
    keys: Vec<Key>,
    arena: Vec<u32>,
    done: usize,
}

impl Postings {
    pub fn new(columns: Vec<usize>) -> Self {
        Self {
            is_direct: columns.len() == 1,
            columns,
            direct: Vec::new(),
            hashed: Rows::default(),
            keys: Vec::new(),
            arena: Vec::new(),
            done: 0,
        }
    }

    /// Whether the ids that are looked up are dense.
    pub fn is_direct(&self) -> bool {
        self.is_direct
    }

    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    pub fn bytes(&self) -> usize {
        4 * (self.direct.len() + self.arena.len())
            + self.hashed.bytes()
            + self.keys.len() * size_of::<Key>()
    }

    /// Take in the rows that came since; where it is stopped, it goes on from there the next time.
    pub fn catch_up(
        &mut self,
        table: &[Vec<u32>],
        extent: usize,
        skip: impl Fn(usize) -> bool,
    ) -> PyResult<()> {
        if self.done == extent {
            return Ok(());
        }
        let first = self.done;
        let pulse = &mut Pulse::of_signals();
        if self.is_direct {
            let column = &table[self.columns[0]][first..extent];
            let most = column.iter().max().map_or(0, |&id| id as usize + 1);
            if most > self.direct.len() {
                if most > SPAN * extent + 4096 {
                    self.hash_instead(table);
                } else {
                    self.direct.resize(most.next_power_of_two(), 0);
                }
            }
        }
        while self.done < extent {
            let last = extent.min(self.done + EVERY);
            self.hashed.make_room(last - self.done, pulse)?;
            self.take_in(table, last, &skip);
            pulse.count(EVERY)?;
        }
        Ok(())
    }

    /// Take in the rows up to a place.
    fn take_in(&mut self, table: &[Vec<u32>], last: usize, skip: &impl Fn(usize) -> bool) {
        let first = self.done;
        let room = self.arena.capacity();
        self.done = last;
        if self.is_direct {
            let column = &table[self.columns[0]][..last];
            for (place, &id) in column.iter().enumerate().skip(first) {
                if skip(place) {
                    continue;
                }
                let id = id as usize;
                match self.direct[id] {
                    0 => {
                        self.begin(place);
                        self.direct[id] = self.keys.len() as u32;
                    }
                    key => self.push(key as usize - 1, place, skip),
                }
            }
            prefer_large_if_grown(&self.arena, room);
            return;
        }
        for place in first..last {
            if skip(place) {
                continue;
            }
            let hash = self.hash_at(table, place);
            let found = self.hashed.find(hash, |key| {
                let at = self.keys[key].first as usize;
                self.columns
                    .iter()
                    .all(|&column| table[column][at] == table[column][place])
            });
            match found {
                Some(key) => self.push(key, place, skip),
                None => {
                    self.begin(place);
                    self.hashed.insert(hash, self.keys.len() - 1);
                }
            }
        }
        prefer_large_if_grown(&self.arena, room);
    }

    fn hash_instead(&mut self, table: &[Vec<u32>]) {
        self.is_direct = false;
        self.direct = Vec::new();
        self.hashed = Rows::with_room(self.keys.len());
        for number in 0..self.keys.len() {
            let hash = self.hash_at(table, self.keys[number].first as usize);
            self.hashed.insert(hash, number);
        }
    }

    fn hash_at(&self, table: &[Vec<u32>], place: usize) -> u64 {
        let mut hash = seed();
        for &column in &self.columns {
            hash = mix(hash, table[column][place]);
        }
        fold(hash)
    }

    fn begin(&mut self, place: usize) {
        self.keys.push(Key {
            first: place as u32,
            start: 0,
            size: 1,
            room: 1,
        });
    }

    /// One more place. Where there is no room for it, places to skip make some: a key whose rows come and go all the time
    /// would else be looked up at the price of all that it ever had, until the whole table is packed.
    fn push(&mut self, number: usize, place: usize, skip: &impl Fn(usize) -> bool) {
        let key = &mut self.keys[number];
        if key.room == 1 {
            if skip(key.first as usize) {
                key.first = place as u32;
                return;
            }
            key.start = self.arena.len() as u32;
            key.room = 2;
            self.arena.extend([key.first, place as u32]);
            key.size = 2;
            return;
        }
        if key.size == key.room {
            let old = key.start as usize..(key.start + key.size) as usize;
            key.size = 0;
            for at in old.clone() {
                let place = self.arena[at];
                if !skip(place as usize) {
                    self.arena[old.start + key.size as usize] = place;
                    key.size += 1;
                }
            }
            if 2 * key.size > key.room {
                let kept = old.start..old.start + key.size as usize;
                key.start = self.arena.len() as u32;
                key.room *= 2;
                self.arena.extend_from_within(kept);
                self.arena.resize(key.start as usize + key.room as usize, 0);
            }
        }
        self.arena[(key.start + key.size) as usize] = place as u32;
        key.size += 1;
    }

    /// The places of one key, given as ids in the order of the columns.
    pub fn places(&self, table: &[Vec<u32>], ids: &[u32]) -> &[u32] {
        let found = if self.is_direct {
            self.direct_key(ids[0])
        } else {
            let hash = fold(ids.iter().fold(seed(), |hash, &id| mix(hash, id)));
            self.hashed_key(table, hash, |at| ids[at])
        };
        found.map_or(&[], |key| self.places_of(key))
    }

    #[inline(always)]
    fn direct_key(&self, id: u32) -> Option<usize> {
        match self.direct.get(id as usize) {
            None | Some(0) => None,
            Some(&key) => Some(key as usize - 1),
        }
    }

    #[inline(always)]
    fn hashed_key(
        &self,
        table: &[Vec<u32>],
        hash: u64,
        id: impl Fn(usize) -> u32,
    ) -> Option<usize> {
        self.hashed.find(hash, |key| {
            let at = self.keys[key].first as usize;
            self.columns
                .iter()
                .enumerate()
                .all(|(number, &column)| table[column][at] == id(number))
        })
    }

    #[inline(always)]
    fn places_of(&self, key: usize) -> &[u32] {
        let key = &self.keys[key];
        if key.room == 1 {
            std::slice::from_ref(&key.first)
        } else {
            &self.arena[key.start as usize..(key.start + key.size) as usize]
        }
    }

    /// Visit the places of many keys in turn, until the visitor has enough; the row to go on from.
    pub fn visit(
        &self,
        table: &[Vec<u32>],
        asked: &[Asked<'_>],
        first: usize,
        last: usize,
        mut visitor: impl FnMut(usize, &[u32]) -> bool,
    ) -> usize {
        let mut ahead = [usize::MAX; AHEAD];
        let mut row = first;
        while row < last {
            let block = AHEAD.min(last - row);
            if self.is_direct {
                for offset in 0..block {
                    prefetch(&self.direct, asked[0].id(row + offset) as usize);
                }
                for (offset, key) in ahead[..block].iter_mut().enumerate() {
                    *key = self
                        .direct_key(asked[0].id(row + offset))
                        .unwrap_or(usize::MAX);
                    prefetch(&self.keys, *key);
                }
            } else {
                let mut hashes = [0u64; AHEAD];
                for (offset, hash) in hashes[..block].iter_mut().enumerate() {
                    *hash = fold(
                        asked
                            .iter()
                            .fold(seed(), |hash, ids| mix(hash, ids.id(row + offset))),
                    );
                    self.hashed.prefetch(*hash);
                }
                for (offset, key) in ahead[..block].iter_mut().enumerate() {
                    *key = self
                        .hashed_key(table, hashes[offset], |number| {
                            asked[number].id(row + offset)
                        })
                        .unwrap_or(usize::MAX);
                }
            }
            for &key in &ahead[..block] {
                if key != usize::MAX && self.keys[key].room > 1 {
                    prefetch(&self.arena, self.keys[key].start as usize);
                }
            }
            for (offset, &key) in ahead[..block].iter().enumerate() {
                let places = if key == usize::MAX {
                    &[]
                } else {
                    self.places_of(key)
                };
                if !visitor(row + offset, places) {
                    return row + offset + 1;
                }
            }
            row += block;
        }
        last
    }
}

/// The ids that are asked for in one column: one for each row, or the same for all.
pub enum Asked<'a> {
    Each(&'a [u32]),
    Same(u32),
}

impl Asked<'_> {
    #[inline(always)]
    pub fn id(&self, row: usize) -> u32 {
        match self {
            Self::Each(ids) => ids[row],
            Self::Same(id) => *id,
        }
    }
}
