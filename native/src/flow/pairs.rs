//! Sets of rows of one or two ids that only grow, without the places of the rows: a hash table of the ids themselves, or
//! a bit for each pair where the ids lie close together.

use super::hash::{mix, prefetch, seed};
use super::pages::prefer_large;
use super::pulse::Pulse;
use super::rows::AHEAD;
use pyo3::prelude::*;

/// No row has this key: ids stay below the greatest number.
const EMPTY: u64 = u64::MAX;

/// Bits are used when they take no more room than this many bytes a row, which is what hashing takes after it grew.
const BITS_BYTES: usize = 32;
const BITS_MIN: usize = 1024;

pub enum Pairs {
    Hashed { keys: Vec<u64>, used: usize },
    Bits(Bits),
}

pub struct Bits {
    least: [u32; 2],
    span: [usize; 2],
    words: Vec<u64>,
}

#[inline(always)]
fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

#[inline(always)]
fn key_at(columns: &[Vec<u32>], row: usize) -> u64 {
    match columns {
        [one] => u64::from(one[row]),
        [left, right, ..] => pair(left[row], right[row]),
        [] => 0,
    }
}

#[inline(always)]
fn slot_of(key: u64, mask: usize) -> usize {
    (mix(mix(seed(), (key >> 32) as u32), key as u32) >> 20) as usize & mask
}

impl Pairs {
    pub fn new() -> Self {
        Self::Hashed {
            keys: Vec::new(),
            used: 0,
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            Self::Hashed { keys, .. } => 8 * keys.len(),
            Self::Bits(bits) => 8 * bits.words.len(),
        }
    }

    /// Ask for the memory in which the answer for a pair stands.
    #[inline(always)]
    pub fn prefetch(&self, left: u32, right: u32) {
        match self {
            Self::Hashed { keys, .. } if !keys.is_empty() => {
                prefetch(keys, slot_of(pair(left, right), keys.len() - 1));
            }
            Self::Bits(bits) => {
                if let Some((word, _)) = bits.place(left, right) {
                    prefetch(&bits.words, word);
                }
            }
            Self::Hashed { .. } => {}
        }
    }

    #[inline(always)]
    pub fn contains(&self, left: u32, right: u32) -> bool {
        match self {
            Self::Hashed { keys, .. } => {
                if keys.is_empty() {
                    return false;
                }
                let (key, mask) = (pair(left, right), keys.len() - 1);
                let mut slot = slot_of(key, mask);
                while keys[slot] != EMPTY {
                    if keys[slot] == key {
                        return true;
                    }
                    slot = (slot + 1) & mask;
                }
                false
            }
            Self::Bits(bits) => bits
                .place(left, right)
                .is_some_and(|(word, bit)| bits.words[word] & bit != 0),
        }
    }

    /// Add rows, and tell which are new by appending them to the table's own columns. Where it is stopped, some of them.
    pub fn add(
        &mut self,
        held: &mut [Vec<u32>],
        columns: &[Vec<u32>],
        size: usize,
        pulse: &mut Pulse,
    ) -> PyResult<()> {
        let mut row = 0;
        while row < size {
            row = match self {
                Self::Hashed { keys, used } => add_hashed(keys, used, held, columns, row, size),
                Self::Bits(bits) => bits.add(held, columns, row, size),
            };
            if row < size {
                self.make_room(held, columns, row, size, pulse)?;
            }
        }
        Ok(())
    }

    /// Choose how to go on: the table is full, or a row lies outside of the bits.
    fn make_room(
        &mut self,
        held: &[Vec<u32>],
        columns: &[Vec<u32>],
        row: usize,
        size: usize,
        pulse: &mut Pulse,
    ) -> PyResult<()> {
        let rows = held[0].len();
        if held.len() == 2 && rows >= BITS_MIN {
            let mut least = [u32::MAX; 2];
            let mut span = [0; 2];
            for side in 0..2 {
                let all = held[side].iter().chain(&columns[side][row..size]);
                let (mut low, mut high) = all.fold((u32::MAX, 0), |(low, high), &id| {
                    (low.min(id), high.max(id))
                });
                // Bits that were outgrown get room to grow: ids that come one after the other would else have all bits
                // written anew with each of them.
                if let Self::Bits(bits) = self {
                    let room = (high - low) / 2;
                    if low < bits.least[side] {
                        low = low.saturating_sub(room);
                    }
                    if (high - bits.least[side].min(high)) as usize >= bits.span[side] {
                        high = high.saturating_add(room);
                    }
                }
                least[side] = low;
                span[side] = (high - low) as usize + 1;
            }
            let words = span[0].saturating_mul(span[1].div_ceil(64));
            if words.saturating_mul(8) <= BITS_BYTES * rows {
                let mut bits = Bits {
                    least,
                    span,
                    words: vec![0; words],
                };
                prefer_large(&bits.words, words);
                pulse.pieces(rows, |piece| {
                    for (&left, &right) in held[0][piece.clone()].iter().zip(&held[1][piece]) {
                        let (word, bit) = bits.place(left, right).expect("the span has every row");
                        bits.words[word] |= bit;
                    }
                })?;
                *self = Self::Bits(bits);
                return Ok(());
            }
        }
        let room = (4 * (rows + 1)).next_power_of_two().max(16);
        let mut keys = Vec::with_capacity(room);
        prefer_large(&keys, room);
        keys.resize(room, EMPTY);
        pulse.pieces(rows, |piece| {
            for at in piece {
                let key = key_at(held, at);
                let mut slot = slot_of(key, room - 1);
                while keys[slot] != EMPTY {
                    slot = (slot + 1) & (room - 1);
                }
                keys[slot] = key;
            }
        })?;
        *self = Self::Hashed { keys, used: rows };
        Ok(())
    }
}

fn add_hashed(
    keys: &mut [u64],
    used: &mut usize,
    held: &mut [Vec<u32>],
    columns: &[Vec<u32>],
    first: usize,
    size: usize,
) -> usize {
    if keys.is_empty() {
        return first;
    }
    let mask = keys.len() - 1;
    for row in first..size.min(first + AHEAD) {
        prefetch(keys, slot_of(key_at(columns, row), mask));
    }
    for row in first..size {
        if row + AHEAD < size {
            prefetch(keys, slot_of(key_at(columns, row + AHEAD), mask));
        }
        let key = key_at(columns, row);
        let mut slot = slot_of(key, mask);
        loop {
            if keys[slot] == key {
                break;
            }
            if keys[slot] == EMPTY {
                if 2 * (*used + 1) > keys.len() {
                    return row;
                }
                keys[slot] = key;
                *used += 1;
                for (held, column) in held.iter_mut().zip(columns) {
                    held.push(column[row]);
                }
                break;
            }
            slot = (slot + 1) & mask;
        }
    }
    size
}

impl Bits {
    #[inline(always)]
    fn place(&self, left: u32, right: u32) -> Option<(usize, u64)> {
        let left = left.wrapping_sub(self.least[0]) as usize;
        let right = right.wrapping_sub(self.least[1]) as usize;
        (left < self.span[0] && right < self.span[1]).then(|| {
            (
                left * self.span[1].div_ceil(64) + right / 64,
                1 << (right % 64),
            )
        })
    }

    fn add(
        &mut self,
        held: &mut [Vec<u32>],
        columns: &[Vec<u32>],
        first: usize,
        size: usize,
    ) -> usize {
        let pairs = columns[0][..size].iter().zip(&columns[1]);
        for (row, (&left, &right)) in pairs.enumerate().skip(first) {
            let Some((word, bit)) = self.place(left, right) else {
                return row;
            };
            if self.words[word] & bit == 0 {
                self.words[word] |= bit;
                held[0].push(left);
                held[1].push(right);
            }
        }
        size
    }
}
