"""The trading rules: pure, without thread, socket, file, clock, random or log."""
