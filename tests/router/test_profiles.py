from __future__ import annotations

import msgspec
import pytest

from thane.config.routing import ProfileSettings
from thane.router.profiles import DEFAULT, FORMER, SHIPPED, Profiles

PROFILES = Profiles()


@pytest.mark.parametrize("name", ["", "  ", "thane", "Thane", "thane:latest", "THANE:LATEST", "thane:no-such"])
def test_the_default_has_many_names(name: str):
    profile = PROFILES.find(name)
    assert profile is not None
    assert DEFAULT == profile.name


@pytest.mark.parametrize("name", [*SHIPPED, *FORMER])
def test_every_profile_is_found_in_any_case_with_and_without_latest(name: str):
    profile = PROFILES.find(name)
    assert profile is not None
    assert name == profile.name
    assert profile is PROFILES.find(name.upper())
    assert profile is PROFILES.find(f"{name.removesuffix(':latest')}:latest")
    assert profile.description


@pytest.mark.parametrize("name", ["qwen3:4b", "thanedd", "thane-7b:latest", "gpt-4o"])
def test_other_names_are_models(name: str):
    assert PROFILES.find(name) is None


def test_the_eight_profiles_of_the_reference_are_shown():
    names = "latest command trigger premium ops peer local openclaw"
    assert [f"thane:{name}" for name in names.split()] == [profile.name for profile in PROFILES.listed()]


@pytest.mark.parametrize(("name", "now"), FORMER.items())
def test_a_former_name_does_what_its_successor_does(name: str, now: str):
    former, current = PROFILES.find(name), PROFILES.find(now)
    assert former is not None
    assert current is not None
    assert now == former.deprecated
    assert current == msgspec.structs.replace(former, name=now, description=current.description, deprecated="")


def test_an_owner_adds_profiles_and_changes_shipped_ones():
    profiles = Profiles(
        {
            "Coder": ProfileSettings(description="For code.", model="qwen3-coder", fallbacks=("claude", "qwen3")),
            "thane:premium": ProfileSettings(local_only=True),
        }
    )
    coder, premium = profiles.find("thane:coder:latest"), profiles.find("thane:premium")
    assert coder is not None
    assert premium is not None
    assert ("thane:coder", "qwen3-coder", ("claude", "qwen3")) == (coder.name, coder.model, coder.fallbacks)
    assert (True, "best") == (premium.local_only, premium.quality_floor)  # what was not given stays
    assert "thane:coder" == profiles.listed()[-1].name
    former = profiles.find("thane:thinking")
    assert former is not None
    assert former.local_only  # a former name follows


def test_an_owner_may_take_a_former_name():
    profile = Profiles({"fast": ProfileSettings(prefer_speed=True)}).find("thane:fast")
    assert profile is not None
    assert "" == profile.deprecated
