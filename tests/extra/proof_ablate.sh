#!/bin/sh
# RUNS tiny runs (1000) as one ablation on 4 ranks, in groups of 1, 2 and 4, each time with a tenth of
# the jobs' lifetimes cut short by SIGKILL of a random rank: every grouping gives the same results, no
# run is made twice, none is lost. Then the time that --status takes. Prints one line for each check;
# ends with status 1 if one fails.
#
#   make proof-ablate
#
# KARMA  program   RUNS  1000   GROUPS_OF  "1 2 4"   WORK  a new directory, else a temporary one that is removed
set -eu
export OPENBLAS_NUM_THREADS=1
karma=${KARMA:-build/karma}
runs=${RUNS:-1000}
ranks=4
if [ -n "${WORK:-}" ]; then mkdir "$WORK"; else
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
fi
failed=0

check() { # NAME ACTUAL EXPECTED
    if [ "$2" = "$3" ]; then echo "ok      $1: $2"; else
        echo "FAILED  $1: $2, expected $3"
        failed=1
    fi
}

# A training of one update that plays one episode: all that matters here is who makes it.
cat >"$WORK/spec.yaml" <<END
base: [$PWD/configs/experiments/tiny.yaml]
settings: [train.updates=1, train.envs=8, train.steps=2, game.horizon=2, 'team.actor_hidden=[4]', 'team.critic_hidden=[4]', mappo.epochs=1, mappo.minibatches=1]
evaluation: $PWD/configs/experiments/tiny.yaml
evaluation_settings: [eval.episodes=1, game.horizon=2, 'scenarios=[{name: quiet}]']
seeds: [$(seq -s, 1 "$runs")]
variants: [{name: one}]
END

results() { # DIR: checksum of all results; what was begun and moved aside is none
    (cd "$1" && find manifest.csv runs -name manifest.csv -o -name outcome.yaml -o -name eval.csv -o -name metrics.csv |
        grep -v '/training\.[0-9]' | sort | xargs cksum | cksum)
}

# A job of 4 ranks; one time in KILLS a rank is killed after some of its runs.
job() { # DIR GROUP LOG
    mpi/launch -n $ranks "$karma" ablate "$WORK/spec.yaml" --out "$1" --group "$2" >>"$3" 2>&1
}
random() { # N: from 1 to N
    awk -v n="$1" -v seed="$(od -An -N4 -tu4 /dev/urandom)" 'BEGIN { srand(seed); print 1 + int(rand() * n) }'
}
kill_one() { # DIR: a random process of this ablation, for good
    # shellcheck disable=SC2046
    set -- "$1" $(for dir in /proc/[0-9]*; do
        tr '\0' ' ' 2>/dev/null <"$dir/cmdline" | grep -q "^$karma ablate $WORK/spec.yaml --out $1 " && echo "${dir#/proc/}"
    done)
    [ $# -gt 1 ] || return 0
    shift "$(random $(($# - 1)))"
    kill -9 "$1" 2>/dev/null || true
}

for group in ${GROUPS_OF:-1 2 4}; do
    dir=$WORK/group-$group log=$WORK/group-$group.log
    : >"$log"
    kills=$((runs / 10 * group / ranks))
    [ $kills -le 10 ] || kills=10
    made=0
    for kill in $(seq 1 $kills); do
        job "$dir" "$group" "$log" &
        job=$!
        until [ "$(find "$dir/runs" -name outcome.yaml 2>/dev/null | wc -l)" -ge $((runs * kill / (kills + 1))) ] ||
            ! kill -0 $job 2>/dev/null; do sleep 0.2; done
        kill_one "$dir"
        wait $job || true
    done
    job "$dir" "$group" "$log"
    made=$(find "$dir/runs" -name outcome.yaml | wc -l | tr -d ' ')
    check "groups of $group, $kills kills: runs with a record" "$made" "$runs"
    check "groups of $group: records that were made again" \
        "$(find "$dir/runs" -name 'outcome.yaml.*' | wc -l | tr -d ' ')" 0
    check "groups of $group: rows" "$(cat "$dir"/runs/one/configured/*/evaluation/eval.csv | grep -c '^one,')" "$runs"
    check "groups of $group: states" "$(awk -F, 'NR > 1 { print $9 }' "$dir/manifest.csv" | sort | uniq -c | tr -s ' ')" " $runs done"
    [ -n "${golden:-}" ] || golden=$(results "$dir")
    check "groups of $group: the results" "$(results "$dir")" "$golden"
done
start=$(date +%s%N)
"$karma" ablate "$WORK/spec.yaml" --out "$dir" --status >"$WORK/status"
echo "status of $runs runs: $((($(date +%s%N) - start) / 1000000)) ms"
exit $failed
