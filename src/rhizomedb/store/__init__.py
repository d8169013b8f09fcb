"""Where deltas are kept: a log that only grows, relations over it at any moment of its past, and the one door into it."""

from rhizomedb.store.admit import Admission as Admission
from rhizomedb.store.admit import Refusal as Refusal
from rhizomedb.store.admit import admit as admit
from rhizomedb.store.admit import release_due as release_due
from rhizomedb.store.memory import MemoryStore as MemoryStore
from rhizomedb.store.open import open_store as open_store
from rhizomedb.store.store import ALL as ALL
from rhizomedb.store.store import COLUMNS as COLUMNS
from rhizomedb.store.store import AttributeSummary as AttributeSummary
from rhizomedb.store.store import Cut as Cut
from rhizomedb.store.store import Epoch as Epoch
from rhizomedb.store.store import Finding as Finding
from rhizomedb.store.store import Held as Held
from rhizomedb.store.store import Store as Store
