"""Makes what the documentation shows of the code: pages, tables, pictures and the reference."""
