# `make help` lists the targets. STACK chooses the stack: dev (default) or staging.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
STACK ?= dev
ENV := . ./activate

.PHONY: help setup engine images cluster cluster-down up down preview env check unit integration test bench fmt production

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

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

integration: setup ## Tests on a real Docker engine
	@$(ENV) && pytest tests/integration

production: setup cluster ## Tests on a real Kubernetes cluster of three nodes
	@$(ENV) && pytest tests/cluster

test: check unit integration production ## All checks and tests

bench: setup ## Compare with docker compose and a bare admin client; writes bench/RESULTS.md
	@$(ENV) && python -m bench
