//! Condensations: the strongly connected components of a graph, and the edges between them.

use super::nodes::Nodes;
use super::pulse::Pulse;
use pyo3::PyResult;

pub struct Condensation {
    /// The ids of all members, component after component.
    pub ids: Vec<u32>,
    /// Where the members of each component begin; one more for the end.
    starts: Vec<u32>,
    /// What each component leads to, without itself, each once and the greatest first.
    links: Vec<u32>,
    link_starts: Vec<u32>,
    /// Whether the members of a component reach themselves.
    pub cyclic: Vec<bool>,
}

/// What each node leads to, in one list.
struct Graph {
    starts: Vec<u32>,
    targets: Vec<u32>,
}

impl Graph {
    fn of(nodes: &Nodes, pulse: &mut Pulse) -> PyResult<Self> {
        let size = nodes.ids.len();
        // Counted two places on and filled one place on, the starts end up where they belong.
        let mut starts = vec![0u32; size + 2];
        pulse.pieces(nodes.sources.len(), |piece| {
            for &source in &nodes.sources[piece] {
                starts[source as usize + 2] += 1;
            }
        })?;
        for node in 2..starts.len() {
            starts[node] += starts[node - 1];
        }
        let mut targets = vec![0; nodes.targets.len()];
        pulse.pieces(targets.len(), |piece| {
            let sources = nodes.sources[piece.clone()].iter();
            for (&source, &target) in sources.zip(&nodes.targets[piece]) {
                let place = &mut starts[source as usize + 1];
                targets[*place as usize] = target;
                *place += 1;
            }
        })?;
        starts.pop();
        Ok(Self { starts, targets })
    }

    fn leads_to(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.targets[self.starts[node] as usize..self.starts[node + 1] as usize]
    }
}

/// Tarjan's algorithm, without recursion. A component gets its number after all that it leads to.
struct Search<'a> {
    graph: &'a Graph,
    /// 0: not met yet. `DONE`: in a component. Else the least number of a node known to be on one cycle with it.
    low: Vec<u32>,
    met: u32,
    open: Vec<u32>,
    path: Vec<(u32, u32, u32)>, // node, its number, the next of its edges
    members: Vec<u32>,
    starts: Vec<u32>,
    component: Vec<u32>,
}

const DONE: u32 = u32::MAX;

impl<'a> Search<'a> {
    fn new(graph: &'a Graph) -> Self {
        let size = graph.starts.len() - 1;
        Self {
            graph,
            low: vec![0; size],
            met: 0,
            open: Vec::new(),
            path: Vec::new(),
            members: Vec::with_capacity(size),
            starts: vec![0],
            component: vec![DONE; size],
        }
    }

    fn enter(&mut self, node: u32) {
        self.met += 1;
        self.low[node as usize] = self.met;
        self.open.push(node);
        let edge = self.graph.starts[node as usize];
        self.path.push((node, self.met, edge));
    }

    fn search(&mut self, root: u32, pulse: &mut Pulse) -> PyResult<()> {
        if self.low[root as usize] != 0 {
            return Ok(());
        }
        self.enter(root);
        while let Some(&(node, number, first)) = self.path.last() {
            let mut low = self.low[node as usize];
            let mut entered = None;
            let last = self.graph.starts[node as usize + 1];
            let mut looked = last - first;
            for edge in first..last {
                let target = self.graph.targets[edge as usize];
                let reached = self.low[target as usize];
                if reached == 0 {
                    entered = Some((edge, target));
                    looked = edge - first;
                    break;
                }
                low = low.min(reached);
            }
            self.low[node as usize] = low;
            pulse.count(looked as usize + 1)?;
            if let Some((edge, target)) = entered {
                // The edge is looked at again when its target is done: then it tells what the target reaches.
                if let Some(top) = self.path.last_mut() {
                    top.2 = edge;
                }
                self.enter(target);
                continue;
            }
            self.path.pop();
            if low == number {
                self.close(node);
            }
        }
        Ok(())
    }

    fn close(&mut self, root: u32) {
        let component = self.starts.len() as u32 - 1;
        while let Some(node) = self.open.pop() {
            self.low[node as usize] = DONE;
            self.component[node as usize] = component;
            self.members.push(node);
            if node == root {
                break;
            }
        }
        self.starts.push(self.members.len() as u32);
    }
}

impl Condensation {
    /// Of all nodes; or of some, the roots, and those that they lead to.
    pub fn of(nodes: &Nodes, roots: Option<&[u32]>, pulse: &mut Pulse) -> PyResult<Self> {
        let graph = Graph::of(nodes, pulse)?;
        let mut search = Search::new(&graph);
        match roots {
            Some(roots) => {
                for &root in roots {
                    search.search(root, pulse)?;
                }
            }
            None => {
                for root in 0..nodes.ids.len() as u32 {
                    search.search(root, pulse)?;
                }
            }
        }
        let size = search.starts.len() - 1;
        let mut links = Vec::new();
        let mut link_starts = Vec::with_capacity(size + 1);
        link_starts.push(0);
        let mut cyclic = Vec::with_capacity(size);
        let mut met = Vec::new();
        for component in 0..size {
            let first = search.starts[component] as usize;
            let members = &search.members[first..search.starts[component + 1] as usize];
            let mut is_cyclic = false;
            met.clear();
            for &member in members {
                pulse.count(graph.leads_to(member).len() + 1)?;
                for &target in graph.leads_to(member) {
                    let other = search.component[target as usize];
                    if other as usize == component {
                        is_cyclic = true;
                    } else {
                        met.push(other);
                    }
                }
            }
            met.sort_unstable_by(|left, right| right.cmp(left));
            met.dedup();
            links.extend_from_slice(&met);
            link_starts.push(links.len() as u32);
            cyclic.push(is_cyclic);
        }
        let Search {
            members, starts, ..
        } = search;
        Ok(Self {
            ids: members
                .iter()
                .map(|&node| nodes.ids[node as usize])
                .collect(),
            starts,
            links,
            link_starts,
            cyclic,
        })
    }

    /// How many components there are.
    pub fn size(&self) -> usize {
        self.cyclic.len()
    }

    /// Where the members of a run of components stand among the ids.
    pub fn members(&self, first: usize, last: usize) -> std::ops::Range<usize> {
        self.starts[first] as usize..self.starts[last] as usize
    }

    pub fn links(&self, component: usize) -> &[u32] {
        let first = self.link_starts[component] as usize;
        &self.links[first..self.link_starts[component + 1] as usize]
    }
}
