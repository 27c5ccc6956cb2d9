"""The engine without its thread: one call of `step` reads and writes for every answer at once.

A step takes one token of each answer under way and pieces of the prompts that have begun, up to
`step_tokens`, as one row of tokens through the model. Start reading at `Core.step`.
"""

import hashlib
from collections.abc import Sequence
from itertools import count

import torch
from torch import Tensor

from tunesmith.errors import NotFound
from tunesmith.serving.adapters import Adapter, Parts, VirtualPrompt, VirtualStates
from tunesmith.serving.answers import Answer, Line
from tunesmith.serving.attention import Span, Step
from tunesmith.serving.cache import CacheShape, KvCache
from tunesmith.serving.config import EngineConfig
from tunesmith.serving.decoder import Decoder
from tunesmith.serving.lora_bank import LoraBank
from tunesmith.serving.memory import check_room
from tunesmith.serving.prefixes import PrefixCache
from tunesmith.serving.protocol import EngineStats
from tunesmith.serving.sampling import choose
from tunesmith.serving.threads import StepThreads


class Core:
    """A model, its cache, its adapters and the answers under way. Not for several threads."""

    def __init__(
        self,
        decoder: Decoder,
        shape: CacheShape,
        config: EngineConfig,
        *,
        end_ids: frozenset[int],
    ) -> None:
        self._decoder, self._config, self._end_ids = decoder, config, end_ids
        self._threads = StepThreads()
        self.cache = KvCache(shape, num_tokens=config.kv_tokens, device=decoder.device)
        self._prefixes = PrefixCache(num_tokens=config.prefix_tokens)
        self._bank = LoraBank(decoder)
        self._alone = Adapter(id=0)  # the base without any
        self._adapters: dict[str, Adapter] = {}
        self._adapter_ids = count(1)
        self._line = Line()
        self._running: list[Answer] = []
        self._num_prompt = self._num_cached = self._num_answer = self._num_steps = 0

    # --- adapters ----------------------------------------------------------------------------

    @torch.inference_mode()
    def install(self, name: str, parts: Parts) -> None:
        """Make `parts` answer to `name`; answers under way go on with what had the name.

        Raises:
            ModelRejected: they do not fit the base model.
            NotEnoughMemory: there is no room for them.
        """
        adapter = Adapter(id=next(self._adapter_ids))
        if isinstance(parts, VirtualPrompt):
            adapter.virtual_TN2KD = self._states_of(parts)
        elif isinstance(parts, VirtualStates):
            adapter.virtual_TN2KD = parts.shaped(self.cache.shape)
        else:
            self._decoder.layers.check(parts)
            check_room(self._bank.bytes_for(parts), what=f"the adapter {name}")
            adapter.place = self._bank.add(parts)
        if name in self._adapters:
            self.remove(name)
        self._adapters[name] = adapter

    @torch.inference_mode()
    def remove(self, name: str) -> None:
        """Let nothing new use the adapter; its place is free when its last answer ends.

        Raises:
            NotFound: there is none of that name.
        """
        adapter = self._loaded(name)
        del self._adapters[name]
        adapter.leaving = True
        self._leave(adapter, num_users=0)

    def adapter(self, name: str) -> Adapter:
        """The adapter of that name; of "" the base alone.

        Raises:
            NotFound: there is none.
        """
        return self._loaded(name) if name else self._alone

    def _loaded(self, name: str) -> Adapter:
        if name not in self._adapters:
            raise NotFound(f"no adapter {name!r} is loaded")  # names of others stay untold
        return self._adapters[name]

    def _leave(self, adapter: Adapter, *, num_users: int) -> None:
        adapter.num_users -= num_users
        if adapter.leaving and adapter.num_users == 0 and adapter.place is not None:
            self._bank.remove(adapter.place)

    def _states_of(self, prompt: VirtualPrompt) -> Tensor:
        """Keys and values of virtual embeddings, in blocks borrowed for the moment."""
        scratch = KvCache(
            self.cache.shape, num_tokens=len(prompt.embeddings_VD), device=self._decoder.device
        )
        table = list(range(scratch.num_blocks))
        span = Span(row=0, start=0, count=len(prompt.embeddings_VD), table=table)
        self._bank.route([None])
        self._decoder(
            prompt.embeddings_VD.to(self._decoder.device, self._decoder.dtype),
            positions=range(span.count),
            step=Step(scratch, [span]),
            last_rows=[],
        )
        return scratch.read(table, 0, span.count)

    # --- answers -----------------------------------------------------------------------------

    def add(self, answer: Answer) -> None:
        """Let `answer` wait for its turn."""
        answer.adapter.num_users += 1
        self._line.join(answer)

    @torch.inference_mode()
    def cancel(self, answer: Answer) -> None:
        """End `answer` wherever it is, and free what it holds."""
        if answer in self._line:
            self._line.leave(answer)
            self._leave(answer.adapter, num_users=1)
        elif answer in self._running:
            self._end(answer)

    @torch.inference_mode()
    def step(self) -> bool:
        """Take one step for all answers under way; False if there was nothing to do."""
        self._admit()
        batch = self._next_spans()
        if not batch:
            return False
        logits_SV = self._forward(batch)
        written = [answer for answer, span in batch if answer.num_unread == span.count]
        for answer, span in batch:
            answer.num_stored += span.count
        tokens = choose(logits_SV, [answer.chooser for answer in written])
        for answer, token in zip(written, tokens, strict=True):
            if len(answer.tokens) == len(answer.request.prompt):
                self._keep_prefix(answer)  # others with the same beginning may be next
            if answer.take(token, end_ids=self._end_ids) is not None:
                self._end(answer)
        self._num_steps += 1
        self._num_answer += len(written)
        return True

    def _admit(self) -> None:
        """Start waiting answers while there is room for all that they may become."""
        while len(self._running) < self._config.max_sequences:
            answer = self._line.first(self._running)
            if answer is None or not self.cache.reserve(answer.num_blocks):
                return
            self._line.leave(answer)
            self._running.append(answer)
            self._start(answer)

    def _start(self, answer: Answer) -> None:
        """Fill in what is known: what the adapter puts before the prompt, and a known beginning."""
        # The last token is always read: its logits are what the answer begins with.
        known = self._prefixes.find(_root(answer), answer.tokens[:-1])
        for states in (answer.adapter.virtual_TN2KD, known):
            if states is not None:
                self.cache.grow(answer.table, answer.num_stored + len(states))
                self.cache.write(answer.table, answer.num_stored, states)
                answer.num_stored += len(states)
        self._num_prompt += len(answer.tokens)
        self._num_cached += 0 if known is None else len(known)

    def _next_spans(self) -> list[tuple[Answer, Span]]:
        """What each answer reads next: its last token, or as much of its prompt as has room."""
        room = self._config.step_tokens
        sizes: list[tuple[Answer, int]] = []
        for answer in self._running:
            size = answer.num_unread
            if size > 1:
                size = min(size, room)
                room -= size
            if size > 0:
                sizes.append((answer, size))
        # Rows of one adapter side by side: its products then need no copies.
        sizes.sort(key=lambda each: -1 if each[0].adapter.place is None else each[0].adapter.place)
        batch: list[tuple[Answer, Span]] = []
        row = 0
        for answer, size in sizes:
            self.cache.grow(answer.table, answer.num_stored + size)
            batch.append((answer, Span(row, answer.num_stored, size, answer.table)))
            row += size
        return batch

    def _forward(self, batch: Sequence[tuple[Answer, Span]]) -> Tensor:
        """Logits behind every answer whose tokens are all read by this step, [S, V]."""
        token_ids: list[int] = []
        positions: list[int] = []
        places: list[int | None] = []
        last_rows: list[int] = []
        for answer, span in batch:
            first = span.start - answer.adapter.num_virtual
            token_ids += answer.tokens[first : first + span.count]
            positions += range(span.start, span.stop)
            places += [answer.adapter.place] * span.count
            if answer.num_unread == span.count:
                last_rows.append(span.row + span.count - 1)
        self._bank.route(places)
        with self._threads.taken(len(token_ids)):
            return self._decoder(
                torch.tensor(token_ids, device=self._decoder.device),
                positions=positions,
                step=Step(self.cache, [span for _, span in batch]),
                last_rows=last_rows,
            )

    def _keep_prefix(self, answer: Answer) -> None:
        virtual = answer.adapter.num_virtual
        self._prefixes.keep(
            _root(answer),
            answer.tokens_stored,
            lambda start, stop: self.cache.read(answer.table, virtual + start, virtual + stop),
        )

    def _end(self, answer: Answer) -> None:
        self._keep_prefix(answer)  # the next turn of a chat begins with this one
        self._running.remove(answer)
        self.cache.release(answer.table, num_reserved=answer.num_blocks)
        self._leave(answer.adapter, num_users=1)

    # --- looking in --------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether no answer is under way or waits."""
        return not self._running and len(self._line) == 0

    def stats(self) -> EngineStats:
        """Counters and what is held."""
        tokens_per_block = self._config.kv_tokens / self.cache.num_blocks
        return EngineStats(
            num_running=len(self._running),
            num_waiting=len(self._line),
            num_kv_tokens_reserved=round(self.cache.num_reserved * tokens_per_block),
            num_kv_tokens=self._config.kv_tokens,
            num_prompt_tokens=self._num_prompt,
            num_cached_tokens=self._num_cached,
            num_answer_tokens=self._num_answer,
            num_steps=self._num_steps,
            adapters=tuple(sorted(self._adapters)),
        )

    def base_digest(self) -> str:
        """SHA-256 of the base model's weights in memory: adapters come and go, it stays (F165)."""
        digest = hashlib.sha256()
        for weight in self._decoder.weights():
            digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()


def _root(answer: Answer) -> tuple[int, str]:
    """Who may share the beginning of a prompt: the same owner, with the same adapter."""
    return answer.adapter.id, answer.request.owner
