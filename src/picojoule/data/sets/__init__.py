"""Data sets: one TOML file each, with addresses, checksums, licence and citation."""
