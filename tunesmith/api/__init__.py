"""HTTP: requests in, use cases, views out. Routes only translate."""
