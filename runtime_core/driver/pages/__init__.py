"""A runtime process's page of the datastore: claim, counters, models, memory, timeline."""
