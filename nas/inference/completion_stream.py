"""A completion that is read while the model writes it."""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from nas.tokenizer.vocabulary import Vocabulary


class CompletionStream(Iterator[str]):
    """The pieces of a completion as the model writes them, each of whole characters.

    A character that is split between tokens waits for its other bytes. The model must not be trained until the stream
    is exhausted or closed.
    """

    def __init__(
        self,
        tokens: Generator[int, None, None],
        vocabulary: Vocabulary,
        *,
        max_bytes: int,
        max_tokens: int,
        stops: Sequence[str],
        num_truncated: int,
    ) -> None:
        self.num_truncated = num_truncated
        """Tokens cut from the front of the prompt, for which max_seq_length has no room."""
        self.text = ""
        """The concatenation of all pieces so far."""
        self.ended = False
        """Whether the model ended the text, rather than a limit, a stop or the reader."""
        self._pieces = text_before_stop(self._decoded(tokens, vocabulary, max_bytes, max_tokens), stops)

    def __iter__(self) -> CompletionStream:
        return self

    def __next__(self) -> str:
        piece = next(self._pieces)
        self.text += piece
        return piece

    def close(self) -> None:
        """Stop the generation; `text` stays."""
        self._pieces.close()

    def _decoded(
        self, tokens: Generator[int, None, None], vocabulary: Vocabulary, max_bytes: int, max_tokens: int
    ) -> Generator[str, None, None]:
        """Yield at most `max_bytes` bytes as text; bytes that are not UTF-8, such as half a character, give U+FFFD."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        num_tokens = num_bytes = 0
        with closing(tokens):
            for token in tokens:
                data = vocabulary.token_bytes[token][: max_bytes - num_bytes]
                num_tokens, num_bytes = num_tokens + 1, num_bytes + len(data)
                yield decoder.decode(data)
        yield decoder.decode(b"", final=True)
        self.ended = num_bytes < max_bytes and num_tokens < max_tokens


def text_before_stop(pieces: Generator[str, None, None], stops: Sequence[str]) -> Generator[str, None, None]:
    """Yield the text of `pieces` before its first stop, in pieces that are not empty.

    Text that may begin a stop is held back, so that the result does not depend on where the pieces are cut.
    """
    waiting = ""
    with closing(pieces):
        for piece in pieces:
            waiting += piece
            place = first_stop(waiting, stops)
            size = len(waiting) - _stop_prefix_length(waiting, stops) if place is None else place
            if size:
                yield waiting[:size]
            if place is not None:
                return
            waiting = waiting[size:]
    if waiting:
        yield waiting


def first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Return where the first completed stop begins; of those completed at the same character, the longest."""
    ends = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    return min(ends)[1] if ends else None


def _stop_prefix_length(text: str, stops: Sequence[str]) -> int:
    """Return the number of characters at the end of `text` that begin a stop."""
    return max((size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size])), default=0)
