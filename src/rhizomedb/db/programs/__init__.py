"""Programs over a database: put together, checked, compiled, run, stepped, stored under names; what they read and give."""
