# A new controller is one file and one line of the registry: karma_extra is karma with the method
# `threshold` (tests/extra). It appears wherever methods do, and karma itself does not know it.
. tests/cmd/tap.sh

extra=$BUILD/tests/extra/karma_extra
tiny=configs/experiments/tiny.yaml

exits 0 "help" "$extra" eval --help
says out "^  threshold +a pod more or fewer outside a band" "lists the method with its description"
says out "^  khpa +Kubernetes horizontal pod autoscaler" "beside the others"
exits 0 "karma's own help" "$KARMA" eval --help
says out "^  khpa +Kubernetes" "lists methods, too"
[ "$(grep -c threshold "$WORK/out")" = 0 ]
result $? "but not that one"

exits 0 "config doc" "$extra" config doc
says out "^# +threshold: +# a pod more or fewer outside a band" "documents the method"
says out "^# +high: 0\.7 +# adds a pod above; a number from 0 to 1" "and its parameters"
"$extra" config doc | grep -v '^# *\(threshold\|bandit\|high\|low\|price\):' | sed 's/, threshold//; s/, scripted or threshold/ or scripted/' >"$WORK/doc"
"$KARMA" config doc | sed 's/ or scripted/, scripted/' >"$WORK/own"
sed -i 's/ or scripted/, scripted/; s/ or threshold//' "$WORK/doc"
sed -i 's/method of training; one of .*/method of training/' "$WORK/doc" "$WORK/own"
holds "config doc is otherwise the same" cmp "$WORK/doc" "$WORK/own"

# --- evaluation: rows, tables, frontiers, figures ---
all='eval.controllers=[nothing, threshold, {name: eager, threshold: {high: 0.5, low: 0.4}, show: false}, policy]'
exits 0 "a policy to compare with" "$extra" train $tiny --set run.dir="$WORK/run" --set train.updates=1
exits 0 "evaluation" "$extra" eval $tiny --set run.dir="$WORK/run" --set "$all" --set eval.resamples=100 \
    --set eval.reference=threshold --out "$WORK/eval"
says out "threshold" "the table has the method"
says out "threshold, 2 " "the frontier of its settings is compared with the policy"
same "$(awk -F, 'NR > 1 { n[$1]++ } END { print (n["threshold"] > 0) (n["eager"] == n["threshold"]) }' "$WORK/eval/eval.csv")" 11 \
    "eval.csv has the rows of both settings"
holds "the figure's data have the frontier" sh -c "grep -q '^threshold,.*,corner,' '$WORK'/eval/figures/*.csv"
exits 0 "evaluation without it" "$KARMA" eval $tiny --set run.dir="$WORK/run" --set 'eval.controllers=[nothing, policy]' \
    --set eval.resamples=100 --out "$WORK/without"
grep -v -e '^threshold,' -e '^eager,' "$WORK/eval/eval.csv" >"$WORK/others"
holds "rows and settings of the other methods are the same" cmp "$WORK/others" "$WORK/without/eval.csv"

# --- as a rule inside others ---
exits 0 "imitated by a training" "$extra" train $tiny --set run.dir="$WORK/clone" --set train.updates=1 \
    --set train.init=clone --set 'train.clone.rule={threshold: {high: 0.6}}'
exits 0 "explored and carried out" "$extra" eval $tiny --set run.dir="$WORK/run" --out "$WORK/inside" \
    --set 'eval.controllers=[{explore: {rule: threshold}}, {scripted: {rule: {threshold: {low: 0.2}}}}]' \
    --set eval.resamples=100

# --- mistakes ---
exits 2 "a parameter out of range" "$extra" config check $tiny --set 'eval.controllers=[{threshold: {high: 7}}]'
says err "eval.controllers.0.threshold.high: found '7', allowed is a number from 0 to 1" "names the key and the range"
exits 2 "karma does not know it" "$KARMA" config check $tiny --set 'eval.controllers=[threshold]'
says err "found 'threshold', which is no method; write one of nothing, static, khpa" "and says so"
done_testing
