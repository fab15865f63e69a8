"""Define a search space: the file that describes it, its dimensions, and the candidates it contains."""

from nas.space.search_space import Candidate, SearchSpace, load_space, shipped_spaces

__all__ = ["Candidate", "SearchSpace", "load_space", "shipped_spaces"]
