"""Strategies: pure cores, `decide(state, event) → state, intents`; one file each."""
