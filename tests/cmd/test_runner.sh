# The test runner itself: whatever goes wrong in a test program, it must not look like success.
. tests/cmd/tap.sh

here=$PWD
mkdir -p "$WORK/build/tests/unit" "$WORK/tests/unit" "$WORK/tests/cmd"
cd "$WORK" || exit 1

program() { # NAME: a unit test program; its text comes on standard input
    { echo '#!/bin/sh'; cat; } >"build/tests/unit/test_$1"
    chmod +x "build/tests/unit/test_$1"
}

ends() { # STATUS LAST_LINE WHAT NAME...: run these programs
    want=$1 line=$2 what=$3
    shift 3
    run sh "$here/tests/run" build "$@"
    [ "$rc" = "$want" ] && [ "$(tail -n 1 "$WORK/out")" = "$line" ]
    result $? "$what"
}

printf 'echo 1..3; echo ok 1 - a; echo because; echo "not ok 2 # SKIP b"; echo ok 3 - c' | program good
ends 0 "2 passed, 0 failed, 1 skipped" "passes and skips are counted" build/tests/unit/test_good
says out "skipped unit/test_good: b \(because\)" "a skip shows its reason"

printf 'echo 1..2; echo ok 1 - a; echo "not ok 2 - b"; echo "# 1 != 2"; exit 1' | program bad
ends 1 "1 passed, 1 failed, 0 skipped" "a failure fails the run" build/tests/unit/test_bad
says out "FAILED  unit/test_bad: b" "a failure is named"
says out "# 1 != 2" "a failure shows what cmocka said"

printf 'echo 1..1; echo "not ok 1 - a"' | program liar
ends 1 "0 passed, 1 failed, 0 skipped" "exit status 0 does not hide a failure" \
    build/tests/unit/test_liar
printf 'echo 1..1; echo ok 1 - a; exit 3' | program status
ends 1 "1 passed, 1 failed, 0 skipped" "nor do results hide an exit status" \
    build/tests/unit/test_status
printf 'echo 1..3; echo ok 1 - a' | program short
ends 1 "1 passed, 1 failed, 0 skipped" "planned results must come" build/tests/unit/test_short
says out "only 1 of 3 planned results" "and their lack is named"
printf 'exit 0' | program silent
ends 1 "0 passed, 1 failed, 0 skipped" "a program without results fails" build/tests/unit/test_silent
printf 'echo 1..2; echo ok 1 - a; kill -SEGV $$' | program crash
ends 1 "1 passed, 1 failed, 0 skipped" "a crash fails" build/tests/unit/test_crash
says out "killed by signal 11" "and is named"
printf 'echo 1..1; sleep 30; echo ok 1 - a' | program slow
echo '/* TIMEOUT: 1 */' >tests/unit/test_slow.c
ends 1 "0 passed, 1 failed, 0 skipped" "a time-out fails" build/tests/unit/test_slow
says out "no end after 1 s" "and is named"
printf 'echo 1..1; echo ok 1 - a; echo 1..1; echo "not ok 1 - b"; exit 1' | program groups
ends 1 "1 passed, 1 failed, 0 skipped" "two groups in one program are told apart" \
    build/tests/unit/test_groups

ends 1 "1 passed, 3 failed, 0 skipped" "sums go over all programs" \
    build/tests/unit/test_crash build/tests/unit/test_silent build/tests/unit/test_gone
ends 1 "0 passed, 0 failed, 0 skipped" "running nothing is no success"
done_testing
