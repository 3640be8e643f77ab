# make install: the program finds the configurations that were installed with it from any directory,
# the Slurm scripts name installed files, and the documents have their figures.
. tests/cmd/tap.sh

prefix=$WORK/prefix
exits 0 "make install" make --no-print-directory install PREFIX="$prefix" B="$BUILD" \
    MPI="${MPI:-1}" SAN="${SAN:-0}"
mkdir "$WORK/elsewhere"
installed() { # COMMAND...: in a directory that holds nothing
    (cd "$WORK/elsewhere" && PATH=$prefix/bin:$PATH "$@")
}
exits 0 "an installed experiment" installed karma config check configs/experiments/warm_start.yaml
exits 0 "an installed organisation" installed karma org check configs/organisations/karma.yaml
printf 'include: [configs/experiments/tiny.yaml]\n' >"$WORK/elsewhere/mine.yaml"
exits 0 "one of the user's that includes an installed one" installed karma config check mine.yaml
printf 'train: {seed: 77}\n' >"$WORK/elsewhere/own.yaml"
mkdir -p "$WORK/elsewhere/configs/experiments"
mv "$WORK/elsewhere/own.yaml" "$WORK/elsewhere/configs/experiments/tiny.yaml"
run installed karma config show configs/experiments/tiny.yaml
says out "seed: 77" "a file that is there comes first"
exits 2 "a file that is nowhere" installed karma config check configs/experiments/none.yaml
says err "^error: configs/experiments/none.yaml: cannot be read" "is named as it was typed"
exits 0 "the launcher" installed karma-launch --print -n 1 "$prefix/bin/karma"
exits 0 "its help" installed karma-launch --help

missing=
for file in $(grep -oh "$prefix/[A-Za-z0-9_./-]*" "$prefix"/share/karma/slurm/* | sed 's/\.$//' | sort -u); do
    [ -e "$file" ] || missing="$missing $file"
done
same "$missing" "" "every file that a Slurm script names is installed"
doc=$prefix/share/doc/karma
for page in README.md $(cd "$doc" && ls docs/*.md); do
    for link in $(grep -oh '](\(\.\./\)\{0,1\}\(results\|configs\|slurm\|docs\)/[^)#]*' "$doc/$page" | sed 's/^](//'); do
        [ -e "$doc/$(dirname "$page")/$link" ] || missing="$missing $page:$link"
    done
done
same "$missing" "" "every figure and table that a document shows is installed"
done_testing
