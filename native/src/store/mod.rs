//! The index of a store: twins of what is in `src/rhizomedb/store/`.

mod ahead;
mod assemble;
mod build;
mod damage;
mod fences;
mod header;
mod keys;
mod lookup;
mod merge;
mod ranges;
mod said;
mod search;
mod sections;
mod segment;
mod walk;

use pyo3::prelude::*;

/// Adds these kernels to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(build::build_segment, module)?)?;
    module.add_function(wrap_pyfunction!(merge::merge_segments, module)?)?;
    module.add_class::<segment::Segment>()?;
    module.add_class::<lookup::Index>()
}
