# karma eval is killed or stopped and goes on, and parts are merged: the bytes of one evaluation.
#
# KILLS=20 kills that many times instead of three.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

seed=${SEED:-$$}
echo "# SEED=$seed"
draw() { # N: a number from 1 to N; the sequence follows from the seed
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    drawn=$((seed / 65536 % $1 + 1))
}

config=configs/experiments/warm_start_cluster.yaml
common="--set game.horizon=10 --set eval.split=dev --set eval.seed=1 --set eval.resamples=100"
all="eval.controllers=[nothing, khpa, ff, policy]"
scenarios="scenarios=[{name: quiet}, {name: flood, events: [{kind: ddos, quiet_s: {lo: 10, hi: 60}, ramp_s: {lo: 20, hi: 30}, duration_s: {lo: 60, hi: 80}, magnitude: {lo: 2.5, hi: 3.5}}]}]"

ranks=1
evaluate() { # DIR ARGUMENT...: on $ranks ranks
    dir=$1
    shift
    # shellcheck disable=SC2086
    set -- "$KARMA" eval $config $common --set "$scenarios" --set "run.dir=$WORK/run" \
        --set "$all" --set eval.episodes=20 --out "$dir" "$@"
    [ $ranks = 1 ] || set -- "$LAUNCH" -n $ranks "$@"
    timeout "$HANGS" "$@"
}

# shellcheck disable=SC2086
holds "a short training" "$KARMA" train $config --set game.horizon=10 --set "run.dir=$WORK/run" \
    --set train.updates=1 --set train.init=scratch --set train.envs=8 --set train.steps=10
exits 0 "an undisturbed evaluation" evaluate "$WORK/whole"
cp "$WORK/out" "$WORK/whole.out"

equals_whole() { # DIR NAME: tables on standard output, rows, tables, figures
    same "$(cat "$WORK/out")" "$(cat "$WORK/whole.out")" "$2: the tables"
    diff -r -x decision_cpu.csv "$WORK/whole" "$1" >"$WORK/out" 2>&1
    result $? "$2: all files"
}

exits 0 "again" evaluate "$WORK/whole"
says err "160 of 160 episodes were measured before; 0 are left" "nothing is left to measure"
same "$(cat "$WORK/out")" "$(cat "$WORK/whole.out")" "and the tables are the same bytes"

# ---- killed ----
has_rows() { # N
    [ "$(cat "$WORK/cut/eval.csv" 2>/dev/null | wc -l)" -ge "$1" ]
}
interrupt() { # SIGNAL ROWS: once eval.csv has that many lines
    wait_until has_rows "$2"
    kill -s "$1" $job 2>/dev/null
    rc=0
    wait $job || rc=$?
}
begin() { # RANKS: in the background, as one process or one launcher
    # shellcheck disable=SC2086
    set -- "$1" "$KARMA" eval $config $common --set "$scenarios" --set "run.dir=$WORK/run" \
        --set "$all" --set eval.episodes=20 --out "$WORK/cut"
    begun=$1
    shift
    [ "$begun" = 1 ] || set -- "$LAUNCH" -n "$begun" "$@"
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
}

rm -rf "$WORK/cut"
kills=0
while [ $kills -lt "${KILLS:-3}" ]; do
    draw 40
    begin 1
    interrupt KILL $((drawn + 1))
    kills=$((kills + 1))
done
exits 0 "killed ${KILLS:-3} times, then left alone" evaluate "$WORK/cut"
says err "of 160 episodes were measured before" "it takes back what was measured"
equals_whole "$WORK/cut" "after kills"

head -n 31 "$WORK/whole/eval.csv" >"$WORK/cut/eval.csv"
printf 'khpa,,,quiet,dev,1,10,0.9' >>"$WORK/cut/eval.csv"
[ "${MPI:-1}" = 0 ] || ranks=3
exits 0 "a torn last row, resumed on $ranks ranks" evaluate "$WORK/cut"
says err "$WORK/cut/eval.csv:32: the last row is torn" "the sentence names file and line"
equals_whole "$WORK/cut" "after a torn row"

tries=0 rc=0
while [ $rc = 0 ] && [ $tries -lt 20 ]; do # 0: it was done before the signal reached it
    tries=$((tries + 1))
    rm -rf "$WORK/cut"
    begin $ranks
    interrupt USR1 10
done
same $rc 5 "SIGUSR1 on $ranks ranks: exit status 5"
says err "stopped on request after [0-9]+ of 160 episodes; to go on: (the same command|.*karma eval)" "it says where"
ranks=1
exits 0 "resumed on one rank" evaluate "$WORK/cut"
equals_whole "$WORK/cut" "after SIGUSR1"

# ---- more episodes, other controllers ----
exits 0 "13 episodes" evaluate "$WORK/some" --set eval.episodes=13
exits 0 "then 20" evaluate "$WORK/some"
says err "104 of 160 episodes were measured before; 56 are left" "the 13 are not played again"
equals_whole "$WORK/some" "13, then 20"

# ---- step by step ----
traced="--set eval.trajectories=all"
# shellcheck disable=SC2086
exits 0 "trajectories of rows that are known" evaluate "$WORK/traced" $traced
cp -R "$WORK/whole" "$WORK/late"
# shellcheck disable=SC2086
exits 0 "and the other way round" evaluate "$WORK/late" $traced
diff -r -x decision_cpu.csv "$WORK/traced" "$WORK/late" >"$WORK/out" 2>&1
result $? "the same files"
holds "rows are those without" cmp "$WORK/traced/eval.csv" "$WORK/whole/eval.csv"
rm -rf "$WORK/cut"
cp -R "$WORK/traced" "$WORK/cut"
truncate -s -1000 "$WORK/cut/trajectories.bin"
head -n 101 "$WORK/traced/eval.csv" >"$WORK/cut/eval.csv"
[ "${MPI:-1}" = 0 ] || ranks=3
# shellcheck disable=SC2086
exits 0 "a torn frame and rows that are missing, resumed on $ranks ranks" evaluate "$WORK/cut" $traced
says err "trajectories.bin: after 159 episodes a frame is torn" "the sentence says where"
diff -r -x decision_cpu.csv "$WORK/traced" "$WORK/cut" >"$WORK/out" 2>&1
result $? "the same files"
ranks=1
# shellcheck disable=SC2086
exits 2 "merging with trajectories" evaluate "$WORK/x" $traced --merge "$WORK/whole/eval.csv"
rm -rf "$WORK/cut"
cp -R "$WORK/whole" "$WORK/cut"

# ---- merged ----
exits 0 "the first 13 episodes" evaluate "$WORK/a" --set eval.episodes=13
exits 0 "and the next 7" evaluate "$WORK/b" --set eval.first=13 --set eval.episodes=7
exits 0 "merged" evaluate "$WORK/ab" --merge "$WORK/b/eval.csv" "$WORK/a/eval.csv"
equals_whole "$WORK/ab" "13 + 7 episodes"
exits 0 "two controllers" evaluate "$WORK/c" --set "eval.controllers=[policy, khpa]"
exits 0 "and three, one of them twice" evaluate "$WORK/d" \
    --set "eval.controllers=[nothing, ff, khpa]"
rm -rf "$WORK/cd"
exits 0 "merged" evaluate "$WORK/cd" --merge "$WORK/c/eval.csv" "$WORK/d/eval.csv"
equals_whole "$WORK/cd" "controllers apart"

exits 1 "a gap" evaluate "$WORK/gap" --merge "$WORK/b/eval.csv"
says err "104 of 160 rows are in none of the files.*controller 'nothing', scenario 'quiet', episode 0" \
    "the sentence counts and names"
sed '5s/,0\.[0-9]*/,0.125/' "$WORK/a/eval.csv" >"$WORK/changed.csv"
exits 1 "rows that contradict each other" evaluate "$WORK/conflict" \
    --merge "$WORK/whole/eval.csv" "$WORK/changed.csv"
says err "changed.csv:5: the same episode as in $WORK/whole/eval.csv:5, but slo_attainment is 0.125 here" \
    "the sentence names both lines"
sed '2s/,0\.[0-9]*/,0.125/' "$WORK/whole/eval.csv" >"$WORK/changed.csv"
exits 1 "a row that is not what this program measures" evaluate "$WORK/conflict" \
    --merge "$WORK/changed.csv"
says err "changed.csv:2: this program measures slo_attainment = 0\.[0-9]+ in that episode" "is found out"
says err "was changed; leave the file out of --merge, or evaluate that part anew" "with what to do about it"
sed '1s/^/old_/' "$WORK/whole/eval.csv" >"$WORK/old.csv"
run evaluate "$WORK/conflict" --merge "$WORK/old.csv"
says err "old.csv has the column .old_[a-z_]+. where this program writes .*; leave the file out of --merge, or evaluate that part anew" \
    "rows of an older program are told what to do, too"
exits 2 "files without --merge" evaluate "$WORK/x" "$WORK/a/eval.csv"
exits 2 "--merge without files" evaluate "$WORK/x" --merge
cksum "$WORK/a/eval.csv" >"$WORK/before"
exits 2 "--merge with --restart" evaluate "$WORK/a" --merge "$WORK/a/eval.csv" "$WORK/b/eval.csv" --restart
says err "--merge takes rows from files and measures nothing, --restart measures all anew; leave one" \
    "the sentence says what each does"
cksum "$WORK/a/eval.csv" >"$WORK/after"
holds "and a file that was to be merged is not moved aside" cmp "$WORK/before" "$WORK/after"

# ---- another configuration ----
cp "$WORK/cut/eval.csv" "$WORK/before.csv"
refused() { # NAME SENTENCE ARGUMENT...
    what=$1 sentence=$2
    shift 2
    exits 1 "$what: refused" evaluate "$WORK/cut" "$@"
    says err "$sentence" "$what: the sentence"
}
refused "another environment" "eval.csv:2: controller 'nothing' in scenario 'quiet' was measured under another" \
    --set cluster.start_s=21
refused "another scenario" "eval.csv:22: .*'flood' was measured under another" \
    --set "$(echo "$scenarios" | sed 's/hi: 3.5/hi: 3.6/')"
refused "another setting of a controller" "eval.csv:42: .*'khpa'" \
    --set "eval.controllers=[nothing, {khpa: {target: 0.6}}, ff, policy]"
refused "another seed" "the seed '1' is not" --set eval.seed=2
refused "another domain" "the domain 'dev' is not" --set eval.split=test
refused "fewer episodes" "the episode '19' is not" --set eval.episodes=19
refused "fewer controllers" "the controller 'ff' is not" \
    --set "eval.controllers=[nothing, khpa, policy]"
holds "and the rows are as they were" cmp "$WORK/cut/eval.csv" "$WORK/before.csv"
sed 's/,dev,/,train,/' "$WORK/before.csv" >"$WORK/changed.csv"
exits 1 "rows of training episodes" evaluate "$WORK/x" --merge "$WORK/changed.csv"
says err "changed.csv:2: the domain 'train' is not of this evaluation" "are refused"
exits 0 "--restart" evaluate "$WORK/cut" --restart --set eval.seed=2
holds "keeps the old rows beside" cmp "$WORK/cut/eval.csv.1" "$WORK/before.csv"
same "$(cut -d, -f6 "$WORK/cut/eval.csv" | sort -u | tr '\n' ' ')" "2 seed " "measures all anew"
exits 2 "a policy that is named twice" evaluate "$WORK/x" \
    --set "eval.controllers=[{policy: {policies: [$WORK/run, $WORK/run]}}]"
says err "have the same weights" "the sentence says why"
done_testing
