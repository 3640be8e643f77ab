# Results and log in one file (`make run >log 2>&1`): lines stay whole and in the order in which they
# were written. On several ranks, too, though the launcher reads the streams in pieces.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

# Twelve controllers make tables of several times the size of any buffer between here and there.
controllers="nothing"
for i in 1 2 3 4 5 6 7 8 9 10 11; do
    controllers="$controllers, {name: target-$i, khpa: {target: 0.$((i + 20))}}"
done
evaluate() { # DIR: standard output and error are the caller's
    "$KARMA" eval configs/experiments/tiny.yaml --out "$1" --set "eval.controllers=[$controllers]" \
        --set eval.episodes=2 --set eval.resamples=100 --set eval.split=dev </dev/null
}
evaluate "$WORK/a" >"$WORK/results" 2>"$WORK/log"
[ "$(wc -c <"$WORK/results")" -gt 8192 ]
result $? "the tables are large"

# The log has one line that differs from run to run, the measured CPU of a decision: where it is whole,
# it is left out.
measured='/^CPU of a decision: at most [0-9.e+-]* ms ([a-z0-9-]*); of each controller: .*decision_cpu.csv$/d'
whole() { # FILE NAME: every line is one of the results or one of the log, the results in their order
    sed -e 's/\r$//' -e "$measured" "$1" | grep -vxFf "$WORK/log" >"$WORK/rest"
    holds "$2: all lines are whole" cmp "$WORK/rest" "$WORK/results"
}
evaluate "$WORK/a" >"$WORK/results" 2>"$WORK/log" # again: what it says of rows that are there
evaluate "$WORK/a" >"$WORK/one" 2>&1
whole "$WORK/one" "one process"
evaluate "$WORK/a" 2>&1 | cat >"$WORK/one"
whole "$WORK/one" "one process, through a pipe"
same "$(head -n 1 "$WORK/one")" "48 of 48 episodes were measured before; 0 are left" \
    "what was said first stands first"
same "$(sed -n '$p' "$WORK/one")" "$(sed -n '$p' "$WORK/log")" "what was said last stands last"

if [ "${MPI:-1}" = 0 ]; then
    skip "three ranks" "built without MPI"
    done_testing
    exit 0
fi
karma=$KARMA
KARMA=ranks
ranks() {
    "$LAUNCH" -n 3 "$karma" "$@"
}
torn=0
for i in 1 2 3 4 5 6 7 8; do
    evaluate "$WORK/a" >"$WORK/three" 2>&1
    sed -e 's/\r$//' -e "$measured" "$WORK/three" | grep -vxFf "$WORK/log" | cmp -s - "$WORK/results" || torn=$((torn + 1))
done
same $torn 0 "three ranks, eight times: no file has a torn line"
done_testing
