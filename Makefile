# Proconsul's everyday commands. Each installs what it misses first (as root through apt-get;
# otherwise it says the line to type).

CARGO ?= cargo
# `make test` runs with cargo-nextest where it is installed, and with cargo's own runner where not.
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)
FRESH := $(CURDIR)/target/fresh-plugins

.PHONY: help demo test bench plugins check-style build-deps plugin-deps test-deps bench-deps

help:
	@echo 'make demo     three backends, a proxy, and a file to edit'
	@echo 'make test     rebuild the plugins from source, then run every test on the fresh ones'
	@echo 'make bench    measure, print one table, write it to benches/RESULTS.md'
	@echo 'make plugins  rebuild the components in plugins/dist'

demo: build-deps
	$(CARGO) run --bin proconsul -- demo

test: build-deps plugin-deps test-deps
	$(CARGO) run --bin proconsul -- plugin build --all plugins --out $(FRESH)
ifeq ($(NEXTEST),yes)
	PROCONSUL_PLUGIN_DIR=$(FRESH) $(CARGO) nextest run --workspace
else
	PROCONSUL_PLUGIN_DIR=$(FRESH) $(CARGO) test --workspace
endif
	scripts/try-api $${CARGO_TARGET_DIR:-target}/debug/proconsul target/schemathesis

bench: build-deps bench-deps
	$(CARGO) bench --bench table

plugins: build-deps plugin-deps
	$(CARGO) run --bin proconsul -- plugin build --all plugins --out plugins/dist --manifest
	$(CARGO) run --bin proconsul -- plugin build examples/own-strategy --manifest

check-style: build-deps
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

build-deps:
	@scripts/need cc:gcc cmake:cmake

# The proxy carries its plugins' components; only making them anew takes a compiler for WebAssembly.
plugin-deps:
	@scripts/need-wasm-target

test-deps:
	@scripts/need curl:curl h2load:nghttp2-client openssl:openssl promtool:prometheus prometheus:prometheus redis-server:redis-server setpriv:util-linux \
		prometheus-alertmanager:prometheus-alertmanager aiosmtpd:python3-aiosmtpd python3:python3
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || scripts/need initdb:postgresql

bench-deps:
	@scripts/need curl:curl h2load:nghttp2-client nginx:nginx-light haproxy:haproxy \
		valgrind:valgrind
