# The benches start, their kernels pass the comparison with the references, and every number that
# docs/performance.md explains is printed with its unit. Speeds are not judged: a test machine is
# busy.
. tests/cmd/tap.sh

names=$(sed -n 's/^BENCHES *= *//p' Makefile)
# shellcheck disable=SC2086
exits 0 "all benches pass their checks" env BENCH_ROWS="$WORK/rows" sh tests/bench/run "$BUILD" -q $names
says out '^ +checked: .*gemm_ref bit by bit' "products equal the reference"
says out '^  diamond, 200/s \(nominal\) .* M request-hops/s ' "request-hops at the nominal load"
says out '^  diamond, 600/s \(overload\) .* M request-hops/s ' "request-hops under overload"
says out '^  rollout: .* env-steps/s .* % of peak' "rollout, as a share of the FMA peak"
says out '^  price of equal bits .* x OpenBLAS .* 120 shapes' "products relative to OpenBLAS"
says out '^  acting alone .* env-steps/s .* % of peak \([0-9]+ to [0-9]+\)' "acting, with its spread"
says out '^  update .* sample-epochs/s .* % of peak \([0-9]+ to [0-9]+\)' \
    "update, as a share of the FMA peak"
says out '^  organisation .* % of a rollout' "the organisation, as a share of a rollout"
says out '^  encoders of 256 units .* ms/gradient ' "the encoder of AWARE"
says out '^  twin, without a table .* env-steps/s ' "steps in the twin"
says out '^  queueing twin .* us/decision ' "decisions of the queueing twin"
says out '^  their share of a step .* % ' "beside its matrix products"
says out '^  lookup, recorded .* ns ' "lookups that are hits"
says out '^  lookup, not recorded .* ns ' "and misses"
says out '^  table .* MB/M transitions ' "memory of the table"
says out '^  fit of a network .* transitions/s .* % of peak' "a fit"
says out '^  training, end to end .* env-steps/s ' "a whole training"
if [ "${MPI:-1}" = 0 ]; then
    skip "bytes on the wire, time in MPI" "built without MPI"
else
    says out '^  trajectories .* bytes/env-step ' "bytes on the wire, trajectories"
    says out '^  weights .* bytes/env-step ' "bytes on the wire, weights"
    says out '^  time in MPI, learner .* % ' "time in MPI, split"
    says out '^  time in MPI  .* % ' "time in MPI, fused"
fi
# BENCH_ROWS: every row of the report, in its order; of a value, the digits that the report shows.
# The tabs are those of bench.h.
numbers='substr($0, 1, 2) == "  " && substr($0, 40, 11) ~ /^ *-?[0-9][0-9 ]*(\.[0-9]+)?$/'
awk "$numbers"' { print substr($0, 3, 36) "|" substr($0, 52, 18) "|" }' "$WORK/out" >"$WORK/report.txt"
awk -F '\t' 'NF == 3 && $2 + 0 == $2 { printf "%-36s|%-18s|\n", $1, $3 }' "$WORK/rows" >"$WORK/rows.txt"
[ "$(wc -l <"$WORK/rows.txt")" -ge 20 ]
result $? "BENCH_ROWS has rows"
holds "they are those of the report" cmp "$WORK/report.txt" "$WORK/rows.txt"
says rows '^# Digital twin, one core' "under its titles"
done_testing
