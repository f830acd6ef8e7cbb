# Two commands do everything: `make run` shows a living map, `make test` proves that it holds.

PANTAU_LISTEN ?= 127.0.0.1:8080
PANTAU_DATA ?= var
PANTAU_CITY ?= geodata/ternate
ROUNDS ?= 200
SEEDS ?= 1000
SEED ?= 1
export PANTAU_LISTEN PANTAU_DATA PANTAU_CITY

BIN := target/release/pantau

.PHONY: run build pages test check fmt bench wall-speed crash crash-postgres sim edges deb clean

run: build ## Build, start on the embedded store with a drill, print the addresses. Ctrl-C stops it
	@scripts/run

build: pages ## Pages and server: some ten minutes the first time on two cores. FEATURES=oidc builds single sign-on in
	cargo build --release $(if $(FEATURES),--features $(FEATURES))

pages: web/dist/wall.html

web/node_modules: web/package-lock.json
	npm --prefix web ci --no-audit --no-fund
	@touch $@

web/dist/wall.html: web/node_modules $(shell find web/src web/public web/*.html web/*.ts web/package.json -type f 2>/dev/null)
	npm --prefix web run build

test: ## Everything: Rust, TypeScript, browser. Installs what is missing
	@scripts/test

check: ## Formats, lints and types, without running anything
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	npm --prefix web run check

fmt:
	cargo fmt

bench: pages ## Figures beside those of the peers. QUICK=1 takes under ten minutes and writes nothing, ONLY=row runs one row
	@QUICK="$(QUICK)" ONLY="$(ONLY)" scripts/bench

wall-speed: build ## The wall in Chromium with INCIDENTS (100000) while CHANGES (50) a second come in for MINUTES (3): first picture, frames, heap
	npm --prefix web run speed

crash: ## kill -9 under load, ROUNDS times, then as many power cuts; ends with the count of what was lost. SEED=n plays a run again
	cargo run --example crash -- --rounds $(ROUNDS) --seed $(SEED)

crash-postgres: ## kill -9 of PostgreSQL, of the server and of both under load, ROUNDS times, then as many power cuts of the database's disk; ends with the count of what was lost
	PANTAU_CRASH_POSTGRES_ROUNDS=$(ROUNDS) PANTAU_CRASH_SEED=$(SEED) cargo test --test it crash_postgres -- --nocapture

sim: ## The whole center in one thread under a seeded clock, network and disk, SEEDS runs from SEED on; ends with the count of what was lost
	cargo run --example sim -- --seeds $(SEEDS) --seed $(SEED)

edges: ## Ten edges behind one origin in network namespaces, every line between them broken ROUNDS times; needs root, nats-server, nft
	cargo run --example edges -- --rounds $(ROUNDS)

deb: pages ## target/pantau_VERSION_ARCH.deb: program, city packs, service, settings. Takes twice as long to build as make run, and runs faster
	cargo build --profile dist $(if $(FEATURES),--features $(FEATURES))
	@scripts/deb

clean:
	rm -rf target web/dist web/node_modules
