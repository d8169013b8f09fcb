//! Batches: some tuples of ids, a column at a time; they never change. The twin of `rhizomedb/flow/batch.py`.

use super::pulse::Pulse;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyAssertionError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

#[pyclass(frozen, module = "rhizomedb_native")]
pub struct Batch {
    pub columns: Vec<Vec<u32>>,
    pub size: usize,
}

pub fn broken(what: &str) -> PyErr {
    PyAssertionError::new_err(what.to_owned())
}

impl Batch {
    pub fn new(columns: Vec<Vec<u32>>, size: usize) -> Self {
        debug_assert!(columns.iter().all(|column| column.len() == size));
        Self { columns, size }
    }

    pub fn column_at(&self, number: usize) -> PyResult<&Vec<u32>> {
        self.columns
            .get(number)
            .ok_or_else(|| broken("a batch has no such column"))
    }

    pub fn chosen(&self, rows: &[u32]) -> Self {
        let columns = self
            .columns
            .iter()
            .map(|column| rows.iter().map(|&row| column[row as usize]).collect())
            .collect();
        Self::new(columns, rows.len())
    }

    fn chosen_by(&self, mut keep: impl FnMut(usize) -> bool) -> Self {
        let rows: Vec<u32> = (0..self.size)
            .filter(|&row| keep(row))
            .map(|row| row as u32)
            .collect();
        self.chosen(&rows)
    }
}

pub fn ids_of(buffer: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    if let Ok(ids) = PyBuffer::<u32>::get(buffer) {
        return ids.to_vec(buffer.py());
    }
    if buffer.len()? == 0 {
        return Ok(Vec::new()); // an empty array may stand at any address
    }
    let bytes = PyBuffer::<u8>::get(buffer)?.to_vec(buffer.py())?;
    Ok(bytes
        .chunks_exact(4)
        .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
        .collect())
}

fn bytes_of<'py>(py: Python<'py>, ids: &[u32]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, 4 * ids.len(), |out| {
        for (four, id) in out.chunks_exact_mut(4).zip(ids) {
            four.copy_from_slice(&id.to_le_bytes());
        }
        Ok(())
    })
}

#[pymethods]
impl Batch {
    #[staticmethod]
    fn of(columns: Vec<Bound<'_, PyAny>>) -> PyResult<Self> {
        let columns = columns.iter().map(ids_of).collect::<PyResult<Vec<_>>>()?;
        let size = columns.first().map_or(0, Vec::len);
        if columns.iter().any(|column| column.len() != size) {
            return Err(broken("the columns of a batch are equally long"));
        }
        Ok(Self::new(columns, size))
    }

    #[staticmethod]
    fn of_rows(rows: Vec<Bound<'_, PyTuple>>, width: usize) -> PyResult<Self> {
        let mut columns = vec![Vec::with_capacity(rows.len()); width];
        for row in &rows {
            if row.len() != width {
                return Err(broken("the rows of a batch are equally wide"));
            }
            for (column, id) in columns.iter_mut().zip(row.iter_borrowed()) {
                column.push(id.extract()?);
            }
        }
        Ok(Self::new(columns, rows.len()))
    }

    #[staticmethod]
    fn concatenated(batches: Vec<PyRef<'_, Batch>>, width: usize) -> PyResult<Self> {
        let mut columns = vec![Vec::new(); width];
        let mut size = 0;
        for batch in &batches {
            if batch.columns.len() != width {
                return Err(broken(
                    "batches that are joined end to end are equally wide",
                ));
            }
            size += batch.size;
            for (column, more) in columns.iter_mut().zip(&batch.columns) {
                column.extend_from_slice(more);
            }
        }
        Ok(Self::new(columns, size))
    }

    #[getter]
    fn width(&self) -> usize {
        self.columns.len()
    }

    fn __len__(&self) -> usize {
        self.size
    }

    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        (0..self.size)
            .map(|row| PyTuple::new(py, self.columns.iter().map(|column| column[row])))
            .collect()
    }

    fn column<'py>(&self, py: Python<'py>, number: usize) -> PyResult<Bound<'py, PyBytes>> {
        bytes_of(py, self.column_at(number)?)
    }

    fn column_ids(&self, number: usize) -> PyResult<Vec<u32>> {
        Ok(self.column_at(number)?.clone())
    }

    /// Each new column is one of these, or where `columns` has -1 a constant.
    fn shaped(&self, columns: Vec<isize>, constants: Vec<u32>) -> PyResult<Self> {
        let mut constants = constants.into_iter();
        let mut shaped = Vec::with_capacity(columns.len());
        for number in columns {
            shaped.push(match usize::try_from(number) {
                Ok(number) => self.column_at(number)?.clone(),
                Err(_) => {
                    let id = constants
                        .next()
                        .ok_or_else(|| broken("every -1 has a constant"))?;
                    vec![id; self.size]
                }
            });
        }
        Ok(Self::new(shaped, self.size))
    }

    fn slice(&self, first: usize, last: usize) -> Self {
        let (first, last) = (first.min(self.size), last.min(self.size));
        let columns: Vec<Vec<u32>> = self
            .columns
            .iter()
            .map(|column| column[first..last.max(first)].to_vec())
            .collect();
        Self::new(columns, last.saturating_sub(first))
    }

    fn where_equal(&self, left: usize, right: usize, wanted: bool) -> PyResult<Self> {
        let (left, right) = (self.column_at(left)?, self.column_at(right)?);
        Ok(self.chosen_by(|row| (left[row] == right[row]) == wanted))
    }

    fn where_constant(&self, column: usize, id: u32, wanted: bool) -> PyResult<Self> {
        let column = self.column_at(column)?;
        Ok(self.chosen_by(|row| (column[row] == id) == wanted))
    }

    fn where_less(&self, left: usize, right: usize, equal: bool) -> PyResult<Self> {
        let (left, right) = (self.column_at(left)?, self.column_at(right)?);
        Ok(self.chosen_by(|row| left[row] < right[row] || equal && left[row] == right[row]))
    }

    fn masked(&self, mask: &[u8]) -> PyResult<Self> {
        if mask.len() != self.size {
            return Err(broken("a mask has a byte for each row"));
        }
        Ok(self.chosen_by(|row| mask[row] != 0))
    }

    /// The rows whose id in the column is among the sorted ids.
    fn where_among(&self, column: usize, ids: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (column, ids) = (self.column_at(column)?, ids_of(ids)?);
        let least = ids.first().copied().unwrap_or(0);
        let span = ids.last().map_or(0, |&last| (last - least) as usize + 1);
        if span <= 8 * (ids.len() + self.size) {
            let mut bits = vec![0u64; span.div_ceil(64)];
            for id in &ids {
                let place = (id - least) as usize;
                bits[place / 64] |= 1 << (place % 64);
            }
            return Ok(self.chosen_by(|row| {
                let place = column[row].wrapping_sub(least) as usize;
                place < span && bits[place / 64] >> (place % 64) & 1 == 1
            }));
        }
        Ok(self.chosen_by(|row| ids.binary_search(&column[row]).is_ok()))
    }

    /// One more column: for each id of a column what stands beside it in two lists, the first sorted; rows without are dropped.
    fn mapped(
        &self,
        column: usize,
        ids: &Bound<'_, PyAny>,
        images: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let (ids, images) = (ids_of(ids)?, ids_of(images)?);
        let mut rows = Vec::with_capacity(self.size);
        let mut new = Vec::with_capacity(self.size);
        for (row, id) in self.column_at(column)?.iter().enumerate() {
            if let Ok(place) = ids.binary_search(id) {
                rows.push(row as u32);
                new.push(images[place]);
            }
        }
        let mut chosen = self.chosen(&rows);
        chosen.columns.push(new);
        Ok(chosen)
    }

    /// One more column, given whole.
    fn with_column(&self, ids: &Bound<'_, PyAny>) -> PyResult<Self> {
        let ids = ids_of(ids)?;
        if ids.len() != self.size {
            return Err(broken("a column has an id for each row"));
        }
        let mut columns = self.columns.clone();
        columns.push(ids);
        Ok(Self::new(columns, self.size))
    }

    /// The different ids of a column, sorted.
    fn distinct_ids(&self, column: usize) -> PyResult<Vec<u32>> {
        let mut ids = self.column_at(column)?.clone();
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The different rows, each once, where they stand first.
    fn distinct(&self, py: Python<'_>) -> PyResult<Self> {
        py.detach(|| {
            let mut set = super::rows::Rows::with_room(self.size);
            let mut columns = vec![Vec::new(); self.columns.len()];
            let mut size = 0;
            Pulse::of_signals().pieces(self.size, |piece| {
                let hashes = super::rows::hashes(&self.columns, piece.start, piece.end);
                for (row, &hash) in piece.zip(&hashes) {
                    let equal = |at: usize| {
                        columns
                            .iter()
                            .zip(&self.columns)
                            .all(|(kept, column): (&Vec<u32>, _)| kept[at] == column[row])
                    };
                    if set.find(hash, equal).is_none() {
                        set.insert(hash, size);
                        size += 1;
                        for (kept, column) in columns.iter_mut().zip(&self.columns) {
                            kept.push(column[row]);
                        }
                    }
                }
            })?;
            Ok(Self::new(columns, size))
        })
    }
}
