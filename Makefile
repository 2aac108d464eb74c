# `make help` lists the targets. STACK chooses the stack: dev (default) or staging.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
STACK ?= dev
ENV := . ./activate

.PHONY: help setup engine images cluster cluster-down up down preview preview-prod preview-prod-json env check unit timing integration test bench fmt production policy

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## Install or build what this machine lacks
	@python3 -m offline setup

engine: ## Make sure that a Docker engine runs
	@python3 -m offline engine

images: engine ## Build the local images
	@python3 -m offline images

cluster: setup ## Make sure that a Kubernetes cluster for tests runs
	@python3 -m offline cluster

cluster-down: ## Remove that cluster
	@python3 -m offline cluster-down

up: setup ## Bring the platform up, or bring it in line with the stack file
	@$(ENV) && pulumi stack select --create $(STACK) && pulumi up --stack $(STACK) --yes --skip-preview --refresh

preview: setup ## Show what `up` would change
	@$(ENV) && pulumi stack select --create $(STACK) && pulumi preview --stack $(STACK) --diff

preview-prod: setup ## Show what production would get; takes no cluster
	@$(ENV) && pulumi preview --stack prod

preview-prod-json: ## The same as the CLI's JSON, alone on standard output
	@python3 -m offline setup >&2
	@$(ENV) && pulumi preview --stack prod --json

down: setup ## Remove the platform, its data too
	@$(ENV) && pulumi destroy --stack $(STACK) --yes

env: ## Print the stack's client environment as a .env file
	@$(ENV) && pulumi stack output --stack $(STACK) dotenv --show-secrets

fmt: setup ## Format the code
	@$(ENV) && ruff format . && ruff check --fix .

check: setup ## Lint, types, import contracts
	@$(ENV) && ruff format --check . && ruff check . && pyright && lint-imports

unit: setup ## Tests that need no Docker engine
	@$(ENV) && pytest tests/unit -n 2

timing: setup images ## Tests that measure seconds: nothing else should run beside them
	@$(ENV) && pytest tests/integration -m timing

integration: setup ## Tests on a real Docker engine
	@$(ENV) && pytest tests/integration -m "not timing"

policy: setup images ## Judge all stacks, or STACK, by the policy pack: their previews, and what is up
	@$(ENV) && for stack in $(if $(filter file,$(origin STACK)),dev staging prod,$(STACK)); do \
		pulumi preview --stack $$stack --policy-pack policies && \
		pulumi policy analyze --stack $$stack --policy-pack policies || exit 1; \
	done

production: setup cluster ## Tests on a real Kubernetes cluster of three nodes
	@$(ENV) && pytest tests/cluster

# What the last two need is built before they start: they wait for servers most of the time, and share the machine well,
# but not with a compiler.
test: check unit policy timing cluster ## All checks and tests
	@echo "==> integration and production side by side; each prints when it has ended, after some 25 minutes"
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=line integration production

bench: setup cluster ## Compare with docker compose, kubectl and a bare admin client; renews bench/RESULTS.md
	@$(ENV) && python -m bench
