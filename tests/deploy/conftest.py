"""A project after the first run, an empty one, and one where `functions` has not run yet."""

import pytest

from tests.deploy.deployment import APP_SECRET, SETTINGS, Cloud


@pytest.fixture(scope="session")
def first(tmp_path_factory):
    """Return (cloud, finished process) of the first run on an empty project."""
    cloud = Cloud(tmp_path_factory.mktemp("first"))
    done = cloud.run(**SETTINGS, THREADS_APP_SECRET=APP_SECRET)
    assert done.returncode == 0, done.stdout
    return cloud, done


@pytest.fixture
def cloud(first, tmp_path):
    """Return a project as the first run left it."""
    return Cloud(tmp_path, first[0].state)


@pytest.fixture
def empty(tmp_path):
    return Cloud(tmp_path)


@pytest.fixture
def set_up(cloud):
    """Return a project where setup has run, and functions has not."""
    kept = {k: v for k, v in cloud.state["policies"].items() if not k.startswith("services/")}
    nothing = {kind: {} for kind in ("services", "jobs", "alerts", "channels", "metrics")}
    cloud.change(lambda s: s.update(policies=kept, **nothing))
    return cloud
