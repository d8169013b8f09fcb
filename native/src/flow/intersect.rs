//! Joins with several tables of pairs at once: what all of them pair with a row, from the one that has the fewest.

use super::adjacent::{meet, Adjacent};
use super::batch::{broken, Batch};
use super::hash::{mix, seed};
use super::look_up::KeyPart;
use super::postings::Asked;
use super::rows::{fold, AHEAD};
use super::table::Table;
use super::threads::{in_pieces, piece_of};
use pyo3::prelude::*;
use std::ops::Range;

/// An id that is made counts as many as this that are only looked at, towards the end of a piece of an intersection.
const LOOKS: usize = 4;

/// Neighbours are sorted for a batch that has, of the rows of a table, at least one in so many.
const SORTED: usize = 4;

/// How many ids of a row are asked for ahead of it.
const FIRST: usize = 4;

/// The places that agree with keys in one table of an intersection, and how a whole row of it is asked for.
struct Side<'a> {
    table: &'a Table,
    postings: usize,
    adjacent: Option<&'a Adjacent>,
    asked: Asked<'a>,
    bounds: Option<&'a Vec<u32>>,
    column: usize,
}

impl Side<'_> {
    fn places(&self, row: usize) -> &[u32] {
        let table = self.table;
        table.postings[self.postings].places(&table.columns, &[self.asked.id(row)])
    }

    /// How many places agree with a row, on average.
    fn expected(&self) -> usize {
        self.table.extent / self.table.postings[self.postings].keys().max(1)
    }

    fn pair(&self, row: usize, id: u32) -> (u32, u32) {
        let known = self.asked.id(row);
        if self.column == 1 {
            (known, id)
        } else {
            (id, known)
        }
    }

    fn prefetch(&self, row: usize, id: u32) {
        let (left, right) = self.pair(row, id);
        match &self.table.pairs {
            Some(pairs) => pairs.prefetch(left, right),
            None => self
                .table
                .rows
                .prefetch(fold(mix(mix(seed(), left), right))),
        }
    }

    /// Ask for where a pair seems to stand, once the slot that tells is at hand.
    fn prefetch_place(&self, row: usize, id: u32) {
        if self.table.pairs.is_none() {
            let (left, right) = self.pair(row, id);
            self.table
                .prefetch_place(fold(mix(mix(seed(), left), right)));
        }
    }

    /// Whether a place belongs to the new version, and its stamp is less than the row's bound.
    fn is_asked(&self, place: u32, row: usize) -> bool {
        self.table.is_asked(place, row, true, self.bounds)
    }

    fn has(&self, row: usize, id: u32) -> bool {
        let (left, right) = self.pair(row, id);
        let table = self.table;
        match &table.pairs {
            Some(pairs) => pairs.contains(left, right),
            None => table
                .rows
                .find(fold(mix(mix(seed(), left), right)), |place| {
                    table.columns[0][place] == left && table.columns[1][place] == right
                })
                .is_some_and(|place| self.is_asked(place as u32, row)),
        }
    }
}

/// The first ids that a row has in its least side, for each of the other sides.
fn for_others(
    sides: &[Side<'_>],
    least: usize,
    found: &[u32],
    mut ask: impl FnMut(&Side<'_>, u32),
) {
    let side = &sides[least];
    let column = &side.table.columns[side.column];
    for &place in found.iter().take(FIRST) {
        for (at, other) in sides.iter().enumerate() {
            if at != least {
                ask(other, column[place as usize]);
            }
        }
    }
}

/// What some rows, one after the other, have in common: the row and the id of each, and what every row cost.
#[derive(Default)]
struct Common {
    rows: Vec<u32>,
    ids: Vec<u32>,
    costs: Vec<usize>,
}

impl Common {
    /// What follows it, too.
    fn extend(&mut self, mut more: Common) {
        self.rows.append(&mut more.rows);
        self.ids.append(&mut more.ids);
        self.costs.append(&mut more.costs);
    }

    /// Only the rows, which start at `first`, up to the one with which they cost `most`.
    fn cut(&mut self, first: usize, most: usize) {
        let mut cost = 0;
        let last = self.costs.iter().position(|more| {
            cost += more;
            cost >= most
        });
        if let Some(last) = last {
            self.costs.truncate(last + 1);
            let end = self
                .rows
                .partition_point(|&row| row as usize <= first + last);
            self.rows.truncate(end);
            self.ids.truncate(end);
        }
    }
}

/// What `common` gives, where the neighbours of all sides are sorted.
fn common_sorted(
    sides: &[(&Asked<'_>, &Adjacent)],
    rows: Range<usize>,
    once: bool,
    most: usize,
) -> (Common, usize) {
    let mut common = Common::default();
    let mut cost = 0;
    let mut lists = Vec::with_capacity(sides.len());
    for block in rows.clone().step_by(AHEAD) {
        let block = block..rows.end.min(block + AHEAD);
        for row in block.clone() {
            sides
                .iter()
                .for_each(|(asked, held)| held.prefetch(asked.id(row)));
        }
        for row in block.clone() {
            sides
                .iter()
                .for_each(|(asked, held)| held.prefetch_ids(asked.id(row)));
        }
        for row in block {
            if cost >= most {
                return (common, cost);
            }
            lists.clear();
            lists.extend(sides.iter().map(|(asked, held)| held.of(asked.id(row))));
            lists.sort_unstable_by_key(|list| list.len());
            let (least, before) = (lists[0].len(), common.ids.len());
            meet(&mut lists, |id| {
                common.rows.push(row as u32);
                common.ids.push(id);
                !once
            });
            let more = least + LOOKS * (common.ids.len() - before);
            common.costs.push(more);
            cost += more;
        }
    }
    (common, cost)
}

/// What all sides pair with some rows, taken for each from the side that has the fewest. It ends after the row with which
/// they cost `most`, and says what they cost.
fn common(sides: &[Side<'_>], rows: Range<usize>, once: bool, most: usize) -> (Common, usize) {
    let mut common = Common::default();
    let mut cost = 0;
    let mut row = rows.start;
    let mut block = Vec::with_capacity(AHEAD);
    while row < rows.end && cost < most {
        // Many rows end at one of their first ids, so memory is asked for several rows before the first is looked at.
        block.clear();
        for row in row..rows.end.min(row + AHEAD) {
            let places = sides.iter().map(|side| side.places(row)).enumerate();
            let (least, found) = places
                .min_by_key(|(_, found)| found.len())
                .expect("something is intersected");
            for_others(sides, least, found, |other, id| other.prefetch(row, id));
            block.push((least, found));
        }
        for (offset, &(least, found)) in block.iter().enumerate() {
            for_others(sides, least, found, |other, id| {
                other.prefetch_place(row + offset, id);
            });
        }
        for &(least, found) in &block {
            if cost >= most {
                break;
            }
            let side = &sides[least];
            let column = &side.table.columns[side.column];
            let others = sides.iter().enumerate().filter(|&(at, _)| at != least);
            let before = common.ids.len();
            for (at, &place) in found.iter().enumerate() {
                if let Some(&ahead) = found.get(at + AHEAD) {
                    for (_, other) in others.clone() {
                        other.prefetch(row, column[ahead as usize]);
                    }
                }
                if !side.is_asked(place, row) {
                    continue;
                }
                let id = column[place as usize];
                if others.clone().all(|(_, other)| other.has(row, id)) {
                    common.rows.push(row as u32);
                    common.ids.push(id);
                    if once {
                        break;
                    }
                }
            }
            let more = found.len() + LOOKS * (common.ids.len() - before);
            common.costs.push(more);
            cost += more;
            row += 1;
        }
    }
    (common, cost)
}

impl Table {
    /// Have the neighbours by a column sorted, if they are not yet and so many rows that are asked for are worth it.
    fn adjoin(&mut self, column: usize, asked: usize) {
        let is_known =
            matches!(&self.adjacent[column], Some((extent, _)) if *extent == self.extent);
        if !is_known && asked.saturating_mul(SORTED) >= self.extent {
            let made = Adjacent::new(&self.columns[column], &self.columns[1 - column]);
            self.adjacent[column] = Some((self.extent, made));
        }
    }
}

/// Join with several tables of pairs at once: for each row of the batch the ids that every table pairs with what the row
/// has for it, taken from the table that has the fewest. `bounds` are for each table a column of the batch that stamps must
/// be less than, or -1; with `once`, a row that has any such id is kept as it is, without it. The twin of the function of that
/// name in `table.py`.
#[pyfunction]
#[pyo3(signature = (batch, tables, keys, keep, bounds, once=false, start=0, limit=1 << 18, threads=1))]
#[allow(clippy::too_many_arguments)] // as its twin has
pub fn intersect(
    py: Python<'_>,
    batch: &Bound<'_, Batch>,
    tables: Vec<Bound<'_, Table>>,
    keys: Vec<KeyPart>,
    keep: Vec<usize>,
    bounds: Vec<isize>,
    once: bool,
    start: usize,
    limit: usize,
    threads: usize,
) -> PyResult<(Batch, usize)> {
    let batch = batch.get();
    let mut postings = Vec::with_capacity(tables.len());
    for (table, &(column, ..)) in tables.iter().zip(&keys) {
        let mut borrowed = table.try_borrow_mut()?;
        let table = &mut *borrowed;
        if column > 1 || table.columns.len() != 2 {
            return Err(broken("tables of pairs are intersected"));
        }
        postings.push(py.detach(|| {
            if table.loose {
                table.place_rows()?;
            }
            let number = table.posted(vec![column])?;
            if table.is_whole(true) && table.postings[number].is_direct() {
                table.adjoin(column, batch.size);
            }
            Ok::<_, PyErr>(number)
        })?);
    }
    let tables = tables
        .iter()
        .map(|table| table.try_borrow())
        .collect::<Result<Vec<_>, _>>()?;
    let mut sides = Vec::with_capacity(tables.len());
    let asking = tables.iter().zip(&keys).zip(&bounds).zip(postings);
    for (((table, &(column, from, id)), &bound), postings) in asking {
        let is_whole = table.is_whole(true) && bound < 0;
        let asked = match usize::try_from(from) {
            Ok(from) => Asked::Each(batch.column_at(from)?),
            Err(_) => Asked::Same(id),
        };
        sides.push(Side {
            table,
            postings,
            adjacent: table.adjacent[column]
                .as_ref()
                .filter(|(extent, _)| is_whole && *extent == table.extent)
                .map(|(_, adjacent)| adjacent),
            asked,
            bounds: usize::try_from(bound)
                .ok()
                .map(|column| batch.column_at(column))
                .transpose()?,
            column: 1 - column,
        });
    }
    if sides.is_empty() {
        return Err(broken("something is intersected"));
    }
    let kept = keep
        .iter()
        .map(|&column| batch.column_at(column))
        .collect::<PyResult<Vec<_>>>()?;
    Ok(py.detach(|| {
        let most = LOOKS.saturating_mul(limit);
        let rows = start.min(batch.size)..batch.size;
        let cost = sides.iter().map(Side::expected).min().unwrap_or(0);
        let piece = piece_of(threads, rows.len(), cost, most);
        let sorted = sides
            .iter()
            .map(|side| side.adjacent.map(|adjacent| (&side.asked, adjacent)))
            .collect::<Option<Vec<_>>>();
        let work = |rows| match &sorted {
            Some(sorted) => common_sorted(sorted, rows, once, most),
            None => common(&sides, rows, once, most),
        };
        let mut pieces = in_pieces(threads, rows, piece, most, work).into_iter();
        let mut found = pieces.next().unwrap_or_default();
        pieces.for_each(|more| found.extend(more));
        found.cut(start, most);
        let rows = found.rows;
        let mut columns: Vec<Vec<u32>> = kept
            .iter()
            .map(|column| rows.iter().map(|&row| column[row as usize]).collect())
            .collect();
        if !once {
            columns.push(found.ids);
        }
        (Batch::new(columns, rows.len()), start + found.costs.len())
    }))
}
