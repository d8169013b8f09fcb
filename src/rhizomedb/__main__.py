"""`python -m rhizomedb` is the command `rhizome`, and this is where both begin."""

from rhizomedb._interrupt import after_work, before_work

before_work()  # before the rest is imported


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    from rhizomedb.cli import main as run

    return run(at_end=after_work)


if __name__ == "__main__":
    raise SystemExit(main())
