from __future__ import annotations

import pytest

from nas.architecture.config import ArchitectureConfig
from tests.helpers.architectures import attention_choices


@pytest.fixture(params=attention_choices(), ids=ArchitectureConfig.describe)
def config(request: pytest.FixtureRequest) -> ArchitectureConfig:
    chosen: ArchitectureConfig = request.param
    return chosen
