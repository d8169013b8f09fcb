"""Benchmarks: RhizomeDB beside a peer that does the same job, measured in the same run.

    make bench                          # everything, an hour; writes bench/RESULTS.md
    make bench-flow                     # one section; the others stay as they are
    python -m bench get query --small   # some of it, small; prints, writes nothing

Each folder is one benchmark: `run` says what is done and what must hold, `ours.py` and `peer.py` do it (in `store` and `flow`
a module for each engine). Each part runs in a fresh process, several times, ours and the peer's in turn, so that whatever
else the machine does meets both. A run whose answers differ from the peer's is an error, not a result.
"""
