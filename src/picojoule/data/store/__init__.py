"""Files fetched once, and decoded data kept on disk."""
