"""What commit 3f5cc86 does to a lake. Run by itself, with the packages of that commit on ``PYTHONPATH``.

It uses what that commit has, so no import of it is of this version. Each argument is a step, ``DOES SESSION AT``: an
``ingest``, a ``provisional`` ingest or an ``audit`` of a session, by a clock that stands still at a time. Lake, API and
key are those of the environment. Prints, as JSON, which package it ran with and what became of each step.
"""
# ruff: noqa: I001 (which of these packages this version has, too, is of no matter)

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import sys

import marketlake
import msgspec
import requests
from marketlake import settings
from marketlake.audit import audit_session
from marketlake.client import PolygonClient
from marketlake.credentials import ApiKey
from marketlake.ingest import ingest
from marketlake.lake import Lake


def done(step: str) -> object:
    does, session, at = step.split()
    day, now = dt.date.fromisoformat(session), dt.datetime.fromisoformat(at)
    lake = Lake(settings.load(), now=lambda: now)
    key = ApiKey(os.environ["POLYGON_API_KEY"], "a test")
    client = PolygonClient(requests.Session(), key, lake.settings.api, now_s=now.timestamp)
    if does == "audit":
        return msgspec.to_builtins(audit_session(lake, "SPY", day, client))
    return dataclasses.asdict(ingest(lake, "SPY", day, client, allow_provisional=does == "provisional"))


if __name__ == "__main__":
    print(json.dumps({"package": marketlake.__file__, "steps": [done(step) for step in sys.argv[1:]]}))
