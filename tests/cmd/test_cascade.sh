# mk/cascade with one seed and one update each, in twins that learned next to nothing:
# twins are fitted, teams trained and evaluated at each coupling, and every row is made.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

cascade() {
    env KARMA="$KARMA" RANKS=1 RUNS="$WORK/runs" RESULTS="$WORK/results" \
        ABLATE="--set seeds=[2] --set validation=0.25 --set held_out=0.1 --set evaluation_settings=[eval.episodes=2] --set settings=[train.updates=1,fit.members=1,'fit.hidden=[16]',fit.epochs=1] --set collect_settings=[game.horizon=10,eval.episodes=6,'eval.controllers=[khpa,explore]']" \
        sh mk/cascade --set eval.resamples=100 "$@"
}

exits 0 "three couplings" cascade
table=$WORK/results/tables/cascade.md
same "$(grep -c '^| 0 | ' "$table") $(grep -c '^| 0\.8 | ' "$table")" "8 8" \
    "a row for each controller at each coupling"
column() { # COUPLING CONTROLLER NUMBER
    sed -n "s/^| $1 | $2 | //p" "$table" | awk -F' [|] ' -v n="$3" '{ print $n }'
}
same "$(column 0.8 hard 1 | grep -c '^0\.[0-9]*$') $(column 0.8 hard 3 | grep -c '^[01]\.')" "1 1" \
    "attainment and conflicts of a team"
same "$(column 0.8 hard 5)" 1.000 "hard roles always comply"
same "$(column 0.8 nothing 1 | grep -c .) $(column 0.8 nothing 6)" "1 -" \
    "a rule has an attainment, and no choices without masks"
same "$(awk -F, 'NR > 1 && $1 == "nothing"' "$WORK/runs/cascade/coupling-0/eval.csv" | cut -d, -f8 | tr '\n' ' ')" \
    "$("$KARMA" eval configs/experiments/cascade.yaml --set eval.episodes=2 --set eval.resamples=100 \
        --set 'eval.controllers=[nothing]' --set eval.reference=nothing --out "$WORK/alone" >/dev/null 2>&1
    awk -F, 'NR > 1' "$WORK/alone/eval.csv" | cut -d, -f8 | tr '\n' ' ')" \
    "coupling 0 is cascade.yaml as it stands"
[ "$(cut -d, -f1,8- "$WORK/runs/cascade/coupling-0/eval.csv" | grep '^nothing')" != \
    "$(cut -d, -f1,8- "$WORK/runs/cascade/coupling-0.8/eval.csv" | grep '^nothing')" ]
result $? "and 0.8 is another cluster"
exits 0 "again" cascade
same "$(grep -c ', done in ' "$WORK/err")" 0 "runs that are there are left alone"
exits 2 "a coupling above 1" "$KARMA" eval configs/experiments/cascade.yaml --set cluster.liveness.coupling=1.5
says err "cluster.liveness.coupling" "is refused by its name"
done_testing
