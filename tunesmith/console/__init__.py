"""The web console: pages that call the same use cases as the API."""
