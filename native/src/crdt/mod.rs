//! Kernels of the data types: the order of a text. The twin of `rhizomedb/crdt/rope.py`.

mod rope;

use pyo3::prelude::*;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<rope::Rope>()
}
