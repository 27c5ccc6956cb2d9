"""The reference engine: `Core` in a thread of its own, behind the protocol that all engines speak.

Nothing is locked: whatever touches the core is put into its inbox and done between two steps.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from tunesmith.artifacts import read_manifest
from tunesmith.errors import ModelRejected, RequestRejected, Unavailable
from tunesmith.modeling.answer import read_settings
from tunesmith.serving.adapters import read_adapter
from tunesmith.serving.answers import Answer
from tunesmith.serving.config import EngineConfig
from tunesmith.serving.constraints import Constraint, Constraints
from tunesmith.serving.core import Core
from tunesmith.serving.protocol import Deliver, EngineStats, GenerationRequest, Piece
from tunesmith.serving.sampling import Chooser
from tunesmith.serving.text import TextStream
from tunesmith.text.codec import TextCodec

Result = TypeVar("Result")


class TorchEngine:
    """Implements `protocol.Engine`. Made by `load.load_engine`."""

    def __init__(
        self,
        load_core: Callable[[], Core],
        codec: TextCodec,
        config: EngineConfig,
        *,
        folder: Path,
        num_ids: int,
    ) -> None:
        """Return when `load_core` has done its work, in the engine's thread."""
        self.codec = codec
        self._config, self._folder, self._num_ids = config, folder, num_ids
        self._inbox: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = (
            queue.SimpleQueue()
        )
        self._streams: set[_Stream] = set()
        self._ended: Exception | None = None
        self._ending = threading.Lock()  # between the last look into the inbox and late callers
        self._constraints_lock = threading.Lock()
        loaded: Future[Core] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(load_core, loaded), name="tunesmith-engine", daemon=True
        )
        self._thread.start()
        self._core = loaded.result()

    def load_adapter(self, name: str, folder: Path) -> None:
        """As the protocol says. Files are read in the caller's thread, answers go on meanwhile.

        Raises:
            ModelRejected: it does not fit the base, or is of a kind that the engine does not have.
            NotEnoughMemory: it does not fit into memory.
        """
        if not name:
            raise ModelRejected("an adapter needs a name; the empty one is the base model's")
        self._check_base(folder)
        parts = read_adapter(folder)
        self._call(partial(self._core.install, name, parts))

    def unload_adapter(self, name: str) -> None:
        """As the protocol says.

        Raises:
            NotFound: no adapter has that name.
        """
        self._call(partial(self._core.remove, name))

    def submit(self, request: GenerationRequest, *, deliver: Deliver | None = None) -> "_Stream":
        """As the protocol says.

        Raises:
            NotFound: its adapter is not loaded.
            RequestRejected: it can never be answered, and why.
        """
        if not request.prompt or not all(0 <= token < self._num_ids for token in request.prompt):
            raise RequestRejected(
                "the prompt is empty" if not request.prompt else "the prompt has unknown tokens",
                hint=f"give at least one token id from 0 to {self._num_ids - 1}",
            )
        constraints = [self._constraint(request) for _ in range(request.sampling.num_choices)]
        return self._call(partial(self._begin, request, constraints, deliver))

    def stats(self) -> EngineStats:
        """As the protocol says."""
        return self._call(self._core.stats)

    def base_digest(self) -> str:
        """SHA-256 of the base model's weights in memory."""
        return self._call(self._core.base_digest)

    def close(self) -> None:
        """As the protocol says. Harmless when it has ended."""
        self._inbox.put(None)
        self.wait()

    def wait(self) -> None:
        """Return when the engine has ended, by `close` or because it failed."""
        self._thread.join()

    # --- in the callers' threads -------------------------------------------------------------

    def _call(self, work: Callable[[], Result]) -> Result:
        """Have `work` done between two steps; its result or what it raises.

        Raises:
            Unavailable: the engine has ended.
        """
        future: Future[Result] = Future()
        with self._ending:
            if self._ended is not None:
                raise Unavailable("the engine has ended", hint="load the model again")
            self._inbox.put((future, work))
        return future.result()

    def _check_base(self, folder: Path) -> None:
        recorded = read_settings(folder).get("base", {})
        manifest = read_manifest(self._folder)
        if recorded and manifest is not None and manifest.digest != recorded["digest"]:
            raise ModelRejected(
                f"the adapter {folder.name} was trained on another base model",
                hint=f"its base is {recorded['digest'][:12]}, served is {manifest.digest[:12]}",
            )

    def _constraint(self, request: GenerationRequest) -> Constraint | None:
        schema = request.sampling.json_schema
        if schema is None:
            return None
        with self._constraints_lock:
            constraints = self._constraints
        return constraints.json(schema)

    @cached_property
    def _constraints(self) -> Constraints:
        return Constraints(self.codec.tokenizer, num_ids=self._num_ids, end_ids=self.codec.end_ids)

    # --- in the engine's thread --------------------------------------------------------------

    def _run(self, load_core: Callable[[], Core], loaded: Future[Core]) -> None:
        # Threads of OpenMP belong to the thread that computes. Were there others' as well, more
        # than there are cores, all of them would sleep after each product instead of waiting on.
        try:
            core = load_core()
        except Exception as error:
            loaded.set_exception(error)
            return
        loaded.set_result(core)
        ended: Exception = Unavailable("the engine was closed")
        try:
            while self._do_inbox(core):
                core.step()
        except Exception as error:  # whatever broke, nobody may wait for an answer forever
            ended = Unavailable(f"the engine failed: {error}", hint="load the model again")
            ended.__cause__ = error
        with self._ending:
            self._ended = ended
        while not self._inbox.empty():
            if (message := self._inbox.get()) is not None:
                message[0].set_exception(ended)
        for stream in self._streams:
            stream.put(ended)

    def _do_inbox(self, core: Core) -> bool:
        """Do what was asked since the last step, waiting if nothing else is to do; False to end."""
        while not self._inbox.empty() or core.idle:
            message = self._inbox.get()
            if message is None:
                return False
            future, work = message
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)
        return True

    def _begin(
        self,
        request: GenerationRequest,
        constraints: list[Constraint | None],
        deliver: Deliver | None,
    ) -> "_Stream":
        adapter = self._core.adapter(request.adapter)
        max_tokens = self._max_tokens(request, num_virtual=adapter.num_virtual)
        stream = _Stream(
            len(constraints),
            deliver=deliver,
            on_close=self._cancel,
            on_done=self._streams.discard,
        )
        self._streams.add(stream)
        for choice, constraint in enumerate(constraints):
            answer = Answer(
                request=request,
                choice=choice,
                adapter=adapter,
                max_tokens=max_tokens,
                chooser=Chooser.of(request.sampling, choice, constraint),
                text=TextStream(
                    self.codec.tokenizer,
                    stop=request.sampling.stop,
                    shown_ids=request.shown_ids,
                ),
                emit=stream.put,
                tokens=list(request.prompt),
            )
            stream.answers.append(answer)
            self._core.add(answer)
        return stream

    def _max_tokens(self, request: GenerationRequest, *, num_virtual: int) -> int:
        """How long an answer may become.

        Raises:
            RequestRejected: more is asked than there is room for.
        """
        context = min(self._config.context_tokens, self._config.kv_tokens)
        room = context - num_virtual - len(request.prompt)
        wanted = request.sampling.max_tokens or 1
        if wanted > self._config.answer_tokens:
            raise RequestRejected(
                f"an answer of {wanted} tokens is asked for, {self._config.answer_tokens} is the "
                "most here"
            )
        if wanted > room:
            virtual = f" and {num_virtual} of the adapter" if num_virtual else ""
            raise RequestRejected(
                f"the prompt has {len(request.prompt)} tokens{virtual}, with an answer of {wanted} "
                f"that is more than the {context} tokens of context",
                hint="shorten the prompt or ask for fewer tokens",
            )
        return request.sampling.max_tokens or min(room, self._config.answer_tokens)

    def _cancel(self, stream: "_Stream") -> None:
        """Called by a stream in its reader's thread."""
        try:
            self._call(lambda: [self._core.cancel(answer) for answer in stream.answers])
        except Unavailable:  # nothing is left to free
            return


class _Stream:
    """Pieces on their way from the engine's thread to the reader's."""

    def __init__(
        self,
        num_choices: int,
        *,
        deliver: Deliver | None,
        on_close: Callable[["_Stream"], None],
        on_done: Callable[["_Stream"], None],
    ) -> None:
        self.answers: list[Answer] = []
        self._num_open = num_choices
        self._on_close, self._on_done = on_close, on_done
        self._pieces: queue.SimpleQueue[Piece | Exception] = queue.SimpleQueue()
        # What the engine calls with each piece, and with an error behind which nothing comes.
        self.put: Deliver = deliver or self._pieces.put

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        if self._num_open == 0:
            raise StopIteration
        piece = self._pieces.get()
        if isinstance(piece, Exception):
            self._num_open = 0
            raise piece
        if piece.finish is not None:
            self._num_open -= 1
            if self._num_open == 0:
                self._on_done(self)
        return piece

    def close(self) -> None:
        """Stop what is still being written."""
        if self._num_open > 0:
            self._num_open = 0
            self._on_done(self)
            self._on_close(self)
