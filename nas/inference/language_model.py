"""The language model that users load: text in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

from nas.errors import CheckpointError, UsageError
from nas.inference.bits_per_byte import measure_likelihood
from nas.inference.completion_stream import CompletionStream
from nas.model import Decoder, SamplingSettings, stream_tokens
from nas.system.machine import available_cores
from nas.tokenizer.vocabulary import Vocabulary
from nas.training.numerics import plan_numerics
from nas.training.weights import load_weights

BEST_WEIGHTS = "best.safetensors"
TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class LanguageModel:
    """A trained model with its vocabulary, as `nas.load` returns it."""

    model: Decoder
    vocabulary: Vocabulary

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Open a folder of `nas.train` (its best weights), or one weights file in it.

        Raise CheckpointError when weights or tokenizer are missing, damaged, or do not belong together.
        """
        path = Path(path).expanduser()
        weights = path / BEST_WEIGHTS if path.is_dir() else path
        model = load_weights(weights)
        vocabulary = Vocabulary.load(weights.parent / TOKENIZER_FILE)
        if vocabulary.size != model.config.vocab_size:
            raise CheckpointError(
                f"{weights} has a vocabulary of {model.config.vocab_size}, its tokenizer one of {vocabulary.size}"
            )
        return cls(model.eval(), vocabulary)

    @classmethod
    def open_on(cls, path: str | Path, device: str) -> Self:
        """Open a model as `load` does on `device` (auto, cpu, cuda, cuda:N), and set this process up for it.

        Raise UsageError without that device.
        """
        numerics = plan_numerics(device, threads=available_cores())
        numerics.apply()
        opened = cls.load(path)
        opened.model.to(numerics.device)
        return opened

    def complete(
        self,
        prompt: str,
        *,
        max_bytes: int = 200,
        temperature: float = 0.8,
        top_p: float = 0.9,
        top_k: int = 40,
        seed: int = 0,
        stop: str | Sequence[str] = (),
    ) -> str:
        """Return the model's continuation of `prompt`: at most `max_bytes` bytes, before the first of `stop`.

        An end of text ends it as well. Temperature 0 is greedy. A prompt that leaves no room in max_seq_length is cut
        at its front; an empty one starts a document. The same seed gives the same text. It is never executed.
        """
        return "".join(
            self.stream(
                prompt,
                max_bytes=max_bytes,
                temperature=temperature,
                top_p=top_p,
                top_k=top_k,
                seed=seed,
                stop=stop,
            )
        )

    def stream(
        self,
        prompt: str,
        *,
        max_bytes: int = 200,
        temperature: float = 0.8,
        top_p: float = 0.9,
        top_k: int = 40,
        seed: int = 0,
        stop: str | Sequence[str] = (),
    ) -> CompletionStream:
        """Return the text that `complete` gives as a stream of pieces, each as soon as it is written.

        Raise UsageError for an invalid value immediately, not with the first piece.
        """
        sampling = SamplingSettings(temperature, top_p, top_k)
        stops = (stop,) if isinstance(stop, str) else tuple(stop)
        if max_bytes < 1:
            raise UsageError(f"max_bytes must be at least 1, found {max_bytes}")
        if "" in stops:
            raise UsageError("a stop must not be empty: every text begins with it")
        try:
            prompt.encode()
        except UnicodeEncodeError:
            raise UsageError("the prompt is not UTF-8 text; fix its encoding") from None
        length = self.model.config.max_seq_length
        room = max(1, length - max_bytes, length // 2)
        ids = self.vocabulary.encode(prompt) or [self.vocabulary.eot_id]
        read = ids[-room:]
        generator = torch.Generator().manual_seed(seed)
        tokens = stream_tokens(
            self.model,
            read,
            sampling,
            uniforms=torch.rand(length, dtype=torch.float64, generator=generator),
            token_bytes=torch.from_numpy(self.vocabulary.num_bytes).long(),
            byte_limit=max_bytes,
            eot_id=self.vocabulary.eot_id,
        )
        return CompletionStream(
            tokens,
            self.vocabulary,
            max_bytes=max_bytes,
            max_tokens=length - len(read),
            stops=stops,
            num_truncated=len(ids) - len(read),
        )

    def bits_per_byte(self, text: str) -> float:
        """Return the bits per byte of `text` as one document, its end of text counted as a byte.

        Raise ValueError when it is empty.
        """
        if not text:
            raise ValueError("an empty text has no bits per byte")
        tokens = self.vocabulary.encode_documents([text])
        num_bytes = len(text.encode()) + 1
        length = self.model.config.max_seq_length
        return measure_likelihood(self.model, tokens, self.vocabulary.eot_id, num_bytes, length).bpb
