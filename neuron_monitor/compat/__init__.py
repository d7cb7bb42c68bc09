"""The report in the forms of other releases, to test the programs that read it."""
