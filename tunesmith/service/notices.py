"""What people are told of an event: a title and a few lines, in their language."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunesmith.service.kinds import KINDS
from tunesmith.service.kinds.kind import Language


@dataclass(frozen=True)
class Notice:
    """An event to tell.

    Attributes:
        id: names event and channel; it stays over attempts, so whoever hears it twice can tell.
        title: one line.
        body: a few lines.
        event: the same for programs.
    """

    id: str
    title: str
    body: str
    event: Mapping[str, Any]


@dataclass(frozen=True)
class _Words:
    title: str
    deployment: str
    statuses: Mapping[str, str]
    next: str
    # The next step where the event itself names none.
    steps: Mapping[str, str]
    trial: tuple[str, str]


_WORDS: Mapping[Language, _Words] = {
    "en": _Words(
        title="Tunesmith: {kind} {name} {status}",
        deployment="deployment",
        statuses={
            "running": "has started",
            "paused": "is paused",
            "succeeded": "is done",
            "failed": "has failed",
            "cancelled": "was cancelled",
            "deploying": "is being deployed",
            "ready": "is ready",
            "stopped": "was stopped",
        },
        next="Next: {step}",
        steps={
            "paused": "resume it when you like; it goes on to the same bits",
            "failed": "look at its log, then resume it",
        },
        trial=("Tunesmith: a trial message", "Messages of this channel arrive here."),
    ),
    "zh": _Words(
        title="调匠：{kind} {name} {status}",
        deployment="部署",
        statuses={
            "running": "已开始",
            "paused": "已暂停",
            "succeeded": "已完成",
            "failed": "失败了",
            "cancelled": "已取消",
            "deploying": "正在部署",
            "ready": "已就绪",
            "stopped": "已停止",
        },
        next="下一步：{step}",
        steps={
            "paused": "随时可以继续，结果与未中断时逐位相同",
            "failed": "查看日志，然后继续运行",
        },
        trial=("调匠：测试消息", "此渠道的消息会发送到这里。"),
    ),
}


def notice_of(message_id: str, event: Mapping[str, Any], *, language: str) -> Notice:
    """The notice of an outbox message's event; English unless `language` is another we speak."""
    spoken = _spoken(language)
    words, kind, status = _WORDS[spoken], event["kind"], str(event["status"])
    title = words.title.format(
        kind=KINDS[kind].called[spoken] if kind in KINDS else words.deployment,
        name=event["name"],
        status=words.statuses.get(status, status),
    )
    step = event.get("hint") or words.steps.get(status)
    lines = (
        event["message"],
        words.next.format(step=step) if step else "",
        f"ID: {event['job_id']}",
    )
    return Notice(message_id, title, "\n".join(line for line in lines if line), event)


def trial_notice(message_id: str, *, language: str) -> Notice:
    """What a channel is tried with."""
    title, body = _WORDS[_spoken(language)].trial
    return Notice(message_id, title, body, {"kind": "trial"})


def _spoken(language: str) -> Language:
    return "zh" if language.startswith("zh") else "en"
