# The tables about twins at a tiny size: mk/queueing_twin has a row for each controller and a column for
# each kind of twin, mk/rollout_error one for each start-up delay, kind and number of states, and
# mk/exploits finds a twin that promises too much.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1
export KARMA RANKS=1 RUNS="$WORK/runs" RESULTS="$WORK/results"
export TRACES='--validation 20 --held-out 20 --set eval.controllers=[explore,khpa] --set game.horizon=25'
export FIT='--set fit.members=1 --set fit.hidden=[16] --set fit.epochs=1 --set fit.noise_rows=64'
tables=$WORK/results/tables

# --- kinds of twins --------------------------------------------------------------------------------
exits 0 "two kinds of twins" env KINDS="queueing residual" COLLECTED=12 EPISODES=4 STRIDE=10 sh mk/queueing_twin \
    --set 'eval.controllers=[nothing, khpa, {name: static 8-10-6-6, static: {replicas: [8, 10, 6, 6]}}]' \
    --set eval.resamples=100 --set game.horizon=25
table=$tables/queueing_twin.md
same "$(grep -c '^| \(nothing\|khpa\|static 8-10-6-6\) | 0\.[0-9]* | [-+][0-9.]* | [-+][0-9.]* | [0-9.]* | ' "$table")" 3 \
    "a row for each controller, a column for each kind"
same "$(grep -c '^| (all) | 3 | ' "$table")" 1 "their mean and worst errors"
same "$(grep '^| latency | all | ' "$table" | tr -cd '|' | wc -c | tr -d ' ')" 9 "skills at three horizons"

# --- horizons --------------------------------------------------------------------------------------
exits 0 "one start-up delay" env STARTS=60 COLLECTED=12 STRIDE=10 sh mk/rollout_error
same "$(grep -c '^| 60 | queueing | - | ready | [01]\.' "$tables/rollout_error.md")" 1 "queues"
same "$(grep -c '^| 60 | \(residual\|mlp\) | [13] | ready | ' "$tables/rollout_error.md")" 4 \
    "networks that see one state and three"

# --- exploits --------------------------------------------------------------------------------------
exits 1 "without a twin" env RUNS="$WORK/none" sh mk/exploits
says err "make it first: make queueing-twin" "nothing can be searched"
search() { # TWIN
    env TWIN="$1" DRAWN=4 EPISODES=3 CONFIRM=3 CHOSEN=6 sh mk/exploits --set eval.resamples=100 --set game.horizon=25
}
run search "$RUNS/queueing_twin/twin"
says out "^largest gap, twin minus simulator: [-+][0-9.]* \+- [0-9.]* points \((static|ff|khpa) .*\); (not )?above 2 points" \
    "the largest gap of a search"
same "$(sed -n '/^## All/,$p' "$tables/exploits.md" | grep -c '^| \(static\|ff\|khpa\) ')" 6 "a row for each arm on the simulator"
exits 0 "a twin of a faster cluster" "$KARMA" trace collect configs/experiments/collect.yaml --set eval.episodes=12 \
    --set topology.demand_scale=2 --out "$WORK/fast.store" $TRACES
"$KARMA" twin fit "$WORK/fast.store" --config configs/experiments/queueing_twin.yaml --out "$WORK/fast" >/dev/null 2>&1
rm -rf "$RUNS/exploits"
exits 1 "promises too much" search "$WORK/fast"
says out "above 2 points" "and that is said"
done_testing
