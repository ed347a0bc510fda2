# Ternmark. `make help` lists the targets, `make info` prints what was probed.
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
SHELL := /bin/bash
ifeq ($(origin CC),default)
CC := $(if $(filter thread,$(SAN)),$(firstword $(shell command -v clang-14 clang)),gcc)
endif
NVCC ?= $(firstword $(shell command -v nvcc) $(wildcard /usr/local/cuda/bin/nvcc))
B ?= build$(if $(SAN),/san-$(SAN))$(if $(COV),/cov)
Q := $(if $(V),,@)
VERSION := 0.1.0
PREFIX  ?= /usr/local
INSTALL := $(DESTDIR)$(PREFIX)
PKGCONFIG ?= lib/pkgconfig

# ---- set-up: an included file, so that make reads itself again after packages were installed (no recursion)
GROUPS := build $(if $(filter test test-full lint coverage fuzz,$(MAKECMDGOALS)),test) $(if $(filter test-full,$(MAKECMDGOALS)),full)
ifneq ($(if $(MAKECMDGOALS),$(filter-out help clean info gpu-check,$(MAKECMDGOALS)),build),)
build/setup.mk: FORCE ; $(Q)ci/setup $@ $(GROUPS)
include build/setup.mk
endif

comma := ,

# ---- probes (answers in `make info`)
try     = $(shell $(CC) -Werror $(1) -x c -c /dev/null -o /dev/null 2>/dev/null && echo '$(1)')
try_ld  = $(shell echo 'int main(void){return 0;}' | $(CC) -Werror $(1) -x c - -o /dev/null 2>/dev/null && echo '$(1)')
cflags  = $(shell pkg-config --cflags $(1) 2>/dev/null)
libs    = $(shell pkg-config --libs $(1) 2>/dev/null)
ARCH     := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
HARDEN   := $(foreach f,-fstrict-flex-arrays=3 -fstack-clash-protection -fstack-protector-strong -fcf-protection=full \
              -mbranch-protection=standard -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing \
              -fzero-init-padding-bits=all -Wtrampolines -Wbidi-chars=any,$(call try,$(f)))
FORTIFY  := $(if $(SAN)$(COV),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(if $(call try,-D_FORTIFY_SOURCE=3 -O2),3,2))
AUTOINIT := $(call try,-ftrivial-auto-var-init=zero)
LDHARDEN := $(foreach f,-Wl$(comma)-z$(comma)noexecstack -Wl$(comma)-z$(comma)relro -Wl$(comma)-z$(comma)now -Wl$(comma)--as-needed,$(call try_ld,$(f)))
NODLOPEN := $(call try_ld,-Wl$(comma)-z$(comma)nodlopen)
OPENMP   := $(call try,-fopenmp)

# ---- flags
# Hardening opt-outs, all of them: no automatic initialisation in the engine (kernels write their buffers whole, and it costs there), no
# _FORTIFY_SOURCE under sanitizers and coverage, nodlopen on the program only (libraries are there to be opened).
WARN     := -Wall -Wextra -Wformat=2 -Wconversion -Wimplicit-fallthrough -Wstrict-prototypes -Werror -Werror=format-security \
            -Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -g)$(if $(COV), --coverage -g)
OPT      := $(if $(COV),-O1,-O2)
COMMON   := -std=gnu11 $(OPT) $(WARN) $(HARDEN) $(FORTIFY) $(SANFLAGS) -ffp-contract=off -fvisibility=hidden -fexceptions \
            -ffile-prefix-map=$(CURDIR)=. -D_GNU_SOURCE -MMD -MP $(if $(DEBUG),-g)
ENGINE_CFLAGS  := $(COMMON) $(if $(EXTRA_WORK),-DTERN_TEST_EXTRA_WORK=$(EXTRA_WORK)) -fPIC $(OPENMP) -Iengine $(call cflags,hwloc)
HARNESS_CFLAGS := $(COMMON) $(AUTOINIT) -fPIE -Iharness -DTERNMARK_VERSION='"$(VERSION)"' \
                  $(call cflags,luajit) $(call cflags,jansson) $(call cflags,nettle) $(call cflags,hwloc) $(call cflags,sqlite3) $(call cflags,libpq) $(call cflags,libseccomp)
RPATH        := -Wl,--disable-new-dtags '-Wl,-rpath,$$ORIGIN/lib'  # the tarball's own libraries, for what they load too
ENGINE_LIBS  := $(OPENMP) $(call libs,hwloc) -lm
HARNESS_LIBS := $(call libs,luajit) $(call libs,jansson) $(call libs,nettle) $(call libs,hwloc) $(call libs,sqlite3) $(call libs,zlib) $(call libs,libseccomp) -lm -ldl -lpthread

# ---- what is built: every .c file of a room, per-backend flags from the table
backends = $(shell sed -n 's/^BACKEND.\([a-z0-9]*\), *\($(1)\), *"\([^"]*\)".*/\1/p' engine/core/backends.def 2>/dev/null)
backend_flags = $(shell sed -n 's/^BACKEND.$(1), *[a-z0-9]*, *"\([^"]*\)".*/\1/p' engine/core/backends.def 2>/dev/null)
MY_ARCH      := $(if $(filter x86_64,$(ARCH)),x86,$(if $(filter aarch64,$(ARCH)),arm,none))
BACKENDS     := $(call backends,any) $(call backends,$(MY_ARCH))
ENGINE_SRC   := $(sort $(wildcard engine/core/*.c engine/memory/*.c engine/format/*.c engine/model/*.c) $(foreach b,$(BACKENDS),$(wildcard engine/simd/$(b).c engine/simd/$(b)_*.c)))
HARNESS_SRC  := $(sort $(wildcard harness/*.c harness/*/*.c))
HARNESS_SRC  := $(filter-out harness/tests/%,$(HARNESS_SRC))
LUA_SRC      := $(sort $(wildcard harness/script/lua/*.lua))
TEMPLATES    := $(sort $(wildcard reports/*.gp reports/*.css reports/*.js))
obj           = $(patsubst %.c,$(B)/%.o,$(1))
ENGINE_OBJ   := $(call obj,$(ENGINE_SRC)) $(B)/gen/face.o
HARNESS_OBJ  := $(call obj,$(HARNESS_SRC)) $(B)/gen/preludes.o $(B)/gen/templates.o
ENGINE_TESTS := $(patsubst %.c,$(B)/%,$(filter-out $(if $(SAN),engine/tests/cuda_emulated_test.c engine/tests/cuda_session_test.c),$(wildcard engine/tests/*_test.c)))  # fibres confuse sanitizers
HARNESS_TESTS:= $(patsubst %.c,$(B)/%,$(wildcard harness/tests/*_test.c))
CUDA_SRC     := $(filter-out engine/cuda/image.c,$(sort $(wildcard engine/cuda/*.c)))
CUDA_OBJ     := $(call obj,$(CUDA_SRC))
CUDA_TARGETS := -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=compute_90 -gencode arch=compute_90a,code=sm_90a
WITH_CUDA    := $(if $(NVCC),$(if $(SAN)$(COV),,yes))
PRODUCTS     := $(B)/libtern.so $(B)/ternmark $(if $(WITH_CUDA),$(B)/libtern_cuda.so)

.PHONY: build artifacts speed gate lab test test-full lint gpu-check dist install coverage fuzz help info clean FORCE
build: $(PRODUCTS) ## the engine (build/libtern.so) and the instrument (build/ternmark)

# What the gate builds of a tree: the CUDA half only where a card could run it.
artifacts: $(B)/libtern.so $(if $(wildcard /dev/nvidiactl),$(if $(WITH_CUDA),$(B)/libtern_cuda.so))

$(B)/libtern.so: $(ENGINE_OBJ) Makefile
	$(Q)$(CC) -shared $(SANFLAGS) $(LDHARDEN) $(RPATH) -Wl,--build-id=none -Wl,-z,nodelete $(if $(SAN),,-Wl,-z,defs) -o $@ $(filter %.o,$^) $(ENGINE_LIBS)
$(B)/ternmark: $(HARNESS_OBJ) Makefile
	$(Q)$(CC) -pie -rdynamic $(SANFLAGS) $(LDHARDEN) $(NODLOPEN) $(RPATH) -Wl,--build-id=none -o $@ $(filter %.o,$^) $(HARNESS_LIBS)

$(foreach b,$(BACKENDS),$(eval $(B)/engine/simd/$(b).o $(patsubst engine/%.c,$(B)/engine/%.o,$(wildcard engine/simd/$(b)_*.c)): ISA := $(call backend_flags,$(b))))
# Decoders and sums in double precision are plain loops, which -O3 vectorises: 2 to 5 times as fast.
$(B)/engine/format/quants.o $(B)/engine/model/steps_exact.o: ISA := $(if $(COV),,-O3)
# The AMX kernels with emulated tiles are a test's second object.
$(B)/engine/tests/amx_emulated.o: ISA := $(call backend_flags,amx)
$(if $(filter x86,$(MY_ARCH)),$(eval $(B)/engine/tests/amx_test: $(B)/engine/tests/amx_emulated.o))
$(B)/engine/%.o: engine/%.c Makefile engine/core/backends.def
	@mkdir -p $(@D)
	$(Q)$(CC) $(ENGINE_CFLAGS) $(ISA) -c $< -o $@
$(B)/harness/%.o: harness/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(HARNESS_CFLAGS) -c $< -o $@
# The kernels of the card, one module for all; the library holds them and reaches the driver by dlopen only.
$(B)/gen/cuda.fatbin: $(wildcard engine/cuda/kernels/*) Makefile
	@mkdir -p $(@D)
	$(Q)$(NVCC) -std=c++17 -O3 -fmad=false -Xcompiler -ffile-prefix-map=$(CURDIR)=. $(CUDA_TARGETS) -fatbin -o $@ engine/cuda/kernels/all.cu
$(B)/engine/cuda/image.o: ISA := -DCUDA_IMAGE='"$(B)/gen/cuda.fatbin"'
$(B)/engine/cuda/image.o: $(B)/gen/cuda.fatbin
$(B)/engine/cuda/types_check.o: ISA := $(addprefix -isystem ,$(wildcard $(dir $(NVCC))../include))
$(B)/libtern_cuda.so: $(CUDA_OBJ) $(B)/engine/cuda/image.o Makefile
	$(Q)$(CC) -shared $(LDHARDEN) -Wl,--build-id=none -Wl,-z,nodelete -Wl,-z,defs -o $@ $(filter %.o,$^) -ldl
$(B)/gen/%.o: $(B)/gen/%.c
	$(Q)$(CC) $(COMMON) -fPIC -Iengine -Iharness -c $< -o $@

# The Lua face of the engine travels inside the library: engine/face.lua over the preprocessed tern.h.
$(B)/gen/face.c: engine/tern.h engine/face.lua ci/embed
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -DTERN_CDEF -x c engine/tern.h > $(B)/gen/tern.cdef
	$(Q)ci/embed face $(B)/gen/tern.cdef engine/face.lua > $@
# The preludes of suites are linked into the program.
$(B)/gen/preludes.c: $(LUA_SRC) ci/embed
	@mkdir -p $(@D)
	$(Q)ci/embed preludes $(LUA_SRC) > $@
# The gnuplot templates and the page's style and script too.
$(B)/gen/templates.c: $(TEMPLATES) ci/embed
	@mkdir -p $(@D)
	$(Q)ci/embed templates $(TEMPLATES) > $@

# Libraries that stand in for a card's and NVML's, and a machine that is stolen from.
STUBS := $(addprefix $(B)/engine/tests/stub_,driver.so nccl.so cublaslt.so) $(addprefix $(B)/harness/tests/,stub_nvml.so stolen_time.so)
$(STUBS): %.so: %.o
	$(Q)$(CC) -shared $(SANFLAGS) -o $@ $<
$(B)/harness/tests/stub_nvml.o $(B)/harness/tests/stolen_time.o: HARNESS_CFLAGS += -fPIC
# The card's host side is tested with a driver of its own that fails on command.
$(B)/engine/tests/cuda_driver_test: $(B)/engine/tests/cuda_driver_test.o $(CUDA_OBJ) $(B)/engine/tests/stub_driver.so $(B)/engine/tests/stub_cublaslt.so
	$(Q)$(CC) $(SANFLAGS) -o $@ $(filter %.o,$^) $(call libs,cmocka) -ldl
$(B)/engine/tests/cuda_memory_test: $(B)/engine/tests/cuda_memory_test.o $(B)/engine/tests/no_image.o $(CUDA_OBJ)
	$(Q)$(CC) $(SANFLAGS) -o $@ $(filter %.o,$^) $(call libs,cmocka) -ldl
# Its kernels are tested on an emulated card: the same sources through the C++ compiler.
$(B)/engine/tests/cuda_emulated.o: engine/tests/cuda_emulated.cpp $(wildcard engine/cuda/kernels/*) $(wildcard engine/tests/cuda_emulated*.h) Makefile
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=c++17 -O2 -fPIC -ffp-contract=off -fno-strict-aliasing -Wall -Wno-unknown-pragmas -Wno-psabi $(SANFLAGS) -Iengine -c $< -o $@
$(B)/engine/tests/cuda_emulated_test: $(B)/engine/tests/cuda_emulated_test.o $(B)/engine/tests/cuda_emulated.o $(B)/engine/cuda/choice.o $(B)/engine/cuda/pack.o $(ENGINE_OBJ)
	$(Q)$(CC) $(SANFLAGS) -o $@ $(filter %.o,$^) $(call libs,cmocka) $(ENGINE_LIBS)
# The whole CUDA library on that card: the stub driver runs what is launched.
$(B)/engine/tests/emulated_driver.so: $(B)/engine/tests/stub_driver.o $(B)/engine/tests/cuda_emulated.o $(B)/engine/format/quants.o $(B)/engine/format/quants_pack.o
	$(Q)$(CC) -shared $(SANFLAGS) -Wl,--gc-sections -o $@ $^ -lm
$(B)/engine/tests/emulated_cuda.so: $(B)/engine/tests/no_image.o $(CUDA_OBJ)
	$(Q)$(CC) -shared $(SANFLAGS) -o $@ $^ -ldl
$(B)/engine/tests/cuda_session_test: $(B)/engine/tests/cuda_session_test.o $(ENGINE_OBJ) $(foreach l,emulated_driver emulated_cuda stub_nccl,$(B)/engine/tests/$(l).so)
	$(Q)$(CC) $(SANFLAGS) -o $@ $(filter %.o,$^) $(call libs,cmocka) $(ENGINE_LIBS)
# These count and refuse what the engine takes from its pool (engine/tests/heap.h).
HEAP_TESTS := gguf config load_refused run_memory
$(HEAP_TESTS:%=$(B)/engine/tests/%_test): WRAPS := $(if $(filter address thread,$(SAN)),,$(patsubst %,-Wl$(comma)--wrap=tern_pool_%,take take_zeroed give))
$(B)/engine/tests/%: $(B)/engine/tests/%.o $(ENGINE_OBJ)
	$(Q)$(CC) $(SANFLAGS) $(WRAPS) -o $@ $^ $(call libs,cmocka) $(ENGINE_LIBS)
$(B)/harness/tests/gpu_test: | $(B)/harness/tests/stub_nvml.so
$(B)/harness/tests/%: $(B)/harness/tests/%.o $(filter-out $(B)/harness/main.o,$(HARNESS_OBJ))
	$(Q)$(CC) -rdynamic $(SANFLAGS) -o $@ $^ $(call libs,cmocka) $(HARNESS_LIBS)

$(B)/speed: $(B)/engine/speed/speed.o $(ENGINE_OBJ)
	$(Q)$(CC) $(SANFLAGS) -o $@ $^ $(ENGINE_LIBS)
speed: $(B)/speed ## what the CPU engine reaches against ceilings of the same run; exit 1 when a target is missed
	$(Q)$(B)/speed

gate: build ## install what is missing, build, judge HEAD against its base, write the report
	$(Q)$(B)/ternmark gate; code=$$?; echo $$code > $(B)/gate.exit; exit $$code
lab: build ## how often the gate is wrong on this machine: LAB_MINUTES=6 of live runs, LAB_DRAWN=4000; 120 and 120000 to show every promise
	$(Q)ci/lab $(B)/ternmark $(B)/lab
test: build $(ENGINE_TESTS) $(HARNESS_TESTS) ## install what is missing, build, run every test
	$(Q)B=$(B) ci/test $(ENGINE_TESTS) $(HARNESS_TESTS)
lint: ## compilers' warnings, boundaries between rooms, shell and Lua scripts
	$(Q)ci/lint
gpu-check: ## test and measure the card of this machine (in the unpacked tarball, or after a build)
	$(Q)ci/gpu-check
dist: build $(if $(WITH_CUDA),$(B)/engine/tests/cuda_card_test) ## the relocatable tarball
	$(Q)ci/dist $(B) $(VERSION)
install: build ## to $(DESTDIR)$(PREFIX): program, engine, header, suites, manual, completion
	install -d $(INSTALL)/bin $(INSTALL)/lib/ternmark $(INSTALL)/$(PKGCONFIG) $(INSTALL)/include $(INSTALL)/share/ternmark/suites \
	  $(INSTALL)/share/man/man1 $(INSTALL)/share/bash-completion/completions
	install -m755 $(B)/ternmark $(INSTALL)/lib/ternmark/
	install -m644 $(wildcard $(B)/libtern*.so) $(INSTALL)/lib/ternmark/
	ln -sf ../lib/ternmark/ternmark $(INSTALL)/bin/ternmark
	install -m644 engine/tern.h $(INSTALL)/include/
	install -m644 suites/*.lua $(INSTALL)/share/ternmark/suites/
	cp -R $(wildcard suites/*/) $(INSTALL)/share/ternmark/suites/
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' ci/tern.pc.in > $(INSTALL)/$(PKGCONFIG)/tern.pc
	ci/manual man $(B)/ternmark | gzip -9n > $(INSTALL)/share/man/man1/ternmark.1.gz
	ci/manual completion > $(INSTALL)/share/bash-completion/completions/ternmark
FUZZ_TIME ?= 60
FUZZ_SRC := engine/tests/fuzz_gguf.c engine/tests/fuzz_memory.c $(wildcard engine/format/*.c) engine/model/config.c engine/model/config_tensors.c engine/core/error.c
$(B)/fuzz_gguf: $(FUZZ_SRC) $(wildcard engine/format/*.h engine/format/*.def engine/model/config.*)
	@mkdir -p $(@D)
	$(Q)clang-14 -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -D_GNU_SOURCE -Iengine $(FUZZ_SRC) -lm -o $@
fuzz: $(B)/fuzz_gguf ## the model reader on made-up files, FUZZ_TIME=60 seconds
	@mkdir -p $(B)/fuzz
	$(Q)$(B)/fuzz_gguf -max_total_time=$(FUZZ_TIME) -max_len=4096 -rss_limit_mb=256 -malloc_limit_mb=64 -timeout=1 -print_final_stats=1 \
	  -artifact_prefix=$(B)/fuzz/ $(B)/fuzz engine/tests/corpus/gguf
test-full: build ## also servers, browser, kills, sanitizers, mutants, coverage, package (for releases)
	$(Q)ci/test-full
coverage: ## line coverage by gcov, a row a folder
	$(Q)ci/coverage
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12
info: ## what was probed
	@printf '%-10s %s\n' CC '$(CC)' ARCH '$(ARCH)' BACKENDS '$(BACKENDS)' HARDEN '$(HARDEN)' FORTIFY '$(FORTIFY)' AUTOINIT '$(AUTOINIT)' LDHARDEN '$(LDHARDEN)' NODLOPEN '$(NODLOPEN)' OPENMP '$(OPENMP)' NVCC '$(NVCC)' PRODUCTS '$(PRODUCTS)'
clean: ## remove build/ and reports/out/
	rm -rf build reports/out
FORCE:
-include $(shell find $(B) \( -path '$(B)/container' -o -path '$(B)/package' \) -prune -o -type f -name '*.d' -print 2>/dev/null)
.SECONDARY:
