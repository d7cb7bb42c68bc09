"""The report in the forms of other releases, so that a program can be tested with what it will meet."""
