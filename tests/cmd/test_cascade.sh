# make cascade with one seed and one update each, in twins that learned next to nothing: twins are
# fitted, teams trained and evaluated at each coupling, and the report makes every row.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

run=$WORK/runs
tables=$(sed -n '/^cascade:/,/^$/s/.*--tables //p' Makefile)
cascade() {
    exits 0 "$1" "$KARMA" ablate configs/ablations/cascade.yaml --out "$run" --set 'seeds=[2]' \
        --set validation=0.25 --set held_out=0.1 --set 'evaluation_settings=[eval.episodes=2]' \
        --set 'settings=[train.updates=1, fit.members=1, "fit.hidden=[16]", fit.epochs=1]' \
        --set 'collect_settings=[game.horizon=10, eval.episodes=6, "eval.controllers=[khpa, explore]"]'
}

cascade "three couplings"
same "$(echo "$tables" | tr ',' '\n' | wc -l | tr -d ' ')" 6 "the Makefile names six tables"
exits 0 "their table" "$KARMA" report "$run" --resamples 100 --reference ff --title Cascades \
    --markdown "$WORK/cascade.md" --tables "$tables"
table=$WORK/cascade.md
same "$(grep -c '^| coupling-0 ' "$table") $(grep -c '^| coupling-0\.8 ' "$table")" "31 31" \
    "8 rows of means, operation and alignment each at a coupling, 7 differences"
column() { # TABLE COUPLING CONTROLLER NUMBER: the value without its interval
    sed -n "/^## $1/,/^## [^$1]/p" "$table" | grep "^| $2 *| $3 *|" | head -n 1 |
        awk -F'|' -v n="$4" '{ gsub(/ /, "", $n); sub(/\[.*/, "", $n); print $n }'
}
same "$(column Results coupling-0.8 hard 5 | grep -c '^0\.[0-9]*$') $(column How coupling-0.8 hard 8 | grep -c '^[01]\.')" \
    "1 1" "attainment and conflicts of a team"
same "$(column Alignment coupling-0.8 hard 5)" 100.0 "hard roles always comply"
same "$(column Results coupling-0.8 nothing 5 | grep -c .) $(column Alignment coupling-0.8 nothing 6)" "1 -" \
    "a rule has an attainment, and no choices without masks"
rows() { # COUPLING: of doing nothing, without the digest
    awk -F, '$1 == "nothing"' "$run/runs/rules/$1/0/evaluation/eval.csv" | cut -d, -f8- | sed 's/,[0-9a-f]*$//'
}
same "$(rows coupling-0 | cut -d, -f1 | tr '\n' ' ')" \
    "$("$KARMA" eval configs/experiments/cascade.yaml --set eval.episodes=2 --set eval.resamples=100 \
        --set 'eval.controllers=[nothing]' --set eval.reference=nothing --out "$WORK/alone" >/dev/null 2>&1
    awk -F, 'NR > 1' "$WORK/alone/eval.csv" | cut -d, -f8 | tr '\n' ' ')" \
    "coupling 0 is cascade.yaml as it stands"
[ "$(rows coupling-0)" != "$(rows coupling-0.8)" ]
result $? "and 0.8 is another cluster"
cp "$table" "$WORK/before.md"
cascade "again"
same "$(grep -c ', done in ' "$WORK/err")" 0 "runs that are there are left alone"
exits 0 "their table again" "$KARMA" report "$run" --resamples 100 --reference ff --title Cascades \
    --markdown "$table" --tables "$tables"
holds "is the same, byte by byte" cmp "$WORK/before.md" "$table"
exits 2 "a table that there is not" "$KARMA" report "$run" --resamples 100 --markdown "$WORK/no.md" --tables results,resluts
says err "no table 'resluts'; .*/report/tables has those that there are" "is named"
[ ! -e "$WORK/no.md" ]
result $? "and nothing is written"
exits 2 "tables without a file" "$KARMA" report "$run" --tables results
says err "name it with --markdown" "are refused"
exits 2 "a coupling above 1" "$KARMA" eval configs/experiments/cascade.yaml --set cluster.liveness.coupling=1.5
says err "cluster.liveness.coupling" "is refused by its name"
done_testing
