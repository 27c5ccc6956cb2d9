"""Metrics for those who follow runs in a tracker: `sinks` writes to one, `follow` feeds them."""
