# KARMA-MPI: one non-recursive Makefile. `make help` lists the targets.
#
# Variables   CC=gcc|clang  MPI=1|0  SAN=0|1  DEV=0|1  ARCH=x86-64-v3|native|...  OPT=-O3  CFLAGS=
#             V=1 (show the commands)  PREFIX=/usr/local  DESTDIR=
#             FUZZ=1 (libFuzzer: see the targets fuzz and fuzzers)
#             FORCE=1 (let `run` start on a Slurm login node)
# Every combination builds in a directory of its own below build/; build/karma points to the last
# one that `make` built. Needed programs and libraries stand in PACKAGES below and nowhere else.

MPI     ?= 1
SAN     ?= 0
DEV     ?= 0
OPT     ?= $(if $(filter 1,$(SAN)),-O1,-O3)
HOST    := $(shell uname -m)
ARCH    ?= $(if $(filter x86_64 amd64,$(HOST)),x86-64-v3,native)
PREFIX  ?= /usr/local
MPICC   ?= mpicc
PROTOC  ?= protoc
JOBS    ?= $(shell nproc 2>/dev/null || echo 1)
QUICK   ?= configs/experiments/quickstart.yaml
COLLECT  = configs/experiments/collect.yaml
TWIN_FILE = results/runs/quickstart/twin
RANKS   ?= 3
BRIEFLY  = --set train.updates=1 --set train.envs=16 --set train.steps=4 --set train.init=scratch
DATA     = $(DESTDIR)$(PREFIX)/share/karma
DOCS     = $(DESTDIR)$(PREFIX)/share/doc/karma
ifeq ($(origin CC),default)
CC      := gcc
endif
FUZZ    ?= 0
SECONDS  = 60
ifeq ($(FUZZ),1) # only clang brings libFuzzer
override CC  := clang
override MPI := 0
override SAN := 1
endif

# --- sources, one list per module, bottom layer first --------------------------------------------
SCHEMAS     = checkpoint error eval numbers trajectory_log trace_store rollout_block twin update_dump weights
BASE        = clock config config_diff config_doc config_kind config_older config_print config_read \
              config_src_loc config_value config_yaml crc32c csv csv_read err file fmath frame frame_file gzip \
              jobs lock log mem nearest number options owner plausible progress rng rundir sha256 shell stats \
              tabular timecolumn timestamp twoway
NN          = activation adam gemm gemm_blas gemm_ref gru kernel kernel_avx2 kernel_avx512 kernel_plain \
              mlp normaliser
PLANT       = episode_metrics outcomes plant reward schema topology topology_gen work_law
PROTO       = checkpoint error eval numbers trajectory_log trace_store rollout_block twin update_dump weights wire
SCENARIO    = attacker intensity recording recording_text scenario scenario_check schedule \
              workload
SHIELD      = bounds capacity health history limits shield
ORG         = expr expr_parse guides org org_dot org_fields
MARL        = batch block gae gradient loss mappo mappo_learner matrix_game policy reduce replay_tile rollout stochastic_env \
              stochastic_game team weights
CLUSTER     = arrivals attack call check clients cluster contention disturbances draws engine hpa_pods \
              liveness replicas scrape sim truth
TRACE       = check check_rows check_units column_def csv_formats export import metrics_table \
              store
TWIN        = accuracy bundle correction dataset ensemble feature_rows features fit_rows fluid fluid_pods \
              fluid_scrape learn lookup model nearest played pods queueing queueing_fit queueing_plant \
              residual_pool residual_pool_fill shown sojourn trial twin twin_batch
GAME        = attacker_interface choices cost env_setup game imitate interface mixture need \
              org_metric_values org_metrics privileged rules rules_interface rules_memory view
CONTROLLERS = capacity controller cross_entropy explore ff khpa khpa_fields kinds mpc nothing oracle \
              policy rule scripted staffing static
METHODS     = aware aware_best aware_cfg aware_gradient aware_interface aware_learner aware_net \
              aware_update gym_hpa karma kinds method rlad rlad_interface rlad_learner rlad_table
EVAL        = ablation ablation_results answers claim_metric claims collector converged cut episode \
              eval eval_store frontier halving lie org_observer outcomes pareto raider \
              rank_agreement search_space separation shielding summary trajectory_recorder \
              trial_score tuning upper_bound
REPORT      = comparison episode_csv escape figure org_metrics_table page panels plot published report \
              report_behaviour report_alignment report_claim_values report_claims report_compare \
              report_paper report_train results results_ablation results_analysis results_eval \
              results_train scale_figure script separation_table table table_page timeline \
              timeline_figure trials_figure trials_table twin_report
TRANSFER    = audit audit_fault audit_read drift effect health http json kube_lease kube_mirror \
              kube_objects kubeconfig kubernetes live live_kubernetes live_reads prometheus queries \
              replay_series retry shadow stage
COMM        = cores exchange farm launched limits locking loggp owners peers selfcheck skew stop treeplan \
              treesum
TRAIN       = auto_table balance checkpoint convergence demonstrate dump phases rehearsal \
              trainer_checkpoint setup checkpoint_dir train train_attacker train_exploit train_population \
              train_game trainer trainlog
EXPERIMENTS = ablate ablate_compared ablate_plan ablate_run ablate_slurm ablate_status ablate_tidy analysis \
              analysis_goals analysis_memory analysis_relations analysis_roles attack_world attacked cell_digest collect \
              decision_cpu doctor_findings doctor_host_findings doctor_record eval_config eval_run experiment explain \
              exploit exploit_cfg exploit_report exporter fit league league_cfg league_members \
              league_report matches number_jobs org_metrics_log policies raid_training recorded recipe \
              relation_files replay_episodes replay_recording replay_recording_report \
              replay_recording_series resume scale serve serve_audit serve_cfg serve_check serve_log serve_traces \
              serve_verify stages storage_probe training trajectories tune tune_dir tune_log tune_rung \
              tune_training tune_trials
COMMANDS    = ablate adversary analyse audit bench_scale call config cpu_built cpu_check doctor eval figure \
              input main org ranks replay report serve simulate spawn topology trace trace_collect \
              train tune twin twin_fit
FUZZED      = audit block checkpoint config csv error frame kube_answer kubeconfig metrics_table moments \
              policy prometheus record store \
              tile_state trusting twin weights workload
ANALYSIS    = agreement counterfactual decision_tree dtw fit goals influence information kmeans \
              linkage relations relations_graph role_attribution role_figures role_null role_report \
              role_rules role_summary roles roles_stability sequences trajectories
EXTRAS      = bandit kinds method_kinds threshold
BENCHES     = bench_aware bench_nn bench_cluster bench_marl bench_org bench_shield bench_twin bench_comm bench_train

# --- packages: needed for | probe | apt | dnf | brew | spack -------------------------------------
define PACKAGES
build  | cmd $(CC)           | $(CC)               | $(CC)                | $(CC)       | $(CC)
build  | header stdio.h      | libc6-dev           | glibc-devel          | -           | -
build  | cmd pkg-config      | pkg-config          | pkgconf-pkg-config   | pkg-config  | pkgconf
build  | lib yaml-0.1        | libyaml-dev         | libyaml-devel        | libyaml     | libyaml
build  | lib libprotobuf-c   | libprotobuf-c-dev   | protobuf-c-devel     | protobuf-c  | protobuf-c
build  | cmd $(PROTOC)       | protobuf-compiler   | protobuf-compiler    | protobuf    | protobuf
build  | cmd protoc-gen-c    | protobuf-c-compiler | protobuf-c-compiler  | protobuf-c  | protobuf-c
build  | lib openblas        | libopenblas-dev     | openblas-devel       | openblas    | openblas
build  | lib zlib            | zlib1g-dev          | zlib-devel           | zlib        | zlib-ng
build  | lib libcurl         | libcurl4-openssl-dev | libcurl-devel      | curl        | curl
build  | lib jansson         | libjansson-dev      | jansson-devel        | jansson     | jansson
build  | lib libmicrohttpd   | libmicrohttpd-dev   | libmicrohttpd-devel  | libmicrohttpd | libmicrohttpd
mpi    | cmd $(MPICC)        | libopenmpi-dev      | openmpi-devel        | open-mpi    | openmpi
mpi    | cmd mpirun          | openmpi-bin         | openmpi              | open-mpi    | openmpi
figure | cmd gnuplot         | gnuplot-nox         | gnuplot              | gnuplot     | gnuplot
figure | cmd dot             | graphviz            | graphviz             | graphviz    | graphviz
test   | lib cmocka          | libcmocka-dev       | libcmocka-devel      | cmocka      | cmocka
tools  | cmd clang           | clang               | clang                | llvm        | llvm
tools  | link clang -fsanitize=fuzzer,address,undefined | libclang-rt-dev | compiler-rt | llvm | llvm
tools  | cmd clang-format    | clang-format        | clang-tools-extra    | llvm        | llvm
tools  | cmd valgrind        | valgrind            | valgrind             | valgrind    | valgrind
slurm  | cmd slurmctld       | slurmctld           | slurm-slurmctld      | -           | slurm
slurm  | cmd slurmd          | slurmd              | slurm-slurmd         | -           | slurm
slurm  | cmd sbatch          | slurm-client        | slurm                | -           | slurm
slurm  | cmd munged          | munge               | munge                | -           | munge
kubernetes | cmd etcd        | etcd-server         | etcd                 | etcd        | etcd
kubernetes | cmd kubectl     | kubernetes-client   | kubernetes-client    | kubectl     | kubectl
kubernetes | cmd prometheus  | prometheus          | prometheus           | prometheus  | prometheus
kubernetes | cmd openssl     | openssl             | openssl              | openssl     | openssl
api-server | cmd go          | golang-go           | golang               | go          | go
api-server | cmd dpkg-source | dpkg-dev            | -                    | -           | -
api-server | file /usr/share/gocode/src/github.com/modern-go/reflect2 | golang-github-modern-go-reflect2-dev | - | - | -
endef
export PACKAGES
SETUP = CC='$(CC)' sh mk/setup
NEEDS = build $(if $(filter 1,$(MPI)),mpi)

# --- variants and flags --------------------------------------------------------------------------
empty  :=
comma  := ,
VARIANT := $(subst $(empty) $(empty),-,$(strip \
    $(if $(filter 0,$(MPI)),serial) $(if $(filter 1,$(SAN)),asan) $(if $(filter 1,$(DEV)),dev) \
    $(filter-out x86-64-v3,$(ARCH)) $(filter-out gcc,$(notdir $(CC))) \
    $(if $(filter 1,$(MPI)),$(filter-out mpicc,$(notdir $(MPICC)))) \
    $(patsubst -%,%,$(filter-out $(if $(filter 1,$(SAN)),-O1,-O3),$(OPT)))))
B      := build/$(if $(filter 1,$(FUZZ)),fuzz,$(or $(VARIANT),default))
GEN    := build/gen

PKGS     = yaml-0.1 libprotobuf-c openblas zlib libcurl jansson libmicrohttpd
PKG_INC := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIB := $(or $(shell pkg-config --libs $(PKGS) 2>/dev/null),-lyaml -lprotobuf-c -lopenblas -lz -lcurl -ljansson -lmicrohttpd)
CMOCKA  := $(or $(shell pkg-config --libs cmocka 2>/dev/null),-lcmocka)

# Bits may not depend on the compiler's taste for fused multiply-adds. The fixed-order GEMM, whose
# sums are FMA chains by definition, asks for them by name.
FP       = -ffp-contract=off
WARN     = -Wall -Wextra $(if $(filter 1,$(FUZZ)),-Wno-pass-failed)
ifeq ($(DEV),1)
WARN    += -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
endif
ifeq ($(SAN),1)
SANITIZE = -fsanitize=$(if $(filter 1,$(FUZZ)),fuzzer-no-link$(comma))address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
VERIFY   = $(if $(filter 1,$(DEV) $(SAN)),-DKARMA_VERIFY)
FLAGS    = -std=gnu11 $(OPT) -g -fno-math-errno -D_GNU_SOURCE -I. -isystem $(GEN) \
           $(PKG_INC) $(VERIFY) $(WARN) $(SANITIZE) $(CFLAGS)
MARCH    = -march=$(ARCH)
# -MD, not -MMD: the generated headers count as system headers, and must count as dependencies.
COMPILE  = $(CC) $(FLAGS) $(MARCH) $(FP) -MD -MP -c -o $@ $<
LIBS     = $(PKG_LIB) -pthread -lm
MPIWRAP  = OMPI_CC='$(CC)' MPICH_CC='$(CC)' I_MPI_CC='$(CC)' $(MPICC)
REVISION := $(or $(shell git describe --always --dirty --tags 2>/dev/null),unknown)
INFO      = $(shell $(CC) -dumpfullversion -dumpversion 2>/dev/null | head -n 1)
INFO     := $(notdir $(CC)) $(INFO) $(OPT) $(MARCH) MPI=$(MPI) SAN=$(SAN)

# --- objects -------------------------------------------------------------------------------------
in       = $(patsubst %,$(B)/$(1)/%.o,$(2))
CORE_O   = $(call in,core/base,$(BASE)) $(call in,core/nn,$(NN)) $(call in,core/plant,$(PLANT)) \
           $(call in,core/scenario,$(SCENARIO)) $(call in,core/org,$(ORG)) \
           $(call in,core/shield,$(SHIELD)) \
           $(call in,core/marl,$(MARL)) $(call in,core/cluster,$(CLUSTER)) \
           $(call in,core/trace,$(TRACE)) $(call in,core/twin,$(TWIN)) $(call in,core/game,$(GAME)) \
           $(call in,core/controllers,$(CONTROLLERS)) $(call in,core/methods,$(METHODS)) \
           $(call in,core/eval,$(EVAL)) \
           $(call in,core/report,$(REPORT)) $(call in,core/transfer,$(TRANSFER)) \
           $(call in,core/analysis,$(ANALYSIS)) $(call in,proto,$(PROTO)) $(call in,gen/proto,$(SCHEMAS:=.pb-c))
MPI_O    = $(call in,mpi/comm,$(COMM)) $(call in,mpi/train,$(TRAIN)) \
           $(call in,mpi/jobs,$(EXPERIMENTS)) $(call in,mpi/cmd,$(filter-out main,$(COMMANDS)))
GEN_H    = $(SCHEMAS:%=$(GEN)/proto/%.pb-c.h)
SERIAL   = $(B)/mpi/comm/comm_serial.o
RANKS_O  = $(if $(filter 1,$(MPI)),$(B)/mpi/comm/comm_mpi.o,$(SERIAL))
LINK     = $(if $(filter 1,$(MPI)),$(MPIWRAP),$(CC)) $(FLAGS)
ARCHIVES = $(B)/libruntime.a $(B)/libkarma.a

UNIT     = $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/unit/test_*.c)))
RANKED   = $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/mpi/test_*.c)))
SHELLED  = $(sort $(wildcard tests/cmd/test_*.sh))
THEORY   = $(filter $(B)/tests/unit/test_theory_%,$(UNIT))
RANDOM   = $(filter %_random_configs,$(UNIT))
SHIELDED = $(filter $(B)/tests/unit/test_shield_%,$(UNIT))
FUZZERS  = $(FUZZED:%=$(B)/tests/fuzz/%)
BENCHED  = $(BENCHES:%=$(B)/tests/bench/%)
EXTRA    = $(B)/tests/extra/karma_extra
CLIENT   = $(B)/tests/kubernetes/client
# kube-apiserver and kube-controller-manager, from tests/kubernetes/build or given by the user.
KUBERNETES_BIN ?= build/kubernetes
KUBERNETES = $(sort $(wildcard tests/kubernetes/test_*.sh))
REAL     = $(if $(SHELLED),$(if $(wildcard $(KUBERNETES_BIN)/kube-apiserver),$(KUBERNETES)))

# --- targets -------------------------------------------------------------------------------------
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all setup setup-run setup-test run quickstart frontier improved discover behaviour separation sensitivity scenarios metastable shield twin \
        queueing-twin rollout-error exploits twin-vs-sim ablation ablation-mixed paper paper-smoke opponents opponents-elsewhere opponents-held-out single proof-ablate adversary exploitability cascade rules tune test test-slurm test-kubernetes test-programs bench benches bench-compare bench-torch \
        scaling lint format asan fuzz fuzzers corpus \
        proof proof-attacker proof-fuzz-transfer proof-resume proof-soak proof-theory proof-shield proof-random-configs random-configs valgrind install sources \
        clean help FORCE
PMAKE = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

all: $(B)/karma ## build build/karma (and libkarma.a) for the chosen variables
	@ln -sfn $(notdir $(B))/karma build/karma

setup: ## install what the build needs, if something is missing
	@$(SETUP) install $(NEEDS)

setup-run:
	@$(SETUP) install $(NEEDS) figure?

setup-test:
	@$(SETUP) install $(NEEDS) test figure? tools?

run: ## set up, build for this CPU; the quickstart on 3 ranks: traces, twin, training, evaluation
	@if [ "$(FORCE)" != 1 ] && [ -z "$$SLURM_JOB_ID" ] && sinfo -h 2>/dev/null | grep -q .; then \
	    echo "This is a Slurm login node. Build here, then let Slurm run the job:"; \
	    echo "    make && sbatch slurm/quickstart.sbatch"; \
	    echo "'make run FORCE=1' starts it right here."; \
	else \
	    $(MAKE) --no-print-directory quickstart; \
	fi

quickstart: setup-run
	@$(PMAKE) ARCH=native all
	@touch build/started
	mpi/launch -n $(RANKS) build/karma trace collect $(COLLECT) --out $(TWIN_FILE).store
	mpi/launch -n $(RANKS) build/karma twin fit $(TWIN_FILE).store --config $(QUICK) --out $(TWIN_FILE)
	mpi/launch -n $(RANKS) build/karma train $(QUICK)
	mpi/launch -n $(RANKS) build/karma eval $(QUICK)
	-build/karma figure results/runs/quickstart
	@echo "Tables and figures of this run:"
	@find results -newer build/started \
	    \( -name '*.csv' -o -name '*.txt' -o -name '*.md' -o -name '*.svg' -o -name '*.png' \) | sort | sed 's/^/    /'

# Arms and training seeds stand in the evaluation's configuration; `make -j2 frontier` trains two at
# a time, and only what is missing.
FRONTIER = configs/experiments/frontier.yaml
frontier: $(addsuffix /policy/weights.bin,$(sort $(shell sed -n 's/^ *- \(results.*\)/\1/p' $(FRONTIER)))) ## train all arms of the comparison with whole sweeps, evaluate (hours)
	mpi/launch -n $(RANKS) build/karma eval $(FRONTIER)
	build/karma figure results/runs/frontier

results/runs/frontier/%/policy/weights.bin:
	@mkdir -p results/runs/frontier
	build/karma train configs/experiments/frontier_$(firstword $(subst -, ,$*)).yaml \
	    --set train.seed=$(lastword $(subst -, ,$*)) --set run.dir=results/runs/frontier/$* >results/runs/frontier/$*.log

# Policies of improved.yaml, two at a time, and only those that are missing.
IMPROVED = results/runs/improved
improved: all $(foreach i,1 2 3 4 5 6 7 8 9 10,$(IMPROVED)/policy-$(i)/policy/weights.bin) ## ten policies from scratch against every tuned rule: table, figures (an hour)
	mpi/launch -n $(RANKS) build/karma eval configs/experiments/improved_compared.yaml
	build/karma figure $(IMPROVED)/eval
	sh mk/improved_results

$(IMPROVED)/twin: | all
	mpi/launch -n $(RANKS) build/karma trace collect $(COLLECT) --out $(IMPROVED)/store
	build/karma twin fit $(IMPROVED)/store --config configs/experiments/improved.yaml --out $@

$(IMPROVED)/policy-%/policy/weights.bin: $(IMPROVED)/twin
	build/karma train configs/experiments/improved.yaml --set train.seed=$* --set run.dir=$(IMPROVED)/policy-$* >$(IMPROVED)/policy-$*.log

# The same in another setting: a file of configs/experiments/improved.
IMPROVED_IN = $(addprefix improved-,$(basename $(notdir $(wildcard configs/experiments/improved/*.yaml))))
.PHONY: $(IMPROVED_IN)
$(IMPROVED_IN): improved-%: all ## improved-mixed, -yoyo, -mesh, -chain, -high, -low: the same in that setting, five seeds: a table (hours)
	@RANKS=$(RANKS) sh mk/improved $*

separation: all ## are the compared scenarios able to tell controllers apart? 1 if not (minutes)
	@RANKS=$(RANKS) sh mk/separation

discover: all ## train free, analyse, train anew under what was found: a table (hours; needs make twin)
	@RANKS=$(RANKS) sh mk/discover

behaviour: all ## what the teams of an ablation learned, Table VII of the paper: a table (an hour)
	@RANKS=$(RANKS) sh mk/behaviour

sensitivity: all ## the references under other conditions: one table, one figure (minutes)
	@RANKS=$(RANKS) sh mk/sensitivity

scenarios: all ## every file of configs/scenarios as a figure: one episode, four rules (a minute)
	@sh mk/scenarios

shield: all ## what the shield costs and saves, under floods, crashes, outages, lies: a table (an hour)
	@RANKS=$(RANKS) sh mk/shield

twin: all ## how good is the twin: accuracy, ablation of table and networks, ranking: a table, figures (minutes)
	@RANKS=$(RANKS) sh mk/twin

queueing-twin: all ## twins with queues, corrected or not, and of networks: fit, accuracy, 38 controllers: a table (minutes)
	@RANKS=$(RANKS) sh mk/queueing_twin

rollout-error: all ## errors of twins by horizon, start-up delay and number of states they see: a table (minutes)
	@RANKS=$(RANKS) sh mk/rollout_error

exploits: all ## does a search over 255 allocations and rules exploit the queueing twin? 1 if by 2 points: a table (minutes)
	@RANKS=$(RANKS) sh mk/exploits

twin-vs-sim: all ## training in the twin against training on the simulator, five seeds each: a table, a figure (20 minutes)
	@RANKS=$(RANKS) sh mk/twin_vs_sim

ablation: all ## what the organisation does: variants of configs/ablations/floods.yaml, five seeds each: a table (an hour)
	@RANKS=$(RANKS) sh mk/ablation floods

ablation-mixed: all ## the same under floods and faults, three seeds each, in a twin of that: a table (half an hour)
	@RANKS=$(RANKS) sh mk/ablation mixed

paper: all ## the paper's comparison and the improved recipe against the opponents: both ablations and a report (days)
	@RANKS=$(RANKS) sh mk/paper

paper-smoke: all ## the same with every variant once, at a size of seconds
	@SMOKE=1 RANKS=$(RANKS) sh mk/paper

proof-ablate: all ## 1,000 tiny runs on 4 ranks in groups of 1, 2, 4, a tenth of them killed: the same results, none twice, none lost
	@KARMA=build/karma sh tests/extra/proof_ablate.sh

opponents opponents-elsewhere single: all ## learned methods and rules side by side: sweeps under floods and faults; on eight services; one service under a spike: a table each (days)
	@RANKS=$(RANKS) sh mk/opponents $(subst -,_,$@)

opponents-held-out: all ## the policies of make opponents under faults and loads that nobody trained with: a table (an hour)
	@RANKS=$(RANKS) sh mk/opponents held-out

cascade: all ## do role borders blur when failures are correlated? three couplings, three teams, five seeds: a table (half an hour of CPU)
	mpi/launch -n $(RANKS) build/karma ablate configs/ablations/cascade.yaml
	build/karma report results/ablations/cascade --reference ff \
	    --title 'Cascades: roles when failures are correlated' --markdown results/tables/cascade.md \
	    --tables results,operation,alignment,differences,equal-cost,paper-table-5

rules: all ## rules at their best: wide and published grids of ff and khpa, with and without a step bound (minutes)
	@RANKS=$(RANKS) sh mk/rules

adversary: setup-test ## what learned attackers are worth: exact games, and one best response to a rule (minutes)
	@$(PMAKE) all $(B)/tests/mpi/test_exact
	FULL=1 $(B)/tests/mpi/test_exact
	mpi/launch -n $(RANKS) build/karma exploit configs/experiments/adversary.yaml

exploitability: all ## the best of 3 learned attackers against rules, a scripted team and trained teams: a table (an hour)
	@RANKS=$(RANKS) sh mk/exploitability

tune: all ## 64 settings of feed-forward staffing at equal cost: log, best values, figure (minutes)
	mpi/launch -n $(RANKS) build/karma tune configs/experiments/tune_ff.yaml
	build/karma figure results/runs/tune_ff

metastable: all ## an overload that outlives its cause, with retries and without, as a figure (seconds)
	@sh mk/metastable

test: setup-test ## set up, build, run every suite; the last line counts them
	@$(PMAKE) test-programs
	@MPI=$(MPI) SAN=$(SAN) KUBERNETES_BIN='$(KUBERNETES_BIN)' \
	    sh tests/run $(B) $(UNIT) $(RANKED) $(SHELLED) $(REAL)

test-slurm: ## the job scripts on a real Slurm, which is installed and started on loopback for that (minutes)
	@PATH="$$PATH:/usr/sbin:/sbin" $(SETUP) install $(NEEDS) slurm
	@$(PMAKE) all
	@MPI=$(MPI) SAN=$(SAN) sh tests/run $(B) $(sort $(wildcard tests/slurm/test_*.sh))

test-kubernetes: ## a real API server, etcd and Prometheus on loopback; built once (minutes), or KUBERNETES_BIN=DIR
	@PATH="$(KUBERNETES_BIN):$$PATH" $(SETUP) install $(NEEDS) kubernetes \
	    $(if $(wildcard $(KUBERNETES_BIN)/kube-apiserver),,api-server)
	@tests/kubernetes/build '$(KUBERNETES_BIN)'
	@$(PMAKE) all $(CLIENT)
	@MPI=$(MPI) SAN=$(SAN) KUBERNETES_BIN='$(KUBERNETES_BIN)' sh tests/run $(B) $(KUBERNETES)

test-programs: $(B)/karma $(UNIT) $(RANKED) $(if $(SHELLED),benches fuzzers $(EXTRA) $(CLIENT))

bench: setup ## print the speeds, each with its unit and how it was taken (V=1: every shape)
	@$(PMAKE) benches
	@MPI=$(MPI) sh tests/bench/run $(B) $(if $(filter 1,$(V)),-v) $(BENCHES)

bench-compare: setup ## REV=HEAD~1: benches of that revision and of this tree in turn, ratios with intervals (minutes)
	@BUILD='$(B)' BENCHES='$(BENCHES)' REV='$(REV)' NEW='$(NEW)' ROUNDS='$(or $(ROUNDS),5)' SLOWER='$(SLOWER)' \
	    MPI=$(MPI) MAKE='$(PMAKE)' sh mk/bench_compare

bench-torch: all ## a PyTorch program of the same mathematics beside karma, in a twin; needs python3-torch; PYTHON=/usr/bin/python3 (minutes)
	@$(or $(PYTHON),python3) tests/bench/peer_torch.py build/karma '$(TWIN_FILE)' '$(or $(ROUNDS),5)'

scaling: all ## CPU time of the commands at once and ten times their usual size, and the exponent (minutes)
	@KARMA=build/karma sh tests/scaling 10

benches: $(BENCHED)

lint: ## layers, homes of third-party headers, banned calls, shape of the sources
	@sh tests/lint

format: ## clang-format every C file in place
	@clang-format -i $$(git ls-files -co --exclude-standard -- '*.c' '*.h')

asan: setup-test ## the unit and MPI suites under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory SAN=1 SHELLED= test

fuzz: setup-test ## libFuzzer against every reader of bytes, SECONDS=60 each; crashes go to build/fuzz
	@$(PMAKE) FUZZ=1 fuzzers
	@tests/fuzz/run fuzz $(SECONDS)

proof-fuzz-transfer: setup-test ## RUNS=10000000 inputs for each reader of answers, kubeconfigs and audit logs (an hour)
	@$(PMAKE) FUZZ=1 fuzzers
	@tests/fuzz/run count $(or $(RUNS),10000000) audit kube_answer kubeconfig prometheus

corpus: setup-test ## make tests/fuzz/corpus anew, after a format changed
	@$(PMAKE) FUZZ=1 fuzzers
	@tests/fuzz/run corpus $(filter-out trusting,$(FUZZED))

fuzzers: $(FUZZERS)

proof: setup-test ## the digest with every compiler, optimisation and CPU (minutes)
	@$(PMAKE) all
	@PROOF=1 MPI=$(MPI) SAN=$(SAN) sh tests/run $(B) tests/cmd/test_determinism.sh

proof-resume: setup-test ## 20 trainings, each killed at a random moment and resumed (minutes)
	@$(PMAKE) all
	@KILLS=20 MPI=$(MPI) SAN=$(SAN) sh tests/run $(B) tests/cmd/test_resume.sh

proof-soak: setup-test ## half an hour of training that is stopped every minute
	@$(PMAKE) all
	@SECONDS_OF_SOAK=1800 EVERY=60 MPI=$(MPI) SAN=$(SAN) sh tests/run $(B) tests/cmd/test_soak.sh

proof-theory: setup-test ## the simulator against queueing theory at loads up to 0.9; prints the table (minutes)
	@$(PMAKE) $(THEORY)
	@JOBS=$(JOBS) sh tests/theory $(THEORY)

proof-shield: STATES = 10000000
proof-shield: TRIALS = 5000
proof-shield: setup-test ## the shield under 10,000,000 hostile states, and all states of small bounds (minutes)
	@$(PMAKE) $(SHIELDED)
	STATES=$(STATES) $(B)/tests/unit/test_shield_fuzz
	EXHAUSTIVE=1 $(B)/tests/unit/test_shield_exhaustive
	TRIALS=$(TRIALS) $(B)/tests/unit/test_shield_backlog

proof-attacker: DECISIONS = 1000000
proof-attacker: ATTACKER = $(B)/proof_attacker
proof-attacker: setup-test ## 1,000,000 decisions of random and trained attackers: budgets, cap, legitimate arrivals (minutes)
	@$(PMAKE) all $(B)/tests/unit/test_attacker_interface
	mpi/launch -n $(RANKS) build/karma exploit configs/experiments/proof_attacker.yaml --out $(ATTACKER)
	DECISIONS=$(DECISIONS) CONFIG=configs/experiments/proof_attacker.yaml \
	ATTACKER=$(ATTACKER)/0-khpa-default/seed-1-0/policy/weights.bin $(B)/tests/unit/test_attacker_interface

proof-random-configs: setup-test ## 10,000 random configurations for the cluster and as many for the bound, under sanitizers (half an hour)
	@$(PMAKE) SAN=1 OPT=-O2 random-configs

random-configs: $(RANDOM)
	@JOBS=$(JOBS) sh tests/random_configs $(RANDOM)

valgrind: setup-test ## a short serial training under valgrind
	@$(PMAKE) MPI=0 build/serial/karma
	OPENBLAS_NUM_THREADS=1 valgrind -q --leak-check=full --error-exitcode=9 \
	    build/serial/karma train $(QUICK) $(BRIEFLY) --set run.dir=build/valgrind

install: $(B)/karma ## program, launcher, configs, Slurm templates, documents to $(DESTDIR)$(PREFIX)
	install -d $(DATA) $(DOCS)
	install -D -m 755 $(B)/karma $(DESTDIR)$(PREFIX)/bin/karma
	install -D -m 755 mpi/launch $(DESTDIR)$(PREFIX)/bin/karma-launch
	cp -R configs slurm $(DATA)
	cp -R docs README.md LICENSE $(DOCS)
	install -d $(DOCS)/results
	cp -R results/README.md results/figures results/tables $(DOCS)/results
	ln -sfn ../../karma/configs $(DOCS)/configs
	ln -sfn ../../karma/slurm $(DOCS)/slurm
	sed -i -e 's|mpi/launch|$(PREFIX)/bin/karma-launch|g' -e 's|build/karma|$(PREFIX)/bin/karma|g' \
	    -e 's|configs/|$(PREFIX)/share/karma/configs/|g' \
	    -e 's|slurm/\([a-z_]*\.s\)|$(PREFIX)/share/karma/slurm/\1|g' $(DATA)/slurm/*

sources: # for tests/lint
	@printf '%s\n' $(patsubst $(B)/%.o,%.c,$(filter-out $(B)/gen/%,$(CORE_O) $(MPI_O))) mpi/cmd/main.c \
	    mpi/comm/comm_mpi.c mpi/comm/comm_serial.c $(SCHEMAS:%=proto/%.proto) $(BENCHES:%=tests/bench/%.c) \
	    $(EXTRAS:%=tests/extra/%.c)

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 12

SAY = $(if $(filter 1,$(V)),,@echo '  $@';)

# --- rules ---------------------------------------------------------------------------------------
$(B)/karma: $(B)/mpi/cmd/main.o $(RANKS_O) $(ARCHIVES)
	$(SAY)$(LINK) -o $@ $^ $(LIBS)

# karma with registries of its own in place of core/controllers/kinds.o and core/methods/kinds.o.
$(EXTRA): $(B)/mpi/cmd/main.o $(EXTRAS:%=$(B)/tests/extra/%.o) $(RANKS_O) $(ARCHIVES)
	$(SAY)$(LINK) -o $@ $^ $(LIBS)

$(B)/libkarma.a: $(CORE_O)
$(B)/libruntime.a: $(MPI_O)
$(ARCHIVES):
	@rm -f $@
	$(SAY)ar rcs $@ $^

$(UNIT): %: %.o $(SERIAL) $(ARCHIVES)
	$(SAY)$(CC) $(FLAGS) -o $@ $^ $(CMOCKA) $(LIBS)

$(RANKED): %: %.o $(RANKS_O) $(ARCHIVES)
	$(SAY)$(LINK) -o $@ $^ $(CMOCKA) $(LIBS)

# With libFuzzer, or as programs that read files: tests/fuzz/fuzz.h.
FUZZ_MAIN = $(if $(filter 1,$(FUZZ)),,$(B)/tests/fuzz/replay_inputs.o)
FUZZ_O    = $(call in,core/base,$(BASE)) $(call in,core/nn,$(NN)) $(call in,core/plant,$(PLANT)) \
            $(call in,core/scenario,$(SCENARIO)) $(call in,core/marl,$(MARL)) $(call in,proto,$(PROTO)) \
            $(call in,core/cluster,$(CLUSTER)) $(call in,core/trace,$(TRACE)) \
            $(call in,core/twin,$(TWIN)) $(call in,core/transfer,$(filter-out replay_series shadow stage,$(TRANSFER))) $(call in,gen/proto,$(SCHEMAS:=.pb-c))
$(FUZZERS): %: %.o $(B)/tests/fuzz/fuzz.o $(FUZZ_MAIN) $(FUZZ_O)
	$(SAY)$(CC) $(FLAGS) $(if $(filter 1,$(FUZZ)),-fsanitize=fuzzer) -o $@ $^ $(LIBS)

$(CLIENT): %: %.o $(SERIAL) $(ARCHIVES)
	$(SAY)$(CC) $(FLAGS) -o $@ $^ $(LIBS)

$(BENCHED): %: %.o $(RANKS_O) $(ARCHIVES)
	$(SAY)$(LINK) -o $@ $^ $(LIBS)

$(B)/%.o: %.c $(B)/flags | $(GEN_H)
	@mkdir -p $(@D)
	$(SAY)$(COMPILE)

$(B)/gen/%.o: $(GEN)/%.c $(B)/flags
	@mkdir -p $(@D)
	$(SAY)$(COMPILE) -w

# Schemas import each other, so all are compiled anew when one changes.
$(GEN)/proto/%.pb-c.c $(GEN)/proto/%.pb-c.h: proto/%.proto $(SCHEMAS:%=proto/%.proto) | $(B)/probed
	@mkdir -p $(@D)
	$(SAY)$(PROTOC) --c_out=$(GEN) $<

$(B)/mpi/comm/comm_mpi.o: private COMPILE = $(MPIWRAP) $(FLAGS) $(MARCH) $(FP) -MD -MP -c -o $@ $<
# The check for the CPU, and main(), which begins with it, must themselves run on any CPU.
$(B)/mpi/cmd/main.o $(B)/mpi/cmd/cpu_check.o: private MARCH = $(if $(filter x86%,$(ARCH)),-march=x86-64)
# One vector kernel for each instruction set; core/nn/kernel.c takes the widest the CPU has.
ifneq ($(filter x86_64 amd64,$(HOST)),)
$(B)/core/nn/kernel_avx512.o: private MARCH = -march=x86-64-v4 -mprefer-vector-width=512
$(B)/core/nn/kernel_avx2.o: private MARCH = -march=x86-64-v3
$(B)/core/nn/kernel_plain.o: private MARCH = -march=x86-64
endif
$(B)/core/base/rundir.o: private FLAGS += -DKARMA_BUILD_INFO='"$(INFO)"' -DKARMA_REVISION='"$(REVISION)"'
$(B)/core/base/rundir.o: $(B)/revision

# Changed flags or a new commit rebuild what they touch; both files change only when their text does.
$(B)/flags: TEXT = $(CC) $(MPICC) $(FLAGS) $(MARCH) $(FP)
$(B)/revision: TEXT = $(REVISION) $(INFO)
$(B)/flags $(B)/revision: FORCE | $(B)/probed
	@echo '$(TEXT)' | cmp -s - $@ || echo '$(TEXT)' >$@

$(B)/probed:
	@$(SETUP) check $(NEEDS)
	@mkdir -p $(@D) && touch $@

-include $(shell find $(B) -type f -name '*.d' 2>/dev/null)
