"""Words of the service that pages show: states, roles, kinds. Each has its translation."""

from collections.abc import Mapping

from tunesmith.console.language import mark

WORDS: Mapping[str, str] = {
    # states of jobs
    "queued": mark("queued"),
    "starting": mark("starting"),
    "running": mark("running"),
    "pausing": mark("pausing"),
    "paused": mark("paused"),
    "succeeded": mark("succeeded"),
    "failed": mark("failed"),
    "cancelled": mark("cancelled"),
    # kinds of jobs
    "train": mark("training"),
    "import": mark("import"),
    "pull": mark("fetching a model"),
    "register": mark("model import"),
    "preflight": mark("check"),
    "preview": mark("preview"),
    "mix": mark("mix"),
    "compare": mark("comparison"),
    "evaluate": mark("evaluation"),
    # states of deployments
    "deploying": mark("deploying"),
    "ready": mark("ready"),
    # what a key may do
    "read": mark("see"),
    "data": mark("bring in and delete data"),
    "ask": mark("ask models"),
    "run": mark("run jobs"),
    "models": mark("manage models"),
    "keys": mark("make keys"),
    "manage": mark("manage the team"),
    "operate": mark("operate the installation"),
    # how a training fits into memory
    "fits": mark("fits into memory"),
    "tight": mark("memory is tight"),
    "too large": mark("too large for the memory"),
    # messages
    "email": mark("e-mail"),
    "sms": mark("SMS"),
    "webhook": mark("webhook"),
    "dingtalk": mark("DingTalk"),
    "feishu": mark("Feishu"),
    "wecom": mark("WeCom"),
    "waiting": mark("waiting"),
    "sent": mark("sent"),
    "given up": mark("given up"),
    # kinds of models
    "adapter": mark("adapter"),
    "model": mark("full weights"),
    # phases of jobs
    "importing": mark("importing"),
    # whose text it is
    "system": mark("system"),
    "user": mark("user"),
    "assistant": mark("assistant"),
    "tool": mark("tool"),
    "tools": mark("tools"),
    "text": mark("text"),
    "label": mark("label"),
    "chosen": mark("chosen"),
    "rejected": mark("rejected"),
    "template": mark("template"),
    # more phases of jobs, and what people wish of them
    "loading": mark("loading"),
    "tokenizing": mark("tokenizing"),
    "saving": mark("saving"),
    "fetching": mark("fetching"),
    "pause": mark("pause"),
    "cancel": mark("cancel"),
    # units, and what runs are compared by
    "examples": mark("examples"),
    "batches": mark("batches"),
    "steps": mark("steps"),
    "tokens": mark("tokens"),
    "characters": mark("characters"),
    "minutes": mark("minutes"),
    "seconds": mark("seconds"),
    "state": mark("state"),
    "loss": mark("loss"),
    "validation loss": mark("validation loss"),
    "tokens per second": mark("tokens per second"),
    # roles
    "viewer": mark("viewer"),
    "member": mark("member"),
    "owner": mark("owner"),
}

REASONS: Mapping[str, str] = {
    "out_of_memory": mark("Out of memory"),
    "disk_full": mark("The disk is full"),
    "data": mark("The data is refused"),
    "diverged": mark("Training diverged"),
    "model": mark("The model is refused"),
    "recipe": mark("The recipe is refused"),
    "network": mark("The network failed"),
    "stopped": mark("It was stopped"),
    "lost_worker": mark("The worker was lost"),
    "defect": mark("A defect of Tunesmith"),
}
"""Why jobs fail."""


def word(text: str) -> str:
    """The English word to show for one of the service's; one without an entry stands for itself."""
    return WORDS.get(text, text)


def reason(text: str) -> str:
    """The same for the reason that a job failed for."""
    return REASONS.get(text, text)
