"""The tools we compare with, each in an environment of its own."""
