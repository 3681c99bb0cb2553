"""What the report works out: pure functions from tables, logs and ledgers to numbers."""
