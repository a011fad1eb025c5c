"""The vendor and the lake as the tasks would reach them: same connections, keys and hosts."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from local_airflow.server.connections import is_surely_absent
from local_airflow.server.home import Home
from local_airflow.server.process_tree import foreign_scheduler
from local_airflow.server.processes import Processes
from marketlake import settings
from marketlake.console import say
from marketlake.datasets.option_answers import FLAT_FILE
from marketlake.ingest.options.source import OptionSource
from marketlake.ingest.options.sources import file_source, keys_without_connection, rest_source
from marketlake.lake import Lake
from marketlake.lake_root import Bucket
from marketlake.polygon import call_budget
from marketlake.polygon.client import PolygonClient
from marketlake.polygon.client_with_key import client_with_key, key_without_connection

_CONNECTION, _CONNECTION_OF_FILES = "polygon_default", "polygon_flat_files"


def lake(home: Home, configured: settings.Settings) -> Lake:
    """The lake, with the object store's keys of ``storage.connection`` if there is one."""
    if configured.storage.connection is None or not isinstance(configured.storage_root, Bucket):
        return Lake(configured)
    os.environ.update(home.environment)
    with home.starting():
        if Processes(home.folder).running() is None and foreign_scheduler(home.folder) is None:
            home.migrate()  # before anything is looked at: the connection may lie in its database
    with _as_airflow():
        from marketlake_airflow.lake import lake_of

        of_tasks: Lake = lake_of(configured)
    return of_tasks


def client(home: Home, configured: settings.Settings) -> PolygonClient:
    """The client that tasks would use: key and host from connection or environment."""
    os.environ.update(home.environment)  # its proxies, too
    if is_surely_absent(_CONNECTION, home):
        client = client_with_key(configured, key_without_connection(), configured.api.base_url, requests.Session())
    else:
        client = _of_the_hook(configured)
    _say_waits()
    return client


def source(home: Home, configured: settings.Settings, client: PolygonClient) -> OptionSource:
    """Where tasks would take option bars from: the API, or flat files with keys from connection or environment."""
    if configured.options.source != FLAT_FILE:
        return rest_source(configured, client)
    if is_surely_absent(_CONNECTION_OF_FILES, home):
        return file_source(configured, keys_without_connection(), configured.options.flat_files)
    with _as_airflow():
        from marketlake_airflow.option_source import source_of

        source: OptionSource = source_of(configured, client)
    return source


def _of_the_hook(configured: settings.Settings) -> PolygonClient:
    """By Airflow itself, which may have a connection."""
    with _as_airflow():
        from marketlake_airflow.hook import PolygonHook

        client: PolygonClient = PolygonHook().client(configured)
    return client


@contextmanager
def _as_airflow() -> Iterator[None]:
    """With the plugins to be imported, and Airflow in the environment of a command."""
    # As a server, or Airflow would look for connections in the environment only, not in its database.
    os.environ.update({"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING", "_AIRFLOW_PROCESS_CONTEXT": "server"})
    sys.path.insert(0, str(settings.project_folder() / "plugins"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _say_waits() -> None:
    """A wait for a turn to call is said here, too, if no other log is shown."""
    waits = logging.getLogger(call_budget.__name__)
    waits.setLevel(logging.INFO)
    waits.addHandler(_ConsoleHandler())


class _ConsoleHandler(logging.Handler):
    """What is logged is said."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        say(self.format(record))
