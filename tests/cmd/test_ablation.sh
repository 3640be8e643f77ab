# The ablations of configs/ablations at a tiny size: two variants of the floods through mk/ablation, whose
# twin is what trace collect and twin fit make, with every table; and every spec is right.
# TIMEOUT: 600
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

fit="fit.members=1,'fit.hidden=[16]',fit.epochs=1"
ablate() { # WHAT ARGUMENT...
    env KARMA="$KARMA" RANKS=1 RUNS="$WORK/runs" RESULTS="$WORK/results" ARMS="multi_hard single_one" \
        ABLATE="--set seeds=[2] --set evaluation_settings=[eval.episodes=2] --set settings=[train.updates=1,$fit] --set validation=0.25 --set held_out=0.1 --set collect_settings=[game.horizon=10,eval.episodes=4,'eval.controllers=[khpa,explore]']" \
        sh mk/ablation "$@"
}

exits 2 "another setting" ablate quiet
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
holds "choices are drawn, too" grep -q '^| ddos *| hard - hard sampled ' "$table"
same "$(grep -c '^| scripted ff 70 % x4' "$table")" 1 "but not the points of frontiers"
same "$(grep -c '^| ddos *| none ' "$table")" 0 "an arm that was not asked for does not"
files() { find "$WORK/runs" -name outcome.yaml -o -name weights.bin | sort | xargs ls -l --time-style=full-iso; }
before=$(files)
exits 0 "again" ablate floods --set eval.resamples=100
same "$(files)" "$before" "runs that are there are left alone"

# ---- the twin is that of the commands ----
holds "traces" "$KARMA" trace collect configs/experiments/collect.yaml --out "$WORK/store" \
    --validation 25 --held-out 10 --set game.horizon=10 --set eval.episodes=4 \
    --set 'eval.controllers=[khpa, explore]'
holds "a twin" "$KARMA" twin fit "$WORK/store" --out "$WORK/twin" --set fit.members=1 \
    --set 'fit.hidden=[16]' --set fit.epochs=1
same "$(cat "$WORK"/runs/floods/stages/collect-*/store | cksum)" "$(cksum <"$WORK/store")" "the same traces"
same "$(cat "$WORK"/runs/floods/stages/fit-*/twin | cksum)" "$(cksum <"$WORK/twin")" "and the same twin"

# ---- the same training ----
"$KARMA" train configs/experiments/ablation_multi_hard.yaml --set twin.file="$WORK/twin" --set train.updates=1 \
    --set train.seed=2 --set run.dir="$WORK/alone" >"$WORK/alone.out" 2>/dev/null
same "$(sed -n 's/^weights: "*\([0-9a-f]*\)"*/digest \1/p' "$WORK/runs/floods/runs/multi_hard/floods/2/outcome.yaml")" \
    "$(cat "$WORK/alone.out")" "trained alone, the same weights"

# ---- every spec ----
runs() { # SPEC: number of runs
    "$KARMA" ablate "configs/ablations/$1.yaml" --dry-run | sed -n 's/^\([0-9]*\) runs, digest .*/\1/p'
}
same "$(runs floods) $(runs mixed) $(runs misspecified) $(runs cascade)" "86 31 10 48" "seventeen, ten, three and three variants"
done_testing
