# karma trace: tables are judged, imported, exported and merged; what is wrong gets a sentence and an
# exit status.
. tests/cmd/tap.sh

header=date,web_num_pods,web_desired_replicas,web_cpu_usage,web_mem_usage
table() { # AWK_EXPRESSION_OF_MEMORY: 200 rows of one service
    echo $header
    awk "BEGIN { for (i = 0; i < 200; i++) printf \"%d,%d,%d,%d,%d\n\", 15 * i, 1 + i % 3, 1 + i % 3, 50 + (i * 37) % 101, $1 }"
}
table '200 + (i * 13) % 17' >"$WORK/good.csv"
table '(i * 13) % 17 % 3' >"$WORK/bad.csv"
gzip -kf "$WORK/good.csv"
store=$WORK/store
import() { # FILE... OPTION...
    "$KARMA" trace import --origin 'a test' --licence CC0 "$@"
}

exits 0 "a sound table passes" "$KARMA" trace check "$WORK/good.csv" "$WORK/good.csv.gz"
says out "^verdict: warn" "but for what import and fit would say of it alone"
says out "^mem_usage +200 .. 216 MiB +pass" "with the range of each column"
exits 1 "the rate of a gauge fails" "$KARMA" trace check "$WORK/good.csv" "$WORK/bad.csv"
says out "^mem_usage .* fail +gauge rate" "with the column and the reason"
says err "1 of 2 tables failed" "and a sentence"
exits 2 "import without origin" "$KARMA" trace import "$WORK/good.csv" --out "$store"
says err "give --origin and --licence" "is told what is missing"
exits 1 "a table that fails is not imported" import "$WORK/bad.csv" --out "$store"
holds "and leaves no store" test ! -e "$store"
exits 0 "a sound one is" import "$WORK/good.csv.gz" --out "$store"
exits 1 "import never goes over a store" import "$WORK/good.csv" --out "$store"
exits 0 "--force imports what failed" import --force "$WORK/bad.csv" --out "$WORK/forced"
exits 0 "info" "$KARMA" trace info "$store"
says out "1 episode, 199 decisions of 15 s" "counts episodes and decisions"
says out "^licence: CC0" "and names the licence"
digest=$(tail -n 1 "$WORK/out")

exits 0 "export" "$KARMA" trace export "$store" --out "$WORK/out.csv"
holds "names as in Prometheus" grep -q "^controller,.*,container_memory_working_set_bytes," "$WORK/out.csv"
exits 0 "the table comes back" import "$WORK/out.csv" --out "$WORK/back"
"$KARMA" trace export "$WORK/back" --out "$WORK/again.csv"
holds "as the same table" cmp "$WORK/out.csv" "$WORK/again.csv"

exits 0 "merge" "$KARMA" trace merge "$store" "$store" "$WORK/forced" --out "$WORK/merged"
"$KARMA" trace info "$WORK/merged" >"$WORK/out"
says out "2 episodes" "keeps what is twice once"
exits 1 "merging two schemas" "$KARMA" trace merge "$store" "$WORK/back" --out "$WORK/merged2"
says err "of different making" "is refused"
"$KARMA" trace merge "$store" --out "$WORK/copy"
same "$("$KARMA" trace info "$WORK/copy" | tail -n 1)" "$digest" "a copy has the same digest"

head -c 900 "$store" >"$WORK/torn"
exits 0 "a torn store" "$KARMA" trace info "$WORK/torn"
says out " 0 episodes" "has the episodes before the tear"
says err "ends inside an episode" "and says so"
: >"$WORK/empty"
exits 1 "an empty store" "$KARMA" trace info "$WORK/empty"
says err "is empty" "is named"
exits 1 "a table is no store" "$KARMA" trace info "$WORK/good.csv"
exits 1 "an empty table" "$KARMA" trace check "$WORK/empty"
says err "is empty" "is named, too"
exits 1 "a file that is not there" "$KARMA" trace check "$WORK/nothing.csv"
exits 2 "an unknown verb" "$KARMA" trace fit "$store"
exits 2 "no file" "$KARMA" trace check
exits 2 "export without --out" "$KARMA" trace export "$store"

# collection
collect() { # OUT OPTION...
    out=$1
    shift
    "$KARMA" trace collect configs/experiments/tiny.yaml --out "$out" --set eval.episodes=2 \
        --set 'eval.controllers=[khpa, explore]' "$@"
}
on_ranks() { # RANKS OUT OPTION...
    ranks=$1
    shift
    real=$KARMA
    KARMA=in_turn
    in_turn() { "$LAUNCH" -n "$ranks" "$real" "$@"; }
    collect "$@"
    status=$?
    KARMA=$real
    return $status
}
exits 0 "a collection" collect "$WORK/one"
digest=$("$KARMA" trace info "$WORK/one" | tail -n 1)
for ranks in 2 3 4; do
    if [ "${MPI:-1}" = 0 ]; then
        skip "the same digest on $ranks ranks" "built without MPI"
        continue
    fi
    exits 0 "on $ranks ranks" on_ranks $ranks "$WORK/ranks-$ranks"
    same "$("$KARMA" trace info "$WORK/ranks-$ranks" | tail -n 1)" "$digest" "the same digest on $ranks ranks"
done
exits 0 "with another seed" collect "$WORK/seed" --set eval.seed=2
[ "$("$KARMA" trace info "$WORK/seed" | tail -n 1)" != "$digest" ]
result $? "another digest"
size=$(wc -c <"$WORK/one")
head -c $((size * 2 / 3)) "$WORK/one" >"$WORK/killed"
exits 0 "what a killed collection left goes on" collect "$WORK/killed"
says err "of 8 episodes" "behind what is there"
holds "and ends as the same bytes" cmp "$WORK/one" "$WORK/killed"
exits 1 "another collection does not go on in it" collect "$WORK/killed" --set eval.seed=2
says err "not of this collection" "and says why"
holds "which stays as it was" cmp "$WORK/one" "$WORK/killed"
exits 1 "nor one of another plant" collect "$WORK/killed" --set workload.mean_rps=6
says err "of different making" "and says why, too"
collect "$WORK/part1" --set eval.episodes=1 2>/dev/null
collect "$WORK/part2" --set eval.episodes=1 --set eval.first=1 2>/dev/null
exits 0 "parts merge" "$KARMA" trace merge "$WORK/part1" "$WORK/part2" --out "$WORK/parts"
"$KARMA" trace info "$WORK/parts" >"$WORK/out"
says out "8 episodes" "into the same number of episodes"
exits 0 "a collection as a table" "$KARMA" trace export "$WORK/one" --out "$WORK/one.csv"
exits 0 "passes the check" "$KARMA" trace check "$WORK/one.csv"
says out "4 services and the application" "which counts the services"
exits 0 "and comes back" import "$WORK/one.csv" --out "$WORK/one-back"
"$KARMA" trace export "$WORK/one-back" --out "$WORK/one-again.csv"
holds "bit by bit" cmp "$WORK/one.csv" "$WORK/one-again.csv"
exits 0 "--help" "$KARMA" trace --help
done_testing
