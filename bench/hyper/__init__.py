"""The section on `hyper`: hyperedges and their views, ours beside the RhizomeDB reference where it is."""

from bench.hyper.section import run as run
