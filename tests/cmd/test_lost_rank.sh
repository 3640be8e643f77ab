# A rank that is killed: the others end, soon, with an exit status that says so.
. tests/cmd/tap.sh

if [ "${MPI:-1}" = 0 ] || [ ! -r /proc/self/stat ]; then
    skip "a killed rank" "needs MPI and Linux's /proc"
    done_testing
    exit 0
fi

descendants() { # PID NAME: living processes of that name below it, in order of their numbers
    cat /proc/[0-9]*/stat 2>/dev/null | sed 's/(\(.*\))/\1/; s/[^0-9A-Za-z ]/_/g' |
        awk -v top="$1" -v name="$2" '
            { parent[$1] = $4; is[$1] = $2; state[$1] = $3 }
            END {
                for (pid in parent) {
                    for (at = pid; at in parent && at != top; at = parent[at]) continue
                    if (at == top && is[pid] == name && state[pid] != "Z") print pid
                }
            }' | sort -n
}

lives() { # PID
    grep -Eqs '^State:.*[^Z] \(' "/proc/$1/status"
}

lose() { # INDEX NAME: kills the rank that stands at that place among the processes
    run_dir=$WORK/run-$1
    timeout 120 "$LAUNCH" -n 3 "$KARMA" train configs/experiments/tiny.yaml \
        --set train.updates=100000 --set run.dir="$run_dir" >"$WORK/out" 2>"$WORK/err" </dev/null &
    job=$!
    tries=0
    until grep -q running "$run_dir/status" 2>/dev/null || [ $tries -ge 300 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    ranks=$(descendants $job karma)
    same "$(echo "$ranks" | wc -l)" 3 "$2: there are three ranks"
    kill -KILL "$(echo "$ranks" | sed -n "$1p")"
    killed=$(date +%s)
    rc=0
    wait $job || rc=$?
    seconds=$(($(date +%s) - killed))
    [ "$rc" != 0 ] && [ "$rc" != 124 ] && [ $seconds -le 30 ]
    result $? "$2 (exit status $rc after $seconds s)"
    left=
    for pid in $ranks; do
        ! lives "$pid" || left="$left $pid"
    done
    same "$left" "" "$2: no rank is left"
}

lose 1 "the learner is killed"
lose 3 "a simulating rank is killed"
done_testing
