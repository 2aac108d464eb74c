# `make help` lists the targets. STACK chooses the stack: dev (default) or staging.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
STACK ?= dev
ENV := . ./activate

.PHONY: help setup engine images cluster cluster-down up down preview preview-prod preview-prod-json env check unit timing integration test bench fmt production policy crash

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## Install or build what is missing on this machine
	@python3 -m offline setup

engine: ## Start a Docker engine if none runs
	@python3 -m offline engine

images: engine ## Build the local images
	@python3 -m offline images

cluster: setup ## Start the Kubernetes cluster for tests if it does not run
	@python3 -m offline cluster

cluster-down: ## Remove that cluster
	@python3 -m offline cluster-down

up: setup ## Create the platform or update it, after a killed update too; YES=1 does not ask before it destroys
	@$(ENV) && python -m ops --stack $(STACK) up $(if $(YES),--yes)

preview: setup ## Show what `up` would change
	@$(ENV) && pulumi stack select --create $(STACK) && pulumi preview --stack $(STACK) --diff

preview-prod: setup ## Show what production would get; needs no cluster
	@$(ENV) && pulumi preview --stack prod

preview-prod-json: ## The same as JSON, with nothing else on standard output
	@python3 -m offline setup >&2
	@$(ENV) && pulumi preview --stack prod --json

down: setup ## Remove the platform and its data
	@$(ENV) && python -m ops -s $(STACK) heal --if-killed --all --yes && \
		pulumi destroy --stack $(STACK) --yes --refresh

env: ## Print the stack's client environment as a .env file
	@$(ENV) && pulumi stack output --stack $(STACK) dotenv --show-secrets

fmt: setup ## Format the code
	@$(ENV) && ruff format . && ruff check --fix .

check: setup ## Check format, lint, types and import contracts
	@$(ENV) && ruff format --check . && ruff check . && pyright && lint-imports

unit: setup ## Run the tests that need no Docker engine
	@$(ENV) && MILLRACE_FUZZ_CASES=10000 pytest tests/unit tests/transitions -n 2

timing: setup images ## Run the tests that measure time, on a quiet machine
	@$(ENV) && pytest tests/integration -m timing

integration: setup ## Run the tests on a real Docker engine
	@$(ENV) && pytest tests/integration tests/crash -m "docker and not timing"

crash: setup images ## Kill N updates on Docker at random points of SEED, and let each heal
	@$(ENV) && MILLRACE_CRASH_POINTS=$(or $(N),20) MILLRACE_CRASH_SEED=$(or $(SEED),1) pytest tests/crash -m docker

policy: setup images ## Check all stacks, or STACK, with the policy pack: previews and deployed resources
	@$(ENV) && for stack in $(if $(filter file,$(origin STACK)),dev staging prod,$(STACK)); do \
		pulumi preview --stack $$stack --policy-pack policies && \
		pulumi policy analyze --stack $$stack --policy-pack policies || exit 1; \
	done

production: setup cluster ## Run the tests on a real Kubernetes cluster of three nodes
	@$(ENV) && pytest tests/cluster tests/crash -m cluster

# Everything is built before the last two start. They mostly wait for servers, so they can run side by side, but not
# beside a compiler.
test: check unit policy timing cluster ## Run all checks and tests
	@echo "==> integration and production side by side, about 25 minutes; each prints when it has ended"
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=line integration production

bench: setup cluster ## Compare with docker compose, kubectl and a bare admin client; updates bench/RESULTS.md
	@$(ENV) && python -m bench
