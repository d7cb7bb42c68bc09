"""What the screen shows, as plain records: pure functions of snapshots and rates."""
