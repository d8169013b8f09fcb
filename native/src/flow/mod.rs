//! Kernels of the dataflow engine: batches and tables of dense ids. The twins of `rhizomedb/flow/batch.py` and `table.py`.

mod batch;
mod hash;
mod pairs;
mod postings;
mod rows;
mod table;

use pyo3::prelude::*;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<batch::Batch>()?;
    module.add_class::<table::Table>()
}
