"""PomoFlow: programs as dataflow over dense ids, kept up to date by what changes."""
