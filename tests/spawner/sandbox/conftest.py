import pytest


@pytest.fixture(scope="session")
def tmp_path_factory(factory_on_disk: pytest.TempPathFactory) -> pytest.TempPathFactory:
    """On disk, because a sandbox has a /dev of its own."""
    return factory_on_disk
