"""Stages as jobs. Whoever runs one comes through this package before torch is loaded."""

import os

# Threads of torch's OpenMP that wait for each other spin about a millisecond before they sleep.
# Where anything else uses a core, that starves the thread they wait for: two trainings side by
# side on 2 cores fell from 750 to below 30 tokens a second each. With a shorter spin they keep 150,
# and a training alone loses nothing (benchmarks/NOTES.md).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
