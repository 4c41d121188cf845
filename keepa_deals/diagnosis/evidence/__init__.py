"""Everything that the diagnosis looks at."""
