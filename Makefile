# Two commands: `make run` and `make test`. Both need only Python 3.10+ and make.
# `make release` builds the pretrained pipelines (docs/pretrained.md).

PYTHON ?= python3
CORPUS ?= demo
# The folder that contains $(CORPUS). The published corpora are downloaded to assets.
CORPORA ?= assets
# For characters or for words as tokens, see configs/.
CONFIG ?= $(if $(filter zh,$(LANGUAGE)),bilstm,bilstm_words)
# A word2vec text file, if there is one.
VECTORS ?=
# For Chinese, such a file of words, if there is one.
WORDS ?=
# For Chinese, a file of words and their classes, if there is one.
GAZETTEER ?=
# The encoder for the configs with a transformer: a name on the hub, or a folder.
ENCODER ?= $(if $(filter zh,$(LANGUAGE)),bert-base-chinese,bert-base-cased)
GPU ?= -1
# Batches that suit a CPU leave a GPU idle. On a GPU, except for the demo corpus, batches are larger, there
# are half as many steps, and the learning rate rises by the square root of the batch size (docs/gpu.md).
sized = $(if $(and $(filter-out -1,$(GPU)),$(filter-out demo,$(CORPUS))),$(2),$(1))
# Training steps: few for the demo corpus and for fine-tuning an encoder; otherwise six passes over the corpus, but
# no more than 5000 steps, as `crf init` chooses.
STEPS_badou := 1500
STEPS_chisiec := 2000
STEPS_conll2003 := 3500
STEPS_ON_CPU = $(if $(filter transformer%,$(CONFIG)),2500,$(or $(STEPS_$(CORPUS)),5000))
STEPS ?= $(if $(filter demo,$(CORPUS)),400,$(call sized,$(STEPS_ON_CPU),$(shell expr $(STEPS_ON_CPU) / 2)))
BATCH = $(if $(filter transformer,$(CONFIG)),4000,3000)
RATE = $(if $(filter transformer%,$(CONFIG)),0.00007,0.002)
# `spacy train` reads this variable. `spacy project` warns that it does not.
OVERRIDES = $(call sized,,SPACY_CONFIG_OVERRIDES="--training.batcher.size $(BATCH) \
	--training.optimizer.learn_rate.initial_rate $(RATE)")
SEED ?= 0
# bfloat16 trains faster on CPUs with AMX and on GPUs with a new cuDNN; see the configs.
PRECISION ?= float32
LANGUAGE ?= $(if $(filter conll2003,$(CORPUS)),en,zh)
# Texts to annotate at the end, one per line.
SAMPLE ?= assets/sample.$(LANGUAGE).txt
NAME ?= crf_ner
VERSION ?= 0.1.0

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_GPU := $(VENV)/.installed-gpu
INSTALLED_DOCS := $(VENV)/.installed-docs
INSTALLED_DEPLOYMENT := $(VENV)/.installed-deployment
PACKAGE := $(LANGUAGE)_$(NAME)
WHEEL := packages/$(PACKAGE)-$(VERSION)/dist/$(PACKAGE)-$(VERSION)-py3-none-any.whl
VECTORS_FOLDER := $(if $(VECTORS),vectors/$(basename $(notdir $(VECTORS))))
VARS := --vars.corpus $(CORPUS) --vars.corpora $(CORPORA) --vars.config $(CONFIG) \
	--vars.max_steps $(STEPS) --vars.seed $(SEED) --vars.gpu_id $(GPU) --vars.lang $(LANGUAGE) \
	--vars.name $(NAME) --vars.version $(VERSION) --vars.vectors $(or $(VECTORS_FOLDER),null) \
	--vars.words $(or $(WORDS),null) --vars.gazetteer $(or $(GAZETTEER),null) \
	--vars.encoder $(ENCODER) --vars.precision $(PRECISION)

# The pretrained pipelines. They are named as spaCy's are: language, kind, data, size. Those without a size are
# what the configs say.
PRETRAINED := zh_crf_ner_cluener zh_crf_ner_cluener_sm zh_crf_ner_chisiec zh_crf_ner_chisiec_sm \
	en_crf_ner_conll en_crf_ner_conll_sm
# Those to build.
MODELS ?= $(PRETRAINED)
zh_crf_ner_cluener zh_crf_ner_cluener_sm: CORPUS = cluener
zh_crf_ner_chisiec zh_crf_ner_chisiec_sm: CORPUS = chisiec
en_crf_ner_conll en_crf_ner_conll_sm: CORPUS = conll2003
# Half the width of the encoder, and no adversarial training.
SMALL := --components.crf_ner.model.tok2vec.encode.width 192 --components.crf_ner.adversarial_epsilon 0

.PHONY: env run release doctor test test-slow test-lowest test-newest test-deployment coverage docs clean $(PRETRAINED)

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

$(INSTALLED_DEPLOYMENT): $(INSTALLED)
	$(BIN)/python -m pip install --progress-bar on -c constraints.txt -e ".[deployment]"
	touch $@

# The demo corpus is part of the repository. These are downloaded from their publishers.
assets/badou assets/chisiec assets/cluener assets/conll2003: | env
	$(BIN)/python -m spacy project assets --extra

ifdef VECTORS
$(VECTORS_FOLDER): $(VECTORS) | env
	mkdir -p $(@D)
	$(BIN)/python -m spacy init vectors $(LANGUAGE) $< $@
	touch $@
endif

# A file that the config has no part for would be ignored.
check_files = $(foreach file,VECTORS WORDS GAZETTEER,$(if $($(file)),$(call check_file,$(file))))
check_file = $(if $(shell grep -iF '$${paths.$(1)}' configs/$(CONFIG).cfg),,$(error \
	configs/$(CONFIG).cfg has no part for $(1). Leave it out, or choose another CONFIG))

run: env $(if $(filter-out -1,$(GPU)),doctor) $(CORPORA)/$(CORPUS) $(VECTORS_FOLDER)
	$(check_files)$(OVERRIDES) $(BIN)/python -m spacy project run all . $(VARS)
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall $(WHEEL)
	$(BIN)/python -m spacy crf annotate $(PACKAGE) $(SAMPLE)

# A wheel of each of the pretrained pipelines. `make release MODELS=zh_crf_ner_chisiec_sm` builds one.
release: $(MODELS)

# The corpus depends on the pipeline, which is known at the second expansion only.
.SECONDEXPANSION:
$(PRETRAINED): env $(if $(filter-out -1,$(GPU)),doctor) $$(CORPORA)/$$(CORPUS) $(VECTORS_FOLDER)
	$(check_files)$(BIN)/python -m spacy crf convert $(CORPORA)/$(CORPUS) corpus/$(CORPUS) --lang $(LANGUAGE)
	$(OVERRIDES) $(BIN)/python -m spacy train configs/$(CONFIG).cfg --output training/$@ \
		--paths.train corpus/$(CORPUS)/train.spacy --paths.dev corpus/$(CORPUS)/dev.spacy \
		--paths.vectors $(or $(VECTORS_FOLDER),null) --paths.words $(or $(WORDS),null) \
		--paths.gazetteer $(or $(GAZETTEER),null) --nlp.lang $(LANGUAGE) \
		--training.max_steps $(STEPS) --system.seed $(SEED) --system.precision $(PRECISION) \
		--gpu-id $(GPU) $(if $(filter %_sm,$@),$(SMALL))
	$(BIN)/python -m spacy crf card training/$@/model-best corpus/$(CORPUS)/test.spacy \
		--about assets/models/$(CORPUS).md --name $(@:$(LANGUAGE)_%=%) --version $(VERSION)
	mkdir -p packages
	$(BIN)/python -m spacy package training/$@/model-best packages --build wheel --force

# Checks whether the GPU can be used, and says what to do if not.
doctor: $(INSTALLED_GPU)
	$(BIN)/python -m spacy crf doctor --gpu-id $(GPU)

test: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy spacy_crf_ner benchmarks
	$(BIN)/python -m pytest -q -m "not slow"

test-slow: env
	$(BIN)/python -m pytest -q -m slow

# The quick tests with the lowest and with the newest releases that pyproject.toml allows, each in a new
# environment. The lowest are pins, so that one which cannot be installed is an error. TORCH_CPU is what
# pip needs to install torch's CPU build, which it does first: see .github/workflows/versions.yml.
test-lowest: PINS = sed -nE 's/^ *"([a-zA-Z0-9_-]+)(\[[a-z]+\])?>=([0-9.]+).*/\1==\3/p' pyproject.toml
test-newest: PINS = true
test-lowest test-newest: FOLDER = $(VENV)-$(@:test-%=%)
test-lowest test-newest: INSTALL = $(FOLDER)/bin/python -m pip install --progress-bar on -c $(FOLDER)/pins.txt
test-lowest test-newest:
	$(PYTHON) -m venv --clear $(FOLDER)
	$(FOLDER)/bin/python -m pip install --quiet --upgrade pip
	$(PINS) > $(FOLDER)/pins.txt
	$(if $(TORCH_CPU),$(INSTALL) $(TORCH_CPU))
	$(INSTALL) -e ".[dev]"
	$(FOLDER)/bin/python -m pytest -q -m "not slow"

# The recipes of docs/deployment.md, and Ray. Spark needs Java 17 or newer.
test-deployment: $(INSTALLED_DEPLOYMENT)
	$(BIN)/python -m pytest -q tests/deployment

# Builds the documentation in site/. Warnings are errors.
docs: $(INSTALLED_DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# All tests, and how much of the package they run.
coverage: env
	$(BIN)/python -m pytest -q --cov

clean:
	rm -rf corpus vectors training metrics packages reports project.lock site
