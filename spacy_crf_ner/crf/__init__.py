"""The linear-chain conditional random field (Lafferty et al. 2001), in torch.

`Potentials` hold the scores of a batch; likelihood, posterior and decoding are functions of them;
`LinearChainCRF` is an `nn.Module` with the interface of pytorch-crf.
"""

from .decoding import best_tags, k_best_tags, minimum_risk_tags
from .likelihood import cross_entropy, entropy, log_likelihood, log_partition
from .module import LinearChainCRF
from .posterior import Expectations, Posterior, expectations
from .potentials import Potentials

__all__ = [
    "Expectations",
    "LinearChainCRF",
    "Posterior",
    "Potentials",
    "best_tags",
    "cross_entropy",
    "entropy",
    "expectations",
    "k_best_tags",
    "log_likelihood",
    "log_partition",
    "minimum_risk_tags",
]
