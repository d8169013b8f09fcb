"""Conflict-free replicated data types as programs over facts; today the registers, and the policies that choose."""
