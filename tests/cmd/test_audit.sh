# karma audit verify, on the log of a karma serve that has no server: every decision comes out again;
# a changed byte, a cut, another policy and half a record get a sentence.
. tests/cmd/tap.sh

tiny=configs/experiments/tiny.yaml
log=$WORK/serve/audit.jsonl
serve() { # N: decisions without measurements, of which each second is one
    "$KARMA" serve "$WORK/run" -p http://127.0.0.1:1 -m configs/metrics/exporter.yaml --set plant.period_s=1 \
        --set plant.scrape_s=1 --set prometheus.timeout_s=0.5 --set 'listen=""' --out "$WORK/serve" -n "$1"
}
verify() {
    "$KARMA" audit verify "$log" "$@"
}

holds "a policy" "$KARMA" train $tiny --set run.dir="$WORK/run" --set train.updates=1
holds "another one" "$KARMA" train $tiny --set run.dir="$WORK/other" --set train.updates=1 --set train.seed=7
exits 0 "three decisions" serve 3
exits 0 "verify" verify
says out "^.*: 4 records, 3 decisions in 1 run: each is as it was written$" "counts them"
head=$(sed -n 's/^head //p' "$WORK/out")
printf '{"n":4,"kind":"deci' >>"$log"
exits 0 "half a record does not count" verify
says err "half a record of 19 bytes" "and is told"
exits 0 "the next serve goes on" serve 2
says err "half a record of 19 bytes.*cut off behind record 3" "and cuts it off"
exits 0 "with the policy" verify --policy "$WORK/run" --head "$head"
says out "^.*: 7 records, 5 decisions in 2 runs" "both runs are one chain"
says out "^5 of 5 decisions come out the same, byte by byte$" "every decision is made again"
exits 1 "another policy" verify --policy "$WORK/other"
says err "record 0 \(start\): the policy that decided has weights of digest .*--policy" "has other weights"
exits 2 "a head that is none" verify --head 12
exits 1 "a file that is not there" "$KARMA" audit verify "$WORK/nothing"
exits 1 "another file" "$KARMA" audit verify $tiny

cp "$log" "$WORK/whole"
head -n 3 "$WORK/whole" >"$log"
exits 0 "a log that was cut between records is a chain" verify
exits 1 "but has not the head" verify --head "$head"
says err "no record has the digest" "says so"
sed '2s/"by":"khpa"/"by":"khpb"/' "$WORK/whole" >"$log"
exits 1 "a changed byte" verify
at=$(cmp "$WORK/whole" "$log" | sed "s/.*[a-z] \([0-9]*\), line.*/\1/")
says err "record 1 is not what was written: .* byte $((at - 1)) of the file, was changed: it is 'b' and was 'a'" "is named"
exits 1 "serve does not continue it" serve 1
says err "cannot be continued" "says why"
sed 3d "$WORK/whole" >"$log"
exits 1 "a record that was removed" verify
says err "record 2 .*records between the two were removed or moved" "is missed"
done_testing
