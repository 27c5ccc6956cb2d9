"""Answers to many at once: one base model in memory, and the adapters that share it.

    engine = load_engine(base_folder, EngineConfig())
    engine.load_adapter("shop", adapter_folder)
    prompt = engine.codec.encode_prompt([Message("user", "Where is my order?")])
    for piece in engine.submit(GenerationRequest(tuple(prompt), adapter="shop")):
        print(piece.text, end="")

`protocol` is what any engine offers and what is asked of it; it and `config` are free of torch. The
rest is the reference engine in PyTorch, in the order of a request: `engine` (threads and streams),
`core` (a step), `threads` (how many it takes), `answers` (their state, whose turn it is), the model
as a `decoder` (`llama`, or that of transformers) of `products`, `attention` over the `cache` of
keys and values, `prefixes` (known beginnings), `adapters` and where they lie (`lora_bank`,
`shared_linear`), `kernels`, `sampling` and `constraints`, `text`. `load` makes an engine of a
folder; `memory` says beforehand whether it fits.

What is promised: in float32, greedy tokens are those of `transformers.generate`, for the base and
for every adapter, alone or in any company, except where two logits are equal to the last digits. A
seed decides a sampled answer in the same sense. The base's weights are never written.
"""
