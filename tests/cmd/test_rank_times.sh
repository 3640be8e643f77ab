# Where the time of each rank goes: a table in the log and ranks.csv, whatever the ranks do.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny.yaml

train() { # RUN RANKS ARGUMENT...
    dir=$1 ranks=$2
    shift 2
    run timeout "$HANGS" "$LAUNCH" -n "$ranks" "$KARMA" train $tiny --set run.dir="$dir" "$@"
}
column() { # NAME RANK
    awk -F, -v name="$1" -v rank="$2" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i }
        NR > 1 && $1 == rank { print $c }' "$dir/ranks.csv"
}
more() { # A B: A > B
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 > b + 0) }'
}

if [ "${MPI:-1}" = 1 ]; then
    train "$WORK/split" 2 --set train.learners=1
    same "$rc" 0 "one learner and one simulating rank"
    says err "^rank  simulate  infer  *send  *wait  *update  *broadcast  *other  *all  *CPU$" \
        "the log has a table"
    same "$(grep -Ec '^[01]  +[0-9]' "$WORK/err")" 2 "with a row for each rank"
    same "$(wc -l <"$dir/ranks.csv")" 3 "ranks.csv has a header and two rows"
    holds "rank 0 learns" more "$(column update_cpu_s 0)" 0
    same "$(column update_cpu_s 0 | grep -c .)" 1 "by a number"
    holds "rank 1 simulates" more "$(column simulate_cpu_s 1)" "$(column simulate_cpu_s 0)"
    holds "and computes its choices" more "$(column infer_s 1)" 0
    holds "and sends blocks" more "$(column sent_messages 1)" 20
    holds "rank 1 waits for the learner" more "$(column wait_s 1)" 0

    train "$WORK/fused" 2 --set train.learners=0
    same "$rc" 0 "two ranks that do both"
    holds "rank 1 learns" more "$(column update_cpu_s 1)" 0
    same "$(column broadcast_s 0) $(column broadcast_s 1)" "0 0" "nobody sends weights that all have"

    train "$WORK/idle" 3 --set train.learners=1 --set train.envs=8 --set train.updates=1
    says err "1 of 3 ranks have nothing to do: 8 environments .* are 1 tile, .*start fewer ranks" \
        "ranks without work are counted"

    KARMA_LOG=error train "$WORK/quiet" 2
    same "$rc $(wc -c <"$WORK/err" | tr -d ' ')" "0 0" "KARMA_LOG=error: no table"
    holds "but the file" test -s "$dir/ranks.csv"
fi

run timeout "$HANGS" "$KARMA" train $tiny --set run.dir="$WORK/alone"
dir=$WORK/alone
same "$rc $(wc -l <"$dir/ranks.csv")" "0 2" "one rank: one row"
holds "that simulates" more "$(column simulate_cpu_s 0)" "$(column update_cpu_s 0)"
same "$(column sent_messages 0)" 0 "and sends nothing"
done_testing
