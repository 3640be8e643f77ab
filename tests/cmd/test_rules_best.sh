# Rules at their best: a grid that is included, capacities that are measured, a bound on steps for all.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

cat >"$WORK/grid.yaml" <<END
eval:
  frontier:
    - {name: ff lean, ff: {utilisation: 0.9, wait_share: 1}}
    - {name: ff ample, ff: {utilisation: 0.5}}
    - {name: ff measured, ff: {capacity: measured}}
END
cat >"$WORK/rules.yaml" <<END
include: [$PWD/configs/experiments/compared.yaml, grid.yaml]
eval: {episodes: 2, resamples: 100, reference: ff, controllers: [nothing, ff]}
END
row() { # CONTROLLER COLUMN: of all its episodes
    awk -F, -v c="$1" -v want="$2" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $1 == c { printf "%s ", $at[want] }' "$WORK/$3/eval.csv"
}
exits 0 "an evaluation with a grid" "$KARMA" eval "$WORK/rules.yaml" --out "$WORK/free"
same "$(cut -d, -f1 "$WORK/free/eval.csv" | uniq -c | awk '{ print $1, $2, $3 }' | tail -n +2 | tr '\n' ';')" \
    "2 nothing ;2 ff ;2 ff lean;2 ff ample;2 ff measured;" "rows of the grid stand behind the controllers"
same "$(grep -c '^| ddos *| ff ample ' "$WORK/free/summary.md")" 0 "no table shows them"
holds "but the corners of the frontier" grep -q '^| ddos *| ff *| ff ample ' "$WORK/free/summary.md"
exits 0 "the same with a bound" "$KARMA" eval "$WORK/rules.yaml" --set eval.step_bound=1 --out "$WORK/bound"
says out "step bound of rules and teams: 1 " "the tables say so"
same "$(row nothing slo_attainment bound)" "$(row nothing slo_attainment free)" "who changes nothing is not bounded"
[ "$(row ff slo_attainment bound)" != "$(row ff slo_attainment free)" ]
result $? "others are"
[ "$(row ff cell_digest bound)" != "$(row ff cell_digest free)" ]
result $? "and their rows are other rows"
exits 0 "one episode under the bound" "$KARMA" simulate "$WORK/rules.yaml" --controller ff --set eval.step_bound=1 \
    --out "$WORK/one"
same "$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i ~ /^delta\./) at[++n] = i; next }
    { for (i = 1; i <= n; i++) if ($at[i] > 1 || $at[i] < -1) print }' "$WORK/one/episode.csv")" "" \
    "no service changes by more"
exits 2 "a negative bound" "$KARMA" eval "$WORK/rules.yaml" --set eval.step_bound=-1
says err "eval.step_bound" "is refused by its name"
exits 2 "factors of capacities that are measured" "$KARMA" eval "$WORK/rules.yaml" \
    --set 'eval.controllers=[{ff: {capacity: measured, told_factors: [1, 1, 1, 1.3]}}]'
says err "set capacity: told, or leave told_factors out" "the sentence says what to do"
done_testing
