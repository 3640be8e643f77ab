# One digest, whoever computes it: ranks, splits, compilers, optimisation, CPUs.
#
# PROOF=1 (make proof) builds with every combination of compiler, -O0/-O3 and CPU; otherwise one
# build stands for them: clang -O3 (gcc -O0 where there is no clang). It is without MPI, so serial runs are in here too.
. tests/cmd/tap.sh
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny.yaml

golden() { # INIT: the committed digest
    sed -n "s/^$1 //p" tests/golden/tiny.txt
}

trained() { # COMMAND...: the digest it prints last, in $digest
    rm -rf "$WORK/run"
    run timeout "$HANGS" "$@" --set run.dir="$WORK/run"
    digest=$(sed -n '$s/^digest //p' "$WORK/out")
}

gives() { # INIT NAME COMMAND...: the command trains the committed weights
    init=$1 what=$2
    shift 2
    trained "$@" --set train.init="$init"
    same "$digest" "$(golden "$init")" "$what"
}

# The 10 tiles of tiny.yaml are dealt evenly to its 2 minibatches; 9 tiles cannot be, so environments
# are, and every tile has a part in each minibatch.
gives_environments() { # NAME COMMAND...
    what=$1
    shift
    trained "$@" --set train.envs=72
    same "$digest" "$(golden environments)" "$what"
}

# The head `need`: its targets are computed from the state in double precision.
gives_need() { # NAME COMMAND...
    what=$1
    shift
    trained "$@" --set "game={action: {head: need, operations: own}, obs: {rates: [60, 300]}}"
    same "$digest" "$(golden need)" "$what"
}

# --- ranks ---------------------------------------------------------------------------------------
gives scratch "one rank" "$KARMA" train $tiny
awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == "ratio_max_dev") column = i }
    NR > 1 && $column != "0" { bad = 1 }
    END { exit !column || NR < 6 || bad }' "$WORK/run/metrics.csv"
result $? "every update starts with probability ratios of exactly 1"
awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == "recovery") column = i }
    NR > 1 && !($column + 0 > 0) { bad = 1 }
    END { exit !column || NR < 6 || bad }' "$WORK/run/metrics.csv"
result $? "episodes without an attack, which have no recovery time, leave the mean of the others"
sed '/^digest:/d' "$WORK/run/metrics.csv" >"$WORK/serial.csv"

if [ "${MPI:-1}" = 0 ]; then
    skip "ranks and learners" "built without MPI"
else
    for ranks in 2 3 4 7; do
        gives scratch "$ranks ranks, all learn" \
            "$LAUNCH" -n $ranks "$KARMA" train $tiny --set train.learners=0
    done
    gives scratch "1 learner, 1 simulates" "$LAUNCH" -n 2 "$KARMA" train $tiny
    gives scratch "1 learner, 3 simulate" "$LAUNCH" -n 4 "$KARMA" train $tiny
    gives scratch "3 learners, 1 simulates" \
        "$LAUNCH" -n 4 "$KARMA" train $tiny --set train.learners=3
    gives scratch "2 learners that simulate 3 tiles, 2 simulate the rest" \
        "$LAUNCH" -n 4 "$KARMA" train $tiny --set train.learners=2 --set train.learners_simulate=3
    for ranks in 2 4; do
        gives scratch "$ranks ranks, learners chosen after the first update" \
            "$LAUNCH" -n $ranks "$KARMA" train $tiny --set train.learners=auto
        says err "^train.learners auto: a tile takes .* of CPU" "the choice is logged"
    done
    trained "$LAUNCH" -n 2 "$KARMA" train $tiny --set train.pipeline=1 --set train.learners=auto
    same "$digest" "$(golden pipeline)" "the same in a pipeline"
    gives scratch "one rank, where there is no choice" \
        "$KARMA" train $tiny --set train.learners=auto
    holds "metrics.csv is the same file, too" cmp "$WORK/run/metrics.csv" "$WORK/serial.csv"
    gives clone "cloned on 3 ranks" "$LAUNCH" -n 3 "$KARMA" train $tiny
    gives_environments "minibatches of environments, 3 ranks, all learn" \
        "$LAUNCH" -n 3 "$KARMA" train $tiny --set train.learners=0
    gives_environments "minibatches of environments, 2 learners, 1 simulates" \
        "$LAUNCH" -n 3 "$KARMA" train $tiny --set train.learners=2
    gives_need "choices relative to the need, 3 ranks" "$LAUNCH" -n 3 "$KARMA" train $tiny
fi
gives_need "choices relative to the need, one rank" "$KARMA" train $tiny
gives_environments "minibatches of environments, one rank" "$KARMA" train $tiny

# --- vector kernels ------------------------------------------------------------------------------
# One program has them all; without the variable the widest that the CPU has is used.
kernels="avx2+fma"
[ "${PROOF:-0}" = 0 ] || kernels="avx2+fma scalar_fmaf"
for kernel in $kernels; do
    gives scratch "the kernel '$kernel'" \
        env KARMA_KERNEL="$(echo "$kernel" | tr _ ' ')" "$KARMA" train $tiny
done

# --- it can differ -------------------------------------------------------------------------------
trained "$KARMA" train $tiny --set train.seed=2
[ -n "$digest" ] && [ "$digest" != "$(golden scratch)" ]
result $? "another seed gives another digest"

# --- compilers and CPUs --------------------------------------------------------------------------
# compiler/optimisation/CPU; no CPU: the Makefile's choice, which runs on any x86-64 since Haswell
builds="clang/-O3/"
command -v clang >/dev/null || builds="gcc/-O0/"
if [ "${PROOF:-0}" = 1 ]; then
    builds="gcc/-O0/ gcc/-O3/ gcc/-O0/native gcc/-O3/native"
    builds="$builds clang/-O0/ clang/-O3/ clang/-O0/native clang/-O3/native"
fi

built_by() { # COMPILER OPT CPU: makes and tries the program of that variant
    variant=serial${3:+-$3}
    [ "$1" = gcc ] || variant=$variant-$1
    [ "$2" = -O3 ] || variant=$variant$2
    program=build/$variant/karma
    holds "builds with $*" make -s MPI=0 SAN=0 DEV=0 CC="$1" OPT="$2" ${3:+ARCH=$3} "$program"
    gives scratch "trained by $*" "$program" train $tiny
    gives clone "cloned by $*" "$program" train $tiny
    gives_need "choices relative to the need, trained by $*" "$program" train $tiny
}

for build in $builds; do
    compiler=${build%%/*} rest=${build#*/}
    if command -v "$compiler" >/dev/null; then
        built_by "$compiler" "${rest%%/*}" "${rest#*/}"
    else
        skip "the digest of $build" "$compiler is not installed"
    fi
done
done_testing
