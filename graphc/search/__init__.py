"""Search for hyper-parameters and architectures: procedures around compiled functions."""

from graphc.search.curves import hopeless, power_law, predicted, warm_start
from graphc.search.forest import Forest
from graphc.search.halving import Paused, brackets, hyperband, successive_halving
from graphc.search.parzen import parzen
from graphc.search.population import Member, exploit_and_explore, train_population
from graphc.search.spaces import Choice, Real, Space, Whole
from graphc.search.surrogates import Process, bayesian, by_improvement, improvement, smac
from graphc.search.trials import (
    Trial,
    at_random,
    best,
    by_neighbours,
    draws,
    minimise,
    run_all,
)

__all__ = [
    "Choice",
    "Forest",
    "Member",
    "Paused",
    "Process",
    "Real",
    "Space",
    "Trial",
    "Whole",
    "at_random",
    "bayesian",
    "best",
    "brackets",
    "by_improvement",
    "by_neighbours",
    "draws",
    "exploit_and_explore",
    "hopeless",
    "hyperband",
    "improvement",
    "minimise",
    "parzen",
    "power_law",
    "predicted",
    "run_all",
    "smac",
    "successive_halving",
    "train_population",
    "warm_start",
]
