"""codenas: neural architecture search for small language models of Python code.

`nas.load(path)` opens a trained model. Searches, trainings and exports are started by the commands
`python -m nas.COMMAND`, or from Python through the packages of the same names, as in `from nas.search import ...`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.inference.language_model import LanguageModel

__version__ = "0.1.0"


def load(path: str | Path) -> LanguageModel:
    """Open a trained model: `nas.load("runs/arch").complete("def ")`.

    `load` is the only function of the package itself: a name such as `nas.search` is the package of that command.
    See LanguageModel for what `path` may be and which errors are raised.
    """
    # Imported here, so that `import nas` and the help of every command need no torch.
    from nas.inference.language_model import LanguageModel as Model

    return Model.load(path)
