"""Every example in the reference of ``marketlake.research`` is run, on a lake of made-up sessions, or of options."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import marketlake.research
from marketlake.research.lake import ResearchLake
from marketlake.research.options.chain import SessionChain
from marketlake.research.tensor import SessionTensor
from option_tables import OptionGround, prepared_options
from research_lake import Ground, made_up

__all__ = ["made_up", "prepared_options"]
MODULES = [found.name for found in pkgutil.walk_packages(marketlake.research.__path__, "marketlake.research.")]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name), name)]
    return [test for test in found if test.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda test: test.name)
def test_an_example_gives_what_it_says(
    example: doctest.DocTest, made_up: Ground, prepared_options: OptionGround
) -> None:
    ground = prepared_options if ".options." in example.name else made_up
    example.globs |= {"lake": ground.lake, "root": ground.root, "np": np}
    told: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=told.append)
    assert (result.failed, result.attempted > 0) == (0, True), "".join(told)


@pytest.mark.parametrize("type_", [ResearchLake, SessionChain, SessionTensor])
def test_every_public_method_that_is_called_has_an_example(type_: type) -> None:
    methods = {
        name: found
        for name, found in inspect.getmembers(type_, inspect.isroutine)
        if not name.startswith("_") and name not in {"of"}
    }
    assert methods
    assert [name for name, found in methods.items() if ">>>" not in (found.__doc__ or "")] == []
