# mk/behaviour at a tiny size: teams of an ablation are trained with their trajectories kept, analysed
# together and seed by seed, and become one table; runs without trajectories are not taken for done.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

cat >"$WORK/spec.yaml" <<EOF
base: [$PWD/configs/experiments/tiny.yaml]
settings: ["train.updates=1", "game.horizon=20"]
evaluation: $PWD/configs/experiments/tiny_organised.yaml
evaluation_settings: ["game.horizon=20", "eval.episodes=5", "eval.resamples=100", "eval.trajectories=all"]
seeds: [1, 2, 3]
scenarios: [{name: tiny}]
variants:
  - name: none
  - name: hard
    include: [$PWD/configs/organisations/hard.yaml]
EOF
behaviour() {
    env KARMA="$KARMA" RANKS=1 RUNS="$WORK/runs" RESULTS="$WORK/results" SPEC="$WORK/spec.yaml" \
        ANALYSE="--shuffles 19 --shuffled 16 --replaced 1" sh mk/behaviour
}
exits 0 "without trajectories" "$KARMA" ablate "$WORK/spec.yaml" --out "$WORK/runs/behaviour" \
    --set 'evaluation_settings=["game.horizon=20", "eval.episodes=5", "eval.resamples=100"]'
[ ! -e "$WORK/runs/behaviour/runs/none/tiny/1/evaluation/trajectories.bin" ]
result $? "there are none"
exits 2 "their runs are of another configuration" behaviour
exits 0 "and are made again" "$KARMA" ablate "$WORK/spec.yaml" --out "$WORK/runs/behaviour" --restart
[ -s "$WORK/runs/behaviour/runs/none/tiny/1/evaluation/trajectories.bin" ]
result $? "with trajectories"
exits 0 "the table" behaviour
table=$WORK/results/tables/behaviour.md
same "$(grep -cE '^\| (none|hard) +\| +3 \|' "$table")" 6 "a row of each team in three tables, with all seeds"
grep -qE '^\| hard +\| +3 \| +[0-9]+ \| +[0-9.]+ \[[0-9.]+, [0-9.]+\]' "$table"
result $? "alignment with its interval"
grep -qE '^\| hard +\| +3 \| +[0-9.]+ \[[-0-9.]+, [0-9.]+\] \| +89.4 \|.*\] \|.*\]' "$table"
result $? "purity, ARI over seeds and fit with theirs"
grep -q "## Signs of trainings that failed" "$table"
result $? "the signs of failure"
grep -q "authority" "$WORK/runs/behaviour/analysis/hard/relations.csv"
result $? "authority from replays"
[ -s "$WORK/results/figures/behaviour_none.svg" ]
result $? "a graph of each team"
cp "$table" "$WORK/first.md"
exits 0 "once more" behaviour
holds "the same table" cmp "$WORK/first.md" "$table"
done_testing
