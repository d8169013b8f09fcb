"""Tools for tests: strategies that make programs and data. They need Hypothesis; nothing else here does."""
