"""The records of the named data sets."""
