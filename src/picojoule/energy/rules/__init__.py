"""What each torch function costs, and the kind of its result."""
