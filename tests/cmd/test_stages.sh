# train.finish: the last updates of a training in the twin are made on the simulator. train.rounds: on
# the way the twin is refitted to what the team does on the simulator. The weights are the same on any
# number of ranks and after a kill on either side of a change; settings that make no sense get a
# sentence.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1

tiny=configs/experiments/tiny.yaml
twin=$WORK/twin
run=$WORK/run
updates=6
finish=3

train() { # RANKS ARGUMENT...
    ranks=$1
    shift
    set -- "$KARMA" train $tiny --set run.dir="$run" --set twin.file="$twin" \
        --set train.updates=$updates --set train.checkpoint_every=1 --set train.checkpoint_keep=100 "$@"
    [ "$ranks" = 1 ] || set -- "$LAUNCH" -n "$ranks" "$@"
    run timeout "$HANGS" "$@"
}

digest() { # of the last training
    sed -n '$s/^digest //p' "$WORK/out"
}

first_rows() { # FILE: of the updates before the change, with the header
    sed -n "1,$((updates - finish + 1))p" "$1"
}

"$KARMA" trace collect $tiny --out "$WORK/store" --validation 25 --held-out 10 \
    --set 'eval.controllers=[khpa, {explore: {random: 0.3}}]' --set eval.episodes=8 2>/dev/null
exits 0 "a twin to train in" "$KARMA" twin fit "$WORK/store" --out "$twin" --set fit.members=2 \
    --set 'fit.hidden=[16]' --set fit.epochs=3 --set fit.noise_rows=64

train 1
in_twin=$(digest)
first_rows "$run/metrics.csv" >"$WORK/rows"
same "${#in_twin}" 16 "a training in the twin alone prints its digest"

goes_on() { # PIPELINE RANKS UPDATE: as if the run had been killed after that update
    rm -rf "$run"
    cp -R "$WORK/whole" "$run"
    later=$3
    while [ "$((later += 1))" -lt $updates ]; do
        rm "$run/checkpoints/update-$later.ckpt"
    done
    echo "running update $(($3 + 1)) of $updates" >"$run/status"
    train "$2" --set train.finish=$finish --set train.pipeline="$1"
    says err "resumed after update $3" "pipeline $1, killed after update $3: it goes on"
    same "$(digest)" "$want" "pipeline $1, killed after update $3, on $2 ranks: the same digest"
    holds "pipeline $1, killed after update $3: metrics.csv" \
        cmp "$run/metrics.csv" "$WORK/whole/metrics.csv"
}

for pipeline in 0 1; do
    rm -rf "$run" "$WORK/whole"
    train 1 --set train.finish=$finish --set train.pipeline=$pipeline
    want=$(digest)
    same "${#want}" 16 "pipeline $pipeline: it ends on the simulator"
    says err "update $((updates - finish + 1)) and those after it are made on the simulator" \
        "pipeline $pipeline: the change is announced"
    [ "$want" != "$in_twin" ]
    result $? "pipeline $pipeline: the simulator makes other weights"
    mv "$run" "$WORK/whole"
    if [ $pipeline = 0 ]; then
        first_rows "$WORK/whole/metrics.csv" | cmp - "$WORK/rows"
        result $? "the updates before the change are those of a training in the twin"
    fi
    more=1
    if [ "${MPI:-1}" = 0 ]; then
        skip "pipeline $pipeline: other numbers of ranks" "built without MPI"
    else
        more=3
        for shape in "2 0" "3 1" "4 2"; do
            rm -rf "$run"
            # shellcheck disable=SC2086
            set -- $shape
            train "$1" --set train.finish=$finish --set train.pipeline=$pipeline \
                --set train.learners="$2"
            same "$(digest)" "$want" "pipeline $pipeline: $1 ranks, $2 learners: the same digest"
        done
    fi
    goes_on $pipeline $more 2
    goes_on $pipeline 1 3
    goes_on $pipeline $more 4
done

# --- rounds --------------------------------------------------------------------------------------
rounds='--set train.rounds=3 --set train.round_episodes=25 --set train.finish=1'
rm -rf "$run" "$WORK/whole"
# shellcheck disable=SC2086
train 1 $rounds
want=$(digest)
same "${#want}" 16 "a training of three rounds prints its digest"
same "$(grep -c '^round [23]: 800 new transitions; error' "$WORK/err")" 2 "two refits are announced"
says err "update 2 and those after it are made in the twin .*/rounds/2/twin" "the second round"
says err "update 4 and those after it are made in the twin .*/rounds/3/twin" "the third round"
says err "update 6 and those after it are made on the simulator" "and the end on the simulator"
for digits in "$want" "$in_twin"; do echo "$digits"; done | sort -u | wc -l >"$WORK/n"
same "$(tr -d ' ' <"$WORK/n")" 2 "refits make other weights"
mv "$run" "$WORK/whole"

as_killed() { # UPDATE WORDS: the run as if it had been killed after that update
    rm -rf "$run"
    cp -R "$WORK/whole" "$run"
    echo "running update $(($1 + 1)) of $updates" >"$run/status"
    later=$1
    while [ "$((later += 1))" -lt $updates ]; do
        rm "$run/checkpoints/update-$later.ckpt"
    done
}

ends_alike() { # RANKS NAME
    # shellcheck disable=SC2086
    train "$1" $rounds
    same "$(digest)" "$want" "$2, on $1 ranks: the same digest"
    for file in metrics.csv rounds/2/store rounds/2/twin rounds/3/twin rounds/3/twin.traces; do
        holds "$2: $file" cmp "$run/$file" "$WORK/whole/$file"
    done
}

if [ "${MPI:-1}" != 0 ]; then
    rm -rf "$run"
    ends_alike 3 "undisturbed"
fi
as_killed 2
ends_alike 1 "killed in the second round"
as_killed 1
rm -r "$run/rounds/2/twin" "$run/rounds/2/twin.traces" "$run/rounds/3"
head -c 20000 "$WORK/whole/rounds/2/store" >"$run/rounds/2/store"
ends_alike $more "killed while the team played for the second round"
as_killed 3
rm -r "$run/rounds/3/twin" "$run/rounds/3/twin.traces"
ends_alike $more "killed while the twin of the third round was fitted"

# --- what is refused -----------------------------------------------------------------------------
# Traces are of one plant, whatever its CPU costs and whatever a team may do at a decision.
rm -rf "$run"
exits 0 "rounds with another price of CPU and another bound of a change than the traces" "$KARMA" \
    train $tiny --set run.dir="$run" --set twin.file="$twin" --set train.updates=2 \
    --set train.rounds=2 --set train.round_episodes=25 --set plant.reward=slo \
    --set plant.cost_weight=1 --set plant.alpha=5
exits 1 "rounds on a plant with another interval of scrapes than the traces" "$KARMA" \
    train $tiny --set run.dir="$run-2" --set twin.file="$twin" --set train.updates=2 \
    --set train.rounds=2 --set train.round_episodes=25 --set plant.scrape_s=3
exits 2 "rounds and a rollout that runs ahead" "$KARMA" train $tiny --dry-run \
    --set twin.file="$twin" --set train.rounds=2 --set train.pipeline=1
says err "train.rounds: .*set train.pipeline to 0" "are refused"
exits 2 "more rounds than updates" "$KARMA" train $tiny --dry-run --set twin.file="$twin" \
    --set train.rounds=5 --set train.finish=1
says err "train.rounds: is 5, more than the 4 updates in the twin" "are refused"
rm -rf "$run"
exits 2 "a round of few episodes" "$KARMA" train $tiny --set run.dir="$run" \
    --set twin.file="$twin" --set train.rounds=2 --set train.round_episodes=2
says err "train.round_episodes: is 2: .* are 64 transitions, and a refit needs 512; set it to 16" \
    "is refused with the least number"
[ ! -e "$run" ]
result $? "before the first round"
exits 0 "a dry run" "$KARMA" train $tiny --dry-run --set twin.file="$twin" --set train.finish=1
exits 2 "without a twin" "$KARMA" train $tiny --dry-run --set train.finish=1
says err "train.finish: .*twin.file" "a training that is on the simulator anyway is refused"
exits 2 "more than there are" "$KARMA" train $tiny --dry-run --set twin.file="$twin" \
    --set train.finish=6
says err "train.finish: is 6, more than the 5 updates there are" "more updates than there are are refused"
done_testing
