//! The index of a store: twins of what is in `src/rhizomedb/store/`.

mod assemble;
mod damage;
mod header;
mod index;
mod sections;
mod segment;

use pyo3::prelude::*;

/// Adds these kernels to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(assemble::build_segment, module)?)?;
    module.add_function(wrap_pyfunction!(assemble::merge_segments, module)?)?;
    module.add_class::<segment::Segment>()?;
    module.add_class::<index::Lookup>()
}
