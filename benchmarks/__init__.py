"""Every speed claim, one file a claim, measured beside a peer in the same run (``make bench``)."""
