# Two processes never write one directory or file: for every command that writes, a second one is
# refused with a sentence that names the first, and changes nothing.
# TIMEOUT: 300
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1
unset SLURM_JOB_ID SLURM_ARRAY_TASK_ID SLURM_RESTART_COUNT

tiny=configs/experiments/tiny.yaml
world=configs/organisations/karma.yaml
small='--set fit.members=2 --set fit.hidden=[16] --set fit.epochs=3 --set fit.noise_rows=64'
two=$WORK/two.yaml # the same world and two controllers
printf 'include: [%s]\neval: {controllers: [khpa, nothing]}\n' "$PWD/$tiny" >"$two"

tuned=$WORK/tuned.yaml # a tuning of one of them
printf 'include: [%s]\ntune: {controller: khpa, objective: priced, trials: 2, keys: [{key: target, from: 0.3, to: 0.8, step: 0.01}]}\n' "$two" >"$tuned"

until_there() { # FILE: no longer than a minute
    tries=0
    until [ -e "$1" ] || [ $tries -ge 1200 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
}
picture() { # DIR: names and contents, but for what the first process itself goes on writing
    (cd "$1" && find . -type f | sort | xargs cksum)
}
refused() { # NAME COMMAND...: exit status 2, and process $first is named
    exits 2 "$@"
    says err "in use by process $first on host " "$1: the owner is named"
}
finish() { # SIGNAL: of the first process
    kill -s "$1" "$first" 2>/dev/null
    wait "$first" 2>/dev/null
}

# ---- two trainings of one directory ----
run=$WORK/run
train() { # SEED OPTION...
    seed=$1
    shift
    exec "$KARMA" train $tiny --set run.dir="$run" --set train.seed="$seed" \
        --set train.updates=100000 "$@"
}
begin() { # SEED OPTION...: a training in the background, until it writes
    (train "$@") >"$WORK/first.out" 2>"$WORK/first.err" </dev/null &
    first=$!
    tries=0
    until grep -q '^running' "$run/status" 2>/dev/null || [ $tries -ge 1200 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
}
second() { # the same program, as a function that `exits` can run
    (train "$@")
}

begin 1
refused "a second training" second 2
refused "a second training with --restart" second 1 --restart
holds "the directory of a running process is not moved aside" test ! -e "$run.1"
holds "the first training is still running" grep -q '^running' "$run/status"
holds "its configuration is the first one's" grep -q '^  seed: 1$' "$run/run.yaml"
refused "an evaluation into it" "$KARMA" eval $tiny --set run.dir="$run" --set eval.episodes=1
# A directory is locked with those in it.
neighbour() { # NAME COMMAND...: refused, because the first process holds a lock above or below
    exits 2 "$@"
    says err "cannot be used: process $first on host .* holds '$run/lock'" "$1: the lock is named"
}
neighbour "a training into its checkpoints" "$KARMA" train $tiny --set run.dir="$run/checkpoints"
neighbour "an evaluation deep inside" "$KARMA" eval $tiny --set eval.episodes=1 --out "$run/policy/a/b"
holds "which leaves nothing" test ! -e "$run/policy/a"
neighbour "a simulation inside" "$KARMA" simulate "$two" --out "$run/policy/a"
neighbour "a training above" "$KARMA" train $tiny --set run.dir="$WORK"
holds "which leaves no lock" test ! -e "$WORK/lock"
exits 0 "a simulation into the directory that a run has for it" "$KARMA" simulate "$two" \
    --set run.dir="$run"
exits 0 "--dry-run needs no lock" second 2 --dry-run
if [ "${MPI:-1}" = 0 ]; then
    skip "a second training on three ranks" "built without MPI"
else
    exits 2 "a second training on three ranks" timeout "$HANGS" "$LAUNCH" -n 3 "$KARMA" train $tiny \
        --set run.dir="$run" --set train.seed=2
    same "$(grep -c 'in use by process' "$WORK/err")" 1 "one rank names the owner"
fi
lock=$(cat "$run/lock")

# ---- every writer against a lock of that living process ----
fixtures=$WORK/fixtures
mkdir "$fixtures"
holds "a store" "$KARMA" trace collect "$two" --set eval.episodes=8 --out "$fixtures/store"
# shellcheck disable=SC2086
holds "a twin" "$KARMA" twin fit $small "$fixtures/store" --out "$fixtures/twin"
holds "an evaluation" "$KARMA" eval "$two" --set eval.episodes=1 --out "$fixtures/eval"
holds "trajectories" "$KARMA" eval configs/experiments/tiny_organised.yaml --out "$fixtures/team" \
    --set 'eval.controllers=[{scripted: {}}]' --set eval.episodes=5 --set eval.trajectories=all \
    --set game.horizon=8 --set eval.resamples=100
printf 'date,web_num_pods,web_desired_replicas,web_cpu_usage,web_mem_usage\n' >"$fixtures/table"
awk 'BEGIN { for (i = 0; i < 200; i++) print 15 * i "," 1 + i % 3 "," 1 + i % 3 "," 50 + (i * 37) % 101 "," 200 + (i * 13) % 17 }' \
    >>"$fixtures/table"

# command, lock file below the new directory d, arguments
cat >"$WORK/writers" <<END
train d/lock train $tiny --set run.dir=d
eval d/lock eval $two --set eval.episodes=1 --out d
eval d/lock eval $two --set eval.episodes=1 --merge F/eval/eval.csv --out d
tune d/lock tune $tuned --out d
exploit d/lock exploit $two --out d
league d/lock league $two --out d
analyse d/lock analyse F/team --shuffles 19 --shuffled 16 --out d
simulate d/lock simulate $two --out d
simulate d/simulate/lock simulate $two --set run.dir=d
figure d/figure.lock figure d
report d/lock report F/eval --out d
replay d/x.lock replay F/table --out d/x
org d/x.svg.lock org show $world --svg d/x.svg
trace-collect d/x.lock trace collect $two --set eval.episodes=1 --out d/x
trace-import d/x.lock trace import F/table --origin a --licence b --out d/x
trace-export d/x.lock trace export F/store --out d/x
trace-merge d/x.lock trace merge F/store --out d/x
twin-fit d/x.lock twin fit $small F/store --out d/x
twin-report d/lock twin report F/twin --out d
bench-scale d/lock bench scale $tiny --out d
END
words_of() { # ARGUMENT...: the command and its verb
    case $1 in
    bench | trace | twin | org) echo "$1 $2" ;;
    *) echo "$1" ;;
    esac
}
n=0
while read -r name place arguments; do
    n=$((n + 1)) dir=$WORK/w$n
    mkdir -p "$dir" "$(dirname "$WORK/w$n${place#d}")"
    echo "$lock" >"$WORK/w$n${place#d}"
    picture "$dir" >"$WORK/before"
    arguments=$(echo "$arguments" | sed "s|F/|$fixtures/|g; s|=d\$|=$dir|; s| d\$| $dir|; s| d/| $dir/|g")
    # shellcheck disable=SC2086
    refused "$name: $place" "$KARMA" $arguments
    offered=$(sed -n 's/.*choose another place with \(--[a-z]*\) .*/\1/p' "$WORK/err")
    # shellcheck disable=SC2086
    case $name in
    figure) same "$offered" "" "$name: no option is offered, because it has none" ;;
    *) "$KARMA" $(words_of $arguments) --help | grep -q -- "$offered" && [ -n "$offered" ]
        result $? "$name: the option that is offered is one of the command's" ;;
    esac
    picture "$dir" >"$WORK/after"
    holds "$name: nothing was written" cmp "$WORK/before" "$WORK/after"
done <"$WORK/writers"

# ---- a file in the directory of the first process, which it may write itself ----
into_run() { # FILE COMMAND...: refused; the file is as it was
    file=$run/$1
    shift
    cksum "$file" >"$WORK/before" 2>/dev/null
    exits 2 "$* into $file" "$KARMA" "$@" --out "$file"
    says err "'$file' cannot be written: process $first on host .* holds '$run/lock'.*another place with --out FILE" \
        "$1 $2: the owner is named"
    [ "$file" = "$run/status" ] || cksum "$file" >"$WORK/after" 2>/dev/null
    [ "$file" = "$run/status" ] || holds "$1 $2: nothing was written" cmp "$WORK/before" "$WORK/after"
}
into_run run.yaml trace export "$fixtures/store"
# shellcheck disable=SC2086
into_run status twin fit $small "$fixtures/store"
holds "twin fit: the status is the training's" grep -q '^running' "$run/status"
into_run policy/st trace import "$fixtures/table" --origin a --licence b
into_run policy/st trace collect "$two" --set eval.episodes=1
into_run new/st trace merge "$fixtures/store"
holds "trace merge: no directory is left behind" test ! -e "$run/new"
exits 0 "a figure of a training under way" "$KARMA" figure "$run"

# A command or verb that this test does not know must be added to it.
"$KARMA" help | awk '/^Commands:/ { on = 1; next } on && NF == 0 { exit } on { print $1 }' >"$WORK/commands"
unknown=
for command in $(cat "$WORK/commands"); do
    case $command in
    config | topology | audit) continue ;; # standard output only
    doctor) continue ;; # writes a file of its own name, and removes it
    serve) continue ;; # needs a Prometheus: test_serve.sh
    ablate) continue ;; # its processes share a directory: below
    esac
    grep -q "^$command" "$WORK/writers" || unknown="$unknown $command"
done
for verb in $(grep -o '{"[a-z]*", run_[a-z]*' mpi/cmd/trace.c mpi/cmd/twin.c |
    sed 's|mpi/cmd/\(.*\)\.c:{"\([a-z]*\)".*|\1-\2|'); do
    case $verb in
    trace-info | trace-check | twin-agree | twin-answers) continue ;; # standard output only
    esac
    grep -q "^$verb " "$WORK/writers" || unknown="$unknown $verb"
done
same "$unknown" "" "every command that writes stands in this test"

# ---- how an owner ends ----
finish TERM
holds "SIGTERM removes the lock" test ! -e "$run/lock"
holds "and leaves last words" grep -q '^ended by SIGTERM' "$run/status"
begin 1
kill -STOP "$first" # it renews nothing, and lives
refused "a stopped process is an owner" second 1
touch -d '10 minutes ago' "$run/lock"
(train 1 --set train.updates=100001 --restart) >"$WORK/next.out" 2>"$WORK/next.err" </dev/null &
next=$!
until_there "$run.1"
kill -CONT "$first"
wait "$first"
same $? 2 "a process that was asleep for too long ends"
holds "and says why" grep -q "not this process's any more" "$WORK/first.err"
first=$next
until grep -q '^running' "$run/status" 2>/dev/null; do sleep 0.05; done
finish KILL
holds "SIGKILL leaves the lock" test -e "$run/lock"

# ---- a requeue on another node, and a lock of somebody else there ----
seize() { # JOB: the lock as a process of job JOB on host n17 would have left it
    sed "s/^host: .*/host: n17/; s/^machine: .*/machine: 00000001/; s/^job: .*/job: $1/" \
        "$WORK/lock" >"$run/lock"
}
go_on() { # VARIABLE=VALUE...: the rest of a short training
    env "$@" "$KARMA" train $tiny --set run.dir="$run" --set train.updates=2
}
cp "$run/lock" "$WORK/lock"
rm -rf "$run"
exits 0 "a short training" go_on A=1
golden=$(tail -n 1 "$WORK/out")
rm -rf "$run"
mkdir "$run"
seize 42
first=[0-9]+
refused "another job's lock on another node" go_on SLURM_JOB_ID=43
refused "a lock of another array task" go_on SLURM_JOB_ID=42 SLURM_ARRAY_TASK_ID=1 SLURM_RESTART_COUNT=1
exits 0 "the same job, requeued on this node, goes on" go_on SLURM_JOB_ID=42 SLURM_RESTART_COUNT=1
same "$(tail -n 1 "$WORK/out")" "$golden" "to the same digest"
says err "left locked by process [0-9]+ on host n17, Slurm job 42" "and says from whom"
rm -rf "$run"
mkdir "$run"
seize 42
touch -d '6 minutes ago' "$run/lock"
exits 0 "a lock that was not renewed for six minutes is taken over" go_on A=1
holds "a normal end removes the lock" test ! -e "$run/lock"

# ---- an ablation leaves alone what somebody else writes; test_ablate.sh has two of them in one place ----
ablation=$WORK/ablation
run=$ablation/runs/none/loaded/1/training
begin 1
exits 0 "an ablation around a training" "$KARMA" ablate configs/ablations/tiny.yaml --set 'seeds=[1]' \
    --set 'scenarios=[{name: loaded}]' --out "$ablation"
says err "3 of 4 runs done, 0 failed" "makes all runs but that one"
says err "1 of them is left to other processes" "and says so"
holds "the training is still running" grep -q '^running' "$run/status"
finish KILL
run=$WORK/run

# ---- many at once ----
rm -rf "$run"
mkdir "$run"
seize 42
touch -d '6 minutes ago' "$run/lock"
jobs=
for seed in 1 2 3 4 5; do
    "$KARMA" train $tiny --set run.dir="$run" --set train.seed=$seed --set train.updates=20 \
        >"$WORK/many$seed.out" 2>"$WORK/many$seed.err" </dev/null &
    jobs="$jobs $!"
done
won=0 refused=0
for job in $jobs; do
    rc=0
    wait "$job" || rc=$?
    [ $rc != 0 ] || won=$((won + 1))
    [ $rc != 2 ] || refused=$((refused + 1))
done
same "$won $refused" "1 4" "of five that find a lock that nobody holds one goes on"
seed=$(sed -n '/^train:/,/seed/s/^ *seed: //p' "$run/run.yaml")
same "$(tail -n 1 "$WORK/many$seed.out")" "$("$KARMA" train $tiny --set run.dir="$run" \
    --set train.seed="$seed" --set train.updates=20 2>/dev/null)" "and the directory is its alone"
done_testing
