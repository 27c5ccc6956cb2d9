"""Stages as jobs. Whoever runs one comes through this package before torch is loaded."""

import os

# Threads of torch's OpenMP that wait for each other spin about a millisecond before they sleep.
# Where anything else uses a core, that starves the thread they wait for: beside other work on
# 2 cores a training was seen to fall from 750 to about 30 tokens a second. With a shorter spin two
# trainings side by side keep 150 each, and one alone loses nothing (benchmarks/NOTES.md).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# oneDNN keeps the code it made for each shape of a matrix product: 1,024 of them by default, and
# batches have ever new lengths. 300 rows with SmolLM2 peak at 3.5 GB so and at 3.2 GB with 128, at
# the same speed; a batch needs about 60.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
