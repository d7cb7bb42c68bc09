"""What opens over the views: help, and the question before a signal is sent."""
