"""What all commands share: the application, errors, extras, text for a terminal, units, exit codes."""
