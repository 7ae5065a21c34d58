"""Risk: what may leave the house, and what stops it."""
