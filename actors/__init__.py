"""The concurrent shell: who owns which state, and what happens in which order."""
