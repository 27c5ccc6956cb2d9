"""The one door from the control plane to the engine: torch is loaded when a stage is called."""


def load():
    """Import the engine, about two seconds the first time, and return the module of its stages."""
    from tunesmith.jobs import engine

    return engine
