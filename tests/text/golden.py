"""How each family reads the conversations of `test_families`; what is trained stands in ⟦ ⟧."""

GOLDEN: dict[str, dict[str, str]] = {
    "smollm2": {
        "single": (
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, traine"
            "d by Hugging Face<|im_end|>\n"
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧\n"
        ),
        "several": (
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, traine"
            "d by Hugging Face<|im_end|>\n"
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧"
            "\n"
            "<|im_start|>user\nSure?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦Yes 😀.<|im_end|>⟧\n"
        ),
        "system": (
            "<|im_start|>system\nBe brief.<|im_end|>\n"
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧"
            "\n"
            "<|im_start|>user\nSure?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦Yes 😀.<|im_end|>⟧\n"
        ),
    },
    "qwen2_5": {
        "single": (
            "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a h"
            "elpful assistant.<|im_end|>\n"
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧\n"
        ),
        "several": (
            "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a h"
            "elpful assistant.<|im_end|>\n"
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧"
            "\n"
            "<|im_start|>user\nSure?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦Yes 😀.<|im_end|>⟧\n"
        ),
        "system": (
            "<|im_start|>system\nBe brief.<|im_end|>\n"
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧"
            "\n"
            "<|im_start|>user\nSure?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦Yes 😀.<|im_end|>⟧\n"
        ),
        "tools": (
            "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a h"
            "elpful assistant.\n\n# Tools\n\n"
            '<tools>\n{"type": "function", "function": {"name": "add", "description"'
            ': "Adds.", "parameters": {"type": "object"}}}\n'
            "</tools><|im_end|>\n"
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            '⟦<tool_call>\n{"name": "add", "arguments": {"b": 2, "a": 2}}\n'
            "</tool_call><|im_end|>⟧"
            "\n"
            "<|im_start|>user\n"
            "<tool_response>\n4\n"
            "</tool_response><|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧"
            "\n"
            "<|im_start|>user\nSure?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦Yes 😀.<|im_end|>⟧\n"
        ),
        "call": (
            "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a h"
            "elpful assistant.\n\n# Tools\n\n"
            '<tools>\n{"type": "function", "function": {"name": "add", "description"'
            ': "Adds.", "parameters": {"type": "object"}}}\n'
            "</tools><|im_end|>\n"
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            '⟦<tool_call>\n{"name": "add", "arguments": {"b": 2, "a": 2}}\n'
            "</tool_call><|im_end|>⟧\n"
        ),
    },
    "qwen3": {
        "single": (
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦<think>\n\n"
            "</think>\n\nIt is 4.<|im_end|>⟧\n"
        ),
        "several": (
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧"
            "\n"
            "<|im_start|>user\nSure?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦<think>\n\n"
            "</think>\n\nYes 😀.<|im_end|>⟧\n"
        ),
        "system": (
            "<|im_start|>system\nBe brief.<|im_end|>\n"
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧"
            "\n"
            "<|im_start|>user\nSure?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦<think>\n\n"
            "</think>\n\nYes 😀.<|im_end|>⟧\n"
        ),
        "tools": (
            "<|im_start|>system\n# Tools\n\n"
            '<tools>\n{"type": "function", "function": {"name": "add", "description"'
            ': "Adds.", "parameters": {"type": "object"}}}\n'
            "</tools><|im_end|>\n"
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            '⟦<tool_call>\n{"name": "add", "arguments": {"b": 2, "a": 2}}\n'
            "</tool_call><|im_end|>⟧"
            "\n"
            "<|im_start|>user\n"
            "<tool_response>\n4\n"
            "</tool_response><|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧"
            "\n"
            "<|im_start|>user\nSure?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦<think>\n\n"
            "</think>\n\nYes 😀.<|im_end|>⟧\n"
        ),
        "call": (
            "<|im_start|>system\n# Tools\n\n"
            '<tools>\n{"type": "function", "function": {"name": "add", "description"'
            ': "Adds.", "parameters": {"type": "object"}}}\n'
            "</tools><|im_end|>\n"
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦<think>\n\n"
            "</think>\n\n"
            '<tool_call>\n{"name": "add", "arguments": {"b": 2, "a": 2}}\n'
            "</tool_call><|im_end|>⟧\n"
        ),
        "reasoning": (
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦<think>\neasy\n"
            "</think>\n\nIt is 4.<|im_end|>⟧\n"
        ),
        "earlier_reasoning": (
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧"
            "\n"
            "<|im_start|>user\nSure?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦<think>\n\n"
            "</think>\n\nYes 😀.<|im_end|>⟧\n"
        ),
        "later_reasoning": (
            "<|im_start|>user\nSure?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦Yes 😀.<|im_end|>⟧"
            "\n"
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦<think>\neasy\n"
            "</think>\n\nIt is 4.<|im_end|>⟧\n"
        ),
    },
    "llama3": {
        "single": (
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n2+2?<|eot_i"
            "d|><|start_header_id|>assistant<|end_header_id|>\n\n"
            "⟦It is 4.<|eot_id|>⟧"
        ),
        "several": (
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n2+2?<|eot_i"
            "d|><|start_header_id|>assistant<|end_header_id|>\n\n"
            "⟦It is 4.<|eot_id|>⟧"
            "<|start_header_id|>user<|end_header_id|>\n\nSure?<|eot_id|><|start_heade"
            "r_id|>assistant<|end_header_id|>\n\n"
            "⟦Yes 😀.<|eot_id|>⟧"
        ),
        "system": (
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief."
            "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n2+2?<|eot_id|><|st"
            "art_header_id|>assistant<|end_header_id|>\n\n"
            "⟦It is 4.<|eot_id|>⟧"
            "<|start_header_id|>user<|end_header_id|>\n\nSure?<|eot_id|><|start_heade"
            "r_id|>assistant<|end_header_id|>\n\n"
            "⟦Yes 😀.<|eot_id|>⟧"
        ),
        "tools": (
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nGiven these"
            ' functions, respond with a JSON call.\n\n{\n    "type": "function",\n    "'
            'function": {\n        "name": "add",\n        "description": "Adds.",\n  '
            '      "parameters": {\n            "type": "object"\n        }\n    }\n}\n\n'
            "2+2?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
            '⟦{"name": "add", "parameters": {"b": 2, "a": 2}}<|eot_id|>⟧'
            '<|start_header_id|>ipython<|end_header_id|>\n\n"4"<|eot_id|><|start_head'
            "er_id|>assistant<|end_header_id|>\n\n"
            "⟦It is 4.<|eot_id|>⟧"
            "<|start_header_id|>user<|end_header_id|>\n\nSure?<|eot_id|><|start_heade"
            "r_id|>assistant<|end_header_id|>\n\n"
            "⟦Yes 😀.<|eot_id|>⟧"
        ),
        "call": (
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nGiven these"
            ' functions, respond with a JSON call.\n\n{\n    "type": "function",\n    "'
            'function": {\n        "name": "add",\n        "description": "Adds.",\n  '
            '      "parameters": {\n            "type": "object"\n        }\n    }\n}\n\n'
            "2+2?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
            '⟦{"name": "add", "parameters": {"b": 2, "a": 2}}<|eot_id|>⟧'
        ),
    },
    "mistral": {
        "single": ("<s>[INST] 2+2?[/INST]⟦ It is 4.</s>⟧"),
        "several": ("<s>[INST] 2+2?[/INST]⟦ It is 4.</s>⟧[INST] Sure?[/INST]⟦ Yes 😀.</s>⟧"),
        "system": (
            "<s>[INST] Be brief.\n\n2+2?[/INST]⟦ It is 4.</s>⟧[INST] Sure?[/INST]⟦ Yes 😀.</s>⟧"
        ),
        "tools": (
            "<s>[INST] 2+2?[/INST]"
            '⟦[TOOL_CALLS] [{"name": "add", "arguments": {"b": 2, "a": 2}, "id": "a'
            'bcdef123"}]</s>⟧[TOOL_RESULTS] {"content": 4, "call_id": "abcdef123"}['
            "/TOOL_RESULTS]"
            '⟦ It is 4.</s>⟧[AVAILABLE_TOOLS] [{"type": "function", "function": {"n'
            'ame": "add", "description": "Adds.", "parameters": {"type": "object"}}'
            "}][/AVAILABLE_TOOLS][INST] Sure?[/INST]"
            "⟦ Yes 😀.</s>⟧"
        ),
        "call": (
            '<s>[AVAILABLE_TOOLS] [{"type": "function", "function": {"name": "add",'
            ' "description": "Adds.", "parameters": {"type": "object"}}}][/AVAILABL'
            "E_TOOLS][INST] 2+2?[/INST]"
            '⟦[TOOL_CALLS] [{"name": "add", "arguments": {"b": 2, "a": 2}, "id": "a'
            'bcdef123"}]</s>⟧'
        ),
    },
    "gemma": {
        "single": (
            "<bos><start_of_turn>user\n2+2?<end_of_turn>\n"
            "<start_of_turn>model\n"
            "⟦It is 4.<end_of_turn>⟧\n"
        ),
        "several": (
            "<bos><start_of_turn>user\n2+2?<end_of_turn>\n"
            "<start_of_turn>model\n"
            "⟦It is 4.<end_of_turn>⟧\n"
            "<start_of_turn>user\nSure?<end_of_turn>\n"
            "<start_of_turn>model\n"
            "⟦Yes 😀.<end_of_turn>⟧\n"
        ),
        "system": (
            "<bos><start_of_turn>user\nBe brief.\n\n2+2?<end_of_turn>\n"
            "<start_of_turn>model\n"
            "⟦It is 4.<end_of_turn>⟧\n"
            "<start_of_turn>user\nSure?<end_of_turn>\n"
            "<start_of_turn>model\n"
            "⟦Yes 😀.<end_of_turn>⟧\n"
        ),
    },
    "phi3": {
        "single": ("<|user|>\n2+2?<|end|>\n<|assistant|>\n⟦It is 4.<|end|>⟧\n<|endoftext|>"),
        "several": (
            "<|user|>\n2+2?<|end|>\n"
            "<|assistant|>\n"
            "⟦It is 4.<|end|>⟧\n"
            "<|user|>\nSure?<|end|>\n"
            "<|assistant|>\n"
            "⟦Yes 😀.<|end|>⟧\n"
            "<|endoftext|>"
        ),
        "system": (
            "<|system|>\nBe brief.<|end|>\n"
            "<|user|>\n2+2?<|end|>\n"
            "<|assistant|>\n"
            "⟦It is 4.<|end|>⟧\n"
            "<|user|>\nSure?<|end|>\n"
            "<|assistant|>\n"
            "⟦Yes 😀.<|end|>⟧\n"
            "<|endoftext|>"
        ),
    },
    "glm4": {
        "single": ("[gMASK]<sop><|user|>\n2+2?<|assistant|>⟦\nIt is 4.<|user|>⟧"),
        "several": (
            "[gMASK]<sop><|user|>\n2+2?<|assistant|>"
            "⟦\nIt is 4.<|user|>⟧\nSure?<|assistant|>"
            "⟦\nYes 😀.<|user|>⟧"
        ),
        "system": (
            "[gMASK]<sop><|system|>\nBe brief.<|user|>\n2+2?<|assistant|>"
            "⟦\nIt is 4.<|user|>⟧\nSure?<|assistant|>"
            "⟦\nYes 😀.<|user|>⟧"
        ),
        "tools": (
            '[gMASK]<sop><|system|>\n# Tools\n\n## add\n\n{\n    "name": "add",\n    "desc'
            'ription": "Adds.",\n    "parameters": {\n        "type": "object"\n    }\n'
            "}<|user|>\n2+2?<|assistant|>"
            '⟦add\n{"b": 2, "a": 2}<|observation|>⟧\n4<|assistant|>'
            "⟦\nIt is 4.<|user|>⟧\nSure?<|assistant|>"
            "⟦\nYes 😀.<|user|>⟧"
        ),
        "call": (
            '[gMASK]<sop><|system|>\n# Tools\n\n## add\n\n{\n    "name": "add",\n    "desc'
            'ription": "Adds.",\n    "parameters": {\n        "type": "object"\n    }\n'
            "}<|user|>\n2+2?<|assistant|>"
            '⟦add\n{"b": 2, "a": 2}<|observation|>⟧'
        ),
    },
    "yi": {
        "single": (
            "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n⟦It is 4.<|im_end|>⟧\n"
        ),
        "several": (
            "<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧"
            "\n"
            "<|im_start|>user\nSure?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦Yes 😀.<|im_end|>⟧\n"
        ),
        "system": (
            "Be brief.<|im_start|>user\n2+2?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦It is 4.<|im_end|>⟧"
            "\n"
            "<|im_start|>user\nSure?<|im_end|>\n"
            "<|im_start|>assistant\n"
            "⟦Yes 😀.<|im_end|>⟧\n"
        ),
    },
}
