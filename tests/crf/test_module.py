"""`LinearChainCRF` as a drop-in for `torchcrf.CRF`, which is the oracle."""

import pytest
import torch
from torchcrf import CRF

from spacy_crf_ner.crf import LinearChainCRF
from spacy_crf_ner.tags import TagSet

# torchcrf's Viterbi: its mask is uint8.
pytestmark = [
    pytest.mark.filterwarnings("ignore:where received a uint8 condition:UserWarning"),
    # torch.compile hides it from users, but not where warnings are errors.
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
]


def make_batch(n_tags, batch=8, length=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    emissions = torch.randn(batch, length, n_tags, generator=generator)
    tags = torch.randint(n_tags, (batch, length), generator=generator)
    lengths = torch.randint(1, length + 1, (batch,), generator=generator)
    return emissions, tags, torch.arange(length) < lengths[:, None]


def both(n_tags, batch_first):
    torch.manual_seed(0)
    theirs = CRF(n_tags, batch_first=batch_first)
    ours = LinearChainCRF(n_tags, batch_first=batch_first)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("n_tags", [1, 4, 17])
def test_same_values_and_gradients_as_pytorch_crf(n_tags, masked, batch_first):
    ours, theirs = both(n_tags, batch_first)
    emissions, tags, mask = make_batch(n_tags)
    if not batch_first:
        emissions, tags, mask = (x.transpose(0, 1) for x in (emissions, tags, mask))
    mask = mask if masked else None
    for reduction in ("none", "sum", "mean", "token_mean"):
        expected = theirs(emissions, tags, mask, reduction)
        assert torch.allclose(ours(emissions, tags, mask, reduction), expected, 1e-5, 1e-5)
    assert ours.decode(emissions, mask) == theirs.decode(emissions, mask)
    gradients = []
    for crf in (ours, theirs):
        scores = emissions.clone().requires_grad_()
        crf(scores, tags, mask).backward()
        gradients.append([scores.grad, *(p.grad for p in crf.parameters())])
    for mine, reference in zip(*gradients):
        assert torch.allclose(mine, reference, atol=1e-4)


def test_batch_first_is_the_default():
    assert LinearChainCRF(3).batch_first


def test_state_dicts_are_interchangeable():
    ours, theirs = both(5, True)
    legal = TagSet(("A",))
    masks = [torch.from_numpy(m) for m in (legal.legal_starts, legal.legal_transitions)]
    constrained = LinearChainCRF(5, legal=(*masks, torch.from_numpy(legal.legal_ends)))
    constrained.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(constrained.state_dict())
    assert list(ours.state_dict()) == list(constrained.state_dict())


def test_legal_decoding_and_impossible_gold():
    tag_set = TagSet(("A",), "BIOES")
    legal = tuple(
        torch.from_numpy(m)
        for m in (tag_set.legal_starts, tag_set.legal_transitions, tag_set.legal_ends)
    )
    crf = LinearChainCRF(len(tag_set), legal=legal)
    emissions, _, mask = make_batch(len(tag_set), batch=50)
    for tags in crf.decode(emissions, mask):
        tag_set.to_spans(tags)  # raises if the tag sequence is not legal
    illegal = torch.full(mask.shape, tag_set.ids["I-A"])
    assert crf(emissions, illegal, mask) < -1e29


def test_empty_batch():
    crf = LinearChainCRF(3)
    emissions, tags = torch.zeros(0, 4, 3), torch.zeros(0, 4, dtype=torch.long)
    assert crf(emissions, tags).item() == 0
    assert crf(emissions, tags, reduction="none").shape == (0,)
    assert crf.decode(emissions) == []


def test_bad_input_is_refused():
    crf = LinearChainCRF(3)
    emissions, tags, mask = make_batch(3)
    first_off = mask.clone()
    first_off[0, 0] = False
    with pytest.raises(ValueError, match="first timestep must all be on"):
        crf(emissions, tags, first_off)
    hole = torch.ones_like(mask)
    hole[0, 3] = False
    with pytest.raises(ValueError, match="on after one that is off"):
        crf.decode(emissions, hole)
    with pytest.raises(ValueError, match="invalid reduction"):
        crf(emissions, tags, reduction="max")
    with pytest.raises(ValueError, match="last dimension"):
        crf.decode(emissions[..., :2])
    with pytest.raises(ValueError, match="invalid number of tags"):
        LinearChainCRF(0)
    ones = torch.ones(3).bool()
    with pytest.raises(ValueError, match=r"legal transitions: expected shape \(3, 3\)"):
        LinearChainCRF(3, legal=(ones, ones, ones))


class Tagger(torch.nn.Module):
    """A network that computes emissions, and a CRF on top."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.output = torch.nn.Linear(6, 4)
        self.crf = LinearChainCRF(4)

    def forward(self, vectors, tags, mask):
        return -self.crf(self.output(vectors), tags, mask, reduction="mean")

    def decode(self, vectors, mask):
        return self.crf.decode(self.output(vectors), mask)


def make_input(seed):
    _, tags, mask = make_batch(4, seed=seed)
    return torch.randn(*tags.shape, 6), tags, mask


def loss_and_gradients(model, tagger, batch):
    tagger.zero_grad()
    loss = model(*batch)
    loss.backward()
    return [loss.detach(), *(p.grad.clone() for p in tagger.parameters())]


@pytest.fixture
def graphs():
    """A list of the graphs that were compiled, and a backend that adds to it and runs them as they
    are."""
    torch.compiler.reset()
    found = []

    def backend(graph, inputs):
        found.append(graph)
        return graph

    yield found, backend
    torch.compiler.reset()


@pytest.mark.slow
def test_compiled_training_equals_eager(graphs):
    found, backend = graphs
    tagger = Tagger()
    compiled = torch.compile(tagger, backend=backend)
    for seed in range(12):
        batch = make_input(seed)
        expected = loss_and_gradients(tagger, tagger, batch)
        for mine, reference in zip(loss_and_gradients(compiled, tagger, batch), expected):
            assert torch.allclose(mine, reference, atol=1e-6)
    # The linear layer before the CRF and the minus after it, each compiled once.
    assert len(found) == 2


@pytest.mark.slow
def test_compiled_decoding_equals_eager(graphs):
    found, backend = graphs
    tagger = Tagger()
    decode = torch.compile(tagger.decode, backend=backend)
    for seed in range(12):
        vectors, _, mask = make_input(seed)
        assert decode(vectors, mask) == tagger.decode(vectors, mask)
    assert len(found) == 1


@pytest.mark.slow
def test_compiled_with_aot_autograd_equals_eager():
    torch.compiler.reset()
    tagger, batch = Tagger(), make_input(0)
    compiled = torch.compile(tagger, backend="aot_eager")
    for mine, reference in zip(
        loss_and_gradients(compiled, tagger, batch), loss_and_gradients(tagger, tagger, batch)
    ):
        assert torch.allclose(mine, reference, atol=1e-6)


@pytest.mark.slow
def test_bad_input_is_refused_when_compiled(graphs):
    tagger = Tagger()
    vectors, tags, mask = make_input(0)
    with pytest.raises(ValueError, match="first timestep must all be on"):
        torch.compile(tagger, backend=graphs[1])(vectors, tags, torch.zeros_like(mask))


def test_the_whole_module_cannot_be_exported():
    tagger = Tagger()
    with pytest.raises(RuntimeError, match="Export the network that computes the emissions"):
        torch.export.export(tagger, make_input(0), strict=False)


def test_the_network_is_exported_and_the_crf_run_on_its_output(tmp_path):
    tagger = Tagger()
    vectors, _, mask = make_input(0)
    torch.export.save(torch.export.export(tagger.output, (vectors,)), tmp_path / "network.pt2")
    emissions = torch.export.load(tmp_path / "network.pt2").module()(vectors)
    assert tagger.crf.decode(emissions, mask) == tagger.decode(vectors, mask)
