"""The exported functions; one file per subject."""
