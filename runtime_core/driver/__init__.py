"""The node: a directory with one mapped datastore; inventory, core ownership, DRAM accounting, counters."""
