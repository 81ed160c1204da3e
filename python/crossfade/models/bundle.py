"""A bundle: a directory that is a model. Immutable, verified when loaded, identified by fingerprints."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from crossfade.errors import BundleError
from crossfade.models.fingerprint import file_sha256, fingerprint
from crossfade.models.manifest import (
    ADAPTER_FILE,
    GRAPH_DATA_FILE,
    GRAPH_FILE,
    MANIFEST_FILE,
    TOKENIZER_FILE,
    Manifest,
    Parent,
    Prompts,
    read_manifest,
)
from crossfade.models.types import InputType, Pooling, Precision

__all__ = ["Bundle", "Manifest", "Parent", "Prompts"]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model on disk. Get one from `Bundle.load`, `import_model` or `write_adapter_bundle`."""

    path: Path
    manifest: Manifest
    document_fingerprint: str
    query_fingerprint: str

    @classmethod
    def load(cls, path: str | PathLike[str], *, verify: bool = True) -> Bundle:
        """Read a bundle directory.

        With `verify` the bytes of every file are held against the hashes recorded in bundle.toml; without, only that
        the files are there. Raises BundleError saying which file is missing, corrupt or does not fit.
        """
        directory = check_directory(path)
        manifest = read_manifest(directory / MANIFEST_FILE)
        for name, recorded in manifest.files.items():
            check_file(directory / name, recorded, verify=verify)
        return cls(directory, manifest, *_fingerprints(manifest))

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def dimension(self) -> int:
        return self.manifest.dimension

    @property
    def max_tokens(self) -> int:
        """The token limit of a text, special tokens and prompt included."""
        return self.manifest.max_tokens

    @property
    def pooling(self) -> Pooling:
        return self.manifest.pooling

    @property
    def normalise(self) -> bool:
        """Whether vectors leave the model at unit length."""
        return self.manifest.normalise

    @property
    def precision(self) -> Precision:
        return self.manifest.precision

    @property
    def prompts(self) -> Prompts:
        return self.manifest.prompts

    @property
    def parent(self) -> Parent | None:
        return self.manifest.parent

    @property
    def graph_path(self) -> Path:
        return self.path / GRAPH_FILE

    @property
    def tokenizer_path(self) -> Path:
        return self.path / TOKENIZER_FILE

    @property
    def adapter_path(self) -> Path | None:
        """The query adapter's file; None when queries need none."""
        return None if self.manifest.adapter is None else self.path / self.manifest.adapter

    @property
    def graph_key(self) -> tuple[str, ...]:
        """The hashes of the graph's bytes: equal for bundles whose `model.onnx` may share one session."""
        files = self.manifest.files
        return tuple(files[name] for name in (GRAPH_FILE, GRAPH_DATA_FILE) if name in files)

    @property
    def tokenizer_key(self) -> str:
        """The hash of the tokenizer's bytes."""
        return self.manifest.files[TOKENIZER_FILE]

    def fingerprint(self, input_type: InputType) -> str:
        """The fingerprint of the vectors of this input type."""
        return self.query_fingerprint if input_type is InputType.QUERY else self.document_fingerprint

    def prompt_fingerprint(self, name: str, input_type: InputType) -> str:
        """The fingerprint of the vectors of this input type when the prompt `name` takes the place of its own.

        Equal to `fingerprint(input_type)` when both are the same text. Raises NotFound when no prompt has the name.
        """
        return _fingerprint(self.manifest, input_type, self.prompts.of(input_type, name))


def check_directory(path: str | PathLike[str]) -> Path:
    """The directory of a bundle. Raises BundleError when it is none."""
    directory = Path(path)
    if not directory.is_dir():
        what = "is not a directory" if directory.exists() else "does not exist"
        raise BundleError(f"model bundle {directory} {what}: give a directory that `crossfade model import` made")
    return directory


def check_file(path: Path, recorded: str, *, verify: bool) -> None:
    """Raises BundleError when a file of a bundle is missing, or with `verify` is not the one recorded."""
    try:
        if not path.is_file():
            raise BundleError(f"model bundle {path.parent} lacks its file {path.name}: import the model again")
        actual = file_sha256(path) if verify else recorded
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}") from None
    if actual != recorded:
        raise BundleError(
            f"{path} is not the file that the bundle was made with (SHA-256 {actual[:12]}..., recorded "
            f"{recorded[:12]}...): it is truncated, corrupt or swapped; import the model again"
        )


def _fingerprints(manifest: Manifest) -> tuple[str, str]:
    """Of documents and of queries."""
    document, query = (
        _fingerprint(manifest, kind, manifest.prompts.of(kind)) for kind in (InputType.DOCUMENT, InputType.QUERY)
    )
    return document, query


def _fingerprint(manifest: Manifest, input_type: InputType, prompt: str) -> str:
    files = manifest.files
    return fingerprint(
        graph={name: files[name] for name in (GRAPH_FILE, GRAPH_DATA_FILE) if name in files},
        tokenizer=files[TOKENIZER_FILE],
        adapter=files[ADAPTER_FILE] if input_type is InputType.QUERY and manifest.adapter else None,
        prompt=prompt,
        settings={
            "pooling": manifest.pooling.value,
            "normalise": manifest.normalise,
            "max_tokens": manifest.max_tokens,
            "dimension": manifest.dimension,
            "precision": manifest.precision.value,
        },
    )
