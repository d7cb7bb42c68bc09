"""The views of the screen, one a file; each declares its keys."""
