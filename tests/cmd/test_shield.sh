# The shield from the command line: columns of its interventions, a log that a monitor judges, limits
# that contradict, the mask of a training on any number of ranks.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

config=configs/experiments/warm_start_cluster.yaml
tiny=configs/experiments/tiny.yaml
few="--set eval.episodes=2"
storm="scenarios=[{name: storm, events: [{kind: crash_all, service: any, quiet_s: {lo: 30, hi: 60},
    magnitude: {lo: 0.4, hi: 0.8}}, {kind: ddos, quiet_s: {lo: 60, hi: 90}, ramp_s: {lo: 0, hi: 10},
    duration_s: {lo: 60, hi: 120}, magnitude: {lo: 2.5, hi: 3.5}}]}]"
arms="eval.controllers=[{name: khpa tuned, khpa: {behavior: default, target: 0.4, down_s: 0}}, {ff: {down_s: 0}}]"

short() { # COMMAND OPTION...
    command=$1
    shift
    "$KARMA" "$command" $config --set game.horizon=30 --set "$storm" --set "$arms" "$@"
}

# shellcheck disable=SC2086 # $few and $limits are options

# --- evaluation ----------------------------------------------------------------------------------
exits 0 "an evaluation without the shield" short eval $few --out "$WORK/off"
exits 0 "and with it" short eval $few --out "$WORK/on" --set eval.shield=true
same "$(head -n 1 "$WORK/off/eval.csv" | grep -c shield_)" 0 "without it there are no columns of it"
same "$(head -n 1 "$WORK/on/eval.csv" | tr , '\n' | grep -c '^shield_')" 20 "with it there are 20"
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next } { sum += $at["shield_overrides"] }
    END { exit !(sum > 0) }' "$WORK/on/eval.csv"
result $? "interventions are counted"
cp "$WORK/on/eval.csv" "$WORK/whole.csv"
head -n 3 "$WORK/whole.csv" >"$WORK/on/eval.csv"
exits 0 "an evaluation goes on" short eval $few --out "$WORK/on" --set eval.shield=true
cmp -s "$WORK/on/eval.csv" "$WORK/whole.csv"
result $? "and gives the same rows"
exits 1 "other limits are another evaluation" short eval $few --out "$WORK/on" --set eval.shield=true \
    --set shield.step_out=1
says err "measured under another configuration" "the message says so"
exits 1 "rows without the shield are other rows" short eval $few --out "$WORK/on"
says err "other columns than this program writes|has the column" "the message says so"

frozen="--set eval.lie.kind=frozen --set eval.lie.start_s=0"
exits 0 "metrics that are frozen from the start" short eval $few --out "$WORK/frozen" --set eval.shield=true $frozen
head -n 1 "$WORK/frozen/eval.csv" >"$WORK/parts.csv"
for episode in 0 1; do
    exits 0 "episode $episode of these" short eval --set eval.episodes=1 --set eval.first=$episode \
        --out "$WORK/frozen$episode" --set eval.shield=true $frozen
    sed 1d "$WORK/frozen$episode/eval.csv" >>"$WORK/parts.csv"
done
sort "$WORK/parts.csv" >"$WORK/parts.sorted"
sort "$WORK/frozen/eval.csv" | cmp -s - "$WORK/parts.sorted"
result $? "what is frozen is of the same episode"

# --- one episode, judged by its log --------------------------------------------------------------
judge() { # DIR
    awk -f tests/shield_log.awk -v services="$services" -v node=16000 -v step_out=2 -v step_in=1 \
        -v disruption=0.5 -v flips=2 -v window=3600 "$1/episode.csv"
}
services=$("$KARMA" config show $config | awk '
    /^  services:/ { on = 1 } /^  node_cpu_m:/ { on = 0 }
    on && /name:/ { name = $NF } on && /cpu_m:/ { cpu = $2 } on && /min_replicas:/ { lo = $2 }
    on && /max_replicas:/ { printf "%s:%s:%s:%s ", name, lo, $2, cpu }')
limits="--set shield.step_out=2 --set shield.step_in=1 --set shield.flips_max=2"
exits 0 "an episode behind the shield" short simulate -c "khpa tuned" -e 1 --out "$WORK/guarded" \
    --set eval.shield=true $limits
says out "^shield_step +[0-9.]+ +1/h" "its metrics tell the interventions"
same "$(judge "$WORK/guarded")" "judged 29 violations 0" "its log has no violation"
head -n 1 "$WORK/guarded/episode.csv" | grep -q 'proposed\.a,shield\.a'
result $? "the log has the proposal and the reasons"
grep -Eq ',[-0-9]+,(step|[a-z+]*\+step|step\+[a-z+]*)(,|$)' "$WORK/guarded/episode.csv"
result $? "a reason stands in words"
exits 0 "the episode without it" short simulate -c "khpa tuned" -e 1 --out "$WORK/bare"
judge "$WORK/bare" | grep -Eq 'violations [1-9].* step [1-9]'
result $? "the monitor finds the violations of that one"

# --- bad input -----------------------------------------------------------------------------------
exits 2 "a limit that every value exceeds" short eval $few --out "$WORK/x" --set eval.shield=true \
    --set shield.stale_s=1
says err "shield.stale_s: 1 s: every value is older than that.*set it above" "the remedy is named"
exits 2 "a quota below the smallest cluster" short eval $few --out "$WORK/x" --set eval.shield=true \
    --set shield.quota_pods=2
says err "shield.quota_pods: 2 is less than min_replicas of all services ask for .4." "the key is named"
exits 0 "a lag that only a shield would refuse" short eval $few --out "$WORK/lag" --set plant.lag_s=40
exits 2 "limits of no shield" short eval $few --out "$WORK/x" --set shield.step_in=1
says err "uses no shield; leave it out, or add --set eval.shield=true" "the remedy is named"
exits 2 "a lie that does not exist" short eval $few --out "$WORK/x" --set eval.lie.kind=factr
says err "did you mean '?factor" "the nearest word is named"

# --- as a mask -----------------------------------------------------------------------------------
trained() { # COMMAND...: the digest
    rm -rf "$WORK/run"
    run timeout "$HANGS" "$@" --set run.dir="$WORK/run" --set train.shield=mask
    sed -n '$s/^digest //p' "$WORK/out"
}
masked=$(trained "$KARMA" train $tiny)
case $masked in
????????????????) result 0 "a training under the mask" ;;
*) result 1 "a training under the mask" ;;
esac
[ "$masked" != "$(sed -n 's/^scratch //p' tests/golden/tiny.txt)" ]
result $? "learns something else"
cloned=$(trained "$KARMA" train $tiny --set train.init=clone)
if [ "${MPI:-1}" = 0 ]; then
    skip "ranks" "built without MPI"
else
    for ranks in 2 3; do
        same "$(trained "$LAUNCH" -n $ranks "$KARMA" train $tiny)" "$masked" "the same on $ranks ranks"
    done
    same "$(trained "$LAUNCH" -n 2 "$KARMA" train $tiny --set train.init=clone)" "$cloned" \
        "a rule is imitated inside the mask, the same on 2 ranks"
fi
part() {
    run timeout "$HANGS" "$KARMA" train $tiny --set run.dir="$WORK/part" --set train.shield=mask \
        --set train.updates=4 --set train.checkpoint_every=1
    sed -n '$s/^digest //p' "$WORK/out"
}
whole=$(part)
echo "running update 3 of 4" >"$WORK/part/status" # as if it had been killed
same "$(part)" "$whole" "the same when it is resumed from a checkpoint"
grep -q "update-3.ckpt" "$WORK/err" "$WORK/out"
result $? "from that of update 3"
done_testing
