# An ablation as a job array on a real Slurm, disturbed in every way that a cluster knows, against the
# same ablation undisturbed:
#
#   the time limit fires the signal in the middle of runs, and tasks requeue themselves
#   half of the tasks are cancelled; a task is requeued by hand
#   a node goes down: all its processes are killed, and Slurm requeues its tasks
#   then all is cancelled, and started again: it makes only what is missing
#
# All results and the report are the same bytes, and no run is made twice. `make test-slurm` runs it.
# TIMEOUT: 3000
. tests/cmd/tap.sh
. tests/slurm/cluster.sh
. tests/slurm/jobs.sh

jobs_begin
if ! "$KARMA" ablate --help >/dev/null 2>&1 || ! "$KARMA" report --help >/dev/null 2>&1; then
    skip "an ablation on a real Slurm" "this program has no karma ablate or no karma report"
    done_testing
    exit 0
fi

# Three teams and some rules, two scenarios, four seeds: 26 runs of some seconds.
spec=configs/ablations/tiny.yaml
set -- $spec --out results --set 'seeds=[1,2,3,4]' --set 'settings=[train.updates=120, train.envs=16, train.steps=8, "team.actor_hidden=[8]", "team.critic_hidden=[8]", train.evaluate.every=10, train.evaluate.episodes=1, train.checkpoint_every=2, fit.members=1, "fit.hidden=[8]", fit.epochs=2, fit.noise_rows=64]'
n_runs=26

outcomes() { # of runs that are over
    find results/runs -name outcome.yaml 2>/dev/null
}
n_over() {
    outcomes | wc -l
}
over_at_least() { # N
    [ "$(n_over)" -ge "$1" ]
}
array_over() { # JOB
    [ -z "$(squeue -h -j "$1" 2>/dev/null)" ]
}
first_running() { # [SQUEUE-OPTION...]: a task of the array that runs, as JOB_TASK
    squeue -h -r -t RUNNING -o %i -j "$array" "$@" 2>/dev/null | head -n 1
}
# Results alone: no times, hosts, logs, locks, no checkpoints, which are written when asked for, and no
# training that was moved aside because it was ended before its first checkpoint. A process that is
# killed while it writes leaves a temporary file, which no reader looks at.
listing() { # DIR: every file of results with its checksum
    (cd "$1" && find results -type f ! -name cost.yaml ! -name log.txt ! -name timing.csv \
        ! -name machine.yaml ! -name ranks.csv ! -name decision_cpu.csv ! -name lock ! -path '*/checkpoints/*' \
        ! -path '*/training.[0-9]*/*' ! -name '*.tmp-*' |
        LC_ALL=C sort | xargs cksum)
}

# ---- undisturbed, without Slurm ----
plain=$WORK/plain
rm -rf "$plain"
mkdir -p "$plain/build"
ln -s "$sources/configs" "$plain"
ln -s "$KARMA" "$plain/build/karma"
cd "$plain" || exit 1
exits 0 "the ablation without Slurm" "$sources/mpi/launch" -n 2 build/karma ablate "$@"
same "$(n_over)" $n_runs "has its runs"
cd "$here" || exit 1

# ---- disturbed ----
site_up task/none 2
result $? "a Slurm of two nodes is up"
array=$(KARMA_REQUEUE=1 KARMA_PROGRESS_S=0 sbatch --parsable --array=0-25%4 --ntasks=1 --time=1 \
    --signal=B:USR1@50 slurm/ablation.sbatch "$@")
await 300 over_at_least 1
result $? "an array of $n_runs tasks makes runs"
await 300 grep -lq "stopped on request; the job is requeued" "karma-ablation-${array}"_*.log
result $? "the time limit stops a task in the middle of a run, and it is requeued"

# shellcheck disable=SC2046
scancel $(seq 0 2 25 | sed "s/^/${array}_/")
result $? "half of the tasks are cancelled"
running() { # [SQUEUE-OPTION...]
    [ -n "$(first_running "$@")" ]
}
await 180 running
task=$(first_running)
scontrol requeue "$task"
result $? "a task that runs is requeued by hand"

# The node loses its power: every process on it is killed at once, slurmd too. The processes of a node
# share the namespace of its host name, which is no other's (site_node).
node_dies() { # NAME
    namespace=$(readlink "/proc/$(cat "$SITE/slurmd-$1.pid")/ns/uts")
    case $namespace in
    '' | "$(readlink /proc/self/ns/uts)" | "$(readlink /proc/1/ns/uts)") return 1 ;;
    esac
    for proc in /proc/[0-9]*; do
        [ "$(readlink "$proc/ns/uts" 2>/dev/null)" != "$namespace" ] || echo "${proc#/proc/}"
    done >"$WORK/node"
    xargs kill -KILL <"$WORK/node" 2>/dev/null
    scontrol update NodeName="$1" State=DOWN Reason="no power"
}
if unshare --uts --mount true 2>/dev/null; then
    await 180 running -w n2
    task=$(first_running -w n2)
    node_dies n2
    result $? "all processes of a node are killed"
    requeued() {
        [ "$(field "$task" Restarts)" -ge 1 ]
    }
    await 60 requeued
    result $? "a node goes down: Slurm requeues its task $task"
    same "$(sinfo -h -n n2 -o %T | sort -u)" down "and the node is down"
    before=$(n_over)
    await 300 over_at_least $((before + 1))
    result $? "the other node goes on"
else
    skip "a node goes down" "needs nodes with names of their own (unshare)"
fi
scancel "$array"
await 120 array_over "$array"
result $? "then all is cancelled"
left=$((n_runs - $(n_over)))
[ $left -gt 0 ] && [ $left -lt $n_runs ]
result $? "some runs are over, and some are missing ($left)"
outcomes | LC_ALL=C sort | xargs stat -c '%n %y %i' >"$WORK/made-before"
same "$(grep -h '^error: ' "karma-ablation-${array}"_*.log)" "" "no task says an error"

# ---- started again ----
if [ -s "$WORK/node" ]; then
    rm -f "$SITE/slurmd-n2.pid"
    site_node n2
    scontrol update NodeName=n2 State=RESUME 2>/dev/null || : # it may have come back by itself
fi
run "$KARMA" ablate "$@" --status
says out "waiting|running" "the status tells what is missing"
exits 0 "karma ablate --slurm" "$KARMA" ablate "$@" --slurm jobs --throttle 4
# It asks for eight ranks for the stages, for which this Slurm is too small.
sed 's/--ntasks=8/--ntasks=2/' jobs/submit.sh >jobs/small.sh
exits 0 "the script that it writes submits stages, array and report" env OMPI_MCA_btl=tcp,self sh jobs/small.sh
array=$(sed -n 's/^runs: job \([0-9]*\), report: job [0-9]*$/\1/p' "$WORK/out")
report=$(sed -n 's/^runs: job [0-9]*, report: job \([0-9]*\)$/\1/p' "$WORK/out")
await 900 array_over "${array:-none}"
result $? "the array ends"
ends "${report:-none}" 0 "and then the report is made"
# A run whose node is gone keeps its lock until it is stale; who wants it waits or comes again.
tries=0
until over_at_least $n_runs || [ $tries -ge 8 ]; do
    tries=$((tries + 1))
    sleep 60
    submit --array=0-1 --ntasks=1 --time=30 slurm/ablation.sbatch "$@"
    await 900 array_over "$id"
done
same "$(n_over)" $n_runs "has all runs in the end"
outcomes | LC_ALL=C sort | xargs stat -c '%n %y %i' | grep -Fxf "$WORK/made-before" >"$WORK/kept"
holds "the runs that were over were not made again" cmp "$WORK/made-before" "$WORK/kept"
rm -rf results/report
listing "$plain" >"$WORK/undisturbed"
listing "$here" >"$WORK/disturbed"
run diff "$WORK/undisturbed" "$WORK/disturbed"
same "$rc" 0 "every result is the same, byte for byte ($(wc -l <"$WORK/undisturbed") files)"
submit --array=0-1 --ntasks=1 slurm/ablation.sbatch "$@"
array=$id
submit --dependency=afterany:"$array" slurm/report.sbatch results
ends "$id" 0 "a report that waits for the array"
(cd "$plain" && build/karma report results) >"$WORK/out" 2>"$WORK/err"
result $? "and one of the undisturbed ablation"
# Times and hosts, in files of their own, differ.
run diff -r -x timings.html -x 'costs.*' -x 'machines-table.*' "$plain/results/report" "$here/results/report"
same "$rc" 0 "page, tables and figures are the same, byte for byte"
rm -rf "$here/results/report"
await 300 array_over "$array"
listing "$here" | cmp -s - "$WORK/disturbed"
result $? "once more, the array makes nothing"
for i in 0 1; do
    same "$(field "${array}_$i" ExitCode)" "0:0" "task $i of it ends with status 0"
done
done_testing
