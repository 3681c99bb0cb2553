"""The report: what it is made of (study, inputs, read), its numbers, its sections, and how they are drawn."""
