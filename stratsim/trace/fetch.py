"""Public traces at pinned addresses: downloaded, checked, then renamed into place.

Every entry names the commit in its address, so the file cannot change, and the sha256 of its bytes is checked anyway.
"""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stratsim.errors import OutputError, SpecError, suggest
from stratsim.trace.write import replacing

if TYPE_CHECKING:
    import os

__all__ = ["PUBLIC", "Download", "fetch", "find"]

_HOST = "https://raw.githubusercontent.com"
_BLOCK = 1 << 16
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Download:
    """A public file.

    Args:
        url: Pinned address.
        sha256: Of its bytes, in hexadecimal.
        size: Bytes.
        summary: What it is, with its size in requests.
        licence: Under which its authors publish it.
        source: Repository @ commit.
    """

    url: str
    sha256: str
    size: int
    summary: str
    licence: str
    source: str

    @property
    def filename(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]


def _pinned(repository: str, commit: str, path: str, sha256: str, size: int, summary: str, licence: str) -> Download:
    url = f"{_HOST}/{repository}/{commit}/{path}"
    return Download(url, sha256, size, summary, licence, f"{repository} @ {commit[:7]}")


_AZURE = ("Azure/AzurePublicDataset", "790921015d50dd6aae7f7e47f39ba0e235ad6b08")
_INVITRO = ("vhive-serverless/invitro", "7e993e92dfacecf19b86ff603fef487404af5357")
_MOONCAKE = ("kvcache-ai/Mooncake", "a2a4b18ac537fd798d50e6e9f57031ce86419a37")
_DISB = ("SJTU-IPADS/disb", "d61059f10c616581d649f3f40cc53c277ce74b64")
_DISB_REAL = ("SJTU-IPADS/disb", "7ad5fba6d5304a9501cca49406652f85ce7e1887")

PUBLIC = {
    "azure-conv": _pinned(
        *_AZURE,
        "data/AzureLLMInferenceTrace_conv.csv",
        "2f1e5b666d4e3055fdbba98598ce2ec307767b9064e03e2fa46676dbcc7d0bf8",
        719188,
        "Azure LLM inference 2023, conversation: 19 366 requests in 58 min",
        "CC-BY-4.0",
    ),
    "azure-code": _pinned(
        *_AZURE,
        "data/AzureLLMInferenceTrace_code.csv",
        "54e9a6d2a4bd06ba1e060304b900abbc74cbea53de96506e60fe5bb4f2277fb6",
        320117,
        "Azure LLM inference 2023, code: 8 819 requests in 57 min, on/off bursts",
        "CC-BY-4.0",
    ),
    "azure-functions-2019-140": _pinned(
        *_INVITRO,
        "data/traces/10-140-1/140_inv.csv",
        "e14b0dfc87a7d8af0139c13a82e5f199f7e3194ce0fd02ed9002b7b7b91b6e48",
        471751,
        "Azure Functions 2019, 140 sampled functions: 1 468 194 requests in a day, counts per minute",
        "MIT (sample), CC-BY-4.0 (Azure)",
    ),
    "mooncake-conversation": _pinned(
        *_MOONCAKE,
        "FAST25-release/traces/conversation_trace.jsonl",
        "b8cbb061a85206d729d91cdc2981f43c9e0d99209dce588d3af5f7934408b9df",
        3029533,
        "Mooncake conversation: 12 031 requests in 59 min, 3 s ticks",
        "Apache-2.0",
    ),
    "disb-A": _pinned(
        *_DISB,
        "benchmarks/workloads/A.json",
        "97ba7263f768ca4c54e8b8af48cd6155e06d6abefac7350ea26dbced35e30328",
        937,
        "DISB A: one periodic and one closed-loop client, 60 s",
        "Apache-2.0",
    ),
    "disb-B": _pinned(
        *_DISB,
        "benchmarks/workloads/B.json",
        "e4c6130b868f2dca56f1ea68a3b587c15e8e53069cf44a59e3a806a76c9f181f",
        874,
        "DISB B: two closed-loop clients, 60 s",
        "Apache-2.0",
    ),
    "disb-C": _pinned(
        *_DISB,
        "benchmarks/workloads/C.json",
        "21329946081c578f3f74da3f6f6095bd3cd77f2982a6272241bb5ca9e0faafc8",
        2611,
        "DISB C: one periodic and five closed-loop clients, 60 s",
        "Apache-2.0",
    ),
    "disb-D": _pinned(
        *_DISB,
        "benchmarks/workloads/D.json",
        "39b00b24b3e9012ad6d0f0126d9d300fe9b0c636f7bd5b91a88c5e6990fbbecf",
        4544,
        "DISB D: five periodic and five closed-loop clients, 60 s",
        "Apache-2.0",
    ),
    "disb-E": _pinned(
        *_DISB,
        "benchmarks/workloads/E.json",
        "b441850a1e06a3c27ba090f83ba56373fa9ec4d37ad8603d78984da18e600d9a",
        4384,
        "DISB E: five Poisson and five closed-loop clients, 60 s",
        "Apache-2.0",
    ),
    "disb-REAL": _pinned(
        *_DISB_REAL,
        "benchmarks/workloads/REAL.json",
        "38054deed9b8bff6c1d60da9c4fd071b9dba968b52ea844d1ac60ab385f49ae2",
        49371,
        "DISB REAL: five recorded streams and five closed-loop clients, 38 s",
        "Apache-2.0",
    ),
}
"""Public traces by the name that `stratsim trace fetch` takes."""


def find(name: str) -> Download:
    """Return a public trace by name.

    Raises:
        SpecError: there is none; the message names the nearest.
    """
    if name not in PUBLIC:
        raise SpecError(f"no public trace {name!r}; {suggest(name, PUBLIC)}")
    return PUBLIC[name]


def fetch(download: Download, target: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Download a file to `target`; on any failure nothing is left behind.

    Raises:
        OutputError: it cannot be downloaded or written, its bytes are not the expected ones, or `target` exists
            (without `overwrite`).
    """
    digest = hashlib.sha256()
    with replacing(Path(target), overwrite=overwrite) as file:
        try:
            with urllib.request.urlopen(download.url, timeout=_TIMEOUT_S) as reply:  # noqa: S310 (our own list)
                received = 0
                while block := reply.read(_BLOCK):
                    received += len(block)
                    if received > download.size:
                        break  # not the file that is meant; the digest says so
                    digest.update(block)
                    file.write(block)
        except (urllib.error.URLError, TimeoutError) as error:
            reason = getattr(error, "reason", error)
            raise OutputError(f"{download.url}: cannot be downloaded: {reason}") from None
        if received != download.size or digest.hexdigest() != download.sha256:
            raise OutputError(
                f"{download.url}: is not the expected file: sha256 {digest.hexdigest()} after {received} bytes, "
                f"expected {download.sha256} after {download.size}"
            )
