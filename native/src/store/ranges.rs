//! Where the facts are that have some cells, and what they are.

use crate::store::ahead;
use crate::store::damage::Found;
use crate::store::lookup::Index;
use crate::store::search::{near, partition_point};
use crate::store::sections::S;
use crate::store::segment::Segment;

// The orders of facts in a segment.
const BY_PLACE: usize = 0;
const BY_VALUE: usize = 1;
const BY_ENTITY: usize = 2;

/// Some facts: the number of a segment, one of its orders, and from where to where in it.
pub type Range = (usize, usize, usize, usize);
/// A fact: its row, its digest, and the cells of its entity, attribute and value.
pub type Row<'a> = (u32, &'a [u8], u32, u32, u32);

impl Index {
    pub fn ranges_of(&self, entity: u32, attribute: u32, value: u32) -> Found<Vec<Range>> {
        let mut found = Vec::new();
        let since = self.since(entity.max(attribute).max(value));
        let segments: Vec<&Segment> = self.all().skip(since).collect();
        let places = if entity != 0 {
            ahead::entity_places(&segments, entity)?
        } else {
            Vec::new()
        };
        for (segment, &place) in segments.iter().zip(&places) {
            segment.fetch(S::EntityEnd, place);
        }
        for (nth, segment) in segments.into_iter().enumerate() {
            let number = since + nth;
            if entity != 0 {
                let (mut first, mut last) =
                    segment.part_at(S::EntityCell, S::EntityEnd, entity, places[nth])?;
                if attribute != 0 && first < last {
                    let (begin, end) =
                        segment.part(S::AttributeCell, S::AttributeEnd, attribute)?;
                    let begin = segment.bisect(S::FactByEntity, begin as u32, first, last)?;
                    last = segment.bisect(S::FactByEntity, end as u32, begin, last)?;
                    first = begin;
                }
                found.push((number, BY_ENTITY, first, last));
            } else if value != 0 {
                let parts = if attribute != 0 {
                    vec![segment.part(S::AttributeCell, S::AttributeEnd, attribute)?]
                } else {
                    segment.parts()?
                };
                for (first, last) in parts {
                    let value_at = |at| -> Found<u32> {
                        segment.u32(S::FactValue, segment.u32(S::FactByValue, at)? as usize)
                    };
                    let at = partition_point(first, last, |at| Ok(value_at(at)? < value))?;
                    if at < last && value_at(at)? == value {
                        let end = near(at, at, last, |at| Ok(value_at(at)? <= value))?;
                        found.push((number, BY_VALUE, at, end));
                    }
                }
            } else if attribute != 0 {
                let (first, last) = segment.part(S::AttributeCell, S::AttributeEnd, attribute)?;
                found.push((number, BY_PLACE, first, last));
            } else {
                found.push((number, BY_PLACE, 0, segment.bounds.facts()));
            }
        }
        found.retain(|range| range.2 < range.3);
        Ok(found)
    }

    /// The facts of ranges, all of an entity if that is not 0; what they need of memory is asked for before any of it is
    /// waited for.
    pub fn rows_in(&self, ranges: &[Range], entity: u32) -> Found<Vec<Row<'_>>> {
        for &(number, order, first, _) in ranges {
            if order == BY_ENTITY {
                self.segment(number)?.fetch(S::FactByEntity, first);
            }
        }
        let mut places = Vec::new();
        for &(number, order, first, last) in ranges {
            let segment = self.segment(number)?;
            for each in first..last {
                let place = match order {
                    BY_PLACE => each,
                    BY_VALUE => segment.u32(S::FactByValue, each)? as usize,
                    _ => segment.u32(S::FactByEntity, each)? as usize,
                };
                if place >= segment.bounds.facts() {
                    return Err(format!("there is no fact at {place}").into());
                }
                segment.fetch(S::FactRow, place);
                segment.fetch(S::FactValue, place);
                if entity == 0 {
                    segment.fetch(S::FactEntity, place);
                }
                places.push((segment, place));
            }
        }
        for &(segment, place) in &places {
            let row = segment.u32(S::FactRow, place)?;
            segment.fetch(S::FactDigest, segment.bounds.fact(row));
        }
        places
            .into_iter()
            .map(|(segment, place)| match entity {
                0 => fact_at(segment, place),
                _ => fact_of(segment, place, entity),
            })
            .collect()
    }
}

pub fn fact_at(segment: &Segment, place: usize) -> Found<Row<'_>> {
    fact_of(segment, place, segment.u32(S::FactEntity, place)?)
}

fn fact_of(segment: &Segment, place: usize, entity: u32) -> Found<Row<'_>> {
    let row = segment.u32(S::FactRow, place)?;
    let digest = segment.digest(S::FactDigest, segment.bounds.fact(row))?;
    Ok((
        row,
        digest,
        entity,
        attribute_at(segment, place)?,
        segment.u32(S::FactValue, place)?,
    ))
}

pub fn attribute_at(segment: &Segment, place: usize) -> Found<u32> {
    let count = segment.count(S::AttributeEnd);
    let attribute = segment.bisect(S::AttributeEnd, place as u32 + 1, 0, count)?;
    segment.u32(S::AttributeCell, attribute)
}
