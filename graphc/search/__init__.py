"""Search for hyper-parameters and architectures: procedures around compiled functions."""

from graphc.search.architectures import (
    Architecture,
    chain,
    draw_cell,
    draw_chain,
    draw_motif,
    expanded,
    graph_distances,
    graph_kernel,
    mutated,
    neighbourhoods,
)
from graphc.search.curves import hopeless, power_law, predicted, warm_start
from graphc.search.evolving import Individual, ageing_evolution, evolve
from graphc.search.forest import Forest
from graphc.search.halving import Paused, brackets, hyperband, successive_halving
from graphc.search.parzen import parzen
from graphc.search.population import Member, exploit_and_explore, train_population
from graphc.search.selection import (
    dominated,
    one_shot_selection,
    pareto_front,
    rank_correlation,
    ranks,
    scalarised,
)
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
    "Architecture",
    "Choice",
    "Forest",
    "Individual",
    "Member",
    "Paused",
    "Process",
    "Real",
    "Space",
    "Trial",
    "Whole",
    "ageing_evolution",
    "at_random",
    "bayesian",
    "best",
    "brackets",
    "by_improvement",
    "by_neighbours",
    "chain",
    "dominated",
    "draw_cell",
    "draw_chain",
    "draw_motif",
    "draws",
    "evolve",
    "expanded",
    "exploit_and_explore",
    "graph_distances",
    "graph_kernel",
    "hopeless",
    "hyperband",
    "improvement",
    "minimise",
    "mutated",
    "neighbourhoods",
    "one_shot_selection",
    "pareto_front",
    "parzen",
    "power_law",
    "predicted",
    "rank_correlation",
    "ranks",
    "run_all",
    "scalarised",
    "smac",
    "successive_halving",
    "train_population",
    "warm_start",
]
