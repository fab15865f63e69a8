"""A completion while it is being written."""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from nas.tokenizer.vocabulary import Vocabulary


class CompletionStream(Iterator[str]):
    """Its pieces as the model writes them, each of whole characters; the fields say what is known so far.

    A character that tokens cut in two waits for its other bytes. Until the stream is exhausted or closed the model
    must not be trained.
    """

    def __init__(
        self,
        tokens: Generator[int, None, None],
        vocabulary: Vocabulary,
        *,
        max_bytes: int,
        max_tokens: int,
        stops: Sequence[str],
        left_out: int,
    ) -> None:
        self.left_out = left_out
        """Tokens at the prompt's front for which max_seq_length has no room."""
        self.text = ""
        """All pieces so far."""
        self.ended = False
        """Whether the model ended the text itself, before a limit, a stop or the reader did."""
        self._pieces = before_stop(self._decoded(tokens, vocabulary, max_bytes, max_tokens), stops)

    def __iter__(self) -> CompletionStream:
        return self

    def __next__(self) -> str:
        piece = next(self._pieces)
        self.text += piece
        return piece

    def close(self) -> None:
        """Stop the writing; `text` stays."""
        self._pieces.close()

    def _decoded(
        self, tokens: Generator[int, None, None], vocabulary: Vocabulary, max_bytes: int, max_tokens: int
    ) -> Generator[str, None, None]:
        """At most `max_bytes` bytes as text; bytes that are no UTF-8, such as half a character at the end: U+FFFD."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        num_tokens = num_bytes = 0
        with closing(tokens):
            for token in tokens:
                data = vocabulary.token_bytes[token][: max_bytes - num_bytes]
                num_tokens, num_bytes = num_tokens + 1, num_bytes + len(data)
                yield decoder.decode(data)
        yield decoder.decode(b"", final=True)
        self.ended = num_bytes < max_bytes and num_tokens < max_tokens


def before_stop(pieces: Generator[str, None, None], stops: Sequence[str]) -> Generator[str, None, None]:
    """The text of `pieces` before its first stop, in pieces that are not empty.

    What may be the beginning of a stop waits, so that the text does not depend on where the pieces are cut.
    """
    waiting = ""
    with closing(pieces):
        for piece in pieces:
            waiting += piece
            place = first_stop(waiting, stops)
            size = len(waiting) - _num_begun(waiting, stops) if place is None else place
            if size:
                yield waiting[:size]
            if place is not None:
                return
            waiting = waiting[size:]
    if waiting:
        yield waiting


def first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the stop begins that is complete first, of those complete at the same character the longest."""
    found = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    return min(found)[1] if found else None


def _num_begun(text: str, stops: Sequence[str]) -> int:
    """Characters at the end of `text` with which a stop begins."""
    return max((size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size])), default=0)
