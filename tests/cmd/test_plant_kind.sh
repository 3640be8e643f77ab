# Where a command plays: `eval`, `simulate` and `trace collect` play on the simulator, or in the twin
# with eval.plant=twin, and what they write says which.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny.yaml
arms='eval.controllers=[khpa, {explore: {random: 0.3}}]'
twin=$WORK/twin
in_twin="--set eval.plant=twin --set twin.file=$twin"

collect() { # OUT OPTION...
    out=$1
    shift
    "$KARMA" trace collect $tiny --out "$out" --set "$arms" --set eval.episodes=4 "$@"
}
simulate() { # OUT OPTION...
    out=$1
    shift
    "$KARMA" simulate $tiny --out "$out" --set "$arms" -c khpa -S mixed "$@"
}
evaluate() { # OUT OPTION...
    out=$1
    shift
    "$KARMA" eval $tiny --out "$out" --set "$arms" --set eval.episodes=2 --set eval.resamples=100 \
        --set eval.figure_episode=1 "$@"
}
column() { # FILE NAME: of a CSV file
    awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i; next }
        { print $at }' "$1"
}
of_table() { # METRIC: of the table that simulate printed
    awk -v metric="$1" '$1 == metric { print $2 }' "$WORK/out"
}

exits 0 "traces of the simulator" collect "$WORK/store" --validation 25 --held-out 25
"$KARMA" trace info "$WORK/store" >"$WORK/out"
says out "/store: cluster, 16 episodes" "the store names the simulator"
says out "^origin: karma trace collect: simulated cluster, configuration" "and so does its origin"
exits 0 "a twin of them" "$KARMA" twin fit "$WORK/store" --out "$twin" --set fit.members=1 \
    --set 'fit.hidden=[16]' --set fit.epochs=1 --set fit.noise_rows=64
digest=$(sed -n '$s/.*digest //p' "$WORK/out")

# --- simulate ----------------------------------------------------------------------------------
exits 0 "an episode on the simulator" simulate "$WORK/a" -e 1
[ "$(of_table upper_bound)" != - ]
result $? "has a bound"
# shellcheck disable=SC2086
exits 0 "an episode in the twin" simulate "$WORK/b" -e 1 $in_twin
says out "^khpa, .* episode 1, in the twin $twin$" "the head says where it was played"
same "$(of_table upper_bound)" - "there is no bound in a twin"
share=$(of_table slo_attainment)
! cmp -s "$WORK/a/episode.csv" "$WORK/b/episode.csv"
result $? "it is another episode than the simulator's"
same "$(wc -l <"$WORK/b/cohorts.csv")" "$(wc -l <"$WORK/b/episode.csv")" "cohorts.csv has a row per decision"
same "$(column "$WORK/b/cohorts.csv" final | sort -u)" 1 "all of them final"
period=$("$KARMA" config show $tiny | sed -n 's/^  period_s: //p')
column "$WORK/b/episode.csv" truth.compliant >"$WORK/exact"
column "$WORK/b/cohorts.csv" compliant | paste - "$WORK/exact" | awk -v p="$period" '
    { d = $1 * p - $2; if (d > 1e-3 || d < -1e-3) bad++; n++ } END { exit !(n && !bad) }'
result $? "with the requests of episode.csv"
grep -q "unset output" "$WORK/b/timeline.gp"
result $? "and the timeline is complete"
if command -v gnuplot >/dev/null; then
    exits 0 "which is drawn" "$KARMA" figure "$WORK/b"
    fit_to_print "$WORK/b/timeline.svg" "the timeline"
else
    skip "the timeline is drawn" "gnuplot is not installed"
fi

# --- eval: the table and the figure are of one place ----------------------------------------------
exits 0 "an evaluation on the simulator" evaluate "$WORK/on-cluster"
holds "draws the episode of the simulator" cmp "$WORK/on-cluster/figures/episode.csv" "$WORK/a/episode.csv"
# shellcheck disable=SC2086
exits 0 "an evaluation in the twin" evaluate "$WORK/on-twin" $in_twin
holds "draws the episode of the twin" cmp "$WORK/on-twin/figures/episode.csv" "$WORK/b/episode.csv"
same "$(awk -F, '$1 == "khpa" && $4 == "mixed" && $7 == 1 { printf "%.6g", $8 }' "$WORK/on-twin/eval.csv")" "$share" \
    "simulate plays the episode of eval.csv"

# --- trace collect -----------------------------------------------------------------------------
# shellcheck disable=SC2086
exits 0 "traces of the twin" collect "$WORK/of-twin" $in_twin
"$KARMA" trace info "$WORK/of-twin" >"$WORK/out"
says out "/of-twin: twin, 16 episodes" "the store names the twin"
says out "^origin: karma trace collect: twin of digest $digest, configuration" "with its digest"
cp "$WORK/of-twin" "$WORK/kept"
exits 1 "the simulator does not go on in it" collect "$WORK/of-twin"
says err "of different making" "and says why"
holds "it stays as it was" cmp "$WORK/of-twin" "$WORK/kept"
exits 1 "nor does it merge with the simulator's" "$KARMA" trace merge "$WORK/store" "$WORK/of-twin" --out "$WORK/both"
done_testing
