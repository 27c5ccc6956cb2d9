"""What runs within vLLM's own environment, which has nothing of ours but this folder."""
