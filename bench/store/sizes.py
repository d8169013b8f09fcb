"""How much of everything in `store`, apart from what needs numpy, so that a part that must be small stays small."""

from __future__ import annotations

FACTS_PER_DELTA = 1_000
FACTS_PER_EPOCH = 100_000
FACTS_PER_ENTITY = 10

FACTS_PREPARED = 1_000_000
"""Inputs of so many facts are made ready outside the timer before they are loaded."""

ATTRIBUTES = (
    "account number", "address, street", "author", "business category", "colour of the cover", "country of origin",
    "date of creation", "description", "director", "e-mail address", "given name", "language spoken", "last seen",
    "organisation", "original title", "price per unit", "quantity in stock", "rating by readers",
    "runtime in minutes", "weight in grams",
)  # fmt: skip

SCANNED = ATTRIBUTES[2]
"""The attribute that is read whole."""

ASKED = 500
"""Entities, and facts, that one process asks for."""

SCANS = 20
"""How often one process reads that attribute."""

GROUP = 50
"""So many questions are timed together: a clock around each would cost as much as some answers."""
