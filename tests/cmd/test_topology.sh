# karma topology: the committed examples are the program's own, and every shape can be simulated.
. tests/cmd/tap.sh

for shape in tree mesh; do
    file=configs/topologies/$shape.yaml
    command=$(sed -n 's/^# *karma //p' $file)
    # shellcheck disable=SC2086 # the words of the command
    "$KARMA" $command >"$WORK/$shape.yaml"
    holds "$file is what the command in it prints" cmp "$WORK/$shape.yaml" $file
done
for shape in chain diamond tree mesh; do
    "$KARMA" topology $shape --services 6 --seed 3 --rate 40 >"$WORK/made.yaml"
    exits 0 "a $shape of 6 can be simulated" "$KARMA" simulate "$WORK/made.yaml" \
        --set workload.mean_rps=40 --controller khpa --out "$WORK/$shape"
    holds "and leaves its trace" test -s "$WORK/$shape/episode.csv"
done
exits 2 "an unknown shape" "$KARMA" topology ring
says err "unknown shape 'ring'; chain, diamond, tree or mesh" "is named, with the known ones"
exits 2 "too few services" "$KARMA" topology chain --services 3
exits 2 "too many services" "$KARMA" topology chain --services 33
exits 2 "no shape" "$KARMA" topology
exits 0 "--help" "$KARMA" topology --help
done_testing
