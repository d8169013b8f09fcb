//! The order of a text's characters, kept so that each place is found at once. The twin of `rhizomedb/crdt/rope.py`.
//!
//! Spans stand in blocks, which keep their numbers; `order` says in what order the blocks stand, and `visible` beside it
//! how many visible characters each has. Where a span is, by its run and its first character, `blocks_of` knows.

use pyo3::exceptions::PyAssertionError;
use pyo3::prelude::*;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

const BLOCK_SPANS_MAX: i64 = 128;

const LENGTH_MAX: i64 = (1 << 32) - 2;

/// In place of the number of a run: the beginning.
const BEGINNING: u32 = u32::MAX;

fn broken(what: &str) -> PyErr {
    PyAssertionError::new_err(what.to_owned())
}

#[derive(Clone, Copy)]
struct Span {
    run: u32,
    start: u32,
    count: u32,
    is_deleted: bool,
}

impl Span {
    fn end(&self) -> u32 {
        self.start + self.count
    }

    fn visible(&self) -> usize {
        if self.is_deleted {
            0
        } else {
            self.count as usize
        }
    }
}

struct Run {
    parent: u32,
    offset: u32,
    length: u32,
    counter: i64,
    tie: Box<[u8]>,
}

/// A place among the spans of a block; the block by where it stands now.
#[derive(Clone, Copy)]
struct Place {
    block: usize,
    span: usize,
}

#[pyclass(module = "rhizomedb_native")]
pub struct Rope {
    spans_max: usize,
    runs: Vec<Run>,
    /// The runs after each character that has any, least first.
    under: HashMap<(u32, u32), Vec<u32>, foldhash::fast::RandomState>,
    blocks: Vec<Vec<Span>>,
    order: Vec<u32>,
    visible: Vec<usize>,
    blocks_of: BTreeMap<(u32, u32), u32>,
    /// Of each run that has any what is deleted: stretches that lie apart, in order.
    gone: HashMap<u32, Vec<(u32, u32)>, foldhash::fast::RandomState>,
    length: usize,
}

impl Rope {
    fn has(&self, run: u32, offset: u32) -> bool {
        if run == BEGINNING {
            return offset == 0;
        }
        (self.runs.get(run as usize)).is_some_and(|of| offset < of.length)
    }

    /// A run, or the beginning, and one of its characters, if there is such a one.
    fn character(&self, run: Option<i64>, offset: i64) -> Option<(u32, u32)> {
        let run = match run {
            None => BEGINNING,
            Some(run) => u32::try_from(run).ok().filter(|&run| run != BEGINNING)?,
        };
        let offset = u32::try_from(offset).ok()?;
        self.has(run, offset).then_some((run, offset))
    }

    fn run(&self, run: u32) -> &Run {
        &self.runs[run as usize]
    }

    fn compare(&self, left: u32, right: u32) -> Ordering {
        let (a, b) = (self.run(left), self.run(right));
        (a.counter.cmp(&b.counter))
            .then_with(|| a.tie.cmp(&b.tie))
            .then(left.cmp(&right))
    }

    fn siblings(&self, run: u32) -> &[u32] {
        let of = self.run(run);
        self.under
            .get(&(of.parent, of.offset))
            .map_or(&[], |found| found.as_slice())
    }

    /// Where a run stands, or has to stand, among its siblings, from the least.
    fn rank(&self, run: u32) -> usize {
        self.siblings(run)
            .partition_point(|&other| self.compare(other, run) == Ordering::Less)
    }

    fn join_siblings(&mut self, run: u32) -> usize {
        let rank = self.rank(run);
        let of = self.run(run);
        let place = (of.parent, of.offset);
        self.under.entry(place).or_default().insert(rank, run);
        rank
    }

    fn leave_siblings(&mut self, run: u32) -> usize {
        let rank = self.rank(run);
        let of = self.run(run);
        let place = (of.parent, of.offset);
        if let Some(siblings) = self.under.get_mut(&place) {
            siblings.remove(rank);
            if siblings.is_empty() {
                self.under.remove(&place);
            }
        }
        rank
    }

    // -- places -----------------------------------------------------------------------------------------------------

    fn spans_of(&self, block: usize) -> &Vec<Span> {
        &self.blocks[self.order[block] as usize]
    }

    fn spans_mut(&mut self, block: usize) -> &mut Vec<Span> {
        &mut self.blocks[self.order[block] as usize]
    }

    /// The span that has a character.
    fn find(&self, run: u32, offset: u32) -> Place {
        let found = self.blocks_of.range(..=(run, offset)).next_back();
        let (&(_, start), &id) = found.expect("each character is in a span");
        let spans = &self.blocks[id as usize];
        Place {
            block: (self.order.iter())
                .position(|&other| other == id)
                .expect("each block stands somewhere"),
            span: (spans.iter())
                .position(|span| span.run == run && span.start == start)
                .expect("a span is in its block"),
        }
    }

    /// The place before a character, where spans are parted.
    fn before(&mut self, run: u32, offset: u32) -> Place {
        let mut place = self.find(run, offset);
        if offset > self.spans_of(place.block)[place.span].start {
            self.split(place, offset);
            place.span += 1;
        }
        place
    }

    /// The place after a character, where spans are parted.
    fn after(&mut self, run: u32, offset: u32) -> Place {
        let mut place = self.find(run, offset);
        if offset + 1 < self.spans_of(place.block)[place.span].end() {
            self.split(place, offset + 1);
        }
        place.span += 1;
        place
    }

    fn end(&self) -> Place {
        let block = self.order.len() - 1;
        Place {
            block,
            span: self.spans_of(block).len(),
        }
    }

    /// How many visible characters stand before a place.
    fn position_of(&self, place: Place) -> usize {
        let before: usize = self.visible[..place.block].iter().sum();
        let spans = &self.spans_of(place.block)[..place.span];
        before + spans.iter().map(Span::visible).sum::<usize>()
    }

    /// Where a run that is among its siblings has to stand.
    fn place(&mut self, run: u32, rank: usize) -> Place {
        let (parent, offset) = (self.run(run).parent, self.run(run).offset);
        let siblings = self.siblings(run);
        if rank + 1 == siblings.len() {
            return if parent == BEGINNING {
                Place { block: 0, span: 0 }
            } else {
                self.after(parent, offset)
            };
        }
        if rank > 0 {
            return self.find(siblings[rank - 1], 0);
        }
        let next = siblings[1];
        if parent == BEGINNING {
            return self.end();
        }
        if offset + 1 < self.run(parent).length {
            return self.before(parent, offset + 1);
        }
        self.behind(parent, next)
    }

    /// Where all that hangs from a run ends: before what follows it, which is found upwards, or after the last of it,
    /// which is found downwards from the last run that hangs from its last character. Both ways are gone at once, for
    /// either may be long.
    fn behind(&mut self, mut up: u32, mut down: u32) -> Place {
        loop {
            let rank = self.rank(up);
            if rank > 0 {
                return self.find(self.siblings(up)[rank - 1], 0);
            }
            let (parent, offset) = (self.run(up).parent, self.run(up).offset);
            if parent == BEGINNING {
                return self.end();
            }
            if offset + 1 < self.run(parent).length {
                return self.before(parent, offset + 1);
            }
            up = parent;
            let last = self.run(down).length - 1;
            match self.under.get(&(down, last)) {
                Some(below) => down = below[0],
                None => return self.after(down, last),
            }
        }
    }

    // -- spans ------------------------------------------------------------------------------------------------------

    fn add(&mut self, place: Place, span: Span) {
        let id = self.order[place.block];
        self.blocks[id as usize].insert(place.span, span);
        self.visible[place.block] += span.visible();
        self.length += span.visible();
        self.blocks_of.insert((span.run, span.start), id);
    }

    /// Part a span before a character in it.
    fn split(&mut self, place: Place, offset: u32) {
        let id = self.order[place.block];
        let spans = &mut self.blocks[id as usize];
        let span = &mut spans[place.span];
        let rest = Span {
            start: offset,
            count: span.end() - offset,
            ..*span
        };
        span.count = offset - span.start;
        spans.insert(place.span + 1, rest);
        self.blocks_of.insert((rest.run, rest.start), id);
    }

    /// Make a span one with those beside it that go on in the same run and are deleted alike.
    fn join(&mut self, place: Place) {
        for left in [Some(place.span), place.span.checked_sub(1)] {
            let Some(left) = left else { continue };
            let spans = self.spans_mut(place.block);
            let (Some(&span), Some(&next)) = (spans.get(left), spans.get(left + 1)) else {
                continue;
            };
            if span.run == next.run
                && span.end() == next.start
                && span.is_deleted == next.is_deleted
            {
                spans[left].count += next.count;
                spans.remove(left + 1);
                self.blocks_of.remove(&(next.run, next.start));
            }
        }
    }

    /// Make two blocks of one that has too many spans.
    fn part(&mut self, block: usize) {
        let spans_max = self.spans_max;
        let spans = self.spans_mut(block);
        if spans.len() <= spans_max {
            return;
        }
        let rest = spans.split_off(spans.len() / 2);
        let id = self.blocks.len() as u32;
        let visible = rest.iter().map(Span::visible).sum();
        for span in &rest {
            self.blocks_of.insert((span.run, span.start), id);
        }
        self.blocks.push(rest);
        self.order.insert(block + 1, id);
        self.visible[block] -= visible;
        self.visible.insert(block + 1, visible);
    }

    /// The parts of some characters of a run that are not deleted, which count as deleted from now on. What is deleted
    /// again is not walked over again, into however many spans it fell.
    fn left(&mut self, run: u32, start: u32, end: u32) -> Vec<(u32, u32)> {
        let mut parts = Vec::new();
        if start >= end {
            return parts;
        }
        let gone = self.gone.entry(run).or_default();
        let first = gone.partition_point(|&(_, high)| high < start);
        let last = gone.partition_point(|&(low, _)| low <= end);
        let (mut at, mut whole) = (start, (start, end));
        for &(low, high) in &gone[first..last] {
            if at < low {
                parts.push((at, low));
            }
            at = at.max(high);
            whole = (whole.0.min(low), whole.1.max(high));
        }
        if at < end {
            parts.push((at, end));
        }
        gone.splice(first..last, [whole]);
        parts
    }

    fn positive(number: i64) -> PyResult<usize> {
        usize::try_from(number).map_err(|_| broken("characters are counted from 0"))
    }

    fn visible_spans(&self, mut position: usize, mut count: usize) -> Vec<(u32, u32, u32)> {
        let mut found = Vec::new();
        for (block, &visible) in self.visible.iter().enumerate() {
            if count == 0 {
                break;
            }
            if position >= visible {
                position -= visible;
                continue;
            }
            for span in self.spans_of(block) {
                let size = span.visible();
                if position >= size {
                    position -= size;
                    continue;
                }
                let taken = count.min(size - position);
                found.push((span.run, span.start + position as u32, taken as u32));
                position = 0;
                count -= taken;
                if count == 0 {
                    break;
                }
            }
        }
        found
    }
}

#[pymethods]
impl Rope {
    #[new]
    #[pyo3(signature = (block_spans_max=BLOCK_SPANS_MAX))]
    fn new(block_spans_max: i64) -> PyResult<Self> {
        if block_spans_max < 1 {
            return Err(broken("a block has room for a span"));
        }
        Ok(Self {
            spans_max: block_spans_max as usize,
            runs: Vec::new(),
            under: HashMap::default(),
            blocks: vec![Vec::new()],
            order: vec![0],
            visible: vec![0],
            blocks_of: BTreeMap::new(),
            gone: HashMap::default(),
            length: 0,
        })
    }

    fn __len__(&self) -> usize {
        self.length
    }

    fn insert(
        &mut self,
        run: i64,
        parent: Option<i64>,
        offset: i64,
        length: i64,
        counter: &Bound<'_, PyAny>,
        tie: &[u8],
    ) -> PyResult<Option<usize>> {
        let number = self.runs.len() as u32;
        if run != i64::from(number) || number >= BEGINNING - 1 {
            return Err(broken("runs are numbered one after the other"));
        }
        let counter: i64 = counter.extract().unwrap_or(0);
        if !(1..=LENGTH_MAX).contains(&length) || counter < 1 {
            return Err(broken("a run has characters, and a counter"));
        }
        let Some((parent, offset)) = self.character(parent, offset) else {
            return Ok(None);
        };
        let length = length as u32;
        self.runs.push(Run {
            parent,
            offset,
            length,
            counter,
            tie: tie.into(),
        });
        let rank = self.join_siblings(number);
        let place = self.place(number, rank);
        let position = self.position_of(place);
        let span = Span {
            run: number,
            start: 0,
            count: length,
            is_deleted: false,
        };
        self.add(place, span);
        self.part(place.block);
        Ok(Some(position))
    }

    fn extend(&mut self, run: i64, count: i64) -> PyResult<bool> {
        if count < 0 {
            return Err(broken("a run grows by some characters"));
        }
        let Some((run, _)) = self.character(Some(run), 0) else {
            return Ok(false);
        };
        let length = self.run(run).length;
        if count > LENGTH_MAX - i64::from(length) || self.under.contains_key(&(run, length - 1)) {
            return Ok(false);
        }
        if count == 0 {
            return Ok(true); // no span has no characters
        }
        let count = count as u32;
        let mut place = self.find(run, length - 1);
        let span = &mut self.spans_mut(place.block)[place.span];
        if span.is_deleted {
            place.span += 1;
            let span = Span {
                run,
                start: length,
                count,
                is_deleted: false,
            };
            self.add(place, span);
            self.part(place.block);
        } else {
            span.count += count;
            self.visible[place.block] += count as usize;
            self.length += count as usize;
        }
        self.runs[run as usize].length += count;
        Ok(true)
    }

    fn shrink(&mut self, run: i64, count: i64) -> PyResult<bool> {
        if count < 0 {
            return Err(broken("a run shrinks by some characters"));
        }
        let Some((run, _)) = self.character(Some(run), 0) else {
            return Ok(false);
        };
        let length = self.run(run).length;
        if count > i64::from(length) {
            return Ok(false);
        }
        let rest = length - count as u32;
        if (rest..length).any(|offset| self.under.contains_key(&(run, offset))) {
            return Ok(false);
        }
        let mut at = length;
        while at > rest {
            let place = self.find(run, at - 1);
            let span = self.spans_of(place.block)[place.span];
            if span.is_deleted {
                return Ok(false);
            }
            at = span.start;
        }
        let mut at = length;
        while at > rest {
            let place = self.find(run, at - 1);
            let spans = self.spans_mut(place.block);
            let span = &mut spans[place.span];
            let fewer = span.count.min(at - rest);
            span.count -= fewer;
            at -= fewer;
            if span.count == 0 {
                let start = span.start;
                spans.remove(place.span);
                self.blocks_of.remove(&(run, start));
            }
            self.visible[place.block] -= fewer as usize;
            self.length -= fewer as usize;
        }
        if rest == 0 {
            self.leave_siblings(run);
        }
        self.runs[run as usize].length = rest;
        Ok(true)
    }

    fn settle(&mut self, run: i64, tie: &[u8]) -> PyResult<bool> {
        let found = self.character(Some(run), 0);
        let (run, _) = found.ok_or_else(|| broken("there is such a run"))?;
        let before = self.leave_siblings(run);
        self.runs[run as usize].tie = tie.into();
        Ok(self.join_siblings(run) == before)
    }

    fn delete(
        &mut self,
        run: i64,
        start: i64,
        count: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<(usize, usize)>> {
        let count: i64 = count.extract().unwrap_or(i64::MAX);
        if start < 0 || count < 0 {
            return Err(broken("characters are counted from 0"));
        }
        let mut deleted: Vec<(usize, usize)> = Vec::new();
        let Some((run, _)) = self.character(Some(run), 0) else {
            return Ok(deleted);
        };
        let length = i64::from(self.run(run).length);
        let end = start.saturating_add(count).min(length) as u32;
        for (start, end) in self.left(run, start.min(length) as u32, end) {
            let mut at = start;
            // a part may stand in several spans
            while at < end {
                let place = self.before(run, at);
                let upto = end.min(self.spans_of(place.block)[place.span].end());
                if upto < self.spans_of(place.block)[place.span].end() {
                    self.split(place, upto);
                }
                let position = self.position_of(place);
                let size = (upto - at) as usize;
                self.spans_mut(place.block)[place.span].is_deleted = true;
                self.visible[place.block] -= size;
                self.length -= size;
                match deleted.last_mut() {
                    Some(last) if last.0 == position => last.1 += size,
                    _ => deleted.push((position, size)),
                }
                self.join(place);
                self.part(place.block);
                at = upto;
            }
        }
        Ok(deleted)
    }

    fn at(&self, position: i64) -> PyResult<Option<(u32, u32)>> {
        let found = self.visible_spans(Self::positive(position)?, 1);
        Ok(found.first().map(|&(run, start, _)| (run, start)))
    }

    fn spans(&self, position: i64, count: i64) -> PyResult<Vec<(u32, u32, u32)>> {
        Ok(self.visible_spans(Self::positive(position)?, Self::positive(count)?))
    }

    fn position(&self, run: i64, offset: i64) -> PyResult<usize> {
        let found = self.character(Some(run), offset);
        let (run, offset) = found.ok_or_else(|| broken("there is such a character"))?;
        let place = self.find(run, offset);
        let span = self.spans_of(place.block)[place.span];
        let within = if span.is_deleted {
            0
        } else {
            (offset - span.start) as usize
        };
        Ok(self.position_of(place) + within)
    }

    fn counter(&self, parent: Option<i64>, offset: i64) -> PyResult<i64> {
        let place =
            (self.character(parent, offset)).ok_or_else(|| broken("there is such a character"))?;
        let greatest = self.under.get(&place).and_then(|siblings| siblings.last());
        Ok(greatest.map_or(1, |&run| self.run(run).counter.saturating_add(1)))
    }
}
