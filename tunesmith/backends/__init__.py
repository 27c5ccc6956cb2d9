"""Where jobs run. Every backend starts the same command, `python -m tunesmith.jobs.run`."""
