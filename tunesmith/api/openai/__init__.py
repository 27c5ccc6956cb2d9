"""What the official clients of OpenAI expect under /v1. The contract is `openai` 3.51's types."""
