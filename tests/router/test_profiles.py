from __future__ import annotations

import pytest

from thane.router.profiles import DEFAULT, PROFILES, Profile, find_profile


@pytest.mark.parametrize("name", ["", "  ", "thane", "Thane", "thane:latest", "THANE:LATEST", "thane:no-such"])
def test_the_default_has_many_names(name: str):
    profile = find_profile(name)
    assert profile is not None
    assert DEFAULT == profile.name


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_every_profile_is_found_in_any_case_with_and_without_latest(profile: Profile):
    name = profile.name
    assert profile is find_profile(name)
    assert profile is find_profile(name.upper())
    assert profile is find_profile(f"{name.removesuffix(':latest')}:latest")


@pytest.mark.parametrize("name", ["qwen3:4b", "thanedd", "thane-7b:latest", "gpt-4o"])
def test_other_names_are_models(name: str):
    assert find_profile(name) is None


def test_the_profiles_of_the_reference_are_all_there():
    names = "latest trigger command premium ops peer local openclaw thinking balanced fast homeassistant"
    assert {f"thane:{name}" for name in names.split()} == {profile.name for profile in PROFILES}
    assert all(find_profile(profile.deprecated) in PROFILES for profile in PROFILES if profile.deprecated)
    assert all(profile.description for profile in PROFILES)


def test_a_deprecated_name_does_what_its_successor_does():
    for profile in PROFILES:
        successor = find_profile(profile.deprecated)
        if profile.deprecated and successor is not None:
            assert (successor.best, successor.local_only, successor.fast_path, successor.mission) == (
                profile.best,
                profile.local_only,
                profile.fast_path,
                profile.mission,
            )
