//! Gathering what adjacent segments hold: what was numbered stays as it is.

use crate::store::assemble::{assemble, write, Columns};
use crate::store::damage::Found;
use crate::store::header::Bounds;
use crate::store::sections::S;
use crate::store::segment::Segment;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The segment that covers what adjacent segments cover, oldest first.
#[pyfunction]
pub fn merge_segments<'py>(
    py: Python<'py>,
    segments: Vec<Py<Segment>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let parts: Vec<&Segment> = segments.iter().map(Py::get).collect();
    let made = py.detach(|| concatenate(&parts).and_then(assemble));
    write(py, made?)
}

fn concatenate(segments: &[&Segment]) -> Found<Columns> {
    let mut c = Columns::default();
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
        return Err("there is no segment to merge".into());
    };
    c.bounds = Bounds {
        delta_after: first.bounds.delta_after,
        delta_last: last.bounds.delta_last,
        fact_after: first.bounds.fact_after,
        fact_last: last.bounds.fact_last,
        cell_after: first.bounds.cell_after,
        cell_last: last.bounds.cell_last,
    };
    for segment in segments {
        let base =
            u32::try_from(c.heap.len()).map_err(|_| "too much in one segment".to_string())?;
        for end in segment.u32s(S::CellEnd)? {
            c.ends
                .push(base.checked_add(end).ok_or("too much in one segment")?);
        }
        c.heap.extend_from_slice(segment.all(S::CellHeap)?);
        if c.ends
            .last()
            .is_some_and(|&end| end as usize != c.heap.len())
        {
            return Err("its cells do not end where they should".into());
        }
        c.hashes.extend(segment.u64s(S::CellByHash)?);
        c.order_runs.extend(segment.u32s(S::CellInOrder)?);
        c.delta_ids.extend_from_slice(segment.all(S::DeltaId)?);
        for (column, section) in [
            (&mut c.author, S::DeltaAuthor),
            (&mut c.system, S::DeltaSystem),
            (&mut c.edge, S::DeltaEdge),
            (&mut c.group, S::DeltaGroup),
            (&mut c.counter, S::DeltaCounter),
            (&mut c.scope, S::DeltaScope),
            (&mut c.epoch, S::DeltaEpoch),
            (&mut c.group_size, S::DeltaGroupSize),
            (&mut c.fact_last, S::DeltaFactLast),
            (&mut c.cause_from, S::CauseFrom),
            (&mut c.cause_to, S::CauseTo),
            (&mut c.repeat_delta, S::RepeatDelta),
            (&mut c.repeat_fact, S::RepeatFact),
        ] {
            column.extend(segment.u32s(section)?);
        }
        c.ms.extend(segment.u64s(S::DeltaMs)?);
        c.digests.extend_from_slice(segment.all(S::FactDigest)?);
        concatenate_facts(&mut c, segment)?;
    }
    let cells = c.bounds.cells() as u32;
    let starts = c.bounds.cell_after + 1;
    if c.order_runs
        .iter()
        .any(|&cell| cell.wrapping_sub(starts) >= cells)
        || !c.ends.is_sorted()
    {
        return Err("its cells are not numbered as they should be".into());
    }
    Ok(c)
}

fn concatenate_facts(c: &mut Columns, segment: &Segment) -> Found<()> {
    let wrong = "its facts are not numbered as they should be";
    let (entity, value) = (segment.u32s(S::FactEntity)?, segment.u32s(S::FactValue)?);
    let (rows, places) = (segment.u32s(S::FactRow)?, segment.u32s(S::FactPlace)?);
    let mut attribute = Vec::with_capacity(entity.len());
    for (cell, end) in segment
        .u32s(S::AttributeCell)?
        .into_iter()
        .zip(segment.u32s(S::AttributeEnd)?)
    {
        if (end as usize) < attribute.len() || end as usize > entity.len() {
            return Err(wrong.into());
        }
        attribute.resize(end as usize, cell);
    }
    for place in places {
        let place = place as usize;
        c.entity.push(*entity.get(place).ok_or(wrong)?);
        c.attribute.push(*attribute.get(place).ok_or(wrong)?);
        c.value.push(*value.get(place).ok_or(wrong)?);
    }
    let local = |row: u32| -> Found<u32> {
        let number = row.wrapping_sub(c.bounds.fact_after + 1);
        if (number as usize) < c.bounds.facts() {
            Ok(number)
        } else {
            Err(wrong.into())
        }
    };
    for &row in &rows {
        c.row_runs.push(local(row)?);
    }
    for place in segment.u32s(S::FactByValue)? {
        c.value_runs
            .push(local(*rows.get(place as usize).ok_or(wrong)?)?);
    }
    Ok(())
}
