# daen's four commands. Each does its own set-up and says first what it will install.

# rustup's folder, and sbin, where Debian keeps mosquitto: neither is in every user's PATH.
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/local/sbin:/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help run test acceptance

help: ## what there is
	@grep -hE '^[a-z]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 14

run: ## build daen and show it at work: hub, four nodes, a stretch of border, an SMS blaster (ARGS="--help" for options)
	@scripts/setup run
	cargo build --release --locked
	@cargo run --release --locked --quiet -- demo $(ARGS)

test: ## run every test that must pass before a change lands
	@scripts/setup test
	@scripts/test

acceptance: ## run the long tables (sensitivity, kill rounds) and keep their results in tests/data/acceptance
	@scripts/setup test
	@scripts/acceptance
