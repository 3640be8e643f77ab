# karma twin fit, and training in what it made: the same bits on any number of ranks; traces that are
# bad, torn, mixed or empty, and twins that do not fit, get a sentence; a refit waits, is accepted, or
# keeps what was better.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny.yaml
twin=$WORK/twin
small='--set fit.members=2 --set fit.hidden=[16] --set fit.epochs=3 --set fit.noise_rows=64'

collect() { # OUT OPTION...
    out=$1
    shift
    "$KARMA" trace collect $tiny --out "$out" --validation 25 --held-out 10 \
        --set 'eval.controllers=[khpa, {explore: {random: 0.3}}]' "$@"
}

fit() { # STORE... --out TWIN OPTION...
    # shellcheck disable=SC2086
    "$KARMA" twin fit $small "$@"
}

on_ranks() { # RANKS COMMAND ARGUMENT...
    ranks=$1
    shift
    # shellcheck disable=SC2086
    timeout "$HANGS" "$LAUNCH" -n "$ranks" "$KARMA" "$@"
}

digest() { # the one that the last command printed
    sed -n '$s/.*digest //p' "$WORK/out"
}

errors() { # of the refit that was the last command: before, now
    sed -n 's/^on old and new .*: \(.*\) before, \(.*\) now$/\1 \2/p' "$WORK/out"
}

sums() { # TWIN: of its files
    cksum "$1" "$1.traces"
}

collect "$WORK/one" --set eval.episodes=8 2>/dev/null        # 512 decisions
collect "$WORK/few" --set eval.episodes=2 --set eval.first=100 2>/dev/null  # 128
collect "$WORK/many" --set eval.episodes=12 --set eval.first=100 2>/dev/null # 768

# --- fitting -------------------------------------------------------------------------------------
exits 0 "a twin is fitted" fit "$WORK/one" --out "$twin"
fitted=$(digest)
same "${#fitted}" 16 "and its digest printed"
says out "transitions for training" "with what it learned from"
same "$(cd "$WORK" && echo twin*)" "twin twin.traces" "two files, and no others"
for ranks in 2 3 4; do
    if [ "${MPI:-1}" = 0 ]; then
        skip "the same twin on $ranks ranks" "built without MPI"
        continue
    fi
    # shellcheck disable=SC2086
    exits 0 "on $ranks ranks" on_ranks $ranks twin fit $small "$WORK/one" --out "$WORK/ranks"
    same "$(digest)" "$fitted" "the same digest on $ranks ranks"
    holds "the same bytes" cmp "$WORK/ranks" "$twin"
    holds "and transitions" cmp "$WORK/ranks.traces" "$twin.traces"
done
exits 0 "with another seed" fit "$WORK/one" --out "$WORK/seed" --set fit.seed=2
[ -n "$(digest)" ] && [ "$(digest)" != "$fitted" ]
result $? "another twin"
echo rubbish >"$WORK/ranks.traces.pending"
echo rubbish >"$WORK/ranks.pending"
exits 0 "what a killed fit left behind" fit "$WORK/one" --out "$WORK/ranks"
same "$(digest)" "$fitted" "does not matter"
[ ! -e "$WORK/ranks.pending" ] && [ ! -e "$WORK/ranks.traces.pending" ]
result $? "and is gone"

mv "$WORK/ranks.traces" "$WORK/ranks.traces.pending"
echo "of the old twin" >"$WORK/ranks.traces"
exits 0 "a refit of one that was killed between its two files" \
    fit "$WORK/one" --from "$WORK/ranks" --out "$WORK/ranks"
holds "its transitions take their place first" cmp "$WORK/ranks.traces" "$twin.traces"
[ ! -e "$WORK/ranks.traces.pending" ]
result $? "and nothing else is left"

# --- traces that are none ------------------------------------------------------------------------
refused() { # STATUS PATTERN NAME ARGUMENT...: fit says so and makes nothing
    status=$1 pattern=$2 name=$3
    shift 3
    exits "$status" "$name: refused" fit "$@"
    says err "$pattern" "$name: with a sentence"
    [ ! -e "$WORK/none" ] && [ ! -e "$WORK/none.traces" ] && [ ! -e "$WORK/none.traces.pending" ]
    result $? "$name: and no file"
}
: >"$WORK/empty"
echo "time,service" >"$WORK/table.csv"
cp "$WORK/one" "$WORK/damaged"
printf '\252\252\252\252' | dd of="$WORK/damaged" bs=1 seek=9000 conv=notrunc 2>/dev/null
collect "$WORK/other" --set eval.episodes=2 --set plant.period_s=30 2>/dev/null
head -c 4000 "$WORK/one" >"$WORK/short" # the header, and not one episode
refused 1 "is empty" "an empty store" "$WORK/empty" --out "$WORK/none"
refused 1 "no trace store|no frame|not a " "a table" "$WORK/table.csv" --out "$WORK/none"
refused 1 "damaged" "a damaged store" "$WORK/damaged" --out "$WORK/none"
refused 1 "different making" "two systems" "$WORK/one" "$WORK/other" --out "$WORK/none"
refused 1 "no transition for" "no episode" "$WORK/short" --out "$WORK/none"
refused 1 "nothing" "no store" "$WORK/nothing" --out "$WORK/none"
refused 2 "--out is missing; write --out TWIN" "no --out" "$WORK/one"
refused 2 "unknown|no field|members" "an unknown setting" "$WORK/one" --out "$WORK/none" --set fit.membrs=1
exits 2 "an unknown verb" "$KARMA" twin guess "$WORK/one"
size=$(wc -c <"$WORK/one")
head -c $((size - 100)) "$WORK/one" >"$WORK/torn"
exits 0 "a torn store" fit "$WORK/torn" --out "$WORK/torn-twin"
says err "ends inside an episode" "says so"
"$KARMA" trace info "$WORK/torn-twin.traces" >"$WORK/out"
says out "31 episodes" "and has the episodes before the tear"

# --- refitting -----------------------------------------------------------------------------------
exits 0 "the beginning of a twin" fit "$WORK/one" --out "$WORK/young" --set fit.epochs=1
before=$(sums "$WORK/young")
exits 0 "too few new transitions" fit "$WORK/few" --from "$WORK/young" --out "$WORK/young"
says out "a refit waits for 512" "are waited for"
same "$(sums "$WORK/young")" "$before" "and the old twin is as it was"
exits 0 "known ones are not new" fit "$WORK/one" --from "$WORK/young" --out "$WORK/young"
says out "^0 new transitions" "and counted as none"
exits 0 "a refit that spoils" fit "$WORK/many" --from "$WORK/young" --out "$WORK/young" \
    --set fit.lr=0.9 --set fit.lr_end=0.9 --set fit.epochs=1
same "$(sed -n 's/^\([01]\)  *\([0-9]*\) .*/\1 \2/p' "$WORK/out" | tr '\n' ' ')" "0 0 1 0 " "keeps its networks"
same "$(errors | awk '{ print $1 == $2 }')" 1 "and their error"
fit "$WORK/one" --out "$WORK/young" --set fit.epochs=1 >/dev/null 2>&1
exits 0 "a refit that helps" fit "$WORK/many" --from "$WORK/young" --out "$WORK/young" --set fit.epochs=5
same "$(errors | awk '{ print $2 < $1 }')" 1 "has a smaller error"
refit=$(digest)
"$KARMA" trace info "$WORK/young.traces" >"$WORK/out"
says out "80 episodes" "and remembers old and new episodes"
if [ "${MPI:-1}" = 0 ]; then
    skip "the same refit on 3 ranks" "built without MPI"
else
    fit "$WORK/one" --out "$WORK/again" --set fit.epochs=1 >/dev/null 2>&1
    # shellcheck disable=SC2086
    run on_ranks 3 twin fit $small "$WORK/many" --from "$WORK/again" \
        --out "$WORK/again" --set fit.epochs=5
    same "$(digest)" "$refit" "the same refit on 3 ranks"
fi
exits 1 "another shape" "$KARMA" twin fit "$WORK/many" --from "$twin" --out "$WORK/none"
says err "another shape" "is no beginning"
exits 1 "the change instead of the state" fit "$WORK/many" --from "$twin" --out "$WORK/none" \
    --set fit.predict=residual
says err "that predict the next state" "is another shape, too"

# --- training ------------------------------------------------------------------------------------
train() { # RANKS OPTION...
    ranks=$1
    shift
    set -- train $tiny --set train.updates=3 --set train.checkpoint_every=1 \
        --set run.dir="$WORK/run" --set twin.file="$twin" --set 'twin.key=[desired]' \
        --set twin.quantum=4 "$@"
    if [ "$ranks" = 1 ]; then
        run timeout "$HANGS" "$KARMA" "$@"
    else
        run on_ranks "$ranks" "$@"
    fi
}
train 1
trained=$(digest)
same "$rc ${#trained}" "0 16" "a policy is trained in it"
[ "$trained" != "$(sed -n 's/^scratch //p' tests/golden/tiny.txt)" ]
result $? "and is another one than the cluster's"
cp "$WORK/run/metrics.csv" "$WORK/metrics.csv"
for ranks in 2 3 4; do
    if [ "${MPI:-1}" = 0 ]; then
        skip "the same policy on $ranks ranks" "built without MPI"
        continue
    fi
    rm -rf "$WORK/run"
    train $ranks --set train.learners=$((ranks % 3))
    same "$(digest)" "$trained" "the same policy on $ranks ranks"
    holds "and the same metrics.csv" cmp "$WORK/run/metrics.csv" "$WORK/metrics.csv"
done

interrupted() { # the whole run as if it had been killed after its first checkpoint
    ls "$WORK/run/checkpoints" | tail -n +2 >"$WORK/late"
    while read -r name; do rm -f "$WORK/run/checkpoints/$name"; done <"$WORK/late"
    rm -rf "$WORK/run/policy"
    echo "running update 2 of 3" >"$WORK/run/status"
}
interrupted
train $((${MPI:-1} == 0 ? 1 : 3))
same "$rc $(digest)" "0 $trained" "resumed on other ranks: the same policy"
says err "resumed after update 1 of 3" "and it was resumed"
holds "and the same metrics.csv" cmp "$WORK/run/metrics.csv" "$WORK/metrics.csv"
interrupted
cp "$twin" "$WORK/kept"
cp "$WORK/seed" "$twin"
train 1
[ "$rc" != 0 ] && grep -q "twin" "$WORK/err"
result $? "it does not go on in another twin"
cp "$WORK/kept" "$twin"

wrong() { # PATTERN NAME OPTION...
    pattern=$1 name=$2
    shift 2
    rm -rf "$WORK/run"
    train 1 "$@"
    [ "$rc" != 0 ] && grep -Eq "$pattern" "$WORK/err"
    result $? "$name: refused with a sentence"
}
wrong "there is no file" "a twin that is not there" --set twin.file="$WORK/nothing"
wrong "decision period" "a twin of another period" --set plant.period_s=30
wrong "other CPU" "a twin of another node" --set topology.node_cpu_m=20000
wrong "twin.key names 'mood'" "a key that names no metric" --set 'twin.key=[mood]'
head -c 2000 "$twin" >"$WORK/half"
cp "$twin.traces" "$WORK/half.traces"
wrong "$WORK/half" "half a twin" --set twin.file="$WORK/half"
cp "$twin" "$WORK/lost"
wrong "$WORK/lost.traces" "a twin without its transitions" --set twin.file="$WORK/lost"
cp "$WORK/torn-twin.traces" "$WORK/lost.traces"
wrong "is not what the twin" "a twin with another's transitions" --set twin.file="$WORK/lost"

# --- the same controllers on the cluster and in it ------------------------------------------------
three='[nothing, {name: off 8-2-8-2, static: {replicas: [8, 2, 8, 2]}}, khpa]'
compare() { # DIR OPTION...
    dir=$1
    shift
    "$KARMA" eval $tiny --set "eval.controllers=$three" --set eval.episodes=3 --set run.dir="$dir" "$@"
}
compare "$WORK/cluster" >"$WORK/log" 2>&1
compare "$WORK/twin-eval" --set twin.file="$twin" --set eval.plant=twin >"$WORK/log" 2>&1
exits 0 "they are compared" "$KARMA" twin agree "$WORK/cluster/eval.csv" "$WORK/twin-eval/eval.csv"
says out "over 3 controllers" "all three"
says out "^off  *off 8-2-8-2  *1 " "with the errors of groups"
awk '/^Errors/ { exit } /^(nothing|off 8-2-8-2) .*\./ && NF > 6 { n++; d = $NF; sub(/^[-+]/, "", d); if (d > 0.2) bad++ }
     END { exit !(n == 2 && bad == 0) }' "$WORK/out"
result $? "the CPU that fixed allocations request is about the same" # but for pods that drain at first
exits 0 "by another metric" "$KARMA" twin agree --metric vcpu "$WORK/cluster/eval.csv" "$WORK/twin-eval/eval.csv"
says out "^vcpu, means over" "it is said which"
for bad in slo_attainment vcpu; do
    awk -F, -v OFS=, -v name=$bad 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i }
        NR == 3 { $at = "garbage" } { print }' "$WORK/cluster/eval.csv" >"$WORK/garbage.csv"
    exits 1 "no number for $bad" "$KARMA" twin agree "$WORK/garbage.csv" "$WORK/twin-eval/eval.csv"
    says err "garbage.csv:3: 'garbage' in the column $bad" "is refused with its place"
done
exits 0 "who answers" "$KARMA" twin answers $tiny --set "eval.controllers=$three" --set eval.episodes=2 \
    --set twin.file="$twin"
same "$(awk '/%/ { sum = $(NF - 7) + $(NF - 5) + $(NF - 3) + $(NF - 1); print (sum > 99.7 && sum < 100.3) }' \
    "$WORK/out" | tr '\n' ' ')" "1 1 1 " "in shares of all steps, of each controller"
exits 2 "without a twin" "$KARMA" twin answers $tiny --set "eval.controllers=$three"
says err "name one with twin.file" "nobody does"
done_testing
