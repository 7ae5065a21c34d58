"""Messages between actors, by whom they concern; those of the venue are in core.messages."""
