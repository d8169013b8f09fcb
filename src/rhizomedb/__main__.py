"""`python -m rhizomedb` is the command `rhizome`."""

from rhizomedb.cli import main

raise SystemExit(main())
