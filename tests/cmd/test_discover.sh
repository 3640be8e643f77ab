# mk/discover at a tiny size: free teams are trained and analysed, what was found is a right
# organisation, and all arms are trained and compared; a decision is explained, its relations are
# drawn; what cannot be replayed is told in a sentence.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

cat >"$WORK/tiny.yaml" <<EOF
include: $PWD/configs/experiments/tiny.yaml
train: {updates: 1, init: scratch}
game: {horizon: 20}
eval: {resamples: 100, trajectories: all}
EOF
discover() {
    env KARMA="$KARMA" RANKS=1 JOBS=1 RUNS="$WORK/runs" RESULTS="$WORK/results" SEEDS="1 2" EPISODES=5 \
        TWIN= CONFIG="$WORK/tiny.yaml" ANALYSE="--shuffles 19 --shuffled 16 --replaced 2" sh mk/discover
}
exits 0 "the loop" discover
says out "leave a rule \(ff\) -?[0-9.]+ % of its headroom|rule \(ff\) has no headroom" "says what the masks leave a rule"
table=$WORK/results/tables/discover.md
for arm in none inferred_soft inferred_hard expert_soft expert_hard; do
    grep -q "| $arm " "$table"
    result $? "a row of $arm"
done
grep -qE "asks for 90 %: (not )?passed|The mask gate says nothing" "$table"
result $? "and whether the masks pass the gate"

# The verdict follows from the rows: masks that forbid everything leave nothing.
gate=$WORK/runs/discover/gate/eval.csv
cp "$gate" "$WORK/gate.csv"
verdict() { # NOTHING FF MASKED: SLO attainment of each; what mk/discover says of these rows
    awk -F, -v OFS=, -v a="$1" -v b="$2" -v c="$3" '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
        NR > 1 { $at["slo_attainment"] = $1 == "nothing" ? a : $1 == "ff" ? b : c }
        { print }' "$WORK/gate.csv" >"$WORK/rows.csv"
    sed -n "/^gate=/,/^    }'/p" mk/discover | sed "s|\"\$run/gate/eval.csv\"|$WORK/rows.csv|" >"$WORK/gate.sh"
    sh -c ". $WORK/gate.sh; echo \"\$gate\""
}
verdict 0.5 0.9 0.88 | grep -q "asks for 90 %: passed"
result $? "95 % of the headroom pass"
verdict 0.5 0.9 0.6 | grep -q "(ff) 25.0 % of its headroom"
result $? "a share is of the headroom"
verdict 0.5 0.9 0.6 | grep -q "asks for 90 %: not passed"
result $? "25 % do not pass"
verdict 0.9 0.9 0.6 | grep -q "The mask gate says nothing"
result $? "without headroom there is no gate"

# --- the analysis ----------------------------------------------------------------------------------
run=$WORK/runs/discover
team=$run/free/analysis/none
for file in relations.csv relations.md relations.dot relations.svg conflicts.csv reactions.csv goals.csv \
    goals.md fit.csv; do
    [ -s "$team/$file" ]
    result $? "$file is there"
done
same "$(grep -c '^all,authority' "$team/relations.csv")" 12 "authority of all ordered pairs"
same "$(awk -F, '$2 == "authority" && $5 == "nan"' "$team/relations.csv" | grep -c '^all')" 0 "is known"
if command -v dot >/dev/null; then
    exits 0 "Graphviz reads the graph" dot -Tsvg "$team/relations.dot" -o "$WORK/relations.svg"
fi
! awk -f tests/figures.awk "$team/relations.svg" | grep -v -e ': axis:' -e ': unnamed:'
result $? "no text of the picture is clipped or crossed"
cksum "$team"/relations.* "$team"/goals.* "$team/fit.csv" | awk '{ print $1 }' >"$WORK/sums"
if [ "${MPI:-1}" != 0 ]; then
    exits 0 "on three ranks" "$LAUNCH" -n 3 "$KARMA" analyse "$run/free" --config "$run/free.yaml" \
        --shuffles 19 --shuffled 16 --replaced 2 --out "$WORK/three" --set eval.episodes=5
    cksum "$WORK/three/none"/relations.* "$WORK/three/none"/goals.* "$WORK/three/none/fit.csv" |
        awk '{ print $1 }' | cmp -s - "$WORK/sums"
    result $? "the same bytes"
fi
exits 0 "without a configuration" "$KARMA" analyse "$run/free" --shuffles 19 --shuffled 16 --out "$WORK/plain"
says out "authority is not known without --replay" "says what is missing"

# --- a decision ------------------------------------------------------------------------------------
explain() {
    "$KARMA" analyse "$run/free" --config "$run/free.yaml" "$@"
}
exits 0 "a decision" explain --episode 3 --decision 7
says out "decision 7, at 105 s" "names it"
says out "influence .*; all inputs [+-]" "says which inputs mattered"
says out "second .*; probability" "and the second choice"
says out "there is no twin to predict them" "and that there is no twin"
exits 0 "under roles" "$KARMA" eval "$run/arms.yaml" --out "$WORK/arms" --set eval.trajectories=all \
    --set eval.episodes=5
exits 0 "a decision under roles" "$KARMA" analyse "$WORK/arms" --config "$run/arms.yaml" \
    --controller expert_hard --episode 1 --decision 12
says out "  rules? " "says which rules held"
exits 2 "a decision beyond the episode" explain --episode 3 --decision 20
says err "episode 3 has the decisions 0 to 19" "says which there are"
exits 2 "an episode that was not recorded" explain --episode 77 --decision 0
says err "no recorded episode of 'none' has the number 77" "is named"
exits 2 "an episode without a decision" explain --episode 3
says err "with --episode N and --decision T, both" "is refused"
exits 0 "a decision with the configuration that the evaluation kept" "$KARMA" analyse "$run/free" --episode 3 --decision 7
says out "decision 7, at 105 s" "is explained, too"
mkdir "$WORK/older"
cp "$run/free/trajectories.bin" "$WORK/older/"
exits 2 "a decision of an evaluation that kept none" "$KARMA" analyse "$WORK/older" --episode 3 --decision 7
says err "older has no config.yaml.*with --config CONFIG" "is refused"
exits 2 "another configuration" "$KARMA" analyse "$run/free" --config "$run/gate.yaml" --episode 3 --decision 7
says err "eval.controllers has no 'none'" "is refused"
exits 1 "another environment" explain --episode 3 --decision 7 --set workload.mean_rps=9
says err "is played otherwise than it was recorded" "is noticed"
