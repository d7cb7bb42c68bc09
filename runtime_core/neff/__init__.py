"""The NEFF file: header, archive, graph; read, write, validate."""
