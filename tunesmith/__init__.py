"""Tunesmith (调匠): turn a team's own data into a better language model."""

__version__ = "0.1.0"
