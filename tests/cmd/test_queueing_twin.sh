# karma twin fit with twin.kind=queueing and twin.kind=residual, from traces to a policy: the fit, its table, its accuracy,
# training in it with the same bits on any number of ranks and after a resume, the same controllers
# on the cluster and in it; what is refused, with a sentence.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny.yaml
twin=$WORK/twin
floods='scenarios=[{name: ddos, events: [{kind: ddos, quiet_s: {lo: 30, hi: 60}, ramp_s: {lo: 5, hi: 30}, duration_s: {lo: 30, hi: 60}, magnitude: {lo: 2.5, hi: 3.5}}]}]'

collect() { # OUT CONTROLLER EPISODES
    "$KARMA" trace collect $tiny --out "$1" --validation 25 --held-out 25 --set "$floods" \
        --set game.horizon=40 --set "eval.controllers=[$2]" --set "eval.episodes=$3"
}

fit() { # STORE... --out TWIN OPTION...
    "$KARMA" twin fit --config $tiny --set twin.kind=queueing "$@"
}

digest() { # the one that the last command printed
    sed -n '$s/.*digest //p' "$WORK/out"
}

collect "$WORK/store" '{explore: {random: 0.1, rule: {khpa: {target: 0.5, down_s: 0}}}}' 40 2>/dev/null
collect "$WORK/idle" nothing 8 2>/dev/null

# --- fitting -------------------------------------------------------------------------------------
exits 0 "a queueing twin is fitted" fit "$WORK/store" --out "$twin"
fitted=$(digest)
same "${#fitted}" 16 "and its digest printed"
says out "^start_s .*\[" "with its parameters and their intervals"
same "$(cd "$WORK" && echo twin*)" "twin twin.csv twin.traces" "three files, and no others"
same "$(head -1 "$twin.csv")" "parameter,unit,value,lo,hi" "the parameters are a table"
awk -F, '$1 == "start_s" && $3 > 15 && $3 < 25 { n++ } $1 == "lag_s" && $3 > 6.5 && $3 < 8.5 { n++ } END { exit n != 2 }' "$twin.csv"
result $? "start-up and lag are those of the cluster"
for ranks in 2 3; do
    if [ "${MPI:-1}" = 0 ]; then
        skip "the same twin on $ranks ranks" "built without MPI"
        continue
    fi
    exits 0 "on $ranks ranks" timeout "$HANGS" "$LAUNCH" -n $ranks "$KARMA" twin fit --config $tiny \
        --set twin.kind=queueing "$WORK/store" --out "$WORK/ranks"
    same "$(digest)" "$fitted" "the same digest on $ranks ranks"
    holds "the same bytes" cmp "$WORK/ranks" "$twin"
done
exits 0 "with the transitions of another twin" fit "$WORK/idle" --from "$twin" --out "$WORK/refit"
"$KARMA" trace info "$WORK/refit.traces" >"$WORK/out"
says out "48 episodes" "which it remembers"

exits 1 "traces without added replicas" fit "$WORK/idle" --out "$WORK/none"
says err "start-up of pods cannot be seen.*twin.kind: mlp" "cannot tell"
[ ! -e "$WORK/none" ] && [ ! -e "$WORK/none.traces.pending" ]
result $? "and make no file"
"$KARMA" twin fit "$WORK/store" --out "$WORK/networks" --set fit.members=1 --set 'fit.hidden=[8]' \
    --set fit.epochs=1 --set fit.noise_rows=64 >/dev/null 2>&1

# --- accuracy ------------------------------------------------------------------------------------
exits 0 "its accuracy" "$KARMA" twin report "$twin" --config $tiny --set twin.kind=queueing --horizon 5
says out "^in time \(exact\)" "on held-out episodes"
awk '/^in time/ { exit !($4 > 0.5) }' "$WORK/out"
result $? "is far better than a constant"
exits 1 "as another kind" "$KARMA" twin report "$twin" --config $tiny
says err "of kind queueing, and twin.kind is mlp; write --set twin.kind=queueing" "is refused"
exits 1 "networks as queues" "$KARMA" twin report "$WORK/networks" --config $tiny --set twin.kind=queueing
says err "of kind mlp, and twin.kind is queueing; write --set twin.kind=mlp" "are refused, too"

# --- training ------------------------------------------------------------------------------------
train() { # RANKS OPTION...
    ranks=$1
    shift
    set -- train $tiny --set "$floods" --set train.updates=3 --set train.checkpoint_every=1 \
        --set run.dir="$WORK/run" --set twin.file="$twin" --set twin.kind=queueing "$@"
    if [ "$ranks" = 1 ]; then
        run timeout "$HANGS" "$KARMA" "$@"
    else
        run timeout "$HANGS" "$LAUNCH" -n "$ranks" "$KARMA" "$@"
    fi
}
train 1
trained=$(digest)
same "$rc ${#trained}" "0 16" "a policy is trained in it"
cp "$WORK/run/metrics.csv" "$WORK/metrics.csv"
for ranks in 2 3; do
    if [ "${MPI:-1}" = 0 ]; then
        skip "the same policy on $ranks ranks" "built without MPI"
        continue
    fi
    rm -rf "$WORK/run"
    train $ranks
    same "$(digest)" "$trained" "the same policy on $ranks ranks"
    holds "and the same metrics.csv" cmp "$WORK/run/metrics.csv" "$WORK/metrics.csv"
done
ls "$WORK/run/checkpoints" | tail -n +2 >"$WORK/late"
while read -r name; do rm -f "$WORK/run/checkpoints/$name"; done <"$WORK/late"
rm -rf "$WORK/run/policy"
echo "running update 2 of 3" >"$WORK/run/status"
train 1
same "$rc $(digest)" "0 $trained" "resumed: the same policy"
says err "resumed after update 1 of 3" "and it was resumed"
rm -rf "$WORK/run"
train 1 --set twin.draw=0 --set twin.demand_sd=0 --set twin.load_sd=0
[ "$rc" = 0 ] && [ "$(digest)" != "$trained" ]
result $? "without domain randomisation another one"
rm -rf "$WORK/run"
train 1 --set plant.period_s=30
[ "$rc" != 0 ] && grep -Eq "decision period" "$WORK/err"
result $? "another decision period is refused"
for kind in queueing residual; do
    rm -rf "$WORK/run"
    train 1 --set cluster.liveness.coupling=0.4 --set twin.kind=$kind
    [ "$rc" = 2 ] && grep -Eq "cluster.liveness.coupling.*never crash in the queues of a $kind twin" "$WORK/err"
    result $? "crashes that load causes are refused: $kind"
done

# --- a planner -----------------------------------------------------------------------------------
plan() { # RANKS DIR OPTION...
    ranks=$1 dir=$2
    shift 2
    set -- eval $tiny --set "$floods" --set 'eval.controllers=[nothing, {name: planner, mpc: {samples: 8, iterations: 2, horizon: 4}}]' \
        --set eval.episodes=3 --out "$dir" "$@"
    if [ "$ranks" = 1 ]; then
        run timeout "$HANGS" "$KARMA" "$@"
    else
        run timeout "$HANGS" "$LAUNCH" -n "$ranks" "$KARMA" "$@"
    fi
}
plan 1 "$WORK/plan" --set twin.file="$twin" --set twin.kind=queueing
same "$rc" 0 "a planner plans in it, and plays on the cluster"
says err "CPU of a decision: at most .* ms \(planner\); of each controller: .*decision_cpu.csv" "at a price that is told"
same "$(head -1 "$WORK/plan/decision_cpu.csv")" "controller,decisions,cpu_s,cpu_ms_per_decision" "in a table"
awk -F, 'NR > 1 && $2 > 0 { ms[$1] = $4; n++ } END { exit !(n == 2 && ms["nothing"] < 1 && ms["planner"] > ms["nothing"]) }' \
    "$WORK/plan/decision_cpu.csv"
result $? "of every controller"
for ranks in 2 3; do
    if [ "${MPI:-1}" = 0 ]; then
        skip "the same plans on $ranks ranks" "built without MPI"
        continue
    fi
    rm -rf "$WORK/plan-ranks"
    plan $ranks "$WORK/plan-ranks" --set twin.file="$twin" --set twin.kind=queueing
    holds "the same plans on $ranks ranks" cmp "$WORK/plan/eval.csv" "$WORK/plan-ranks/eval.csv"
done
decisions=$(awk -F, '$1 == "planner" { print $2 }' "$WORK/plan/decision_cpu.csv")
plan 1 "$WORK/plan" --set twin.file="$twin" --set twin.kind=queueing --set eval.episodes=4
awk -F, -v old="$decisions" '$1 == "planner" { exit !($2 > old) }' "$WORK/plan/decision_cpu.csv"
result $? "an evaluation that goes on adds to the table"
plan 1 "$WORK/planless"
[ "$rc" = 2 ] && [ ! -e "$WORK/planless" ]
result $? "a planner without a twin is refused, and nothing is written"
says err "controller 'planner': mpc plans in a queueing twin, and there is none; name one with --set twin.kind=queueing --set twin.file=FILE" "with a sentence"
plan 1 "$WORK/planless" --set twin.file="$WORK/networks"
[ "$rc" = 2 ] && grep -Eq "is a twin of networks; fit one with twin.kind: queueing" "$WORK/err"
result $? "so is one with a twin of networks"
exits 2 "or one that is imitated" "$KARMA" train $tiny --set 'train.init=clone' --set 'train.clone.rule={mpc: {}}' \
    --set run.dir="$WORK/imitated"
says err "its rule is mpc, which needs a twin to plan in" "which is too slow to imitate"

# --- controllers on the cluster and in it ---------------------------------------------------------
compare() { # DIR OPTION...
    dir=$1
    shift
    "$KARMA" eval $tiny --set "$floods" --set 'eval.controllers=[nothing, {name: static 8-2-8-2, static: {replicas: [8, 2, 8, 2]}}, khpa]' \
        --set eval.episodes=8 --set run.dir="$dir" "$@"
}
compare "$WORK/cluster" >"$WORK/log" 2>&1
compare "$WORK/in-twin" --set twin.file="$twin" --set twin.kind=queueing --set eval.plant=twin >"$WORK/log" 2>&1
exits 0 "they are compared" "$KARMA" twin agree "$WORK/cluster/eval.csv" "$WORK/in-twin/eval.csv"
awk '/^Errors/ { exit } /^(nothing|static|khpa) / && NF > 6 { n++; d = $(NF - 3); sub(/^[-+]/, "", d); if (d > 0.15) bad++ }
     END { exit !(n >= 2 && bad == 0) }' "$WORK/out"
result $? "SLO attainment is about the same"
exits 2 "who answers in it" "$KARMA" twin answers $tiny --set twin.file="$twin" --set twin.kind=queueing \
    --set 'eval.controllers=[nothing]'
says err "without a table" "is no question"

# --- a residual twin ------------------------------------------------------------------------------
residual=$WORK/residual
small='--set twin.kind=residual --set fit.members=2 --set fit.hidden=[16] --set fit.epochs=3 --set fit.noise_rows=256'
fit_residual() { # STORE... --out TWIN OPTION...
    # shellcheck disable=SC2086
    "$KARMA" twin fit --config $tiny $small "$@"
}
exits 0 "queues and networks are fitted" fit_residual "$WORK/store" --out "$residual"
corrected=$(digest)
says out "^start_s .*\\[" "its queues have parameters"
says out "^network +passes +validation error" "and its networks errors"
same "$(cd "$WORK" && echo residual*)" "residual residual.csv residual.traces" "three files, too"
for ranks in 2 3; do
    if [ "${MPI:-1}" = 0 ]; then
        skip "the same residual twin on $ranks ranks" "built without MPI"
        continue
    fi
    # shellcheck disable=SC2086
    exits 0 "on $ranks ranks" timeout "$HANGS" "$LAUNCH" -n $ranks "$KARMA" twin fit --config $tiny $small \
        "$WORK/store" --out "$WORK/ranks"
    same "$(digest)" "$corrected" "the same residual twin on $ranks ranks"
done
exits 0 "with further transitions" fit_residual "$WORK/idle" --from "$residual" --out "$WORK/refit"
says out "nothing is changed" "which are too few, it waits"
collect "$WORK/more" '{name: more, explore: {random: 0.3, rule: khpa}}' 30 2>/dev/null
exits 0 "with more of them" fit_residual "$WORK/more" --from "$residual" --out "$WORK/refit"
awk '/^on old and new/ { sub(",", "", $7); exit !($9 <= $7) } ' "$WORK/out"
result $? "its error does not rise"
exits 1 "from another kind of twin" fit_residual "$WORK/more" --from "$twin" --out "$WORK/none"
says err "of kind queueing, and twin.kind is residual" "is refused"
exits 0 "its accuracy" "$KARMA" twin report "$residual" --config $tiny --set twin.kind=residual --horizon 5
says out "^in time \\(exact\\)" "on held-out episodes"
exits 1 "as queues alone" "$KARMA" twin report "$residual" --config $tiny --set twin.kind=queueing
says err "of kind residual, and twin.kind is queueing; write --set twin.kind=residual" "is refused"
rm -rf "$WORK/run"
train 1 --set twin.file="$residual" --set twin.kind=residual
trained=$(digest)
same "$rc ${#trained}" "0 16" "a policy is trained in it"
for ranks in 2 3; do
    [ "${MPI:-1}" != 0 ] || continue
    rm -rf "$WORK/run"
    train $ranks --set twin.file="$residual" --set twin.kind=residual
    same "$(digest)" "$trained" "the same policy on $ranks ranks"
done
exits 2 "who answers in it" "$KARMA" twin answers $tiny --set twin.file="$residual" --set twin.kind=residual \
    --set 'eval.controllers=[nothing]'
says err "of kind residual, and its queues answer every step" "is no question, either"
done_testing
