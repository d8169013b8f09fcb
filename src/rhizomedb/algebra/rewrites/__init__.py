"""Rewrites from plans to plans, one file each, by their names in the literature."""
