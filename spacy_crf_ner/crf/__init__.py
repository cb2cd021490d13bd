"""The linear-chain conditional random field (Lafferty et al. 2001), in torch.

`Potentials` hold the scores of a batch, `inference` the recursions over them, and
`LinearChainCRF` is the `nn.Module` with the interface of pytorch-crf.
"""

from .distillation import Expectations, cross_entropy, expectations
from .inference import best_tags, log_likelihood, log_partition, path_scores
from .module import LinearChainCRF
from .posterior import Posterior, k_best_tags, minimum_risk_tags
from .potentials import Potentials

__all__ = [
    "Expectations",
    "LinearChainCRF",
    "Posterior",
    "Potentials",
    "best_tags",
    "cross_entropy",
    "expectations",
    "k_best_tags",
    "log_likelihood",
    "log_partition",
    "minimum_risk_tags",
    "path_scores",
]
