# karma train --dump-update: the file is whole, an outside implementation agrees with it, it does not
# depend on the ranks, and what cannot be dumped is refused before anything is trained.
. tests/cmd/tap.sh

config=configs/experiments/tiny.yaml

train() { # RANKS OPTION...
    ranks=$1
    shift
    "$LAUNCH" -n "$ranks" "$KARMA" train $config --set "run.dir=$WORK/run" --set train.updates=3 \
        --restart "$@"
}

holds "--help names both values" sh -c "'$KARMA' train --help | grep -q -- '--dump-update N FILE '"
exits 0 "update 2 is dumped" train 1 --dump-update 2 "$WORK/new/u2.bin"
digest=$(tail -n 1 "$WORK/out")
exits 0 "an outside implementation agrees" "$BUILD/tests/unit/test_dump" "$WORK/new/u2.bin"
same "$(grep -c '^ok' "$WORK/out")" 19 "in every number"
exits 0 "the last update" train 1 --dump-update=3 "$WORK/u3.bin"
exits 0 "an outside implementation agrees" "$BUILD/tests/unit/test_dump" "$WORK/u3.bin"
exits 0 "without a dump" train 1
same "$(tail -n 1 "$WORK/out")" "$digest" "the weights are the same"

head -c 4000 "$WORK/u3.bin" >"$WORK/torn.bin"
exits 1 "half a file" "$BUILD/tests/unit/test_dump" "$WORK/torn.bin"

if command -v protoc >/dev/null; then
    tail -c +21 "$WORK/u3.bin" | protoc -I. --decode=karma.UpdateDump proto/update_dump.proto \
        >"$WORK/text" 2>"$WORK/err"
    result $? "protoc decodes what follows the header"
    same "$(sed -n 's/^update: //p' "$WORK/text")" 3 "as the documentation says"
else
    skip "protoc decodes what follows the header" "protoc is not installed"
fi

if [ "${MPI:-1}" = 1 ]; then
    exits 0 "three ranks, one learner" train 3 --set train.learners=1 --dump-update 2 "$WORK/np3.bin"
    cmp "$WORK/new/u2.bin" "$WORK/np3.bin" >"$WORK/out" 2>&1
    result $? "the same bytes"
    exits 2 "three ranks that all learn" train 3 --set train.learners=0 --dump-update 2 "$WORK/x.bin"
    says err "3 ranks learn; add --set train.learners=1" "the sentence names the remedy"
else
    skip "three ranks, one learner" "built without MPI"
fi

exits 2 "an update that is none" train 1 --dump-update 4 "$WORK/x.bin"
says err "the run has 3 updates" "the sentence says how many there are"
exits 2 "update 0" train 1 --dump-update 0 "$WORK/x.bin"
exits 2 "no file" "$KARMA" train $config --dump-update 2
says err "write --dump-update N FILE" "the sentence says how"
exits 2 "a directory" train 1 --dump-update 2 "$WORK"
exits 1 "a file that cannot be made" train 1 --dump-update 2 "$WORK/u3.bin/x.bin"
says err "$WORK/u3.bin" "the sentence names it"
[ ! -e "$WORK/x.bin" ]
result $? "nothing was written"
done_testing
