"""Run the benchmarks named, or all: `python -m bench [ingest] [get] [query] [store] [--quick] [--folder DIR]`.

A run at full size writes `bench/RESULTS.md`: all of it, or the sections of the benchmarks that were named, each of which
says then when and where it was measured. A quick run, or one of other sizes (`--sizes`, which only `store` takes), prints
the same page and writes nothing.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

from bench.report import load, page, replaced

NAMES = ("ingest", "get", "query", "store")

RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything works")
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
    load_before, started = load(), time.perf_counter()
    sections = []
    with tempfile.TemporaryDirectory(prefix="rhizome-bench-", dir=options.folder) as scratch:
        os.environ["RHIZOME_HOME"] = str(Path(scratch) / "home")  # the keys of a run go with it
        for name in chosen:
            print(f"{name} ...", file=sys.stderr, flush=True)
            folder = Path(scratch) / name
            folder.mkdir()
            sections.append(importlib.import_module(f"bench.{name}").run(folder, quick=options.quick, **more))
    seconds = time.perf_counter() - started
    if options.quick or options.sizes:
        print(page(sections, load_before, seconds))
    else:
        if len(chosen) < len(NAMES) and RESULTS.exists():
            text = replaced(RESULTS.read_text(encoding="utf-8"), sections, load_before, seconds)
        else:
            text = page(sections, load_before, seconds)
        RESULTS.write_text(text, encoding="utf-8")
        print(f"written to {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}")


def _sizes(text: str) -> list[int]:
    return sorted(int(size.replace("_", "")) for size in text.split(","))


if __name__ == "__main__":
    main()
