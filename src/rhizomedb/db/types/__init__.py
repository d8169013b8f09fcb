"""Values that several people write at the same time, to be held and changed: sets, counters, maps, lists, trees, texts, documents."""
