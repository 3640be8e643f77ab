# mk/separation and mk/sensitivity with a handful of short episodes: everything is made, and the exit
# status of the separation is the verdict of its table. What the verdict is, `make separation` says.
. tests/cmd/tap.sh

short="--set game.horizon=4 --set eval.episodes=2 --set eval.split=dev --set eval.resamples=100"

# shellcheck disable=SC2086
run env KARMA="$KARMA" RANKS=1 RUNS="$WORK/runs" RESULTS="$WORK/results" sh mk/separation $short
judged="$rc"
says out "^ddos +oracle - khpa " "an inequality of the floods is judged"
says out "^mixed +oracle - khpa " "and one of the mixed scenario"
says out "^upper bound of SLO attainment, whatever the controller: ddos [01]\.[0-9]+ \[" \
    "the bound stands below the table"
grep -q "| *FAIL" "$WORK/results/tables/separation.md"
case $? in 0) failed=1 ;; *) failed=0 ;; esac
same "$judged" "$failed" "the exit status is the verdict"
if [ "$failed" = 1 ]; then
    says err "inequalities of the separation failed" "a sentence says so"
else
    skip "a sentence" "all passed"
fi

# A method beaten on purpose: feed-forward staffing that never scales.
flat='eval.controllers=[nothing, {name: tuned, khpa: {target: 0.4}}, {ff: {utilisation: 1, wait_share: 1, growth: 0}}, oracle]'
exits 1 "a separation that must fail" "$KARMA" eval configs/experiments/separation_ddos.yaml --set game.horizon=10 \
    --set eval.split=dev --set eval.episodes=4 --set "$flat" --set eval.separation=tuned --out "$WORK/flat"
says out "^ddos +ff - khpa .*FAIL" "the inequality is named"
[ -s "$WORK/flat/summary.md" ]
result $? "the tables are written all the same"
# shellcheck disable=SC2086
exits 2 "a separation without its khpa" "$KARMA" eval configs/experiments/separation_ddos.yaml $short \
    --set eval.separation=ff --set "eval.controllers=[ff]" --out "$WORK/none"
says err "eval.separation is 'ff'" "the sentence names it"

# shellcheck disable=SC2086
exits 0 "sensitivity" env KARMA="$KARMA" RANKS=1 RUNS="$WORK/runs" RESULTS="$WORK/results" \
    sh mk/sensitivity --set eval.episodes=1 --set eval.resamples=100
same "$(grep -c '^| .* | [01]\.[0-9]* \[.*\] | .* / .* |$' "$WORK/results/tables/sensitivity.md")" 21 \
    "a row for each of 21 values"
same "$(awk 'NF != 14' "$WORK"/runs/sensitivity/*.dat | wc -l)" 0 "every point has its 14 columns"
if command -v gnuplot >/dev/null; then
    for figure in separation-ddos separation-mixed sensitivity; do
        fit_to_print "$WORK/results/figures/$figure.svg" "$figure"
    done
else
    skip "figures" "gnuplot is not installed"
fi
done_testing
