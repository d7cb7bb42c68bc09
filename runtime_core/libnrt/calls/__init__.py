"""The exported functions, a file a subject."""
