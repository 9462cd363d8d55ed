"""Topic models: latent Dirichlet allocation, fitted by variational inference (Blei et al., 2003).

Documents are counts of words (D, V); topics (K, V) are rows of word probabilities; each document
has a share of topics with the prior Dirichlet(alpha) and the approximate posterior
Dirichlet(gamma), with gamma (D, K).
"""

from __future__ import annotations

from graphc.ir.node import Tensor
from graphc.ops.exponential import log
from graphc.ops.layout import expand_dims
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.ops.special import digamma, lgamma
from graphc.ops.statistics import logsumexp, softmax


def topic_shares(gamma: Tensor, topics: Tensor) -> Tensor:
    """How likely each topic is for each word of a document, (D, V, K): proportional to
    topics[k, v] e^ψ(gamma[d, k]).
    """
    return softmax(_scores(digamma(gamma), topics), axis=-1)


def _scores(expected_logs: Tensor, topics: Tensor) -> Tensor:
    none = topics == 0
    logs = where(none, float("-inf"), log(where(none, 1, topics)))
    return expand_dims(expected_logs, 1) + expand_dims(logs.T, 0)


def topic_bound(counts: Tensor, gamma: Tensor, topics: Tensor, alpha: Tensor) -> Tensor:
    """The ELBO (D,) of each document, for the best shares of its words."""
    logs = digamma(gamma) - digamma(total(gamma, -1, keepdims=True))
    words = where(counts == 0, 0, counts * logsumexp(_scores(logs, topics), -1))
    before = total((alpha - 1) * logs, -1) + _log_norm(alpha)
    after = total((gamma - 1) * logs, -1) + _log_norm(gamma)
    return total(words, -1) + before - after


def _log_norm(a: Tensor) -> Tensor:
    return lgamma(total(a, -1)) - total(lgamma(a), -1)


def document_step(counts: Tensor, gamma: Tensor, topics: Tensor, alpha: Tensor) -> Tensor:
    """The next gamma: alpha plus the expected number of words of each topic. The bound grows."""
    return alpha + total(expand_dims(counts, -1) * topic_shares(gamma, topics), 1)


def topic_step(counts: Tensor, gamma: Tensor, topics: Tensor) -> Tensor:
    """The next topics: the expected number of each word in them, over its sum. The bound grows."""
    expected = total(expand_dims(counts, -1) * topic_shares(gamma, topics), 0).T
    return expected / total(expected, -1, keepdims=True)
