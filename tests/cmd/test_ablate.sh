# karma ablate: the same results for every number of ranks and every grouping; what is lost in the
# middle goes on; two processes share the work; bad specs and damaged results are told in a sentence.
# TIMEOUT: 600
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1
unset SLURM_JOB_ID SLURM_ARRAY_TASK_ID SLURM_RESTART_COUNT

spec=configs/ablations/tiny.yaml
small='--set seeds=[1]'
results() { # DIR: checksums of all results, without times, hosts, and what was moved aside
    (cd "$1" && find manifest.csv stages runs -name manifest.csv -o -name outcome.yaml -o -name eval.csv \
        -o -name org_metrics.csv -o -name metrics.csv -o -name convergence.csv -o -name store \
        -o -name twin -o -name twin.traces -o -path '*/evaluation/config.yaml' | grep -v '/training\.[0-9]' | sort | xargs cksum)
}
ablate() { # DIR ARGUMENT...
    dir=$1
    shift
    # shellcheck disable=SC2086
    "$KARMA" ablate $spec $small --out "$dir" "$@"
}

# ---- what there is ----
exits 0 "a list of runs" "$KARMA" ablate $spec --dry-run
says out "^14 runs, digest [0-9a-f]{16}$" "names their number and the digest"
same "$(grep -c '^\(collect\|fit\)  *\(loaded\|overloaded\) ' "$WORK/out")" 4 "a twin for each scenario, made once"
exits 2 "the status of nothing" ablate "$WORK/a" --status
says err "was not begun; begin it with: karma ablate $spec" "says how to begin"

# ---- one process ----
exits 0 "an ablation" ablate "$WORK/a"
says err "8 of 8 runs done, 0 failed" "makes every run"
golden=$(results "$WORK/a")
same "$(cut -d, -f9 "$WORK/a/manifest.csv" | sort | uniq -c | tr -s ' ')" " 8 done
 1 state" "the manifest says so"
same "$(echo "$golden" | grep -c outcome.yaml)" 12 "a record for each run and stage"
before=$(find "$WORK/a" -name outcome.yaml | xargs ls -l --time-style=full-iso)
exits 0 "again" ablate "$WORK/a"
same "$(find "$WORK/a" -name outcome.yaml | xargs ls -l --time-style=full-iso)" "$before" "makes nothing"
exits 0 "status" ablate "$WORK/a" --status
says out "^8 runs: 8 done, 0 running, 0 waiting, 0 failed$" "counts"
exits 0 "its rows are one evaluation" "$KARMA" eval "$WORK/a/compared/loaded.yaml" --merge \
    "$WORK"/a/runs/*/loaded/*/evaluation/eval.csv
says err " 0 are left" "without an episode played again"
says out "^quiet +hard sampled " "with every variant"
says out "^quiet +khpa " "and the rules"

# ---- groups ----
if [ "${MPI:-1}" = 0 ]; then
    skip "groups of ranks" "built without MPI"
else
    for n in 2 4; do
        for group in 1 2 4; do
            [ $group -le $n ] || continue
            # shellcheck disable=SC2086
            exits 0 "$n ranks in groups of $group" mpi/launch -n $n "$KARMA" ablate $spec $small \
                --out "$WORK/n$n-$group" --group $group
            same "$(results "$WORK/n$n-$group")" "$golden" "have the same results"
        done
    done
    exits 2 "a group larger than the job" ablate "$WORK/never" --group 2
    says err "there are 1 ranks" "is refused"
fi

# ---- two processes ----
begin() { # DIR: in the background, its process is $victim
    # shellcheck disable=SC2086
    "$KARMA" ablate $spec $small --out "$1" >/dev/null 2>"$WORK/begun.err" </dev/null &
    victim=$!
}
begin "$WORK/two"
exits 0 "a second process beside the first" ablate "$WORK/two"
cp "$WORK/err" "$WORK/second.err"
wait $victim
same "$?" 0 "and the first one"
same "$(results "$WORK/two")" "$golden" "have the same results together"
same "$(cat "$WORK/begun.err" "$WORK/second.err" | grep -c ', done in ')" 8 "no run is made twice"

# ---- killed ----
: >"$WORK/killed.err"
for delay in 0.3 0.9 1.5 0.7; do
    begin "$WORK/killed"
    sleep $delay
    kill -9 $victim 2>/dev/null
    wait $victim 2>/dev/null
    cat "$WORK/begun.err" >>"$WORK/killed.err"
done
run=$WORK/killed/runs/none/loaded/1
mkdir -p "$run/training.7/checkpoints" "$run/training.8/checkpoints"
: >"$run/training.8/checkpoints/update-1.ckpt"
: >"$run/training.7/run.yaml"
: >"$run/training.7/run.yaml.tmp-abcdef"
rm -f "$run/outcome.yaml"
exits 0 "after four kills" ablate "$WORK/killed"
holds "a training without a checkpoint that was left is removed" test ! -e "$run/training.7"
holds "one with a checkpoint is not" test -e "$run/training.8"
same "$(find "$WORK/killed" -name '*.tmp-??????')" "" "nothing that is half written is left"
cat "$WORK/err" >>"$WORK/killed.err"
same "$(results "$WORK/killed")" "$golden" "the results are those of an undisturbed ablation"
[ "$(grep -c ', done in ' "$WORK/killed.err")" -le 8 ]
result $? "and no finished run was made again"

# ---- many runs, on ranks that are killed ----
if [ "${MPI:-1}" = 0 ]; then
    skip "twenty runs in groups" "built without MPI"
else
    exits 0 "twenty runs in groups of 1, 2 and 4, some killed (make proof-ablate makes 1,000)" \
        env RUNS=20 WORK="$WORK/proof" sh tests/extra/proof_ablate.sh
fi

# ---- stopped ----
begin "$WORK/stopped"
sleep 1
kill -USR1 $victim
wait $victim
rc=$?
case $rc in 0 | 5) true ;; *) false ;; esac
result $? "SIGUSR1 ends it with status 5 (or it was done: $rc)"
[ $rc != 5 ] || holds "and says how to go on" grep -q "to go on: " "$WORK/begun.err"
exits 0 "the same command goes on" ablate "$WORK/stopped"
same "$(results "$WORK/stopped")" "$golden" "to the same results"

# ---- configurations and trajectories of runs ----
played='evaluation_settings=[eval.episodes=6, eval.resamples=100, eval.reference=hard, eval.trajectories=all]'
exits 0 "an ablation that keeps trajectories" ablate "$WORK/kept" --lines 1,2,8 --set "$played"
mv "$WORK/kept" "$WORK/moved"
run=$WORK/moved/runs/hard/loaded/1
exits 0 "the kept configuration of a run" "$KARMA" eval "$run/evaluation/config.yaml" --out "$run/evaluation"
says err "24 of 24 episodes were measured before; 0 are left" "is that of its rows, and finds the policy where it was moved"
exits 1 "a change of it" "$KARMA" eval "$run/evaluation/config.yaml" --out "$run/evaluation" --set plant.period_s=30
says err "what differs from .*/config.yaml, old -> new: plant.period_s: 15 -> 30" "is named"
exits 0 "the rows of a moved ablation" "$KARMA" eval "$WORK/moved/compared/loaded.yaml" \
    --merge "$WORK"/moved/runs/*/loaded/*/evaluation/eval.csv --out "$WORK/merged"
exits 1 "a merge under another configuration" "$KARMA" eval "$WORK/moved/compared/loaded.yaml" \
    --merge "$WORK"/moved/runs/*/loaded/*/evaluation/eval.csv --out "$WORK/merged2" --set plant.period_s=30
says err "what differs from .*/evaluation/config.yaml, old -> new: plant.period_s: 15 -> 30" "says what"
exits 0 "an analysis of all runs" "$KARMA" analyse "$WORK"/moved/runs/*/loaded/*/evaluation --replay --replaced 1 \
    --shuffles 19 --shuffled 8 --out "$WORK/analysis"
same "$(sed 1d "$WORK/analysis/roles.csv" | cut -d, -f1 | sort | tr '\n' ' ')" "hard hard sampled none " "has every trained team"
says out " authority " "and who has authority in it, from episodes that were played again"
exits 0 "a decision of one" "$KARMA" analyse "$run/evaluation" --controller hard --episode 1 --decision 3
says out "^hard, scenario quiet, dev episode 1, training seed 1: decision 3" "is explained without another file"
mkdir "$WORK/own"
echo 'a: 1' >"$WORK/own/config.yaml"
exits 2 "a file of that name that is somebody else's" "$KARMA" eval configs/experiments/tiny.yaml --out "$WORK/own" \
    --set 'eval.controllers=[nothing]' --set eval.episodes=1
says err "was not written by one; rename it" "is not replaced"
same "$(cat "$WORK/own/config.yaml")" "a: 1" "and stays"

# ---- damage, changes, failures ----
victim=$WORK/a/runs/hard/loaded/1/outcome.yaml
printf 'format: 1\ndigest: ' >"$victim"
exits 0 "a damaged record" ablate "$WORK/a"
says err "hard in loaded, seed 1, done in" "counts for nothing: the run is made again"
same "$(results "$WORK/a")" "$golden" "from what was there"
exits 2 "another configuration in the same place" ablate "$WORK/a" --set 'evaluation_settings=[eval.episodes=1]'
says err "8 runs in .* were made with another configuration" "is refused"
trained=$(ls -l --time-style=full-iso "$WORK"/a/runs/*/*/*/training/policy/weights.bin)
exits 0 "--restart" ablate "$WORK/a" --restart --set 'evaluation_settings=[eval.episodes=1]'
same "$(ls -l --time-style=full-iso "$WORK"/a/runs/*/*/*/training/policy/weights.bin)" "$trained" \
    "keeps the trainings, which have not changed"
holds "and the old rows" test -e "$WORK/a/runs/hard/loaded/1/evaluation.1/eval.csv"
same "$(sed 1d "$WORK/a/runs/hard/loaded/1/evaluation/eval.csv" | wc -l | tr -d ' ')" 4 "and plays what is asked for"

echo "no twin" >"$WORK/no.twin"
broken="settings=[train.updates=1, train.envs=8, 'twin.file=$WORK/no.twin']"
exits 1 "a training whose twin is none" ablate "$WORK/broken" --lines 3,4 --set "$broken"
says err "1 failed; karma ablate $spec --status says why" "the others are made"
exits 0 "its status" ablate "$WORK/broken" --status
says out "^failed: line 3, simulated in loaded, seed 1: .*no.twin" "says why"
same "$(sed -n 's/^state: //p' "$WORK/broken/runs/simulated/loaded/1/outcome.yaml")" failed "and so does its record"
exits 1 "again" ablate "$WORK/broken" --lines 3,4 --set "$broken"
same "$(grep -c 'has failed' "$WORK/err")" 0 "it is not tried again"
exits 1 "--retry" ablate "$WORK/broken" --lines 3,4 --set "$broken" --retry
same "$(grep -c 'has failed' "$WORK/err")" 1 "tries it again"

# ---- a job array ----
mkdir "$WORK/bin"
cat >"$WORK/bin/sbatch" <<'END'
#!/bin/sh
echo "$*" >>"$SBATCH_LOG"
wc -l <"$SBATCH_LOG" | tr -d ' '
END
chmod +x "$WORK/bin/sbatch"
exits 0 "--slurm" ablate "$WORK/array" --slurm "$WORK/jobs" --group 3 --throttle 5
exits 0 "its script" env SBATCH_LOG="$WORK/sbatch.log" PATH="$WORK/bin:$PATH" sh "$WORK/jobs/submit.sh"
says out "^runs: job 2, report: job 3$" "submits"
words="slurm/ablation.sbatch $spec --out $WORK/array --set seeds=[1]"
same "$(cat "$WORK/sbatch.log")" "--parsable --array=0 --ntasks=3 $words --stages
--parsable --dependency=afterok:1 --array=0-7%5 --ntasks=3 $words --group 3
--parsable --dependency=afterany:2 slurm/report.sbatch $WORK/array" "stages, runs and the report, each after the other"
exits 0 "for an ablation that is done" ablate "$WORK/two" --slurm "$WORK/jobs2"
says err "there is nothing to submit" "nothing is written"
exits 0 "--stage-ranks" ablate "$WORK/array" --slurm "$WORK/jobs" --group 3 --stage-ranks 8
holds "is of the job of the stages" grep -q -- "--array=0 --ntasks=8 .* --stages" "$WORK/jobs/submit.sh"
holds "and of no other" grep -q -- "--array=0-7%16 --ntasks=3 " "$WORK/jobs/submit.sh"
exits 2 "--throttle without it" ablate "$WORK/never" --throttle 3
exits 2 "--stage-ranks without it" ablate "$WORK/never" --stage-ranks 3
exits 2 "two questions" ablate "$WORK/never" --dry-run --status
exits 2 "a question and an order" ablate "$WORK/never" --dry-run --retry
exits 0 "--show" ablate "$WORK/never" --show 2
says out "^  dir: .*/runs/hard/loaded/1/training$" "prints the configuration of a run"

# ---- bad specs ----
bad() { # NAME WHAT TEXT
    printf '%s\n' "$3" >"$WORK/bad.yaml"
    exits 2 "$1" "$KARMA" ablate "$WORK/bad.yaml" --dry-run
    says err "$2" "is named"
}
base="base: [$PWD/configs/experiments/tiny.yaml]
evaluation: $PWD/configs/experiments/tiny.yaml"
bad "an unknown key of the spec" "variant: unknown key|unknown key 'variant'" "$base
variant: []"
bad "no variants" "variants: is empty" "$base"
bad "an unknown key of a configuration" "mapo.lr" "$base
variants: [{name: a, settings: [mapo.lr=1]}]"
says err "variant 'a' cannot be run in scenario 'configured', as said above" "with the variant"
bad "a file that is not there" "nothing.yaml" "$base
variants: [{name: a, include: [nothing.yaml]}]"
bad "an evaluation in a twin" "evaluated on the simulator" "$base
evaluation_settings: [eval.plant=twin]
variants: [{name: a}]"
exits 2 "lines that are none" ablate "$WORK/never" --lines 3,x
says err "found 'x', expected numbers of lines from 1 to 8" "are refused"

# ---- TEST episodes ----
printf '%s\nevaluation_settings: [eval.split=test, eval.episodes=1]\nvariants: [{name: a}]\n' "$base" >"$WORK/final.yaml"
exits 2 "TEST episodes" "$KARMA" ablate "$WORK/final.yaml" --out "$WORK/never"
says err "fixed beforehand.*--preregister" "need a digest"
exits 0 "which --preregister prints" "$KARMA" ablate "$WORK/final.yaml" --preregister
same "$(grep -Ec '^preregistered: "[0-9a-f]{16}"$' "$WORK/out")" 1 "as a line of the spec"
cat "$WORK/out" >>"$WORK/final.yaml"
exits 2 "a spec that has changed since" "$KARMA" ablate "$WORK/final.yaml" --out "$WORK/never" --set 'seeds=[9]'
says err "what it runs has changed since" "is refused"
holds "and nothing is written" test ! -e "$WORK/never"
done_testing
