# mk/ablation with two arms, one seed, one update each, in a twin that learned next to nothing: every
# table is made. What stands in them, `make ablation` says.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

twin=$WORK/runs/twin/twin
mkdir -p "$WORK/runs/twin"
ablate() { # WHAT ARGUMENT...
    env KARMA="$KARMA" RANKS=1 JOBS=1 RUNS="$WORK/runs" RESULTS="$WORK/results" SEEDS=2 UPDATES=1 EPISODES=2 \
        ARMS="multi_hard single_one" sh mk/ablation "$@"
}

exits 2 "another setting" ablate quiet
exits 1 "without a twin" ablate floods
says err "twin/twin is not there: make twin" "the sentence says how to make it"
holds "traces" "$KARMA" trace collect configs/experiments/collect.yaml --out "$WORK/store" \
    --validation 25 --held-out 10 --set game.horizon=10 --set eval.episodes=4 \
    --set 'eval.controllers=[khpa, {explore: {random: 0.3}}]'
holds "a twin" "$KARMA" twin fit "$WORK/store" --out "$twin" --set fit.members=1 \
    --set 'fit.hidden=[16]' --set fit.epochs=1
exits 0 "an ablation" ablate floods --set eval.resamples=100
table=$WORK/results/tables/ablation.md
row() { # NAME: the numbers of the first table row of that name
    sed -n "s/^| $1 | //p" "$table" | head -n 1
}
same "$(row multi_hard | cut -d' ' -f1-3) $(row single_one | cut -d' ' -f1-3)" "1 | 0 1 | 0" \
    "a training of each arm; none converged"
same "$(row 'single one operation' | grep -Ec '^[01]\.[0-9]+ \| [01]\.[0-9]+ \| [-+]')" 1 \
    "what the twin promised, and what was kept"
holds "the arms stand in the comparison" grep -q '^| ddos *| hard - single one operation ' "$table"
holds "and against rules inside the masks" grep -q '^| ddos *| hard *| scripted, 11 arms' "$table"
holds "and among the roles" grep -q '^| hard *| bottleneck ' "$table"
same "$(grep -c '^| scripted ff 70 % x4' "$table")" 1 "but not the points of frontiers"
same "$(grep -c '^| ddos *| none ' "$table")" 0 "an arm that was not asked for does not"
made=$(ls -l "$WORK"/runs/ablation/*/policy/weights.bin)
touch -t 202001010000 "$WORK"/runs/ablation/*/policy/weights.bin
old=$(ls -l "$WORK"/runs/ablation/*/policy/weights.bin)
exits 0 "again" ablate floods --set eval.resamples=100
same "$(ls -l "$WORK"/runs/ablation/*/policy/weights.bin)" "$old" "policies that are there are left alone"
[ "$old" != "$made" ]
result $? "(which a new one would show)"
says err "; 0 are left" "and so are episodes"
done_testing
