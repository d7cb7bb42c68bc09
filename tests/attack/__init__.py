"""Attacks on the suite, kept: ``python -m tests.attack`` runs them for a while, the tests beside run a short form."""
