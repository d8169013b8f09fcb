//! Kernels of the dataflow engine: batches, tables and groups of dense ids, and what of graphs needs no rounds. The twins
//! of `rhizomedb/flow/batch.py`, `table.py`, `groups.py`, `closure.py` and `components.py`.

mod adjacent;
mod batch;
mod closure;
mod components;
mod condensation;
mod first;
mod group;
mod hash;
mod intersect;
mod look_up;
mod nodes;
mod pages;
mod pairs;
mod postings;
mod pulse;
mod rows;
mod table;
mod threads;
mod versions;

use pyo3::prelude::*;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<batch::Batch>()?;
    module.add_class::<table::Table>()?;
    module.add_class::<group::Groups>()?;
    module.add_function(wrap_pyfunction!(intersect::intersect, module)?)?;
    module.add_class::<closure::Closure>()?;
    module.add_function(wrap_pyfunction!(closure::reach, module)?)?;
    module.add_function(wrap_pyfunction!(first::first_reached, module)?)?;
    module.add_function(wrap_pyfunction!(components::components, module)?)
}
