"""Which rows made beside a session's option bars are theirs: a publication that was cut off leaves others there."""

from __future__ import annotations

from marketlake.dataset_names import OPTION_BARS, OPTION_PANEL, OPTION_SELECTION
from marketlake.partitions.certificate import Certificate

OF_BARS = (OPTION_SELECTION, OPTION_PANEL)
"""The datasets whose rows count only beside the option bars that they are of."""


def is_of(certificate: Certificate, bars: Certificate | None) -> bool:
    """Whether a selection is the one that the certificate of the bars names, or a panel is made of these bars.

    ``bars``: None if there are none.
    """
    if bars is None:
        return False
    if certificate.dataset == OPTION_SELECTION:
        return bars.inputs.get(OPTION_SELECTION) == certificate.content_hash
    return certificate.inputs.get(OPTION_BARS) == bars.content_hash
