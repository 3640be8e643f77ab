# TAP for shell tests. A test is tests/cmd/test_X.sh; it starts with `. tests/cmd/tap.sh`, calls the
# functions below and ends with `done_testing`. tests/run starts it in the root of the sources with
#
#   KARMA   the program under test         BUILD  its build directory
#   LAUNCH  mpi/launch                     WORK   an empty directory of this test's own
#
# shellcheck shell=sh
tap_n=0

# Seconds after which a command is taken to hang. It says nothing about speed: a busy machine takes
# many times as long as an idle one.
HANGS=900

result() { # STATUS NAME: one line of TAP, and what the command said if it failed
    tap_n=$((tap_n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $tap_n - $2"
    else
        echo "not ok $tap_n - $2"
        [ ! -s "$WORK/out" ] || tail -n 10 "$WORK/out" | sed 's/^/# out: /'
        [ ! -s "$WORK/err" ] || tail -n 10 "$WORK/err" | sed 's/^/# err: /'
    fi
}

run() { # COMMAND...: sets $rc; its output is in $WORK/out and $WORK/err
    rc=0
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || rc=$?
}

exits() { # STATUS NAME COMMAND...: the command ends with just this status
    want=$1 what=$2
    shift 2
    run "$@"
    [ "$rc" = "$want" ]
    result $? "$what (exit status $rc, expected $want)"
}

says() { # out|err PATTERN NAME: the last command's output has a line that matches
    grep -Eq -- "$2" "$WORK/$1"
    result $? "$3"
}

same() { # ACTUAL EXPECTED NAME: two strings are equal
    [ "$1" = "$2" ]
    tap_status=$?
    result $tap_status "$3"
    [ $tap_status = 0 ] || printf '# got      %s\n# expected %s\n' "$1" "$2"
}

holds() { # NAME COMMAND...: the command succeeds
    what=$1
    shift
    run "$@"
    result "$rc" "$what"
}

fit_to_print() { # SVG NAME: tests/figures.awk finds no fault in a figure
    what=$2
    run env LC_ALL=C awk -f tests/figures.awk "$1"
    result "$rc" "$what: texts within the canvas, every series in the key, axes with units"
}

skip() { # NAME REASON
    tap_n=$((tap_n + 1))
    echo "ok $tap_n - $1 # SKIP $2"
}

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

alive() { # PID: a process that runs; one that has ended and waits for its parent does not
    if [ -r /proc/self/status ]; then
        grep -Eqs '^State:.*[^Z] \(' "/proc/$1/status"
    else
        kill -0 "$1" 2>/dev/null
    fi
}

# A test waits for what it needs, not for seconds: a machine that is busy with other work may be
# slower by any factor. The time-out of tests/run ends a wait that hangs.
wait_until() { # COMMAND...: until it succeeds; fails when the process $job has ended without that
    until "$@"; do
        alive "$job" || { "$@" && return 0 || return 1; }
        sleep 0.02
    done
}

done_testing() {
    echo "1..$tap_n"
}
