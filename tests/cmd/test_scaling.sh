# Costs grow with the size, not with its square: commands at four times a size, in CPU time of one
# run. 1 would be in proportion; the square would be 2. `make scaling` lists all at ten times.
# ALONE: it compares CPU times
. tests/cmd/tap.sh

for row in episode rows merge export import trace_merge recording_csv; do
    exits 0 "$row: grows by less than size^1.5" env LIMIT=1.5 KARMA="$KARMA" sh tests/scaling 4 $row
    tail -n 1 "$WORK/out" | sed 's/^/# /'
done
done_testing
