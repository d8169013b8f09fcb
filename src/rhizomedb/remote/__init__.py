"""Remote places: any folder or bucket as a place to push bundles of deltas to and pull them from.

A place needs no program of ours: it keeps objects under names and lists them. Many writers share it and never
coordinate, because what they write never changes and is called by its hash.
"""

from rhizomedb.remote.pulling import Pull as Pull
from rhizomedb.remote.pulling import pull as pull
from rhizomedb.remote.pushing import Push as Push
from rhizomedb.remote.pushing import push as push
