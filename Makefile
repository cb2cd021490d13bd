# Two commands: `make run` and `make test`. Both need only Python 3.10+ and make.

PYTHON ?= python3
CORPUS ?= demo
# The folder that has $(CORPUS); assets are downloaded there if they are published.
CORPORA ?= assets
# documents: all sentences between -DOCSTART- lines, where the corpus has them, are one document.
UNIT ?= sentences
# Characters or words are the tokens, see configs/.
CONFIG ?= $(if $(filter zh,$(LANGUAGE)),bilstm,bilstm_words)
# A word2vec text file, if there is one.
VECTORS ?=
# What the configs with a transformer fine-tune: a name on the hub, or a folder.
ENCODER ?= $(if $(filter zh,$(LANGUAGE)),bert-base-chinese,bert-base-cased)
GPU ?= -1
# The batches that suit a CPU leave a GPU idle. There, but for the embedded corpus, they are larger, the
# steps half as many, and the learning rate is higher by the square root (docs/gpu.md).
sized = $(if $(and $(filter-out -1,$(GPU)),$(filter-out demo,$(CORPUS))),$(2),$(1))
# Training steps: few for the embedded corpus and to fine-tune an encoder, many for the largest corpus.
STEPS ?= $(strip $(if $(filter demo,$(CORPUS)),400,$(if $(filter transformer%,$(CONFIG)),\
	$(call sized,2500,1250),$(if $(filter cluener,$(CORPUS)),$(call sized,8000,4000),\
	$(call sized,5000,2500)))))
BATCH = $(if $(filter transformer,$(CONFIG)),4000,3000)
RATE = $(if $(filter transformer%,$(CONFIG)),0.00007,0.002)
# `spacy train` reads it; the project tool says that it does not itself.
OVERRIDES = $(call sized,,SPACY_CONFIG_OVERRIDES="--training.batcher.size $(BATCH) \
	--training.optimizer.learn_rate.initial_rate $(RATE)")
SEED ?= 0
# bfloat16 trains faster on CPUs with AMX and on GPUs with a new cuDNN; see the configs.
PRECISION ?= float32
LANGUAGE ?= $(if $(filter conll2003,$(CORPUS)),en,zh)
# Texts to tag in the end, one a line.
SAMPLE ?= assets/sample.$(LANGUAGE).txt
NAME ?= crf_ner
VERSION ?= 0.1.0

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_GPU := $(VENV)/.installed-gpu
INSTALLED_DOCS := $(VENV)/.installed-docs
PACKAGE := $(LANGUAGE)_$(NAME)
WHEEL := packages/$(PACKAGE)-$(VERSION)/dist/$(PACKAGE)-$(VERSION)-py3-none-any.whl
VECTORS_FOLDER := $(if $(VECTORS),vectors/$(basename $(notdir $(VECTORS))))
VARS := --vars.corpus $(CORPUS) --vars.corpora $(CORPORA) --vars.unit $(UNIT) --vars.config $(CONFIG) \
	--vars.max_steps $(STEPS) --vars.seed $(SEED) --vars.gpu_id $(GPU) --vars.lang $(LANGUAGE) \
	--vars.name $(NAME) --vars.version $(VERSION) --vars.vectors $(or $(VECTORS_FOLDER),null) \
	--vars.encoder $(ENCODER) --vars.precision $(PRECISION)

.PHONY: env run doctor test test-slow docs clean

env: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e ".[dev]"
	touch $@

$(INSTALLED_GPU): $(INSTALLED)
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e ".[gpu]"
	touch $@

$(INSTALLED_DOCS): $(INSTALLED)
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e ".[docs]"
	touch $@

# The embedded corpus is part of the repository, these come from their publishers.
assets/badou assets/chisiec assets/cluener assets/conll2003: | env
	$(BIN)/python -m spacy project assets --extra

ifdef VECTORS
$(VECTORS_FOLDER): $(VECTORS) | env
	mkdir -p $(@D)
	$(BIN)/python -m spacy init vectors $(LANGUAGE) $< $@
	touch $@
endif

run: env $(if $(filter-out -1,$(GPU)),doctor) $(CORPORA)/$(CORPUS) $(VECTORS_FOLDER)
	$(OVERRIDES) $(BIN)/python -m spacy project run all . $(VARS)
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall $(WHEEL)
	$(BIN)/python -m spacy crf annotate $(PACKAGE) $(SAMPLE)

# Whether the GPU can be used, and what to do if not.
doctor: $(INSTALLED_GPU)
	$(BIN)/python -m spacy crf doctor --gpu-id $(GPU)

test: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy spacy_crf_ner benchmarks
	$(BIN)/python -m pytest -q -m "not slow"

test-slow: env
	$(BIN)/python -m pytest -q -m slow

# The documentation, to site/. A warning is an error.
docs: $(INSTALLED_DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf corpus vectors training metrics packages project.lock site
