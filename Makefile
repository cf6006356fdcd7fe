SHELL := /bin/bash
PYTHON ?= python3
PY := .venv/bin/python
RUN := env -u PYTHONDONTWRITEBYTECODE PYTHONPATH=$(CURDIR) $(PY)
STACK := $(RUN) -m infra.local.stack
.DEFAULT_GOAL := help
.PHONY: help setup up down status logs restart env token backup restore import-audio erase revoke service-key demo test faults faults-publish faults-serving check docs bench-serving bench-ingest bench-quality bench-training bench-nightly compare tune evaluate rollback retrain verify-lake reprocess lock sbom clean screenshots secrets metrics

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: Python packages, jars, the MinIO server
	@env -u PYTHONDONTWRITEBYTECODE $(PYTHON) infra/local/install.py

up: setup ## Start the local stack and wait until every part is healthy
	@$(STACK) up

metrics: ## Run Prometheus on the running stack, until `make down`
	@env -u PYTHONDONTWRITEBYTECODE $(PYTHON) infra/local/install.py --metrics
	@$(RUN) -m infra.local.metrics

down: ## Stop the local stack; its data stays
	@if [ -x $(PY) ]; then $(STACK) down; fi

status: ## Show every part; exits 0 only when all are healthy
	@$(STACK) status

logs: ## Follow the logs; PART=stream for one program
	@$(STACK) logs $(PART)

restart: ## Restart one part of the running stack; PART=stream
	@$(STACK) restart $(PART)

env: ## Print the local stack's settings, credentials included, as export lines
	@$(STACK) env

token: ## Print a listener token of the local stack; USER_ID=<id> or USER=<id>
	@$(STACK) token "$(or $(USER_ID),$(if $(filter command,$(firstword $(origin USER))),$(USER)))"

revoke: ## Let every token of a listener be good no more: SUBJECT=<id>, or one token: TOKEN=<token>
	@$(STACK) job revoke_tokens $(if $(TOKEN),--token "$(TOKEN)",--subject "$(SUBJECT)")

service-key: ## Print a key for a program: NAME=<who> SCOPES="metrics" [DAYS=365]
	@$(STACK) job service_key "$(NAME)" $(or $(SCOPES),metrics) --days $(or $(DAYS),365)

verify-lake: ## Prove that the lake has every Kafka offset once
	@$(STACK) job verify_lake

reprocess: ## Read quarantined messages again, after a fix; OPTIONS="--reason unknown_action"
	@$(STACK) job reprocess_quarantine $(OPTIONS)

erase: ## Erase a listener, every trace; USER_ID=<id> or USER=<id>
	@$(STACK) job erase --user \
		"$(or $(USER_ID),$(if $(filter command,$(firstword $(origin USER))),$(USER)))"

backup: ## Back up what cannot be made again: TO=<folder of backups> [KEEP=n], the newest n stay
	@$(STACK) job backup $(if $(TO),--to "$(TO)") $(if $(KEEP),--keep $(KEEP))

restore: ## Restore a backup: FROM=backups/<time> [OPTIONS=--replace]
	@$(STACK) job restore $(if $(FROM),"$(FROM)") $(OPTIONS)

import-audio: ## Take a folder of your own music in: DIR=<folder> [OPTIONS="--ids filename"]
	@$(STACK) job import_audio --dir "$(DIR)" $(OPTIONS)

demo: setup ## Run the whole path; LOG=.. FORMAT=.. AS_OF=.. [CATALOGUE=..] [OPTIONS=..] for your own log
	@$(RUN) -m infra.local.demo $(if $(LOG),--log "$(LOG)") $(if $(FORMAT),--format "$(FORMAT)") \
		$(if $(CATALOGUE),--catalogue "$(CATALOGUE)") $(if $(AS_OF),--as-of "$(AS_OF)") \
		$(if $(OPTIONS),--options="$(OPTIONS)")

# The unit tests take what the stack leaves of the processors, which is a third.
define ALL_TESTS
said=$$(mktemp); trap 'kill $$unit 2>/dev/null; rm -f $$said' EXIT; \
echo "test: the unit tests run beside the others, and are shown after them"; \
nice -n 10 $(RUN) -m pytest -p no:cacheprovider tests/unit >$$said 2>&1 & unit=$$!; \
$(RUN) -m pytest tests/browser tests/integration; stack=$$?; \
wait $$unit; beside=$$?; cat $$said; exit $$((stack | beside))
endef

test: ## Run the static checks and every test, on a stack of their own
	@env -u PYTHONDONTWRITEBYTECODE $(PYTHON) infra/local/install.py --checks --browser --metrics
	@$(MAKE) --no-print-directory check
	@$(if $(TESTS),$(RUN) -m pytest $(TESTS),$(ALL_TESTS))

faults: setup ## Break the ingestion in fourteen ways, on a stack of its own; ONLY=1,6 for some
	@$(RUN) -m tests.faults $(if $(ONLY),--only $(ONLY))

faults-publish: setup ## Break the publication of generations, on a stack of its own; ONLY=1,6 for some
	@$(RUN) -m tests.publishing $(if $(ONLY),--only $(ONLY))

faults-serving: setup ## Take stores away from the app under load, on a stack of its own; ONLY=1,6 for some
	@$(RUN) -m tests.away $(if $(ONLY),--only $(ONLY))

check: ## Run everything static: ruff, strict mypy, TypeScript and Biome, import rules, compose, docs, known vulnerabilities
	@env -u PYTHONDONTWRITEBYTECODE $(PYTHON) infra/local/install.py --python-only --checks
	@echo "check: ruff"; $(RUN) -m ruff check . && $(RUN) -m ruff format --check .
	@echo "check: mypy"; $(RUN) -m mypy
	@echo "check: JavaScript"; $(RUN) -m infra.local.javascript
	@echo "check: layout, compose, docs, dashboard"; $(RUN) -m pytest -q -p no:cacheprovider \
		tests/unit/test_layout.py tests/unit/test_compose.py tests/unit/test_docs.py tests/unit/test_dashboard.py
	@echo "check: advisories"; $(RUN) -m infra.local.advisories
	@echo "check: examples in docstrings"; $(RUN) -m pytest -q -p no:cacheprovider --doctest-modules \
		jobs/contract jobs/index jobs/songs jobs/training serving/recommend plugins/watching.py plugins/alerting.py
	@echo "check: links of the documentation"; $(RUN) -m infra.site.build --check

docs: ## Make the documentation site in site/, to be read without a network
	@env -u PYTHONDONTWRITEBYTECODE $(PYTHON) infra/local/install.py --python-only
	@$(RUN) -m infra.site.build

screenshots: ## Take pictures of every screen of the running player; LISTENER=<id>
	@$(if $(LISTENER),LISTENER="$(LISTENER)") $(RUN) -m infra.local.screenshots

bench-serving: ## Measure the app beside a plain Milvus search, on the running stack's servers; SOAK=10 for ten minutes more, WORKERS=1 for kinds of workers, KEEP=1 to leave its data
	@$(RUN) -m infra.local.bench_serving $(if $(SOAK),--soak $(SOAK)) $(if $(WORKERS),--workers) $(if $(KEEP),--keep)

bench-ingest: ## Measure the stream beside a plain consumer of the same topic; MINUTES=10
	@$(RUN) -m infra.local.bench_ingest $(if $(MINUTES),--minutes $(MINUTES))

evaluate: setup ## Train and measure on your own split: TRAIN=a.csv TEST=b.csv [RANK=] [REG=] [ALPHA=]
	@$(RUN) -m infra.local.alone evaluate_split --train "$(TRAIN)" --test "$(TEST)" $(if $(SEEN),--seen "$(SEEN)") \
		$(if $(RANK),--rank $(RANK)) $(if $(REG),--reg $(REG)) $(if $(ALPHA),--alpha $(ALPHA))

bench-quality: setup ## Measure the shipped training on HetRec and 30Music: DATA=<folder that holds both>
	@$(RUN) -m infra.local.bench_quality --data "$(or $(DATA),../shared/data)"

bench-training: setup ## Time MLlib, exact and implicit on the same pairs; PAIRS="2 10 30" millions more, ROUNDS=3; CHAIN=14 for nights in a row instead
	@$(RUN) -m infra.local.$(if $(CHAIN),bench_chain --nights $(CHAIN),bench_training \
		$(if $(PAIRS),--pairs $(PAIRS)) $(if $(ROUNDS),--rounds $(ROUNDS))) --data "$(or $(DATA),../shared/data)"

bench-nightly: setup ## Time a whole night on the running stack, and how it grows with ten times the events
	@$(RUN) -m infra.local.bench_nightly $(if $(DATA),--data "$(DATA)")

tune: ## Search for better parameters of ALS; TRIALS=20
	@$(STACK) job tune_als $(if $(TRIALS),--trials $(TRIALS)) $(if $(AS_OF),--as-of "$(AS_OF)")

compare: ## Show two generations' lists side by side; A=<generation> B=<generation> [LISTENERS=20] [SEED=0]
	@$(STACK) job compare --out reports $(if $(A),--a "$(A)") $(if $(B),--b "$(B)") \
		$(if $(LISTENERS),--listeners $(LISTENERS)) $(if $(SEED),--seed $(SEED))

rollback: ## Make an earlier generation live again; TO=<generation> REASON="..."
	@$(STACK) job rollback $(if $(TO),--to "$(TO)") $(if $(REASON),--reason "$(REASON)")

retrain: ## Train a generation again from its manifest; GENERATION=<id>
	@$(STACK) job train_als --like "$(GENERATION)"

secrets: setup ## Make infra/.env for compose, every secret in it new
	@$(RUN) -m infra.local.env_file

lock: ## Resolve the locks anew from pyproject.toml
	@for part in dev spark airflow serving supply; do \
		.venv/bin/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate \
		$$( [ $$part = dev ] || echo -c infra/requirements/dev.txt ) \
		--extra $$( [ $$part = spark ] && echo jobs || echo $$part ) \
		pyproject.toml -o infra/requirements/$$part.txt; done

sbom: setup ## Write what the images are made of into reports/sbom, as CycloneDX
	@$(RUN) -m infra.local.sbom

clean: down ## Stop the local stack and delete its data
	rm -rf .nocturne
