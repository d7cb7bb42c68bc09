"""The parts of the screen, one small class a file."""
