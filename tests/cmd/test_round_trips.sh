# Whatever this program writes and reads, it reads again, with no --force; to the byte where that is
# promised. One section for each writer, with all its readers.
# TIMEOUT: 300
#
#   written by                      file                     read by
#   trace collect, import, merge    store                    trace info, export, merge; twin fit
#   trace export                    table                    trace check, import
#   train                           policy/weights.bin       eval
#                                   checkpoints/*.ckpt       train (resume)
#                                   metrics.csv, timing.csv, convergence.csv   train (resume)
#                                   run.yaml                 config check, config show, train
#   config show, config doc         YAML                     every command
#   topology                        YAML                     every command
#   eval                            eval.csv, org_metrics.csv   eval (resume), eval --merge, twin agree
#   twin fit                        twin, twin.traces        twin report, fit --from; train, eval
#   train, eval, ablate, twin report   their directories     report (test_report.sh)
#   simulate                        cohorts.csv              workload.file
#                                   episode.csv, cohorts.csv   figure
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny.yaml
organised=configs/experiments/tiny_organised.yaml
digest() { # the one that the last command printed
    sed -n '$s/.*digest //p' "$WORK/out"
}
import() { # FILE... --out STORE
    "$KARMA" trace import --origin 'a test' --licence CC0 "$@"
}
arms='eval.controllers=[nothing, khpa, {explore: {random: 0.3}}]'

# --- stores and tables ---------------------------------------------------------------------------
exits 0 "a collection" "$KARMA" trace collect $tiny --out "$WORK/store" --set eval.episodes=6 \
    --set "$arms" --validation 25 --held-out 10
exits 0 "its digest" "$KARMA" trace info "$WORK/store"
collected=$(digest)
exits 0 "export" "$KARMA" trace export "$WORK/store" --out "$WORK/table.csv"
exits 0 "check takes the table" "$KARMA" trace check "$WORK/table.csv"
says out "format tidy, 4 services and the application" "and counts its services"
exits 0 "import takes it" import "$WORK/table.csv" --out "$WORK/back"
exits 0 "export again" "$KARMA" trace export "$WORK/back" --out "$WORK/again.csv"
holds "the same table" cmp "$WORK/table.csv" "$WORK/again.csv"
exits 0 "import again" import "$WORK/again.csv" --out "$WORK/back2"
holds "the same store" cmp "$WORK/back" "$WORK/back2"
gzip -kf "$WORK/table.csv"
exits 0 "import of the table packed" import "$WORK/table.csv.gz" --out "$WORK/back3"
holds "the same store, too" cmp "$WORK/back" "$WORK/back3"
exits 0 "merge of one store" "$KARMA" trace merge "$WORK/store" --out "$WORK/merged"
holds "is that store" cmp "$WORK/store" "$WORK/merged"
exits 0 "merge with itself" "$KARMA" trace merge "$WORK/store" "$WORK/merged" --out "$WORK/merged2"
holds "is that store, too" cmp "$WORK/store" "$WORK/merged2"
exits 0 "collecting into it again" "$KARMA" trace collect $tiny --out "$WORK/merged" \
    --set eval.episodes=6 --set "$arms" --validation 25 --held-out 10
holds "changes nothing" cmp "$WORK/store" "$WORK/merged"
# a writer does not write over what it reads
ln -s store "$WORK/link"
for out in store link; do
    exits 2 "export onto the store itself ($out) is refused" "$KARMA" trace export "$WORK/store" \
        --out "$WORK/$out"
    says err "is also what is read" "and says why"
    exits 2 "so is a twin" "$KARMA" twin fit "$WORK/store" --out "$WORK/$out" --set fit.epochs=1
done
holds "the store is as it was" cmp "$WORK/store" "$WORK/merged"
exits 0 "merge into one of its stores" "$KARMA" trace merge "$WORK/store" "$WORK/merged" \
    --out "$WORK/merged"
holds "joins them" cmp "$WORK/store" "$WORK/merged"
# a recording: gaps, an empty hour, replicas
{
    echo time,service,http_requests_per_second,kube_deployment_spec_replicas
    awk 'BEGIN { for (i = 0; i < 600; i++) if (i % 50 != 7)
        printf("%d,web,%g,%d\n", 1700000000 + 15 * i, (i >= 200 && i < 440) ? 0 : 80 + (i * 7919) % 10007 / 100, 1 + int(i / 9) % 3) }'
} >"$WORK/recording.csv"
exits 0 "a recording with gaps" import "$WORK/recording.csv" --out "$WORK/recorded"
exits 0 "its table" "$KARMA" trace export "$WORK/recorded" --out "$WORK/recorded.csv"
exits 0 "comes back" import "$WORK/recorded.csv" --out "$WORK/recorded2"
"$KARMA" trace export "$WORK/recorded2" --out "$WORK/recorded2.csv"
holds "as the same table" cmp "$WORK/recorded.csv" "$WORK/recorded2.csv"

# --- twins ---------------------------------------------------------------------------------------
small='--set fit.members=2 --set fit.hidden=[16] --set fit.epochs=2 --set fit.noise_rows=64'
# shellcheck disable=SC2086
exits 0 "a twin is fitted to the store" "$KARMA" twin fit $small "$WORK/store" --out "$WORK/twin"
fitted=$(digest)
exits 0 "its report" "$KARMA" twin report "$WORK/twin" --horizon 2 --out "$WORK/report"
if command -v gnuplot >/dev/null; then
    exits 0 "and its figures" "$KARMA" figure "$WORK/report"
    for figure in horizon coverage pairs; do
        fit_to_print "$WORK/report/twin-$figure.svg" "twin-$figure"
    done
else
    skip "and its figures" "gnuplot is not installed"
fi
holds "its transitions are a store" "$KARMA" trace info "$WORK/twin.traces"
same "$(digest)" "$collected" "the one it was fitted to"
# shellcheck disable=SC2086
exits 0 "a twin of the table" "$KARMA" twin fit $small "$WORK/back" --out "$WORK/twin-back"
# shellcheck disable=SC2086
exits 0 "a refit from a twin" "$KARMA" twin fit $small --from "$WORK/twin" "$WORK/store" \
    --out "$WORK/twin-again"
same "${#fitted}" 16 "the first has a digest"

# --- configurations ------------------------------------------------------------------------------
digest_of_config() {
    "$KARMA" config check "$@" | sed 's/.*: //'
}
run_dir=$WORK/run
brief="--set train.updates=2 --set train.envs=8 --set train.steps=8 --set train.checkpoint_every=1
    --set train.evaluate.every=1 --set train.evaluate.episodes=1"
# shellcheck disable=SC2086
exits 0 "a training" "$KARMA" train $tiny $brief --set run.dir="$run_dir"
trained=$(digest)
same "${#trained}" 16 "prints its digest"
"$KARMA" config show "$run_dir/run.yaml" >"$WORK/shown.yaml"
"$KARMA" config show "$WORK/shown.yaml" >"$WORK/shown2.yaml"
holds "run.yaml is a configuration, and what is shown of it, too" cmp "$WORK/shown.yaml" "$WORK/shown2.yaml"
# shellcheck disable=SC2086
same "$(digest_of_config "$run_dir/run.yaml")" "$(digest_of_config $tiny $brief)" "with the same digest"
exits 0 "a training with run.yaml" "$KARMA" train "$run_dir/run.yaml" --set run.dir="$WORK/run2"
same "$(digest)" "$trained" "has the same weights"
exits 0 "one with what 'config show' prints" "$KARMA" train "$WORK/shown.yaml" --set run.dir="$WORK/run3"
same "$(digest)" "$trained" "has them, too"
"$KARMA" config doc >"$WORK/doc.yaml"
exits 0 "what 'config doc' prints is a configuration" "$KARMA" config check "$WORK/doc.yaml"
for shape in chain tree; do
    exits 0 "topology $shape" "$KARMA" topology $shape --services 5
    cp "$WORK/out" "$WORK/$shape.yaml"
    exits 0 "is a configuration" "$KARMA" simulate "$WORK/$shape.yaml" --out "$WORK/sim-$shape"
done

# --- runs ----------------------------------------------------------------------------------------
for file in metrics.csv convergence.csv policy/weights.bin; do
    cp "$run_dir/$file" "$WORK/$(basename "$file" | sed 's/[.].*//').before"
done
echo "running update 1 of 2" >"$run_dir/status"
rm -f "$run_dir/checkpoints/update-2.ckpt" "$run_dir/policy/weights.bin"
# shellcheck disable=SC2086
exits 0 "a killed training goes on from its checkpoint" "$KARMA" train $tiny $brief --set run.dir="$run_dir"
same "$(digest)" "$trained" "to the same weights"
holds "metrics.csv is the same" cmp "$run_dir/metrics.csv" "$WORK/metrics.before"
holds "convergence.csv is the same" cmp "$run_dir/convergence.csv" "$WORK/convergence.before"
holds "weights.bin is the same" cmp "$run_dir/policy/weights.bin" "$WORK/weights.before"

# --- evaluations ---------------------------------------------------------------------------------
evaluate() { # DIR OPTION...
    dir=$1
    shift
    "$KARMA" eval $organised --set run.dir="$run_dir" --set eval.episodes=2 --set eval.resamples=100 \
        --out "$dir" "$@"
}
rules='eval.controllers=[nothing, khpa, ff]'
exits 0 "an evaluation" evaluate "$WORK/whole" --set "$rules"
exits 0 "of one rule" evaluate "$WORK/a" --set 'eval.controllers=[nothing]'
exits 0 "of the others" evaluate "$WORK/b" --set 'eval.controllers=[khpa, ff]'
exits 0 "merged" evaluate "$WORK/ab" --set "$rules" --merge "$WORK/b/eval.csv" "$WORK/a/eval.csv"
holds "are the whole" cmp "$WORK/whole/eval.csv" "$WORK/ab/eval.csv"
exits 0 "the whole alone merges" evaluate "$WORK/aa" --set "$rules" --merge "$WORK/whole/eval.csv"
holds "to itself" cmp "$WORK/whole/eval.csv" "$WORK/aa/eval.csv"
head -n 3 "$WORK/whole/eval.csv" >"$WORK/head"
cp -R "$WORK/whole" "$WORK/killed-eval"
cp "$WORK/head" "$WORK/killed-eval/eval.csv"
exits 0 "a killed one goes on" evaluate "$WORK/killed-eval" --set "$rules"
holds "to the same rows" cmp "$WORK/whole/eval.csv" "$WORK/killed-eval/eval.csv"
exits 0 "twin agree reads them" "$KARMA" twin agree "$WORK/whole/eval.csv" "$WORK/ab/eval.csv"
exits 0 "a policy is read" "$KARMA" eval $tiny --set run.dir="$run_dir" --set eval.episodes=1 \
    --set eval.resamples=100 --set 'eval.controllers=[policy]' --out "$WORK/policy"

# --- one episode ---------------------------------------------------------------------------------
exits 0 "an episode" "$KARMA" simulate $tiny --out "$WORK/sim" --set game.horizon=40
exits 0 "its requests are a recorded load" "$KARMA" simulate $tiny --out "$WORK/sim2" \
    --set workload.file="$WORK/sim/cohorts.csv"
says err "rate 'received'" "which is told"
exits 0 "its figure" "$KARMA" figure "$WORK/sim"
done_testing
