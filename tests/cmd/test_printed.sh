# Every command that README, docs, configurations, Slurm templates, help texts and messages print is
# right in a fresh clone: it is run, made small, or stands in the list of those that are not run with
# the reason. A command that is neither fails the test.
#
# In the clone, build/karma is a wrapper that makes runs of shipped configurations small, mpi/launch
# starts one rank, sbatch runs its script, and make only looks whether its targets exist.
# TIMEOUT: 900
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

clone=$WORK/clone
rm -rf "$clone"
mkdir -p "$clone/build" "$clone/bin"
if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z README.md docs slurm configs mk mpi/launch Makefile tests/golden proto |
        xargs -0 cp --parents -t "$clone"
else
    cp -r README.md docs slurm configs mk Makefile "$clone"
    mkdir -p "$clone/mpi"
fi
grep -qx '/\?results/runs/*' .gitignore 2>/dev/null || mkdir -p "$clone/results"

# --- the tools of the clone -----------------------------------------------------------------------
cat >"$clone/build/karma" <<EOF
#!/bin/sh
real=$KARMA
EOF
cat >>"$clone/build/karma" <<'EOF'
case " $* " in
*" --help "* | *"my.yaml"* | *" --dry-run "*) exec "$real" "$@" ;;
*" configs/"*) ;;
*" twin fit "*) ;;
*) exec "$real" "$@" ;;
esac
case "$1 $2" in
"train "*)
    set -- "$@" --set train.updates=2 --set train.envs=8 --set train.steps=10 --set train.init=scratch \
        --set train.learners=1
    ;;
"eval "*)
    case " $* " in *trajectories=all*) n=5 ;; *) n=2 ;; esac # an analysis needs five
    set -- "$@" --set eval.episodes=$n --set eval.resamples=100 --set game.horizon=8
    ;;
"tune "*)
    set -- "$@" --set eval.episodes=2 --set eval.resamples=100 --set game.horizon=8 --set tune.trials=3
    ;;
"exploit "*)
    set -- "$@" --set train.updates=1 --set train.envs=8 --set train.steps=8 --set eval.episodes=2 \
        --set eval.resamples=100 --set game.horizon=8 --set 'exploit.seeds=[1]' \
        --set 'eval.controllers=[nothing]'
    ;;
"league "*)
    set -- "$@" --set train.updates=1 --set train.envs=8 --set train.steps=8 --set eval.episodes=2 \
        --set eval.resamples=100 --set game.horizon=8 --set 'league.seeds=[1]' --set league.rounds=1
    ;;
"simulate "*) set -- "$@" --set game.horizon=8 ;;
"trace collect")
    set -- "$@" --set eval.episodes=4 --set game.horizon=24 --validation 25 --held-out 25
    ;;
"twin fit")
    set -- "$@" --set fit.members=1 --set 'fit.hidden=[8]' --set fit.epochs=1 --set fit.noise_rows=64
    ;;
esac
exec "$real" "$@"
EOF
cat >"$clone/mpi/launch" <<'EOF'
#!/bin/sh
[ "$1" = -n ] || exit 2
shift 2
exec "$@"
EOF
cat >"$clone/bin/sbatch" <<'EOF'
#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
    --array=*) export SLURM_ARRAY_TASK_ID=0 ;;
    --*) ;;
    *) break ;;
    esac
    shift
done
[ -r "$1" ] || exit 2
export SLURM_NTASKS=1 SLURM_JOB_ID=1
exec sh "$@"
EOF
cat >"$clone/bin/make" <<'EOF'
#!/bin/sh
for word; do
    case $word in
    *=*) grep -Eq "(^|[^A-Za-z_])${word%%=*}( *[?:]?=|\))" Makefile || exit 2 ;;
    improved-*) [ -r "configs/experiments/improved/${word#improved-}.yaml" ] || exit 2 ;;
    results/runs/improved/*) grep -q "^\$(IMPROVED)/${word##*/}:" Makefile || exit 2 ;;
    build/*/tests/unit/*) [ -r "tests/unit/${word##*/}.c" ] || exit 2 ;;
    *) grep -Eq "^([a-z -]* )?$word( [a-z -]*)?:" Makefile || exit 2 ;;
    esac
done
EOF
chmod +x "$clone/build/karma" "$clone/mpi/launch" "$clone"/bin/*
ln -s ../build/karma "$clone/bin/karma"
mkdir -p "$clone/tests"
cp -r tests/unit "$clone/tests"

# --- what the placeholders stand for ---------------------------------------------------------------
cat >"$clone/my.yaml" <<'EOF'
include: configs/experiments/tiny.yaml
game: {horizon: 4}
train: {updates: 1, envs: 8, steps: 8}
eval:
  resamples: 100
  controllers: [nothing, khpa, ff]
run: {dir: results/runs/mine}
EOF
prepared() { # COMMAND: in the clone
    (cd "$clone" && PATH=$clone/bin:$PATH && eval "$1") >"$WORK/out" 2>"$WORK/err" </dev/null
}
prepare() {
    prepared "$1"
    result $? "prepared: $1"
}
seq 1 40 >"$clone/my.txt"
cp slurm/env.sh "$clone/site.sh"
prepare "karma trace collect configs/experiments/collect.yaml --out STORE"
prepare "karma twin fit STORE --out TWIN"
prepare "mkdir -p results/runs/twin results/runs/quickstart results/runs/warm_start"
prepare "karma twin fit STORE --config configs/experiments/quickstart.yaml --out results/runs/quickstart/twin"
for dir in twin warm_start; do
    prepare "cp TWIN results/runs/$dir/twin && cp TWIN.traces results/runs/$dir/twin.traces"
done
awk 'BEGIN { print "date,web_num_pods,web_desired_replicas,web_cpu_usage,web_mem_usage"
    for (i = 0; i < 200; i++) { n = 1 + i % 3
        printf "%d,%d,%d,%d,%d\n", 15 * i, n, n, 50 + (i * 37) % 101, 200 + (i * 13) % 17 } }' >"$clone/TABLE"
prepare "karma eval my.yaml --set eval.episodes=2 --out results/runs/drawn"
prepare "karma eval my.yaml --set eval.episodes=13 --out parts/a"
prepare "karma eval my.yaml --set eval.first=13 --set eval.episodes=7 --out parts/b"

# A command in the words that the reader would type. Files that a command makes anew are removed.
typed() { # COMMAND
    echo "$1" | sed -E '
        s/ FILE\.\.\. --out FILE$/ STORE --out build\/merged/
        s/--merge FILE\.\.\./--merge parts\/*\/eval.csv --out build\/whole --set eval.episodes=20/
        s/(trace check) FILE\.\.\./\1 TABLE/
        s/(trace (info|export)) FILE/\1 STORE/
        s/import table\.csv --out FILE/import TABLE --out build\/imported/
        s/--origin (TEXT|\.\.\.) --licence (TEXT|\.\.\.)/--origin tests --licence CC0/
        s/^(build\/)?(karma) figure (DIR|RUN)$/\1\2 figure results\/runs\/drawn/
        s/\b(FILE|CONFIG)( |$)/my.yaml\2/
        s/tune SPEC /tune configs\/experiments\/tune_ff.yaml /
        s/run.dir=results\/runs\/NAME/run.dir=results\/runs\/seed-7/
        s/configs\/experiments\/NAME\.yaml/my.yaml/
        s/ablate SPEC/ablate configs\/ablations\/tiny.yaml/
        s/--slurm DIR/--slurm build\/jobs/
        s/\bDIR\/compared\/SCENARIO/results\/ablations\/tiny\/compared\/loaded/
        s/\bDIR\/runs\/\*\/SCENARIO/results\/ablations\/tiny\/runs\/*\/loaded/
        s/train.learners=N\b/train.learners=1/
        s/(warm_start.yaml --set twin.file=TWIN.*)$/\1 --restart/
        s/fit NEW --from TWIN --out TWIN/fit STORE --from TWIN --out build\/refitted/
        s/-n RANKS (build\/karma) \.\.\.$/-n 1 \1 config doc/
        s/fit FILE\.traces --out NEW/fit TWIN.traces --out build\/again/
        s/\$window\b/15/g
        s/\$c\b/0.4/g
        s/\$config\b/my.yaml/g
        s/"\$rules"/"eval.controllers=[{khpa: {}}, {ff: {}}]"/g
        s/\$horizon\b/8/g
        s/\$warmup\b/0/g
        s/--out STORE$/--out build\/store/
        s/fit STORE --out TWIN$/fit STORE --out build\/twin/
        s/> my\.yaml$/> build\/generated.yaml/
        s/^(build\/karma eval (FILE|my\.yaml)) --merge (parts[^ ]*)/\1 --set eval.episodes=20 --merge \3/'
}

# --- what is not run, and why ----------------------------------------------------------------------
# A pattern of the shell, a bar, the reason.
cat >"$WORK/not-run" <<'EOF'
*configs/experiments/million.yaml* | a million environments: minutes and gigabytes
*opponents/aware.yaml* | trains in the twin of make improved
*karma league configs/experiments/league.yaml* | the same; test_league.sh plays a small one
*karma figure results/runs/league* | draws what it wrote
*train configs/experiments/opponents/gym_hpa.yaml* | the same; test_gym_hpa.sh trains small ones
*train configs/experiments/opponents/gym_hpa_karma.yaml* | the same
*eval configs/experiments/opponents/gym_hpa_compared.yaml | needs these trainings
*$KARMA_DATA* | recorded data that is not part of this project
*sockshop* | the same
*twin fit hpa* | the same
*slurm/ablation.sbatch* | an array of runs; make test-slurm starts a small one
*slurm/report.sbatch* | needs the runs of such an array
EPISODES=50 PARTS=* | an array: test_eval_resume.sh merges parts
*results/runs/*/parts/* | the same
*build/$s.yaml* | a loop over all scenarios: minutes
*bench scale* | needs two ranks, this launcher starts one; test_scale.sh runs it
*figure results/scale* | the same
*eval configs/experiments/opponents/rlad_compared.yaml | needs ten trainings; test_rlad.sh evaluates a policy
*build/default/tests/bench/bench_cluster* | a benchmark; make bench runs it
*build/default/tests/unit/test_upper_bound* | a test program; make test runs it
*--prometheus http* | needs a Prometheus; test_serve.sh runs them
*audit verify build/rehearsal* | needs the log of such a serve; test_audit.sh runs it
*--listen 127.0.0.1* | runs until a signal; the same
*ablate configs/ablations/[!t]* | minutes to hours; test_ablation.sh and test_cascade.sh run them small
*ablate SPEC --group 4* | needs four ranks, this launcher starts one; test_ablate.sh runs it
*eval configs/experiments/cost_weights.yaml | needs the policies of karma ablate configs/ablations/cost_weights.yaml
karma serve POLICY --past MINUTES | needs a Prometheus; test_serve.sh runs it
*karma eval DIR/config.yaml* | test_eval.sh plays a kept configuration
*karma analyse RUN --* | needs a recorded evaluation; test_discover.sh explains decisions
*build/planted* | a test program, and a minute of CPU time; test_analyse.sh compares ranks
*karma tune configs/tuning/* | hours, in the twin of make improved; test_tune.sh tunes a training
*slurm/tune.sbatch configs/tuning/* | the same
*--set run.dir=build/cost | trains in the twin of make improved
make paper* | days; test_paper.sh makes every variant once, small
make behaviour | an hour; test_behaviour.sh runs it small
make discover | hours; test_discover.sh runs it small
sh mk/* | minutes to hours; test_ablation.sh, test_separation.sh and test_unseen.sh run them small
EOF
reason() { # COMMAND: why it is not run; nothing if it is
    while read -r row; do
        pattern=${row%% | *}
        # shellcheck disable=SC2254
        case $1 in $pattern) echo "${row#* | }" && return ;; esac
    done <"$WORK/not-run"
}

is_name() { # COMMAND: nothing but the name of a command, as in a sentence
    # shellcheck disable=SC2086
    set -- $1
    [ "$1" = karma ] && [ $# -le 3 ] || return 1
    case "$2$3" in *[!a-z]*) return 1 ;; esac
}

# --- every printed command -------------------------------------------------------------------------
docs=$(ls README.md docs/*.md slurm/*.sbatch mk/*)
# shellcheck disable=SC2086
awk -f tests/printed.awk $docs configs/*/*.yaml configs/*/*/*.yaml | awk '!seen[$0]++' >"$WORK/printed"
[ "$(wc -l <"$WORK/printed")" -ge 90 ]
result $? "there are commands ($(wc -l <"$WORK/printed"))"
n_run=0
while read -r command; do
    if [ -n "$(reason "$command")" ]; then
        continue
    fi
    case $command in
    karma | build/karma | make | mpi/launch | sbatch | mpirun | srun*) continue ;; # names in sentences
    *figure*) command -v gnuplot >/dev/null || { skip "$command" "gnuplot is not installed"; continue; } ;;
    *--svg*) command -v dot >/dev/null || { skip "$command" "Graphviz is not installed"; continue; } ;;
    esac
    if is_name "$command"; then
        line="$command --help"
    else
        line=$(typed "$command")
    fi
    rm -rf "$clone/build/imported" "$clone/build/shielded" "$clone/results/runs/tiny" "$clone/results/runs/mine"
    prepared "$line"
    result $? "$command$([ "$line" = "$command" ] || echo "  as: $line")"
    n_run=$((n_run + 1))
done <"$WORK/printed"
[ $n_run -ge 60 ]
result $? "most of them were run ($n_run)"
while read -r row; do
    pattern=${row%% | *}
    found=
    while read -r command; do
        # shellcheck disable=SC2254
        case $command in $pattern) found=1 && break ;; esac
    done <"$WORK/printed"
    [ -n "$found" ] || echo "$pattern"
done <"$WORK/not-run" >"$WORK/unused"
same "$(cat "$WORK/unused")" "" "every reason belongs to a command that is printed"

# --- help texts and messages ------------------------------------------------------------------------
# Names and options only: what their placeholders stand for is known when they are printed.
list() { "$KARMA" "$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'; }
for command in $(list); do
    verbs=$(list "$command")
    [ -n "$verbs" ] || echo "$command"
    for verb in $verbs; do echo "$command $verb"; done
done >"$WORK/commands"
while read -r command; do
    # shellcheck disable=SC2086
    "$KARMA" $command --help
done <"$WORK/commands" >"$WORK/help"
awk -v help=1 -f tests/printed.awk "$WORK/help" >"$WORK/mentioned"
# Adjacent string literals are one text; "%s" is what a message fills in.
for source in core/*/*.c mpi/*/*.c proto/*.c; do
    tr '\n' ' ' <"$source" | sed 's/" *"//g' | grep -o '"[^"]*"'
done | grep -oE 'karma [a-z]+( [a-z%]+)*( [A-Z]+| %s| --[a-z-]+( [A-Za-z.=%]+)?)*' >>"$WORK/mentioned"
[ "$(wc -l <"$WORK/mentioned")" -ge 40 ]
result $? "messages name commands ($(wc -l <"$WORK/mentioned"))"
sort -u "$WORK/mentioned" | while read -r program first second rest; do
    [ "$program" = karma ] || [ "$program" = build/karma ] || continue
    if ! grep -Eq "^$first( |$)" "$WORK/commands"; then
        echo "$program $first $second $rest"
        continue
    fi
    name=$first
    if ! grep -qx "$first" "$WORK/commands" && [ -n "$second" ]; then
        name="$first $second"
        grep -qx "$name" "$WORK/commands" || { echo "$program $name: no such verb"; continue; }
    fi
    for word in $second $rest; do
        case $word in
        --*)
            # shellcheck disable=SC2086
            "$KARMA" $name --help | grep -Eq -- " $word( |\$)" || echo "$program $name $word: no such option"
            ;;
        esac
    done
done >"$WORK/out"
: >"$WORK/err"
same "$(cat "$WORK/out")" "" "commands, verbs and options of help texts and messages exist"
done_testing
