//! What each node reaches first, without the rest. The twin of `first_reached` in `rhizomedb/flow/components.py`.

use super::batch::{broken, ids_of, Batch};
use super::condensation::Condensation;
use super::nodes::{ends, Nodes};
use super::pulse::Pulse;
use pyo3::prelude::*;

/// Every node that reaches any, with the one of least rank, or of least id, that it reaches.
#[pyfunction]
#[pyo3(signature = (edges, ranks=None, check=None))]
pub fn first_reached(
    py: Python<'_>,
    edges: &Bound<'_, Batch>,
    ranks: Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)>,
    check: Option<Py<PyAny>>,
) -> PyResult<Batch> {
    let ranks = ranks
        .map(|(ids, ranks)| Ok::<_, PyErr>((ids_of(&ids)?, ids_of(&ranks)?)))
        .transpose()?;
    let (sources, targets) = ends(edges.get())?;
    py.detach(|| {
        let pulse = &mut Pulse::of(check);
        let nodes = Nodes::of(sources, targets, pulse)?;
        let condensation = Condensation::of(&nodes, None, pulse)?;
        let rank_of = |id: u32| match &ranks {
            None => Ok(id),
            Some((ids, ranks)) => ids
                .binary_search(&id)
                .map(|place| ranks[place])
                .map_err(|_| broken("every node has a rank")),
        };
        let size = condensation.cyclic.len();
        // Of each component: the first of its members, and the first that its members reach.
        let mut own: Vec<(u32, u32)> = Vec::with_capacity(size);
        let mut reached: Vec<Option<(u32, u32)>> = Vec::with_capacity(size);
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for component in 0..size {
            let members = &condensation.ids[condensation.members(component, component + 1)];
            let mut first = (u32::MAX, u32::MAX);
            for &id in members {
                pulse.count(1)?;
                first = first.min((rank_of(id)?, id));
            }
            let mut best = condensation.cyclic[component].then_some(first);
            pulse.count(condensation.links(component).len())?;
            for &next in condensation.links(component) {
                let next = next as usize;
                for found in [Some(own[next]), reached[next]].into_iter().flatten() {
                    best = Some(best.map_or(found, |held| held.min(found)));
                }
            }
            if let Some((_, id)) = best {
                for &member in members {
                    from.push(member);
                    to.push(id);
                }
            }
            own.push(first);
            reached.push(best);
        }
        let size = from.len();
        Ok(Batch::new(vec![from, to], size))
    })
}
