"""Benchmarks against the field's tools. NOTES.md says how each is measured and what came out."""
