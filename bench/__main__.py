"""Run the benchmarks named, or all: `python -m bench [ingest] [get] [query] [store] [flow] [crdt] [hyper] [--small] [--folder DIR]`.

A run at full size writes its sections of `bench/RESULTS.md` and leaves the others as they are; a small run, or one of other
sizes (`--sizes`, which only `store` takes), only prints.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

from bench.report import load, machine, page, sections_of

NAMES = ("ingest", "get", "query", "store", "flow", "crdt", "hyper")

RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} (default: all)")
    parser.add_argument(
        "--small", "--quick", dest="quick", action="store_true", help="small sizes, to see that everything works"
    )
    parser.add_argument("--sizes", type=_sizes, metavar="FACTS,…", help="sizes of `store` other than the usual")
    parser.add_argument("--folder", help="where to put the files (default: a temporary folder)")
    options = parser.parse_args()
    for name in options.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name!r}; there are {', '.join(NAMES)}")
    chosen = [name for name in NAMES if name in options.names or not options.names]
    if options.sizes and chosen != ["store"]:
        parser.error("only `store` takes --sizes")
    more = {"facts": options.sizes} if options.sizes else {}
    # As an install leaves them: where nothing may be written, each process would compile all modules anew.
    for folder in ("src", "bench"):
        compileall.compile_dir(RESULTS.parents[1] / folder, quiet=2)
    measured: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="rhizome-bench-", dir=options.folder) as scratch:
        os.environ["RHIZOME_HOME"] = str(Path(scratch) / "home")  # the keys of a run go with it
        for name in chosen:
            print(f"{name} ...", file=sys.stderr, flush=True)
            load_before, started = load(), time.perf_counter()
            folder = Path(scratch) / name
            folder.mkdir()
            section = importlib.import_module(f"bench.{name}").run(folder, quick=options.quick, **more)
            measured[name] = section.text(machine(load_before, time.perf_counter() - started))
    if options.quick or options.sizes:
        print(page(measured))
        return
    known = sections_of(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    known.update(measured)
    RESULTS.write_text(page({name: known[name] for name in NAMES if name in known}), encoding="utf-8")
    print(f"written to {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}")


def _sizes(text: str) -> list[int]:
    return sorted(int(size.replace("_", "")) for size in text.split(","))


if __name__ == "__main__":
    main()
