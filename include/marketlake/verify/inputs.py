"""What partitions are made of, held against what the lake holds of the same session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from marketlake.dataset_names import OPTION_BARS, OPTION_SELECTION
from marketlake.datasets import EVERY
from marketlake.datasets.option_lineage import is_of
from marketlake.errors import PlaceUnusable, StorageError
from marketlake.lake import Lake
from marketlake.partitions.certificate import Certificate
from marketlake.rows.spec import PartitionKey
from marketlake.verify.examination import Examination
from marketlake.verify.findings import Finding, Kind

_SHOWN = 12
"""So many digits of a hash tell two apart."""


def held_against_inputs(lake: Lake, result: Examination) -> Examination:
    """An examination with what is wrong with the partition's inputs; as it is if that is nothing.

    An input that has a dataset's name must be the content of what the lake holds of it and of the same session; and a
    selection must be the one that the certificate of the session's option bars names. Footers alone are read.
    """
    if result.certificate is None:
        return result
    details = [*_of_inputs(lake, result.key, result.certificate.inputs), *_of_bars(lake, result.certificate)]
    if not details:
        return result
    key = result.key
    found = [Finding(key.ticker, key.session, Kind.INPUT_DIFFERS, detail, dataset=key.dataset) for detail in details]
    return replace(result, findings=(*result.findings, *found), state=None)


def _of_inputs(lake: Lake, key: PartitionKey, inputs: Mapping[str, str]) -> Iterator[str]:
    for name, digest in inputs.items():
        if name not in EVERY:  # of something else than a partition
            continue
        held = _held(lake, name, key)
        if held is None:
            yield f"it is made of {name} {digest[:_SHOWN]}, and the lake holds none of that session"
        elif held.content_hash != digest:
            yield f"it is made of {name} {digest[:_SHOWN]}, and the lake holds {held.content_hash[:_SHOWN]}"


def _of_bars(lake: Lake, certificate: Certificate) -> Iterator[str]:
    """A selection is published behind its bars, and names none: they name it."""
    if certificate.dataset == OPTION_SELECTION and not is_of(certificate, _held(lake, OPTION_BARS, certificate.key)):
        yield f"the {OPTION_BARS} of that session do not name it, so that nobody reads it"


def _held(lake: Lake, name: str, key: PartitionKey) -> Certificate | None:
    """What the lake holds of a dataset and a session; None if nothing of it can be read."""
    spec = EVERY[name].spec
    try:
        return lake.store(spec).partitions.certificate(spec.key(key.ticker, key.session))
    except PlaceUnusable:
        raise
    except StorageError:
        return None
