"""What to measure on answers. Torch-free."""

from pydantic import PositiveInt

from tunesmith.schema import Strict, setting


class EvaluationConfig(Strict):
    """One measurement of one or more models on the answers of a dataset."""

    metric: str = setting("json-exact", "how an answer is compared with the reference")
    max_examples: PositiveInt = setting(100, "examples asked, from the first on", unit="examples")
    max_new_tokens: PositiveInt = setting(160, "longest answer", unit="tokens")
