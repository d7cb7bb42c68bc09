"""What every command shares: its application, its errors on a terminal, its exit codes."""
