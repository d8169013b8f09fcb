//! Kernels of RhizomeDB. Each does what a plain Python function of the same name does, on whole batches.
//! Nothing here decides anything: no plan, no rule, no policy. What is unusual is left to the Python twin, which
//! also explains it; so a kernel can be wrong only by being different, and the tests compare the two byte for byte.

mod codec;
mod crdt;
mod flow;
mod store;

use pyo3::prelude::*;

#[pymodule]
fn rhizomedb_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    codec::register(module)?;
    crdt::register(module)?;
    flow::register(module)?;
    store::register(module)
}
