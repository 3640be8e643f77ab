# The PyTorch program of `make bench-torch` computes the updates of karma, of teams with and without
# an organisation. It is no dependency: without torch, numpy and protobuf there is nothing to test.
. tests/cmd/tap.sh
export OPENBLAS_NUM_THREADS=1
python=
for one in python3 /usr/bin/python3; do
    [ -n "$python" ] || ! "$one" -c 'import torch, numpy, google.protobuf' 2>/dev/null || python=$one
done
if [ -z "$python" ] || ! command -v protoc >/dev/null; then
    skip "the mathematics of PyTorch" "python3 has no torch, numpy or protobuf"
    done_testing
    exit 0
fi
update_of() { # CONFIG NAME
    holds "$2: an update is dumped" "$KARMA" train "configs/experiments/$1" --restart \
        --set "run.dir=$WORK/run" --dump-update 2 "$WORK/update.bin"
    exits 0 "$2: PyTorch computes it, too" "$python" tests/bench/peer_torch.py --check "$WORK/update.bin"
    says out '^checked: log-probabilities within .*, movement of the critic within' "$2: what was compared"
}
update_of tiny.yaml "no organisation"
update_of tiny_organised.yaml "roles"
exits 1 "no twin" "$python" tests/bench/peer_torch.py "$KARMA" "$WORK/none" 1
says err 'there is no twin .*/none; `make run` fits one' "the message says how to make one"
exits 1 "no rounds" "$python" tests/bench/peer_torch.py "$KARMA" "$WORK/none" 0
says err '^usage: peer_torch.py KARMA TWIN ROUNDS' "the message shows the usage"
done_testing
