"""``python -m picojoule.cli``."""

from picojoule.cli import main

main()
