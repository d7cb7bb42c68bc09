"""Every performance claim, one file per claim, measured together with a peer in the same run (``make bench``)."""
