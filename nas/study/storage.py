"""Opening the Optuna study: new, or gone on with after its identity was checked."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from nas.errors import StudyError
from nas.space import SearchSpace
from nas.study.identity import check_identity
from nas.study.references import scaled_references
from nas.study.sampler import DistinctSampler

IDENTITY_KEY = "identity"


def open_study(
    name: str, url: str, space: SearchSpace, sampler: DistinctSampler, identity: dict[str, Any]
) -> optuna.Study:
    """The study `name` at `url`, created with the reference architectures waiting as its first trials.

    Raises StudyMismatch when it is there with another identity, StudyError when the database is damaged
    or cannot be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            storage=RDBStorage(url), study_name=name, sampler=sampler, direction="minimize", load_if_exists=True
        )
        if stored := study.user_attrs.get(IDENTITY_KEY):
            check_identity(name, stored, identity)
            return study
        if any("reference" not in one.user_attrs for one in study.get_trials(deepcopy=False)):
            raise StudyError(f"{url} holds a study '{name}' that this engine did not make; start another with --name")
        references = scaled_references(space, sampler.vocabulary_sizes) if sampler.is_search else {}
        for reference, params in references.items():
            study.enqueue_trial(params, user_attrs={"reference": reference}, skip_if_exists=True)
        # Last, so that a study with an identity has its references; without one it is made again.
        study.set_user_attr(IDENTITY_KEY, identity)
        return study
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StudyError(
            f"cannot open the study database {url} ({reason}); restore it or start another study with --name "
            "(ended trials also stand in trials.jsonl)"
        ) from None
