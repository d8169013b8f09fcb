//! Going through segments from one end to the other: totals, and many look-ups at once.

use crate::store::ahead::{self, Candidates, Kind};
use crate::store::damage::Found;
use crate::store::keys::prefix_of;
use crate::store::lookup::Index;
use crate::store::sections::S;
use crate::store::segment::Segment;
use std::collections::BTreeMap;

const KINDS: usize = 6;
/// A segment of more than this many times as many items is searched, a smaller one walked through.
const SEARCH_RATIO: usize = 16;

/// Of an attribute: its cell, its facts, its entities and the kinds of its values.
pub type Summary = (u32, u64, usize, Vec<u64>);

/// Which prefixes are wanted, to some of their bits: it lets through all that are, and few others. Prefixes come sorted, so
/// it is gone through in one direction too.
struct Sieve {
    shift: u32,
    bits: Vec<u64>,
}

impl Sieve {
    /// That of pairs with prefixes in their upper halves, with room for 32 times as many.
    fn of(pairs: &[u64]) -> Self {
        let width = (pairs.len().max(2).ilog2() + 6).min(28);
        let mut sieve = Sieve {
            shift: 64 - width,
            bits: vec![0; 1 << (width - 6)],
        };
        for &pair in pairs {
            let at = pair >> sieve.shift;
            sieve.bits[at as usize >> 6] |= 1 << (at & 63);
        }
        sieve
    }

    #[inline]
    fn may_have(&self, pair: u64) -> bool {
        let at = pair >> self.shift;
        self.bits[at as usize >> 6] >> (at & 63) & 1 != 0
    }
}

impl Index {
    /// The segments that have facts up to a row.
    fn up_to(&self, last: u32) -> impl Iterator<Item = &Segment> {
        self.all()
            .filter(move |segment| segment.bounds.fact_after < last)
    }

    /// The cells of many keys, 0 for those that are not there.
    pub fn cells_of(&self, keys: &[&[u8]], hashes: &[u32]) -> Found<Vec<u32>> {
        self.find_all(hashes, S::CellByHash, &ahead::Keys(keys))
    }

    /// The rows of many facts, 0 for those that are not there.
    pub fn facts_of(&self, digests: &[&[u8; 32]]) -> Found<Vec<u32>> {
        let prefixes: Vec<u32> = digests.iter().map(|digest| prefix_of(digest)).collect();
        self.find_all(&prefixes, S::FactById, &ahead::Digests(digests))
    }

    /// Look many prefixes up at once: sorted, so that each segment is walked through in one direction.
    fn find_all(&self, prefixes: &[u32], section: S, kind: &impl Kind) -> Found<Vec<u32>> {
        let mut found = vec![0; prefixes.len()];
        let mut wanted: Vec<u64> = prefixes
            .iter()
            .enumerate()
            .map(|(place, &prefix)| (prefix as u64) << 32 | place as u64)
            .collect();
        wanted.sort_unstable();
        let sieve = Sieve::of(&wanted);
        for segment in self.all().rev() {
            let mut candidates = Candidates::of(segment);
            if wanted.len() * SEARCH_RATIO < segment.count(section) {
                for &each in &wanted {
                    segment.fetch(section, segment.first_guess(section, (each >> 32) as u32));
                }
                for &each in &wanted {
                    let place = each as u32 as usize;
                    segment.matching(section, (each >> 32) as u32, |number| {
                        candidates.add(number, place, &mut found, kind)?;
                        Ok(false)
                    })?;
                }
            } else {
                let mut from = 0;
                for pair in segment.all(section)?.as_chunks::<8>().0 {
                    let pair = u64::from_le_bytes(*pair);
                    if !sieve.may_have(pair) {
                        continue;
                    }
                    while from < wanted.len() && wanted[from] >> 32 < pair >> 32 {
                        from += 1;
                    }
                    for &each in &wanted[from..] {
                        if each >> 32 != pair >> 32 {
                            break;
                        }
                        candidates.add(pair as u32, each as u32 as usize, &mut found, kind)?;
                    }
                }
            }
            candidates.compare(&mut found, kind)?;
            wanted.retain(|&each| found[each as u32 as usize] == 0);
        }
        Ok(found)
    }

    pub fn summed(&self, last: u32) -> Found<(usize, Vec<Summary>)> {
        let mut found: BTreeMap<u32, (Vec<u32>, Vec<u64>)> = BTreeMap::new();
        for segment in self.up_to(last) {
            let (entity, row) = (segment.u32s(S::FactEntity)?, segment.u32s(S::FactRow)?);
            let value = segment.u32s(S::FactValue)?;
            for (attribute, (first, end)) in segment
                .u32s(S::AttributeCell)?
                .into_iter()
                .zip(segment.parts()?)
            {
                let (entities, kinds) = found
                    .entry(attribute)
                    .or_insert_with(|| (Vec::new(), vec![0; KINDS]));
                for place in first..end.min(entity.len()) {
                    if row[place] <= last {
                        entities.push(entity[place]);
                        kinds
                            [*self.key_of(value[place])?.first().unwrap_or(&0) as usize % KINDS] +=
                            1;
                    }
                }
                entities.dedup();
            }
        }
        let mut all = Vec::new();
        let mut summary = Vec::new();
        for (attribute, (mut entities, kinds)) in found {
            entities.sort_unstable();
            entities.dedup();
            let facts: u64 = kinds.iter().sum();
            if facts > 0 {
                summary.push((attribute, facts, entities.len(), kinds));
            }
            all.append(&mut entities);
        }
        all.sort_unstable();
        all.dedup();
        Ok((all.len(), summary))
    }

    /// The pairs of entity and attribute that more than one fact up to a row has, sorted.
    pub fn registers(&self, last: u32) -> Found<Vec<(u32, u32)>> {
        let mut pairs = Vec::new();
        for segment in self.up_to(last) {
            let cells = segment.u32s(S::AttributeCell)?;
            let (entity, row) = (segment.u32s(S::FactEntity)?, segment.u32s(S::FactRow)?);
            for (attribute, (first, end)) in cells.into_iter().zip(segment.parts()?) {
                for place in first..end.min(entity.len()) {
                    if row[place] <= last {
                        pairs.push((entity[place] as u64) << 32 | attribute as u64);
                    }
                }
            }
        }
        pairs.sort_unstable();
        let mut found: Vec<(u32, u32)> = Vec::new();
        for two in pairs.windows(2).filter(|two| two[0] == two[1]) {
            let register = ((two[0] >> 32) as u32, two[0] as u32);
            if found.last() != Some(&register) {
                found.push(register);
            }
        }
        Ok(found)
    }
}
