"""Who Flower lets in: with a password alone, on this machine alone, whichever way it is started."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from pydantic import ValidationError

import flowq
from flowq.engine.fleet.flower import flower_options

CONFIG = Path(__file__).parents[4] / "deploy" / "flowerconfig.py"


def test_the_configuration_file_asks_for_the_password_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWQ_FLOWER_USER", "watch")
    monkeypatch.setenv("FLOWQ_FLOWER_PASSWORD", "let-me-in")
    said = runpy.run_path(str(CONFIG))
    assert said["basic_auth"] == ["watch:let-me-in"]
    assert said["address"] == "127.0.0.1"


@pytest.mark.parametrize("password", [None, ""])
def test_it_does_not_start_without_a_password(password: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWQ_FLOWER_PASSWORD", raising=False)
    if password is not None:
        monkeypatch.setenv("FLOWQ_FLOWER_PASSWORD", password)
    with pytest.raises(flowq.ConfigError, match="set FLOWQ_FLOWER_PASSWORD"):
        runpy.run_path(str(CONFIG))


def test_the_password_shows_neither_in_the_settings_nor_by_a_comma_in_the_name() -> None:
    settings = flowq.Settings(flower_password="let-me-in")
    assert "let-me-in" not in repr(settings)
    with pytest.raises(ValidationError):
        flowq.Settings(flower_user="a,b:c")
    assert flower_options(settings)["basic_auth"] == ["flowq:let-me-in"]
