"""Where facts and programs meet: `Connection` (the one thing that changes) and `Database` (a value at one moment)."""
