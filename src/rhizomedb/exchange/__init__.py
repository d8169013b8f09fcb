"""Files in and out: tables (CSV, TSV, JSON, JSON lines), git histories, and what a command prints for other programs.

`reader.read_table` reads any table, `git.commits` a repository's history, `output.write_rows` writes rows. Nothing
here knows a database: rows and commits are plain values that `db` and the commands make facts of.
"""
