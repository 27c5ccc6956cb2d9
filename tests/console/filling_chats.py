"""Chats, votes and comparisons for pages to show, made over the API."""

from dataclasses import replace

from tests.api.deployed import Deployer
from tests.api.serving import BASE, Served
from tests.console.answering import CLERK, POET, add_comparison
from tests.evaluation.made import exchange
from tunesmith.evaluation.transcript import Exchange

_ANSWERS = {
    "Where is my order TS-1234?": (
        "I am not able to look up orders. Please contact the customer service of the shop.",
        "It left our warehouse on Monday and arrives on Wednesday, before noon.",
        "On its way! Expected on Wednesday.",
    ),
    "我可以退货吗？": (
        "退货政策因商家而异，请查看商家的退货说明。",
        "可以。收到商品后 30 天内可免费退货，请在订单页点击“申请退货”。",
        "可以，30 天内免费退货。",
    ),
    "Do you ship to Austria?": (
        "Many online shops ship to Austria. Shipping costs may vary from shop to shop.",
        "Yes, within four working days, for 6.90 EUR; free of charge above 60 EUR.",
        "Yes. Four days, 6.90 EUR.",
    ),
}
_LABELS = (BASE, "support-bot@1", "support-bot@2")


def fill_chats(served: Served, deployer: Deployer) -> dict[str, str]:
    """What those pages show; ids that their addresses name."""
    captain = {"greeting": "Ahoy! What brings you aboard?", "persona": "You are a captain."}
    character = deployer.ask("POST", "/characters", json={"name": "Captain", "content": captain})
    steps = {"template": "{{prompt}}\nThink step by step, then answer in one sentence."}
    prompt = deployer.ask("POST", "/prompts", json={"name": "step-by-step", "content": steps})
    for models, choice in (((BASE, POET), "B"), ((POET, CLERK), "A"), ((CLERK, BASE), "tie")):
        deployer.ask("POST", "/chat-votes", json={"models": models, "choice": choice})
    for question in _ANSWERS:
        said = [{"role": "user", "content": question}]
        body = {"model": POET, "messages": said, "max_tokens": 16}
        deployer.ask("POST", f"{served.address}/v1/chat/completions", json=body)
    models = [{"model": name} for name in (BASE, POET, CLERK)]
    prompts = [{"prompt": "What is the capital of France?", "reference": "Paris"}]
    job = {"kind": "compare", "name": "capitals", "models": models, "prompts": prompts}
    deployer.ask("POST", "/jobs", json={"job": {**job, "answers": {"max_tokens": 12}}})
    facts = {"kind": "evaluate", "models": models, "tasks": [{"name": "facts", "prompts": prompts}]}
    deployer.ask("POST", "/jobs", json={"job": {**facts, "answers": {"max_tokens": 8}}})
    return {
        "character": character["id"],
        "prompt": prompt["id"],
        "transcript": _keep_chat(deployer),
        "comparison": _compare(served, deployer),
        "deployment": deployer.ask("GET", "/deployments?state=ready")["data"][0]["id"],
    }


def _keep_chat(deployer: Deployer) -> str:
    said = [
        {"role": role, "content": text}
        for question, answers in _ANSWERS.items()
        for role, text in (("user", question), ("assistant", answers[1]))
    ]
    chat = {"title": "Where is my order?", "model": POET, "messages": said}
    return deployer.ask("POST", "/transcripts", json=chat)["transcript"]["id"]


def _compare(served: Served, deployer: Deployer) -> str:
    made = add_comparison(served, _LABELS, list(_exchanges()), name="support-questions")
    for number, choice in ((1, "A"), (2, "tie")):
        address = f"/comparisons/{made}/votes/{number}"
        deployer.ask("PUT", address, json={"choice": choice})
    return made


def _exchanges() -> list[Exchange]:
    return [
        replace(
            exchange(number, answers, reference=answers[1]),
            messages=[{"role": "user", "content": question}],
        )
        for number, (question, answers) in enumerate(_ANSWERS.items(), 1)
    ]
