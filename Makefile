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
# Training steps: few for the embedded corpus and to fine-tune an encoder, many for the largest corpus.
STEPS ?= $(strip $(if $(filter demo,$(CORPUS)),400,$(if $(filter transformer%,$(CONFIG)),2500,\
	$(if $(filter cluener,$(CORPUS)),8000,5000))))
SEED ?= 0
# bfloat16 trains faster on CPUs with AMX and on GPUs.
PRECISION ?= float32
GPU ?= -1
LANGUAGE ?= $(if $(filter conll2003,$(CORPUS)),en,zh)
# Texts to tag in the end, one a line.
SAMPLE ?= assets/sample.$(LANGUAGE).txt
NAME ?= crf_ner
VERSION ?= 0.1.0

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PACKAGE := $(LANGUAGE)_$(NAME)
WHEEL := packages/$(PACKAGE)-$(VERSION)/dist/$(PACKAGE)-$(VERSION)-py3-none-any.whl
VECTORS_FOLDER := $(if $(VECTORS),vectors/$(basename $(notdir $(VECTORS))))
VARS := --vars.corpus $(CORPUS) --vars.corpora $(CORPORA) --vars.unit $(UNIT) --vars.config $(CONFIG) \
	--vars.max_steps $(STEPS) --vars.seed $(SEED) --vars.gpu_id $(GPU) --vars.lang $(LANGUAGE) \
	--vars.name $(NAME) --vars.version $(VERSION) --vars.vectors $(or $(VECTORS_FOLDER),null) \
	--vars.encoder $(ENCODER) --vars.precision $(PRECISION)

.PHONY: env run test test-slow clean

env: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e ".[dev]"
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

run: env $(CORPORA)/$(CORPUS) $(VECTORS_FOLDER)
	$(BIN)/python -m spacy project run all . $(VARS)
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall $(WHEEL)
	$(BIN)/python -m spacy crf annotate $(PACKAGE) $(SAMPLE)

test: env
	$(BIN)/ruff check spacy_crf_ner tests assets
	$(BIN)/python -m pytest -q -m "not slow"

test-slow: env
	$(BIN)/python -m pytest -q -m slow

clean:
	rm -rf corpus vectors training metrics packages project.lock
