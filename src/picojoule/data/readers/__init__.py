"""Readers of files: paths in, items with their labels out, whatever the bytes."""
