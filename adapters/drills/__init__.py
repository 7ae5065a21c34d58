"""Fire drills: a host of its own, an accident, and what the host makes of it."""
