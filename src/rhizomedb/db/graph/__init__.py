"""Things as hyperedges say them: hyperedges, schemas, HyperViews, typed classes, vocabulary and lenses over a database."""
